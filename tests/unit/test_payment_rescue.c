/* LIFE, "Rescue" and the operator's wishes: takeover, inspection, absence, re-checks. */
#include "payment_kit.h"

#include <string.h>

/* What the rescue makes of a row and an answer, ready for its next unit or call. */
static struct pay inspected_as(enum payment_status status, struct pg_answer answer)
{
    struct payment_row row = pay_row(status, 3);
    return pay_inspected(&row, answer);
}

static struct pg_answer wrong_amount(void)
{
    struct pg_answer answer = pay_approval();
    answer.total_krw = FARE_KRW + 100;
    answer.balance_krw = FARE_KRW + 100;
    return answer;
}

static void check_parked(const struct pay *w, enum payment_status from, enum payment_status to)
{
    pay_is(w, PHASE_PARKING);
    pay_unit_is(w, from, to, OUTCOME_NONE);
    assert_int_equal(w->out.publish, OUTCOME_NONE);
}

static void a_row_is_taken_over_before_anything_is_asked(void **state)
{
    (void)state;
    static const enum payment_status due[] = {PAYMENT_REQUESTED, PAYMENT_PROCESSING,
                                              PAYMENT_COMPLETED, PAYMENT_FAILED, PAYMENT_UNKNOWN};
    for (size_t i = 0; i < 5; i++) {
        struct pay w = pay_begin();
        struct payment_row row = pay_row(due[i], 3);
        pay_due(&w, &row);
        pay_is(&w, PHASE_TAKING);
        pay_unit_is(&w, due[i], due[i], OUTCOME_NONE);
        assert_int_equal(pay_unit(&w)->guard_epoch, 3);
        assert_int_equal(pay_unit(&w)->row.due_in_ms, 3 * MINUTE_MS);
        assert_int_equal(pay_unit(&w)->claimed_at, INSTANT_KEEP);
        assert_int_equal(w.out.calls, 0);
        pay_applied(&w);
        assert_int_equal(w.out.calls, CALL_LOOKUP);
        assert_int_equal(w.p.epoch, 4);
    }
}

/* Trap 15: two rescuers; the guard lets one of them through. */
static void trap_15_a_second_rescuer_is_refused_and_asks_nothing(void **state)
{
    (void)state;
    struct pay w = pay_in(PHASE_TAKING);
    struct payment_row row = pay_row(PAYMENT_PROCESSING, 4);
    pay_refused(&w, &row);
    pay_is_closed(&w);
}

static void check_refund(struct pg_answer answer, enum payment_reason reason, uint8_t alert)
{
    static const enum payment_status open[] = {PAYMENT_REQUESTED, PAYMENT_PROCESSING,
                                               PAYMENT_UNKNOWN};
    for (size_t i = 0; i < 3; i++) {
        struct pay w = inspected_as(open[i], answer);
        pay_is(&w, PHASE_INTENDING);
        pay_unit_is(&w, open[i], open[i], OUTCOME_NONE);
        assert_int_equal(pay_unit(&w)->row.refund_state, REFUND_INTENDED);
        assert_int_equal(pay_unit(&w)->row.refund_pg_id, PG_ID);
        assert_int_equal(w.out.alert, alert);
        pay_applied(&w);
        assert_int_equal(w.out.calls, CALL_CANCEL);
        pay_answer(&w, pay_object(PG_CANCELED, 0));
        pay_unit_is(&w, open[i], PAYMENT_FAILED, OUTCOME_FAILED);
        assert_int_equal(pay_unit(&w)->row.reason, reason);
    }
}

static void policy_refund_refunds_what_the_pg_holds(void **state)
{
    (void)state;
    check_refund(pay_approval(), REASON_REFUNDED, ALERT_NONE);
    check_refund(pay_object(PG_PARTIAL_CANCELED, 100), REASON_REFUNDED, ALERT_NONE);
}

static void another_amount_or_currency_is_refunded_with_an_alert(void **state)
{
    (void)state;
    struct pg_answer dollars = pay_approval();
    dollars.currency_krw = 0;
    check_refund(wrong_amount(), REASON_WRONG_AMOUNT, ALERT_WRONG_AMOUNT);
    check_refund(dollars, REASON_WRONG_AMOUNT, ALERT_WRONG_AMOUNT);
}

