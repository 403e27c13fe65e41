/* farebox-fakepg over sockets: charge, look-up, cancel, credentials. */
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

static void cancel_refused(const char *payment_key, const char *body, int status, const char *code)
{
    char line[256];
    (void)snprintf(line, sizeof line, "POST /v1/payments/%s/cancel", payment_key);
    fakepg_kit_refused(&kit, line, "", body, status, code);
}

static void a_charge_is_answered_with_the_whole_payment_object(void **state)
{
    static const char *const members[] = {
        "mId",
        "lastTransactionKey",
        "paymentKey",
        "orderId",
        "orderName",
        "taxExemptionAmount",
        "status",
        "requestedAt",
        "approvedAt",
        "useEscrow",
        "cultureExpense",
        "card",
        "virtualAccount",
        "transfer",
        "mobilePhone",
        "giftCertificate",
        "cashReceipt",
        "cashReceipts",
        "discount",
        "cancels",
        "secret",
        "type",
        "easyPay",
        "country",
        "failure",
        "isPartialCancelable",
        "receipt",
        "checkout",
        "currency",
        "totalAmount",
        "balanceAmount",
        "suppliedAmount",
        "vat",
        "taxFreeAmount",
        "metadata",
        "method",
        "version",
    };
    (void)state;
    json_t *payment = fakepg_kit_charge(&kit, "order-whole", 15200);
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        if (json_object_get(payment, members[i]) == NULL) {
            fail_msg("%s is missing", members[i]);
        }
    }
    assert_string_equal(kit_text(payment, "status"), "DONE");
    assert_string_equal(kit_text(payment, "type"), "BILLING");
    assert_string_equal(kit_text(payment, "method"), "카드");
    assert_string_equal(kit_text(payment, "version"), "2022-11-16");
    assert_string_equal(kit_text(payment, "currency"), "KRW");
    assert_string_equal(kit_text(payment, "orderName"), "택시 요금");
    assert_int_equal(kit_number(payment, "totalAmount"), 15200);
    assert_int_equal(kit_number(payment, "balanceAmount"), 15200);
    assert_int_equal(kit_number(payment, "suppliedAmount") + kit_number(payment, "vat"), 15200);
    assert_true(json_is_null(json_object_get(payment, "cancels")));
    assert_true(json_is_string(json_object_get(payment, "secret")));
    const json_t *card = json_object_get(payment, "card");
    assert_true(json_is_string(json_object_get(card, "issuerCode")));
    assert_true(json_is_string(json_object_get(card, "acquirerCode")));
    assert_null(json_object_get(card, "company"));
    int64_t year = 0;
    assert_int_equal(sscanf(kit_text(payment, "approvedAt"), "%4ld-", &year), 1);
    assert_non_null(strstr(kit_text(payment, "approvedAt"), "+09:00"));
    json_decref(payment);
}

static void answers_are_chunked_and_carry_a_trace_id(void **state)
{
    struct fakepg_answered answered;
    (void)state;
    fakepg_kit_ask(&kit, CHARGE, KIT_AUTH, BODY("order-chunks", "1000"), &answered);
    assert_int_equal(answered.status, 200);
    assert_true(answered.is_chunked && answered.is_whole);
    assert_non_null(strstr(answered.head, "\r\nx-tosspayments-trace-id: "));
    fakepg_answered_clear(&answered);
    fakepg_kit_set(&kit, "config", "{\"chunk_bytes\":1}");
    fakepg_kit_ask(&kit, "GET /v1/payments/orders/order-chunks", KIT_AUTH, NULL, &answered);
    fakepg_kit_set(&kit, "config", "{\"chunk_bytes\":0}");
    assert_true(answered.is_chunked && answered.is_whole);
    json_t *json = json_loadb(answered.body, answered.len, 0, NULL);
    assert_string_equal(kit_text(json, "orderId"), "order-chunks");
    json_decref(json);
    fakepg_answered_clear(&answered);
}

