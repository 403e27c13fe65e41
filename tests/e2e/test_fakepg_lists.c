/* farebox-fakepg over sockets: transactions, settlements, pages, dates. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fakepg_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WIDE "startDate=2020-01-01T00:00:00&endDate=2090-01-01T00:00:00.123"

static struct fakepg_kit kit;

static int setup(void **state)
{
    (void)state;
    fakepg_kit_init(&kit);
    fakepg_kit_start(&kit, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fakepg_kit_clear(&kit);
    return 0;
}

static json_t *list(const char *query)
{
    char line[512];
    (void)snprintf(line, sizeof line, "GET /v1/transactions?%s", query);
    return fakepg_kit_json(&kit, line, "", NULL, 200);
}

static void cancel_part(const char *payment_key, int amount)
{
    char line[256];
    char body[128];
    (void)snprintf(line, sizeof line, "POST /v1/payments/%s/cancel", payment_key);
    (void)snprintf(body, sizeof body, "{\"cancelReason\":\"r\",\"cancelAmount\":%d}", amount);
    json_decref(fakepg_kit_json(&kit, line, "", body, 200));
}

static void every_charge_and_cancel_is_a_transaction_in_order(void **state)
{
    static const struct {
        const char *status;
        int64_t amount;
    } expected[] = {{"DONE", 9000}, {"PARTIAL_CANCELED", 2000}, {"PARTIAL_CANCELED", 7000}};
    (void)state;
    fakepg_kit_set(&kit, "reset", "{}");
    json_t *payment = fakepg_kit_charge(&kit, "order-list", 9000);
    cancel_part(kit_text(payment, "paymentKey"), 2000);
    cancel_part(kit_text(payment, "paymentKey"), 7000);
    json_t *all = list(WIDE);
    assert_int_equal(json_array_size(all), 3);
    for (size_t i = 0; i < 3; i++) {
        const json_t *transaction = json_array_get(all, i);
        assert_string_equal(kit_text(transaction, "status"), expected[i].status);
        assert_int_equal(kit_number(transaction, "amount"), expected[i].amount);
        assert_string_equal(kit_text(transaction, "orderId"), "order-list");
        assert_string_equal(kit_text(transaction, "paymentKey"), kit_text(payment, "paymentKey"));
        assert_string_equal(kit_text(transaction, "customerKey"), "user-1");
    }
    assert_string_equal(kit_text(json_array_get(all, 0), "transactionKey"),
                        kit_text(payment, "lastTransactionKey"));
    json_decref(all);
    json_decref(payment);
}

static void pages_go_on_behind_a_transaction_and_lose_none(void **state)
{
    char order[32];
    char query[256];
    char after[80] = "";
    int seen = 0;
    (void)state;
    fakepg_kit_set(&kit, "reset", "{}");
    for (int i = 0; i < 130; i++) {
        (void)snprintf(order, sizeof order, "order-page-%d", i);
        json_decref(fakepg_kit_charge(&kit, order, 1000 + i));
    }
    json_t *all = list(WIDE);
    assert_int_equal(json_array_size(all), 100); /* by default */
    json_decref(all);
    for (size_t got = 7; got == 7;) {
        (void)snprintf(query, sizeof query, WIDE "&limit=7%s%s",
                       after[0] != '\0' ? "&startingAfter=" : "", after);
        json_t *page = list(query);
        got = json_array_size(page);
        for (size_t i = 0; i < got; i++) {
            assert_int_equal(kit_number(json_array_get(page, i), "amount"), 1000 + seen++);
            (void)snprintf(after, sizeof after, "%s",
                           kit_text(json_array_get(page, i), "transactionKey"));
        }
        json_decref(page);
    }
    assert_int_equal(seen, 130);
}