static struct pay adopting(struct payment_row row, struct pg_answer answer)
{
    struct pay w = pay_begin();
    w.config.adopt = 1;
    pay_due(&w, &row);
    pay_applied(&w);
    pay_answer(&w, answer);
    return w;
}

static void policy_adopt_completes_a_full_approval_as_asked(void **state)
{
    (void)state;
    struct pay w = adopting(pay_row(PAYMENT_PROCESSING, 3), pay_approval());
    pay_is(&w, PHASE_FINISHING);
    pay_unit_is(&w, PAYMENT_PROCESSING, PAYMENT_COMPLETED, OUTCOME_COMPLETED);
    assert_int_equal(pay_unit(&w)->guard_epoch, 4);
    assert_int_equal(pay_unit(&w)->row.pg_id, PG_ID);
    pay_applied(&w);
    assert_int_equal(w.out.publish, OUTCOME_COMPLETED);
}

/* Trap 20: never while an earlier cancel may be on its way, and never a part. */
static void trap_20_nothing_is_adopted_with_an_intent_or_less_than_the_full_balance(void **state)
{
    (void)state;
    struct pay w = adopting(pay_intent_row(PAYMENT_PROCESSING, 1), pay_approval());
    pay_is(&w, PHASE_CANCELLING);
    w = adopting(pay_row(PAYMENT_PROCESSING, 3), pay_object(PG_PARTIAL_CANCELED, 100));
    pay_is(&w, PHASE_INTENDING);
    w = adopting(pay_row(PAYMENT_PROCESSING, 3), pay_object(PG_DONE, FARE_KRW - 1));
    pay_is(&w, PHASE_INTENDING);
    w = adopting(pay_row(PAYMENT_PROCESSING, 3), wrong_amount());
    pay_is(&w, PHASE_INTENDING);
    w = adopting(pay_row(PAYMENT_FAILED, 3), pay_approval());
    pay_is(&w, PHASE_INTENDING);
    w = pay_asked_by(ORIGIN_OPERATOR_ADOPT, pay_intent_row(PAYMENT_UNKNOWN, 1));
    pay_answer(&w, pay_approval());
    check_parked(&w, PAYMENT_UNKNOWN, PAYMENT_UNKNOWN);
    assert_int_equal(w.out.reply, REPLY_CONFLICT);
}

static void balance_zero_aborted_and_expired_fail_with_the_event(void **state)
{
    (void)state;
    struct pg_answer answers[] = {pay_object(PG_CANCELED, 0), pay_object(PG_DONE, 0),
                                  pay_object(PG_PARTIAL_CANCELED, 0), pay_object(PG_ABORTED, 0),
                                  pay_object(PG_EXPIRED, FARE_KRW)};
    for (size_t i = 0; i < 5; i++) {
        struct pay w = inspected_as(PAYMENT_PROCESSING, answers[i]);
        pay_is(&w, PHASE_FINISHING);
        pay_unit_is(&w, PAYMENT_PROCESSING, PAYMENT_FAILED, OUTCOME_FAILED);
        assert_int_equal(pay_unit(&w)->row.reason, i < 3 ? REASON_CANCELLED : REASON_DECLINED);
        pay_applied(&w);
        assert_int_equal(w.out.publish, OUTCOME_FAILED);
    }
}

static void what_is_still_in_progress_is_asked_again_later(void **state)
{
    (void)state;
    static const enum pg_status pending[] = {PG_READY, PG_IN_PROGRESS, PG_WAITING_FOR_DEPOSIT};
    for (size_t i = 0; i < 3; i++) {
        struct pay w = inspected_as(PAYMENT_PROCESSING, pay_object(pending[i], 0));
        check_parked(&w, PAYMENT_PROCESSING, PAYMENT_PROCESSING);
        assert_in_range(pay_unit(&w)->row.due_in_ms, 1, 5 * MINUTE_MS);
        assert_int_equal(pay_unit(&w)->row.absent_count, 0);
    }
}

