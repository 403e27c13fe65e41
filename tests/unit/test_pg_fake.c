/* Each fault of the fake PG: what it answers, what it does, what it replays. */
#include "pg_fake_test_world.h"

static struct pg_fake_reply charge_with(struct world *w, enum pg_fault fault, int64_t value)
{
    next_fault(w, fault, value);
    struct pg_fake_reply reply = call(w, test_charge(w->texts, 1, 15200), 1000);
    assert_int_equal(reply.fault, fault);
    assert_int_equal(pg_fake_fault_count(w->fake, fault), 1);
    return reply;
}

static struct pg_fake_reply cancel_with(struct world *w, enum pg_fault fault, int64_t value)
{
    (void)call(w, test_charge(w->texts, 1, 15200), 1000);
    next_fault(w, fault, value);
    struct pg_fake_reply reply = call(w, test_cancel(w->texts, 1, 1), 2000);
    assert_int_equal(reply.fault, fault);
    return reply;
}

static struct pg_fake_reply lookup_with(struct world *w, enum pg_fault fault)
{
    (void)call(w, test_charge(w->texts, 1, 15200), 1000);
    next_fault(w, fault, 0);
    struct pg_fake_reply reply = call(w, test_lookup(1), 2000);
    assert_int_equal(reply.fault, fault);
    return reply;
}

static void without_faults_every_call_works_after_the_latency(void **state)
{
    struct world *w = *state;
    struct pg_fake_reply reply = call(w, test_charge(w->texts, 1, 15200), 1000);
    assert_payment(reply.answer, PG_DONE, 15200, 15200);
    assert_int_equal(reply.delay_ms, 30);
    assert_int_equal(reply.fault, PG_FAULT_NONE);
    assert_int_equal(w->script.asked, 0);
}

static void refused_connection_charges_nothing(void **state)
{
    struct pg_fake_reply reply = charge_with(*state, PG_FAULT_NOT_SENT, 0);
    assert_int_equal(reply.answer.kind, PG_ANSWER_NOT_SENT);
    assert_int_equal(reply.delay_ms, 30);
    assert_int_equal(totals(*state, 1).charges_seen, 0);
}

static void no_answer_before_the_charge_charges_nothing(void **state) /* trap 1 */
{
    struct pg_fake_reply reply = charge_with(*state, PG_FAULT_LOST_BEFORE, 0);
    assert_int_equal(reply.answer.kind, PG_ANSWER_TIMEOUT);
    assert_int_equal(reply.delay_ms, 60000);
    assert_int_equal(totals(*state, 1).captured_krw, 0);
}

static void no_answer_after_the_charge_has_charged(void **state) /* trap 1 */
{
    struct pg_fake_reply reply = charge_with(*state, PG_FAULT_LOST_AFTER, 0);
    assert_int_equal(reply.answer.kind, PG_ANSWER_TIMEOUT);
    assert_int_equal(reply.answer.pg_id, TEXT_NONE);
    assert_int_equal(reply.delay_ms, 60000);
    assert_int_equal(totals(*state, 1).captured_krw, 15200);
    struct world *w = *state;
    assert_payment(call(w, test_charge(w->texts, 1, 15200), 70000).answer, PG_DONE, 15200, 15200);
    assert_int_equal(totals(w, 1).approvals, 1);
}

static void late_charge_comes_when_it_is_due(void **state) /* trap 24 */
{
    struct world *w = *state;
    struct pg_fake_reply reply = charge_with(w, PG_FAULT_LATE, 600000);
    assert_int_equal(reply.answer.kind, PG_ANSWER_TIMEOUT);
    assert_int_equal(pg_fake_next_due(w->fake), 601000);
    pg_fake_advance(w->fake, 600999);
    assert_int_equal(totals(w, 1).captured_krw, 0);
    pg_fake_advance(w->fake, 601000);
    assert_int_equal(totals(w, 1).captured_krw, 15200);
}

static void late_cancel_comes_when_it_is_due(void **state) /* trap 20 */
{
    struct world *w = *state;
    struct pg_fake_reply reply = cancel_with(w, PG_FAULT_LATE, 600000);
    assert_int_equal(reply.answer.kind, PG_ANSWER_TIMEOUT);
    assert_int_equal(totals(w, 1).refunded_krw, 0);
    pg_fake_advance(w->fake, 602000);
    assert_int_equal(totals(w, 1).refunded_krw, 15200);
}

static void in_progress_is_answered_and_approved_later(void **state)
{
    struct world *w = *state;
    struct pg_fake_reply reply = charge_with(w, PG_FAULT_IN_PROGRESS, 5000);
    assert_payment(reply.answer, PG_IN_PROGRESS, 15200, 15200);
    assert_payment(call(w, test_lookup(1), 6000).answer, PG_DONE, 15200, 15200);
}

