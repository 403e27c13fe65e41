/* farebox-fakepg with a state file: kills, restarts, files that are not what was written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fakepg_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHARGE     "POST /v1/billing/bk_1%3D"
#define EXIT_USAGE 2

static struct fakepg_kit kit;

static int setup(void **state)
{
    (void)state;
    fakepg_kit_init(&kit);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fakepg_kit_clear(&kit);
    return 0;
}

static void start(void)
{
    fakepg_kit_start(&kit, (const char *const[]){"--state", kit.state, NULL});
}

static void restart(void)
{
    fakepg_kit_kill(&kit);
    start();
}

static void ask_with_key(const char *key, const char *body, struct fakepg_answered *answered)
{
    char headers[256];
    (void)snprintf(headers, sizeof headers, KIT_AUTH "Idempotency-Key: %s\r\n", key);
    fakepg_kit_ask(&kit, CHARGE, headers, body, answered);
}

static json_t *cancel(const json_t *payment, const char *body)
{
    char line[256];
    (void)snprintf(line, sizeof line, "POST /v1/payments/%s/cancel",
                   kit_text(payment, "paymentKey"));
    return fakepg_kit_json(&kit, line, "", body, 200);
}

static void a_kill_loses_no_answer_and_replays_are_the_same_bytes(void **state)
{
    static const char *const bodies[] = {
        "{\"customerKey\":\"user-1\",\"amount\":15200,\"orderId\":\"order-kill\",\"orderName\":"
        "\"택시 \\\"요금\\\"\\n\"}",
        "{\"customerKey\":\"user-1\",\"amount\":99,\"orderId\":\"order-kill2\",\"orderName\":"
        "\"n\"}",
        "{\"orderId\":\"order-kill3\"}"};
    static const char *const keys[] = {"kill-1", "kill-2", "kill-3"};
    struct fakepg_answered first[3];
    (void)state;
    start();
    for (size_t i = 0; i < 3; i++) {
        ask_with_key(keys[i], bodies[i], &first[i]);
        assert_true(first[i].is_whole);
    }
    json_t *payment = json_loadb(first[0].body, first[0].len, 0, NULL);
    json_t *cancelled = cancel(payment, "{\"cancelReason\":\"r\",\"cancelAmount\":200}");
    for (int round = 0; round < 2; round++) {
        restart();
        for (size_t i = 0; i < 3; i++) {
            struct fakepg_answered again;
            ask_with_key(keys[i], "{}", &again);
            assert_int_equal(again.status, first[i].status);
            assert_int_equal(again.len, first[i].len);
            assert_memory_equal(again.body, first[i].body, first[i].len);
            fakepg_answered_clear(&again);
        }
    }
    json_t *found = fakepg_kit_json(&kit, "GET /v1/payments/orders/order-kill", "", NULL, 200);
    assert_true(json_equal(found, cancelled));
    for (size_t i = 0; i < 3; i++) {
        fakepg_answered_clear(&first[i]);
    }
    json_decref(found);
    json_decref(cancelled);
    json_decref(payment);
    fakepg_kit_stop(&kit);
}

static void the_lists_and_billing_keys_outlive_a_kill(void **state)
{
    static const char lists[] =
        "GET /v1/transactions?startDate=2020-01-01T00:00:00&endDate=2090-01-01T00:00:00";
    (void)state;
    start();
    json_t *billing =
        fakepg_kit_json(&kit, "POST /v1/billing/authorizations/issue", "Idempotency-Key: i-1\r\n",
                        "{\"authKey\":\"a\",\"customerKey\":\"user-1\"}", 200);
    json_t *payment = fakepg_kit_charge(&kit, "order-lists", 9000);
    json_decref(cancel(payment, "{\"cancelReason\":\"r\",\"cancelAmount\":200}"));
    json_t *before = fakepg_kit_json(&kit, lists, "", NULL, 200);
    restart();
    json_t *after = fakepg_kit_json(&kit, lists, "", NULL, 200);
    json_t *again = fakepg_kit_json(&kit, "POST /v1/billing/authorizations/issue",
                                    "Idempotency-Key: i-1\r\n", "{}", 200);
    assert_int_equal(json_array_size(before), 2);
    assert_true(json_equal(before, after));
    assert_true(json_equal(billing, again));
    json_decref(before);
    json_decref(after);
    json_decref(again);
    json_decref(billing);
    json_decref(payment);
    fakepg_kit_stop(&kit);
}

static void a_late_charge_lands_after_a_restart(void **state)
{
    struct fakepg_answered answered;
    (void)state;
    start();
    fakepg_kit_set(&kit, "faults", "{\"fault\":\"late\",\"op\":\"charge\",\"value\":50000}");
    ask_with_key("late-1",
                 "{\"customerKey\":\"user-1\",\"amount\":5000,\"orderId\":\"order-late\","
                 "\"orderName\":\"n\"}",
                 &answered);
    assert_int_equal(answered.status, 0);
    fakepg_answered_clear(&answered);
    restart();
    fakepg_kit_refused(&kit, "GET /v1/payments/orders/order-late", "", NULL, 404,
                       "NOT_FOUND_PAYMENT");
    fakepg_kit_refused(&kit, CHARGE, "Idempotency-Key: late-1\r\n", "{}", 409,
                       "IDEMPOTENT_REQUEST_PROCESSING");
    fakepg_kit_set(&kit, "clock", "{\"ahead_ms\":50000}");
    json_t *landed = fakepg_kit_json(&kit, "GET /v1/payments/orders/order-late", "", NULL, 200);
    json_t *replayed = fakepg_kit_json(&kit, CHARGE, "Idempotency-Key: late-1\r\n", "{}", 200);
    assert_string_equal(kit_text(landed, "status"), "DONE");
    assert_string_equal(kit_text(landed, "orderName"), "n");
    assert_true(json_equal(landed, replayed));
    json_t *list = fakepg_kit_json(
        &kit, "GET /v1/transactions?startDate=2020-01-01T00:00:00&endDate=2090-01-01T00:00:00", "",
        NULL, 200);
    assert_int_equal(json_array_size(list), 1);
    assert_string_equal(kit_text(json_array_get(list, 0), "transactionAt"),
                        kit_text(landed, "approvedAt"));
    json_decref(list);
    json_decref(landed);
    json_decref(replayed);
    fakepg_kit_stop(&kit);
}

static void cut_state(off_t by)
{
    struct stat stat_of;
    assert_int_equal(stat(kit.state, &stat_of), 0);
    assert_int_equal(truncate(kit.state, stat_of.st_size - by), 0);
}

static void a_last_line_that_was_not_written_whole_is_cut(void **state)
{
    (void)state;
    start();
    json_decref(fakepg_kit_charge(&kit, "order-first", 1000));
    json_decref(fakepg_kit_charge(&kit, "order-second", 2000));
    fakepg_kit_kill(&kit);
    cut_state(3);
    start();
    json_decref(fakepg_kit_json(&kit, "GET /v1/payments/orders/order-first", "", NULL, 200));
    fakepg_kit_refused(&kit, "GET /v1/payments/orders/order-second", "", NULL, 404,
                       "NOT_FOUND_PAYMENT");
    json_decref(fakepg_kit_charge(&kit, "order-second", 2000));
    restart();
    json_decref(fakepg_kit_json(&kit, "GET /v1/payments/orders/order-second", "", NULL, 200));
    fakepg_kit_stop(&kit);
}

static void damage_before_the_end_is_told_and_not_served(void **state)
{
    char byte = '~';
    (void)state;
    start();
    json_decref(fakepg_kit_charge(&kit, "order-first", 1000));
    fakepg_kit_stop(&kit);
    int fd = open(kit.state, O_WRONLY);
    assert_int_equal(pwrite(fd, &byte, 1, 40), 1);
    assert_int_equal(close(fd), 0);
    int status =
        fakepg_kit_run(&kit, (const char *const[]){"--port", "0", "--state", kit.state, NULL});
    char *errors = fakepg_kit_errors(&kit);
    assert_int_equal(status, 1);
    assert_non_null(strstr(errors, kit.state));
    assert_non_null(strstr(errors, "is not what was written"));
    free(errors);
}

/* The process that it starts may write files of so many bytes. */
static void start_with_file_limit(rlim_t bytes)
{
    struct rlimit usual;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &usual), 0);
    const struct rlimit tight = {bytes, usual.rlim_max};
    assert_true(signal(SIGXFSZ, SIG_IGN) != SIG_ERR); /* inherited: the write fails instead */
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    start();
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &usual), 0);
}

