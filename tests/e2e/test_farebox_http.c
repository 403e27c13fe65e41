/* A farebox process whose PG, pricing and users are a farebox-fakepg over HTTP. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fakepg_kit.h"
#include "farebox_audit.h"
#include "farebox_process.h"
#include "http_client.h"
#include "trip_sender.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRIPS 40
/* A merchant of its own, with a key as long as a real one. */
#define SECRET_KEY "test_sk_farebox0over0http0secret0key0"

static struct fakepg_kit fakepg;
static struct farebox_process process;
static struct trip_sender sender;

static void use_fakepg(void)
{
    static const char *const urls[] = {"FAREBOX_PG_URL", "FAREBOX_PRICING_URL",
                                       "FAREBOX_USERS_URL"};
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        farebox_process_set(&process, urls[i], "http://127.0.0.1:%u", (unsigned)fakepg.port);
    }
    farebox_process_set(&process, "FAREBOX_PG", "http");
    farebox_process_set(&process, "FAREBOX_UPSTREAMS", "http");
    farebox_process_set(&process, "FAREBOX_PG_SECRET_KEY", "%s", SECRET_KEY);
    farebox_process_set(&process, "FAREBOX_UPSTREAM_TIMEOUT_MS", "10000");
}

/* Short waits, as a key of the test environment allows. */
static void hurry(void)
{
    farebox_process_hurry(&process);
    farebox_process_set(&process, "FAREBOX_PG_LOOKUP_TIMEOUT_S", "0.2");
    farebox_process_set(&process, "FAREBOX_PG_CANCEL_TIMEOUT_S", "0.25");
    farebox_process_set(&process, "FAREBOX_PG_CONNECT_MS", "200");
}

/* On a free port, or where it was before. Its state outlives a kill. */
static void start_fakepg(int port, const char *option)
{
    char number[16];
    const char *const options[] = {"-k",     SECRET_KEY, "--state", fakepg.state,
                                   "--port", number,     option,    NULL};
    (void)snprintf(number, sizeof(number), "%d", port);
    fakepg_kit_start(&fakepg, options);
}

static int setup(void **state)
{
    (void)state;
    farebox_process_init(&process, NULL);
    fakepg_kit_init(&fakepg);
    start_fakepg(0, NULL);
    use_fakepg();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    trip_sender_close(&sender);
    farebox_process_clear(&process);
    fakepg_kit_clear(&fakepg);
    return 0;
}

static int64_t count_of(const char *query)
{
    struct farebox_audit audit;
    farebox_audit_init(&audit, process.store, process.ledger, process.kafka);
    int64_t count = farebox_audit_count(&audit, query);
    farebox_audit_clear(&audit);
    return count;
}

static void await_count(const char *query, int64_t count)
{
    int64_t deadline_ms = process_clock_ms() + PROCESS_PATIENCE_MS;
    while (count_of(query) != count) {
        if (process_clock_ms() >= deadline_ms) {
            farebox_process_show_log(&process);
            fail_msg("%lld instead of %lld: %s", (long long)count_of(query), (long long)count,
                     query);
        }
        process_pause(50);
    }
}

static void send_trip(const char *trip_id, const char *user_id)
{
    trip_sender_trip(&sender, trip_id, user_id, 5200, 900, KAFKA_PARTITION_BY_KEY);
}

static void send_trips(uint32_t first, uint32_t count)
{
    for (uint32_t i = first; i < first + count; i++) {
        char trip_id[32];
        (void)snprintf(trip_id, sizeof(trip_id), "trip-%u", (unsigned)i);
        send_trip(trip_id, "user-1");
    }
    trip_sender_flush(&sender);
}

static void start(void)
{
    farebox_process_start(&process);
    trip_sender_open(&sender, process.kafka);
}

/* A number among the ledger's totals. */
static int64_t total(const char *name)
{
    json_t *ledger = fakepg_kit_control(&fakepg, "ledger", NULL);
    int64_t value = kit_number(json_object_get(ledger, "totals"), name);
    json_decref(ledger);
    return value;
}

