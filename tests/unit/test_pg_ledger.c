/* The rules of the PG itself (CONTRACTS 6): one approval, keys, cancels, accounts. */
#include "pg_code.h"
#include "pg_ledger_test_world.h"

static void charge_is_approved_as_asked_and_found_by_both_ids(void **state)
{
    struct world *w = *state;
    struct pg_answer charged = ask(w, test_charge(w->texts, 1, 15200), 1000);
    assert_payment(charged, PG_DONE, 15200, 15200);
    assert_int_equal(charged.order_matches, 1);
    assert_int_equal(charged.currency_krw, 1);
    assert_int_not_equal(charged.pg_id, TEXT_NONE);
    struct pg_answer found = ask(w, test_lookup(1), 1001);
    assert_memory_equal(&found, &charged, sizeof found);
    struct pg_ledger_request by_pg_id = {
        .op = PG_LEDGER_LOOKUP_PG_ID, .account = OUR_ACCOUNT, .pg_id = charged.pg_id};
    found = ask(w, by_pg_id, 1002);
    assert_memory_equal(&found, &charged, sizeof found);
    assert_int_equal(totals(w, 1).captured_krw, 15200);
    assert_int_equal(totals(w, 1).approvals, 1);
    assert_int_equal(totals(w, 1).lookups_seen, 2);
}

static void unknown_order_and_unknown_pg_id_are_not_found(void **state)
{
    struct world *w = *state;
    assert_code(w->texts, ask(w, test_lookup(1), 1), "NOT_FOUND_PAYMENT");
    assert_int_equal(ask(w, test_lookup(1), 1).code_class, PG_CODE_NOT_FOUND);
    assert_code(w->texts, ask(w, test_cancel(w->texts, 1, 1), 1), "NOT_FOUND_PAYMENT");
    (void)ask(w, test_charge(w->texts, 1, 1000), 1);
    const char *const wrong[] = {"",
                                 "x",
                                 "fakepay0_",
                                 "tx_70f181ee",
                                 "fakepay1_abcd0000-0000-0000-0000-000001000000",
                                 "FAKEPAY0_abcd0000-0000-0000-0000-000001000000",
                                 "fakepay0_ABCD0000-0000-0000-0000-000001000000"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct pg_ledger_request request = test_cancel(w->texts, 1, 1);
        request.pg_id = text(w, wrong[i]);
        assert_code(w->texts, ask(w, request, 2), "NOT_FOUND_PAYMENT");
    }
    assert_int_equal(totals(w, 1).refunded_krw, 0);
}

static void same_key_gives_the_same_answer_whatever_the_body(void **state)
{
    struct world *w = *state;
    struct pg_answer first = ask(w, test_charge(w->texts, 1, 15200), 1000);
    struct pg_ledger_request again = test_charge(w->texts, 1, 99999);
    struct pg_answer second = ask(w, again, 2000);
    assert_memory_equal(&second, &first, sizeof first);
    assert_int_equal(totals(w, 1).captured_krw, 15200);
    assert_int_equal(totals(w, 1).charges_seen, 2);
}

static void replay_is_the_first_answer_even_after_a_cancel(void **state)
{
    struct world *w = *state;
    struct pg_answer first = ask(w, test_charge(w->texts, 1, 15200), 1000);
    assert_payment(ask(w, test_cancel(w->texts, 1, 1), 1500), PG_CANCELED, 15200, 0);
    struct pg_answer again = ask(w, test_charge(w->texts, 1, 15200), 2000);
    assert_memory_equal(&again, &first, sizeof first);
}

static void decline_is_replayed_under_its_key_and_leaves_no_payment(void **state)
{
    struct world *w = *state;
    struct pg_ledger_plan decline = {.code = PG_FAKE_REJECT_CARD_COMPANY,
                                     .flags = PG_PLAN_NOT_DONE};
    struct pg_answer first = ask_with(w, test_charge(w->texts, 1, 15200), decline, 1000);
    assert_code(w->texts, first, "REJECT_CARD_COMPANY");
    assert_int_equal(first.code_class, PG_CODE_DECLINED);
    struct pg_answer again = ask(w, test_charge(w->texts, 1, 15200), 2000);
    assert_memory_equal(&again, &first, sizeof first);
    assert_code(w->texts, ask(w, test_lookup(1), 2001), "NOT_FOUND_PAYMENT");
    assert_int_equal(totals(w, 1).captured_krw, 0);
    assert_int_equal(totals(w, 1).approvals, 0);
}

