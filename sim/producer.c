/* producer.c - the trips of a world, and the records that the trip service sends of them. */
#include "world_internal.h"

#include "payment_id.h"
#include "record_headers.h"

#include <stdio.h>
#include <string.h>

#define VALUE_SIZE 700
#define AHEAD      3 /* how many trips may overtake one another */
#define FARE_MAX   10000000
#define OLD_MS     (8 * DAY_MS)

static text_id intern_string(struct sim *sim, const char *text)
{
    text_id id = texts_intern_string(sim->texts, text);
    invariant(id != TEXT_NONE);
    return id;
}

/* How a completed trip looks on the wire. */
enum variant { AS_STRING, AS_OBJECT, AS_OBJECT_UNTYPED, AS_ARRAY_DATE, VARIANT_COUNT };

static text_id header_type(struct sim *sim, const char *type)
{
    const struct kafka_header headers[] = {
        {.name = "__TypeId__",
         .name_len = 10,
         .value = (const uint8_t *)type,
         .value_len = strlen(type),
         .has_value = true},
        {.name = "traceparent",
         .name_len = 11,
         .value = (const uint8_t *)"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
         .value_len = 55,
         .has_value = true}};
    uint8_t bytes[512];
    size_t count = sim->w->limits.tight ? 1 : 2;
    size_t len;

    invariant(record_headers_encode(headers, count, bytes, sizeof(bytes), &len));
    text_id id = texts_intern(sim->texts, bytes, len);
    invariant(id != TEXT_NONE);
    return id;
}

static void quote(const char *text, char *out)
{
    *out++ = '"';
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\') {
            *out++ = '\\';
        }
        *out++ = *text;
    }
    *out++ = '"';
    *out = '\0';
}

static void trip_value(struct sim *sim, uint32_t trip, uint32_t variant,
                       struct broker_record *record)
{
    const struct sim_trip *t = trip_at(sim, trip);
    char value[VALUE_SIZE];
    char quoted[2 * VALUE_SIZE];
    const char *ended =
        variant == AS_ARRAY_DATE ? "[2026,11,22,9,16]" : "\"2026-11-22T09:14:31.48\"";

    snprintf(value, sizeof(value),
             "{\"tripId\":\"%s\",\"userId\":\"%s\",\"driverId\":\"d\",\"distanceMeters\":%u,"
             "\"durationSeconds\":%u,\"endedAt\":%s}",
             texts_string(sim->texts, t->trip_id), texts_string(sim->texts, t->user_id),
             t->distance_m, t->duration_s, ended);
    if (variant == AS_STRING) {
        quote(value, quoted);
        record->headers = header_type(sim, "java.lang.String");
        record->value = intern_string(sim, quoted);
        return;
    }
    record->value = intern_string(sim, value);
    if (variant != AS_OBJECT_UNTYPED) {
        record->headers = header_type(sim, "com.example.trip_service.kafka.dto.TripCompletedEvent");
    }
}

static void append(struct sim *sim, const struct broker_record *record)
{
    uint32_t gap = sim->w->faults_on ? world_choose(sim, 3, "offset gap") : 0;
    uint32_t number = broker_append(sim->broker, record, gap);

    if (number == BROKER_NO_RECORD) {
        return;
    }
    sim->stats.records++;
    if (record->tag != WORLD_TRIP_NONE) {
        trip_at(sim, record->tag)->records++;
        trip_at(sim, record->tag)->fresh |= record->timestamp_ms > sim->w->now_ms - OLD_MS;
    }
    history_add(sim, "produce", number, record->tag, record->partition);
    history_say(sim, record->tag, "record %u of the trip is produced in partition %u", number,
                record->partition);
}

static void produce_trip(struct sim *sim, uint32_t trip, bool again)
{
    uint32_t partitions = sim->w->limits.partitions;
    struct broker_record record = {.timestamp_ms = sim->w->now_ms,
                                   .tag = trip,
                                   .key = trip_at(sim, trip)->trip_id,
                                   .topic = TOPIC_TRIPS,
                                   .partition = (uint8_t)(trip % partitions)};
    uint32_t variant = sim->options.calm ? AS_STRING : world_choose(sim, VARIANT_COUNT, "variant");

    if (sim->w->limits.tight) {
        variant = AS_OBJECT_UNTYPED;
    }
    if (again && world_fault(sim, WF_RECORD_ELSEWHERE)) {
        record.partition = (uint8_t)((trip + 1) % partitions);
    }
    if (world_fault(sim, WF_RECORD_OLD)) {
        record.timestamp_ms -= OLD_MS;
    }
    trip_value(sim, trip, variant, &record);
    append(sim, &record);
}

