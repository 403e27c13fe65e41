/*
 * A tiny engine among an outside world that answers anything it may, in any order, late, twice,
 * or after a revoke. Whatever came before, once the world is well everything comes to an end.
 */
#include "engine_kit.h"
#include "unit_support.h"

#include <string.h>

#define WALKS              2000
#define STEPS              300
#define WELL_STEPS         20000
#define OUT_MAX            4096
#define BREAKER_LONGEST_MS 600000
#define PARTITIONS         3
#define TRIPS              5

static const struct engine_limits tiny = {
    .payments = 4,
    .rescues = 2,
    .waiters = 2,
    .outbox = 2,
    .dead_letters = 5,
    .trackers = 3,
    .window = 3,
    .lanes = 2,
    .batch_max = 2,
    .page_max = 2,
};

struct place {
    uint8_t topic;
    int32_t partition;
    uint32_t assignment; /* 0: not assigned */
    int64_t offset;
};

/* The world: what the engine has asked for and not been told yet. */
static struct kit kit;
static struct effect out[OUT_MAX];
static uint32_t out_count;
static struct place places[PARTITIONS];
static uint32_t last_assignment;
static uint32_t requests;
static uint32_t replies;
static uint64_t random_state;
static int64_t last_row_id;
static bool stopped;

static uint32_t choose(uint32_t n)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(random_state >> 33) % n;
}

static void step(struct engine_event *event)
{
    event->batch_max = (uint16_t)choose(3);
    kit_step(&kit, event);
    for (uint32_t i = 0; i < kit.count; i++) {
        replies += kit.effects[i].kind == FX_REPLY;
        stopped = stopped || kit.effects[i].kind == FX_STOPPED;
        if (kit.effects[i].kind <= FX_OFFSET) {
            assert_true(out_count < OUT_MAX);
            out[out_count++] = kit.effects[i];
        }
    }
}

static text_id trip_id(void)
{
    char text[] = "trip-0";

    text[5] = (char)('0' + choose(5));
    return kit_text(&kit, text);
}

static text_id pg_id(void)
{
    return kit_text(&kit, choose(3) == 0 ? "pg-2" : "pg-1");
}

static struct uuid id_of(text_id trip)
{
    struct uuid id = {{0}};

    id.bytes[0] = 1;
    id.bytes[15] = (uint8_t)trip;
    return id;
}

/* A row such as others may leave it. */
static struct payment_row any_row(text_id trip)
{
    static const uint8_t statuses[] = {PAYMENT_REQUESTED, PAYMENT_PROCESSING, PAYMENT_COMPLETED,
                                       PAYMENT_FAILED, PAYMENT_UNKNOWN};
    struct payment_row row = {.payment_id = id_of(trip),
                              .pg_account = choose(4) == 0 ? choose(2) * 9 : 5,
                              .claimed_age_ms = choose(4) == 0 ? AGE_NONE : choose(4000000),
                              .cancel_age_ms = AGE_NONE,
                              .amount_krw = 15200,
                              .epoch = 1 + choose(9),
                              .trip_id = trip,
                              .user_id = kit_text(&kit, "user-1"),
                              .status = statuses[choose(5)]};

    if (row.status == PAYMENT_COMPLETED || choose(3) == 0) {
        row.pg_id = pg_id();
    }
    if (choose(3) == 0) {
        row.refund_state = REFUND_INTENDED;
        row.refund_pg_id = pg_id();
        row.pg_id = row.pg_id == TEXT_NONE ? row.refund_pg_id : row.pg_id;
        row.cancel_no = (uint16_t)choose(3);
        row.cancel_age_ms = row.cancel_no == 0 ? AGE_NONE : choose(1000000);
    }
    return row;
}

static void hand_out(struct place *place)
{
    struct engine_event event = {.type = EV_ASSIGNED};

    place->assignment = ++last_assignment;
    event.as.partition.topic = place->topic;
    event.as.partition.partition = place->partition;
    event.as.partition.assignment = place->assignment;
    step(&event);
}

static void take_away(struct place *place)
{
    struct engine_event event = {.type = EV_REVOKED};

    event.as.partition.topic = place->topic;
    event.as.partition.partition = place->partition;
    event.as.partition.assignment = place->assignment;
    place->assignment = 0;
    place->offset -= choose(2) == 0 && place->offset > 0;
    step(&event);
}

