/*
 * trip_codec.h - what a record of `trip_events` says (CONTRACTS 1).
 *
 * Every record ends in one of three verdicts: a completed trip, another event type that is
 * skipped and counted, or malformed, which makes a dead letter. Nothing is ever guessed: what
 * fits no known form is malformed.
 *
 * The value is a JSON object, or a JSON string that contains that object (the trip service's
 * outbox relay quotes its text), or that string quoted once more: so Spring services write dead
 * letters (CONTRACTS 3), and so a retry brings them back. The last `__TypeId__` header names the
 * type by its last segment after '.'; a java.* name, an unknown name or none: the members decide.
 * The record's key is not read: the value's tripId counts.
 *
 * Memory: the JSON parser allocates while a call runs; results are copies. Any thread, nothing
 * blocks, no state between calls.
 */
#ifndef FAREBOX_TRIP_CODEC_H
#define FAREBOX_TRIP_CODEC_H

#include "record.h"

/* 1 to 255 characters from space to '~', as store_unit_check() demands, and the NUL. */
#define TRIP_ID_SIZE 256
/* yyyy-MM-ddTHH:mm:ss.nnnnnnnnn and the NUL. */
#define TRIP_ENDED_AT_SIZE 30
/* W3C trace context, version 00, and the NUL. */
#define TRIP_TRACEPARENT_SIZE 56
#define TRIP_MESSAGE_SIZE     256

enum trip_verdict {
    TRIP_COMPLETED = 1, /* `completed` is filled in */
    TRIP_IGNORED,       /* `ignored` says which type */
    TRIP_MALFORMED,     /* `malformed` and `message` say why */
};

enum trip_ignored {
    TRIP_IGNORED_NONE = 0,
    TRIP_DRIVER_ARRIVED,
    TRIP_CANCELED,
};

enum trip_malformed {
    TRIP_MALFORMED_NONE = 0,
    TRIP_NO_VALUE,       /* a tombstone */
    TRIP_TOO_LARGE,      /* the value or the headers exceed the bounds of record.h */
    TRIP_NOT_JSON,       /* includes invalid UTF-8, trailing bytes, nesting over 2048 levels */
    TRIP_DOUBLE_MEMBER,  /* a member twice */
    TRIP_NOT_AN_OBJECT,  /* JSON, but neither an object nor a string that contains one */
    TRIP_UNKNOWN_SHAPE,  /* no type in the header, and members that fit no known type */
    TRIP_MISSING_MEMBER, /* a needed member is absent or null */
    TRIP_BAD_ID,         /* tripId, userId or driverId: not 1..255 printable ASCII characters */
    TRIP_BAD_NUMBER,     /* distanceMeters, durationSeconds: not a whole number 0..2147483647 */
    TRIP_BAD_TIME,       /* endedAt: no local date-time that exists */
};

/* A completed trip. Texts are NUL-terminated; "" where the optional ones are missing. */
struct trip_completed {
    char trip_id[TRIP_ID_SIZE];
    char user_id[TRIP_ID_SIZE];
    char driver_id[TRIP_ID_SIZE]; /* optional */
    /* Local date-time as sent, written with seconds and without trailing zeros in the fraction:
     * the text and the array form of one instant give the same text. */
    char ended_at[TRIP_ENDED_AT_SIZE];
    char traceparent[TRIP_TRACEPARENT_SIZE]; /* optional: absent or not valid */
    int32_t distance_meters;
    int32_t duration_seconds;
};

struct trip_decoded {
    enum trip_verdict verdict;
    enum trip_ignored ignored;
    enum trip_malformed malformed;
    struct trip_completed completed;
    /* Malformed: what was wrong, with the input (shortened, printable) and the limit. UTF-8. */
    char message[TRIP_MESSAGE_SIZE];
};

/* Decodes any record, whatever its bytes; `decoded` is always written whole. */
enum trip_verdict trip_codec_decode(const struct kafka_record *record,
                                    struct trip_decoded *decoded);

/* Names for logs, metrics and exception headers: "MISSING_MEMBER", "TripCanceledEvent". */
const char *trip_codec_malformed_name(enum trip_malformed malformed);
const char *trip_codec_ignored_name(enum trip_ignored ignored);

#endif
