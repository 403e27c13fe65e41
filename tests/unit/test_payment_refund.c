/* LIFE, "tx 2 refused" and "Cancel": intent, cancel, its number, and who lets an approval go. */
#include "payment_kit.h"

#include <string.h>

/* The late worker's approval meets this row. */
static struct pay approved_but(const struct payment_row *row)
{
    struct pay w = pay_approved();
    pay_refused(&w, row);
    return w;
}

/* The worker's own intent is durable and its cancel is out. */
static struct pay cancelling(enum payment_status status)
{
    struct payment_row row = pay_row(status, 4);
    struct pay w = approved_but(&row);
    pay_is(&w, PHASE_INTENDING);
    pay_applied(&w);
    pay_is(&w, PHASE_CANCELLING);
    return w;
}

static void check_intent(const struct pay *w, enum payment_status status, uint32_t epoch)
{
    pay_is(w, PHASE_INTENDING);
    pay_unit_is(w, status, status, OUTCOME_NONE);
    const struct unit_payment *u = pay_unit(w);
    assert_int_equal(u->guard_epoch, epoch);
    assert_int_equal(u->row.refund_state, REFUND_INTENDED);
    assert_int_equal(u->row.refund_pg_id, PG_ID);
    assert_int_equal(u->row.cancel_no, 1);
    assert_int_equal(u->cancel_at, INSTANT_NOW);
    assert_int_equal(u->row.due_in_ms, 3 * MINUTE_MS);
    assert_int_equal(w->out.calls, 0); /* law 9: nothing is cancelled before it is durable */
}

static void a_late_approval_is_refunded_on_whatever_row_it_meets(void **state)
{
    (void)state;
    static const enum payment_status met[] = {PAYMENT_PROCESSING, PAYMENT_UNKNOWN, PAYMENT_FAILED};
    for (size_t i = 0; i < 3; i++) {
        struct payment_row row = pay_row(met[i], 4);
        struct pay w = approved_but(&row);
        check_intent(&w, met[i], 4);
        assert_int_equal(pay_unit(&w)->row.pg_id, PG_ID); /* evidence */
        pay_applied(&w);
        assert_int_equal(w.out.calls, CALL_CANCEL);
        assert_int_equal(w.p.epoch, 5);
    }
}

static void a_refund_from_processing_or_unknown_ends_failed_with_its_event(void **state)
{
    (void)state;
    static const enum payment_status from[] = {PAYMENT_PROCESSING, PAYMENT_UNKNOWN};
    for (size_t i = 0; i < 2; i++) {
        struct pay w = cancelling(from[i]);
        pay_answer(&w, pay_object(PG_CANCELED, 0));
        pay_is(&w, PHASE_REFUNDING);
        pay_unit_is(&w, from[i], PAYMENT_FAILED, OUTCOME_FAILED);
        assert_int_equal(pay_unit(&w)->row.refund_state, REFUND_DONE);
        assert_int_equal(pay_unit(&w)->row.reason, REASON_REFUNDED);
        assert_int_equal(pay_unit(&w)->row.due_in_ms, DUE_NEVER);
        pay_applied(&w);
        assert_int_equal(w.out.publish, OUTCOME_FAILED);
    }
}

static void a_terminal_row_keeps_its_status_and_gets_no_second_event(void **state)
{
    (void)state;
    static const enum payment_status kept[] = {PAYMENT_FAILED, PAYMENT_COMPLETED};
    for (size_t i = 0; i < 2; i++) {
        struct payment_row row = pay_row(kept[i], 4);
        row.pg_id = kept[i] == PAYMENT_COMPLETED ? OTHER_PG_ID : TEXT_NONE;
        struct pay w = approved_but(&row);
        check_intent(&w, kept[i], 4);
        pay_applied(&w);
        pay_answer(&w, pay_object(PG_CANCELED, 0));
        pay_unit_is(&w, kept[i], kept[i], OUTCOME_NONE);
        assert_int_equal(pay_unit(&w)->row.refund_state, REFUND_DONE);
        assert_int_equal(pay_unit(&w)->row.pg_id,
                         kept[i] == PAYMENT_COMPLETED ? OTHER_PG_ID : PG_ID);
        pay_applied(&w);
        pay_is_closed(&w);
        assert_int_equal(w.out.publish, OUTCOME_NONE);
    }
}

