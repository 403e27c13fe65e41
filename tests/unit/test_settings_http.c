/* The settings of FAREBOX_PG=http and FAREBOX_UPSTREAMS=http, and the account's fingerprint. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fake_gateway.h"
#include "pg_account.h"
#include "settings.h"

#include <stdio.h>
#include <string.h>

#define TEST_KEY "FAREBOX_PG_SECRET_KEY=test_sk_zXLkKEypNArWmo50nX3l"
#define LIVE_KEY "FAREBOX_PG_SECRET_KEY=live_sk_zXLkKEypNArWmo50nX3l"

static struct farebox_settings settings;
static char errors[8192];
static size_t error_count;

static void errors_add(void *ctx, const char *message)
{
    size_t len = strlen(errors);
    (void)ctx;
    error_count++;
    (void)snprintf(errors + len, sizeof(errors) - len, "%s\n", message);
}

/* Loads with up to four variables; NULL ends. */
static enum settings_status load(const char *a, const char *b, const char *c, const char *d)
{
    const char *const variables[] = {a, b, c, d, NULL};
    struct settings_report report = {errors_add, NULL};
    errors[0] = '\0';
    error_count = 0;
    return settings_load(&settings, (char *const *)(uintptr_t)variables, report);
}

static void assert_refused(const char *variable, const char *message)
{
    assert_int_equal(load("FAREBOX_PG=http", TEST_KEY, variable, NULL), SETTINGS_INVALID);
    if (strstr(errors, message) == NULL) {
        fail_msg("%s gives \"%s\", which lacks \"%s\"", variable, errors, message);
    }
    assert_int_equal(error_count, 1);
}

static void the_pg_over_http_needs_a_key_and_has_the_protocols_limits(void **state)
{
    (void)state;
    assert_int_equal(load("FAREBOX_PG=http", NULL, NULL, NULL), SETTINGS_INVALID);
    assert_string_equal(errors, "FAREBOX_PG=http needs FAREBOX_PG_SECRET_KEY\n");
    assert_int_equal(load("FAREBOX_PG=http", LIVE_KEY, NULL, NULL), SETTINGS_OK);
    assert_string_equal(settings.pg_url, "https://api.tosspayments.com");
    assert_string_equal(settings.pg_customer_key, "{userId}");
    assert_int_equal(settings.pg_timeout_ms, 60000);
    assert_int_equal(settings.upstream_connect_ms, 500);
    assert_int_equal(settings.upstream_timeout_ms, 1200);
    assert_int_equal(settings.upstreams, SETTINGS_UPSTREAMS_FAKE);
}

static void upstreams_over_http_need_both_addresses(void **state)
{
    (void)state;
    assert_int_equal(load("FAREBOX_UPSTREAMS=http", "FAREBOX_USERS_URL=http://users", NULL, NULL),
                     SETTINGS_INVALID);
    assert_non_null(strstr(errors, "FAREBOX_UPSTREAMS=http needs FAREBOX_PRICING_URL and"));
    assert_int_equal(load("FAREBOX_UPSTREAMS=http", "FAREBOX_USERS_URL=http://users",
                          "FAREBOX_PRICING_URL=https://pricing.internal:8443/v2", NULL),
                     SETTINGS_OK);
    assert_int_equal(settings.pg, SETTINGS_PG_FAKE);
}

static void an_address_has_no_user_query_or_slash_at_its_end(void **state)
{
    static const char *const wrong[] = {
        "ftp://x",       "x",           "https://",       "https:///path",    "https://x/",
        "https://u:p@x", "https://x?a", "https://x#a",    "https://x:0",      "https://x:65536",
        "https://x:",    "https://x y", "https://[::1",   "https://x/\xEA",   "https://a_b",
        "https://x:80x", "HTTPS://x",   "https://[zz]:1", "https://x\\@evil", "http://127.0.0.1@x"};
    static const char *const right[] = {
        "https://x",        "https://x.y-z:1",  "http://127.0.0.1:80/a/b",
        "https://[::1]:80", "http://localhost", "none"};
    char variable[128];
    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        (void)snprintf(variable, sizeof(variable), "FAREBOX_USERS_URL=%s", wrong[i]);
        assert_refused(variable, "is not allowed; allowed: http:// or https://");
    }
    for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
        (void)snprintf(variable, sizeof(variable), "FAREBOX_USERS_URL=%s", right[i]);
        assert_int_equal(load(variable, NULL, NULL, NULL), SETTINGS_OK);
    }
}

