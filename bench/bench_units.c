#include "bench_units.h"

#include "outcome_render.h"
#include "payment.h"
#include "payment_id.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COMMITS        3 /* of one payment */
#define TEXTS_PER_UNIT 16
#define BYTES_PER_UNIT 2048
#define PROCESS_TOKEN  UINT64_C(0x6261726566617265)
#define PG_ACCOUNT     UINT64_C(0xacc0047)
#define UNIX_MS        INT64_C(1795680000000)
/* What differs from trip to trip. */
#define FARE_MIN_KRW 3800
#define FARE_SPREAD  20000
#define METHODS      50000

/* A payment that is made step by step; its texts are interned anew in each batch. */
struct made {
    struct payment payment;
    struct outbox outbox;
    char trip_id[BENCH_TRIP_ID_SIZE];
    char user_id[BENCH_TRIP_ID_SIZE];
    char method_id[BENCH_TRIP_ID_SIZE];
    char traceparent[BENCH_TRACEPARENT_SIZE];
    int32_t fare_krw;
};

struct maker {
    struct payment_config config;
    struct outbox_config outbox_config;
    struct payment_context context;
    struct outcome_render_settings render;
    const struct bench_trips *trips;
    struct made *made;
    uint64_t token;
};

void bench_trip_id(const struct bench_trips *trips, uint32_t index, char id[BENCH_TRIP_ID_SIZE])
{
    (void)snprintf(id, BENCH_TRIP_ID_SIZE, "%s-%08" PRIu32, trips->name, trips->first + index);
}

void bench_user_id(uint32_t index, char id[BENCH_TRIP_ID_SIZE])
{
    (void)snprintf(id, BENCH_TRIP_ID_SIZE, "user-%08" PRIu32, index % 100000);
}

void bench_traceparent(uint32_t index, char text[BENCH_TRACEPARENT_SIZE])
{
    (void)snprintf(text, BENCH_TRACEPARENT_SIZE,
                   "00-4bf92f3577b34da6a3ce929d%08" PRIx32 "-%016" PRIx32 "-01",
                   index * UINT32_C(2654435761), index);
}

static void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count, size);
    if (memory == NULL) {
        fprintf(stderr, "bench: no memory\n");
        exit(2);
    }
    return memory;
}

static text_id intern(struct texts *texts, const char *string)
{
    text_id id = texts_intern_string(texts, string);
    invariant(id != TEXT_NONE);
    return id;
}

static void step(struct maker *m, struct payment *p, const struct payment_event *event)
{
    struct payment_output out;
    m->context.next_token = ++m->token;
    payment_step(p, &m->context, event, &out);
}

/* The handles of the batch that the payment's next unit goes into. */
static void texts_renew(struct made *made, struct texts *texts)
{
    struct payment *p = &made->payment;
    p->trip_id = intern(texts, made->trip_id);
    p->user_id = intern(texts, made->user_id);
    p->traceparent = intern(texts, made->traceparent);
    p->method_id = intern(texts, made->method_id);
    p->billing_key = intern(texts, "billing-0001");
}

static void claim_make(struct maker *m, uint32_t index, struct texts *texts, struct unit *unit)
{
    struct made *made = &m->made[index];
    struct payment *p = &made->payment;
    bench_trip_id(m->trips, index, made->trip_id);
    bench_user_id(index, made->user_id);
    bench_traceparent(index, made->traceparent);
    (void)snprintf(made->method_id, sizeof(made->method_id), "pm-%08" PRIu32, index % METHODS);
    made->fare_krw = FARE_MIN_KRW + (int32_t)(index * UINT32_C(7919) % FARE_SPREAD);
    struct payment_event event = {.type = PAYMENT_EV_ARRIVED};
    struct payment_arrival *arrival = &event.as.arrival;
    payment_id_of_trip(made->trip_id, strlen(made->trip_id), &arrival->payment_id);
    arrival->trip_id = intern(texts, made->trip_id);
    arrival->user_id = intern(texts, made->user_id);
    arrival->traceparent = intern(texts, made->traceparent);
    arrival->record = intern(texts, "the record");
    payment_init(p);
    step(m, p, &event);
    event = (struct payment_event){.type = PAYMENT_EV_FARE, .call_no = p->call_no};
    event.as.upstream = (struct upstream_answer){.kind = UPSTREAM_OK, .fare_krw = made->fare_krw};
    step(m, p, &event);
    event = (struct payment_event){.type = PAYMENT_EV_PAYER, .call_no = p->call_no};
    event.as.upstream = (struct upstream_answer){.kind = UPSTREAM_OK,
                                                 .method_id = intern(texts, made->method_id),
                                                 .billing_key = intern(texts, "billing-0001")};
    step(m, p, &event);
    invariant(p->phase == PHASE_OPENING);
    payment_unit(p, &m->config, PROCESS_TOKEN, PG_ACCOUNT, m->context.now_ms, unit);
}

