/* LIFE, "Operator refund and adopt": whom they may touch, what they do, and the one reply. */
#include "payment_kit.h"

static struct pg_answer wrong_amount(void)
{
    struct pg_answer answer = pay_approval();
    answer.total_krw = FARE_KRW + 100;
    answer.balance_krw = FARE_KRW + 100;
    return answer;
}

static void the_operator_may_touch_unknown_payments_only(void **state)
{
    (void)state;
    static const enum payment_origin wishes[] = {ORIGIN_OPERATOR_REFUND, ORIGIN_OPERATOR_ADOPT};
    static const enum payment_status others[] = {PAYMENT_REQUESTED, PAYMENT_PROCESSING,
                                                 PAYMENT_COMPLETED, PAYMENT_FAILED};
    for (size_t i = 0; i < 8; i++) {
        struct pay w = pay_begin();
        struct payment_row row = pay_row(others[i / 2], 3);
        pay_operator(&w, wishes[i % 2], &row);
        pay_is_closed(&w);
        assert_int_equal(w.out.reply, REPLY_CONFLICT);
    }
}

static void the_operators_refund_is_done_when_its_intent_is_durable(void **state)
{
    (void)state;
    struct pay w = pay_begin();
    struct payment_row row = pay_row(PAYMENT_UNKNOWN, 3);
    w.config.adopt = 1; /* the operator's wish goes before the policy */
    pay_operator(&w, ORIGIN_OPERATOR_REFUND, &row);
    pay_applied(&w);
    pay_answer(&w, pay_approval());
    pay_is(&w, PHASE_INTENDING);
    assert_int_equal(w.out.reply, REPLY_NONE);
    pay_applied(&w);
    assert_int_equal(w.out.reply, REPLY_DONE);
    assert_int_equal(w.out.calls, CALL_CANCEL);
}

static void the_operators_adopt_completes_a_full_approval(void **state)
{
    (void)state;
    struct pay w = pay_asked_by(ORIGIN_OPERATOR_ADOPT, pay_row(PAYMENT_UNKNOWN, 3));
    struct pay unwritable;
    pay_answer(&w, pay_approval());
    pay_unit_is(&w, PAYMENT_UNKNOWN, PAYMENT_COMPLETED, OUTCOME_COMPLETED);
    unwritable = w;
    pay_applied(&w);
    assert_int_equal(w.out.reply, REPLY_DONE);
    assert_int_equal(w.out.publish, OUTCOME_COMPLETED);
    pay_unwritable(&unwritable); /* it is refunded, and the operator is not told "done" */
    assert_int_equal(unwritable.out.reply, REPLY_CONFLICT);
}

static void check_reply(enum payment_origin wish, struct pg_answer answer,
                        enum operator_reply reply)
{
    struct pay w = pay_asked_by(wish, pay_row(PAYMENT_UNKNOWN, 3));
    pay_answer(&w, answer);
    uint8_t first = w.out.reply;
    if (first == REPLY_NONE) {
        pay_applied(&w);
        first = w.out.reply;
    }
    assert_int_equal(first, reply);
    if (w.out.closed) {
        return;
    }
    pay_applied(&w);
    assert_int_equal(w.out.reply, REPLY_NONE); /* one reply a request */
}

static void every_wish_of_the_operator_has_one_reply(void **state)
{
    (void)state;
    static const enum payment_origin wishes[] = {ORIGIN_OPERATOR_REFUND, ORIGIN_OPERATOR_ADOPT};
    for (size_t i = 0; i < 2; i++) {
        check_reply(wishes[i], pay_silence(PG_ANSWER_TIMEOUT), REPLY_NO_ANSWER);
        check_reply(wishes[i], pay_error(PG_CODE_UNKNOWN), REPLY_NO_ANSWER);
        check_reply(wishes[i], pay_error(PG_CODE_NOT_FOUND), REPLY_CONFLICT);
        check_reply(wishes[i], pay_object(PG_IN_PROGRESS, 0), REPLY_CONFLICT);
    }
    check_reply(ORIGIN_OPERATOR_REFUND, pay_object(PG_CANCELED, 0), REPLY_DONE);
    check_reply(ORIGIN_OPERATOR_ADOPT, pay_object(PG_CANCELED, 0), REPLY_CONFLICT);
    check_reply(ORIGIN_OPERATOR_ADOPT, pay_object(PG_PARTIAL_CANCELED, 5), REPLY_CONFLICT);
    check_reply(ORIGIN_OPERATOR_ADOPT, wrong_amount(), REPLY_CONFLICT);
}

static void an_operator_who_loses_the_row_is_told_busy(void **state)
{
    (void)state;
    struct payment_row row = pay_row(PAYMENT_UNKNOWN, 3);
    struct payment_row taken = pay_row(PAYMENT_UNKNOWN, 4);
    struct pay w = pay_begin();
    pay_operator(&w, ORIGIN_OPERATOR_REFUND, &row);
    struct pay unwritable = w;
    pay_refused(&w, &taken);
    pay_is_closed(&w);
    assert_int_equal(w.out.reply, REPLY_BUSY);
    pay_unwritable(&unwritable);
    assert_int_equal(unwritable.out.reply, REPLY_BUSY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_operator_may_touch_unknown_payments_only),
        cmocka_unit_test(the_operators_refund_is_done_when_its_intent_is_durable),
        cmocka_unit_test(the_operators_adopt_completes_a_full_approval),
        cmocka_unit_test(every_wish_of_the_operator_has_one_reply),
        cmocka_unit_test(an_operator_who_loses_the_row_is_told_busy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