static void another_merchants_transactions_are_not_listed(void **state)
{
    char line[256];
    (void)state;
    fakepg_kit_set(&kit, "reset", "{}");
    json_t *payment = fakepg_kit_charge(&kit, "order-mine", 1000);
    json_t *others = fakepg_kit_json(&kit, "GET /v1/transactions?" WIDE, KIT_OTHER_AUTH, NULL, 200);
    assert_int_equal(json_array_size(others), 0);
    (void)snprintf(line, sizeof line, "GET /v1/transactions?" WIDE "&startingAfter=%s",
                   kit_text(payment, "lastTransactionKey"));
    fakepg_kit_refused(&kit, line, KIT_OTHER_AUTH, NULL, 400, "INVALID_TRANSACTION_KEY");
    json_decref(others);
    json_decref(payment);
}

static void dates_are_local_and_have_no_zone(void **state)
{
    static const char *const wrong[] = {
        "startDate=2020-01-01T00:00:00Z&endDate=2090-01-01T00:00:00",
        "startDate=2020-01-01T00:00:00&endDate=2090-01-01T00:00:00%2B09:00",
        "startDate=2020-01-01T&endDate=2090-01-01T00:00:00",
        "startDate=2020-02-30T00:00:00&endDate=2090-01-01T00:00:00",
        "startDate=2020-01-01T24:00:00&endDate=2090-01-01T00:00:00",
        "startDate=2020-01-01T00:00:00.1234&endDate=2090-01-01T00:00:00",
        "startDate=2020-01-01%2000:00:00&endDate=2090-01-01T00:00:00",
        "startDate=2090-01-01T00:00:00&endDate=2020-01-01T00:00:00",
        "startDate=&endDate=2090-01-01T00:00:00",
    };
    char line[256];
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        (void)snprintf(line, sizeof line, "GET /v1/transactions?%s", wrong[i]);
        fakepg_kit_refused(&kit, line, "", NULL, 400, "INVALID_DATE");
    }
    json_decref(list("startDate=2020-01-01&endDate=2090-01-01")); /* midnight */
    json_decref(list("startDate=2020-01-01T00:00:00.1&endDate=2090-01-01T00:00:00.123"));
    fakepg_kit_refused(&kit, "GET /v1/transactions?endDate=2090-01-01T00:00:00", "", NULL, 400,
                       "INVALID_REQUEST");
    fakepg_kit_refused(&kit, "GET /v1/transactions", "", NULL, 400, "INVALID_REQUEST");
}

static void a_time_outside_the_dates_is_not_listed(void **state)
{
    (void)state;
    fakepg_kit_set(&kit, "reset", "{}");
    json_decref(fakepg_kit_charge(&kit, "order-dates", 1000));
    json_t *old = list("startDate=2020-01-01T00:00:00&endDate=2021-01-01T00:00:00");
    json_t *future = list("startDate=2089-01-01T00:00:00&endDate=2090-01-01T00:00:00");
    assert_int_equal(json_array_size(old), 0);
    assert_int_equal(json_array_size(future), 0);
    json_decref(old);
    json_decref(future);
}

static void an_unknown_transaction_key_and_a_wrong_limit_are_refused(void **state)
{
    (void)state;
    fakepg_kit_refused(&kit, "GET /v1/transactions?" WIDE "&startingAfter=nobody", "", NULL, 400,
                       "INVALID_TRANSACTION_KEY");
    fakepg_kit_refused(&kit, "GET /v1/transactions?" WIDE "&limit=5001", "", NULL, 400,
                       "INVALID_REQUEST");
    fakepg_kit_refused(&kit, "GET /v1/transactions?" WIDE "&limit=0", "", NULL, 400,
                       "INVALID_REQUEST");
    json_decref(list(WIDE "&limit=5000"));
}

static void a_charge_made_just_now_may_be_absent(void **state)
{
    (void)state;
    fakepg_kit_set(&kit, "reset", "{}");
    fakepg_kit_set(&kit, "config", "{\"transactions_lag_ms\":60000}");
    json_decref(fakepg_kit_charge(&kit, "order-lag", 1000));
    json_t *now = list(WIDE);
    assert_int_equal(json_array_size(now), 0);
    fakepg_kit_set(&kit, "clock", "{\"ahead_ms\":60000}");
    json_t *later = list(WIDE);
    assert_int_equal(json_array_size(later), 1);
    json_decref(now);
    json_decref(later);
}

