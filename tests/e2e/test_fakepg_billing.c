/* farebox-fakepg over sockets: billing keys, issued, used, removed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fakepg_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BY_AUTH "POST /v1/billing/authorizations/issue"
#define BY_CARD "POST /v1/billing/authorizations/card"
#define AUTH    "{\"authKey\":\"auth-1\",\"customerKey\":\"user-1\"}"
#define CARD                                                                                       \
    "{\"customerKey\":\"user-1\",\"cardNumber\":\"4330123412341234\",\"cardExpirationYear\":"      \
    "\"30\",\"cardExpirationMonth\":\"07\",\"customerIdentityNumber\":\"881212\"}"

static struct fakepg_kit kit;

static int setup(void **state)
{
    (void)state;
    fakepg_kit_init(&kit);
    fakepg_kit_start(&kit, (const char *const[]){"--strict-billing-keys", NULL});
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fakepg_kit_clear(&kit);
    return 0;
}

/* The line of a request about a billing key, percent-encoded as clients must: `=` is `%3D`. */
static const char *line_of(const char *method, const json_t *billing)
{
    static char line[256];
    (void)snprintf(line, sizeof line, "%s /v1/billing/%.*s%%3D", method,
                   (int)strlen(kit_text(billing, "billingKey")) - 1,
                   kit_text(billing, "billingKey"));
    return line;
}

static const char *charge_body(const char *order, const char *customer)
{
    static char body[256];
    (void)snprintf(
        body, sizeof body,
        "{\"customerKey\":\"%s\",\"amount\":1000,\"orderId\":\"%s\",\"orderName\":\"n\"}", customer,
        order);
    return body;
}

static void an_issued_key_pays_for_its_customer_only(void **state)
{
    (void)state;
    json_t *billing = fakepg_kit_json(&kit, BY_AUTH, "", AUTH, 200);
    assert_string_equal(kit_text(billing, "customerKey"), "user-1");
    assert_string_equal(kit_text(billing, "method"), "카드");
    json_decref(fakepg_kit_json(&kit, line_of("POST", billing), "",
                                charge_body("order-bill1", "user-1"), 200));
    fakepg_kit_refused(&kit, line_of("POST", billing), "", charge_body("order-bill2", "user-2"),
                       400, "NOT_MATCHES_CUSTOMER_KEY");
    fakepg_kit_refused(&kit, line_of("POST", billing), KIT_OTHER_AUTH,
                       charge_body("order-bill3", "user-1"), 404, "NOT_FOUND_BILLING");
    json_decref(billing);
}

static void a_card_gets_a_key_too(void **state)
{
    (void)state;
    json_t *billing = fakepg_kit_json(&kit, BY_CARD, "", CARD, 200);
    json_decref(fakepg_kit_json(&kit, line_of("POST", billing), "",
                                charge_body("order-card1", "user-1"), 200));
    json_decref(billing);
    fakepg_kit_refused(&kit, BY_CARD, "", "{\"customerKey\":\"user-1\"}", 400, "INVALID_REQUEST");
    fakepg_kit_refused(
        &kit, BY_CARD, "",
        "{\"customerKey\":\"user-1\",\"cardNumber\":\"4330123412341234\",\"cardExpirationYear\":"
        "\"30\",\"cardExpirationMonth\":\"13\",\"customerIdentityNumber\":\"881212\"}",
        400, "INVALID_CARD_EXPIRATION");
}

static void a_removed_key_pays_no_more(void **state)
{
    (void)state;
    json_t *billing = fakepg_kit_json(&kit, BY_AUTH, "", AUTH, 200);
    json_decref(fakepg_kit_json(&kit, line_of("DELETE", billing), "", NULL, 200));
    fakepg_kit_refused(&kit, line_of("POST", billing), "", charge_body("order-gone", "user-1"), 400,
                       "ALREADY_REMOVED_BILLING_KEY");
    fakepg_kit_refused(&kit, line_of("DELETE", billing), "", NULL, 400,
                       "ALREADY_REMOVED_BILLING_KEY");
    fakepg_kit_refused(&kit, "DELETE /v1/billing/nobody", "", NULL, 404, "NOT_FOUND_BILLING");
    json_decref(billing);
}

static void a_key_that_was_not_issued_is_not_found_when_strict(void **state)
{
    (void)state;
    fakepg_kit_refused(&kit, "POST /v1/billing/bk_1%3D", "", charge_body("order-bk", "user-1"), 404,
                       "NOT_FOUND_BILLING");
}

static void an_idempotency_key_issues_one_billing_key(void **state)
{
    static const char headers[] = "Idempotency-Key: issue-1\r\n";
    (void)state;
    json_t *first = fakepg_kit_json(&kit, BY_AUTH, headers, AUTH, 200);
    json_t *again = fakepg_kit_json(&kit, BY_AUTH, headers, "{}", 200);
    assert_true(json_equal(first, again));
    json_t *other = fakepg_kit_json(&kit, BY_AUTH, "Idempotency-Key: issue-2\r\n", AUTH, 200);
    assert_string_not_equal(kit_text(first, "billingKey"), kit_text(other, "billingKey"));
    fakepg_kit_refused(&kit, BY_AUTH, "Idempotency-Key: issue-3\r\n", "{}", 400, "INVALID_REQUEST");
    fakepg_kit_refused(&kit, BY_AUTH, "Idempotency-Key: issue-3\r\n", AUTH, 400, "INVALID_REQUEST");
    json_decref(first);
    json_decref(again);
    json_decref(other);
}

static void a_bad_customer_key_gets_no_billing_key(void **state)
{
    (void)state;
    fakepg_kit_refused(&kit, BY_AUTH, "", "{\"authKey\":\"a\",\"customerKey\":\"u\"}", 400,
                       "INVALID_CUSTOMER_KEY");
    fakepg_kit_refused(&kit, BY_AUTH, "", "{\"authKey\":\"a\",\"customerKey\":\"user one\"}", 400,
                       "INVALID_CUSTOMER_KEY");
    fakepg_kit_refused(&kit, BY_AUTH, "TossPayments-Test-Code: INVALID_CARD_NUMBER\r\n", AUTH, 400,
                       "INVALID_CARD_NUMBER");
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
        cmocka_unit_test(an_issued_key_pays_for_its_customer_only),
        cmocka_unit_test(a_card_gets_a_key_too),
        cmocka_unit_test(a_removed_key_pays_no_more),
        cmocka_unit_test(a_key_that_was_not_issued_is_not_found_when_strict),
        cmocka_unit_test(an_idempotency_key_issues_one_billing_key),
        cmocka_unit_test(a_bad_customer_key_gets_no_billing_key),
        cmocka_unit_test(sigterm_ends_it_with_status_0),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
