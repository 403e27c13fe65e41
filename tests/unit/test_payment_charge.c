/* LIFE, "Charge": what leaves when, and what an answer means. */
#include "payment_kit.h"

#include <string.h>

static const enum pg_answer_kind silent[] = {PG_ANSWER_TIMEOUT, PG_ANSWER_BROKEN};

/* The claim's charge timed out until its time was over: the claimant's own look-up is out. */
static struct pay asking(void)
{
    return pay_in(PHASE_ASKING);
}

static void check_not_decided(const struct pay *w)
{
    assert_false(w->out.submit);
    assert_int_equal(w->out.publish, OUTCOME_NONE);
    assert_int_equal(w->p.status, PAYMENT_PROCESSING);
}

static void an_approval_as_asked_completes_with_its_event(void **state)
{
    (void)state;
    struct pay w = pay_charging();
    pay_answer(&w, pay_approval());
    pay_unit_is(&w, PAYMENT_PROCESSING, PAYMENT_COMPLETED, OUTCOME_COMPLETED);
    assert_int_equal(pay_unit(&w)->guard_epoch, 1);
    assert_int_equal(pay_unit(&w)->row.pg_id, PG_ID);
    assert_int_equal(pay_unit(&w)->row.due_in_ms, DUE_NEVER);
    assert_int_equal(w.out.publish, OUTCOME_NONE); /* not before the commit */
    pay_applied(&w);
    pay_is_closed(&w);
    assert_int_equal(w.out.publish, OUTCOME_COMPLETED);
}

static void a_decline_from_the_closed_list_fails_with_its_event(void **state)
{
    (void)state;
    struct pay w = pay_charging();
    pay_answer(&w, pay_error(PG_CODE_DECLINED));
    pay_unit_is(&w, PAYMENT_PROCESSING, PAYMENT_FAILED, OUTCOME_FAILED);
    assert_int_equal(pay_unit(&w)->row.reason, REASON_DECLINED);
    assert_int_equal(pay_unit(&w)->row.code, CODE);
    pay_applied(&w);
    assert_int_equal(w.out.publish, OUTCOME_FAILED);
}

/* Trap 7: whoever loses the row publishes nothing, so a decline has one event. */
static void trap_07_a_decline_whose_row_was_taken_publishes_nothing(void **state)
{
    (void)state;
    struct pay w = pay_charging();
    struct payment_row row = pay_row(PAYMENT_FAILED, 4);
    pay_answer(&w, pay_error(PG_CODE_DECLINED));
    pay_refused(&w, &row);
    pay_is_closed(&w);
    assert_int_equal(w.out.publish, OUTCOME_NONE);
}

static void trap_01_timeout_looks_up_and_is_never_failed(void **state)
{
    (void)state;
    struct pay w = pay_charging();
    int64_t send_by_ms = payment_send_by_ms(&w.p, &w.config);
    for (int i = 0; w.ctx.now_ms < send_by_ms; i++) {
        pay_is(&w, PHASE_CHARGING);
        pay_answer(&w, pay_silence(silent[i % 2]));
        check_not_decided(&w);
        pay_timer(&w);
    }
    pay_is(&w, PHASE_ASKING);
    assert_int_equal(w.out.calls, CALL_LOOKUP);
    while (w.p.phase != PHASE_FREE) {
        pay_answer(&w, pay_silence(PG_ANSWER_TIMEOUT));
        check_not_decided(&w);
        if (w.p.phase == PHASE_ASK_WAIT) {
            pay_timer(&w);
        }
    }
    pay_is_closed(&w); /* PROCESSING and due: the rescue's */
}