static void result_make(struct maker *m, uint32_t index, struct texts *texts, struct unit *unit)
{
    struct made *made = &m->made[index];
    struct payment *p = &made->payment;
    char pg_id[UUID_TEXT_SIZE + 16];
    char order_id[UUID_TEXT_SIZE];
    texts_renew(made, texts);
    step(m, p, &(struct payment_event){.type = PAYMENT_EV_APPLIED});
    uuid_format(&p->payment_id, order_id);
    (void)snprintf(pg_id, sizeof(pg_id), "fakepay0_%s", order_id);
    struct payment_event event = {.type = PAYMENT_EV_ANSWER, .call_no = p->call_no};
    event.as.pg = (struct pg_answer){.kind = PG_ANSWER_PAYMENT,
                                     .status = PG_DONE,
                                     .order_matches = 1,
                                     .currency_krw = 1,
                                     .pg_id = intern(texts, pg_id),
                                     .total_krw = made->fare_krw,
                                     .balance_krw = made->fare_krw};
    step(m, p, &event);
    invariant(p->phase == PHASE_FINISHING);
    payment_unit(p, &m->config, PROCESS_TOKEN, PG_ACCOUNT, m->context.now_ms, unit);
    struct outbox made_of = {.event_id = p->payment_id,
                             .type = unit->as.payment.outcome.type,
                             .trip_id = p->trip_id,
                             .user_id = p->user_id,
                             .traceparent = p->traceparent,
                             .amount_krw = p->amount_krw,
                             .at_ms = m->context.now_ms,
                             .publish_by_ms = m->context.now_ms + m->outbox_config.lease_ms,
                             .epoch = 1,
                             .guard_status = OUTBOX_PUBLISHING,
                             .has_key = 1,
                             .has_body = 1};
    invariant(
        outcome_render(&made_of, &m->render, UNIX_MS, texts, &unit->as.payment.outcome.record));
    made->outbox = made_of;
}

static void done_make(struct maker *m, uint32_t index, struct texts *texts, struct unit *unit)
{
    (void)texts;
    struct outbox *o = &m->made[index].outbox;
    struct outbox own = *o;
    struct outbox_output out;
    struct outbox_event event = {.type = OUTBOX_EV_COMMITTED, .own = &own};
    memset(o, 0, sizeof(*o));
    outbox_step(o, &m->outbox_config, m->context.now_ms, ++m->token, &event, &out);
    event = (struct outbox_event){.type = OUTBOX_EV_DELIVERED, .call_no = o->call_no};
    outbox_step(o, &m->outbox_config, m->context.now_ms, ++m->token, &event, &out);
    outbox_unit(o, &m->outbox_config, PROCESS_TOKEN, unit);
}

typedef void make_fn(struct maker *m, uint32_t index, struct texts *texts, struct unit *unit);
static make_fn *const makers[COMMITS] = {claim_make, result_make, done_make};

static void batch_open(struct bench_batch *batch, uint32_t batch_max)
{
    uint32_t entries = batch_max * TEXTS_PER_UNIT;
    void *block = allocate(1, texts_size(entries, batch_max * BYTES_PER_UNIT));
    batch->texts = texts_init(block, entries, batch_max * BYTES_PER_UNIT);
    batch->units = allocate(batch_max, sizeof(batch->units[0]));
}

static void batch_add(struct maker *m, struct bench_batch *batch, int commit, uint32_t index)
{
    makers[commit](m, index, batch->texts, &batch->units[batch->count++]);
}

/* Each unit alone: claim, result and DONE of one payment after the other. */
static struct bench_plan plan_alone(struct maker *m)
{
    struct bench_plan plan = {.count = m->trips->count * COMMITS};
    plan.batches = allocate(plan.count, sizeof(plan.batches[0]));
    for (uint32_t i = 0; i < plan.count; i++) {
        batch_open(&plan.batches[i], 1);
        batch_add(m, &plan.batches[i], (int)(i % COMMITS), i / COMMITS);
    }
    return plan;
}

struct bench_plan bench_plan_make(const struct bench_trips *trips, uint32_t batch_max)
{
    struct maker m = {
        .config = payment_config_default(),
        .outbox_config = {.lease_ms = 30000, .backoff_ms = 1000, .backoff_max_ms = 300000},
        .render = {.codec = {.type_prefix = "com.example.payment_service.kafka.dto.",
                             .source = "farebox"},
                   .topic = "payment_events"},
        .trips = trips,
        .made = allocate(trips->count, sizeof(struct made))};
    m.context = (struct payment_context){.config = &m.config,
                                         .now_ms = 1000000,
                                         .pg_account = PG_ACCOUNT,
                                         .gate_open = {true, true, true},
                                         .last_good_ms = {999999, 999999}};
    struct bench_plan plan;
    if (batch_max < COMMITS) {
        plan = plan_alone(&m);
        free(m.made);
        return plan;
    }
    uint32_t group = batch_max / COMMITS;
    uint32_t groups = (trips->count + group - 1) / group;
    plan.count = groups + COMMITS - 1;
    plan.batches = allocate(plan.count, sizeof(plan.batches[0]));
    for (uint32_t b = 0; b < plan.count; b++) {
        batch_open(&plan.batches[b], batch_max);
        for (uint32_t commit = 0; commit < COMMITS; commit++) {
            uint32_t from = (b - commit) * group;
            for (uint32_t i = 0; b >= commit && i < group && from + i < trips->count; i++) {
                batch_add(&m, &plan.batches[b], (int)commit, from + i);
            }
        }
    }
    free(m.made);
    return plan;
}

void bench_plan_clear(struct bench_plan *plan)
{
    for (uint32_t i = 0; i < plan->count; i++) {
        free(plan->batches[i].texts);
        free(plan->batches[i].units);
    }
    free(plan->batches);
    *plan = (struct bench_plan){0};
}