/* Trap 5: the commit had landed after all; the row is COMPLETED with this very payment. */
static void trap_05_a_completed_row_with_that_pg_id_is_never_refunded(void **state)
{
    (void)state;
    struct payment_row row = pay_row(PAYMENT_COMPLETED, 2);
    row.pg_id = PG_ID;
    struct pay w = approved_but(&row);
    pay_is_closed(&w);
    assert_int_equal(w.out.publish, OUTCOME_NONE);
}

static void where_the_row_has_the_intent_already_a_late_worker_drops_its_approval(void **state)
{
    (void)state;
    struct payment_row row = pay_intent_row(PAYMENT_PROCESSING, 1);
    struct pay w = approved_but(&row);
    pay_is_closed(&w);
    row.refund_state = REFUND_DONE;
    row.status = PAYMENT_FAILED;
    w = approved_but(&row);
    pay_is_closed(&w);

    struct payment_row other = pay_row(PAYMENT_PROCESSING, 4);
    w = approved_but(&other); /* somebody is faster with the intent */
    pay_refused(&w, &row);
    pay_is_closed(&w);
}

static void another_payments_intent_is_waited_for(void **state)
{
    (void)state;
    struct payment_row row = pay_intent_row(PAYMENT_PROCESSING, 1);
    row.refund_pg_id = OTHER_PG_ID;
    struct pay w = approved_but(&row);
    pay_is(&w, PHASE_HOLDING);
    assert_int_equal(w.out.alert, ALERT_HOLDING);
    pay_timer(&w);
    pay_unit_is(&w, PAYMENT_PROCESSING, PAYMENT_COMPLETED, OUTCOME_COMPLETED);
    row.refund_state = REFUND_DONE;
    row.status = PAYMENT_FAILED;
    pay_refused(&w, &row);
    pay_is(&w, PHASE_INTENDING);
    assert_int_equal(pay_unit(&w)->row.refund_pg_id, PG_ID);
    assert_int_equal(pay_unit(&w)->row.cancel_no, 2);
}

static void a_vanished_row_is_held_for_and_nothing_cancelled_blindly(void **state)
{
    (void)state;
    struct pay w = approved_but(NULL);
    for (int i = 0; i < 100; i++) {
        pay_is(&w, PHASE_HOLDING);
        assert_int_equal(w.out.alert, ALERT_HOLDING);
        pay_timer(&w);
        assert_true(w.out.submit);
        assert_int_equal(w.out.calls, 0);
        pay_refused(&w, NULL);
    }
}

static void an_approval_that_alone_cannot_be_written_is_refunded(void **state)
{
    (void)state;
    struct pay w = pay_approved();
    pay_unwritable(&w);
    check_intent(&w, PAYMENT_PROCESSING, 1);
    pay_applied(&w);
    assert_int_equal(w.out.calls, CALL_CANCEL);
    pay_answer(&w, pay_object(PG_CANCELED, 0));
    pay_unit_is(&w, PAYMENT_PROCESSING, PAYMENT_FAILED, OUTCOME_FAILED);
    assert_int_equal(pay_unit(&w)->row.reason, REASON_UNWRITABLE);
}

static void an_intent_that_cannot_be_written_is_held_and_sent_again_for_ever(void **state)
{
    (void)state;
    struct pay w = pay_approved();
    pay_unwritable(&w);
    for (int i = 0; i < 100; i++) {
        pay_unwritable(&w);
        pay_is(&w, PHASE_HOLDING);
        assert_int_equal(w.out.alert, ALERT_HOLDING);
        assert_int_equal(w.out.calls, 0);
        pay_timer(&w);
        check_intent(&w, PAYMENT_PROCESSING, 1);
    }
    pay_applied(&w);
    assert_int_equal(w.out.calls, CALL_CANCEL);
}

static void a_refused_intent_is_made_anew_on_the_row_as_it_is(void **state)
{
    (void)state;
    struct payment_row row = pay_row(PAYMENT_PROCESSING, 4);
    struct pay w = approved_but(&row);
    row.epoch = 7;
    row.status = PAYMENT_FAILED;
    pay_refused(&w, &row);
    check_intent(&w, PAYMENT_FAILED, 7);
}