static void aborted_is_in_progress_first_and_never_charges(void **state)
{
    struct world *w = *state;
    struct pg_fake_reply reply = charge_with(w, PG_FAULT_ABORTED, 5000);
    assert_payment(reply.answer, PG_IN_PROGRESS, 15200, 15200);
    assert_payment(call(w, test_lookup(1), 6000).answer, PG_ABORTED, 15200, 15200);
    assert_int_equal(totals(w, 1).captured_krw, 0);
}

static void decline_is_of_the_closed_list_or_as_scripted(void **state)
{
    struct world *w = *state;
    struct pg_fake_reply reply = charge_with(w, PG_FAULT_DECLINE, 0);
    assert_int_equal(reply.answer.code_class, PG_CODE_DECLINED);
    struct pg_fake_rule rule = {
        .fault = PG_FAULT_DECLINE, .amount_krw = 4444, .code = PG_FAKE_INVALID_CARD_EXPIRATION};
    pg_fake_rules_clear(w->fake);
    assert_true(pg_fake_rule_add(w->fake, &rule));
    assert_code(w->texts, call(w, test_charge(w->texts, 2, 4444), 2000).answer,
                "INVALID_CARD_EXPIRATION");
    assert_payment(call(w, test_charge(w->texts, 3, 4445), 2000).answer, PG_DONE, 4445, 4445);
}

static void error_before_and_after_are_unknown_and_replayed(void **state)
{
    struct world *w = *state;
    struct pg_fake_reply reply = charge_with(w, PG_FAULT_ERROR_BEFORE, 0);
    assert_int_equal(reply.answer.code_class, PG_CODE_UNKNOWN);
    assert_int_equal(totals(w, 1).captured_krw, 0);
    next_fault(w, PG_FAULT_ERROR_AFTER, 0);
    struct pg_answer first = call(w, test_charge(w->texts, 2, 900), 2000).answer;
    assert_int_equal(first.code_class, PG_CODE_UNKNOWN);
    assert_int_equal(totals(w, 2).captured_krw, 900);
    struct pg_answer again = call(w, test_charge(w->texts, 2, 900), 3000).answer;
    assert_memory_equal(&again, &first, sizeof first);
}

static void wrong_amount_and_currency_are_charged(void **state)
{
    struct world *w = *state;
    assert_payment(charge_with(w, PG_FAULT_WRONG_AMOUNT, 15000).answer, PG_DONE, 15000, 15000);
    next_fault(w, PG_FAULT_WRONG_CURRENCY, 0);
    assert_int_equal(call(w, test_charge(w->texts, 2, 900), 1).answer.currency_krw, 0);
    next_fault(w, PG_FAULT_WRONG_AMOUNT, 0);
    assert_int_not_equal(call(w, test_charge(w->texts, 3, 900), 1).answer.total_krw, 900);
}

static void payment_key_may_be_missing(void **state) /* trap 2 */
{
    struct world *w = *state;
    assert_int_equal(charge_with(w, PG_FAULT_NO_PG_ID, 0).answer.pg_id, TEXT_NONE);
    next_fault(w, PG_FAULT_NO_PG_ID, 0);
    assert_int_equal(call(w, test_lookup(1), 2000).answer.pg_id, TEXT_NONE);
    assert_int_not_equal(call(w, test_lookup(1), 2000).answer.pg_id, TEXT_NONE);
}

static void operator_outside_cancels_a_part_later(void **state) /* trap 18 */
{
    struct world *w = *state;
    assert_payment(charge_with(w, PG_FAULT_OUTSIDE_CANCEL, 200).answer, PG_DONE, 15200, 15200);
    pg_fake_advance(w->fake, pg_fake_next_due(w->fake));
    assert_payment(call(w, test_lookup(1), INT64_C(1) << 40).answer, PG_PARTIAL_CANCELED, 15200,
                   15000);
    assert_int_equal(totals(w, 1).refunded_outside_krw, 200);
}

static void stale_look_up_is_possible_only_shortly_after_a_change(void **state)
{
    struct world *w = *state;
    assert_code(w->texts, lookup_with(w, PG_FAULT_STALE).answer, "NOT_FOUND_PAYMENT");
    next_fault(w, PG_FAULT_STALE, 0);
    struct pg_fake_reply reply = call(w, test_lookup(1), 1000 + 5001);
    assert_int_equal(reply.fault, PG_FAULT_NONE);
    assert_payment(reply.answer, PG_DONE, 15200, 15200);
}

