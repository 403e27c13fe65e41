/*
 * record.h - a Kafka record as plain memory, without librdkafka.
 *
 * The codecs read it, the consumer fills it in, the simulator makes one from raw bytes.
 *
 * Ownership: a view. Every pointer is borrowed from whoever filled it in and lives only as long
 * as that says (in the consumer: until the handler returns). Nothing here is NUL-terminated.
 */
#ifndef FAREBOX_RECORD_H
#define FAREBOX_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bounds on what a record may bring; the same bytes as STORE_BODY_MAX and STORE_HEADERS_MAX. */
#define KAFKA_VALUE_MAX         (1 << 20)
#define KAFKA_HEADERS_BYTES_MAX (1 << 18) /* in record_headers encoding */
#define KAFKA_HEADERS_MAX       256
/* Kafka's own limit on a topic's name: letters, digits, '.', '_' and '-'. */
#define KAFKA_TOPIC_MAX 249

enum kafka_timestamp_type {
    KAFKA_TIMESTAMP_NONE = 0,
    KAFKA_TIMESTAMP_CREATE,     /* CreateTime: the producer's clock */
    KAFKA_TIMESTAMP_LOG_APPEND, /* LogAppendTime: the broker's clock */
};

/* A header. A null value (has_value false) is something else than an empty one. */
struct kafka_header {
    const char *name;
    const uint8_t *value;
    size_t name_len;
    size_t value_len;
    bool has_value;
};

struct kafka_record {
    const char *topic;
    const uint8_t *key;
    const uint8_t *value;
    const struct kafka_header *headers; /* in the record's order; a name may come twice */
    size_t topic_len;
    size_t key_len;
    size_t value_len;
    size_t header_count; /* at most KAFKA_HEADERS_MAX */
    int64_t offset;
    int64_t timestamp_ms; /* Unix ms; -1: none */
    int32_t partition;
    enum kafka_timestamp_type timestamp_type;
    bool has_key;
    bool has_value;
    bool headers_cut; /* it had more headers than the bounds allow; the rest is not here */
};

#endif