static void no_answer_backs_off_and_becomes_unknown_after_a_bound(void **state)
{
    (void)state;
    struct pg_answer useless[] = {pay_silence(PG_ANSWER_TIMEOUT),  pay_silence(PG_ANSWER_BROKEN),
                                  pay_silence(PG_ANSWER_NOT_SENT), pay_error(PG_CODE_UNKNOWN),
                                  pay_error(PG_CODE_DECLINED),     pay_error(PG_CODE_RETRY)};
    for (size_t i = 0; i < 6; i++) {
        struct payment_row row = pay_row(PAYMENT_PROCESSING, 3);
        row.attempts = 8;
        struct pay w = pay_inspected(&row, useless[i]);
        check_parked(&w, PAYMENT_PROCESSING, PAYMENT_PROCESSING);
        assert_int_equal(pay_unit(&w)->row.attempts, 9);
        assert_int_equal(w.out.alert, ALERT_NONE);
        row.attempts = 9;
        w = pay_inspected(&row, useless[i]);
        check_parked(&w, PAYMENT_PROCESSING, PAYMENT_UNKNOWN);
        assert_int_equal(pay_unit(&w)->row.reason, REASON_NO_ANSWER);
        assert_int_equal(w.out.alert, ALERT_UNKNOWN);
        assert_in_range(pay_unit(&w)->row.due_in_ms, MINUTE_MS, 5 * MINUTE_MS); /* keeps asking */
    }
}

static void the_back_off_grows_with_the_attempts_and_is_bounded(void **state)
{
    (void)state;
    int64_t longest_ms = 2 * SECOND_MS;
    for (uint16_t attempts = 0; attempts < 20; attempts++) {
        struct payment_row row = pay_row(PAYMENT_UNKNOWN, 3);
        row.attempts = attempts;
        struct pay w = pay_inspected(&row, pay_silence(PG_ANSWER_TIMEOUT));
        assert_in_range(pay_unit(&w)->row.due_in_ms, longest_ms / 2, longest_ms);
        longest_ms = 2 * longest_ms < 5 * MINUTE_MS ? 2 * longest_ms : 5 * MINUTE_MS;
    }
}

static struct pay absent(struct payment_row row)
{
    return pay_inspected(&row, pay_error(PG_CODE_NOT_FOUND));
}

static void absent_before_its_time_does_not_count(void **state)
{
    (void)state;
    struct payment_row row = pay_row(PAYMENT_PROCESSING, 3);
    row.absent_count = 1;
    row.claimed_age_ms = ABSENCE_MS - 1;
    struct pay w = absent(row);
    check_parked(&w, PAYMENT_PROCESSING, PAYMENT_PROCESSING);
    assert_int_equal(pay_unit(&w)->row.absent_count, 1);
    assert_int_equal(pay_unit(&w)->row.due_in_ms, 1); /* the rest of the wait */
    row.claimed_age_ms = ABSENCE_MS;
    w = absent(row);
    pay_unit_is(&w, PAYMENT_PROCESSING, PAYMENT_FAILED, OUTCOME_FAILED);
}

/* Trap 24 again: the answer is read an hour after the question, and was true only then. */
static void an_absence_that_was_asked_too_early_does_not_count_however_late_it_is_read(void **state)
{
    (void)state;
    struct payment_row row = pay_row(PAYMENT_PROCESSING, 3);
    row.absent_count = 1;
    row.claimed_age_ms = 10 * MINUTE_MS;
    struct pay w = pay_inspecting(&row);
    pay_advance(&w, HOUR_MS);
    pay_answer(&w, pay_error(PG_CODE_NOT_FOUND));
    check_parked(&w, PAYMENT_PROCESSING, PAYMENT_PROCESSING);
    assert_int_equal(pay_unit(&w)->row.absent_count, 1);
}

