/* farebox-fakepg: limits, delays, outages, pricing and users, and the controls themselves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fakepg_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHARGE "POST /v1/billing/bk_1%3D"
#define FARE                                                                                       \
    "GET /internal/api/pricing/calculate?tripId=trip-1&distance_meters=5200&duration_seconds=900"  \
    "&end_timestamp=2026-10-01T15:40:09"
#define PAYER "GET /internal/api/users/user-1/payment-methods/default"

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

static int forget(void **state)
{
    (void)state;
    fakepg_kit_set(&kit, "reset", "{}");
    return 0;
}

static int status_of(const char *line)
{
    struct fakepg_answered answered;
    fakepg_kit_ask(&kit, line, KIT_AUTH, NULL, &answered);
    int status = answered.status;
    fakepg_answered_clear(&answered);
    return status;
}

static void beyond_the_limit_of_a_minute_requests_are_too_many(void **state)
{
    static const char line[] = "GET /v1/payments/orders/order-limit";
    (void)state;
    fakepg_kit_set(&kit, "config", "{\"request_limit\":3}");
    for (int i = 0; i < 3; i++) {
        fakepg_kit_refused(&kit, line, "", NULL, 404, "NOT_FOUND_PAYMENT");
    }
    fakepg_kit_refused(&kit, line, "", NULL, 429, "TOO_MANY_REQUESTS");
    fakepg_kit_refused(&kit, line, KIT_OTHER_AUTH, NULL, 404, "NOT_FOUND_PAYMENT");
    fakepg_kit_set(&kit, "clock", "{\"ahead_ms\":60000}");
    fakepg_kit_refused(&kit, line, "", NULL, 404, "NOT_FOUND_PAYMENT");
}

static void an_answer_waits_for_its_delay(void **state)
{
    struct fakepg_answered answered;
    (void)state;
    fakepg_kit_set(&kit, "config",
                   "{\"delay\":{\"pg\":{\"kind\":\"fixed\",\"ms\":400},\"users\":{\"kind\":"
                   "\"uniform\",\"ms\":300,\"max_ms\":310}}}");
    fakepg_kit_ask(&kit, "GET /v1/payments/orders/order-delay", KIT_AUTH, NULL, &answered);
    assert_true(answered.status == 404 && answered.took_ms >= 400);
    fakepg_answered_clear(&answered);
    fakepg_kit_ask(&kit, PAYER, "", NULL, &answered);
    assert_true(answered.status == 200 && answered.took_ms >= 300);
    fakepg_answered_clear(&answered);
}

static void an_outage_ends_by_itself(void **state)
{
    (void)state;
    fakepg_kit_set(&kit, "outages", "{\"of\":\"pg\",\"for_ms\":60000}");
    fakepg_kit_set(&kit, "outages", "{\"of\":\"pricing\",\"for_ms\":60000}");
    assert_int_equal(status_of("GET /v1/payments/orders/order-out"), 0);
    assert_int_equal(status_of(FARE), 0);
    assert_int_equal(status_of(PAYER), 200);
    fakepg_kit_set(&kit, "clock", "{\"ahead_ms\":60000}");
    assert_int_equal(status_of("GET /v1/payments/orders/order-out"), 404);
    assert_int_equal(status_of(FARE), 200);
}

static void pricing_and_users_answer_as_the_contracts_have_it(void **state)
{
    (void)state;
    json_t *fare = fakepg_kit_json(&kit, FARE, "", NULL, 200);
    assert_true(kit_number(fare, "fare") > 0);
    json_t *payer = fakepg_kit_json(&kit, PAYER, "", NULL, 200);
    assert_string_equal(kit_text(payer, "userId"), "user-1");
    assert_true(strlen(kit_text(payer, "paymentMethodId")) > 0);
    assert_true(strchr(kit_text(payer, "billingKey"), '=') != NULL);
    json_t *again = fakepg_kit_json(&kit, PAYER, "", NULL, 200);
    assert_true(json_equal(payer, again));
    fakepg_kit_set(&kit, "cards/change", "{}");
    json_t *changed = fakepg_kit_json(&kit, PAYER, "", NULL, 200);
    assert_string_not_equal(kit_text(payer, "billingKey"), kit_text(changed, "billingKey"));
    json_decref(fare);
    json_decref(payer);
    json_decref(again);
    json_decref(changed);
    assert_int_equal(status_of("GET /internal/api/pricing/calculate?tripId=trip-1"), 400);
}

static void an_override_decides_what_one_id_gets(void **state)
{
    (void)state;
    fakepg_kit_set(&kit, "overrides",
                   "{\"upstream\":\"pricing\",\"id\":\"trip-1\",\"kind\":\"fare\",\"fare\":-5}");
    fakepg_kit_set(&kit, "overrides",
                   "{\"upstream\":\"users\",\"id\":\"user-1\",\"kind\":\"not_found\"}");
    json_t *fare = fakepg_kit_json(&kit, FARE, "", NULL, 200);
    assert_int_equal(json_integer_value(json_object_get(fare, "fare")), -5);
    json_decref(fare);
    assert_int_equal(status_of(PAYER), 404);
    fakepg_kit_set(&kit, "overrides",
                   "{\"upstream\":\"pricing\",\"id\":\"trip-1\",\"kind\":\"not_whole\"}");
    fare = fakepg_kit_json(&kit, FARE, "", NULL, 200);
    assert_true(json_is_real(json_object_get(fare, "fare")));
    json_decref(fare);
    fakepg_kit_set(&kit, "overrides",
                   "{\"upstream\":\"pricing\",\"id\":\"trip-1\",\"kind\":\"trouble\"}");
    assert_int_equal(status_of(FARE), 503);
    fakepg_kit_set(&kit, "overrides",
                   "{\"upstream\":\"pricing\",\"id\":\"trip-1\",\"kind\":\"refused\"}");
    assert_int_equal(status_of(FARE), 400);
    fakepg_kit_set(&kit, "reset", "{}");
    assert_int_equal(status_of(FARE), 200);
    assert_int_equal(status_of(PAYER), 200);
}

static void weights_make_faults_at_random_until_they_are_off(void **state)
{
    int without_answer = 0;
    (void)state;
    fakepg_kit_set(&kit, "config",
                   "{\"weights\":{\"lost_before\":500},\"pricing_weights\":{\"trouble\":1000}}");
    for (int i = 0; i < 40; i++) {
        without_answer += status_of("GET /v1/payments/orders/order-random") == 0;
    }
    assert_in_range(without_answer, 5, 35);
    assert_int_not_equal(status_of(FARE), 200);
    fakepg_kit_set(&kit, "faults/off", "{}");
    for (int i = 0; i < 40; i++) {
        assert_int_equal(status_of("GET /v1/payments/orders/order-random"), 404);
    }
    assert_int_equal(status_of(FARE), 200);
}

static void the_ledger_adds_up_and_comes_in_pages(void **state)
{
    char line[256];
    (void)state;
    for (int i = 0; i < 5; i++) {
        char order[32];
        (void)snprintf(order, sizeof order, "order-sum-%d", i);
        json_decref(fakepg_kit_charge(&kit, order, 1000));
    }
    json_t *first = fakepg_kit_order(&kit, "order-sum-0");
    (void)snprintf(line, sizeof line, "POST /v1/payments/%s/cancel", kit_text(first, "paymentKey"));
    json_decref(fakepg_kit_json(&kit, line, "", "{\"cancelReason\":\"r\"}", 200));
    json_t *page = fakepg_kit_control(&kit, "ledger?from=3&limit=10", NULL);
    const json_t *totals = json_object_get(page, "totals");
    assert_int_equal(kit_number(page, "count"), 5);
    assert_int_equal(json_array_size(json_object_get(page, "orders")), 2);
    assert_int_equal(kit_number(totals, "captured"), 5000);
    assert_int_equal(kit_number(totals, "refunded"), 1000);
    assert_int_equal(kit_number(totals, "approvals"), 5);
    assert_int_equal(kit_number(totals, "approved_twice"), 0);
    json_decref(page);
    json_decref(first);
}

static void a_wrong_control_is_told_and_changes_nothing(void **state)
{
    static const struct {
        const char *line;
        const char *body;
        const char *told;
    } cases[] = {
        {"POST /fake/faults", "{\"fault\":\"nonsense\"}", "fault:"},
        {"POST /fake/faults", "{\"fault\":\"decline\",\"code\":\"NOPE\"}", "code:"},
        {"POST /fake/faults", "{\"fault\":\"decline\",\"op\":\"nope\"}", "op:"},
        {"POST /fake/faults", "{\"fault\":\"broken\",\"wire\":\"nope\"}", "wire:"},
        {"POST /fake/faults", "{\"fault\":\"broken\",\"times\":-1}", "times"},
        {"POST /fake/config", "{\"weights\":{\"lost_after\":1001}}", "lost_after"},
        {"POST /fake/config", "{\"weights\":{\"lost_after\":600,\"late\":600}}", "1000"},
        {"POST /fake/config", "{\"chunk_bytes\":1,\"nope\":1}", "nope"},
        {"POST /fake/config", "{\"delay\":{\"pg\":{\"kind\":\"fixed\",\"ms\":-1}}}", "pg"},
        {"POST /fake/config", "{\"lost\":\"nope\"}", "lost"},
        {"POST /fake/clock", "{\"ahead_ms\":-1}", "ahead_ms"},
        {"POST /fake/outages", "{\"of\":\"nope\"}", "of:"},
        {"POST /fake/overrides", "{\"upstream\":\"users\"}", "id:"},
        {"POST /fake/config", "{", "not JSON"},
    };
    (void)state;
    json_t *before = fakepg_kit_control(&kit, "config", NULL);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *json = fakepg_kit_json(&kit, cases[i].line, "", cases[i].body, 400);
        if (strstr(kit_text(json, "error"), cases[i].told) == NULL) {
            fail_msg("%s: %s", cases[i].body, kit_text(json, "error"));
        }
        json_decref(json);
    }
    json_t *after = fakepg_kit_control(&kit, "config", NULL);
    json_t *rules = fakepg_kit_control(&kit, "faults", NULL);
    assert_true(json_equal(before, after));
    assert_int_equal(json_array_size(rules), 0);
    json_decref(before);
    json_decref(after);
    json_decref(rules);
    json_decref(fakepg_kit_json(&kit, "GET /fake/nothing", "", NULL, 404));
}

static void rules_are_listed_and_cleared(void **state)
{
    (void)state;
    fakepg_kit_set(&kit, "faults",
                   "{\"fault\":\"late\",\"op\":\"cancel\",\"value\":5,\"times\":2}");
    json_t *rules = fakepg_kit_control(&kit, "faults", NULL);
    const json_t *rule = json_array_get(rules, 0);
    assert_int_equal(json_array_size(rules), 1);
    assert_string_equal(kit_text(rule, "fault"), "late");
    assert_string_equal(kit_text(rule, "op"), "cancel");
    assert_int_equal(kit_number(rule, "times"), 2);
    json_decref(rules);
    json_decref(fakepg_kit_json(&kit, "DELETE /fake/faults", "", NULL, 200));
    rules = fakepg_kit_control(&kit, "faults", NULL);
    assert_int_equal(json_array_size(rules), 0);
    json_decref(rules);
}

/* Status 0 also says that no sanitizer has complained. The last of the tests. */
static void sigterm_ends_it_with_status_0(void **state)
{
    (void)state;
    fakepg_kit_stop(&kit);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, forget)
    const struct CMUnitTest tests[] = {
        TEST(beyond_the_limit_of_a_minute_requests_are_too_many),
        TEST(an_answer_waits_for_its_delay),
        TEST(an_outage_ends_by_itself),
        TEST(pricing_and_users_answer_as_the_contracts_have_it),
        TEST(an_override_decides_what_one_id_gets),
        TEST(weights_make_faults_at_random_until_they_are_off),
        TEST(the_ledger_adds_up_and_comes_in_pages),
        TEST(a_wrong_control_is_told_and_changes_nothing),
        TEST(rules_are_listed_and_cleared),
        cmocka_unit_test(sigterm_ends_it_with_status_0),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
