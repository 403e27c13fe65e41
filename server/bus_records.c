/* bus_records.c - from a consumed record to a message: runs in the consumers' threads. */
#include "bus_internal.h"

#include "payment_id.h"
#include "raw_record.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Three parts, and where the whole record is: the topic's name and less than 100 for each. */
#define NOTE_SIZE (KAFKA_TOPIC_MAX + 400)

_Static_assert(KAFKA_HEADERS_BYTES_MAX <= STORE_HEADERS_MAX, "headers that fit here fit a row");
_Static_assert(KAFKA_TOPIC_MAX <= STORE_ID_MAX, "and so does a topic's name");
_Static_assert(DEAD_LETTER_TEXT_MAX <= STORE_ERROR_MAX, "and an error");
_Static_assert(NOTE_SIZE <= DEAD_LETTER_TEXT_MAX, "a note leaves room for the error");

void *bus_alloc(size_t size)
{
    void *memory = calloc(1, size);

    invariant(memory != NULL);
    return memory;
}

/* Without what `as` and the bytes hold: they may be large, and are written once. */
static struct record_message *message_new(const struct kafka_partition *where,
                                          const struct kafka_record *record, uint8_t topic,
                                          uint8_t kind, size_t raw_len, size_t headers_len)
{
    struct record_message *message = malloc(sizeof(*message) + raw_len + headers_len);

    invariant(message != NULL);
    message->message = (struct message){.type = MESSAGE_RECORD};
    message->topic = topic;
    message->kind = kind;
    message->partition = where->partition;
    message->assignment = where->assignment;
    message->offset = record->offset;
    message->timestamp_ms = record->timestamp_ms;
    message->raw_len = raw_len;
    message->headers_len = headers_len;
    return message;
}

/* A record that was sent back from the DLT keeps the age of its first delivery. */
static int64_t first_timestamp_ms(const struct kafka_record *record)
{
    struct dead_letter_decoded origin;

    return dead_letter_codec_read(record, &origin) && origin.from_headers
               ? origin.first_timestamp_ms
               : record->timestamp_ms;
}

static void fill_trip(struct record_message *message, const struct trip_completed *trip)
{
    payment_id_of_trip(trip->trip_id, strlen(trip->trip_id), &message->as.trip.payment_id);
    memcpy(message->as.trip.trip_id, trip->trip_id, sizeof(trip->trip_id));
    memcpy(message->as.trip.user_id, trip->user_id, sizeof(trip->user_id));
    memcpy(message->as.trip.traceparent, trip->traceparent, sizeof(trip->traceparent));
}

static struct record_message *read_trip(const struct kafka_partition *where,
                                        const struct kafka_record *record)
{
    struct trip_decoded decoded;
    struct record_message *message;

    switch (trip_codec_decode(record, &decoded)) {
    case TRIP_IGNORED:
        return message_new(where, record, TOPIC_TRIPS, RECORD_IGNORED, 0, 0);
    case TRIP_COMPLETED:
        message = message_new(where, record, TOPIC_TRIPS, RECORD_TRIP, raw_record_size(record), 0);
        raw_record_encode(record, &decoded.completed, message->bytes);
        fill_trip(message, &decoded.completed);
        break;
    case TRIP_MALFORMED:
    default:
        message =
            message_new(where, record, TOPIC_TRIPS, RECORD_MALFORMED, raw_record_size(record), 0);
        raw_record_encode(record, NULL, message->bytes);
        (void)snprintf(message->as.error, sizeof(message->as.error), "%s: %s",
                       trip_codec_malformed_name(decoded.malformed), decoded.message);
        break;
    }
    message->timestamp_ms = first_timestamp_ms(record);
    return message;
}

/* No origin to be told: it goes back to where trip events come from, known by its own place. */
static void guess_origin(const char *trip_topic, const struct kafka_record *record,
                         struct dead_letter_decoded *letter)
{
    *letter = (struct dead_letter_decoded){.partition = record->partition,
                                           .offset = record->offset,
                                           .timestamp_ms = record->timestamp_ms,
                                           .first_timestamp_ms = record->timestamp_ms};
    (void)snprintf(letter->topic, sizeof(letter->topic), "%s", trip_topic);
}

