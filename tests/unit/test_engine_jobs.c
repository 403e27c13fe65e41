/* Breakers, rescue, relay, operator, stop, snapshots: what the engine does besides records. */
#include "engine_kit.h"
#include "unit_support.h"

#include <stdlib.h>
#include <string.h>

static struct kit kit;

static int setup(void **state)
{
    (void)state;
    kit_open(&kit, NULL, NULL);
    kit_assign(&kit, TOPIC_TRIPS, 0, 1);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    kit_close(&kit);
    return 0;
}

static struct payment_row due_row(const char *trip, enum payment_status status)
{
    struct payment_row row;

    memset(&row, 0, sizeof(row));
    memcpy(row.payment_id.bytes, trip, strlen(trip));
    row.trip_id = kit_text(&kit, trip);
    row.user_id = kit_text(&kit, "user-1");
    row.method_id = kit_text(&kit, "card-1");
    row.amount_krw = 15200;
    row.epoch = 3;
    row.status = (uint8_t)status;
    row.pg_account = 5;
    row.claimed_age_ms = 600000;
    row.cancel_age_ms = AGE_NONE;
    return row;
}

static void page(enum scan_kind kind, const union store_row *rows, uint32_t count)
{
    struct engine_event event = {.type = EV_PAGE};

    event.as.page.kind = (uint8_t)kind;
    event.as.page.ok = true;
    event.as.page.rows = rows;
    event.as.page.count = count;
    kit_step(&kit, &event);
}

static void take_rescue_lease(void)
{
    struct unit unit;

    kit_pass(&kit, 60000);
    engine_batch_unit(kit.engine, 0, 0, kit.now_ms, &unit);
    assert_int_equal(unit.kind, UNIT_LEASE);
    assert_int_equal(unit.as.lease.op, LEASE_TAKE);
    kit_commit(&kit, UNIT_APPLIED);
}

static void the_rescue_takes_the_lease_then_scans_then_takes_each_row(void **state)
{
    union store_row row = {.payment = due_row("trip-1", PAYMENT_PROCESSING)};
    struct unit unit;

    (void)state;
    take_rescue_lease();
    assert_int_equal(kit_take(&kit, FX_SCAN).call_no, SCAN_PAYMENTS_DUE);
    page(SCAN_PAYMENTS_DUE, &row, 1);
    engine_batch_unit(kit.engine, 0, 0, kit.now_ms, &unit);
    assert_int_equal(unit.kind, UNIT_PAYMENT_MOVE);
    assert_int_equal(unit.as.payment.guard_epoch, 3);
    assert_int_equal(unit.as.payment.row.due_in_ms, 180000);
    kit_commit(&kit, UNIT_APPLIED);
    assert_int_equal(kit_take(&kit, FX_LOOKUP).text, TEXT_NONE);
}

static void trap_15_without_the_lease_nothing_is_scanned(void **state)
{
    (void)state;
    kit_pass(&kit, 60000);
    kit_commit(&kit, UNIT_REFUSED);
    assert_false(kit_has(&kit, FX_SCAN));
    kit_pass(&kit, 60000);
    assert_true(kit_has(&kit, FX_SUBMIT));
}

static void a_due_row_in_flight_here_is_left_to_its_payment(void **state)
{
    union store_row row;

    (void)state;
    (void)kit_charging(&kit, "trip-1", 0);
    row.payment = due_row("trip-1", PAYMENT_PROCESSING);
    take_rescue_lease();
    page(SCAN_PAYMENTS_DUE, &row, 1);
    assert_int_equal(engine_counts(kit.engine).payments, 1);
}

static void the_lease_is_released_when_the_rescue_has_nothing_left(void **state)
{
    struct unit unit;

    (void)state;
    take_rescue_lease();
    page(SCAN_PAYMENTS_DUE, NULL, 0);
    engine_batch_unit(kit.engine, 0, 0, kit.now_ms, &unit);
    assert_int_equal(unit.as.lease.op, LEASE_RELEASE);
    assert_int_equal(unit.as.lease.at_least_ms, 30000);
    kit_commit(&kit, UNIT_APPLIED);
    kit_assert_quiet(&kit);
}