static void order_is_approved_once_whatever_the_key(void **state)
{
    struct world *w = *state;
    (void)ask(w, test_charge(w->texts, 1, 15200), 1000);
    struct pg_ledger_request other = test_charge(w->texts, 1, 15200);
    other.key = text(w, "another-key");
    assert_code(w->texts, ask(w, other, 2000), "DUPLICATED_ORDER_ID");
    other.key = TEXT_NONE;
    assert_code(w->texts, ask(w, other, 2000), "DUPLICATED_ORDER_ID");
    (void)ask(w, test_cancel(w->texts, 1, 1), 3000);
    other.key = text(w, "third-key");
    assert_code(w->texts, ask(w, other, 4000), "DUPLICATED_ORDER_ID");
    assert_int_equal(totals(w, 1).approvals, 1);
    assert_int_equal(totals(w, 1).captured_krw, 15200);
}

static void another_card_is_another_url_so_the_key_does_not_protect(void **state) /* trap 17 */
{
    struct world *w = *state;
    struct pg_ledger_plan decline = {.code = PG_FAKE_INVALID_STOPPED_CARD,
                                     .flags = PG_PLAN_NOT_DONE};
    (void)ask_with(w, test_charge(w->texts, 1, 15200), decline, 1000);
    struct pg_ledger_request changed = test_charge(w->texts, 1, 15200);
    changed.billing_key = text(w, "bk_second=");
    assert_false(pg_ledger_replays(w->ledger, w->texts, &changed, 2000));
    assert_payment(ask(w, changed, 2000), PG_DONE, 15200, 15200);
}

static void key_is_kept_fifteen_days_from_first_use(void **state)
{
    struct world *w = *state;
    struct pg_ledger_plan decline = {.code = PG_FAKE_PROVIDER_ERROR, .flags = PG_PLAN_NOT_DONE};
    (void)ask_with(w, test_charge(w->texts, 1, 15200), decline, 1000);
    struct pg_answer kept =
        ask(w, test_charge(w->texts, 1, 15200), 1000 + PG_LEDGER_KEY_KEPT_MS - 1);
    assert_code(w->texts, kept, "PROVIDER_ERROR");
    struct pg_answer fresh = ask(w, test_charge(w->texts, 1, 15200), 1000 + PG_LEDGER_KEY_KEPT_MS);
    assert_payment(fresh, PG_DONE, 15200, 15200);
}

static void cancel_takes_all_once_and_its_key_replays(void **state)
{
    struct world *w = *state;
    (void)ask(w, test_charge(w->texts, 1, 15200), 1000);
    struct pg_answer first = ask(w, test_cancel(w->texts, 1, 1), 2000);
    assert_payment(first, PG_CANCELED, 15200, 0);
    struct pg_answer again = ask(w, test_cancel(w->texts, 1, 1), 3000);
    assert_memory_equal(&again, &first, sizeof first);
    struct pg_answer second = ask(w, test_cancel(w->texts, 1, 2), 4000);
    assert_code(w->texts, second, "ALREADY_CANCELED_PAYMENT");
    assert_int_equal(second.code_class, PG_CODE_CANCELLED_ALREADY);
    assert_int_equal(totals(w, 1).refunded_krw, 15200);
    assert_int_equal(totals(w, 1).cancels_seen, 3);
}

static void after_cancels_in_parts_the_status_stays_partial_at_zero(void **state) /* trap 18 */
{
    struct world *w = *state;
    (void)ask(w, test_charge(w->texts, 1, 15200), 1000);
    struct pg_ledger_request part = test_cancel(w->texts, 1, 1);
    part.amount_krw = 200;
    assert_payment(ask(w, part, 2000), PG_PARTIAL_CANCELED, 15200, 15000);
    assert_payment(ask(w, test_cancel(w->texts, 1, 2), 3000), PG_PARTIAL_CANCELED, 15200, 0);
    assert_payment(ask(w, test_lookup(1), 3001), PG_PARTIAL_CANCELED, 15200, 0);
    assert_code(w->texts, ask(w, test_cancel(w->texts, 1, 3), 4000), "NOT_CANCELABLE_AMOUNT");
    assert_int_equal(totals(w, 1).refunded_krw, 15200);
}

