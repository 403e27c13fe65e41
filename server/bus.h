/*
 * bus.h - Kafka as the engine thread sees it: messages in, commits and records out.
 *
 * Two consumers (trip events, dead letters) and a producer, each polled by a thread of
 * adapters/kafka. Their handlers decode records where they are, post messages to the inbox, and
 * never wait for the engine, with two exceptions: a revoke waits until the engine thread has
 * forgotten the partition, for BUS_REVOKE_MS at most, and a record that fills its partition waits
 * until there is room again, for BUS_PAUSE_AFTER_MS at most.
 *
 * Bound: of one partition at most BUS_AHEAD_MAX records, and of all at most BUS_AHEAD_BYTES, are
 * read ahead of the engine, and one record more for each partition. A partition that stays full, or
 * that the engine asks to pause, for BUS_PAUSE_AFTER_MS is paused at its next record; it is polled
 * all the same.
 *
 * Threads: every function but open, stop_consumers and close may be called by any thread.
 */
#ifndef FAREBOX_BUS_H
#define FAREBOX_BUS_H

#include "dead_letter_codec.h"
#include "engine.h"
#include "inbox.h"
#include "kafka_bus.h"
#include "settings.h"
#include "trip_codec.h"

#define BUS_AHEAD_MAX      256
#define BUS_AHEAD_BYTES    (64 << 20)
#define BUS_REVOKE_MS      5000
#define BUS_PAUSE_AFTER_MS 100

struct bus;

/* MESSAGE_ASSIGNED. The taker frees it. */
struct assigned_message {
    struct message message;
    uint8_t topic; /* enum engine_topic */
    int32_t partition;
    uint32_t assignment;
};

/*
 * MESSAGE_REVOKED. The taker sets has_offset and next_offset where something is left to commit,
 * and calls bus_revoked(), which wakes the handler; it owns the message.
 */
struct revoked_message {
    struct message message;
    uint8_t topic;
    int32_t partition;
    uint32_t assignment;
    bool has_offset;
    int64_t next_offset;
    bool is_done; /* the bus's */
    bool is_left; /* the bus's: the handler waits no more, so bus_revoked() frees it */
};

/* MESSAGE_RECORD. The taker gives it back with bus_record_done(). */
struct record_message {
    struct message message;
    uint8_t topic;
    uint8_t kind; /* enum engine_record_kind */
    int32_t partition;
    uint32_t assignment;
    int64_t offset;
    int64_t timestamp_ms; /* the first one */
    union {
        struct {
            struct uuid payment_id;
            char trip_id[TRIP_ID_SIZE];
            char user_id[TRIP_ID_SIZE];
            char traceparent[TRIP_TRACEPARENT_SIZE];
        } trip;
        char error[TRIP_MESSAGE_SIZE + 32]; /* MALFORMED */
        struct dead_letter_decoded dead;    /* DEAD */
    } as;
    size_t raw_len;     /* raw_record.h; 0 for IGNORED */
    size_t headers_len; /* DEAD: those that a retry sends, after the raw bytes */
    uint8_t bytes[];
};

/* MESSAGE_COMMITTED. The taker frees it. */
struct committed_message {
    struct message message;
    uint8_t topic;
    bool ok;
    int32_t partition;
    uint32_t assignment;
    int64_t next_offset;
};

/* MESSAGE_DELIVERED. The taker frees it. */
struct delivered_message {
    struct message message;
    uint64_t cookie;
    enum kafka_delivery delivery;
};

struct bus_options {
    const struct farebox_settings *settings;
    const char *bootstrap; /* the brokers */
    struct inbox *inbox;
};

/* NULL, and why in `error`: a setting is refused, no memory, no thread. */
MUST_USE struct bus *bus_open(const struct bus_options *options, char error[KAFKA_ERROR_TEXT_SIZE]);

/* Wakes the handler that waits for this message, which is not the taker's any more. */
void bus_revoked(struct bus *bus, struct revoked_message *message);

/* The engine has the record, or it was dropped: makes room, and frees the message. */
void bus_record_done(struct bus *bus, struct record_message *message);

/* Asks for a commit. False: nothing was sent and no MESSAGE_COMMITTED follows; try again later. */
MUST_USE bool bus_commit(struct bus *bus, const struct committed_message *what);

/* The engine's own wish, besides the bus's. A partition that is gone: nothing. */
void bus_pause(struct bus *bus, uint8_t topic, int32_t partition, uint32_t assignment,
               bool is_paused);

/* Queues a record; see kafka_producer_produce(). */
MUST_USE enum kafka_produce bus_produce(struct bus *bus, const struct kafka_outgoing *record);

/* Partitions assigned now, and whether there was ever one. */
uint32_t bus_assigned(struct bus *bus, bool *ever);

/*
 * Leaves the groups within timeout_ms. The engine thread must still take messages: revokes wait for
 * it. Afterwards commit and pause do nothing. Blocks.
 */
void bus_stop_consumers(struct bus *bus, int timeout_ms);

/* Flushes the producer, reports what has no verdict, frees everything but posted messages. */
void bus_close(struct bus *bus, int timeout_ms);

#endif