static void what_has_no_verdict_is_sent_again_after_a_back_off(void **state)
{
    (void)state;
    struct pg_answer answers[] = {pay_silence(PG_ANSWER_TIMEOUT), pay_silence(PG_ANSWER_BROKEN),
                                  pay_silence(PG_ANSWER_NOT_SENT), pay_error(PG_CODE_RETRY)};
    for (size_t i = 0; i < 4; i++) {
        struct pay w = pay_charging();
        pay_answer(&w, answers[i]);
        pay_is(&w, PHASE_CHARGE_WAIT);
        check_not_decided(&w);
        assert_in_range(w.out.wake_ms - w.ctx.now_ms, SECOND_MS / 2, SECOND_MS);
        pay_timer(&w);
        assert_int_equal(w.out.calls, CALL_CHARGE);
        pay_answer(&w, answers[i]);
        assert_in_range(w.out.wake_ms - w.ctx.now_ms, SECOND_MS, 2 * SECOND_MS);
    }
}

/* Trap 17: the same URL at the PG, or the idempotency key no longer protects. */
static void trap_17_a_charge_is_sent_again_with_the_same_billing_key_and_id(void **state)
{
    (void)state;
    struct pay w = pay_charging();
    struct payment first = w.p;
    pay_answer(&w, pay_silence(PG_ANSWER_TIMEOUT));
    pay_timer(&w);
    pay_is(&w, PHASE_CHARGING);
    assert_int_equal(w.p.billing_key, first.billing_key);
    assert_int_equal(w.p.billing_key, BILLING);
    assert_int_equal(w.p.amount_krw, first.amount_krw);
    assert_int_equal(w.p.user_id, first.user_id);
    assert_true(uuid_equal(&w.p.payment_id, &first.payment_id));
}

static void any_other_answer_is_looked_up_and_not_charged_again(void **state)
{
    (void)state;
    struct pg_answer wrong_amount = pay_approval();
    struct pg_answer wrong_currency = pay_approval();
    struct pg_answer foreign = pay_approval();
    struct pg_answer nameless = pay_approval();
    wrong_amount.total_krw = FARE_KRW + 1;
    wrong_currency.currency_krw = 0;
    foreign.order_matches = 0;
    nameless.pg_id = TEXT_NONE;
    struct pg_answer others[] = {
        pay_error(PG_CODE_UNKNOWN),
        pay_error(PG_CODE_REQUEST),
        pay_error(PG_CODE_CREDENTIALS),
        pay_error(PG_CODE_NOT_FOUND),
        pay_error(PG_CODE_CANCELLED_ALREADY),
        pay_error(PG_CODE_CANCEL_REFUSED),
        pay_object(PG_IN_PROGRESS, 0),
        pay_object(PG_CANCELED, 0),
        pay_object(PG_ABORTED, 0),
        pay_object(PG_STATUS_OTHER, FARE_KRW),
        wrong_amount,
        wrong_currency,
        foreign,
        nameless,
    };
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        struct pay w = pay_charging();
        pay_answer(&w, others[i]);
        pay_is(&w, PHASE_ASKING);
        assert_int_equal(w.out.calls, CALL_LOOKUP);
        check_not_decided(&w);
    }
}

static void wrong_credentials_and_wrong_requests_alert(void **state)
{
    (void)state;
    struct pay w = pay_charging();
    pay_answer(&w, pay_error(PG_CODE_CREDENTIALS));
    assert_int_equal(w.out.alert, ALERT_CREDENTIALS);
    pay_answer(&w, pay_error(PG_CODE_REQUEST));
    assert_int_equal(w.out.alert, ALERT_REQUEST);
}

static void no_charge_leaves_after_its_time(void **state)
{
    (void)state;
    struct pay w = pay_charging();
    assert_int_equal(payment_send_by_ms(&w.p, &w.config), w.ctx.now_ms + 120 * SECOND_MS);
    pay_answer(&w, pay_silence(PG_ANSWER_TIMEOUT));
    struct pay late = w;
    pay_advance(&w, 120 * SECOND_MS - 1);
    pay_timer(&w);
    assert_int_equal(w.out.calls, CALL_CHARGE);
    pay_advance(&late, 120 * SECOND_MS);
    pay_timer(&late);
    assert_int_equal(late.out.calls, CALL_LOOKUP);
}