static void what_the_disk_did_not_take_is_not_answered_and_nothing_answered_is_lost(void **state)
{
    char order[32];
    char line[128];
    int answered_count = 0;
    struct fakepg_answered answered = {.status = 200};
    (void)state;
    start_with_file_limit(3000);
    while (answered.status == 200) {
        char body[256];
        (void)snprintf(order, sizeof order, "order-disk-%d", answered_count);
        (void)snprintf(body, sizeof body,
                       "{\"customerKey\":\"user-1\",\"amount\":1000,\"orderId\":\"%s\","
                       "\"orderName\":\"n\"}",
                       order);
        fakepg_kit_ask(&kit, CHARGE, KIT_AUTH, body, &answered);
        answered_count += answered.status == 200;
        fakepg_answered_clear(&answered);
    }
    assert_int_equal(answered.status, 0);
    assert_in_range(answered_count, 1, 20);
    /* It is down, and does not tell what is only in its memory. */
    fakepg_kit_ask(&kit, "GET /v1/payments/orders/order-disk-0", KIT_AUTH, NULL, &answered);
    assert_int_equal(answered.status, 0);
    fakepg_answered_clear(&answered);
    restart();
    for (int i = 0; i < answered_count; i++) {
        (void)snprintf(line, sizeof line, "GET /v1/payments/orders/order-disk-%d", i);
        json_decref(fakepg_kit_json(&kit, line, "", NULL, 200));
    }
    (void)snprintf(line, sizeof line, "GET /v1/payments/orders/%s", order);
    fakepg_kit_refused(&kit, line, "", NULL, 404, "NOT_FOUND_PAYMENT");
    fakepg_kit_stop(&kit);
}