/* Trap 14: the refund is done, and the write fails: it is sent until it is there. */
static void trap_14_a_refund_that_was_done_is_written_in_the_end(void **state)
{
    (void)state;
    struct pay w = cancelling(PAYMENT_PROCESSING);
    pay_answer(&w, pay_object(PG_CANCELED, 0));
    for (int i = 0; i < 10; i++) {
        pay_unwritable(&w);
        pay_is(&w, PHASE_HOLDING);
        pay_timer(&w);
        pay_unit_is(&w, PAYMENT_PROCESSING, PAYMENT_FAILED, OUTCOME_FAILED);
    }
    pay_applied(&w);
    pay_is_closed(&w);
    assert_int_equal(w.out.publish, OUTCOME_FAILED);

    /* And where the process died instead, the rescue finds intent and empty balance. */
    struct payment_row row = pay_intent_row(PAYMENT_PROCESSING, 1);
    w = pay_inspected(&row, pay_object(PG_CANCELED, 0));
    pay_is(&w, PHASE_REFUNDING);
    pay_unit_is(&w, PAYMENT_PROCESSING, PAYMENT_FAILED, OUTCOME_FAILED);
}

/* Trap 18: success is balance 0, whatever the status says. */
static void trap_18_a_cancel_is_done_when_the_balance_is_zero(void **state)
{
    (void)state;
    struct pay w = cancelling(PAYMENT_PROCESSING);
    struct pay partial = w;
    pay_answer(&w, pay_object(PG_PARTIAL_CANCELED, 0));
    pay_is(&w, PHASE_REFUNDING);
    pay_answer(&partial, pay_object(PG_CANCELED, 100));
    pay_is(&partial, PHASE_CANCEL_ASKING); /* CANCELED, but money is left */
    assert_int_equal(partial.out.calls, CALL_LOOKUP);
}

static void a_foreign_answer_to_a_cancel_proves_nothing(void **state)
{
    (void)state;
    struct pg_answer foreign = pay_object(PG_CANCELED, 0);
    foreign.pg_id = OTHER_PG_ID;
    struct pay w = cancelling(PAYMENT_PROCESSING);
    pay_answer(&w, foreign);
    pay_is(&w, PHASE_CANCEL_ASKING);
    pay_answer(&w, foreign);
    pay_is_closed(&w);
    assert_int_equal(w.p.status, PAYMENT_PROCESSING);
}

static void a_cancel_without_verdict_keeps_its_number(void **state)
{
    (void)state;
    struct pg_answer unanswered[] = {pay_silence(PG_ANSWER_TIMEOUT), pay_silence(PG_ANSWER_BROKEN),
                                     pay_silence(PG_ANSWER_NOT_SENT), pay_error(PG_CODE_RETRY)};
    for (size_t i = 0; i < 4; i++) {
        struct pay w = cancelling(PAYMENT_PROCESSING);
        pay_answer(&w, unanswered[i]);
        pay_is(&w, PHASE_CANCEL_WAIT);
        assert_false(w.out.submit);
        pay_timer(&w);
        assert_int_equal(w.out.calls, CALL_CANCEL);
        assert_int_equal(w.p.cancel_no, 1);
        pay_answer(&w, unanswered[i]);
        pay_timer(&w);
        assert_int_equal(w.p.cancel_no, 1);
        pay_answer(&w, unanswered[i]);
        pay_timer(&w);
        pay_is_closed(&w); /* three cancels; due in 3 min, so the rescue goes on */
    }
}

