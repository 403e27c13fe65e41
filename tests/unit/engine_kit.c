/* engine_kit.c - see engine_kit.h. */
#include "engine_kit.h"

#include "unit_support.h"

#include <stdlib.h>
#include <string.h>

#define TEXTS     512
#define TEXT_SIZE 32768

static const struct engine_limits kit_limits = {
    .payments = 6,
    .rescues = 2,
    .waiters = 4,
    .outbox = 4,
    .dead_letters = 8,
    .trackers = 4,
    .window = 8,
    .lanes = 1,
    .batch_max = 8,
    .page_max = 4,
};

void kit_open(struct kit *kit, const struct engine_limits *limits,
              const struct engine_config *config)
{
    struct engine_config defaults = engine_config_default();
    struct engine_identity identity = {.token_process = 77, .pg_account = 5};

    memset(kit, 0, sizeof(*kit));
    kit->limits = limits != NULL ? *limits : kit_limits;
    kit->size = engine_size(&kit->limits);
    assert_true(kit->size > 0);
    kit->max = engine_effects_max(&kit->limits);
    kit->effects = calloc(kit->max, sizeof(*kit->effects));
    kit->texts = texts_init(malloc(texts_size(TEXTS, TEXT_SIZE)), TEXTS, TEXT_SIZE);
    kit->now_ms = 1000000;
    kit->wall_ms = INT64_C(1790000000000);
    defaults.batch_linger_ms = 0;
    identity.holder = kit_text(kit, "kit");
    kit->engine = engine_init(malloc(kit->size), &kit->limits, config != NULL ? config : &defaults,
                              &identity, kit->now_ms, kit->wall_ms);
}

void kit_close(struct kit *kit)
{
    free(kit->engine);
    free(kit->texts);
    free(kit->effects);
}

text_id kit_text(struct kit *kit, const char *string)
{
    text_id id = texts_intern_string(kit->texts, string);

    assert_int_not_equal(id, TEXT_NONE);
    return id;
}

void kit_step(struct kit *kit, struct engine_event *event)
{
    event->now_ms = kit->now_ms;
    event->wall_ms = kit->wall_ms;
    event->random = (uint64_t)kit->now_ms * 31 + event->type;
    engine_check(kit->engine);
    kit->count = engine_step(kit->engine, event, kit->effects);
    engine_check(kit->engine);
}

void kit_pass(struct kit *kit, int64_t ms)
{
    struct engine_event event = {.type = EV_TIME};

    kit->now_ms += ms;
    kit->wall_ms += ms;
    kit_step(kit, &event);
}

static void kit_partition(struct kit *kit, uint8_t type, enum engine_topic topic, int32_t partition,
                          uint32_t assignment)
{
    struct engine_event event = {.type = type};

    event.as.partition.topic = (uint8_t)topic;
    event.as.partition.partition = partition;
    event.as.partition.assignment = assignment;
    kit_step(kit, &event);
}

void kit_assign(struct kit *kit, enum engine_topic topic, int32_t partition, uint32_t assignment)
{
    kit_partition(kit, EV_ASSIGNED, topic, partition, assignment);
}

void kit_revoke(struct kit *kit, enum engine_topic topic, int32_t partition, uint32_t assignment)
{
    kit_partition(kit, EV_REVOKED, topic, partition, assignment);
}

static void trip_arrival(struct kit *kit, const char *trip, struct payment_arrival *a)
{
    memset(a, 0, sizeof(*a));
    memcpy(a->payment_id.bytes, trip, strlen(trip) < 16 ? strlen(trip) : 16);
    a->trip_id = kit_text(kit, trip);
    a->user_id = kit_text(kit, "user-1");
    a->record = kit_text(kit, "raw record");
}

void kit_trip(struct kit *kit, const char *trip, int64_t offset)
{
    struct engine_event event = {.type = EV_RECORD};
    struct engine_record *r = &event.as.record;

    r->kind = RECORD_TRIP;
    r->topic = TOPIC_TRIPS;
    r->assignment = 1;
    r->offset = offset;
    r->timestamp_ms = kit->wall_ms;
    trip_arrival(kit, trip, &r->trip);
    r->record = r->trip.record;
    kit_step(kit, &event);
}

void kit_record(struct kit *kit, enum engine_record_kind kind, int64_t offset)
{
    struct engine_event event = {.type = EV_RECORD};
    struct engine_record *r = &event.as.record;

    r->kind = (uint8_t)kind;
    r->topic = kind == RECORD_DEAD ? TOPIC_DLT : TOPIC_TRIPS;
    r->assignment = 1;
    r->offset = offset;
    r->timestamp_ms = kit->wall_ms;
    r->record = kit_text(kit, "raw record");
    r->error = kit_text(kit, "why");
    if (kind == RECORD_DEAD) {
        r->dead.topic = kit_text(kit, "trip_events");
        r->dead.status = FAILED_EVENT_PENDING;
        r->dead.origin_offset = offset;
    }
    kit_step(kit, &event);
}

void kit_upstream(struct kit *kit, uint32_t slot, enum upstream upstream,
                  const struct upstream_answer *answer)
{
    struct engine_event event = {.type = EV_UPSTREAM};

    event.as.upstream.slot = slot;
    event.as.upstream.call_no = engine_payment(kit->engine, slot)->call_no;
    event.as.upstream.upstream = (uint8_t)upstream;
    event.as.upstream.answer = *answer;
    kit_step(kit, &event);
}