static void a_payment_is_found_by_its_order_and_by_its_key(void **state)
{
    char line[256];
    (void)state;
    json_t *payment = fakepg_kit_charge(&kit, "order-find", 15200);
    json_t *by_order = fakepg_kit_json(&kit, "GET /v1/payments/orders/order-find", "", NULL, 200);
    (void)snprintf(line, sizeof line, "GET /v1/payments/%s", kit_text(payment, "paymentKey"));
    json_t *by_key = fakepg_kit_json(&kit, line, "", NULL, 200);
    assert_true(json_equal(payment, by_order) && json_equal(payment, by_key));
    json_decref(payment);
    json_decref(by_order);
    json_decref(by_key);
    fakepg_kit_refused(&kit, "GET /v1/payments/orders/order-none", "", NULL, 404,
                       "NOT_FOUND_PAYMENT");
    fakepg_kit_refused(&kit, "GET /v1/payments/no-such-key", "", NULL, 404, "NOT_FOUND_PAYMENT");
}

static void an_order_is_charged_once(void **state)
{
    (void)state;
    json_decref(fakepg_kit_charge(&kit, "order-once", 15200));
    fakepg_kit_refused(&kit, CHARGE, "", BODY("order-once", "15200"), 400, "DUPLICATED_ORDER_ID");
    json_t *order = fakepg_kit_order(&kit, "order-once");
    assert_int_equal(kit_number(order, "captured"), 15200);
    assert_int_equal(kit_number(order, "approvals"), 1);
    json_decref(order);
}

static void a_merchant_sees_its_own_payments_only(void **state)
{
    (void)state;
    json_decref(fakepg_kit_charge(&kit, "order-mine", 15200));
    fakepg_kit_refused(&kit, "GET /v1/payments/orders/order-mine", KIT_OTHER_AUTH, NULL, 404,
                       "NOT_FOUND_PAYMENT");
}

