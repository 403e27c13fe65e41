/* farebox-fakepg: each fault as a client sees it, and what the ledger says of it. */
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
    fakepg_kit_set(&kit, "config", "{\"timeout_ms\":300,\"slow_max_ms\":50}");
    return 0;
}

static void rule(const char *json)
{
    fakepg_kit_set(&kit, "faults", json);
}

static const char *body_of(const char *order)
{
    static char body[256];
    (void)snprintf(body, sizeof body,
                   "{\"customerKey\":\"user-1\",\"amount\":15200,\"orderId\":\"%s\",\"orderName\":"
                   "\"n\"}",
                   order);
    return body;
}

static struct fakepg_answered charge(const char *order)
{
    struct fakepg_answered answered;
    fakepg_kit_ask(&kit, CHARGE, KIT_AUTH, body_of(order), &answered);
    return answered;
}

/* A charge under this fault: the answer's status (0: none came), then what the ledger has. */
static void expect_charge(const char *fault, int status, int64_t captured)
{
    char text[256];
    (void)snprintf(text, sizeof text, "{\"fault\":\"%s\",\"op\":\"charge\",\"times\":1}", fault);
    rule(text);
    struct fakepg_answered answered = charge("order-fault");
    if (answered.status != status) {
        fail_msg("%s: status %d instead of %d: %s", fault, answered.status, status, answered.body);
    }
    fakepg_answered_clear(&answered);
    json_t *ledger = fakepg_kit_control(&kit, "ledger", NULL);
    if (kit_number(json_object_get(ledger, "totals"), "captured") != captured) {
        fail_msg("%s: captured %ld", fault,
                 (long)kit_number(json_object_get(ledger, "totals"), "captured"));
    }
    json_decref(ledger);
    json_t *counts = fakepg_kit_control(&kit, "counts", NULL);
    assert_int_equal(kit_number(json_object_get(counts, "pg"), fault), 1);
    json_decref(counts);
    (void)forget(NULL);
}

static void each_fault_of_a_charge_is_seen_outside_and_told_by_the_ledger(void **state)
{
    static const struct {
        const char *fault;
        int status;
        int64_t captured;
    } cases[] = {
        {"none", 200, 15200},
        {"not_sent", 0, 0},
        {"lost_before", 0, 0},
        {"lost_after", 0, 15200},
        {"late", 0, 0},
        {"in_progress", 200, 0},
        {"aborted", 200, 0},
        {"error_before", 500, 0},
        {"error_after", 500, 15200},
        {"no_pg_id", 200, 15200},
        {"wrong_currency", 200, 15200},
        {"foreign", 200, 15200},
        {"slow", 200, 15200},
        {"unauthorized", 401, 0},
        {"wrong_url", 404, 0},
        {"too_many", 429, 0},
        {"processing", 409, 0},
        {"outside_cancel", 200, 15200},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (strncmp(cases[i].fault, "error", 5) == 0) {
            continue; /* below, with a code */
        }
        expect_charge(cases[i].fault, cases[i].status, cases[i].captured);
    }
}

static void an_error_may_be_told_though_the_charge_was_done(void **state)
{
    (void)state;
    rule(
        "[{\"fault\":\"error_after\",\"code\":\"PROVIDER_ERROR\",\"orderId\":\"order-after\"},"
        "{\"fault\":\"error_before\",\"code\":\"UNKNOWN_ERROR\",\"orderId\":\"order-before\"},"
        "{\"fault\":\"decline\",\"code\":\"INVALID_STOPPED_CARD\",\"orderId\":\"order-decline\"}]");
    fakepg_kit_refused(&kit, CHARGE, "", body_of("order-after"), 400, "PROVIDER_ERROR");
    fakepg_kit_refused(&kit, CHARGE, "", body_of("order-before"), 500, "UNKNOWN_ERROR");
    fakepg_kit_refused(&kit, CHARGE, "", body_of("order-decline"), 400, "INVALID_STOPPED_CARD");
    json_decref(fakepg_kit_json(&kit, "GET /v1/payments/orders/order-after", "", NULL, 200));
    json_t *before = fakepg_kit_order(&kit, "order-before");
    assert_int_equal(kit_number(before, "captured"), 0);
    json_decref(before);
}