static void settlements_tell_fees_by_day_of_sale_or_of_payout(void **state)
{
    (void)state;
    fakepg_kit_set(&kit, "reset", "{}");
    json_t *payment = fakepg_kit_charge(&kit, "order-settle", 10000);
    cancel_part(kit_text(payment, "paymentKey"), 4000);
    json_t *all = fakepg_kit_json(
        &kit, "GET /v1/settlements?startDate=2020-01-01&endDate=2090-01-01", "", NULL, 200);
    assert_int_equal(json_array_size(all), 2);
    const json_t *sale = json_array_get(all, 0);
    assert_int_equal(kit_number(sale, "amount"), 10000);
    assert_int_equal(kit_number(sale, "fee") + kit_number(sale, "payOutAmount"), 10000);
    assert_int_equal(kit_number(sale, "supplyAmount") + kit_number(sale, "vat"),
                     kit_number(sale, "fee"));
    assert_int_equal(json_array_size(json_object_get(sale, "fees")), 1);
    const json_t *refund = json_array_get(all, 1);
    assert_int_equal(json_integer_value(json_object_get(refund, "amount")), -4000);
    assert_true(json_is_object(json_object_get(refund, "cancel")));
    char line[256];
    (void)snprintf(line, sizeof line,
                   "GET /v1/settlements?startDate=%s&endDate=%s&dateType=paidOutDate",
                   kit_text(sale, "paidOutDate"), kit_text(sale, "paidOutDate"));
    json_t *paid = fakepg_kit_json(&kit, line, "", NULL, 200);
    assert_int_equal(json_array_size(paid), 2);
    (void)snprintf(line, sizeof line,
                   "GET /v1/settlements?startDate=%s&endDate=%s&dateType=soldDate",
                   kit_text(sale, "paidOutDate"), kit_text(sale, "paidOutDate"));
    json_t *sold = fakepg_kit_json(&kit, line, "", NULL, 200);
    assert_int_equal(json_array_size(sold), 0);
    json_decref(sold);
    json_decref(paid);
    json_decref(all);
    json_decref(payment);
}

static void settlements_come_in_pages(void **state)
{
    (void)state;
    fakepg_kit_set(&kit, "reset", "{}");
    for (int i = 0; i < 5; i++) {
        char order[32];
        (void)snprintf(order, sizeof order, "order-set-%d", i);
        json_decref(fakepg_kit_charge(&kit, order, 1000 + i));
    }
    json_t *page = fakepg_kit_json(
        &kit, "GET /v1/settlements?startDate=2020-01-01&endDate=2090-01-01&page=2&size=3", "", NULL,
        200);
    assert_int_equal(json_array_size(page), 2);
    assert_int_equal(kit_number(json_array_get(page, 0), "amount"), 1003);
    json_decref(page);
    fakepg_kit_refused(&kit,
                       "GET /v1/settlements?startDate=2020-01-01&endDate=2090-01-01&dateType=x", "",
                       NULL, 400, "INVALID_REQUEST");
}

/* Status 0 also says that no sanitizer has complained. The last of the tests. */
static void sigterm_ends_it_with_status_0(void **state)
{
    (void)state;
    fakepg_kit_stop(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_charge_and_cancel_is_a_transaction_in_order),
        cmocka_unit_test(pages_go_on_behind_a_transaction_and_lose_none),
        cmocka_unit_test(another_merchants_transactions_are_not_listed),
        cmocka_unit_test(dates_are_local_and_have_no_zone),
        cmocka_unit_test(a_time_outside_the_dates_is_not_listed),
        cmocka_unit_test(an_unknown_transaction_key_and_a_wrong_limit_are_refused),
        cmocka_unit_test(a_charge_made_just_now_may_be_absent),
        cmocka_unit_test(settlements_tell_fees_by_day_of_sale_or_of_payout),
        cmocka_unit_test(settlements_come_in_pages),
        cmocka_unit_test(sigterm_ends_it_with_status_0),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
