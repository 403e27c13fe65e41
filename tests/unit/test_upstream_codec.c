/* The answers of pricing and users. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "upstream_codec.h"

#include <stdio.h>
#include <string.h>

static struct upstream_answer answer;
static struct upstream_texts texts;

static enum upstream_answer_kind fare(int http_status, const char *body)
{
    upstream_decode_fare(http_status, body, strlen(body), &answer);
    return (enum upstream_answer_kind)answer.kind;
}

static enum upstream_answer_kind payer(int http_status, const char *body)
{
    upstream_decode_payer(http_status, body, strlen(body), "user-1", &answer, &texts);
    return (enum upstream_answer_kind)answer.kind;
}

static void a_whole_fare_is_taken(void **state)
{
    (void)state;
    assert_int_equal(fare(200, "{\"fare\":12345}"), UPSTREAM_OK);
    assert_int_equal(answer.fare_krw, 12345);
    assert_int_equal(fare(200, "{\"fare\":0,\"currency\":\"KRW\"}"), UPSTREAM_OK);
    assert_int_equal(answer.fare_krw, 0);
    assert_int_equal(fare(200, "{\"fare\":9223372036854775807}"), UPSTREAM_OK);
    assert_int_equal(answer.fare_krw, INT64_MAX); /* core's limit refuses it */
}

static void a_number_that_is_no_fare_is_refused_for_good(void **state)
{
    static const char *const bodies[] = {"{\"fare\":1.5}",  "{\"fare\":12.0}",
                                         "{\"fare\":1e3}",  "{\"fare\":-1}",
                                         "{\"fare\":-0.1}", "{\"fare\":9223372036854775808}",
                                         "{\"fare\":1e999}"};
    (void)state;
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        assert_int_equal(fare(200, bodies[i]), UPSTREAM_REFUSED);
        assert_int_equal(answer.fare_krw, 0);
    }
}

static void an_answer_without_a_number_is_trouble_and_may_be_whole_the_next_time(void **state)
{
    static const char *const bodies[] = {"",
                                         "{}",
                                         "[]",
                                         "12345",
                                         "null",
                                         "{\"fare\":null}",
                                         "{\"fare\":\"12\"}",
                                         "{\"fare\":true}",
                                         "{\"fare\":[1]}",
                                         "{\"fare\":{}}",
                                         "{\"fare\":1,\"fare\":2}",
                                         "{\"fare\":1",
                                         "{\"fare\":1}}",
                                         "{\"Fare\":1}",
                                         "{\"fare\":01}",
                                         "<html></html>"};
    (void)state;
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        if (fare(200, bodies[i]) != UPSTREAM_TROUBLE) {
            fail_msg("%s is not trouble", bodies[i]);
        }
    }
}

static enum upstream_answer_kind expected(int http_status)
{
    if (http_status == 404) {
        return UPSTREAM_NOT_FOUND;
    }
    return http_status / 100 == 4 && http_status != 429 ? UPSTREAM_REFUSED : UPSTREAM_TROUBLE;
}

static void each_other_status_decides_whatever_the_body(void **state)
{
    static const char *const bodies[] = {"", "{\"fare\":100}", "<html></html>"};
    (void)state;
    for (int http_status = 0; http_status <= 999; http_status++) {
        for (size_t i = 0; http_status != 200 && i < 3; i++) {
            assert_int_equal(fare(http_status, bodies[i]), expected(http_status));
            assert_int_equal(payer(http_status, bodies[i]), expected(http_status));
            assert_int_equal(texts.has_method_id, http_status == 404);
            assert_string_equal(texts.method_id, "");
            assert_string_equal(texts.billing_key, "");
        }
    }
}

static void a_payer_has_a_method_and_a_billing_key(void **state)
{
    (void)state;
    assert_int_equal(payer(200, "{\"userId\":\"user-1\",\"userName\":\"\xea\xb9\x80\","
                                "\"userEmail\":null,\"paymentMethodId\":\"pm-1\","
                                "\"billingKey\":\"bk=1\"}"),
                     UPSTREAM_OK);
    assert_true(texts.has_method_id);
    assert_string_equal(texts.method_id, "pm-1");
    assert_string_equal(texts.billing_key, "bk=1");
    assert_int_equal(
        payer(200, "{\"userId\":\"user-1\",\"paymentMethodId\":77,\"billingKey\":\"b\"}"),
        UPSTREAM_OK);
    assert_string_equal(texts.method_id, "77");
    static const char numbers[] = "{\"userId\":5,\"paymentMethodId\":7,\"billingKey\":\"b\"}";
    upstream_decode_payer(200, numbers, sizeof(numbers) - 1, "5", &answer, &texts);
    assert_int_equal(answer.kind, UPSTREAM_OK);
}

static void an_answer_about_another_user_charges_nobody(void **state)
{
    (void)state;
    assert_int_equal(payer(200, "{\"userId\":\"user-2\",\"paymentMethodId\":\"pm\","
                                "\"billingKey\":\"bk\"}"),
                     UPSTREAM_TROUBLE);
    assert_string_equal(texts.billing_key, "");
    assert_int_equal(payer(200, "{\"paymentMethodId\":\"pm\",\"billingKey\":\"bk\"}"),
                     UPSTREAM_TROUBLE);
}

static enum upstream_answer_kind billing_key_of(size_t len, char fill)
{
    char body[512];
    char key[300];
    memset(key, fill, len);
    key[len] = '\0';
    (void)snprintf(body, sizeof(body),
                   "{\"userId\":\"user-1\",\"paymentMethodId\":\"pm\",\"billingKey\":\"%s\"}", key);
    return payer(200, body);
}

static void a_billing_key_has_1_to_200_printable_characters(void **state)
{
    static const char *const keys[] = {"null",         "7", "\"\"", "\"a\\nb\"", "\"\xea\xb9\x80\"",
                                       "\"a\\u0000\"", "[]"};
    (void)state;
    assert_int_equal(billing_key_of(1, 'k'), UPSTREAM_OK);
    assert_int_equal(billing_key_of(200, '='), UPSTREAM_OK);
    assert_int_equal(strlen(texts.billing_key), 200);
    assert_int_equal(billing_key_of(201, 'k'), UPSTREAM_TROUBLE);
    assert_string_equal(texts.billing_key, "");
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        char body[256];
        (void)snprintf(body, sizeof(body),
                       "{\"userId\":\"user-1\",\"paymentMethodId\":\"pm\",\"billingKey\":%s}",
                       keys[i]);
        assert_int_equal(payer(200, body), UPSTREAM_TROUBLE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_fare_is_taken),
        cmocka_unit_test(a_number_that_is_no_fare_is_refused_for_good),
        cmocka_unit_test(an_answer_without_a_number_is_trouble_and_may_be_whole_the_next_time),
        cmocka_unit_test(each_other_status_decides_whatever_the_body),
        cmocka_unit_test(a_payer_has_a_method_and_a_billing_key),
        cmocka_unit_test(an_answer_about_another_user_charges_nobody),
        cmocka_unit_test(a_billing_key_has_1_to_200_printable_characters),
    };
    return cmocka_run_group_tests_name("upstream_codec", tests, NULL, NULL);
}