static void an_address_with_a_password_is_not_shown(void **state)
{
    (void)state;
    assert_refused("FAREBOX_PG_URL=https://me:hunter2@pg", "FAREBOX_PG_URL=(an address)");
    assert_null(strstr(errors, "hunter2"));
}

static void a_live_key_never_leaves_in_the_clear(void **state)
{
    static const char *const hosts[] = {
        "FAREBOX_PG_URL=http://pg", "FAREBOX_PG_URL=http://10.0.0.1",
        "FAREBOX_PG_URL=http://localhost.example.com", "FAREBOX_PG_URL=http://127.example.com",
        "FAREBOX_PG_URL=http://127.0.0.1.example.com"};
    static const char *const here[] = {
        "FAREBOX_PG_URL=http://127.0.0.1:9000", "FAREBOX_PG_URL=http://127.1.2.3/toss",
        "FAREBOX_PG_URL=http://localhost", "FAREBOX_PG_URL=http://localhost:9000",
        "FAREBOX_PG_URL=http://[::1]:9000"};
    (void)state;
    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        assert_int_equal(load("FAREBOX_PG=http", LIVE_KEY, hosts[i], NULL), SETTINGS_INVALID);
        assert_non_null(strstr(errors, "would send the secret key in the clear"));
        assert_int_equal(load("FAREBOX_PG=http", TEST_KEY, hosts[i], NULL), SETTINGS_OK);
    }
    for (size_t i = 0; i < sizeof(here) / sizeof(here[0]); i++) {
        assert_int_equal(load("FAREBOX_PG=http", LIVE_KEY, here[i], NULL), SETTINGS_OK);
    }
}

static void waits_that_protect_money_are_short_only_where_none_moves(void **state)
{
    (void)state;
    assert_int_equal(load("FAREBOX_PG=http", LIVE_KEY, "FAREBOX_ABSENCE_MARGIN_S=1", NULL),
                     SETTINGS_INVALID);
    assert_non_null(strstr(errors, "a key of Toss's test environment"));
    assert_int_equal(load("FAREBOX_PG=http", TEST_KEY, "FAREBOX_ABSENCE_MARGIN_S=1", NULL),
                     SETTINGS_OK);
    assert_int_equal(load("FAREBOX_PG=fake", LIVE_KEY, "FAREBOX_ABSENCE_MARGIN_S=1", NULL),
                     SETTINGS_OK);
}

static void values_that_contradict_one_another_are_refused(void **state)
{
    (void)state;
    assert_refused(
        "FAREBOX_PG_LOOKUP_TIMEOUT_S=30.001",
        "FAREBOX_PG_LOOKUP_TIMEOUT_S=30.001 plus FAREBOX_PG_LOOKUP_TIMEOUT_S=30.001 plus "
        "FAREBOX_PG_CANCEL_TIMEOUT_S=60 plus FAREBOX_PG_CANCEL_TIMEOUT_S=60 must be less "
        "than FAREBOX_TAKEOVER_DUE_S=180");
    assert_refused("FAREBOX_PG_LOOKUP_TIMEOUT_S=2",
                   "FAREBOX_PG_CONNECT_MS=3000 must be at most FAREBOX_PG_LOOKUP_TIMEOUT_S=2");
    assert_int_equal(load("FAREBOX_PG=http", TEST_KEY, "FAREBOX_TAKEOVER_DUE_S=1000",
                          "FAREBOX_PG_CANCEL_TIMEOUT_S=61"),
                     SETTINGS_INVALID);
    assert_non_null(strstr(errors, "must be at most FAREBOX_PG_TIMEOUT_S=60"));
    assert_refused("FAREBOX_PG_CLIENT_CERT_PATH=/c.pem", "must be set both, or neither");
    /* Not looked at where nobody uses them. */
    assert_int_equal(load("FAREBOX_PG_LOOKUP_TIMEOUT_S=600", NULL, NULL, NULL), SETTINGS_OK);
}

