/*
 * kafka_consumer.h - a member of a consumer group, with manual commits.
 *
 * Offsets are committed by hand only, the assignor is `range` (eager), and where the group has no
 * offset it starts at the earliest record. Each assignment of a partition gets a number that this
 * consumer never uses twice; records carry it, and a commit for another number is stale.
 *
 * Threads: one thread calls open, poll and close, and the handlers run inside those calls.
 * pause, resume and commit may be called from any thread, and from handlers. Nothing but poll and
 * close blocks.
 *
 * A consumer must be polled even while everything is paused: else the group takes its partitions
 * away after max.poll.interval.ms (5 min).
 */
#ifndef FAREBOX_KAFKA_CONSUMER_H
#define FAREBOX_KAFKA_CONSUMER_H

#include "kafka_client.h"

#define KAFKA_CONSUMER_TOPICS_MAX 4
/* Partitions that one consumer can be assigned; further ones are logged and not consumed. */
#define KAFKA_CONSUMER_PARTITIONS_MAX 1024
/* Records that one poll hands over at most. */
#define KAFKA_CONSUMER_POLL_MAX 64

struct kafka_partition {
    const char *topic; /* NUL-terminated, borrowed until the handler returns */
    int32_t partition;
    uint32_t assignment; /* from 1 */
};

/* All slots are needed. They run in the thread that polls. */
struct kafka_consumer_handlers {
    void *context;
    /* The partition is ours from now on, not paused. Records follow after this. */
    void (*on_assigned)(void *context, const struct kafka_partition *where);
    /*
     * The partition is not ours any more. When this returns, the driver must have forgotten the
     * assignment: tracker gone, waiting records dropped. A commit made in here is still sent. May
     * block for a while (the group waits for it); no record follows with this assignment.
     * `lost`: the group gave it away already, so a commit would be refused.
     */
    void (*on_revoked)(void *context, const struct kafka_partition *where, bool lost);
    /* A record; the view is borrowed until this returns. Must not block. */
    void (*on_record)(void *context, const struct kafka_partition *where,
                      const struct kafka_record *record);
    /* A commit was answered. Not ok: the broker's offset may or may not have moved; commit again
     * with a later one. Also comes for assignments that are gone. */
    void (*on_committed)(void *context, const struct kafka_partition *where, int64_t next_offset,
                         bool ok);
};

struct kafka_consumer_settings {
    struct kafka_client_settings client;
    const char *group;          /* needed */
    const char *const *topics;  /* NULL at the end, at most KAFKA_CONSUMER_TOPICS_MAX; needed */
    int32_t fetch_wait_max_ms;  /* [500]; 5 with the embedded broker */
    int32_t session_timeout_ms; /* [45000] */
    int32_t prefetch_kib;       /* bound on records read ahead [16384] */
};

enum kafka_commit_result {
    KAFKA_COMMIT_SENT = 1, /* on_committed follows */
    KAFKA_COMMIT_BUSY,     /* one is on its way for this partition: wait for its on_committed */
    KAFKA_COMMIT_STALE,    /* this assignment is gone: nothing was sent */
    KAFKA_COMMIT_ERROR,    /* could not be sent; logged */
};

struct kafka_consumer;

/*
 * Joins the group (in the background; a broker that is down is not an error). Returns NULL, and
 * why in `error`, where a setting is refused.
 */
MUST_USE struct kafka_consumer *kafka_consumer_open(const struct kafka_consumer_settings *settings,
                                                    const struct kafka_consumer_handlers *handlers,
                                                    char error[KAFKA_ERROR_TEXT_SIZE]);

/*
 * Waits up to timeout_ms for the first thing to do, then does what is there, at most
 * KAFKA_CONSUMER_POLL_MAX records, without waiting again. Returns the number of records.
 */
int kafka_consumer_poll(struct kafka_consumer *consumer, int timeout_ms);

/*
 * Stops / restarts delivery of a partition; a stale assignment does nothing. After pause has
 * returned in the polling thread no further record of it is delivered; from another thread, at
 * most one that poll holds already. Records kept back come after resume, none is lost. A pause
 * ends with its assignment.
 */
void kafka_consumer_pause(struct kafka_consumer *consumer, const struct kafka_partition *where);
void kafka_consumer_resume(struct kafka_consumer *consumer, const struct kafka_partition *where);

/* Commits that every record before next_offset is dealt with. At most one commit for each
 * partition is on its way at a time. */
MUST_USE enum kafka_commit_result kafka_consumer_commit(struct kafka_consumer *consumer,
                                                        const struct kafka_partition *where,
                                                        int64_t next_offset);

/*
 * Leaves the group: on_revoked for each partition, commits on their way are awaited (their
 * on_committed still comes), at most for timeout_ms; then the handle is gone either way, and no
 * handler runs any more, nor the log. NULL is allowed. False: the time was not enough for an
 * orderly leave: the group notices by the session timeout, and a thread that frees the rest may
 * run as long.
 */
bool kafka_consumer_close(struct kafka_consumer *consumer, int timeout_ms);

#endif