static void the_time_counts_from_the_claims_submission_not_from_its_commit(void **state)
{
    (void)state;
    struct pay w = pay_in(PHASE_OPENING);
    int64_t submitted_ms = w.ctx.now_ms;
    pay_advance(&w, 100 * SECOND_MS);
    pay_applied(&w);
    assert_int_equal(w.out.calls, CALL_CHARGE);
    assert_int_equal(payment_send_by_ms(&w.p, &w.config), submitted_ms + 120 * SECOND_MS);
}

/* Trap 24: the commit is seen an hour later; nothing is charged under the old claim. */
static void trap_24_a_worker_that_wakes_late_does_not_charge(void **state)
{
    (void)state;
    struct payment_row taken = pay_row(PAYMENT_PROCESSING, 3);
    struct pay w = pay_in(PHASE_OPENING);
    pay_advance(&w, HOUR_MS);
    pay_applied(&w);
    pay_is(&w, PHASE_CLAIMING); /* nothing left, so it claims again, guarded */
    assert_int_equal(w.out.calls, 0);
    pay_refused(&w, &taken);
    pay_is_closed(&w);

    w = pay_in(PHASE_CHARGE_WAIT);
    pay_advance(&w, HOUR_MS);
    pay_timer(&w);
    assert_int_equal(w.out.calls, CALL_LOOKUP);
}

static struct pay never_left(void)
{
    struct pay w = pay_charging();
    pay_answer(&w, pay_silence(PG_ANSWER_NOT_SENT));
    pay_advance(&w, 120 * SECOND_MS);
    return w;
}

static void a_charge_that_never_left_is_claimed_again_after_its_time(void **state)
{
    (void)state;
    struct pay w = never_left();
    pay_timer(&w);
    pay_is(&w, PHASE_CLAIMING);
    pay_unit_is(&w, PAYMENT_PROCESSING, PAYMENT_PROCESSING, OUTCOME_NONE);
    assert_int_equal(pay_unit(&w)->guard_epoch, 1);
    assert_int_equal(pay_unit(&w)->claimed_at, INSTANT_NOW);
    assert_int_equal(pay_unit(&w)->row.due_in_ms, 10 * MINUTE_MS);
    assert_true(w.out.admit);
    pay_applied(&w);
    pay_is(&w, PHASE_CHARGING);
    assert_false(w.out.acknowledge); /* once is enough */
    assert_int_equal(w.p.epoch, 2);
    assert_int_equal(payment_send_by_ms(&w.p, &w.config), w.ctx.now_ms + 120 * SECOND_MS);
}

static void a_second_claim_that_fails_is_left_to_the_rescue(void **state)
{
    (void)state;
    struct pay w = never_left();
    struct payment_row row = pay_row(PAYMENT_PROCESSING, 5);
    pay_timer(&w);
    struct pay bad = w;
    pay_refused(&w, &row);
    pay_is_closed(&w);
    assert_false(w.out.acknowledge);
    pay_unwritable(&bad);
    pay_is_closed(&bad);
    assert_int_equal(bad.out.dead_letter, DEAD_LETTER_NONE); /* the row is durable */
    assert_int_equal(bad.out.alert, ALERT_HOLDING);
}

static void a_claim_whose_charge_may_have_left_is_never_claimed_again(void **state)
{
    (void)state;
    struct pay w = pay_charging();
    pay_answer(&w, pay_silence(PG_ANSWER_TIMEOUT));
    pay_timer(&w);
    pay_answer(&w, pay_silence(PG_ANSWER_NOT_SENT)); /* the first one left all the same */
    pay_advance(&w, 120 * SECOND_MS);
    pay_timer(&w);
    pay_is(&w, PHASE_ASKING);
}

static void nothing_is_claimed_again_while_stopping(void **state)
{
    (void)state;
    struct pay w = never_left();
    w.ctx.stopping = true;
    pay_timer(&w);
    pay_is_closed(&w);
}

/* An outage of the PG is no proof of anything: the row stays this worker's, and is charged later.
 */