static void what_is_wrong_in_a_payment_object_is_in_it(void **state)
{
    (void)state;
    rule("[{\"fault\":\"wrong_amount\",\"value\":15201,\"orderId\":\"order-amount\"},"
         "{\"fault\":\"wrong_currency\",\"orderId\":\"order-usd\"},"
         "{\"fault\":\"no_pg_id\",\"op\":\"charge\",\"orderId\":\"order-nokey\"},"
         "{\"fault\":\"foreign\",\"orderId\":\"order-foreign\"},"
         "{\"fault\":\"in_progress\",\"value\":60000,\"orderId\":\"order-slowly\"}]");
    json_t *payment = fakepg_kit_charge(&kit, "order-amount", 15200);
    assert_int_equal(kit_number(payment, "totalAmount"), 15201);
    json_decref(payment);
    payment = fakepg_kit_charge(&kit, "order-usd", 15200);
    assert_string_equal(kit_text(payment, "currency"), "USD");
    json_decref(payment);
    payment = fakepg_kit_charge(&kit, "order-nokey", 15200);
    assert_true(json_is_null(json_object_get(payment, "paymentKey")));
    json_decref(payment);
    payment = fakepg_kit_charge(&kit, "order-foreign", 15200);
    assert_string_not_equal(kit_text(payment, "orderId"), "order-foreign");
    json_decref(payment);
    payment = fakepg_kit_charge(&kit, "order-slowly", 15200);
    assert_string_equal(kit_text(payment, "status"), "IN_PROGRESS");
    assert_true(json_is_null(json_object_get(payment, "approvedAt")));
    json_decref(payment);
    fakepg_kit_set(&kit, "clock", "{\"ahead_ms\":60000}");
    payment = fakepg_kit_json(&kit, "GET /v1/payments/orders/order-slowly", "", NULL, 200);
    assert_string_equal(kit_text(payment, "status"), "DONE");
    json_decref(payment);
}

static void a_charge_in_progress_may_end_aborted(void **state)
{
    (void)state;
    rule("{\"fault\":\"aborted\",\"value\":60000,\"orderId\":\"order-abort\"}");
    json_t *payment = fakepg_kit_charge(&kit, "order-abort", 15200);
    assert_string_equal(kit_text(payment, "status"), "IN_PROGRESS");
    json_decref(payment);
    fakepg_kit_set(&kit, "clock", "{\"ahead_ms\":60000}");
    payment = fakepg_kit_json(&kit, "GET /v1/payments/orders/order-abort", "", NULL, 200);
    assert_string_equal(kit_text(payment, "status"), "ABORTED");
    assert_true(json_is_null(json_object_get(payment, "lastTransactionKey")));
    json_decref(payment);
}

static void an_operator_cancels_a_part_outside(void **state)
{
    (void)state;
    rule("{\"fault\":\"outside_cancel\",\"value\":200,\"orderId\":\"order-outside\"}");
    json_decref(fakepg_kit_charge(&kit, "order-outside", 15200));
    fakepg_kit_set(&kit, "clock", "{\"ahead_ms\":1300000000}");
    json_t *payment = fakepg_kit_json(&kit, "GET /v1/payments/orders/order-outside", "", NULL, 200);
    assert_int_equal(kit_number(payment, "balanceAmount"), 15000);
    assert_int_equal(
        kit_number(json_array_get(json_object_get(payment, "cancels"), 0), "cancelAmount"), 200);
    json_t *order = fakepg_kit_order(&kit, "order-outside");
    assert_int_equal(kit_number(order, "refunded_outside"), 200);
    json_decref(order);
    json_decref(payment);
}