static void the_rescue_goes_on_with_the_next_page_while_rows_are_inspected(void **state)
{
    union store_row row = {.payment = due_row("trip-1", PAYMENT_PROCESSING)};

    (void)state;
    take_rescue_lease();
    page(SCAN_PAYMENTS_DUE, &row, 1);
    assert_false(kit_has(&kit, FX_SCAN));
    kit_commit(&kit, UNIT_APPLIED);
    assert_true(kit_has(&kit, FX_LOOKUP));
    assert_int_equal(kit_take(&kit, FX_SCAN).call_no, SCAN_PAYMENTS_DUE);
}

static void the_relay_takes_what_others_left_and_marks_it_done(void **state)
{
    union store_row row;
    struct effect publish;
    struct unit unit;

    (void)state;
    memset(&row, 0, sizeof(row));
    row.outbox.row_id = 9;
    row.outbox.epoch = 1;
    row.outbox.status = OUTBOX_READY;
    row.outbox.topic = kit_text(&kit, "payment_events");
    kit_pass(&kit, 1000);
    assert_int_equal(kit_take(&kit, FX_SCAN).call_no, SCAN_OUTBOX_DUE);
    page(SCAN_OUTBOX_DUE, &row, 1);
    kit_commit(&kit, UNIT_APPLIED);
    publish = kit_take(&kit, FX_PUBLISH);
    kit_published(&kit, PUBLISH_OUTBOX, publish.slot, PUBLISH_DELIVERED);
    engine_batch_unit(kit.engine, 0, 0, kit.now_ms, &unit);
    assert_int_equal(unit.as.outbox.status, OUTBOX_DONE);
    assert_int_equal(unit.as.outbox.row_id, 9);
}

static void the_relay_asks_for_the_next_page_when_this_one_is_taken(void **state)
{
    union store_row row;

    (void)state;
    memset(&row, 0, sizeof(row));
    row.outbox.row_id = 9;
    row.outbox.epoch = 1;
    row.outbox.status = OUTBOX_READY;
    row.outbox.topic = kit_text(&kit, "payment_events");
    kit_pass(&kit, 1000);
    page(SCAN_OUTBOX_DUE, &row, 1);
    assert_false(kit_has(&kit, FX_SCAN));
    kit_commit(&kit, UNIT_APPLIED);
    assert_int_equal(kit_take(&kit, FX_SCAN).call_no, SCAN_OUTBOX_DUE);
    page(SCAN_OUTBOX_DUE, &row, 1);
    kit_pass(&kit, 1);
    assert_false(kit_has(&kit, FX_SCAN));
}

/* Three rows of one trip, from `first` on, are taken, published in the order of the rows, and DONE.
 */
static void three_rows_leave_in_order(int64_t first)
{
    union store_row rows[3];

    memset(rows, 0, sizeof(rows));
    for (int i = 0; i < 3; i++) {
        rows[i].outbox.row_id = first + i;
        rows[i].outbox.status = OUTBOX_READY;
        rows[i].outbox.topic = kit_text(&kit, "payment_events");
        rows[i].outbox.key = kit_text(&kit, "trip-1");
        rows[i].outbox.has_key = 1;
    }
    kit_pass(&kit, 1000);
    page(SCAN_OUTBOX_DUE, rows, 3);
    kit_commit(&kit, UNIT_APPLIED);
    assert_false(kit_has(&kit, FX_SUBMIT)); /* one lane took them all */
    for (int i = 0; i < 3; i++) {
        struct effect publish = kit_take(&kit, FX_PUBLISH);

        assert_int_equal(engine_outbox(kit.engine, publish.slot)->row_id, first + i);
        rows[i].outbox.row_id = publish.slot;
    }
    for (int i = 0; i < 3; i++) {
        kit_published(&kit, PUBLISH_OUTBOX, (uint32_t)rows[i].outbox.row_id, PUBLISH_DELIVERED);
        kit_commit(&kit, UNIT_APPLIED);
    }
}

/* Twice, so that the slots of the second page go round the end of the table. */
static void rows_of_one_key_are_published_in_their_order(void **state)
{
    struct engine_limits limits = kit.limits;

    (void)state;
    limits.lanes = 2;
    kit_close(&kit);
    kit_open(&kit, &limits, NULL);
    three_rows_leave_in_order(11);
    three_rows_leave_in_order(21);
}