static const char completed[] = "SELECT count(*) FROM payments WHERE status = 'COMPLETED'";
static const char unsettled[] =
    "SELECT count(*) FROM payments WHERE status NOT IN ('COMPLETED', 'FAILED')";
static const char earned[] =
    "SELECT coalesce(sum(amount), 0) FROM payments WHERE status = 'COMPLETED'";
static const char letters[] = "SELECT count(*) FROM failed_event";

static void trips_sent_twice_are_charged_once(void **state)
{
    (void)state;
    farebox_process_set(&process, "FAREBOX_PG_CUSTOMER_KEY", "taxi-{userId}");
    farebox_process_set(&process, "FAREBOX_PG_ACCOUNT", "fakepg3"); /* the third of its merchants */
    start();
    send_trips(0, TRIPS);
    send_trips(0, TRIPS);
    await_count(completed, TRIPS);
    assert_int_equal(total("approvals"), TRIPS);
    assert_int_equal(total("approved_twice"), 0);
    assert_int_equal(total("captured"), count_of(earned));
    json_t *ledger = fakepg_kit_control(&fakepg, "ledger", NULL);
    const json_t *order = json_array_get(json_object_get(ledger, "orders"), 0);
    assert_string_equal(kit_text(order, "customerKey"), "taxi-user-1");
    json_decref(ledger);
    farebox_process_stop(&process);
}

static void what_pricing_and_users_refuse_for_good_is_not_charged(void **state)
{
    (void)state;
    fakepg_kit_set(&fakepg, "overrides",
                   "{\"upstream\":\"pricing\",\"id\":\"trip-half\",\"kind\":\"not_whole\"}");
    fakepg_kit_set(&fakepg, "overrides",
                   "{\"upstream\":\"pricing\",\"id\":\"trip-free\",\"kind\":\"fare\"}");
    fakepg_kit_set(&fakepg, "overrides",
                   "{\"upstream\":\"users\",\"id\":\"nobody\",\"kind\":\"not_found\"}");
    start();
    send_trip("trip-half", "user-1");
    send_trip("trip-free", "user-1");
    send_trip("trip-nobody", "nobody");
    trip_sender_flush(&sender);
    await_count("SELECT count(*) FROM payments WHERE trip_id = 'trip-free' AND amount = 0 AND"
                " status = 'COMPLETED'",
                1);
    await_count("SELECT count(*) FROM payments WHERE trip_id = 'trip-nobody' AND"
                " status = 'FAILED' AND reason = 'NO_PAYMENT_METHOD'",
                1);
    await_count(letters, 1);
    assert_int_equal(count_of("SELECT count(*) FROM payments"), 2);
    assert_int_equal(total("approvals"), 0);
    farebox_process_stop(&process);
}

/* No row fails or completes for it, the breaker opens, an alert says so. */
static void expect_credentials_refused(void)
{
    start();
    send_trips(0, TRIPS);
    int64_t deadline_ms = process_clock_ms() + PROCESS_PATIENCE_MS;
    while (http_client_metric(process.http_port, "farebox_alerts_total{alert=\"credentials\"}") <
               1 ||
           http_client_metric(process.http_port, "farebox_breaker_state{peer=\"pg\"}") < 1) {
        assert_true(process_clock_ms() < deadline_ms);
        process_pause(20);
    }
    assert_int_equal(count_of("SELECT count(*) FROM payments WHERE status != 'PROCESSING'"), 0);
    assert_int_equal(count_of(letters), 0);
}

static void refused_credentials_open_the_breaker_and_alert(void **state)
{
    (void)state;
    farebox_process_set(&process, "FAREBOX_PG_SECRET_KEY", "test_sk_of_somebody_else_entirely");
    expect_credentials_refused();
    assert_int_equal(total("approvals"), 0);
}

static void a_key_of_another_merchant_is_as_good_as_refused(void **state)
{
    (void)state;
    farebox_process_set(&process, "FAREBOX_PG_ACCOUNT", "somebody");
    expect_credentials_refused();
}