void kit_quote(struct kit *kit, uint32_t slot, int64_t fare_krw)
{
    struct upstream_answer fare = {.kind = UPSTREAM_OK, .fare_krw = fare_krw};
    struct upstream_answer payer = {.kind = UPSTREAM_OK,
                                    .method_id = kit_text(kit, "card-1"),
                                    .billing_key = kit_text(kit, "billing-1")};

    kit_upstream(kit, slot, UPSTREAM_PRICING, &fare);
    kit_upstream(kit, slot, UPSTREAM_USERS, &payer);
}

static void kit_results(struct kit *kit, enum unit_verdict verdict, const struct payment_row *row)
{
    struct effect submit = kit_take(kit, FX_SUBMIT);
    struct unit_result results[STORE_BATCH_MAX];
    struct engine_event event = {.type = EV_BATCH};

    memset(results, 0, sizeof(results));
    for (int64_t i = 0; i < submit.value; i++) {
        results[i].verdict = (uint8_t)verdict;
        results[i].has_row = row != NULL;
        if (row != NULL) {
            results[i].row = *row;
        }
    }
    event.as.batch.lane = submit.slot;
    event.as.batch.outcome = BATCH_COMMITTED;
    event.as.batch.results = results;
    kit_step(kit, &event);
}

void kit_commit(struct kit *kit, enum unit_verdict verdict)
{
    kit_results(kit, verdict, NULL);
}

void kit_commit_row(struct kit *kit, enum unit_verdict verdict, const struct payment_row *row)
{
    kit_results(kit, verdict, row);
}

void kit_batch(struct kit *kit, enum batch_outcome outcome)
{
    struct effect submit = kit_take(kit, FX_SUBMIT);
    struct engine_event event = {.type = EV_BATCH};

    event.as.batch.lane = submit.slot;
    event.as.batch.outcome = (uint8_t)outcome;
    kit_step(kit, &event);
}

void kit_pg(struct kit *kit, uint32_t slot, const struct pg_answer *answer)
{
    struct engine_event event = {.type = EV_PG};

    event.as.pg.slot = slot;
    event.as.pg.call_no = engine_payment(kit->engine, slot)->call_no;
    event.as.pg.answer = *answer;
    kit_step(kit, &event);
}

struct pg_answer kit_approval(struct kit *kit, int64_t amount_krw)
{
    struct pg_answer answer = {.kind = PG_ANSWER_PAYMENT,
                               .status = PG_DONE,
                               .order_matches = 1,
                               .currency_krw = 1,
                               .pg_id = kit_text(kit, "pg-1"),
                               .total_krw = amount_krw,
                               .balance_krw = amount_krw};
    return answer;
}

struct pg_answer kit_error(struct kit *kit, const char *code, enum pg_code_class code_class)
{
    struct pg_answer answer = {.kind = PG_ANSWER_ERROR,
                               .code_class = (uint8_t)code_class,
                               .code = kit_text(kit, code),
                               .total_krw = -1,
                               .balance_krw = -1};
    return answer;
}

void kit_published(struct kit *kit, enum publish_kind kind, uint32_t slot,
                   enum publish_verdict verdict)
{
    struct engine_event event = {.type = EV_PUBLISHED};

    event.as.published.kind = (uint8_t)kind;
    event.as.published.verdict = (uint8_t)verdict;
    event.as.published.slot = slot;
    event.as.published.call_no = kind == PUBLISH_OUTBOX
                                     ? engine_outbox(kit->engine, slot)->call_no
                                     : engine_dead_letter(kit->engine, slot)->call_no;
    kit_step(kit, &event);
}

struct effect kit_take(struct kit *kit, enum effect_kind kind)
{
    struct effect found = {0};

    for (uint32_t i = 0; i < kit->count; i++) {
        if (kit->effects[i].kind == kind) {
            found = kit->effects[i];
            memmove(&kit->effects[i], &kit->effects[i + 1],
                    (kit->count - i - 1) * sizeof(kit->effects[0]));
            kit->count--;
            return found;
        }
    }
    fail_msg("no effect of kind %d", (int)kind);
    return found;
}

bool kit_has(const struct kit *kit, enum effect_kind kind)
{
    for (uint32_t i = 0; i < kit->count; i++) {
        if (kit->effects[i].kind == kind) {
            return true;
        }
    }
    return false;
}

bool kit_has_note(const struct kit *kit, enum engine_note note)
{
    for (uint32_t i = 0; i < kit->count; i++) {
        if (kit->effects[i].kind == FX_NOTE && kit->effects[i].call_no == note) {
            return true;
        }
    }
    return false;
}

void kit_assert_quiet(const struct kit *kit)
{
    for (uint32_t i = 0; i < kit->count; i++) {
        if (kit->effects[i].kind != FX_NOTE && kit->effects[i].kind != FX_SUBMIT) {
            fail_msg("an effect of kind %d that nobody expected", kit->effects[i].kind);
        }
    }
}

uint32_t kit_charging(struct kit *kit, const char *trip, int64_t offset)
{
    uint32_t slot;

    kit_trip(kit, trip, offset);
    slot = kit_take(kit, FX_FARE).slot;
    kit_quote(kit, slot, 15200);
    kit_commit(kit, UNIT_APPLIED);
    assert_int_equal(kit_take(kit, FX_CHARGE).slot, slot);
    return slot;
}