static void trap_13_an_outage_opens_the_breaker_and_no_record_dies_of_it(void **state)
{
    struct upstream_answer trouble = {.kind = UPSTREAM_TROUBLE};
    struct upstream_answer payer = {.kind = UPSTREAM_NOT_FOUND};
    uint32_t slot;
    int retries = 0;

    (void)state;
    kit_trip(&kit, "trip-1", 0);
    slot = kit_take(&kit, FX_FARE).slot;
    kit_upstream(&kit, slot, UPSTREAM_USERS, &payer);
    for (int i = 0; i < 20; i++) {
        if (engine_payment(kit.engine, slot)->phase == PHASE_LOOKING_UP) {
            kit_upstream(&kit, slot, UPSTREAM_PRICING, &trouble);
            retries++;
        } else {
            kit_pass(&kit, 5000);
        }
        assert_false(kit_has(&kit, FX_DEAD_LETTER));
    }
    assert_true(retries >= 4);
    assert_false(engine_accepts(kit.engine, TOPIC_TRIPS, 0, 1));
}

/* The others are answered before each of its tries ends. */
static void trouble_of_one_record_alone_makes_it_a_dead_letter(void **state)
{
    static const char *const others[] = {"trip-2", "trip-3", "trip-4", "trip-5"};
    struct upstream_answer trouble = {.kind = UPSTREAM_TROUBLE};
    struct engine_limits limits = kit.limits;
    uint32_t bad = 0;

    (void)state;
    limits.payments = 16;
    kit_close(&kit);
    kit_open(&kit, &limits, NULL);
    kit_assign(&kit, TOPIC_TRIPS, 0, 1);
    kit_trip(&kit, "trip-1", 0);
    for (int i = 0; i < 4; i++) {
        assert_false(kit_has(&kit, FX_DEAD_LETTER));
        bad = kit_take(&kit, FX_FARE).slot;
        kit_pass(&kit, 10);
        kit_trip(&kit, others[i], i + 1);
        kit_quote(&kit, kit_take(&kit, FX_FARE).slot, 500);
        kit_upstream(&kit, bad, UPSTREAM_USERS, &trouble);
        kit_upstream(&kit, bad, UPSTREAM_PRICING, &trouble);
        if (i < 3) {
            kit_pass(&kit, 10000);
        }
    }
    assert_true(kit_has(&kit, FX_DEAD_LETTER));
}

static void refused_credentials_open_the_breaker_and_look_ups_probe_it(void **state)
{
    struct pg_answer credentials = kit_error(&kit, "UNAUTHORIZED_KEY", PG_CODE_CREDENTIALS);
    struct pg_answer absent = kit_error(&kit, "NOT_FOUND_PAYMENT", PG_CODE_NOT_FOUND);
    struct engine_event probed = {.type = EV_PROBE};
    uint32_t slot = kit_charging(&kit, "trip-1", 0);

    (void)state;
    kit_pg(&kit, slot, &credentials);
    assert_int_equal(kit_take(&kit, FX_ALERT).call_no, ALERT_CREDENTIALS);
    assert_true(kit_has_note(&kit, NOTE_BREAKER_OPEN));
    assert_int_equal(engine_breaker(kit.engine, GATE_PG)->state, BREAKER_OPEN);
    assert_true(kit_has(&kit, FX_PAUSE));
    kit_pass(&kit, 15000);
    probed.as.pg.call_no = kit_take(&kit, FX_PROBE).call_no;
    probed.as.pg.answer = absent;
    kit_step(&kit, &probed);
    assert_true(breaker_proven(engine_breaker(kit.engine, GATE_PG)));
}

static void a_claim_waits_while_the_pgs_breaker_is_open(void **state)
{
    struct pg_answer credentials = kit_error(&kit, "UNAUTHORIZED_KEY", PG_CODE_CREDENTIALS);
    uint32_t charging;
    uint32_t waiting;

    (void)state;
    kit_trip(&kit, "trip-2", 0);
    waiting = kit_take(&kit, FX_FARE).slot;
    charging = kit_charging(&kit, "trip-1", 1);
    kit_pg(&kit, charging, &credentials);
    kit_quote(&kit, waiting, 700);
    assert_false(kit_has(&kit, FX_SUBMIT));
    assert_int_equal(engine_payment(kit.engine, waiting)->phase, PHASE_GATED);
}