static void a_key_whose_merchant_knows_no_billing_key_of_ours_fails_nobody(void **state)
{
    (void)state;
    int port = fakepg.port;
    fakepg_kit_kill(&fakepg);
    start_fakepg(port, "--strict-billing-keys");
    farebox_process_set(&process, "FAREBOX_PG_ACCOUNT", "somebody");
    expect_credentials_refused();
    assert_int_equal(total("approvals"), 0);
}

static void a_pg_that_is_killed_and_comes_back_charges_each_trip_once(void **state)
{
    (void)state;
    hurry();
    start();
    fakepg_kit_set(&fakepg, "config",
                   "{\"delay\":{\"pg\":{\"kind\":\"uniform\",\"ms\":0,\"max_ms\":100}}}");
    send_trips(0, TRIPS);
    await_count("SELECT count(*) > 5 FROM payments", 1);
    int port = fakepg.port;
    fakepg_kit_kill(&fakepg);
    send_trips(TRIPS, TRIPS);
    process_pause(1000);
    start_fakepg(port, NULL);
    await_count("SELECT count(*) FROM payments", 2L * TRIPS);
    await_count(unsettled, 0);
    assert_int_equal(total("approved_twice"), 0);
    assert_int_equal(total("captured") - total("refunded"), count_of(earned));
    assert_int_equal(count_of(letters), 0);
    farebox_process_stop(&process);
}

/* Its charges are found by look-ups. */
static void a_pg_that_charges_and_never_answers_charges_once(void **state)
{
    (void)state;
    hurry();
    start();
    fakepg_kit_set(&fakepg, "config", "{\"lost\":\"hang\"}");
    fakepg_kit_set(&fakepg, "faults", "{\"fault\":\"lost_after\",\"op\":\"charge\"}");
    send_trips(0, 10);
    await_count("SELECT count(*) FROM payments", 10);
    await_count(unsettled, 0);
    await_count("SELECT count(*) FROM payments WHERE refund_state = 'INTENDED'", 0);
    assert_int_equal(total("approved_twice"), 0);
    assert_int_equal(total("approvals"), 10);
    assert_int_equal(total("captured") - total("refunded"), count_of(earned));
    farebox_process_stop(&process);
}

/* Absent twice, FAILED, and then there it is: a re-check finds and refunds it. */
static void a_charge_that_appears_after_the_rescue_has_looked_is_refunded(void **state)
{
    (void)state;
    hurry();
    start();
    fakepg_kit_set(&fakepg, "config", "{\"lost\":\"hang\"}");
    fakepg_kit_set(&fakepg, "faults", "{\"fault\":\"late\",\"op\":\"charge\",\"value\":5000}");
    send_trips(0, 5);
    await_count("SELECT count(*) FROM payments WHERE status = 'FAILED' AND refund_state = 'DONE'",
                5);
    assert_int_equal(total("approvals"), 5);
    assert_int_equal(total("captured"), total("refunded"));
    assert_int_equal(count_of("SELECT count(*) FROM payment_outbox"), 5);
    farebox_process_stop(&process);
}

static const char all_faults[] =
    "{\"weights\":{\"lost_before\":40,\"lost_after\":40,\"late\":20,\"in_progress\":20,"
    "\"decline\":40,\"error_before\":30,\"error_after\":30,\"wrong_amount\":20,\"broken\":40,"
    "\"foreign\":30,\"unauthorized\":5,\"too_many\":20,\"processing\":20,\"slow\":20},"
    "\"users_weights\":{\"trouble\":100,\"card_change\":50},\"pricing_weights\":{\"trouble\":100},"
    "\"timeout_ms\":400,\"slow_max_ms\":200,\"late_short_max_ms\":300,\"late_long_permille\":0}";

