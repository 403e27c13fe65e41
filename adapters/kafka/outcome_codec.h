/*
 * outcome_codec.h - the events of `payment_events` (CONTRACTS 2), to and from bytes.
 *
 *     PaymentCompletedEvent {"tripId","fare","userId"}     PaymentFailedEvent {"tripId","reason"}
 *
 * The record's key is the trip id. Headers: `__TypeId__` (prefix + type, which Spring consumers
 * route on), `id`, CloudEvents in binary mode (ce_specversion 1.0, ce_id, ce_source, ce_type,
 * ce_time, content-type), and `traceparent` where the trip event had one. `id` and `ce_id` are the
 * payment id, so publishing twice is one event to a consumer that deduplicates.
 *
 * The same event gives the same bytes. The JSON library allocates while a call runs; results go
 * to the caller's buffers. Any thread, nothing blocks.
 */
#ifndef FAREBOX_OUTCOME_CODEC_H
#define FAREBOX_OUTCOME_CODEC_H

#include "ids.h"
#include "invariant.h"
#include "record.h"
#include "store.h" /* enum outcome_type */

/* Enough for every event whose texts are within their limits; escaping may double an id. */
#define OUTCOME_BODY_MAX            4096
#define OUTCOME_HEADERS_MAX         4096
#define OUTCOME_PREFIX_MAX          200
#define OUTCOME_REASON_MAX          255
#define OUTCOME_TYPE_PREFIX_DEFAULT "com.example.payment_service.kafka.dto."
#define OUTCOME_SOURCE_DEFAULT      "/farebox"

struct outcome_settings {
    const char *type_prefix; /* NULL: the default; at most OUTCOME_PREFIX_MAX characters */
    const char *source;      /* ce_source, a URI reference; NULL: the default; the same limit */
};

/* Texts are NUL-terminated. */
struct outcome_event {
    enum outcome_type type; /* OUTCOME_COMPLETED or OUTCOME_FAILED */
    int32_t fare_krw;       /* COMPLETED only */
    struct uuid payment_id;
    int64_t occurred_at_ms; /* Unix ms, for ce_time (UTC); years 1970 to 9999 */
    const char *trip_id;
    const char *user_id;     /* COMPLETED only */
    const char *reason;      /* FAILED only */
    const char *traceparent; /* NULL or "": none */
};

/*
 * Writes the JSON body (compact, no NUL) and its size. False, `len` untouched: a text is missing,
 * over its limit or not UTF-8, or `capacity` (OUTCOME_BODY_MAX always suffices) is too small.
 */
MUST_USE bool outcome_codec_body(const struct outcome_event *event, char *body, size_t capacity,
                                 size_t *len);

/* What the headers are made of. */
struct outcome_heading {
    enum outcome_type type;
    struct uuid event_id;
    int64_t occurred_at_ms;
    const char *traceparent; /* NULL or "": none */
};

/* Writes the headers of an event whose body is known already; results as below. */
MUST_USE bool outcome_codec_heading(const struct outcome_heading *heading,
                                    const struct outcome_settings *set, uint8_t *headers,
                                    size_t capacity, size_t *len);

/* Writes the headers in record_headers encoding; the same results (OUTCOME_HEADERS_MAX). */
MUST_USE bool outcome_codec_headers(const struct outcome_event *event,
                                    const struct outcome_settings *set, uint8_t *headers,
                                    size_t capacity, size_t *len);

/* An event as a consumer sees it. Texts are NUL-terminated copies, "" where absent. */
struct outcome_decoded {
    enum outcome_type type;
    bool has_event_id;
    struct uuid event_id; /* the `id` header */
    int32_t fare_krw;
    char trip_id[STORE_ID_MAX + 1];
    char user_id[STORE_ID_MAX + 1];
    char reason[OUTCOME_REASON_MAX + 1];
    char traceparent[STORE_TRACEPARENT_MAX + 1];
};

/*
 * Reads a record of `payment_events`, for tests, auditors and the demo. The type is that of
 * `__TypeId__`, and must fit the members; without that header (the old service's rows) the members
 * decide. False, `decoded` untouched: not one of the two events.
 */
MUST_USE bool outcome_codec_decode(const struct kafka_record *record,
                                   struct outcome_decoded *decoded);

/* "PaymentCompletedEvent", "PaymentFailedEvent", "" for OUTCOME_NONE. */
const char *outcome_codec_type_name(enum outcome_type type);

#endif