/* Trap 19: an answered error spends the number; the next is durable before it is used. */
static void trap_19_after_an_answered_error_the_next_number_is_made_durable(void **state)
{
    (void)state;
    static const enum pg_code_class errors[] = {PG_CODE_UNKNOWN,     PG_CODE_REQUEST,
                                                PG_CODE_CREDENTIALS, PG_CODE_CANCELLED_ALREADY,
                                                PG_CODE_NOT_FOUND,   PG_CODE_DECLINED};
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        struct pay w = cancelling(PAYMENT_PROCESSING);
        pay_answer(&w, pay_error(errors[i]));
        pay_is(&w, PHASE_CANCEL_ASKING);
        assert_int_equal(w.out.calls, CALL_LOOKUP);
        pay_answer(&w, pay_approval());
        pay_is(&w, PHASE_NUMBERING);
        assert_int_equal(w.out.calls, 0);
        pay_unit_is(&w, PAYMENT_PROCESSING, PAYMENT_PROCESSING, OUTCOME_NONE);
        assert_int_equal(pay_unit(&w)->row.cancel_no, 2);
        assert_int_equal(pay_unit(&w)->cancel_at, INSTANT_NOW);
        assert_int_equal(pay_unit(&w)->row.refund_state, REFUND_INTENDED);
        pay_applied(&w);
        pay_is(&w, PHASE_CANCEL_WAIT);
        pay_timer(&w);
        assert_int_equal(w.out.calls, CALL_CANCEL);
        assert_int_equal(w.p.cancel_no, 2);
    }
}

static void a_cancel_that_is_always_answered_with_an_error_ends_at_an_operator(void **state)
{
    struct payment_row row = pay_intent_row(PAYMENT_PROCESSING, 1000);

    (void)state;
    row.cancel_age_ms = AGE_NONE;
    struct pay w = pay_inspected(&row, pay_approval());
    pay_is(&w, PHASE_PARKING);
    pay_unit_is(&w, PAYMENT_PROCESSING, PAYMENT_UNKNOWN, OUTCOME_NONE);
    assert_int_equal(pay_unit(&w)->row.needs_operator, 1);
    assert_int_equal(pay_unit(&w)->row.refund_state, REFUND_INTENDED);
}

static void an_answered_error_after_success_ends_in_the_refund(void **state)
{
    (void)state;
    struct pay w = cancelling(PAYMENT_PROCESSING);
    pay_answer(&w, pay_error(PG_CODE_CANCELLED_ALREADY));
    pay_answer(&w, pay_object(PG_CANCELED, 0));
    pay_is(&w, PHASE_REFUNDING);
    pay_unit_is(&w, PAYMENT_PROCESSING, PAYMENT_FAILED, OUTCOME_FAILED);
}

static void a_look_up_after_a_cancel_that_tells_nothing_is_left_to_the_rescue(void **state)
{
    (void)state;
    struct pg_answer nothing[] = {pay_silence(PG_ANSWER_TIMEOUT), pay_error(PG_CODE_NOT_FOUND),
                                  pay_error(PG_CODE_UNKNOWN), pay_object(PG_IN_PROGRESS, 0)};
    for (size_t i = 0; i < 4; i++) {
        struct pay w = pay_in(PHASE_CANCEL_ASKING);
        pay_answer(&w, nothing[i]);
        pay_is_closed(&w);
    }
}

static void check_old_number(int64_t age_ms, bool replaced)
{
    struct payment_row row = pay_intent_row(PAYMENT_PROCESSING, 3);
    row.cancel_age_ms = age_ms;
    struct pay w = pay_inspected(&row, pay_approval());
    pay_is(&w, replaced ? PHASE_NUMBERING : PHASE_CANCELLING);
    assert_int_equal(w.p.cancel_no, replaced ? 4 : 3);
    assert_int_equal(w.out.calls, replaced ? 0 : CALL_CANCEL);
}

static void a_number_older_than_14_days_is_replaced_after_a_look_up(void **state)
{
    (void)state;
    check_old_number(14 * DAY_MS, false);
    check_old_number(14 * DAY_MS + 1, true);
    check_old_number(AGE_NONE, true);
}