static void broken_and_foreign_answers_hide_what_was_done(void **state)
{
    struct world *w = *state;
    struct pg_fake_reply reply = charge_with(w, PG_FAULT_BROKEN, 0);
    assert_int_equal(reply.answer.kind, PG_ANSWER_BROKEN);
    assert_int_equal(reply.answer.pg_id, TEXT_NONE);
    assert_int_equal(totals(w, 1).captured_krw, 15200);
    next_fault(w, PG_FAULT_FOREIGN, 0);
    reply = call(w, test_charge(w->texts, 2, 900), 2000);
    assert_int_equal(reply.answer.order_matches, 0);
    struct pg_ledger_request cancel = test_cancel(w->texts, 2, 1);
    cancel.pg_id = reply.answer.pg_id;
    assert_code(w->texts, call(w, cancel, 3000).answer, "NOT_FOUND_PAYMENT");
}

static void slow_answer_comes_after_the_timeout(void **state)
{
    struct pg_fake_reply reply = charge_with(*state, PG_FAULT_SLOW, 0);
    assert_true(reply.delay_ms > 60000);
    assert_true(reply.delay_ms <= 120001);
    assert_payment(reply.answer, PG_DONE, 15200, 15200);
}

static void front_answers_reach_no_ledger(void **state) /* trap 21 */
{
    struct world *w = *state;
    static const struct {
        enum pg_fault fault;
        enum pg_code_class class;
        const char *code;
    } cases[] = {
        {PG_FAULT_UNAUTHORIZED, PG_CODE_CREDENTIALS, "UNAUTHORIZED_KEY"},
        {PG_FAULT_WRONG_URL, PG_CODE_REQUEST, "NOT_FOUND"},
        {PG_FAULT_TOO_MANY, PG_CODE_RETRY, "TOO_MANY_REQUESTS"},
        {PG_FAULT_PROCESSING, PG_CODE_RETRY, "IDEMPOTENT_REQUEST_PROCESSING"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pg_fake_reply reply = charge_with(w, cases[i].fault, 0);
        assert_code(w->texts, reply.answer, cases[i].code);
        assert_int_equal(reply.answer.code_class, cases[i].class);
        assert_int_equal(totals(w, 1).charges_seen, 0);
    }
    assert_payment(call(w, test_charge(w->texts, 1, 15200), 2000).answer, PG_DONE, 15200, 15200);
}

static void consecutive_cancel_is_refused_under_its_number_only(void **state) /* trap 19 */
{
    struct world *w = *state;
    struct pg_fake_reply reply = cancel_with(w, PG_FAULT_CONSECUTIVE, 0);
    assert_code(w->texts, reply.answer, "FORBIDDEN_CONSECUTIVE_REQUEST");
    assert_code(w->texts, call(w, test_cancel(w->texts, 1, 1), 99999).answer,
                "FORBIDDEN_CONSECUTIVE_REQUEST");
    assert_payment(call(w, test_cancel(w->texts, 1, 2), 99999).answer, PG_CANCELED, 15200, 0);
}

static void refused_cancel_stays_refused_even_with_faults_off(void **state)
{
    struct world *w = *state;
    struct pg_fake_reply reply = cancel_with(w, PG_FAULT_CANCEL_REFUSED, 0);
    assert_int_equal(reply.answer.code_class, PG_CODE_CANCEL_REFUSED);
    pg_fake_faults_off(w->fake);
    reply = call(w, test_cancel(w->texts, 1, 2), 99999);
    assert_int_equal(reply.answer.code_class, PG_CODE_CANCEL_REFUSED);
    assert_int_equal(totals(w, 1).refunded_krw, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        rule(without_faults_every_call_works_after_the_latency),
        rule(refused_connection_charges_nothing),
        rule(no_answer_before_the_charge_charges_nothing),
        rule(no_answer_after_the_charge_has_charged),
        rule(late_charge_comes_when_it_is_due),
        rule(late_cancel_comes_when_it_is_due),
        rule(in_progress_is_answered_and_approved_later),
        rule(aborted_is_in_progress_first_and_never_charges),
        rule(decline_is_of_the_closed_list_or_as_scripted),
        rule(error_before_and_after_are_unknown_and_replayed),
        rule(wrong_amount_and_currency_are_charged),
        rule(payment_key_may_be_missing),
        rule(operator_outside_cancels_a_part_later),
        rule(stale_look_up_is_possible_only_shortly_after_a_change),
        rule(broken_and_foreign_answers_hide_what_was_done),
        rule(slow_answer_comes_after_the_timeout),
        rule(front_answers_reach_no_ledger),
        rule(consecutive_cancel_is_refused_under_its_number_only),
        rule(refused_cancel_stays_refused_even_with_faults_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
