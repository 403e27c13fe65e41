/* What the world may do to a request inside the PG, and what happens when tables are full. */
#include "pg_ledger_test_world.h"

static void late_charge_is_unknown_until_due_then_replays_as_approved(void **state)
{
    struct world *w = *state;
    struct pg_ledger_plan late = {.due_ms = 900000};
    struct pg_answer answer = ask_with(w, test_charge(w->texts, 1, 15200), late, 1000);
    assert_int_equal(answer.kind, PG_ANSWER_TIMEOUT);
    assert_int_equal(pg_ledger_next_due(w->ledger), 900000);
    assert_int_equal(totals(w, 1).pending, 1);
    assert_code(w->texts, ask(w, test_charge(w->texts, 1, 15200), 2000),
                "IDEMPOTENT_REQUEST_PROCESSING");
    assert_code(w->texts, ask(w, test_lookup(1), 899999), "NOT_FOUND_PAYMENT");
    assert_payment(ask(w, test_lookup(1), 900000), PG_DONE, 15200, 15200);
    assert_payment(ask(w, test_charge(w->texts, 1, 15200), 900001), PG_DONE, 15200, 15200);
    assert_int_equal(pg_ledger_next_due(w->ledger), PG_LEDGER_NEVER);
    assert_int_equal(totals(w, 1).pending, 0);
}

static void late_charge_loses_against_one_that_came_first(void **state)
{
    struct world *w = *state;
    (void)ask_with(w, test_charge(w->texts, 1, 15200), (struct pg_ledger_plan){.due_ms = 5000},
                   1000);
    struct pg_ledger_request other = test_charge(w->texts, 1, 15200);
    other.key = text(w, "another-key");
    assert_payment(ask(w, other, 2000), PG_DONE, 15200, 15200);
    pg_ledger_advance(w->ledger, 5000);
    assert_code(w->texts, ask(w, test_charge(w->texts, 1, 15200), 6000), "DUPLICATED_ORDER_ID");
    assert_int_equal(totals(w, 1).approvals, 1);
    assert_int_equal(totals(w, 1).captured_krw, 15200);
}

static void late_actions_land_in_order_of_due_time(void **state)
{
    struct world *w = *state;
    (void)ask_with(w, test_charge(w->texts, 1, 1000), (struct pg_ledger_plan){.due_ms = 9000}, 1);
    struct pg_ledger_request other = test_charge(w->texts, 1, 2000);
    other.key = text(w, "another-key");
    (void)ask_with(w, other, (struct pg_ledger_plan){.due_ms = 8000}, 2);
    pg_ledger_advance(w->ledger, 10000);
    assert_int_equal(totals(w, 1).captured_krw, 2000);
}

static void late_cancel_shows_the_full_balance_until_due(void **state) /* trap 20 */
{
    struct world *w = *state;
    (void)ask(w, test_charge(w->texts, 1, 15200), 1000);
    struct pg_answer lost =
        ask_with(w, test_cancel(w->texts, 1, 1), (struct pg_ledger_plan){.due_ms = 60000}, 2000);
    assert_int_equal(lost.kind, PG_ANSWER_TIMEOUT);
    assert_payment(ask(w, test_lookup(1), 59999), PG_DONE, 15200, 15200);
    assert_code(w->texts, ask(w, test_cancel(w->texts, 1, 1), 59999),
                "IDEMPOTENT_REQUEST_PROCESSING");
    assert_payment(ask(w, test_lookup(1), 60000), PG_CANCELED, 15200, 0);
    assert_payment(ask(w, test_cancel(w->texts, 1, 1), 60001), PG_CANCELED, 15200, 0);
}

static void late_cancel_and_a_new_number_refund_once(void **state)
{
    struct world *w = *state;
    (void)ask(w, test_charge(w->texts, 1, 15200), 1000);
    (void)ask_with(w, test_cancel(w->texts, 1, 1), (struct pg_ledger_plan){.due_ms = 60000}, 2000);
    assert_payment(ask(w, test_cancel(w->texts, 1, 2), 3000), PG_CANCELED, 15200, 0);
    pg_ledger_advance(w->ledger, 60000);
    assert_int_equal(totals(w, 1).refunded_krw, 15200);
    assert_code(w->texts, ask(w, test_cancel(w->texts, 1, 1), 60001), "ALREADY_CANCELED_PAYMENT");
}