/* What is left out of a dead letter, for people: the front of its error. */
struct note {
    char text[NOTE_SIZE];
    size_t len;
};

__attribute__((format(printf, 2, 3))) static void note_add(struct note *note, const char *format,
                                                           ...)
{
    va_list values;
    int len;

    va_start(values, format);
    len = vsnprintf(note->text + note->len, sizeof(note->text) - note->len, format, values);
    va_end(values);
    invariant(len >= 0 && (size_t)len < sizeof(note->text) - note->len);
    note->len += (size_t)len;
}

static bool is_left_out(struct note *note, const char *part, size_t len, size_t len_max)
{
    if (len <= len_max) {
        return false;
    }
    note_add(note, "%s%s of %zu bytes left out (limit %zu)", note->len == 0 ? "" : ", ", part, len,
             len_max);
    return true;
}

/* Leaves out what the store would refuse for good: that would hold up the partition for ever. */
static void leave_out(struct kafka_record *record, struct note *note)
{
    if (record->has_key && is_left_out(note, "key", record->key_len, STORE_KEY_MAX)) {
        record->has_key = false;
        record->key_len = 0;
    }
    if (record->has_value && is_left_out(note, "value", record->value_len, STORE_BODY_MAX)) {
        record->has_value = false;
        record->value_len = 0;
    }
    if (record->headers_cut) {
        note_add(note, "%ssome headers left out (limit %d, and %d bytes)",
                 note->len == 0 ? "" : ", ", KAFKA_HEADERS_MAX, KAFKA_HEADERS_BYTES_MAX);
    }
    if (note->len > 0) {
        note_add(note, "; the whole record is in %.*s partition %d offset %lld",
                 record->topic_len < KAFKA_TOPIC_MAX ? (int)record->topic_len : KAFKA_TOPIC_MAX,
                 record->topic, record->partition, (long long)record->offset);
    }
}

/* Puts the note before the error, whose end goes where both are too long together. */
static void put_first(struct note *note, char error[DEAD_LETTER_TEXT_MAX + 1])
{
    size_t len = strlen(error);

    if (note->len == 0) {
        return;
    }
    if (len > 0) {
        note_add(note, ": ");
    }
    if (len > DEAD_LETTER_TEXT_MAX - note->len) {
        len = DEAD_LETTER_TEXT_MAX - note->len;
        /* 10xxxxxx continues a character: the cut would be inside it. */
        while (len > 0 && ((unsigned char)error[len] & 0xc0) == 0x80) {
            len--;
        }
    }
    memmove(error + note->len, error, len);
    memcpy(error, note->text, note->len);
    error[note->len + len] = '\0';
}

static struct record_message *read_dead(const struct bus *bus, const struct kafka_partition *where,
                                        const struct kafka_record *record)
{
    uint8_t *headers = bus_alloc(KAFKA_HEADERS_BYTES_MAX);
    struct kafka_record kept = *record;
    struct note note = {.len = 0};
    size_t headers_len = 0;
    size_t raw_len;
    struct record_message *message;

    leave_out(&kept, &note);
    raw_len = raw_record_size(&kept);
    invariant(
        dead_letter_codec_retry_headers(record, headers, KAFKA_HEADERS_BYTES_MAX, &headers_len));
    message = message_new(where, &kept, TOPIC_DLT, RECORD_DEAD, raw_len, headers_len);
    raw_record_encode(&kept, NULL, message->bytes);
    if (headers_len > 0) {
        memcpy(message->bytes + raw_len, headers, headers_len);
    }
    free(headers);
    if (!dead_letter_codec_read(record, &message->as.dead)) {
        guess_origin(bus->trip_topic, record, &message->as.dead);
    }
    put_first(&note, message->as.dead.error);
    return message;
}

struct record_message *bus_record_read(const struct bus_consumer *consumer,
                                       const struct kafka_partition *where,
                                       const struct kafka_record *record)
{
    return consumer->topic == TOPIC_TRIPS ? read_trip(where, record)
                                          : read_dead(consumer->bus, where, record);
}