static void a_look_up_may_be_stale(void **state)
{
    char line[256];
    (void)state;
    json_t *payment = fakepg_kit_charge(&kit, "order-stale", 15200);
    (void)snprintf(line, sizeof line, "POST /v1/payments/%s/cancel",
                   kit_text(payment, "paymentKey"));
    json_decref(fakepg_kit_json(&kit, line, "", "{\"cancelReason\":\"r\"}", 200));
    rule("{\"fault\":\"stale\",\"op\":\"lookup\",\"times\":1}");
    json_t *stale = fakepg_kit_json(&kit, "GET /v1/payments/orders/order-stale", "", NULL, 200);
    json_t *fresh = fakepg_kit_json(&kit, "GET /v1/payments/orders/order-stale", "", NULL, 200);
    assert_true(json_equal(stale, payment));
    assert_string_equal(kit_text(fresh, "status"), "CANCELED");
    json_decref(stale);
    json_decref(fresh);
    json_decref(payment);
}

static void a_cancel_may_be_refused_for_good_or_land_late(void **state)
{
    char line[256];
    struct fakepg_answered answered;
    (void)state;
    rule("[{\"fault\":\"cancel_refused\",\"code\":\"EXCEED_CANCEL_LIMIT\",\"orderId\":"
         "\"order-never\",\"times\":1},"
         "{\"fault\":\"late\",\"op\":\"cancel\",\"value\":60000,\"orderId\":\"order-tardy\"},"
         "{\"fault\":\"consecutive\",\"op\":\"cancel\",\"orderId\":\"order-again\"}]");
    json_t *payment = fakepg_kit_charge(&kit, "order-never", 15200);
    (void)snprintf(line, sizeof line, "POST /v1/payments/%s/cancel",
                   kit_text(payment, "paymentKey"));
    fakepg_kit_refused(&kit, line, "", "{\"cancelReason\":\"r\"}", 403, "EXCEED_CANCEL_LIMIT");
    fakepg_kit_refused(&kit, line, "", "{\"cancelReason\":\"r\"}", 403, "NOT_CANCELABLE_PAYMENT");
    json_decref(payment);
    payment = fakepg_kit_charge(&kit, "order-tardy", 15200);
    (void)snprintf(line, sizeof line, "POST /v1/payments/%s/cancel",
                   kit_text(payment, "paymentKey"));
    fakepg_kit_ask(&kit, line, KIT_AUTH, "{\"cancelReason\":\"why\"}", &answered);
    assert_int_equal(answered.status, 0);
    fakepg_answered_clear(&answered);
    json_decref(payment);
    json_t *pending = fakepg_kit_control(&kit, "pending", NULL);
    assert_int_equal(kit_number(pending, "pending"), 1);
    json_decref(pending);
    fakepg_kit_set(&kit, "clock", "{\"ahead_ms\":60000}");
    payment = fakepg_kit_json(&kit, "GET /v1/payments/orders/order-tardy", "", NULL, 200);
    assert_string_equal(kit_text(payment, "status"), "CANCELED");
    assert_string_equal(
        kit_text(json_array_get(json_object_get(payment, "cancels"), 0), "cancelReason"), "why");
    json_decref(payment);
    payment = fakepg_kit_charge(&kit, "order-again", 15200);
    (void)snprintf(line, sizeof line, "POST /v1/payments/%s/cancel",
                   kit_text(payment, "paymentKey"));
    fakepg_kit_refused(&kit, line, "", "{\"cancelReason\":\"r\"}", 403,
                       "FORBIDDEN_CONSECUTIVE_REQUEST");
    json_decref(payment);
}

/* A charge whose answer breaks in this way; it was done. */
static struct fakepg_answered broken(const char *wire, const char *order)
{
    char text[256];
    (void)snprintf(text, sizeof text,
                   "{\"fault\":\"broken\",\"wire\":\"%s\",\"orderId\":\"%s\",\"times\":1}", wire,
                   order);
    rule(text);
    struct fakepg_answered answered = charge(order);
    json_t *ledger = fakepg_kit_order(&kit, order);
    assert_int_equal(kit_number(ledger, "captured"), 15200);
    json_decref(ledger);
    return answered;
}