static void behind_an_open_breaker_the_row_is_kept_and_not_charged(void **state)
{
    (void)state;
    struct pay w = never_left();
    w.ctx.gate_open[GATE_PG] = false;
    w.ctx.gate_next_ms[GATE_PG] = w.ctx.now_ms + MINUTE_MS;
    pay_timer(&w);
    pay_is(&w, PHASE_CLAIMING);
    assert_false(w.out.admit);
    pay_applied(&w);
    pay_is(&w, PHASE_CHARGE_WAIT);
    assert_int_equal(w.out.calls, 0);
    assert_int_equal(w.out.wake_ms, w.ctx.gate_next_ms[GATE_PG]);
    w.ctx.gate_open[GATE_PG] = true;
    pay_timer(&w);
    pay_is(&w, PHASE_CHARGING);
}

static void a_charge_is_not_sent_again_behind_an_open_breaker(void **state)
{
    (void)state;
    struct pay w = pay_in(PHASE_CHARGE_WAIT);
    w.ctx.gate_open[GATE_PG] = false;
    w.ctx.gate_next_ms[GATE_PG] = w.ctx.now_ms + HOUR_MS;
    pay_timer(&w);
    pay_is(&w, PHASE_CHARGE_WAIT);
    assert_int_equal(w.out.calls, 0);
    assert_int_equal(w.out.wake_ms, payment_send_by_ms(&w.p, &w.config));
    pay_timer(&w);
    assert_int_equal(w.out.calls, CALL_LOOKUP);
}

static void the_claimants_look_up_that_shows_done_as_asked_is_an_approval(void **state)
{
    (void)state;
    struct pay w = asking();
    pay_answer(&w, pay_approval());
    pay_unit_is(&w, PAYMENT_PROCESSING, PAYMENT_COMPLETED, OUTCOME_COMPLETED);
    assert_int_equal(pay_unit(&w)->row.pg_id, PG_ID);
}

static void check_declined_by(struct pg_answer answer, enum payment_reason reason)
{
    struct pay w = asking();
    pay_answer(&w, answer);
    pay_unit_is(&w, PAYMENT_PROCESSING, PAYMENT_FAILED, OUTCOME_FAILED);
    assert_int_equal(pay_unit(&w)->row.reason, reason);
}

static void balance_zero_aborted_and_expired_are_declines(void **state)
{
    (void)state;
    check_declined_by(pay_object(PG_ABORTED, FARE_KRW), REASON_DECLINED);
    check_declined_by(pay_object(PG_EXPIRED, 0), REASON_DECLINED);
    check_declined_by(pay_object(PG_CANCELED, 0), REASON_CANCELLED);
    check_declined_by(pay_object(PG_PARTIAL_CANCELED, 0), REASON_CANCELLED);
    check_declined_by(pay_object(PG_DONE, 0), REASON_CANCELLED);
}

static void check_left_to_the_rescue(struct pg_answer answer)
{
    struct pay w = asking();
    pay_answer(&w, answer);
    pay_is_closed(&w);
    check_not_decided(&w);
}

static void absent_decides_nothing_for_the_claimant(void **state)
{
    (void)state;
    struct pg_answer wrong = pay_approval();
    wrong.total_krw = 1;
    check_left_to_the_rescue(pay_error(PG_CODE_NOT_FOUND));
    check_left_to_the_rescue(pay_object(PG_PARTIAL_CANCELED, 100));
    check_left_to_the_rescue(wrong);
}

static void the_claimant_asks_three_times_and_leaves_the_rest_to_the_rescue(void **state)
{
    (void)state;
    struct pg_answer unusable[] = {
        pay_silence(PG_ANSWER_TIMEOUT),  pay_silence(PG_ANSWER_BROKEN),
        pay_silence(PG_ANSWER_NOT_SENT), pay_error(PG_CODE_UNKNOWN),
        pay_error(PG_CODE_DECLINED),     pay_object(PG_READY, 0),
        pay_object(PG_IN_PROGRESS, 0),   pay_object(PG_WAITING_FOR_DEPOSIT, 0),
        pay_object(PG_STATUS_OTHER, 0)};
    for (size_t i = 0; i < sizeof(unusable) / sizeof(unusable[0]); i++) {
        struct pay w = asking();
        for (int try = 1; try < 3; try++) {
            pay_answer(&w, unusable[i]);
            pay_is(&w, PHASE_ASK_WAIT);
            pay_timer(&w);
            assert_int_equal(w.out.calls, CALL_LOOKUP);
        }
        pay_answer(&w, unusable[i]);
        pay_is_closed(&w);
        check_not_decided(&w);
    }
}

