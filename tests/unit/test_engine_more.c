/* Engine stories of long outages, of bytes from outside and of several lanes. */
#include "engine_kit.h"
#include "unit_support.h"

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

static void probe(enum pg_answer_kind kind)
{
    struct engine_event event = {.type = EV_PROBE};

    while (!kit_has(&kit, FX_PROBE)) {
        kit_pass(&kit, engine_next_work_ms(kit.engine) - kit.now_ms);
    }
    event.as.pg.call_no = kit_take(&kit, FX_PROBE).call_no;
    event.as.pg.answer.kind = (uint8_t)kind;
    kit_step(&kit, &event);
}

/* One payment's admission outlives 128 rounds of the breaker: it is not one of the last round. */
static void an_admission_from_long_ago_is_no_admission_of_this_round(void **state)
{
    struct pg_answer refused = kit_error(&kit, "UNAUTHORIZED_KEY", PG_CODE_CREDENTIALS);
    struct pg_answer approval = kit_approval(&kit, 500);
    const struct breaker *pg = engine_breaker(kit.engine, GATE_PG);
    uint32_t first = kit_charging(&kit, "trip-1", 0);
    uint32_t round = pg->round;
    struct engine_event answer = {.type = EV_PROBE};
    uint32_t second;

    (void)state;
    kit_trip(&kit, "trip-2", 1);
    second = kit_take(&kit, FX_FARE).slot;
    kit_quote(&kit, second, 500);
    kit_commit(&kit, UNIT_APPLIED);
    assert_int_equal(kit_take(&kit, FX_CHARGE).slot, second);
    kit_pg(&kit, first, &refused);
    assert_int_equal(pg->state, BREAKER_OPEN);
    while (pg->round != round + 127) {
        probe(PG_ANSWER_TIMEOUT);
    }
    while (!kit_has(&kit, FX_PROBE)) {
        kit_pass(&kit, engine_next_work_ms(kit.engine) - kit.now_ms);
    }
    assert_int_equal(pg->round, round + 128);
    answer.as.pg.call_no = kit_take(&kit, FX_PROBE).call_no;
    kit_pg(&kit, second, &approval);
    answer.as.pg.answer.kind = PG_ANSWER_PAYMENT;
    kit_step(&kit, &answer);
    assert_int_equal(pg->good, 1);
}

/* A header of the record says when it first came, and may say anything. */
static void a_record_from_before_all_time_is_too_old(void **state)
{
    struct engine_event event = {.type = EV_RECORD};
    struct engine_record *r = &event.as.record;

    (void)state;
    r->kind = RECORD_TRIP;
    r->topic = TOPIC_TRIPS;
    r->assignment = 1;
    r->timestamp_ms = INT64_MIN;
    r->trip.trip_id = kit_text(&kit, "trip-1");
    r->trip.record = kit_text(&kit, "raw record");
    r->record = r->trip.record;
    kit_step(&kit, &event);
    assert_true(kit_has(&kit, FX_DEAD_LETTER));
}

static void fill_due(struct payment_row *row, const char *trip)
{
    memset(row, 0, sizeof(*row));
    row->trip_id = kit_text(&kit, trip);
    memcpy(row->payment_id.bytes, trip, strlen(trip));
    row->status = PAYMENT_PROCESSING;
    row->epoch = 1;
    row->amount_krw = 500;
    row->claimed_age_ms = 600000;
    row->cancel_age_ms = AGE_NONE;
    row->pg_account = 5;
}

/* Both rows are due, "held" for longer. */
static void due_page(void)
{
    struct effect scan = kit_take(&kit, FX_SCAN);
    union store_row rows[2];
    struct engine_event event = {.type = EV_PAGE};

    assert_int_equal(scan.call_no, SCAN_PAYMENTS_DUE);
    fill_due(&rows[0].payment, "held");
    fill_due(&rows[1].payment, "next");
    event.as.page.kind = SCAN_PAYMENTS_DUE;
    event.as.page.ok = true;
    event.as.page.count = scan.slot < 2 ? scan.slot : 2;
    event.as.page.rows = rows;
    kit_step(&kit, &event);
}