static void absent_twice_past_every_wait_is_failed_and_looked_at_again(void **state)
{
    (void)state;
    struct payment_row row = pay_row(PAYMENT_PROCESSING, 3);
    struct pay w = absent(row);
    check_parked(&w, PAYMENT_PROCESSING, PAYMENT_PROCESSING);
    assert_int_equal(pay_unit(&w)->row.absent_count, 1);
    assert_int_equal(pay_unit(&w)->row.due_in_ms, MINUTE_MS);
    row = pay_unit(&w)->row;
    row.pg_account = OUR_ACCOUNT;
    row.claimed_age_ms = HOUR_MS;
    w = absent(row);
    pay_is(&w, PHASE_FINISHING);
    pay_unit_is(&w, PAYMENT_PROCESSING, PAYMENT_FAILED, OUTCOME_FAILED);
    assert_int_equal(pay_unit(&w)->row.reason, REASON_NEVER_CHARGED);
    assert_int_equal(pay_unit(&w)->row.due_in_ms, HOUR_MS);
    assert_int_equal(pay_unit(&w)->row.recheck_no, 0);
}

/* Trap 2: an id is proof that there is something to find. */
static void trap_02_a_row_with_a_pg_id_is_never_failed_by_absence(void **state)
{
    (void)state;
    struct payment_row row = pay_row(PAYMENT_PROCESSING, 3);
    row.absent_count = 1;
    row.pg_id = PG_ID;
    struct pay w = absent(row);
    check_parked(&w, PAYMENT_PROCESSING, PAYMENT_PROCESSING);
    row.attempts = 9;
    w = absent(row);
    check_parked(&w, PAYMENT_PROCESSING, PAYMENT_UNKNOWN);
    w = absent(pay_intent_row(PAYMENT_PROCESSING, 1));
    check_parked(&w, PAYMENT_PROCESSING, PAYMENT_PROCESSING);
    assert_int_equal(pay_unit(&w)->row.refund_state, REFUND_INTENDED);
}

/* Trap 21: another account, a wrong key, a wrong URL: none of them proves absence. */
static void trap_21_only_our_account_and_not_found_payment_prove_absence(void **state)
{
    (void)state;
    struct payment_row row = pay_row(PAYMENT_PROCESSING, 3);
    row.absent_count = 1;
    row.pg_account = OTHER_ACCOUNT;
    struct pay w = absent(row);
    check_parked(&w, PAYMENT_PROCESSING, PAYMENT_UNKNOWN);
    assert_int_equal(pay_unit(&w)->row.reason, REASON_OTHER_ACCOUNT);
    assert_int_equal(pay_unit(&w)->row.needs_operator, 1);
    assert_int_equal(w.out.alert, ALERT_NEEDS_OPERATOR);

    row.pg_account = OUR_ACCOUNT;
    w = pay_inspected(&row, pay_error(PG_CODE_REQUEST)); /* NOT_FOUND, but of the path */
    check_parked(&w, PAYMENT_PROCESSING, PAYMENT_PROCESSING);
    assert_int_equal(pay_unit(&w)->row.absent_count, 1);
    assert_int_equal(w.out.alert, ALERT_REQUEST);
    w = pay_inspected(&row, pay_error(PG_CODE_CREDENTIALS));
    check_parked(&w, PAYMENT_PROCESSING, PAYMENT_PROCESSING);
    assert_int_equal(w.out.alert, ALERT_CREDENTIALS);
    w = pay_inspected(&row, pay_silence(PG_ANSWER_BROKEN)); /* 404 with somebody's page */
    check_parked(&w, PAYMENT_PROCESSING, PAYMENT_PROCESSING);
}

static void an_old_services_row_is_never_failed_by_absence(void **state)
{
    (void)state;
    static const enum payment_status old[] = {PAYMENT_REQUESTED, PAYMENT_PROCESSING};
    for (size_t i = 0; i < 2; i++) {
        struct payment_row row = pay_row(old[i], 0);
        row.pg_account = 0;
        row.claimed_age_ms = AGE_NONE;
        row.absent_count = 1;
        struct pay w = absent(row);
        check_parked(&w, old[i], PAYMENT_UNKNOWN);
        assert_int_equal(pay_unit(&w)->row.reason, REASON_LEGACY_ABSENT);
        assert_int_equal(pay_unit(&w)->row.needs_operator, 1);
        assert_int_equal(pay_unit(&w)->row.due_in_ms, DUE_NEVER);
    }
}

static struct payment_row never_charged(uint8_t recheck_no)
{
    struct payment_row row = pay_row(PAYMENT_FAILED, 7);
    row.reason = REASON_NEVER_CHARGED;
    row.absent_count = 2;
    row.recheck_no = recheck_no;
    return row;
}