static void guard_that_is_not_the_balance_changes_nothing(void **state)
{
    struct world *w = *state;
    (void)ask(w, test_charge(w->texts, 1, 15200), 1000);
    struct pg_ledger_request guarded = test_cancel(w->texts, 1, 1);
    guarded.refundable_krw = 15199;
    assert_code(w->texts, ask(w, guarded, 2000), "NOT_MATCHES_REFUNDABLE_AMOUNT");
    assert_int_equal(totals(w, 1).refunded_krw, 0);
    guarded = test_cancel(w->texts, 1, 2);
    guarded.refundable_krw = 15200;
    assert_payment(ask(w, guarded, 3000), PG_CANCELED, 15200, 0);
}

static void cancel_of_more_than_the_balance_changes_nothing(void **state)
{
    struct world *w = *state;
    (void)ask(w, test_charge(w->texts, 1, 15200), 1000);
    struct pg_ledger_request much = test_cancel(w->texts, 1, 1);
    much.amount_krw = 15201;
    assert_code(w->texts, ask(w, much, 2000), "NOT_CANCELABLE_AMOUNT");
    much = test_cancel(w->texts, 1, 2);
    much.amount_krw = INT64_MAX;
    assert_code(w->texts, ask(w, much, 2000), "NOT_CANCELABLE_AMOUNT");
    assert_int_equal(totals(w, 1).refunded_krw, 0);
}

static void refused_for_now_is_replayed_and_a_new_number_works(void **state) /* trap 19 */
{
    struct world *w = *state;
    struct pg_ledger_plan plan = {.code = PG_FAKE_FORBIDDEN_CONSECUTIVE_REQUEST,
                                  .flags = PG_PLAN_NOT_DONE};
    (void)ask(w, test_charge(w->texts, 1, 15200), 1000);
    (void)ask_with(w, test_cancel(w->texts, 1, 1), plan, 2000);
    struct pg_answer later = ask(w, test_cancel(w->texts, 1, 1), 2000 + PG_LEDGER_KEY_KEPT_MS - 1);
    assert_code(w->texts, later, "FORBIDDEN_CONSECUTIVE_REQUEST");
    assert_payment(ask(w, test_cancel(w->texts, 1, 2), 2001), PG_CANCELED, 15200, 0);
}

static void refused_for_good_stays_so_under_every_key(void **state)
{
    struct world *w = *state;
    struct pg_ledger_plan plan = {.code = PG_FAKE_EXCEED_CANCEL_LIMIT,
                                  .flags = PG_PLAN_NOT_DONE | PG_PLAN_NO_CANCELS};
    (void)ask(w, test_charge(w->texts, 1, 15200), 1000);
    struct pg_answer first = ask_with(w, test_cancel(w->texts, 1, 1), plan, 2000);
    assert_int_equal(first.code_class, PG_CODE_CANCEL_REFUSED);
    assert_code(w->texts, ask(w, test_cancel(w->texts, 1, 2), 3000), "NOT_CANCELABLE_PAYMENT");
    assert_int_equal(totals(w, 1).refunded_krw, 0);
}

static void wrong_credentials_are_unauthorized_and_record_nothing(void **state) /* trap 21 */
{
    struct world *w = *state;
    struct pg_ledger_request request = test_charge(w->texts, 1, 15200);
    request.account = 0xbad;
    struct pg_answer answer = ask(w, request, 1000);
    assert_code(w->texts, answer, "UNAUTHORIZED_KEY");
    assert_int_equal(answer.code_class, PG_CODE_CREDENTIALS);
    assert_int_equal(pg_ledger_order_count(w->ledger), 0);
    assert_payment(ask(w, test_charge(w->texts, 1, 15200), 2000), PG_DONE, 15200, 15200);
}

static void another_account_finds_nothing_of_ours(void **state) /* trap 21 */
{
    struct world *w = *state;
    struct pg_answer charged = ask(w, test_charge(w->texts, 1, 15200), 1000);
    struct pg_ledger_request request = test_lookup(1);
    request.account = OTHER_ACCOUNT;
    assert_code(w->texts, ask(w, request, 2000), "NOT_FOUND_PAYMENT");
    request.op = PG_LEDGER_LOOKUP_PG_ID;
    request.pg_id = charged.pg_id;
    assert_code(w->texts, ask(w, request, 2000), "NOT_FOUND_PAYMENT");
    request = test_cancel(w->texts, 1, 1);
    request.account = OTHER_ACCOUNT;
    assert_code(w->texts, ask(w, request, 2000), "NOT_FOUND_PAYMENT");
    assert_int_equal(totals(w, 1).refunded_krw, 0);
}

