/*
 * dead_letter_codec.h - the headers of `trip_events.DLT`, written and read (CONTRACTS 3).
 *
 * A dead letter is the original record (key, value and headers unchanged, the same partition
 * number) plus Spring Kafka's kafka_dlt-* headers. A record that comes round again gains another
 * set of kafka_dlt-original-* headers: the first is the true origin, the last the most recent.
 * kafka_dlt-exception-* headers are replaced. So that a record cannot grow without end, at most
 * DEAD_LETTER_ORIGINS_MAX sets are kept: the first one and the most recent others.
 *
 * Pure functions: no allocation, any thread, nothing blocks.
 */
#ifndef FAREBOX_DEAD_LETTER_CODEC_H
#define FAREBOX_DEAD_LETTER_CODEC_H

#include "invariant.h"
#include "record.h"

#define DEAD_LETTER_ORIGINS_MAX    8
#define DEAD_LETTER_TEXT_MAX       1000 /* bytes of each exception text but the stack trace */
#define DEAD_LETTER_STACKTRACE_MAX 4000 /* longer texts are cut at a character's end */
#define DEAD_LETTER_SUFFIX         ".DLT"

/* NUL-terminated UTF-8; NULL leaves the header out. */
struct dead_letter_exception {
    const char *fqcn;
    const char *cause_fqcn;
    const char *message;
    const char *stacktrace;
};

/*
 * Writes the dead letter's whole header list, in record_headers encoding. `record` is the record
 * as it was consumed, `group` the consumer group that failed on it (cut at 255 bytes).
 * With a capacity of KAFKA_HEADERS_BYTES_MAX it always succeeds: where the record's own headers
 * and ours together exceed the bounds of record.h, its last own ones are left out. False, `len`
 * untouched: the capacity is smaller and not enough.
 */
MUST_USE bool dead_letter_codec_headers(const struct kafka_record *record, const char *group,
                                        const struct dead_letter_exception *exception,
                                        uint8_t *headers, size_t capacity, size_t *len);

/* What the DLT consumer stores of a record. Texts are NUL-terminated. */
struct dead_letter_decoded {
    /* Where a retry goes: never a name that ends in .DLT. */
    char topic[KAFKA_TOPIC_MAX + 1];
    /* The coordinates of the last origin; where a header of theirs is missing, has another length
     * than it should, or is a negative partition or offset, which no record has: the DLT record's
     * own. Unique together with the topic. */
    int32_t partition;
    int64_t offset;
    int64_t timestamp_ms;
    int64_t first_timestamp_ms; /* of the true origin; else the same as timestamp_ms */
    bool from_headers;          /* the coordinates are an origin's, not the DLT record's own */
    /* kafka_dlt-exception-message, valid UTF-8 (other bytes become '?'); "" where absent. */
    char error[DEAD_LETTER_TEXT_MAX + 1];
};

/*
 * Reads any record of a DLT. False, `letter` untouched, only where no topic to go back to can be
 * told: no valid kafka_dlt-original-topic, and the record's own topic is no valid name + ".DLT".
 */
MUST_USE bool dead_letter_codec_read(const struct kafka_record *record,
                                     struct dead_letter_decoded *letter);

/*
 * Writes the headers that the record is sent back with, in record_headers encoding: all of them
 * but kafka_dlt-exception-*. The kafka_dlt-original-* ones stay, so that the true origin and the
 * first timestamp survive the next round. They are also what failed_event stores. False, `len`
 * untouched: `capacity` (KAFKA_HEADERS_BYTES_MAX always suffices) is too small.
 */
MUST_USE bool dead_letter_codec_retry_headers(const struct kafka_record *record, uint8_t *headers,
                                              size_t capacity, size_t *len);

#endif