static void check_refused_for_good(enum payment_status from, enum payment_status to)
{
    struct pay w = cancelling(from);
    pay_answer(&w, pay_error(PG_CODE_CANCEL_REFUSED));
    pay_is(&w, PHASE_CANCEL_ASKING); /* the balance is read first */
    struct pay empty = w;
    pay_answer(&w, pay_approval());
    pay_is(&w, PHASE_PARKING);
    pay_unit_is(&w, from, to, OUTCOME_NONE);
    assert_int_equal(pay_unit(&w)->row.needs_operator, 1);
    assert_int_equal(pay_unit(&w)->row.reason, REASON_CANCEL_REFUSED);
    assert_int_equal(pay_unit(&w)->row.code, CODE);
    assert_int_equal(pay_unit(&w)->row.refund_state, REFUND_INTENDED); /* never withdrawn */
    assert_int_equal(pay_unit(&w)->row.due_in_ms, DUE_NEVER);
    assert_int_equal(w.out.alert, ALERT_NEEDS_OPERATOR);
    pay_answer(&empty, pay_object(PG_CANCELED, 0));
    pay_is(&empty, PHASE_REFUNDING);
}

static void a_cancel_refused_for_good_needs_an_operator(void **state)
{
    (void)state;
    check_refused_for_good(PAYMENT_PROCESSING, PAYMENT_UNKNOWN);
    check_refused_for_good(PAYMENT_UNKNOWN, PAYMENT_UNKNOWN);
    check_refused_for_good(PAYMENT_FAILED, PAYMENT_FAILED);
}

static void wrong_credentials_alert_on_every_call_of_a_refund(void **state)
{
    (void)state;
    struct pay w = cancelling(PAYMENT_PROCESSING);
    pay_answer(&w, pay_error(PG_CODE_CREDENTIALS));
    assert_int_equal(w.out.alert, ALERT_CREDENTIALS);
    pay_answer(&w, pay_error(PG_CODE_CREDENTIALS));
    assert_int_equal(w.out.alert, ALERT_CREDENTIALS);
}

static void whoever_loses_the_row_stops_cancelling(void **state)
{
    (void)state;
    struct payment_row row = pay_intent_row(PAYMENT_PROCESSING, 2);
    struct pay w = pay_in(PHASE_NUMBERING);
    pay_refused(&w, &row);
    pay_is_closed(&w);
    w = pay_in(PHASE_REFUNDING);
    row.status = PAYMENT_FAILED;
    row.refund_state = REFUND_DONE;
    pay_refused(&w, &row);
    pay_is_closed(&w);
    assert_int_equal(w.out.publish, OUTCOME_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_late_approval_is_refunded_on_whatever_row_it_meets),
        cmocka_unit_test(a_refund_from_processing_or_unknown_ends_failed_with_its_event),
        cmocka_unit_test(a_terminal_row_keeps_its_status_and_gets_no_second_event),
        cmocka_unit_test(trap_05_a_completed_row_with_that_pg_id_is_never_refunded),
        cmocka_unit_test(where_the_row_has_the_intent_already_a_late_worker_drops_its_approval),
        cmocka_unit_test(another_payments_intent_is_waited_for),
        cmocka_unit_test(a_vanished_row_is_held_for_and_nothing_cancelled_blindly),
        cmocka_unit_test(an_approval_that_alone_cannot_be_written_is_refunded),
        cmocka_unit_test(an_intent_that_cannot_be_written_is_held_and_sent_again_for_ever),
        cmocka_unit_test(a_refused_intent_is_made_anew_on_the_row_as_it_is),
        cmocka_unit_test(trap_14_a_refund_that_was_done_is_written_in_the_end),
        cmocka_unit_test(trap_18_a_cancel_is_done_when_the_balance_is_zero),
        cmocka_unit_test(a_foreign_answer_to_a_cancel_proves_nothing),
        cmocka_unit_test(a_cancel_without_verdict_keeps_its_number),
        cmocka_unit_test(trap_19_after_an_answered_error_the_next_number_is_made_durable),
        cmocka_unit_test(a_cancel_that_is_always_answered_with_an_error_ends_at_an_operator),
        cmocka_unit_test(an_answered_error_after_success_ends_in_the_refund),
        cmocka_unit_test(a_look_up_after_a_cancel_that_tells_nothing_is_left_to_the_rescue),
        cmocka_unit_test(a_number_older_than_14_days_is_replaced_after_a_look_up),
        cmocka_unit_test(a_cancel_refused_for_good_needs_an_operator),
        cmocka_unit_test(wrong_credentials_alert_on_every_call_of_a_refund),
        cmocka_unit_test(whoever_loses_the_row_stops_cancelling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