static void produce_noise(struct sim *sim, bool malformed)
{
    static const char *const broken[] = {"{\"tripId\":\"x\",\"distanceMeters\":1}",
                                         "{\"tripId\":\"x\",\"tripId\":\"y\",\"userId\":\"u\"}",
                                         "not json", "{\"distanceMeters\":null}"};
    struct broker_record record = {
        .timestamp_ms = sim->w->now_ms,
        .tag = WORLD_TRIP_NONE,
        .topic = TOPIC_TRIPS,
        .kind = malformed ? IS_MALFORMED : IS_OTHER_TYPE,
        .partition = (uint8_t)world_choose(sim, sim->w->limits.partitions, "partition")};
    uint32_t which = world_choose(sim, 5, "noise");

    if (!malformed) {
        record.value = intern_string(sim, "{\"tripId\":\"x\",\"userId\":\"u\"}");
    } else if (which < 4) {
        record.value = intern_string(sim, broken[which]);
    } /* else a tombstone */
    append(sim, &record);
}

/* The next trip, or one of those behind it. */
static uint32_t next_trip(struct sim *sim)
{
    uint32_t skip = world_fault(sim, WF_RECORD_REORDERED) ? world_choose(sim, AHEAD, "skip") : 0;
    uint32_t last = WORLD_TRIP_NONE;

    for (uint32_t i = 0; i < sim->w->limits.trips; i++) {
        if (trip_at(sim, i)->produced) {
            continue;
        }
        last = i;
        if (skip-- == 0) {
            break;
        }
    }
    return last;
}

void producer_next(struct sim *sim)
{
    if (world_fault(sim, WF_RECORD_MALFORMED)) {
        produce_noise(sim, true);
    }
    if (world_fault(sim, WF_RECORD_OTHER_TYPE)) {
        produce_noise(sim, false);
    }
    if (world_fault(sim, WF_RECORD_AGAIN)) {
        uint32_t again = world_choose(sim, sim->w->limits.trips, "again");
        if (trip_at(sim, again)->produced) {
            produce_trip(sim, again, true);
        }
    }
    uint32_t trip = next_trip(sim);
    if (trip == WORLD_TRIP_NONE) {
        return;
    }
    trip_at(sim, trip)->produced = 1;
    produce_trip(sim, trip, false);
    int64_t gap_ms = 1 + (int64_t)world_choose(sim, 1000, "gap") *
                             (1 + (int64_t)world_choose(sim, 30, "gap scale"));
    (void)schedule_add(sim, PENDING_PRODUCE, 0, gap_ms);
}

/* What is special about a trip or its user for good. */
static void draw_overrides(struct sim *sim, const struct sim_trip *t)
{
    size_t len;
    const char *trip_id = texts_get(sim->texts, t->trip_id, &len);
    const char *user_id = texts_string(sim->texts, t->user_id);
    bool ok = true;

    if (world_fault(sim, WF_FARE_ZERO)) {
        ok = upstream_fake_override(sim->upstream, UPSTREAM_PRICING, trip_id, len,
                                    UPSTREAM_OVERRIDE_FARE, 0);
    } else if (world_fault(sim, WF_FARE_REFUSED)) {
        bool over = world_choose(sim, 2, "fare") == 1;
        ok = upstream_fake_override(sim->upstream, UPSTREAM_PRICING, trip_id, len,
                                    over ? UPSTREAM_OVERRIDE_FARE : UPSTREAM_OVERRIDE_REFUSED,
                                    over ? FARE_MAX + 1 : 0);
    } else if (world_fault(sim, WF_NO_METHOD)) {
        ok = upstream_fake_override(sim->upstream, UPSTREAM_USERS, user_id, strlen(user_id),
                                    UPSTREAM_OVERRIDE_NOT_FOUND, 0);
    }
    invariant(ok);
}