static void a_row_failed_by_absence_is_looked_at_after_1_h_24_h_and_15_d(void **state)
{
    (void)state;
    static const int64_t next_ms[] = {23 * HOUR_MS, 14 * DAY_MS, DUE_NEVER};
    for (uint8_t no = 0; no < 3; no++) {
        struct pay w = absent(never_charged(no));
        check_parked(&w, PAYMENT_FAILED, PAYMENT_FAILED);
        assert_int_equal(pay_unit(&w)->row.recheck_no, no + 1);
        assert_int_equal(pay_unit(&w)->row.due_in_ms, next_ms[no]);
        assert_int_equal(pay_unit(&w)->row.reason, REASON_NEVER_CHARGED);
    }
}

static void a_recheck_without_answer_does_not_use_one_up(void **state)
{
    (void)state;
    struct payment_row row = never_charged(1);
    struct pay w = pay_inspected(&row, pay_silence(PG_ANSWER_TIMEOUT));
    check_parked(&w, PAYMENT_FAILED, PAYMENT_FAILED);
    assert_int_equal(pay_unit(&w)->row.recheck_no, 1);
    assert_in_range(pay_unit(&w)->row.due_in_ms, SECOND_MS, 2 * SECOND_MS);
}

static void a_late_charge_is_refunded_and_the_row_stays_failed_without_second_event(void **state)
{
    (void)state;
    for (int adopt = 0; adopt < 2; adopt++) {
        struct pay w = pay_begin();
        struct payment_row row = never_charged(1);
        w.config.adopt = adopt == 1;
        pay_due(&w, &row);
        pay_applied(&w);
        pay_answer(&w, pay_approval());
        assert_int_equal(w.out.alert, ALERT_LATE_CHARGE);
        pay_unit_is(&w, PAYMENT_FAILED, PAYMENT_FAILED, OUTCOME_NONE);
        assert_int_equal(pay_unit(&w)->row.refund_state, REFUND_INTENDED);
        pay_applied(&w);
        pay_answer(&w, pay_object(PG_CANCELED, 0));
        pay_unit_is(&w, PAYMENT_FAILED, PAYMENT_FAILED, OUTCOME_NONE);
        pay_applied(&w);
        assert_int_equal(w.out.publish, OUTCOME_NONE);
    }
}

static void the_trips_own_completed_payment_is_kept(void **state)
{
    (void)state;
    struct payment_row row = pay_row(PAYMENT_COMPLETED, 3);
    row.pg_id = PG_ID;
    struct pay w = pay_inspected(&row, pay_approval());
    check_parked(&w, PAYMENT_COMPLETED, PAYMENT_COMPLETED);
    assert_int_equal(pay_unit(&w)->row.refund_state, REFUND_NONE);
    assert_int_equal(pay_unit(&w)->row.due_in_ms, DUE_NEVER);
}

static void a_durable_intent_is_gone_on_with_under_its_number(void **state)
{
    (void)state;
    struct payment_row row = pay_intent_row(PAYMENT_PROCESSING, 3);
    struct pay w = pay_inspected(&row, pay_approval());
    pay_is(&w, PHASE_CANCELLING);
    assert_int_equal(w.out.calls, CALL_CANCEL);
    assert_int_equal(w.p.cancel_no, 3);
    assert_int_equal(w.p.refund_pg_id, PG_ID);
}

static void an_unknown_refund_ends_refunded_and_not_for_what_it_was_unknown(void **state)
{
    (void)state;
    static const enum payment_reason why[] = {REASON_NO_ANSWER, REASON_CANCEL_REFUSED,
                                              REASON_PG_ID_MISMATCH};
    for (size_t i = 0; i < 3; i++) {
        struct payment_row row = pay_intent_row(PAYMENT_UNKNOWN, 1);
        row.reason = (uint8_t)why[i];
        row.needs_operator = 1;
        struct pay w = pay_inspected(&row, pay_object(PG_CANCELED, 0));
        pay_unit_is(&w, PAYMENT_UNKNOWN, PAYMENT_FAILED, OUTCOME_FAILED);
        assert_int_equal(pay_unit(&w)->row.reason, REASON_REFUNDED);
        assert_int_equal(pay_unit(&w)->row.needs_operator, 0);
    }
}