static void deliver(struct place *place)
{
    struct engine_event event = {.type = EV_RECORD};
    struct engine_record *r = &event.as.record;

    if (!engine_accepts(kit.engine, (enum engine_topic)place->topic, place->partition,
                        place->assignment)) {
        return;
    }
    r->topic = place->topic;
    r->partition = place->partition;
    r->assignment = place->assignment;
    r->offset = place->offset++;
    r->timestamp_ms = kit.wall_ms;
    r->record = kit_text(&kit, "raw");
    r->error = kit_text(&kit, "why");
    r->kind = RECORD_DEAD;
    if (place->topic == TOPIC_TRIPS) {
        r->kind = choose(8) == 0 ? RECORD_MALFORMED : choose(8) == 0 ? RECORD_IGNORED : RECORD_TRIP;
    }
    r->trip.trip_id = trip_id();
    r->trip.payment_id = id_of(r->trip.trip_id);
    r->trip.user_id = kit_text(&kit, "user-1");
    r->trip.record = r->record;
    r->dead.topic = kit_text(&kit, "trip_events");
    r->dead.status = FAILED_EVENT_PENDING;
    step(&event);
}

static void ask_admin(void)
{
    struct engine_event event = {.type = EV_ADMIN};
    struct engine_admin *admin = &event.as.admin;

    admin->op = (uint8_t)(1 + choose(4));
    admin->request = ++requests;
    admin->payment = any_row(trip_id());
    admin->payment.status = choose(3) == 0 ? PAYMENT_FAILED : PAYMENT_UNKNOWN;
    admin->failed.row_id = 1 + choose(6);
    admin->failed.status = FAILED_EVENT_PENDING;
    step(&event);
}

static void answer_upstream(const struct effect *fx, bool well)
{
    static const uint8_t kinds[] = {UPSTREAM_OK,      UPSTREAM_OK,      UPSTREAM_NOT_FOUND,
                                    UPSTREAM_REFUSED, UPSTREAM_TROUBLE, UPSTREAM_TROUBLE};
    struct engine_event event = {.type = EV_UPSTREAM};
    struct upstream_answer *a = &event.as.upstream.answer;

    event.as.upstream.slot = fx->slot;
    event.as.upstream.call_no = fx->call_no;
    event.as.upstream.upstream = fx->kind == FX_FARE ? UPSTREAM_PRICING : UPSTREAM_USERS;
    a->kind = well ? UPSTREAM_OK : kinds[choose(6)];
    a->fare_krw = choose(6) == 0 ? 0 : 15200;
    a->method_id = kit_text(&kit, "card");
    a->billing_key = kit_text(&kit, "key");
    step(&event);
}

static struct pg_answer any_answer(bool well)
{
    struct pg_answer a = {.kind = (uint8_t)(1 + choose(5)),
                          .code_class = (uint8_t)choose(8),
                          .status = (uint8_t)choose(9),
                          .order_matches = choose(8) != 0,
                          .currency_krw = choose(8) != 0,
                          .pg_id = choose(8) == 0 ? TEXT_NONE : pg_id(),
                          .code = kit_text(&kit, "CODE"),
                          .total_krw = choose(8) == 0 ? 1 : 15200,
                          .balance_krw = choose(2) == 0 ? 15200 : choose(2) * 100};

    if (well || choose(3) == 0) {
        a.kind = PG_ANSWER_PAYMENT;
        a.status = well ? PG_CANCELED : PG_DONE;
        a.order_matches = 1;
        a.currency_krw = 1;
        a.pg_id = kit_text(&kit, "pg-1");
        a.total_krw = 15200;
        a.balance_krw = well ? 0 : a.balance_krw;
    }
    return a;
}

static void answer_pg(const struct effect *fx, bool well)
{
    struct engine_event event = {.type = fx->kind == FX_PROBE ? EV_PROBE : EV_PG};

    event.as.pg.slot = fx->slot;
    event.as.pg.call_no = fx->call_no;
    event.as.pg.answer = any_answer(well);
    step(&event);
}