static void templates_are_checked(void **state)
{
    static const char *const wrong[] = {
        "FAREBOX_PG_CUSTOMER_KEY=user",       "FAREBOX_PG_CUSTOMER_KEY={userId}{userId}",
        "FAREBOX_PG_CUSTOMER_KEY={userid}",   "FAREBOX_PG_CUSTOMER_KEY=a/{userId}",
        "FAREBOX_PG_CUSTOMER_KEY={userId}}",  "FAREBOX_PG_ORDER_NAME=",
        "FAREBOX_PG_ORDER_NAME=a\nb",         "FAREBOX_PG_ORDER_NAME={tripId}{tripId}",
        "FAREBOX_PG_ORDER_NAME=a\xff",        "FAREBOX_PG_ORDER_NAME=\xc0\xaf",
        "FAREBOX_PG_ORDER_NAME=\xed\xa0\x80", "FAREBOX_PG_ORDER_NAME=\xea\xb9"};
    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_refused(wrong[i], "is not allowed");
    }
    assert_int_equal(load("FAREBOX_PG_CUSTOMER_KEY=taxi_{userId}@kr",
                          "FAREBOX_PG_ORDER_NAME=택시 {tripId} 요금", NULL, NULL),
                     SETTINGS_OK);
    assert_string_equal(settings.pg_order_name, "택시 {tripId} 요금");
}

static void the_secret_key_is_neither_shown_nor_kept(void **state)
{
    char text[16384] = "";
    FILE *out = fmemopen(text, sizeof(text), "w");
    (void)state;
    assert_int_equal(load("FAREBOX_PG=http", TEST_KEY, NULL, NULL), SETTINGS_OK);
    settings_print(&settings, out);
    (void)fclose(out);
    assert_non_null(strstr(text, "FAREBOX_PG_SECRET_KEY=set\n"));
    assert_null(strstr(text, "zXLkKEypNArWmo50nX3l"));
    settings_clear(&settings);
    assert_null(memmem(&settings, sizeof(settings), "zXLkKEypNArWmo50nX3l", 20));
}

static uint64_t account(const char *key, const char *a, const char *b)
{
    assert_int_equal(load("FAREBOX_PG=http", key, a, b), SETTINGS_OK);
    return pg_account_of(&settings);
}

#define OTHER_KEY "FAREBOX_PG_SECRET_KEY=test_sk_D4yKeq5bgrpKRd0JYbLVGX0l"

static void without_a_merchants_id_the_key_names_the_account(void **state)
{
    (void)state;
    assert_true(account(TEST_KEY, NULL, NULL) == account(TEST_KEY, NULL, NULL));
    assert_true(account(TEST_KEY, NULL, NULL) != account(OTHER_KEY, NULL, NULL));
    assert_true(account(TEST_KEY, NULL, NULL) != 0);
    assert_true(account(TEST_KEY, NULL, NULL) !=
                account(TEST_KEY, "FAREBOX_PG_URL=https://pg.example.com", NULL));
}

static void
with_a_merchants_id_the_key_may_be_replaced_but_not_by_the_other_environments(void **state)
{
    static const char merchant[] = "FAREBOX_PG_ACCOUNT=merchant-1";
    (void)state;
    assert_true(account(TEST_KEY, merchant, NULL) == account(OTHER_KEY, merchant, NULL));
    assert_true(account(TEST_KEY, merchant, NULL) != account(LIVE_KEY, merchant, NULL));
    assert_true(account(TEST_KEY, merchant, NULL) !=
                account(TEST_KEY, "FAREBOX_PG_ACCOUNT=merchant-2", NULL));
    assert_true(account(TEST_KEY, merchant, NULL) !=
                account(TEST_KEY, merchant, "FAREBOX_PG_URL=https://pg.example.com"));
}

static void the_fake_pg_has_an_account_of_its_own(void **state)
{
    (void)state;
    assert_int_equal(load(TEST_KEY, NULL, NULL, NULL), SETTINGS_OK);
    assert_true(pg_account_of(&settings) == fake_gateway_account());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_pg_over_http_needs_a_key_and_has_the_protocols_limits),
        cmocka_unit_test(upstreams_over_http_need_both_addresses),
        cmocka_unit_test(an_address_has_no_user_query_or_slash_at_its_end),
        cmocka_unit_test(an_address_with_a_password_is_not_shown),
        cmocka_unit_test(a_live_key_never_leaves_in_the_clear),
        cmocka_unit_test(waits_that_protect_money_are_short_only_where_none_moves),
        cmocka_unit_test(values_that_contradict_one_another_are_refused),
        cmocka_unit_test(templates_are_checked),
        cmocka_unit_test(the_secret_key_is_neither_shown_nor_kept),
        cmocka_unit_test(without_a_merchants_id_the_key_names_the_account),
        cmocka_unit_test(
            with_a_merchants_id_the_key_may_be_replaced_but_not_by_the_other_environments),
        cmocka_unit_test(the_fake_pg_has_an_account_of_its_own),
    };
    return cmocka_run_group_tests_name("settings of HTTP", tests, NULL, NULL);
}
