/*
 * old_service_codec.h - what the old service left in its tables, as records that can be sent.
 *
 * Its outbox rows are plain JSON without key and headers; its dead letters are what the DLT held,
 * one or more levels deep in JSON strings, or in base64 (CONTRACTS 3).
 *
 * Results are copies. The JSON library allocates while a call runs. Any thread, nothing blocks.
 */
#ifndef FAREBOX_OLD_SERVICE_CODEC_H
#define FAREBOX_OLD_SERVICE_CODEC_H

#include "outcome_codec.h"

/* A payment_outbox row. */
struct old_event {
    int64_t row_id;
    int64_t created_at_ms; /* Unix ms, for ce_time */
    const char *payload;
    size_t payload_len;
};

/* Its record. The id is the row's: two rows of one trip are two events to whoever deduplicates, and
 * one row is one event however often it is sent. */
struct old_event_record {
    struct uuid event_id;
    char trip_id[STORE_ID_MAX + 1]; /* the key */
    size_t body_len;                /* of the caller's buffer */
    size_t headers_len;
    uint8_t headers[OUTCOME_HEADERS_MAX];
};

/* The row's id alone. */
void old_service_event_id(const struct old_event *event, struct uuid *id);

/*
 * Writes the body to `body` (payload_len bytes, at most) and all else to `record`. False, `record`
 * untouched: neither of the two events by its members, or its trip id is none.
 */
MUST_USE bool old_service_event(const struct old_event *event, const struct outcome_settings *set,
                                char *body, struct old_event_record *record);

/* A failed_event row as a record for its origin. */
struct old_letter_record {
    char topic[KAFKA_TOPIC_MAX + 1]; /* never one that ends in .DLT */
    char key[STORE_ID_MAX + 1]; /* the tripId in the value; "": there is none, the key is null */
    size_t body_len;
};

/* Writes the value to `body` (len bytes, at most). False: the topic is no topic's name. */
MUST_USE bool old_service_letter(const char *topic, const char *payload, size_t len, char *body,
                                 struct old_letter_record *record);

#endif
