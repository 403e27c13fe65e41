/*
 * kafka_producer.h - publishes records: idempotent, acks=all, a report for every record.
 *
 * Keys are spread over partitions as Java clients do it (murmur2), so that one trip's records
 * share a partition with those of other producers.
 *
 * Threads: produce may be called from any thread and never blocks. One thread calls poll, flush
 * and close, and on_delivered runs inside those calls.
 */
#ifndef FAREBOX_KAFKA_PRODUCER_H
#define FAREBOX_KAFKA_PRODUCER_H

#include "kafka_client.h"

enum kafka_delivery {
    KAFKA_DELIVERED = 1, /* in the log, acknowledged by all in-sync replicas */
    KAFKA_REFUSED,       /* the broker, or its limits, refuse this record; sending it again helps
                            only after somebody changed something: it is not in the log */
    KAFKA_NO_VERDICT,    /* no answer in time, or the producer was closed: may be in the log */
};

struct kafka_producer_handlers {
    void *context;
    /* Exactly one for each record that produce has queued. `offset` and `partition` are -1 unless
     * delivered, `error` is "" where delivered. */
    void (*on_delivered)(void *context, uint64_t cookie, enum kafka_delivery delivery,
                         int32_t partition, int64_t offset, const char *error);
};

struct kafka_producer_settings {
    struct kafka_client_settings client;
    int32_t queue_records_max;  /* [10000] */
    int32_t queue_kib_max;      /* [65536] */
    int32_t linger_ms;          /* [5]; -1: none */
    int32_t message_timeout_ms; /* from produce to KAFKA_NO_VERDICT [20000] */
};

/* By the key, or any partition where there is no key. */
#define KAFKA_PARTITION_BY_KEY (-1)

/* Everything is copied before produce returns. */
struct kafka_outgoing {
    const char *topic;      /* NUL-terminated */
    const void *key;        /* NULL: a null key */
    const void *value;      /* NULL: a null value */
    const uint8_t *headers; /* record_headers encoding; NULL with headers_len 0: none */
    size_t key_len;
    size_t value_len;
    size_t headers_len;
    int64_t timestamp_ms; /* Unix ms; 0: now */
    uint64_t cookie;      /* comes back in the delivery report */
    /* KAFKA_PARTITION_BY_KEY, or a number; where the topic has fewer partitions, by the key. */
    int32_t partition;
};

enum kafka_produce {
    KAFKA_PRODUCE_QUEUED = 1, /* a delivery report follows */
    KAFKA_PRODUCE_FULL,       /* the queue is full: poll, and try again after a report */
    KAFKA_PRODUCE_REFUSED,    /* this record can never be sent (too large, a topic name that does
                                 not exist, headers that do not decode); no report follows */
    KAFKA_PRODUCE_FATAL,      /* the producer is of no use any more: close it, open another */
};

struct kafka_producer;

/* NULL, and why in `error`, where a setting is refused. A broker that is down is not an error. */
MUST_USE struct kafka_producer *kafka_producer_open(const struct kafka_producer_settings *settings,
                                                    const struct kafka_producer_handlers *handlers,
                                                    char error[KAFKA_ERROR_TEXT_SIZE]);

/* Queues a record. */
MUST_USE enum kafka_produce kafka_producer_produce(struct kafka_producer *producer,
                                                   const struct kafka_outgoing *record);

/* Waits up to timeout_ms for delivery reports and hands over those that are there. */
int kafka_producer_poll(struct kafka_producer *producer, int timeout_ms);

/* Records queued or on their way, whose report has not been handed over. */
int kafka_producer_outstanding(const struct kafka_producer *producer);

/* Polls until nothing is outstanding (true) or timeout_ms are over (false). */
bool kafka_producer_flush(struct kafka_producer *producer, int timeout_ms);

/*
 * Flushes for up to timeout_ms, reports the rest as KAFKA_NO_VERDICT, and frees the handle: after
 * this no handler runs. No produce may be running. NULL is allowed. True: everything had a verdict.
 */
bool kafka_producer_close(struct kafka_producer *producer, int timeout_ms);

#endif