static void in_progress_is_visible_with_its_balance_and_then_done_or_aborted(void **state)
{
    struct world *w = *state;
    struct pg_ledger_plan plan = {.due_ms = 5000, .flags = PG_PLAN_VISIBLE};
    assert_payment(ask_with(w, test_charge(w->texts, 1, 15200), plan, 1000), PG_IN_PROGRESS, 15200,
                   15200);
    assert_payment(ask(w, test_lookup(1), 4999), PG_IN_PROGRESS, 15200, 15200);
    assert_code(w->texts, ask(w, test_cancel(w->texts, 1, 1), 4999), "NOT_CANCELABLE_PAYMENT");
    assert_payment(ask(w, test_lookup(1), 5000), PG_DONE, 15200, 15200);
    plan.flags |= PG_PLAN_ABORTS;
    plan.due_ms = 9000;
    (void)ask_with(w, test_charge(w->texts, 2, 700), plan, 6000);
    assert_payment(ask(w, test_lookup(2), 9000), PG_ABORTED, 700, 700);
    assert_int_equal(totals(w, 2).captured_krw, 0);
}

static void error_after_success_is_replayed_though_it_was_done(void **state)
{
    struct world *w = *state;
    struct pg_ledger_plan plan = {.code = PG_FAKE_FAILED_INTERNAL_SYSTEM_PROCESSING};
    for (int64_t now = 1000; now < 3000; now += 1000) {
        struct pg_answer answer = ask_with(w, test_charge(w->texts, 1, 15200), plan, now);
        assert_code(w->texts, answer, "FAILED_INTERNAL_SYSTEM_PROCESSING");
    }
    assert_payment(ask(w, test_lookup(1), 3000), PG_DONE, 15200, 15200);
    (void)ask_with(w, test_cancel(w->texts, 1, 1), plan, 4000);
    assert_payment(ask(w, test_lookup(1), 5000), PG_CANCELED, 15200, 0);
}

static void wrong_amount_and_currency_are_told(void **state)
{
    struct world *w = *state;
    struct pg_ledger_plan plan = {.amount_krw = 15300, .flags = PG_PLAN_NOT_KRW};
    struct pg_answer answer = ask_with(w, test_charge(w->texts, 1, 15200), plan, 1000);
    assert_payment(answer, PG_DONE, 15300, 15300);
    assert_int_equal(answer.currency_krw, 0);
    assert_int_equal(ask(w, test_lookup(1), 1000).currency_krw, 0);
    assert_int_equal(totals(w, 1).captured_krw, 15300);
    assert_int_equal(totals(w, 1).not_krw, 1);
}

static void missing_payment_key_is_missing_in_the_replay_too(void **state)
{
    struct world *w = *state;
    struct pg_ledger_plan plan = {.flags = PG_PLAN_NO_PG_ID};
    assert_int_equal(ask_with(w, test_charge(w->texts, 1, 15200), plan, 1000).pg_id, TEXT_NONE);
    assert_int_equal(ask(w, test_charge(w->texts, 1, 15200), 2000).pg_id, TEXT_NONE);
    assert_int_not_equal(ask(w, test_lookup(1), 2000).pg_id, TEXT_NONE);
}

static void stale_look_up_answers_as_before_the_last_change(void **state)
{
    struct world *w = *state;
    struct pg_ledger_plan stale = {.flags = PG_PLAN_STALE};
    (void)ask(w, test_charge(w->texts, 1, 15200), 1000);
    assert_code(w->texts, ask_with(w, test_lookup(1), stale, 1001), "NOT_FOUND_PAYMENT");
    (void)ask(w, test_cancel(w->texts, 1, 1), 2000);
    assert_payment(ask_with(w, test_lookup(1), stale, 2001), PG_DONE, 15200, 15200);
    assert_payment(ask(w, test_lookup(1), 2001), PG_CANCELED, 15200, 0);
}

