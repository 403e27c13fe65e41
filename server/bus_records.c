/* bus_records.c - from a consumed record to a message: runs in the consumers' threads. */
#include "bus_internal.h"

#include "payment_id.h"
#include "raw_record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *bus_alloc(size_t size)
{
    void *memory = calloc(1, size);

    invariant(memory != NULL);
    return memory;
}

static struct record_message *message_new(const struct kafka_partition *where,
                                          const struct kafka_record *record, uint8_t topic,
                                          uint8_t kind, size_t raw_len, size_t headers_len)
{
    struct record_message *message = bus_alloc(sizeof(*message) + raw_len + headers_len);

    message->message.type = MESSAGE_RECORD;
    message->topic = topic;
    message->kind = kind;
    message->partition = where->partition;
    message->assignment = where->assignment;
    message->offset = record->offset;
    message->timestamp_ms = record->timestamp_ms;
    message->raw_len = raw_len;
    message->headers_len = headers_len;
    if (raw_len > 0) {
        raw_record_encode(record, message->bytes);
    }
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
        fill_trip(message, &decoded.completed);
        break;
    case TRIP_MALFORMED:
    default:
        message =
            message_new(where, record, TOPIC_TRIPS, RECORD_MALFORMED, raw_record_size(record), 0);
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

static struct record_message *read_dead(const struct bus *bus, const struct kafka_partition *where,
                                        const struct kafka_record *record)
{
    uint8_t *headers = bus_alloc(KAFKA_HEADERS_BYTES_MAX);
    size_t raw_len = raw_record_size(record);
    size_t headers_len = 0;
    struct record_message *message;

    invariant(
        dead_letter_codec_retry_headers(record, headers, KAFKA_HEADERS_BYTES_MAX, &headers_len));
    message = message_new(where, record, TOPIC_DLT, RECORD_DEAD, raw_len, headers_len);
    if (headers_len > 0) {
        memcpy(message->bytes + raw_len, headers, headers_len);
    }
    free(headers);
    if (!dead_letter_codec_read(record, &message->as.dead)) {
        guess_origin(bus->trip_topic, record, &message->as.dead);
    }
    return message;
}

struct record_message *bus_record_read(const struct bus_consumer *consumer,
                                       const struct kafka_partition *where,
                                       const struct kafka_record *record)
{
    return consumer->topic == TOPIC_TRIPS ? read_trip(where, record)
                                          : read_dead(consumer->bus, where, record);
}