static void another_payment_than_the_rows_is_a_persons_work(void **state)
{
    (void)state;
    static const int64_t balances_krw[] = {FARE_KRW, 0};
    for (size_t i = 0; i < 2; i++) {
        struct pg_answer other = pay_object(PG_DONE, balances_krw[i]);
        other.pg_id = OTHER_PG_ID;
        struct payment_row row = pay_intent_row(PAYMENT_PROCESSING, 1);
        struct pay w = pay_inspected(&row, other);
        check_parked(&w, PAYMENT_PROCESSING, PAYMENT_UNKNOWN);
        assert_int_equal(pay_unit(&w)->row.reason, REASON_PG_ID_MISMATCH);
        assert_int_equal(pay_unit(&w)->row.needs_operator, 1);
        assert_int_equal(pay_unit(&w)->row.refund_state, REFUND_INTENDED);
    }
}

static void the_waits_must_fit_one_another(void **state)
{
    (void)state;
    struct payment_config good = payment_config_default();
    assert_true(payment_config_ok(&good, MINUTE_MS));
    assert_false(payment_config_ok(&good, 3 * MINUTE_MS)); /* a takeover outlives a call */
    struct payment_config bad = good;
    bad.claim_due_ms = bad.send_limit_ms + MINUTE_MS;
    assert_false(payment_config_ok(&bad, MINUTE_MS));
    bad = good;
    bad.recheck_ms[1] = bad.recheck_ms[0];
    assert_false(payment_config_ok(&bad, MINUTE_MS));
    bad = good;
    bad.absent_needed = 0;
    assert_false(payment_config_ok(&bad, MINUTE_MS));
    bad = good;
    bad.pg_backoff_max_ms = bad.pg_backoff_ms - 1;
    assert_false(payment_config_ok(&bad, MINUTE_MS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_is_taken_over_before_anything_is_asked),
        cmocka_unit_test(trap_15_a_second_rescuer_is_refused_and_asks_nothing),
        cmocka_unit_test(policy_refund_refunds_what_the_pg_holds),
        cmocka_unit_test(another_amount_or_currency_is_refunded_with_an_alert),
        cmocka_unit_test(policy_adopt_completes_a_full_approval_as_asked),
        cmocka_unit_test(trap_20_nothing_is_adopted_with_an_intent_or_less_than_the_full_balance),
        cmocka_unit_test(balance_zero_aborted_and_expired_fail_with_the_event),
        cmocka_unit_test(what_is_still_in_progress_is_asked_again_later),
        cmocka_unit_test(no_answer_backs_off_and_becomes_unknown_after_a_bound),
        cmocka_unit_test(the_back_off_grows_with_the_attempts_and_is_bounded),
        cmocka_unit_test(absent_before_its_time_does_not_count),
        cmocka_unit_test(
            an_absence_that_was_asked_too_early_does_not_count_however_late_it_is_read),
        cmocka_unit_test(absent_twice_past_every_wait_is_failed_and_looked_at_again),
        cmocka_unit_test(trap_02_a_row_with_a_pg_id_is_never_failed_by_absence),
        cmocka_unit_test(trap_21_only_our_account_and_not_found_payment_prove_absence),
        cmocka_unit_test(an_old_services_row_is_never_failed_by_absence),
        cmocka_unit_test(a_row_failed_by_absence_is_looked_at_after_1_h_24_h_and_15_d),
        cmocka_unit_test(a_recheck_without_answer_does_not_use_one_up),
        cmocka_unit_test(a_late_charge_is_refunded_and_the_row_stays_failed_without_second_event),
        cmocka_unit_test(the_trips_own_completed_payment_is_kept),
        cmocka_unit_test(a_durable_intent_is_gone_on_with_under_its_number),
        cmocka_unit_test(an_unknown_refund_ends_refunded_and_not_for_what_it_was_unknown),
        cmocka_unit_test(another_payment_than_the_rows_is_a_persons_work),
        cmocka_unit_test(the_waits_must_fit_one_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