static void operator_outside_cancels_what_is_left_at_most(void **state)
{
    struct world *w = *state;
    struct pg_ledger_plan plan = {.outside_due_ms = 5000, .outside_krw = 200};
    (void)ask_with(w, test_charge(w->texts, 1, 15200), plan, 1000);
    assert_payment(ask(w, test_lookup(1), 5000), PG_PARTIAL_CANCELED, 15200, 15000);
    assert_int_equal(totals(w, 1).refunded_outside_krw, 200);
    plan.outside_krw = 99999;
    plan.outside_due_ms = 7000;
    (void)ask_with(w, test_charge(w->texts, 2, 15200), plan, 6000);
    (void)ask(w, test_cancel(w->texts, 2, 1), 6500);
    pg_ledger_advance(w->ledger, 7000);
    assert_int_equal(totals(w, 2).refunded_krw, 15200);
    assert_int_equal(totals(w, 2).refunded_outside_krw, 0);
}

static void full_ledger_turns_new_orders_away_and_serves_the_old(void **state)
{
    struct world *w = *state;
    for (uint32_t trip = 0; trip < LIMITS.orders_max; trip++) {
        assert_payment(ask(w, test_charge(w->texts, trip, 1000), 1), PG_DONE, 1000, 1000);
    }
    assert_code(w->texts, ask(w, test_charge(w->texts, 100, 1000), 2),
                "FAILED_INTERNAL_SYSTEM_PROCESSING");
    assert_int_equal(pg_ledger_overflows(w->ledger), 1);
    assert_payment(ask(w, test_charge(w->texts, 3, 1000), 2), PG_DONE, 1000, 1000);
    assert_payment(ask(w, test_cancel(w->texts, 3, 1), 3), PG_CANCELED, 1000, 0);
}

static void full_key_table_drops_what_was_kept_long_enough(void **state)
{
    struct world *w = *state;
    (void)ask(w, test_charge(w->texts, 1, 15200), 0);
    for (int no = 1; no < (int)LIMITS.keys_max; no++) {
        struct pg_ledger_request part = test_cancel(w->texts, 1, no);
        part.amount_krw = 1;
        assert_int_equal(ask(w, part, no).kind, PG_ANSWER_PAYMENT);
    }
    struct pg_ledger_request more = test_cancel(w->texts, 1, 99);
    assert_false(pg_ledger_writes(w->ledger, w->texts, &more, 1000));
    assert_code(w->texts, ask(w, more, 1000), "FAILED_INTERNAL_SYSTEM_PROCESSING");
    assert_true(pg_ledger_writes(w->ledger, w->texts, &more, PG_LEDGER_KEY_KEPT_MS));
    assert_payment(ask(w, more, PG_LEDGER_KEY_KEPT_MS), PG_PARTIAL_CANCELED, 15200, 0);
    assert_int_equal(totals(w, 1).refunded_krw, 15200);
}

static void late_plan_without_room_is_turned_away(void **state)
{
    struct world *w = *state;
    for (uint32_t trip = 0; trip < LIMITS.pending_max; trip++) {
        assert_true(pg_ledger_has_pending_room(w->ledger));
        (void)ask_with(w, test_charge(w->texts, trip, 1000), (struct pg_ledger_plan){.due_ms = 99},
                       1);
    }
    assert_false(pg_ledger_has_pending_room(w->ledger));
    struct pg_answer answer =
        ask_with(w, test_charge(w->texts, 7, 1000), (struct pg_ledger_plan){.due_ms = 99}, 1);
    assert_code(w->texts, answer, "FAILED_INTERNAL_SYSTEM_PROCESSING");
    pg_ledger_advance(w->ledger, 99);
    assert_int_equal(totals(w, 7).captured_krw, 0);
    assert_int_equal(totals(w, 3).captured_krw, 1000);
}

static void pool_without_room_breaks_the_answer_not_the_ledger(void **state)
{
    struct world *w = *state;
    struct pg_ledger_request request = test_charge(w->texts, 1, 1000);
    while (texts_bytes_used(w->texts) < texts_bytes_max(w->texts)) {
        char filler[64];
        int len = snprintf(filler, sizeof filler, "%u", texts_count(w->texts));
        if (texts_intern(w->texts, filler, (size_t)len) == TEXT_NONE) {
            break;
        }
    }
    assert_int_equal(ask(w, request, 1).kind, PG_ANSWER_BROKEN);
    assert_int_equal(totals(w, 1).captured_krw, 1000);
}

