/* records.c - raw records through the real codecs: to events for an engine, and to the DLT. */
#include "world_internal.h"

#include "letters.h"
#include "payment_id.h"
#include "record_headers.h"
#include "trip_codec.h"

#include <stdlib.h>
#include <string.h>

#define HANDLE_SIZE  16
#define HEADERS_ROOM 64
#define DLT_NAME     TOPIC_TRIPS_NAME ".DLT"

static text_id intern(struct sim *sim, const void *bytes, size_t len)
{
    text_id id = texts_intern(sim->texts, bytes, len);
    invariant(id != TEXT_NONE); /* the world's pool is sized for all that a run can say */
    return id;
}

text_id records_handle(struct sim *sim, uint32_t number)
{
    char text[HANDLE_SIZE];
    char *at = text + sizeof(text);

    do {
        *--at = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    *--at = 'r';
    return intern(sim, at, (size_t)(text + sizeof(text) - at));
}

static uint32_t number_of(const struct sim *sim, text_id handle)
{
    return (uint32_t)strtoul(texts_string(sim->texts, handle) + 1, NULL, 10);
}

/* The record as the codecs see it. `headers` has HEADERS_ROOM places. */
static struct kafka_record view(const struct sim *sim, uint32_t number,
                                struct kafka_header *headers)
{
    const struct broker_record *r = broker_record_at(sim->broker, number);
    struct kafka_record record = {0};
    size_t len;

    record.topic = r->topic == TOPIC_TRIPS ? TOPIC_TRIPS_NAME : DLT_NAME;
    record.topic_len = strlen(record.topic);
    record.key = (const uint8_t *)texts_get(sim->texts, r->key, &record.key_len);
    record.value = (const uint8_t *)texts_get(sim->texts, r->value, &record.value_len);
    record.has_key = r->key != TEXT_NONE;
    record.has_value = r->value != TEXT_NONE;
    record.offset = r->offset;
    record.partition = r->partition;
    record.timestamp_ms = r->timestamp_ms;
    record.timestamp_type = KAFKA_TIMESTAMP_CREATE;
    record.headers = headers;
    const uint8_t *bytes = (const uint8_t *)texts_get(sim->texts, r->headers, &len);
    if (len > 0) {
        invariant(record_headers_decode(bytes, len, headers, HEADERS_ROOM, &record.header_count));
    }
    return record;
}

bool records_can_deliver(const struct sim *sim, uint32_t i, uint32_t topic, uint32_t partition)
{
    const struct believed *b = believed_at(sim, i, topic, partition);

    return b->assigned && !b->paused &&
           b->next_offset < broker_end(sim->broker, (uint8_t)topic, partition) &&
           engine_accepts(engine_of(sim, i), (enum engine_topic)topic, (int32_t)partition,
                          b->assignment);
}

static void decode(struct sim *sim, const struct kafka_record *raw, struct decoded *d)
{
    struct trip_decoded decoded;

    switch (trip_codec_decode(raw, &decoded)) {
    case TRIP_IGNORED:
        d->kind = RECORD_IGNORED;
        return;
    case TRIP_MALFORMED:
        d->kind = RECORD_MALFORMED;
        d->error = intern(sim, decoded.message, strlen(decoded.message));
        return;
    case TRIP_COMPLETED:
        break;
    }
    const struct trip_completed *trip = &decoded.completed;
    d->kind = RECORD_TRIP;
    d->trip_id = intern(sim, trip->trip_id, strlen(trip->trip_id));
    d->user_id = intern(sim, trip->user_id, strlen(trip->user_id));
    if (trip->traceparent[0] != '\0') {
        d->traceparent = intern(sim, trip->traceparent, strlen(trip->traceparent));
    }
}

/* The raw bytes go through the real codec, once: each delivery would say the same again. */
static void decode_trip(struct sim *sim, uint32_t number, struct engine_record *record)
{
    const struct broker_record *r = broker_record_at(sim->broker, number);
    struct decoded *d = &sim->decoded[number % DECODED_MAX];

    if (d->kind == 0 || d->value != r->value || d->headers != r->headers) {
        struct kafka_header headers[HEADERS_ROOM];
        const struct kafka_record raw = view(sim, number, headers);
        memset(d, 0, sizeof(*d));
        decode(sim, &raw, d);
        d->value = r->value;
        d->headers = r->headers;
    }
    record->kind = d->kind;
    record->record = records_handle(sim, number);
    record->error = d->error;
    if (d->kind == RECORD_TRIP) {
        record->trip.record = record->record;
        record->trip.trip_id = d->trip_id;
        record->trip.user_id = d->user_id;
        record->trip.traceparent = d->traceparent;
        size_t len;
        const char *id = texts_get(sim->texts, d->trip_id, &len);
        payment_id_of_trip(id, len, &record->trip.payment_id);
    }
}

static void decode_letter(struct sim *sim, uint32_t number, struct engine_record *record)
{
    const struct broker_record *r = broker_record_at(sim->broker, number);
    struct kafka_header headers[HEADERS_ROOM];
    const struct kafka_record raw = view(sim, number, headers);
    static uint8_t room[KAFKA_HEADERS_BYTES_MAX];
    struct letter_read letter = {.headers = room};
    struct failed_event_row *row = &record->dead;

    invariant(letters_read(&raw, &letter));
    record->kind = RECORD_DEAD;
    row->origin_offset = letter.offset;
    row->origin_at_ms = letter.first_timestamp_ms;
    row->origin_partition = letter.partition;
    row->status = FAILED_EVENT_PENDING;
    row->has_key = r->key != TEXT_NONE;
    row->has_body = r->value != TEXT_NONE;
    row->key = r->key;
    row->body = r->value;
    row->topic = intern(sim, letter.topic, strlen(letter.topic));
    row->error = intern(sim, letter.error, strlen(letter.error));
    if (letter.headers_len > 0) {
        row->headers = intern(sim, room, letter.headers_len);
    }
}

void records_deliver(struct sim *sim, uint32_t i, uint32_t topic, uint32_t partition)
{
    struct believed *b = believed_at(sim, i, topic, partition);
    uint32_t number = broker_find(sim->broker, (uint8_t)topic, partition, b->next_offset);
    const struct broker_record *r = broker_record_at(sim->broker, number);
    struct engine_event event = {.type = EV_RECORD};
    struct engine_record *record = &event.as.record;

    b->next_offset = (int64_t)r->offset + 1;
    record->topic = (uint8_t)topic;
    record->partition = (int32_t)partition;
    record->assignment = b->assignment;
    record->offset = r->offset;
    record->timestamp_ms = r->timestamp_ms;
    if (topic == TOPIC_TRIPS) {
        decode_trip(sim, number, record);
    } else {
        decode_letter(sim, number, record);
    }
    history_add(sim, "record", number, i, record->kind);
    history_say(sim, r->tag, "farebox-%u gets record %u (%s %u@%u)", i, number,
                topic == TOPIC_TRIPS ? TOPIC_TRIPS_NAME : DLT_NAME, partition, r->offset);
    instance_feed(sim, i, &event);
}

uint32_t records_trip(const struct sim *sim, text_id handle)
{
    return broker_record_at(sim->broker, number_of(sim, handle))->tag;
}

void records_dead_letter(struct sim *sim, const struct dead_letter *raised)
{
    static uint8_t room[KAFKA_HEADERS_BYTES_MAX];
    uint32_t number = number_of(sim, raised->record);
    struct broker_record *origin = broker_record_at(sim->broker, number);
    struct kafka_header headers[HEADERS_ROOM];
    const struct kafka_record raw = view(sim, number, headers);
    const char *message = raised->error != TEXT_NONE
                              ? texts_string(sim->texts, raised->error)
                              : dead_letter_reason_name((enum dead_letter_reason)raised->reason);
    size_t len = letters_write(&raw, GROUP_TRIPS, message, room);
    struct broker_record letter = *origin;

    history_say(sim, origin->tag, "record %u becomes a dead letter: %s", number, message);
    if (!origin->dead_lettered && origin->tag != WORLD_TRIP_NONE) {
        trip_at(sim, origin->tag)->letters++;
        world_touch(sim, origin->tag);
    }
    origin->dead_lettered = 1;
    letter.topic = TOPIC_DLT;
    letter.timestamp_ms = sim->w->now_ms;
    letter.headers = intern(sim, room, len);
    letter.dead_lettered = 0;
    invariant(broker_append(sim->broker, &letter, 0) != BROKER_NO_RECORD);
}

void records_append_retry(struct sim *sim, const struct outbox_row *row)
{
    uint32_t trip = WORLD_TRIP_NONE;
    uint32_t hash = 0;

    for (uint32_t i = 0; i < sim->w->limits.trips; i++) {
        if (row->key != TEXT_NONE && trip_at(sim, i)->trip_id == row->key) {
            trip = i;
            hash = i;
        }
    }
    if (strcmp(texts_string(sim->texts, row->topic), TOPIC_TRIPS_NAME) != 0) {
        world_break(sim, "a retry goes to another topic than the record's origin", trip);
        return;
    }
    const struct broker_record record = {
        .timestamp_ms = row->record_at_ms,
        .tag = trip,
        .key = row->key,
        .value = row->body,
        .headers = row->headers,
        .topic = TOPIC_TRIPS,
        .kind = trip == WORLD_TRIP_NONE ? IS_MALFORMED : IS_TRIP,
        .partition = (uint8_t)(hash % sim->w->limits.partitions),
    };
    if (trip != WORLD_TRIP_NONE) {
        trip_at(sim, trip)->records++;
    }
    history_say(sim, trip, "an operator's retry is back in %s", TOPIC_TRIPS_NAME);
    invariant(broker_append(sim->broker, &record, 0) != BROKER_NO_RECORD);
}