static uint8_t any_verdict(const struct unit *unit)
{
    uint32_t n = choose(8);

    switch ((enum unit_kind)unit->kind) {
    case UNIT_PAYMENT_OPEN:
        return n == 0   ? UNIT_COLLISION
               : n == 1 ? UNIT_ERROR
               : n < 4  ? UNIT_DUPLICATE
                        : UNIT_APPLIED;
    case UNIT_FAILED_EVENT_OPEN:
        return n == 1 ? UNIT_ERROR : n < 4 ? UNIT_DUPLICATE : UNIT_APPLIED;
    case UNIT_LEASE:
        return n == 0 ? UNIT_REFUSED : UNIT_APPLIED;
    case UNIT_PAYMENT_MOVE:
    case UNIT_OUTBOX_MOVE:
    case UNIT_FAILED_EVENT_MOVE:
        break;
    }
    return n == 1 ? UNIT_ERROR : n < 4 ? UNIT_REFUSED : UNIT_APPLIED;
}

static void answer_batch(const struct effect *fx, bool well)
{
    struct unit_result results[STORE_BATCH_MAX];
    struct engine_event event = {.type = EV_BATCH};

    memset(results, 0, sizeof(results));
    for (uint32_t i = 0; i < (uint32_t)fx->value; i++) {
        struct outbox made_of;
        struct unit unit;

        engine_batch_unit(kit.engine, fx->slot, i, kit.now_ms, &unit);
        (void)engine_batch_outcome(kit.engine, fx->slot, i, &made_of);
        results[i].verdict = well ? UNIT_APPLIED : any_verdict(&unit);
        if (unit.kind <= UNIT_PAYMENT_MOVE && results[i].verdict != UNIT_APPLIED) {
            results[i].row = any_row(unit.as.payment.row.trip_id);
            results[i].has_row = results[i].verdict == UNIT_DUPLICATE || choose(4) != 0;
        }
    }
    event.as.batch.lane = fx->slot;
    event.as.batch.outcome = (uint8_t)(well || choose(3) != 0 ? BATCH_COMMITTED : 2 + choose(2));
    event.as.batch.results = results;
    step(&event);
}

static void fill_page(struct engine_event *event, union store_row *rows)
{
    uint32_t count = choose(3);

    for (uint32_t i = 0; i < count; i++) {
        memset(&rows[i], 0, sizeof(rows[i]));
        switch ((enum scan_kind)event->as.page.kind) {
        case SCAN_PAYMENTS_DUE:
            rows[i].payment = any_row(trip_id());
            break;
        case SCAN_OUTBOX_DUE:
            rows[i].outbox.row_id = 1 + choose(4);
            rows[i].outbox.event_id = id_of(trip_id());
            rows[i].outbox.status = OUTBOX_READY;
            rows[i].outbox.topic = kit_text(&kit, "t");
            break;
        case SCAN_FAILED_EVENTS:
            rows[i].failed_event.row_id = ++last_row_id;
            rows[i].failed_event.status = FAILED_EVENT_PENDING;
            break;
        }
    }
    event->as.page.count = count;
}

static void answer_scan(const struct effect *fx, bool well)
{
    union store_row rows[4];
    struct engine_event event = {.type = EV_PAGE};

    event.as.page.kind = (uint8_t)fx->call_no;
    event.as.page.ok = well || choose(4) != 0;
    event.as.page.rows = rows;
    if (!well && event.as.page.ok) {
        fill_page(&event, rows);
        event.as.page.count = event.as.page.count < fx->slot ? event.as.page.count : fx->slot;
    }
    step(&event);
}

static void answer_publish(const struct effect *fx, bool well)
{
    struct engine_event event = {.type = EV_PUBLISHED};

    event.as.published.kind = fx->kind == FX_PUBLISH ? PUBLISH_OUTBOX : PUBLISH_DEAD_LETTER;
    event.as.published.verdict = (uint8_t)(well ? PUBLISH_DELIVERED : 1 + choose(3));
    event.as.published.slot = fx->slot;
    event.as.published.call_no = fx->call_no;
    step(&event);
}

static void answer_purge(const struct effect *fx, bool well)
{
    struct engine_event event = {.type = EV_PURGED};

    event.as.purged.ok = well || choose(2) == 0;
    event.as.purged.deleted = well ? 0 : choose(2) * fx->slot;
    step(&event);
}

static void answer_offset(const struct effect *fx, bool well)
{
    struct engine_event event = {.type = EV_OFFSET};

    event.as.offset.topic = (uint8_t)fx->slot;
    event.as.offset.partition = fx->partition;
    event.as.offset.assignment = fx->assignment;
    event.as.offset.offset = fx->value;
    event.as.offset.ok = well || choose(2) == 0;
    step(&event);
}

