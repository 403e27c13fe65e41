/* What a server on the ledger needs: landings one by one, refusals of its own, who is replayed. */
#include "pg_ledger_test_world.h"

static void a_landing_tells_whose_it_is_and_what_came_of_it(void **state)
{
    struct world *w = *state;
    struct pg_ledger_landed landed;
    (void)ask(w, test_charge(w->texts, 1, 15200), 1000);
    (void)ask_with(w, test_charge(w->texts, 2, 9000), (struct pg_ledger_plan){.due_ms = 5000},
                   2000);
    assert_false(pg_ledger_land(w->ledger, 4999, &landed));
    assert_true(pg_ledger_land(w->ledger, 9999, &landed));
    assert_int_equal(landed.order, 1);
    assert_int_equal(landed.at_ms, 5000);
    assert_int_equal(landed.approved, 1);
    assert_int_equal(landed.refunded_krw, 0);
    assert_false(pg_ledger_land(w->ledger, 9999, &landed));
}

static void a_landed_cancel_tells_its_amount_and_whether_it_came_from_outside(void **state)
{
    struct world *w = *state;
    struct pg_ledger_landed landed;
    struct pg_ledger_plan outside = {.outside_due_ms = 7000, .outside_krw = 200};
    struct pg_answer paid = ask_with(w, test_charge(w->texts, 1, 15200), outside, 1000);
    struct pg_ledger_request cancel = test_cancel(w->texts, 1, 1);
    cancel.pg_id = paid.pg_id;
    cancel.amount_krw = 5000;
    (void)ask_with(w, cancel, (struct pg_ledger_plan){.due_ms = 6000}, 2000);
    assert_true(pg_ledger_land(w->ledger, 9999, &landed));
    assert_int_equal(landed.refunded_krw, 5000);
    assert_int_equal(landed.outside, 0);
    assert_true(pg_ledger_land(w->ledger, 9999, &landed));
    assert_int_equal(landed.refunded_krw, 200);
    assert_int_equal(landed.outside, 1);
}

static void a_late_charge_that_loses_lands_as_nothing(void **state)
{
    struct world *w = *state;
    struct pg_ledger_landed landed;
    (void)ask_with(w, test_charge(w->texts, 1, 15200), (struct pg_ledger_plan){.due_ms = 5000},
                   1000);
    struct pg_ledger_request other = test_charge(w->texts, 1, 15200);
    other.key = text(w, "another-key");
    (void)ask(w, other, 2000);
    assert_true(pg_ledger_land(w->ledger, 5000, &landed));
    assert_int_equal(landed.approved, 0);
    assert_int_equal(landed.refunded_krw, 0);
}

static void a_refusal_in_front_comes_before_the_ledgers_own_and_keeps_its_number(void **state)
{
    struct world *w = *state;
    struct pg_ledger_plan refused = {.code = PG_FAKE_INVALID_REQUEST,
                                     .flags = PG_PLAN_NOT_DONE | PG_PLAN_FIRST,
                                     .amount_krw = 7};
    struct pg_ledger_request request = test_charge(w->texts, 1, 1); /* below the minimum */
    struct pg_answer answer = ask_with(w, request, refused, 1000);
    assert_code(w->texts, answer, "INVALID_REQUEST");
    assert_int_equal(answer.total_krw, 7);
    answer = ask(w, test_charge(w->texts, 1, 15200), 2000); /* the same key */
    assert_code(w->texts, answer, "INVALID_REQUEST");
    assert_int_equal(answer.total_krw, 7);
    assert_int_equal(totals(w, 1).approvals, 0);
}

static void a_refusal_in_front_never_charges_a_paid_order_again(void **state)
{
    struct world *w = *state;
    (void)ask(w, test_charge(w->texts, 1, 15200), 1000);
    struct pg_ledger_request other = test_charge(w->texts, 1, 15200);
    other.key = text(w, "another-key");
    /* FIRST without NOT_DONE, as a damaged file may have it, is nothing. */
    assert_code(w->texts, ask_with(w, other, (struct pg_ledger_plan){.flags = PG_PLAN_FIRST}, 2000),
                "DUPLICATED_ORDER_ID");
    assert_int_equal(totals(w, 1).approvals, 1);
}

static void an_error_without_a_number_tells_none(void **state)
{
    struct world *w = *state;
    struct pg_answer answer = ask(w, test_charge(w->texts, 1, 1), 1000);
    assert_int_equal(answer.kind, PG_ANSWER_ERROR);
    assert_int_equal(answer.total_krw, -1);
}

static void a_replay_is_about_its_first_order_whatever_is_named_now(void **state)
{
    struct world *w = *state;
    struct pg_ledger_request first = test_charge(w->texts, 1, 15200);
    struct pg_ledger_request second = test_charge(w->texts, 2, 9000);
    (void)ask(w, test_charge(w->texts, 3, 1000), 1000);
    (void)ask(w, first, 1000);
    second.key = first.key;
    second.billing_key = first.billing_key;
    assert_int_equal(pg_ledger_replay_order(w->ledger, w->texts, &second, 2000), 1);
    assert_int_equal(pg_ledger_order_index(w->ledger, w->texts, &second), PG_LEDGER_NO_ORDER);
    assert_int_equal(pg_ledger_order_index(w->ledger, w->texts, &first), 1);
    second.key = text(w, "another-key");
    assert_int_equal(pg_ledger_replay_order(w->ledger, w->texts, &second, 2000),
                     PG_LEDGER_NO_ORDER);
    second.key = first.key;
    assert_int_equal(
        pg_ledger_replay_order(w->ledger, w->texts, &second, 1000 + PG_LEDGER_KEY_KEPT_MS),
        PG_LEDGER_NO_ORDER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        rule(a_landing_tells_whose_it_is_and_what_came_of_it),
        rule(a_landed_cancel_tells_its_amount_and_whether_it_came_from_outside),
        rule(a_late_charge_that_loses_lands_as_nothing),
        rule(a_refusal_in_front_comes_before_the_ledgers_own_and_keeps_its_number),
        rule(a_refusal_in_front_never_charges_a_paid_order_again),
        rule(an_error_without_a_number_tells_none),
        rule(a_replay_is_about_its_first_order_whatever_is_named_now),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