static void credentials_are_needed_in_the_right_form(void **state)
{
    /* "test_sk_kit" without a colon, "nobody:", and what is not base64. */
    static const struct {
        const char *headers;
        int status;
        const char *code;
    } cases[] = {
        {"Authorization: Basic dGVzdF9za19raXQ=\r\n", 403, "INCORRECT_BASIC_AUTH_FORMAT"},
        {"Authorization: Basic bm9ib2R5Og==\r\n", 401, "UNAUTHORIZED_KEY"},
        {"Authorization: Basic *\r\n", 401, "UNAUTHORIZED_KEY"},
        {"Authorization: Bearer test_sk_kit\r\n", 401, "UNAUTHORIZED_KEY"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fakepg_kit_refused(&kit, "GET /v1/payments/orders/order-auth", cases[i].headers, NULL,
                           cases[i].status, cases[i].code);
    }
    struct fakepg_answered answered;
    fakepg_kit_ask(&kit, CHARGE, "", BODY("order-auth", "1000"), &answered);
    assert_int_equal(answered.status, 401);
    fakepg_answered_clear(&answered);
    /* Without the `=` at the end, as one client leaves it. */
    fakepg_kit_refused(&kit, "GET /v1/payments/orders/order-auth",
                       "Authorization: Basic dGVzdF9za19vdGhlcjo\r\n", NULL, 404,
                       "NOT_FOUND_PAYMENT");
}

static void a_bad_charge_is_refused_with_what_is_wrong(void **state)
{
    static const struct {
        const char *body;
        int status;
        const char *code;
        const char *member;
    } cases[] = {
        {"{", 400, "INVALID_REQUEST", "body"},
        {"[]", 400, "INVALID_REQUEST", "body"},
        {"", 400, "INVALID_REQUEST", "body"},
        {"{\"customerKey\":\"user-1\",\"orderId\":\"order-bad\",\"orderName\":\"n\"}", 400,
         "INVALID_REQUEST", "amount"},
        {"{\"customerKey\":\"user-1\",\"amount\":1000,\"orderName\":\"n\"}", 400, "INVALID_REQUEST",
         "orderId"},
        {"{\"amount\":1000,\"orderId\":\"order-bad\",\"orderName\":\"n\"}", 400, "INVALID_REQUEST",
         "customerKey"},
        {"{\"customerKey\":\"user-1\",\"amount\":1000,\"orderId\":\"order-bad\"}", 400,
         "INVALID_ORDER_NAME", ""},
        {BODY("short", "1000"), 400, "INVALID_ORDER_ID", ""},
        {BODY("order bad", "1000"), 400, "INVALID_ORDER_ID", ""},
        {BODY("order-bad", "99"), 400, "BELOW_MINIMUM_AMOUNT", ""},
        {BODY("order-bad", "1000.5"), 400, "INVALID_REQUEST", "amount"},
        {BODY("order-bad", "\"1000\""), 400, "INVALID_REQUEST", "amount"},
        {BODY("order-bad", "1e300"), 400, "INVALID_REQUEST", "amount"},
        {"{\"customerKey\":\"u\",\"amount\":1000,\"orderId\":\"order-bad\",\"orderName\":\"n\"}",
         400, "INVALID_CUSTOMER_KEY", ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *json = fakepg_kit_json(&kit, CHARGE, "", cases[i].body, cases[i].status);
        if (strcmp(kit_text(json, "code"), cases[i].code) != 0 ||
            strstr(kit_text(json, "message"), cases[i].member) == NULL) {
            fail_msg("%s: %s %s", cases[i].body, kit_text(json, "code"), kit_text(json, "message"));
        }
        json_decref(json);
    }
    fakepg_kit_refused(&kit, CHARGE, "Content-Type: text/plain\r\n", BODY("order-bad", "1000"), 400,
                       "INVALID_REQUEST");
    json_decref(fakepg_kit_charge(&kit, "order-bad", 100)); /* nothing was done before */
}

static void too_long_a_customer_key_is_the_measured_database_error(void **state)
{
    char body[1024];
    char customer[302];
    (void)state;
    memset(customer, 'k', 301);
    customer[301] = '\0';
    (void)snprintf(body, sizeof body,
                   "{\"customerKey\":\"%s\",\"amount\":1000,\"orderId\":\"order-long\","
                   "\"orderName\":\"n\"}",
                   customer);
    fakepg_kit_refused(&kit, CHARGE, "", body, 500, "FAILED_DB_PROCESSING");
}

static void a_cancel_without_an_amount_takes_all_of_it(void **state)
{
    (void)state;
    json_t *payment = fakepg_kit_charge(&kit, "order-cancel", 15200);
    json_t *cancelled = cancel(kit_text(payment, "paymentKey"), "{\"cancelReason\":\"변심\"}", 200);
    const json_t *first = json_array_get(json_object_get(cancelled, "cancels"), 0);
    assert_string_equal(kit_text(cancelled, "status"), "CANCELED");
    assert_int_equal(kit_number(cancelled, "balanceAmount"), 0);
    assert_int_equal(kit_number(cancelled, "totalAmount"), 15200);
    assert_string_equal(kit_text(first, "cancelReason"), "변심");
    assert_string_equal(kit_text(first, "cancelStatus"), "DONE");
    assert_int_equal(kit_number(first, "cancelAmount"), 15200);
    assert_int_equal(kit_number(first, "refundableAmount"), 0);
    assert_string_equal(kit_text(first, "transactionKey"),
                        kit_text(cancelled, "lastTransactionKey"));
    assert_string_not_equal(kit_text(payment, "lastTransactionKey"),
                            kit_text(cancelled, "lastTransactionKey"));
    cancel_refused(kit_text(payment, "paymentKey"), "{\"cancelReason\":\"r\"}", 400,
                   "ALREADY_CANCELED_PAYMENT");
    json_decref(cancelled);
    json_decref(payment);
}

static void cancels_in_parts_stay_partial_canceled_at_balance_zero(void **state)
{
    (void)state;
    json_t *payment = fakepg_kit_charge(&kit, "order-parts", 15200);
    const char *key = kit_text(payment, "paymentKey");
    json_t *first = cancel(key, "{\"cancelReason\":\"a\",\"cancelAmount\":5200}", 200);
    assert_string_equal(kit_text(first, "status"), "PARTIAL_CANCELED");
    assert_int_equal(kit_number(first, "balanceAmount"), 10000);
    cancel_refused(key, "{\"cancelReason\":\"b\",\"cancelAmount\":10001}", 403,
                   "NOT_CANCELABLE_AMOUNT");
    json_t *last = cancel(key, "{\"cancelReason\":\"c\"}", 200);
    assert_string_equal(kit_text(last, "status"), "PARTIAL_CANCELED");
    assert_int_equal(kit_number(last, "balanceAmount"), 0);
    assert_int_equal(json_array_size(json_object_get(last, "cancels")), 2);
    assert_int_equal(
        kit_number(json_array_get(json_object_get(last, "cancels"), 0), "refundableAmount"), 10000);
    cancel_refused(key, "{\"cancelReason\":\"d\"}", 403, "NOT_CANCELABLE_AMOUNT");
    json_decref(first);
    json_decref(last);
    json_decref(payment);
}

static void a_cancel_whose_guard_is_not_the_balance_does_nothing(void **state)
{
    (void)state;
    json_t *payment = fakepg_kit_charge(&kit, "order-guard", 15200);
    const char *key = kit_text(payment, "paymentKey");
    cancel_refused(key, "{\"cancelReason\":\"r\",\"refundableAmount\":15199}", 400,
                   "NOT_MATCHES_REFUNDABLE_AMOUNT");
    json_t *order = fakepg_kit_order(&kit, "order-guard");
    assert_int_equal(kit_number(order, "refunded"), 0);
    json_decref(order);
    json_decref(cancel(key, "{\"cancelReason\":\"r\",\"refundableAmount\":15200}", 200));
    json_decref(payment);
}

static void a_bad_cancel_is_refused_with_what_is_wrong(void **state)
{
    (void)state;
    json_t *payment = fakepg_kit_charge(&kit, "order-badcancel", 15200);
    const char *key = kit_text(payment, "paymentKey");
    json_t *json = cancel(key, "{}", 400);
    assert_non_null(strstr(kit_text(json, "message"), "cancelReason"));
    json_decref(json);
    json = cancel(key, "{\"cancelReason\":\"r\",\"cancelAmount\":\"5\"}", 400);
    assert_non_null(strstr(kit_text(json, "message"), "cancelAmount"));
    json_decref(json);
    cancel_refused("fakepay0_00000000-0000-4000-8000-000000000000", "{\"cancelReason\":\"r\"}", 404,
                   "NOT_FOUND_PAYMENT");
    json_decref(payment);
}

static void a_test_code_is_answered_and_nothing_is_done(void **state)
{
    (void)state;
    fakepg_kit_refused(&kit, CHARGE, "TossPayments-Test-Code: REJECT_CARD_PAYMENT\r\n",
                       BODY("order-test", "1000"), 403, "REJECT_CARD_PAYMENT");
    fakepg_kit_refused(&kit, CHARGE, "TossPayments-Test-Code: NO_SUCH_CODE\r\n",
                       BODY("order-test", "1000"), 400, "INVALID_TEST_CODE");
    fakepg_kit_refused(&kit, "GET /v1/payments/orders/order-test",
                       "TossPayments-Test-Code: FORBIDDEN_CONSECUTIVE_REQUEST\r\n", NULL, 403,
                       "FORBIDDEN_CONSECUTIVE_REQUEST");
    fakepg_kit_refused(&kit, "GET /v1/payments/orders/order-test", "", NULL, 404,
                       "NOT_FOUND_PAYMENT");
}

static void a_wrong_path_or_method_is_not_found(void **state)
{
    static const char *const lines[] = {"GET /v1/nothing",
                                        "GET /v2/payments/orders/order-1",
                                        "PUT /v1/payments/orders/order-1",
                                        "GET /v1/billing/bk_1",
                                        "POST /v1/payments/orders/order-1",
                                        "GET /v1/payments/",
                                        "GET /"};
    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        fakepg_kit_refused(&kit, lines[i], "", NULL, 404, "NOT_FOUND");
    }
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
        cmocka_unit_test(a_charge_is_answered_with_the_whole_payment_object),
        cmocka_unit_test(answers_are_chunked_and_carry_a_trace_id),
        cmocka_unit_test(a_payment_is_found_by_its_order_and_by_its_key),
        cmocka_unit_test(an_order_is_charged_once),
        cmocka_unit_test(a_merchant_sees_its_own_payments_only),
        cmocka_unit_test(credentials_are_needed_in_the_right_form),
        cmocka_unit_test(a_bad_charge_is_refused_with_what_is_wrong),
        cmocka_unit_test(too_long_a_customer_key_is_the_measured_database_error),
        cmocka_unit_test(a_cancel_without_an_amount_takes_all_of_it),
        cmocka_unit_test(cancels_in_parts_stay_partial_canceled_at_balance_zero),
        cmocka_unit_test(a_cancel_whose_guard_is_not_the_balance_does_nothing),
        cmocka_unit_test(a_bad_cancel_is_refused_with_what_is_wrong),
        cmocka_unit_test(a_test_code_is_answered_and_nothing_is_done),
        cmocka_unit_test(a_wrong_path_or_method_is_not_found),
        cmocka_unit_test(sigterm_ends_it_with_status_0),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