static void totals_add_up_over_accounts(void **state)
{
    struct world *w = *state;
    (void)ask(w, test_charge(w->texts, 1, 15200), 1000);
    struct pg_ledger_request request = test_charge(w->texts, 1, 15200);
    request.account = OTHER_ACCOUNT;
    (void)ask(w, request, 2000);
    assert_int_equal(totals(w, 1).approvals, 2);
    assert_int_equal(totals(w, 1).captured_krw, 30400);
    assert_int_equal(pg_ledger_order_count(w->ledger), 2);
}

static void requests_out_of_range_are_refused_without_a_charge(void **state)
{
    struct world *w = *state;
    char long_text[400];
    memset(long_text, 'k', sizeof long_text);
    struct pg_ledger_request request = test_charge(w->texts, 1, 99);
    assert_code(w->texts, ask(w, request, 1), "BELOW_MINIMUM_AMOUNT");
    request = test_charge(w->texts, 2, INT64_MAX);
    assert_code(w->texts, ask(w, request, 1), "INVALID_REQUEST");
    request = test_charge(w->texts, 3, 1000);
    request.key = texts_intern(w->texts, long_text, 301);
    assert_code(w->texts, ask(w, request, 1), "INVALID_IDEMPOTENCY_KEY");
    request = test_charge(w->texts, 4, 1000);
    request.billing_key = texts_intern(w->texts, long_text, 201);
    assert_code(w->texts, ask(w, request, 1), "NOT_FOUND_BILLING");
    request = test_charge(w->texts, 5, 1000);
    request.customer = texts_intern(w->texts, long_text, 301);
    assert_code(w->texts, ask(w, request, 1), "FAILED_DB_PROCESSING");
    request.customer = texts_intern(w->texts, long_text, 1);
    request.key = TEXT_NONE;
    assert_code(w->texts, ask(w, request, 1), "INVALID_CUSTOMER_KEY");
    for (uint32_t trip = 1; trip <= 5; trip++) {
        assert_int_equal(totals(w, trip).captured_krw, 0);
    }
}

static void codes_are_those_of_the_closed_list(void **state)
{
    (void)state;
    size_t known = 0;
    for (size_t i = 0; i < pg_code_count(); i++) {
        const char *name = pg_code_at(i);
        known += pg_fake_code_parse(name, strlen(name)) != PG_FAKE_NO_CODE;
    }
    assert_int_equal(known, PG_FAKE_CODE_COUNT - 1);
    assert_int_equal(pg_fake_code_parse("REJECT_CARD", 11), PG_FAKE_NO_CODE);
    for (int code = 1; code < PG_FAKE_CODE_COUNT; code++) {
        const char *name = pg_fake_code_name((enum pg_fake_code)code);
        assert_int_equal(pg_fake_code_parse(name, strlen(name)), code);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        rule(charge_is_approved_as_asked_and_found_by_both_ids),
        rule(unknown_order_and_unknown_pg_id_are_not_found),
        rule(same_key_gives_the_same_answer_whatever_the_body),
        rule(replay_is_the_first_answer_even_after_a_cancel),
        rule(decline_is_replayed_under_its_key_and_leaves_no_payment),
        rule(order_is_approved_once_whatever_the_key),
        rule(another_card_is_another_url_so_the_key_does_not_protect),
        rule(key_is_kept_fifteen_days_from_first_use),
        rule(cancel_takes_all_once_and_its_key_replays),
        rule(after_cancels_in_parts_the_status_stays_partial_at_zero),
        rule(guard_that_is_not_the_balance_changes_nothing),
        rule(cancel_of_more_than_the_balance_changes_nothing),
        rule(refused_for_now_is_replayed_and_a_new_number_works),
        rule(refused_for_good_stays_so_under_every_key),
        rule(wrong_credentials_are_unauthorized_and_record_nothing),
        rule(another_account_finds_nothing_of_ours),
        rule(totals_add_up_over_accounts),
        rule(requests_out_of_range_are_refused_without_a_charge),
        rule(codes_are_those_of_the_closed_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