/* One of the two slots is held up by a row that stays due; the other finds those behind it. */
static void a_due_row_that_is_held_up_here_hides_no_other(void **state)
{
    struct engine_event event = {.type = EV_ADMIN};

    (void)state;
    event.as.admin.op = ADMIN_REFUND;
    fill_due(&event.as.admin.payment, "held");
    event.as.admin.payment.status = PAYMENT_UNKNOWN;
    kit_step(&kit, &event);
    kit_commit(&kit, UNIT_APPLIED);
    assert_true(kit_has(&kit, FX_LOOKUP));
    kit_pass(&kit, 60000);
    kit_commit(&kit, UNIT_APPLIED); /* the lease */
    due_page();
    assert_int_equal(engine_counts(kit.engine).payments, 2);
}

static void stop(void)
{
    struct engine_event event = {.type = EV_STOP};

    kit_step(&kit, &event);
}

static void a_stop_waits_for_no_dead_letter_that_only_waits_and_acknowledges_none(void **state)
{
    struct effect letter;

    (void)state;
    kit_assign(&kit, TOPIC_DLT, 0, 1);
    kit_record(&kit, RECORD_DEAD, 0);
    kit_commit(&kit, UNIT_ERROR); /* a key that is too long, say: now and for ever */
    kit_record(&kit, RECORD_MALFORMED, 0);
    letter = kit_take(&kit, FX_DEAD_LETTER);
    stop();
    assert_false(kit_has(&kit, FX_STOPPED));
    kit_published(&kit, PUBLISH_DEAD_LETTER, letter.slot, PUBLISH_NO_VERDICT);
    assert_true(kit_has(&kit, FX_STOPPED));
    assert_false(kit_has(&kit, FX_OFFSET));
    kit_pass(&kit, 100000);
    assert_false(kit_has(&kit, FX_OFFSET));
    assert_false(kit_has(&kit, FX_DEAD_LETTER));
}

/* Commits the unit that waits, on whatever lane; the lane's bit. */
static uint32_t lane_of_commit(void)
{
    uint32_t lane;

    for (uint32_t i = 0; i < kit.count; i++) {
        if (kit.effects[i].kind == FX_SUBMIT) {
            lane = kit.effects[i].slot;
            kit_commit(&kit, UNIT_APPLIED);
            assert_false(kit_has(&kit, FX_SUBMIT));
            return 1u << lane;
        }
    }
    fail_msg("nothing was submitted");
    return 0;
}

/* The connection that wrote the payment knows its row. Trips of many lanes: one could meet the
 * right one by chance. */
static void claim_outcome_and_done_of_a_payment_go_over_one_connection(void **state)
{
    struct engine_limits limits = kit.limits;
    char trip[] = "trip-0";
    uint32_t all = 0;

    (void)state;
    limits.lanes = 4;
    kit_close(&kit);
    kit_open(&kit, &limits, NULL);
    kit_assign(&kit, TOPIC_TRIPS, 0, 1);
    for (int i = 0; i < 8; i++) {
        struct pg_answer approval = kit_approval(&kit, 15200);
        uint32_t slot, lanes;

        trip[5]++;
        kit_trip(&kit, trip, i);
        slot = kit_take(&kit, FX_FARE).slot;
        kit_quote(&kit, slot, 15200);
        lanes = lane_of_commit(); /* the claim */
        kit_pg(&kit, slot, &approval);
        lanes |= lane_of_commit(); /* COMPLETED, with the outcome */
        slot = kit_take(&kit, FX_PUBLISH).slot;
        kit_published(&kit, PUBLISH_OUTBOX, slot, PUBLISH_DELIVERED);
        lanes |= lane_of_commit(); /* DONE */
        assert_int_equal(lanes & (lanes - 1), 0);
        all |= lanes;
    }
    assert_int_not_equal(all & (all - 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_admission_from_long_ago_is_no_admission_of_this_round,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_record_from_before_all_time_is_too_old, setup, teardown),
        cmocka_unit_test_setup_teardown(a_due_row_that_is_held_up_here_hides_no_other, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            a_stop_waits_for_no_dead_letter_that_only_waits_and_acknowledges_none, setup, teardown),
        cmocka_unit_test_setup_teardown(claim_outcome_and_done_of_a_payment_go_over_one_connection,
                                        setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