static void operator_refund_is_for_unknown_only(void **state)
{
    struct engine_event event = {.type = EV_ADMIN};

    (void)state;
    event.as.admin.op = ADMIN_REFUND;
    event.as.admin.request = 42;
    event.as.admin.payment = due_row("trip-1", PAYMENT_PROCESSING);
    kit_step(&kit, &event);
    assert_int_equal(kit_take(&kit, FX_REPLY).call_no, REPLY_CONFLICT);
    event.as.admin.payment = due_row("trip-1", PAYMENT_UNKNOWN);
    kit_step(&kit, &event);
    kit_commit(&kit, UNIT_APPLIED);
    assert_true(kit_has(&kit, FX_LOOKUP));
    event.as.admin.request = 43;
    kit_step(&kit, &event);
    assert_int_equal(kit_take(&kit, FX_REPLY).call_no, REPLY_BUSY);
}

static void retry_all_moves_every_pending_row_and_counts_the_refused(void **state)
{
    struct engine_event event = {.type = EV_ADMIN};
    union store_row rows[2];
    struct effect reply;

    (void)state;
    memset(rows, 0, sizeof(rows));
    rows[0].failed_event.row_id = 1;
    rows[0].failed_event.status = FAILED_EVENT_PENDING;
    rows[1].failed_event.row_id = 2;
    rows[1].failed_event.status = FAILED_EVENT_PENDING;
    event.as.admin.op = ADMIN_RETRY_ALL;
    event.as.admin.request = 42;
    kit_step(&kit, &event);
    assert_int_equal(kit_take(&kit, FX_SCAN).value, 0);
    page(SCAN_FAILED_EVENTS, rows, 2);
    kit_commit(&kit, UNIT_APPLIED);
    assert_int_equal(kit_take(&kit, FX_SCAN).value, 2);
    page(SCAN_FAILED_EVENTS, rows, 0);
    reply = kit_take(&kit, FX_REPLY);
    assert_int_equal(reply.call_no, REPLY_DONE);
    assert_int_equal(reply.slot, 42);
    assert_int_equal(reply.value, 2);
    assert_int_equal(reply.count, 0);
}

/* A retried record that fails again is a new row: retry-all must not chase its own tail. */
static void retry_all_leaves_rows_that_came_after_it(void **state)
{
    struct engine_event event = {.type = EV_ADMIN};
    union store_row row;
    struct effect reply;

    (void)state;
    memset(&row, 0, sizeof(row));
    row.failed_event.row_id = 1;
    row.failed_event.status = FAILED_EVENT_PENDING;
    row.failed_event.created_age_ms = 60000;
    event.as.admin.op = ADMIN_RETRY_ALL;
    kit_step(&kit, &event);
    page(SCAN_FAILED_EVENTS, &row, 1);
    kit.now_ms += 500;
    kit_commit(&kit, UNIT_APPLIED);
    assert_true(kit_has(&kit, FX_SCAN));
    row.failed_event.row_id = 2;
    row.failed_event.created_age_ms = 400;
    page(SCAN_FAILED_EVENTS, &row, 1);
    reply = kit_take(&kit, FX_REPLY);
    assert_int_equal(reply.call_no, REPLY_DONE);
    assert_int_equal(reply.value, 1);
}

static void stop_drops_what_is_unclaimed_and_finishes_what_is_claimed(void **state)
{
    struct engine_event stop = {.type = EV_STOP};
    struct pg_answer declined = kit_error(&kit, "INVALID_STOPPED_CARD", PG_CODE_DECLINED);
    uint32_t charging;

    (void)state;
    charging = kit_charging(&kit, "trip-1", 0);
    kit_trip(&kit, "trip-2", 1);
    kit_trip(&kit, "trip-2", 2);
    kit_step(&kit, &stop);
    assert_int_equal(engine_counts(kit.engine).payments, 1);
    assert_false(kit_has(&kit, FX_STOPPED));
    kit_pg(&kit, charging, &declined);
    kit_commit(&kit, UNIT_APPLIED);
    kit_published(&kit, PUBLISH_OUTBOX, kit_take(&kit, FX_PUBLISH).slot, PUBLISH_DELIVERED);
    kit_commit(&kit, UNIT_APPLIED);
    assert_true(kit_has(&kit, FX_STOPPED));
}

