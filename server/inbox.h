/*
 * inbox.h - what other threads tell the engine thread: one queue, many posters, one taker.
 *
 * Posting never blocks and never fails, because it takes no memory: a message is linked by a node
 * that its poster owns. So the inbox is bounded by what the posters may have outstanding: one
 * answer for each lane, scan and call, one report for each record in the producer, and the records
 * that the bus reads ahead (bus.h says how many).
 *
 * The taker waits at a condition variable, or, where one is set, in a waiter's own wait: the HTTP
 * gateway's, which carries on its transfers meanwhile in the taker's thread.
 *
 * Threads: any thread may post. One thread takes.
 */
#ifndef FAREBOX_INBOX_H
#define FAREBOX_INBOX_H

#include "invariant.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

enum message_type {
    MESSAGE_ASSIGNED = 1, /* bus.h */
    MESSAGE_REVOKED,
    MESSAGE_RECORD,
    MESSAGE_COMMITTED,
    MESSAGE_DELIVERED,
    MESSAGE_CALL,  /* gateway_call.h: an answer of the PG or of an upstream */
    MESSAGE_BATCH, /* store_lanes.h */
    MESSAGE_SCAN,  /* store_scans.h: a page, or a purge's end */
    MESSAGE_ADMIN, /* driver_admin.h */
    MESSAGE_STOP,  /* driver.c: claim nothing new */
    MESSAGE_QUIT,  /* driver.c: the engine thread ends */
};

/* The first member of every message. */
struct message {
    struct message *next; /* the inbox's while posted, then the taker's */
    uint8_t type;         /* enum message_type */
};

/* Something else to wait in. */
struct inbox_waiter {
    /*
     * Does what is due of its own, which may post to the inbox, and waits for up to timeout_ms for
     * more of that, or for a wakeup; 0: does not wait. May return early. The taker's thread.
     */
    void (*wait)(void *context, int64_t timeout_ms);
    /* Makes a wait that goes on, or else the next one, return. Any thread; does not block. */
    void (*wakeup)(void *context);
    void *context;
};

struct inbox {
    const struct inbox_waiter *waiter; /* NULL: the condition variable */
    pthread_mutex_t mutex;
    pthread_cond_t filled;
    struct message *first;
    struct message *last;
};

/* False: the system has no mutex or condition variable left. */
MUST_USE bool inbox_init(struct inbox *inbox);

/* From now on the taker waits there; NULL: as at the beginning. The taker's thread, or before it
 * runs. The waiter is the caller's and must live until it is taken away. */
void inbox_set_waiter(struct inbox *inbox, const struct inbox_waiter *waiter);

/* Nobody posts or takes any more. Messages that are still there stay their posters'. */
void inbox_clear(struct inbox *inbox);

/*
 * Appends a message that is in no inbox, and wakes the taker. From now on it is the taker's, until
 * that has dealt with it.
 */
void inbox_post(struct inbox *inbox, struct message *message);
/* The same for a list, linked by `next`, in its order: the taker wakes once. NULL: nothing. */
void inbox_post_list(struct inbox *inbox, struct message *first);

/*
 * Takes all messages at once, in the order in which they were posted. Waits for the first one for
 * up to timeout_ms (0 or less: not at all). NULL: none came. A waiter has its turn at every call.
 */
MUST_USE struct message *inbox_take(struct inbox *inbox, int64_t timeout_ms);

/*
 * Takes out this message if it is there. For a poster that ends, after the taker has: a message
 * that is part of the poster must not outlive it in the inbox.
 */
void inbox_remove(struct inbox *inbox, const struct message *message);

#endif
