/* LIFE, "A record arrives": from the record to the claim. */
#include "payment_kit.h"

#include <string.h>

static struct pay looking_up(void)
{
    return pay_in(PHASE_LOOKING_UP);
}

static void fare_and_payer_are_asked_in_parallel_and_both_awaited(void **state)
{
    (void)state;
    struct pay w = looking_up();
    assert_int_equal(w.out.calls, CALL_FARE | CALL_PAYER);
    pay_fare(&w, FARE_KRW);
    pay_is(&w, PHASE_LOOKING_UP);
    pay_asks_nothing(&w);
    pay_payer(&w);
    pay_is(&w, PHASE_OPENING);

    w = looking_up();
    pay_payer(&w);
    pay_asks_nothing(&w);
    pay_fare(&w, FARE_KRW);
    pay_is(&w, PHASE_OPENING);
}

static void check_refused_fare(enum upstream_answer_kind kind, int64_t fare_krw)
{
    struct pay w = looking_up();
    struct payment_event ev = {.type = PAYMENT_EV_FARE};
    ev.as.upstream.kind = (uint8_t)kind;
    ev.as.upstream.fare_krw = fare_krw;
    pay_step(&w, ev);
    pay_asks_nothing(&w); /* the payer's answer is awaited */
    pay_payer(&w);
    pay_is_closed(&w);
    assert_int_equal(w.out.dead_letter, DEAD_LETTER_FARE_REFUSED);
    assert_false(w.out.acknowledge);
}

static void a_refused_or_impossible_fare_is_a_dead_letter(void **state)
{
    (void)state;
    check_refused_fare(UPSTREAM_REFUSED, 0);
    check_refused_fare(UPSTREAM_NOT_FOUND, 0); /* 404 is final from pricing too */
    check_refused_fare(UPSTREAM_OK, -1);
    check_refused_fare(UPSTREAM_OK, 10000001);
    check_refused_fare(UPSTREAM_OK, INT64_MAX);
    struct pay w = looking_up();
    pay_payer(&w);
    pay_fare(&w, 10000000);
    pay_is(&w, PHASE_OPENING);
}

static void a_refused_payer_is_a_dead_letter(void **state)
{
    (void)state;
    struct pay w = looking_up();
    pay_upstream(&w, UPSTREAM_USERS, UPSTREAM_REFUSED);
    pay_asks_nothing(&w);
    pay_fare(&w, 0);
    pay_is_closed(&w);
    assert_int_equal(w.out.dead_letter, DEAD_LETTER_PAYER_REFUSED);
    assert_false(w.out.acknowledge);
}

static void refused_for_good_goes_before_trouble_and_before_a_free_ride(void **state)
{
    (void)state;
    struct pay w = looking_up();
    pay_upstream(&w, UPSTREAM_PRICING, UPSTREAM_TROUBLE);
    pay_upstream(&w, UPSTREAM_USERS, UPSTREAM_REFUSED);
    pay_is_closed(&w);
    assert_int_equal(w.out.dead_letter, DEAD_LETTER_PAYER_REFUSED);

    w = looking_up();
    pay_upstream(&w, UPSTREAM_USERS, UPSTREAM_REFUSED);
    pay_upstream(&w, UPSTREAM_PRICING, UPSTREAM_REFUSED);
    assert_int_equal(w.out.dead_letter, DEAD_LETTER_FARE_REFUSED);
}

static void a_free_ride_is_completed_with_its_event_and_never_charged(void **state)
{
    (void)state;
    struct pay w = looking_up();
    pay_payer(&w);
    w.ctx.gate_open[GATE_PG] = false; /* the PG isn't needed */
    pay_fare(&w, 0);
    pay_is(&w, PHASE_OPENING);
    pay_unit_is(&w, PAYMENT_ABSENT, PAYMENT_COMPLETED, OUTCOME_COMPLETED);
    assert_int_equal(pay_unit(&w)->row.amount_krw, 0);
    assert_int_equal(pay_unit(&w)->row.due_in_ms, DUE_NEVER);
    assert_int_equal(pay_unit(&w)->claimed_at, INSTANT_KEEP);
    assert_false(w.out.admit || w.out.acknowledge || w.out.publish);
    pay_applied(&w);
    pay_is_closed(&w);
    assert_int_equal(w.out.publish, OUTCOME_COMPLETED);
    assert_true(w.out.acknowledge);
}

static void a_free_ride_of_an_unknown_user_is_completed_too(void **state)
{
    (void)state;
    struct pay w = looking_up();
    pay_upstream(&w, UPSTREAM_USERS, UPSTREAM_NOT_FOUND);
    pay_fare(&w, 0);
    pay_unit_is(&w, PAYMENT_ABSENT, PAYMENT_COMPLETED, OUTCOME_COMPLETED);
    assert_int_equal(pay_unit(&w)->row.method_id, NO_METHOD);
}