static void a_snapshot_taken_in_flight_runs_on_to_the_same_history(void **state)
{
    struct pg_answer approval = kit_approval(&kit, 15200);
    uint32_t slot = kit_charging(&kit, "trip-1", 0);
    int64_t now_ms = kit.now_ms;
    void *snapshot = malloc(kit.size);
    struct effect first[64];
    uint32_t count;

    (void)state;
    kit_trip(&kit, "trip-2", 1);
    memcpy(snapshot, kit.engine, kit.size);
    kit_pg(&kit, slot, &approval);
    kit_commit(&kit, UNIT_APPLIED);
    count = kit.count;
    assert_true(count > 0 && count < 64);
    memcpy(first, kit.effects, count * sizeof(first[0]));
    memcpy(kit.engine, snapshot, kit.size);
    kit.now_ms = now_ms;
    kit_pg(&kit, slot, &approval);
    kit_commit(&kit, UNIT_APPLIED);
    assert_int_equal(kit.count, count);
    assert_memory_equal(kit.effects, first, count * sizeof(first[0]));
    free(snapshot);
}

static void a_limit_of_zero_or_too_much_has_no_size(void **state)
{
    struct engine_limits limits = kit.limits;

    (void)state;
    assert_true(engine_size(&limits) > 0);
    limits.rescues = limits.payments;
    assert_int_equal(engine_size(&limits), 0);
    limits = kit.limits;
    limits.batch_max = STORE_BATCH_MAX + 1;
    assert_int_equal(engine_size(&limits), 0);
    limits = kit.limits;
    limits.lanes = 0;
    assert_int_equal(engine_size(&limits), 0);
}

static void marked_texts_are_all_that_a_sweep_keeps(void **state)
{
    uint32_t slot = kit_charging(&kit, "trip-1", 0);
    text_id idle = kit_text(&kit, "nobody holds this");

    (void)state;
    engine_mark(kit.engine, kit.texts);
    texts_sweep(kit.texts);
    assert_string_equal(texts_string(kit.texts, engine_payment(kit.engine, slot)->trip_id),
                        "trip-1");
    assert_int_equal(texts_find(kit.texts, "nobody holds this", 17), TEXT_NONE);
    (void)idle;
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(the_rescue_takes_the_lease_then_scans_then_takes_each_row),
        STORY(trap_15_without_the_lease_nothing_is_scanned),
        STORY(a_due_row_in_flight_here_is_left_to_its_payment),
        STORY(the_lease_is_released_when_the_rescue_has_nothing_left),
        STORY(the_rescue_goes_on_with_the_next_page_while_rows_are_inspected),
        STORY(the_relay_takes_what_others_left_and_marks_it_done),
        STORY(the_relay_asks_for_the_next_page_when_this_one_is_taken),
        STORY(rows_of_one_key_are_published_in_their_order),
        STORY(trap_13_an_outage_opens_the_breaker_and_no_record_dies_of_it),
        STORY(trouble_of_one_record_alone_makes_it_a_dead_letter),
        STORY(refused_credentials_open_the_breaker_and_look_ups_probe_it),
        STORY(a_claim_waits_while_the_pgs_breaker_is_open),
        STORY(operator_refund_is_for_unknown_only),
        STORY(retry_all_moves_every_pending_row_and_counts_the_refused),
        STORY(retry_all_leaves_rows_that_came_after_it),
        STORY(stop_drops_what_is_unclaimed_and_finishes_what_is_claimed),
        STORY(a_snapshot_taken_in_flight_runs_on_to_the_same_history),
        STORY(a_limit_of_zero_or_too_much_has_no_size),
        STORY(marked_texts_are_all_that_a_sweep_keeps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
