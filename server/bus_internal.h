/*
 * bus_internal.h - what bus.c and bus_records.c share. Not for others.
 */
#ifndef FAREBOX_BUS_INTERNAL_H
#define FAREBOX_BUS_INTERNAL_H

#include "bus.h"

struct bus_partition {
    int32_t partition;
    uint32_t assignment;
    uint32_t ahead;     /* records posted and not done */
    int64_t blocked_ms; /* full or held: since when */
    bool is_full;       /* because of them */
    bool is_held;       /* by the engine */
    bool is_paused;     /* the client was told to */
};

struct bus_consumer {
    struct bus *bus;
    const char *name; /* of the topic */
    uint8_t topic;    /* enum engine_topic, also the consumer's number in kafka_bus */
    uint32_t count;
    struct bus_partition partitions[KAFKA_CONSUMER_PARTITIONS_MAX];
};

struct bus {
    struct inbox *inbox;
    struct kafka_bus *kafka;
    /* Guards what follows, and that nobody uses a consumer that is closing. */
    pthread_mutex_t mutex;
    pthread_cond_t revoked;
    pthread_cond_t unblocked; /* a partition, or the bus closes */
    struct bus_consumer consumers[TOPIC_COUNT];
    uint64_t ahead_bytes;
    bool is_open; /* the consumers may be called */
    bool was_assigned;
    const char *trip_topic;
};

/*
 * Decodes a record into a message of its own; never NULL. Calls no other part of the bus. Of a dead
 * letter it leaves out what exceeds the store's limits, and says so at the front of its error.
 */
struct record_message *bus_record_read(const struct bus_consumer *consumer,
                                       const struct kafka_partition *where,
                                       const struct kafka_record *record);

/* Memory, or the end of the process: what is durable is another instance's to finish. */
void *bus_alloc(size_t size);

#endif