static void a_user_without_payment_method_fails_with_its_event(void **state)
{
    (void)state;
    struct pay w = looking_up();
    pay_fare(&w, FARE_KRW);
    pay_upstream(&w, UPSTREAM_USERS, UPSTREAM_NOT_FOUND);
    pay_unit_is(&w, PAYMENT_ABSENT, PAYMENT_FAILED, OUTCOME_FAILED);
    assert_int_equal(pay_unit(&w)->row.reason, REASON_NO_PAYMENT_METHOD);
    assert_int_equal(pay_unit(&w)->row.due_in_ms, DUE_NEVER);
    assert_int_equal(pay_unit(&w)->row.method_id, NO_METHOD);
    assert_int_equal(pay_unit(&w)->row.amount_krw, FARE_KRW);
    pay_applied(&w);
    pay_is_closed(&w);
    assert_int_equal(w.out.publish, OUTCOME_FAILED);
    assert_true(w.out.acknowledge);
}

static void the_claim_writes_the_row_and_its_deadlines_in_one_unit(void **state)
{
    (void)state;
    struct pay w = pay_in(PHASE_OPENING);
    pay_unit_is(&w, PAYMENT_ABSENT, PAYMENT_PROCESSING, OUTCOME_NONE);
    const struct unit_payment *u = pay_unit(&w);
    assert_int_equal(u->row.epoch, 1);
    assert_int_equal(u->claimed_at, INSTANT_NOW);
    assert_int_equal(u->row.due_in_ms, 10 * MINUTE_MS);
    assert_int_equal(u->row.pg_account, OUR_ACCOUNT);
    assert_int_equal(u->row.trip_id, TRIP);
    assert_int_equal(u->row.traceparent, TRACE);
    assert_true(w.out.admit);
    assert_false(w.out.acknowledge);
}

/* Law 1 and trap 9: nothing leaves and nothing is acknowledged before the row is durable. */
static void the_charge_and_the_acknowledgement_wait_for_the_commit(void **state)
{
    (void)state;
    struct pay w = pay_in(PHASE_OPENING);
    assert_int_equal(w.out.calls, 0);
    assert_false(w.out.acknowledge);
    pay_applied(&w);
    assert_int_equal(w.out.calls, CALL_CHARGE);
    assert_true(w.out.acknowledge);
    assert_int_equal(w.p.record, TEXT_NONE);
    assert_int_equal(w.p.billing_key, BILLING);
}

/* Trap 3: the claim sets its own instants, so an old row isn't stuck the moment it is claimed. */
static void trap_03_an_old_requested_row_is_claimed_with_new_instants(void **state)
{
    (void)state;
    struct pay w = pay_in(PHASE_OPENING);
    struct payment_row row = pay_row(PAYMENT_REQUESTED, 2);
    row.payment_id.bytes[0] = 0x99; /* the old service's own random id */
    row.amount_krw = 3;
    pay_duplicate(&w, &row);
    pay_is(&w, PHASE_CLAIMING);
    pay_unit_is(&w, PAYMENT_REQUESTED, PAYMENT_PROCESSING, OUTCOME_NONE);
    const struct unit_payment *u = pay_unit(&w);
    assert_int_equal(u->guard_epoch, 2);
    assert_true(uuid_equal(&u->row.payment_id, &row.payment_id));
    assert_int_equal(u->claimed_at, INSTANT_NOW);
    assert_int_equal(u->row.pg_account, OUR_ACCOUNT);
    assert_int_equal(u->row.due_in_ms, 10 * MINUTE_MS);
    assert_int_equal(u->row.amount_krw, FARE_KRW);
    assert_false(w.out.acknowledge);
    pay_applied(&w);
    pay_is(&w, PHASE_CHARGING);
    assert_true(w.out.acknowledge);
    assert_int_equal(w.p.epoch, 3);
}

static void a_free_ride_finishes_an_old_requested_row(void **state)
{
    (void)state;
    struct pay w = looking_up();
    struct payment_row row = pay_row(PAYMENT_REQUESTED, 2);
    pay_payer(&w);
    pay_fare(&w, 0);
    pay_duplicate(&w, &row);
    pay_unit_is(&w, PAYMENT_REQUESTED, PAYMENT_COMPLETED, OUTCOME_COMPLETED);
    pay_applied(&w);
    pay_is_closed(&w);
    assert_int_equal(w.out.publish, OUTCOME_COMPLETED);
}

