/*
 * raw_record.h - a consumed record as one run of bytes, for keeping it while it waits.
 *
 * Format, ours, in memory only (so in this machine's byte order): a fixed head, with what pricing
 * wants of a trip, then topic, key, value, and the headers in record_headers encoding.
 *
 * Pure functions; any thread; nothing blocks or allocates.
 */
#ifndef FAREBOX_RAW_RECORD_H
#define FAREBOX_RAW_RECORD_H

#include "invariant.h"
#include "trip_codec.h"

/* What pricing wants to know of a completed trip, kept so that its record is decoded once. */
struct raw_trip {
    int32_t distance_meters;
    int32_t duration_seconds;
    char ended_at[TRIP_ENDED_AT_SIZE]; /* "": the record is no completed trip */
};

/* The bytes that raw_record_encode() writes. */
size_t raw_record_size(const struct kafka_record *record);

/* Writes raw_record_size() bytes. Headers beyond the bounds of record.h are left out. NULL: the
 * record is no completed trip. */
void raw_record_encode(const struct kafka_record *record, const struct trip_completed *trip,
                       uint8_t *bytes);

/* A record that borrows from the bytes it was read from. */
struct raw_record {
    struct kafka_record record;
    struct kafka_header headers[KAFKA_HEADERS_MAX];
};

/* Reads what raw_record_encode() wrote; other bytes break an invariant. */
void raw_record_decode(const uint8_t *bytes, size_t len, struct raw_record *raw);

/* The same of a completed trip; another record breaks an invariant. */
void raw_record_trip(const uint8_t *bytes, size_t len, struct raw_trip *trip);

#endif
