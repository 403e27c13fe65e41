/*
 * codec_records.h - records made by hand, and a repeatable random sequence, for the codecs' tests.
 */
#ifndef FAREBOX_CODEC_RECORDS_H
#define FAREBOX_CODEC_RECORDS_H

#include "record.h"

#include <string.h>

static inline struct kafka_header codec_header(const char *name, const char *value)
{
    return (struct kafka_header){.name = name,
                                 .name_len = strlen(name),
                                 .value = (const uint8_t *)value,
                                 .value_len = value == NULL ? 0 : strlen(value),
                                 .has_value = value != NULL};
}

static inline struct kafka_record codec_record(const void *value, size_t len)
{
    return (struct kafka_record){.topic = "trip_events",
                                 .topic_len = strlen("trip_events"),
                                 .value = value,
                                 .value_len = len,
                                 .has_value = value != NULL,
                                 .partition = 2,
                                 .offset = 41,
                                 .timestamp_ms = INT64_C(1763800000000),
                                 .timestamp_type = KAFKA_TIMESTAMP_CREATE};
}

/* splitmix64: the same numbers everywhere. */
static inline uint64_t codec_random(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static inline size_t codec_random_below(uint64_t *state, size_t limit)
{
    return (size_t)(codec_random(state) % limit);
}

#endif