static void copy_of_the_block_goes_on_like_the_original(void **state)
{
    struct world *w = *state;
    (void)ask(w, test_charge(w->texts, 1, 15200), 1000);
    (void)ask_with(w, test_charge(w->texts, 2, 700), (struct pg_ledger_plan){.due_ms = 5000}, 1001);
    size_t size = pg_ledger_size(&LIMITS);
    struct world copy = {.texts = w->texts, .ledger = malloc(size)};
    memcpy(copy.ledger, w->ledger, size);
    struct world *both[] = {w, &copy};
    for (int i = 0; i < 2; i++) {
        (void)ask(both[i], test_cancel(w->texts, 1, 1), 2000);
        (void)ask(both[i], test_lookup(2), 6000);
        (void)ask(both[i], test_cancel(w->texts, 2, 1), 7000);
    }
    assert_memory_equal(copy.ledger, w->ledger, size);
    assert_int_equal(totals(&copy, 2).refunded_krw, 700);
    free(copy.ledger);
}

static void smallest_world_is_small_and_an_order_takes_150_bytes(void **state)
{
    (void)state;
    struct pg_ledger_limits tiny = {.orders_max = 2, .keys_max = 4, .pending_max = 2};
    assert_true(pg_ledger_size(&tiny) <= 512);
    struct pg_ledger_limits big = {.orders_max = 100000, .keys_max = 100000, .pending_max = 16};
    assert_true(pg_ledger_size(&big) <= (size_t)150 * 100000);
}

static void hundred_thousand_orders_are_found_again(void **state)
{
    (void)state;
    struct pg_ledger_limits big = {.orders_max = 100000, .keys_max = 100000, .pending_max = 1};
    struct world w = {.texts = test_texts(), .ledger = NULL};
    w.ledger = pg_ledger_init(malloc(pg_ledger_size(&big)), &big);
    assert_true(pg_ledger_account_add(w.ledger, OUR_ACCOUNT));
    for (uint32_t trip = 0; trip < big.orders_max; trip++) {
        (void)texts_init(w.texts, 4096, 1 << 18);
        assert_int_equal(ask(&w, test_charge(w.texts, trip, 100 + trip), trip).kind,
                         PG_ANSWER_PAYMENT);
    }
    for (uint32_t trip = 0; trip < big.orders_max; trip += 997) {
        assert_int_equal(ask(&w, test_lookup(trip), 200000).total_krw, 100 + trip);
    }
    struct pg_ledger_order_view view;
    pg_ledger_order_at(w.ledger, 4711, &view);
    assert_int_equal(view.totals.captured_krw, 100 + 4711);
    assert_int_equal(view.account, OUR_ACCOUNT);
    assert_int_equal(view.status, PG_DONE);
    free(w.ledger);
    free(w.texts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        rule(late_charge_is_unknown_until_due_then_replays_as_approved),
        rule(late_charge_loses_against_one_that_came_first),
        rule(late_actions_land_in_order_of_due_time),
        rule(late_cancel_shows_the_full_balance_until_due),
        rule(late_cancel_and_a_new_number_refund_once),
        rule(in_progress_is_visible_with_its_balance_and_then_done_or_aborted),
        rule(error_after_success_is_replayed_though_it_was_done),
        rule(wrong_amount_and_currency_are_told),
        rule(missing_payment_key_is_missing_in_the_replay_too),
        rule(stale_look_up_answers_as_before_the_last_change),
        rule(operator_outside_cancels_what_is_left_at_most),
        rule(full_ledger_turns_new_orders_away_and_serves_the_old),
        rule(full_key_table_drops_what_was_kept_long_enough),
        rule(late_plan_without_room_is_turned_away),
        rule(pool_without_room_breaks_the_answer_not_the_ledger),
        rule(copy_of_the_block_goes_on_like_the_original),
        rule(smallest_world_is_small_and_an_order_takes_150_bytes),
        rule(hundred_thousand_orders_are_found_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