static void draw_trouble(struct sim *sim, struct sim_trip *t)
{
    size_t len;
    const char *trip_id = texts_get(sim->texts, t->trip_id, &len);

    if (t->fare_krw > 0 && t->fare_krw <= FARE_MAX && world_fault(sim, WF_PRICING_TROUBLE)) {
        t->troubled = 1;
        invariant(upstream_fake_override(sim->upstream, UPSTREAM_PRICING, trip_id, len,
                                         UPSTREAM_OVERRIDE_TROUBLE, 0));
    }
}

/* A row that the old service left: no fingerprint, a random id, REQUESTED or PROCESSING. */
static void legacy_row(struct sim *sim, uint32_t trip)
{
    struct sim_trip *t = trip_at(sim, trip);
    struct unit unit = {.kind = UNIT_PAYMENT_OPEN};
    struct payment_row *row = &unit.as.payment.row;
    const struct store_batch batch = {&unit, sim->results, 1, sim->texts};
    uint64_t id[2] = {choices_mix(sim->w->salt ^ trip), choices_mix(sim->w->salt + trip)};

    memcpy(row->payment_id.bytes, id, sizeof(id));
    row->trip_id = t->trip_id;
    row->user_id = t->user_id;
    row->method_id = intern_string(sim, "");
    row->amount_krw = (int32_t)t->fare_krw;
    row->epoch = 1;
    row->status = world_choose(sim, 2, "legacy") == 0 ? PAYMENT_REQUESTED : PAYMENT_PROCESSING;
    row->due_in_ms = (int64_t)world_choose(sim, 20, "legacy due") * MINUTE_MS;
    row->claimed_age_ms = AGE_NONE;
    row->cancel_age_ms = AGE_NONE;
    invariant(sim->inner[0]->ops->submit(sim->inner[0], &batch) == BATCH_COMMITTED);
    invariant(sim->results[0].verdict == UNIT_APPLIED);
    t->legacy = 1;
    world_touch(sim, trip);
    history_say(sim, trip, "the old service left a row: %s",
                payment_status_name((enum payment_status)row->status));
}

static void make_trip(struct sim *sim, uint32_t i)
{
    struct sim_trip *t = trip_at(sim, i);
    char text[16];
    size_t len;

    /* Every third customer rides twice. */
    snprintf(text, sizeof(text), "user-%u", i % 3 == 2 ? i - 1 : i);
    t->user_id = intern_string(sim, text);
    t->due_ms = NEVER;
    t->failed_ms = NEVER;
    t->failed_before_ms = NEVER;
    t->distance_m = 1000 + i * 3770 % 20000;
    t->duration_s = 300 + i * 97 % 3000;
    payment_id_of_trip(texts_get(sim->texts, t->trip_id, &len),
                       strlen(texts_string(sim->texts, t->trip_id)), &t->payment_id);
    draw_overrides(sim, t);
    const char *id = texts_get(sim->texts, t->trip_id, &len);
    t->fare_krw = upstream_fake_fare(sim->upstream, id, len, t->distance_m, t->duration_s);
    draw_trouble(sim, t);
    if (t->fare_krw > 0 && t->fare_krw <= FARE_MAX && world_fault(sim, WF_LEGACY_ROW)) {
        legacy_row(sim, i);
    }
}

/* Trips' ids are interned one after the other, so that handles tell trips (world_trip_of). */
static void name_trips(struct sim *sim)
{
    for (uint32_t i = 0; i < sim->w->limits.trips; i++) {
        char text[16];
        snprintf(text, sizeof(text), "t%u", i);
        trip_at(sim, i)->trip_id = intern_string(sim, text);
    }
    sim->w->trip_text_first = trip_at(sim, 0)->trip_id;
    invariant(trip_at(sim, sim->w->limits.trips - 1)->trip_id ==
              sim->w->trip_text_first + sim->w->limits.trips - 1);
}

void producer_start(struct sim *sim)
{
    name_trips(sim);
    for (uint32_t i = 0; i < sim->w->limits.trips; i++) {
        make_trip(sim, i);
    }
    sim->stats.trips = sim->w->limits.trips;
    (void)schedule_add(sim, PENDING_PRODUCE, 0, 100);
}