/* Everything that the process says and everything that it answers over HTTP. */
static void expect_untold(const char *secret)
{
    static const char *const lines[] = {
        "GET /actuator/prometheus",
        "GET /actuator/health",
        "GET /internal/api/payments",
        "GET /internal/api/payments?tripId=trip-1",
        "GET /internal/api/none",
        "GET /internal/api/payments?tripId=none",
        "POST /api/payments/admin/failed-events/retry-all",
    };
    farebox_process_expect_untold(&process, secret);
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct reply reply = {0};
        http_client_ask(process.http_port, lines[i], "", &reply);
        assert_true(reply.status > 0);
        if (strstr(reply.head, secret) != NULL || strstr(reply.body, secret) != NULL) {
            fail_msg("%s tells '%s'", lines[i], secret);
        }
        reply_clear(&reply);
    }
}

static void with_every_fault_the_books_balance_and_no_secret_is_told(void **state)
{
    /* The key, its base64, the fakes' billing keys (plain and in a URL), `secret` and card. */
    static const char *const secrets[] = {
        "farebox0over0http0secret", "ZmFyZWJveDBvdmVy", "dGVzdF9za19mYXJl", "bk_", "ps_", "******"};
    (void)state;
    hurry();
    farebox_process_set(&process, "FAREBOX_LOG_LEVEL", "debug");
    fakepg_kit_set(&fakepg, "config", all_faults);
    start();
    send_trips(0, 3 * TRIPS);
    await_count("SELECT count(*) FROM payments", 3L * TRIPS);
    process_pause(1000);
    fakepg_kit_set(&fakepg, "faults/off", "{}");
    await_count(unsettled, 0);
    await_count("SELECT count(*) FROM payments WHERE refund_state = 'INTENDED'", 0);
    assert_int_equal(total("captured") - total("refunded"), count_of(earned));
    assert_int_equal(count_of(letters), 0);
    for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++) {
        expect_untold(secrets[i]);
    }
    farebox_process_stop(&process);
}

static void a_stop_waits_for_calls_under_way(void **state)
{
    (void)state;
    start();
    fakepg_kit_set(&fakepg, "config", "{\"delay\":{\"pg\":{\"kind\":\"fixed\",\"ms\":1500}}}");
    send_trips(0, 10);
    await_count("SELECT count(*) FROM payments", 10);
    assert_true(count_of(unsettled) > 0);
    trip_sender_close(&sender);
    farebox_process_stop(&process);
    assert_int_equal(count_of(unsettled), 0);
}

static void expect_refusal(const char *text)
{
    farebox_process_forget_output(&process);
    assert_int_equal(farebox_process_run(&process, NULL), 1);
    char *log = farebox_process_read_log(&process);
    if (strstr(log, text) == NULL) {
        farebox_process_show_log(&process);
        fail_msg("not \"%s\"", text);
    }
    free(log);
}

static void a_certificate_that_cannot_be_read_is_named_at_the_start(void **state)
{
    (void)state;
    farebox_process_set(&process, "FAREBOX_PG_CA_PATH", "/nonexistent/ca.pem");
    expect_refusal("farebox: not started: HTTP to the PG, pricing and users: /nonexistent/ca.pem "
                   "can't be read");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(trips_sent_twice_are_charged_once),
        TEST(what_pricing_and_users_refuse_for_good_is_not_charged),
        TEST(refused_credentials_open_the_breaker_and_alert),
        TEST(a_key_of_another_merchant_is_as_good_as_refused),
        TEST(a_key_whose_merchant_knows_no_billing_key_of_ours_fails_nobody),
        TEST(a_pg_that_charges_and_never_answers_charges_once),
        TEST(a_charge_that_appears_after_the_rescue_has_looked_is_refunded),
        TEST(a_pg_that_is_killed_and_comes_back_charges_each_trip_once),
        TEST(with_every_fault_the_books_balance_and_no_secret_is_told),
        TEST(a_stop_waits_for_calls_under_way),
        TEST(a_certificate_that_cannot_be_read_is_named_at_the_start),
    };
    return cmocka_run_group_tests_name("farebox over HTTP", tests, NULL, NULL);
}