static void answer_one(bool well)
{
    typedef void answer(const struct effect *fx, bool well);
    static answer *const answers[] = {
        [FX_FARE] = answer_upstream,       [FX_PAYER] = answer_upstream,
        [FX_CHARGE] = answer_pg,           [FX_LOOKUP] = answer_pg,
        [FX_CANCEL] = answer_pg,           [FX_PROBE] = answer_pg,
        [FX_SUBMIT] = answer_batch,        [FX_SCAN] = answer_scan,
        [FX_PURGE] = answer_purge,         [FX_PUBLISH] = answer_publish,
        [FX_DEAD_LETTER] = answer_publish, [FX_OFFSET] = answer_offset,
    };
    uint32_t i = choose(out_count);
    struct effect fx = out[i];

    out[i] = out[--out_count];
    answers[fx.kind](&fx, well);
}

static void pass(bool well)
{
    int64_t next_ms = engine_next_work_ms(kit.engine);

    if (next_ms != INT64_MAX && (well || choose(2) == 0)) {
        kit.wall_ms += next_ms > kit.now_ms ? next_ms - kit.now_ms : 0;
        kit.now_ms = next_ms > kit.now_ms ? next_ms : kit.now_ms;
    } else {
        kit.now_ms += choose(3000);
        kit.wall_ms += choose(3000);
    }
    step(&(struct engine_event){.type = EV_TIME});
}

static void one_step(void)
{
    struct place *place = &places[choose(PARTITIONS)];
    uint32_t n = choose(100);

    if (n < 30) {
        deliver(place);
    } else if (n < 36) {
        if (place->assignment == 0) {
            hand_out(place);
        } else {
            take_away(place);
        }
    } else if (n < 40) {
        ask_admin();
    } else if (n < 55 || out_count == 0) {
        pass(false);
    } else {
        answer_one(false);
    }
}

/* Answers well until nothing is in flight, or fails. */
static void end_well(void)
{
    for (uint32_t i = 0; i < WELL_STEPS; i++) {
        struct engine_counts c = engine_counts(kit.engine);

        if (c.payments + c.waiters + c.outbox + c.dead_letters + c.units_waiting +
                    c.batches_outstanding ==
                0 &&
            out_count == 0 && replies == requests) {
            return;
        }
        if (out_count > 0) {
            answer_one(true);
        } else {
            pass(true);
        }
    }
    fail_msg("seed %llu does not come to an end", (unsigned long long)random_state);
}

/* Long after the last trouble every partition is fetched from. */
static void expect_open_doors(void)
{
    kit.now_ms += BREAKER_LONGEST_MS;
    kit.wall_ms += BREAKER_LONGEST_MS;
    step(&(struct engine_event){.type = EV_TIME});
    for (int i = 0; i < PARTITIONS; i++) {
        const struct place *p = &places[i];

        assert_true(p->assignment == 0 || engine_accepts(kit.engine, (enum engine_topic)p->topic,
                                                         p->partition, p->assignment));
    }
    end_well();
}

static void open_world(uint64_t seed)
{
    struct engine_config config = engine_config_default();

    config.batch_linger_ms = (int64_t)(seed % 3);
    config.payment.adopt = seed % 5 == 0;
    for (int gate = 0; gate < GATE_COUNT; gate++) {
        config.breakers[gate].minimum_calls = 2;
        config.breakers[gate].window = 4;
    }
    kit_open(&kit, &tiny, &config);
    random_state = seed;
    out_count = requests = replies = 0;
    stopped = false;
    for (int i = 0; i < PARTITIONS; i++) {
        places[i] = (struct place){.topic = i == 2 ? TOPIC_DLT : TOPIC_TRIPS, .partition = i};
        hand_out(&places[i]);
    }
}

static void walk(uint64_t seed)
{
    open_world(seed);
    for (uint32_t i = 0; i < STEPS; i++) {
        one_step();
    }
    if (seed % 2 == 0) {
        end_well();
        expect_open_doors();
    }
    step(&(struct engine_event){.type = EV_STOP});
    end_well();
    for (uint32_t i = 0; i < WELL_STEPS && !stopped; i++) {
        pass(true);
        end_well();
    }
    assert_true(stopped);
    kit_close(&kit);
}

static void whatever_came_before_all_ends_once_the_world_is_well(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= WALKS; seed++) {
        walk(seed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_came_before_all_ends_once_the_world_is_well),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