static void an_answer_breaks_in_each_way_that_is_asked_for(void **state)
{
    (void)state;
    struct fakepg_answered answered = broken("html", "order-html");
    assert_int_equal(answered.status, 502);
    assert_non_null(strstr(answered.body, "<html>"));
    fakepg_answered_clear(&answered);
    answered = broken("half", "order-half");
    assert_true(answered.status == 200 && !answered.is_whole && !answered.is_chunked);
    assert_non_null(strstr(answered.body, "paymentKey"));
    fakepg_answered_clear(&answered);
    answered = broken("chunk_cut", "order-cut");
    assert_true(answered.status == 200 && !answered.is_whole && answered.is_chunked);
    fakepg_answered_clear(&answered);
    answered = broken("empty", "order-empty");
    assert_true(answered.status == 200 && answered.is_whole && answered.len == 0);
    fakepg_answered_clear(&answered);
    answered = broken("garbage", "order-garbage");
    assert_null(json_loadb(answered.body, answered.len, 0, NULL));
    assert_true(answered.status == 200 && answered.is_whole);
    fakepg_answered_clear(&answered);
    answered = broken("huge", "order-huge");
    assert_int_equal(answered.len, 10U << 20);
    fakepg_answered_clear(&answered);
    answered = broken("redirect", "order-redirect");
    assert_int_equal(answered.status, 302);
    assert_non_null(strstr(answered.head, "\r\nLocation: "));
    fakepg_answered_clear(&answered);
    answered = broken("close", "order-close");
    assert_int_equal(answered.status, 0);
    fakepg_answered_clear(&answered);
    answered = broken("hang", "order-hang");
    assert_true(answered.status == 0 && answered.took_ms >= 300);
    fakepg_answered_clear(&answered);
}

static void a_lost_answer_hangs_where_that_is_asked_for(void **state)
{
    (void)state;
    fakepg_kit_set(&kit, "config", "{\"lost\":\"hang\"}");
    rule("{\"fault\":\"lost_after\",\"op\":\"charge\",\"times\":1}");
    struct fakepg_answered answered = charge("order-hangs");
    assert_true(answered.status == 0 && answered.took_ms >= 300);
    fakepg_answered_clear(&answered);
}

static void a_rule_takes_only_what_it_names(void **state)
{
    (void)state;
    rule("{\"fault\":\"lost_before\",\"op\":\"charge\",\"skip\":1,\"times\":2}");
    struct fakepg_answered answered[4];
    for (int i = 0; i < 4; i++) {
        char order[32];
        (void)snprintf(order, sizeof order, "order-rule-%d", i);
        answered[i] = charge(order);
    }
    assert_int_equal(answered[0].status, 200);
    assert_int_equal(answered[1].status, 0);
    assert_int_equal(answered[2].status, 0);
    assert_int_equal(answered[3].status, 200);
    for (int i = 0; i < 4; i++) {
        fakepg_answered_clear(&answered[i]);
    }
    rule("{\"fault\":\"decline\",\"amount\":777,\"code\":\"REJECT_CARD_PAYMENT\"}");
    fakepg_kit_refused(&kit, CHARGE, "",
                       "{\"customerKey\":\"user-1\",\"amount\":777,\"orderId\":\"order-777\","
                       "\"orderName\":\"n\"}",
                       403, "REJECT_CARD_PAYMENT");
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
        TEST(each_fault_of_a_charge_is_seen_outside_and_told_by_the_ledger),
        TEST(an_error_may_be_told_though_the_charge_was_done),
        TEST(what_is_wrong_in_a_payment_object_is_in_it),
        TEST(a_charge_in_progress_may_end_aborted),
        TEST(an_operator_cancels_a_part_outside),
        TEST(a_look_up_may_be_stale),
        TEST(a_cancel_may_be_refused_for_good_or_land_late),
        TEST(an_answer_breaks_in_each_way_that_is_asked_for),
        TEST(a_lost_answer_hangs_where_that_is_asked_for),
        TEST(a_rule_takes_only_what_it_names),
        cmocka_unit_test(sigterm_ends_it_with_status_0),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