/* Trap 4: the guard is the status and epoch of this worker's own claim. */
static void trap_04_completing_and_failing_are_guarded_by_the_claims_epoch(void **state)
{
    (void)state;
    struct pay w = never_left();
    pay_timer(&w);
    pay_applied(&w);
    struct pay declined = w;
    pay_answer(&w, pay_approval());
    assert_int_equal(pay_unit(&w)->guard_status, PAYMENT_PROCESSING);
    assert_int_equal(pay_unit(&w)->guard_epoch, 2);
    pay_answer(&declined, pay_error(PG_CODE_DECLINED));
    assert_int_equal(pay_unit(&declined)->guard_status, PAYMENT_PROCESSING);
    assert_int_equal(pay_unit(&declined)->guard_epoch, 2);
}

static void a_decline_that_cannot_be_written_needs_an_operator(void **state)
{
    (void)state;
    struct pay w = pay_charging();
    pay_answer(&w, pay_error(PG_CODE_DECLINED));
    pay_unwritable(&w);
    pay_is(&w, PHASE_PARKING);
    pay_unit_is(&w, PAYMENT_PROCESSING, PAYMENT_UNKNOWN, OUTCOME_NONE);
    assert_int_equal(pay_unit(&w)->row.needs_operator, 1);
    assert_int_equal(pay_unit(&w)->row.reason, REASON_UNWRITABLE);
    assert_int_equal(pay_unit(&w)->row.code, TEXT_NONE);
    assert_int_equal(w.out.alert, ALERT_NEEDS_OPERATOR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_approval_as_asked_completes_with_its_event),
        cmocka_unit_test(a_decline_from_the_closed_list_fails_with_its_event),
        cmocka_unit_test(trap_07_a_decline_whose_row_was_taken_publishes_nothing),
        cmocka_unit_test(trap_01_timeout_looks_up_and_is_never_failed),
        cmocka_unit_test(what_has_no_verdict_is_sent_again_after_a_back_off),
        cmocka_unit_test(trap_17_a_charge_is_sent_again_with_the_same_billing_key_and_id),
        cmocka_unit_test(any_other_answer_is_looked_up_and_not_charged_again),
        cmocka_unit_test(wrong_credentials_and_wrong_requests_alert),
        cmocka_unit_test(no_charge_leaves_after_its_time),
        cmocka_unit_test(the_time_counts_from_the_claims_submission_not_from_its_commit),
        cmocka_unit_test(trap_24_a_worker_that_wakes_late_does_not_charge),
        cmocka_unit_test(a_charge_that_never_left_is_claimed_again_after_its_time),
        cmocka_unit_test(a_second_claim_that_fails_is_left_to_the_rescue),
        cmocka_unit_test(a_claim_whose_charge_may_have_left_is_never_claimed_again),
        cmocka_unit_test(nothing_is_claimed_again_while_stopping),
        cmocka_unit_test(behind_an_open_breaker_the_row_is_kept_and_not_charged),
        cmocka_unit_test(a_charge_is_not_sent_again_behind_an_open_breaker),
        cmocka_unit_test(the_claimants_look_up_that_shows_done_as_asked_is_an_approval),
        cmocka_unit_test(balance_zero_aborted_and_expired_are_declines),
        cmocka_unit_test(absent_decides_nothing_for_the_claimant),
        cmocka_unit_test(the_claimant_asks_three_times_and_leaves_the_rest_to_the_rescue),
        cmocka_unit_test(trap_04_completing_and_failing_are_guarded_by_the_claims_epoch),
        cmocka_unit_test(a_decline_that_cannot_be_written_needs_an_operator),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