/* Law 9: an intent is never withdrawn, not by a record that comes late either. */
static void a_requested_row_with_a_refund_is_left_to_it(void **state)
{
    (void)state;
    struct payment_row row = pay_intent_row(PAYMENT_REQUESTED, 1);
    struct pay w = pay_in(PHASE_OPENING);
    pay_duplicate(&w, &row);
    pay_is_closed(&w);
    assert_true(w.out.acknowledge);

    row.refund_state = REFUND_NONE; /* but the PG's id is there: it was charged */
    w = pay_in(PHASE_OPENING);
    pay_duplicate(&w, &row);
    pay_is_closed(&w);
    assert_true(w.out.acknowledge);
}

/* Trap 6: the loser of the race publishes nothing and is done. */
static void trap_06_the_loser_of_the_insert_knows_a_duplicate(void **state)
{
    (void)state;
    static const enum payment_status there[] = {PAYMENT_PROCESSING, PAYMENT_COMPLETED,
                                                PAYMENT_FAILED, PAYMENT_UNKNOWN};
    for (size_t i = 0; i < 4; i++) {
        struct pay w = pay_in(PHASE_OPENING);
        struct payment_row row = pay_row(there[i], 4);
        pay_duplicate(&w, &row);
        pay_is_closed(&w);
        assert_true(w.out.acknowledge);
        assert_int_equal(w.out.publish, OUTCOME_NONE);
        assert_int_equal(w.out.dead_letter, DEAD_LETTER_NONE);
    }
}

static void a_refused_first_claim_is_tried_again_while_the_row_is_requested(void **state)
{
    (void)state;
    struct pay w = pay_in(PHASE_CLAIMING);
    struct payment_row row = pay_row(PAYMENT_REQUESTED, 3); /* a rescue looked at it */
    pay_refused(&w, &row);
    pay_is(&w, PHASE_CLAIMING);
    pay_unit_is(&w, PAYMENT_REQUESTED, PAYMENT_PROCESSING, OUTCOME_NONE);
    assert_int_equal(pay_unit(&w)->guard_epoch, 3);
    pay_refused(&w, &row); /* the same row again makes no endless loop */
    pay_is_closed(&w);
    assert_true(w.out.acknowledge);

    w = pay_in(PHASE_CLAIMING);
    pay_refused(&w, NULL);
    pay_is_closed(&w);
    assert_true(w.out.acknowledge);
}

/* Trap 22: two ids that the store can't tell apart are not one trip. */
static void trap_22_a_collision_is_a_dead_letter_and_no_duplicate(void **state)
{
    (void)state;
    static const enum payment_phase phases[] = {PHASE_OPENING, PHASE_CLAIMING};
    for (size_t i = 0; i < 2; i++) {
        struct pay w = pay_in(phases[i]);
        struct payment_event ev = {.type = PAYMENT_EV_UNWRITABLE, .collision = 1};
        pay_step(&w, ev);
        pay_is_closed(&w);
        assert_int_equal(w.out.dead_letter, DEAD_LETTER_ID_COLLISION);
        assert_false(w.out.acknowledge);
    }
}

/* Trap 23: a bad row is a dead letter of its own. */
static void trap_23_an_unwritable_row_is_a_dead_letter_of_its_own(void **state)
{
    (void)state;
    struct pay w = pay_in(PHASE_OPENING);
    pay_unwritable(&w);
    pay_is_closed(&w);
    assert_int_equal(w.out.dead_letter, DEAD_LETTER_UNWRITABLE);
    assert_false(w.out.acknowledge);
    assert_int_equal(w.p.record, RECORD); /* the driver still finds its bytes */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fare_and_payer_are_asked_in_parallel_and_both_awaited),
        cmocka_unit_test(a_refused_or_impossible_fare_is_a_dead_letter),
        cmocka_unit_test(a_refused_payer_is_a_dead_letter),
        cmocka_unit_test(refused_for_good_goes_before_trouble_and_before_a_free_ride),
        cmocka_unit_test(a_free_ride_is_completed_with_its_event_and_never_charged),
        cmocka_unit_test(a_free_ride_of_an_unknown_user_is_completed_too),
        cmocka_unit_test(a_user_without_payment_method_fails_with_its_event),
        cmocka_unit_test(the_claim_writes_the_row_and_its_deadlines_in_one_unit),
        cmocka_unit_test(the_charge_and_the_acknowledgement_wait_for_the_commit),
        cmocka_unit_test(trap_03_an_old_requested_row_is_claimed_with_new_instants),
        cmocka_unit_test(a_free_ride_finishes_an_old_requested_row),
        cmocka_unit_test(a_requested_row_with_a_refund_is_left_to_it),
        cmocka_unit_test(trap_06_the_loser_of_the_insert_knows_a_duplicate),
        cmocka_unit_test(a_refused_first_claim_is_tried_again_while_the_row_is_requested),
        cmocka_unit_test(trap_22_a_collision_is_a_dead_letter_and_no_duplicate),
        cmocka_unit_test(trap_23_an_unwritable_row_is_a_dead_letter_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