static void two_processes_do_not_share_a_state_file(void **state)
{
    (void)state;
    start();
    int status =
        fakepg_kit_run(&kit, (const char *const[]){"--port", "0", "--state", kit.state, NULL});
    char *errors = fakepg_kit_errors(&kit);
    assert_int_equal(status, 1);
    assert_non_null(strstr(errors, "another process has it open"));
    free(errors);
    fakepg_kit_stop(&kit);
}

static void reset_forgets_for_good(void **state)
{
    (void)state;
    start();
    json_decref(fakepg_kit_charge(&kit, "order-reset", 1000));
    fakepg_kit_set(&kit, "reset", "{}");
    fakepg_kit_refused(&kit, "GET /v1/payments/orders/order-reset", "", NULL, 404,
                       "NOT_FOUND_PAYMENT");
    restart();
    fakepg_kit_refused(&kit, "GET /v1/payments/orders/order-reset", "", NULL, 404,
                       "NOT_FOUND_PAYMENT");
    json_decref(fakepg_kit_charge(&kit, "order-reset", 1000));
    restart();
    json_decref(fakepg_kit_json(&kit, "GET /v1/payments/orders/order-reset", "", NULL, 200));
    fakepg_kit_stop(&kit);
}

static void options_set_credentials_limit_delay_and_test_codes(void **state)
{
    static const char line[] = "GET /v1/payments/orders/order-options";
    struct fakepg_answered answered;
    (void)state;
    fakepg_kit_start(&kit, (const char *const[]){"--no-auth", "--request-limit", "2", "--delay-ms",
                                                 "150", "--no-test-codes", NULL});
    fakepg_kit_ask(&kit, line, "", NULL, &answered); /* without credentials */
    assert_true(answered.status == 404 && answered.took_ms >= 150);
    fakepg_answered_clear(&answered);
    fakepg_kit_refused(&kit, line, "TossPayments-Test-Code: PROVIDER_ERROR\r\n", NULL, 404,
                       "NOT_FOUND_PAYMENT");
    fakepg_kit_refused(&kit, line, "", NULL, 429, "TOO_MANY_REQUESTS");
    fakepg_kit_stop(&kit);
}

static void wrong_options_are_told_with_their_limits(void **state)
{
    static const struct {
        const char *options[3];
        const char *told;
    } cases[] = {
        {{"--port", "65536", NULL}, "--port: '65536' is not a number from 0 to 65535"},
        {{"--port", "x", NULL}, "'x'"},
        {{"--host", "localhost", NULL}, "--host: 'localhost' is not an IPv4 address"},
        {{"-k", "a:b", NULL}, "--secret-key"},
        {{"--nothing", NULL}, "--nothing"},
        {{"more", NULL}, "unexpected argument: more"},
        {{"--threads", "0", NULL}, "--threads"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int status = fakepg_kit_run(&kit, cases[i].options);
        char *errors = fakepg_kit_errors(&kit);
        if (status != EXIT_USAGE || strstr(errors, cases[i].told) == NULL) {
            fail_msg("status %d, '%s' is to be in: %s", status, cases[i].told, errors);
        }
        free(errors);
    }
    assert_int_equal(fakepg_kit_run(&kit, (const char *const[]){"--help", NULL}), 0);
    assert_int_equal(fakepg_kit_run(&kit, (const char *const[]){"--version", NULL}), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_kill_loses_no_answer_and_replays_are_the_same_bytes),
        TEST(the_lists_and_billing_keys_outlive_a_kill),
        TEST(a_late_charge_lands_after_a_restart),
        TEST(a_last_line_that_was_not_written_whole_is_cut),
        TEST(damage_before_the_end_is_told_and_not_served),
        TEST(what_the_disk_did_not_take_is_not_answered_and_nothing_answered_is_lost),
        TEST(two_processes_do_not_share_a_state_file),
        TEST(reset_forgets_for_good),
        TEST(options_set_credentials_limit_delay_and_test_codes),
        TEST(wrong_options_are_told_with_their_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
