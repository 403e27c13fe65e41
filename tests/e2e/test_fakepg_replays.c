/* farebox-fakepg over sockets: what an Idempotency-Key replays. */
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
#define BODY(order, amount)                                                                        \
    "{\"customerKey\":\"user-1\",\"amount\":" amount ",\"orderId\":\"" order                       \
    "\",\"orderName\":\"taxi\"}"

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

static json_t *cancel(const char *payment_key, const char *body, int status)
{
    char line[256];
    (void)snprintf(line, sizeof line, "POST /v1/payments/%s/cancel", payment_key);
    return fakepg_kit_json(&kit, line, "", body, status);
}

static void a_key_replays_the_first_answer_byte_for_byte_whatever_the_body(void **state)
{
    static const char *const bodies[] = {BODY("order-replay", "15200"), BODY("order-else", "777"),
                                         "no JSON at all", "{}"};
    struct fakepg_answered first;
    (void)state;
    fakepg_kit_ask(&kit, CHARGE, KIT_AUTH "Idempotency-Key: replay-1\r\n", bodies[0], &first);
    assert_int_equal(first.status, 200);
    json_t *payment = json_loadb(first.body, first.len, 0, NULL);
    json_decref(cancel(kit_text(payment, "paymentKey"), "{\"cancelReason\":\"r\"}", 200));
    json_decref(payment);
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        struct fakepg_answered again;
        fakepg_kit_ask(&kit, CHARGE, KIT_AUTH "Idempotency-Key: replay-1\r\n", bodies[i], &again);
        assert_int_equal(again.status, first.status);
        assert_int_equal(again.len, first.len);
        assert_memory_equal(again.body, first.body, first.len);
        fakepg_answered_clear(&again);
    }
    fakepg_answered_clear(&first);
}

static void another_url_or_merchant_is_another_request_under_the_same_key(void **state)
{
    static const char headers[] = "Idempotency-Key: replay-2\r\n";
    (void)state;
    json_decref(fakepg_kit_json(&kit, CHARGE, headers, BODY("order-url1", "1000"), 200));
    json_t *other =
        fakepg_kit_json(&kit, "POST /v1/billing/bk_2", headers, BODY("order-url2", "2000"), 200);
    assert_string_equal(kit_text(other, "orderId"), "order-url2");
    json_decref(other);
    other = fakepg_kit_json(&kit, CHARGE, KIT_OTHER_AUTH "Idempotency-Key: replay-2\r\n",
                            BODY("order-url3", "3000"), 200);
    assert_string_equal(kit_text(other, "orderId"), "order-url3");
    json_decref(other);
}

static void a_key_replays_errors_too_and_look_ups_ignore_it(void **state)
{
    static const char headers[] = "Idempotency-Key: replay-3\r\n";
    (void)state;
    fakepg_kit_refused(&kit, CHARGE, headers, "{}", 400, "INVALID_REQUEST");
    json_t *again = fakepg_kit_json(&kit, CHARGE, headers, BODY("order-err", "1000"), 400);
    assert_non_null(strstr(kit_text(again, "message"), "(amount)"));
    json_decref(again);
    fakepg_kit_refused(&kit, "GET /v1/payments/orders/order-err", headers, NULL, 404,
                       "NOT_FOUND_PAYMENT");
    json_decref(fakepg_kit_charge(&kit, "order-err", 1000));
    json_decref(fakepg_kit_json(&kit, "GET /v1/payments/orders/order-err", headers, NULL, 200));
}

static void a_replayed_cancel_is_as_it_was_before_the_later_ones(void **state)
{
    static const char headers[] = KIT_AUTH "Idempotency-Key: replay-4\r\n";
    static const char part[] = "{\"cancelReason\":\"a\",\"cancelAmount\":200}";
    struct fakepg_answered first;
    struct fakepg_answered again;
    char line[256];
    (void)state;
    json_t *payment = fakepg_kit_charge(&kit, "order-replay4", 15200);
    (void)snprintf(line, sizeof line, "POST /v1/payments/%s/cancel",
                   kit_text(payment, "paymentKey"));
    fakepg_kit_ask(&kit, line, headers, part, &first);
    json_decref(cancel(kit_text(payment, "paymentKey"), part, 200));
    json_decref(cancel(kit_text(payment, "paymentKey"), "{\"cancelReason\":\"r\"}", 200));
    fakepg_kit_ask(&kit, line, headers, "{}", &again);
    assert_int_equal(first.status, 200);
    assert_int_equal(first.len, again.len);
    assert_memory_equal(first.body, again.body, first.len);
    fakepg_answered_clear(&first);
    fakepg_answered_clear(&again);
    json_decref(payment);
}

static void a_refused_cancel_is_replayed_with_what_was_wrong(void **state)
{
    char line[256];
    (void)state;
    json_t *payment = fakepg_kit_charge(&kit, "order-replay5", 15200);
    (void)snprintf(line, sizeof line, "POST /v1/payments/%s/cancel",
                   kit_text(payment, "paymentKey"));
    for (int i = 0; i < 2; i++) {
        json_t *refused = fakepg_kit_json(&kit, line, "Idempotency-Key: replay-5\r\n",
                                          i == 0 ? "{}" : "{\"cancelReason\":\"r\"}", 400);
        assert_non_null(strstr(kit_text(refused, "message"), "(cancelReason)"));
        json_decref(refused);
    }
    json_decref(payment);
}

static void a_key_of_300_characters_is_taken_and_one_more_is_not(void **state)
{
    char headers[512];
    char key[302];
    (void)state;
    memset(key, 'k', 301);
    key[301] = '\0';
    (void)snprintf(headers, sizeof headers, "Idempotency-Key: %s\r\n", key);
    fakepg_kit_refused(&kit, CHARGE, headers, BODY("order-key301", "1000"), 400,
                       "INVALID_IDEMPOTENCY_KEY");
    (void)snprintf(headers, sizeof headers, "Idempotency-Key: %.300s\r\n", key);
    json_decref(fakepg_kit_json(&kit, CHARGE, headers, BODY("order-key300", "1000"), 200));
}

static void a_key_is_forgotten_after_15_days(void **state)
{
    static const char headers[] = "Idempotency-Key: replay-15\r\n";
    (void)state;
    json_decref(fakepg_kit_json(&kit, CHARGE, headers, BODY("order-15days", "1000"), 200));
    fakepg_kit_set(&kit, "clock", "{\"ahead_ms\":1295900000}"); /* 15 days less 100 s */
    json_decref(fakepg_kit_json(&kit, CHARGE, headers, BODY("order-15days", "1000"), 200));
    fakepg_kit_set(&kit, "clock", "{\"ahead_ms\":100000}");
    fakepg_kit_refused(&kit, CHARGE, headers, BODY("order-15days", "1000"), 400,
                       "DUPLICATED_ORDER_ID");
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
        cmocka_unit_test(a_key_replays_the_first_answer_byte_for_byte_whatever_the_body),
        cmocka_unit_test(another_url_or_merchant_is_another_request_under_the_same_key),
        cmocka_unit_test(a_key_replays_errors_too_and_look_ups_ignore_it),
        cmocka_unit_test(a_replayed_cancel_is_as_it_was_before_the_later_ones),
        cmocka_unit_test(a_refused_cancel_is_replayed_with_what_was_wrong),
        cmocka_unit_test(a_key_of_300_characters_is_taken_and_one_more_is_not),
        cmocka_unit_test(a_key_is_forgotten_after_15_days),
        cmocka_unit_test(sigterm_ends_it_with_status_0),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
