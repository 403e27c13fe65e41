/* The farebox command as an operator meets it: starting, what it says when it can't, stopping,
 * health, and dead letters sent back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "farebox_audit.h"
#include "farebox_process.h"
#include "http_client.h"
#include "trip_sender.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define TRIPS         20
#define MANY_TRIPS    2000
#define EXIT_BY_FORCE 130
/* A stop with nothing in flight: leaving the groups and closing the HTTP server take seconds. */
#define STOP_MS 30000

static const char payments[] = "SELECT count(*) FROM payments";
static const char open_payments[] =
    "SELECT count(*) FROM payments WHERE status NOT IN ('COMPLETED', 'FAILED')";
static const char pending[] = "SELECT count(*) FROM failed_event WHERE status = 'PENDING'";

static struct farebox_process process;
static struct trip_sender sender;

static int setup(void **state)
{
    (void)state;
    farebox_process_init(&process, NULL);
    farebox_process_set(&process, "FAREBOX_ADMIN_TOKEN", "%s", FIXTURE_TOKEN);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    trip_sender_close(&sender);
    farebox_process_clear(&process);
    return 0;
}

static void send_trips(uint32_t count)
{
    trip_sender_open(&sender, process.kafka);
    for (uint32_t i = 0; i < count; i++) {
        char trip_id[32];

        (void)snprintf(trip_id, sizeof(trip_id), "trip-%u", (unsigned)i);
        trip_sender_trip(&sender, trip_id, "user-1", 5200, 900, KAFKA_PARTITION_BY_KEY);
    }
    trip_sender_flush(&sender);
}

static int64_t count_of(const char *query)
{
    struct farebox_audit audit;
    int64_t count;

    farebox_audit_init(&audit, process.store, process.ledger, process.kafka);
    count = farebox_audit_count(&audit, query);
    farebox_audit_clear(&audit);
    return count;
}

static void await_count(const char *query, int64_t count)
{
    int64_t deadline_ms = process_clock_ms() + PROCESS_PATIENCE_MS;

    while (count_of(query) != count) {
        assert_true(process_clock_ms() < deadline_ms);
        process_pause(20);
    }
}

/* Does not start, and one line on stderr says which setting, its value, and more. (What the Kafka
 * client has to say while it is closed may stand before it.) */
static void expect_refusal(const char *name, const char *value)
{
    char expected[PROCESS_PATH_SIZE + 128];
    const char *line;
    char *log;

    farebox_process_set(&process, name, "%s", value);
    farebox_process_set(&process, "FAREBOX_LOG_LEVEL", "warn");
    farebox_process_forget_output(&process);
    assert_int_equal(farebox_process_run(&process, NULL), 1);
    log = farebox_process_read_log(&process);
    (void)snprintf(expected, sizeof(expected), "farebox: not started: %s=%s: ", name, value);
    line = strstr(log, expected);
    if (line == NULL) {
        farebox_process_show_log(&process);
        fail();
        return;
    }
    assert_true(strlen(line) > strlen(expected) + 10);
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
    free(log);
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0 && fclose(file) == 0);
}

static void a_store_that_cannot_be_opened_is_named_with_the_reason(void **state)
{
    char value[PROCESS_PATH_SIZE + 16];
    char text[PROCESS_PATH_SIZE];

    (void)state;
    (void)snprintf(value, sizeof(value), "sqlite:%s", process.folder);
    expect_refusal("FAREBOX_STORE", value);
    (void)snprintf(value, sizeof(value), "sqlite:%s/none/store.db", process.folder);
    expect_refusal("FAREBOX_STORE", value);
    (void)snprintf(text, sizeof(text), "%s/text", process.folder);
    write_file(text, "this is no database, and long enough to be read as the head of one. "
                     "this is no database, and long enough to be read as the head of one.");
    (void)snprintf(value, sizeof(value), "sqlite:%s", text);
    expect_refusal("FAREBOX_STORE", value);
}

static void a_ledger_that_is_something_else_is_named_and_left_alone(void **state)
{
    char path[PROCESS_PATH_SIZE];
    char *left;

    (void)state;
    (void)snprintf(path, sizeof(path), "%s/text", process.folder);
    write_file(path, "somebody's notes");
    expect_refusal("FAREBOX_FAKE_PG_FILE", path);
    left = process_read_file(path, 0);
    assert_string_equal(left, "somebody's notes");
    free(left);
}

static void a_taken_address_is_named(void **state)
{
    struct farebox_process first = {0};
    char value[64];

    (void)state;
    farebox_process_init(&first, NULL);
    farebox_process_start(&first);
    (void)snprintf(value, sizeof(value), "127.0.0.1:%d", first.http_port);
    expect_refusal("FAREBOX_HTTP_ADDRESS", value);
    farebox_process_clear(&first);
}

static void sigterm_finishes_what_is_claimed_and_exits_0(void **state)
{
    int status;

    (void)state;
    farebox_process_set(&process, "FAREBOX_FAKE_PG_DELAY_MAX_MS", "3000");
    farebox_process_start(&process);
    send_trips(TRIPS);
    await_count(payments, TRIPS);
    assert_true(count_of(open_payments) > 0);
    trip_sender_close(&sender);
    farebox_process_signal(&process, SIGTERM);
    status = farebox_process_wait(&process, STOP_MS);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_int_equal(count_of(open_payments), 0);
    assert_int_equal(count_of("SELECT count(*) FROM payment_outbox WHERE status != 'DONE'"), 0);
}

/* The parts end while batches, deliveries and calls are under way, and no part uses a gone one. */
static void a_stop_whose_time_is_over_ends_in_order(void **state)
{
    int status;

    (void)state;
    farebox_process_set(&process, "FAREBOX_FAKE_PG_DELAY_MAX_MS", "8000");
    farebox_process_set(&process, "FAREBOX_STOP_TIMEOUT_S", "0");
    farebox_process_start(&process);
    send_trips(MANY_TRIPS);
    await_count(payments, MANY_TRIPS);
    trip_sender_close(&sender);
    farebox_process_signal(&process, SIGTERM);
    status = farebox_process_wait(&process, STOP_MS);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_true(count_of(open_payments) > 0);
}

static void a_second_signal_ends_it_at_once(void **state)
{
    int64_t start_ms;
    int status;

    (void)state;
    /* Charges that nobody would wait for. */
    farebox_process_set(&process, "FAREBOX_FAKE_PG_DELAY_MAX_MS", "60000");
    farebox_process_start(&process);
    send_trips(TRIPS);
    await_count(payments, TRIPS);
    trip_sender_close(&sender);
    farebox_process_signal(&process, SIGINT);
    while (true) {
        char *log = farebox_process_read_log(&process);
        bool is_stopping = strstr(log, "\"message\":\"stopping\"") != NULL;

        free(log);
        if (is_stopping) {
            break;
        }
        process_pause(5);
    }
    start_ms = process_clock_ms();
    farebox_process_signal(&process, SIGINT);
    status = farebox_process_wait(&process, STOP_MS);
    assert_true(process_clock_ms() - start_ms < 5000);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_BY_FORCE);
}

static void ready_comes_with_the_first_partitions(void **state)
{
    struct reply reply;
    int64_t deadline_ms = process_clock_ms() + PROCESS_PATIENCE_MS;
    int status = 0;

    (void)state;
    farebox_process_start(&process);
    http_client_ask(process.http_port, "GET /actuator/health/liveness", "", &reply);
    assert_int_equal(reply.status, 200);
    reply_clear(&reply);
    while (status != 200) {
        assert_true(process_clock_ms() < deadline_ms);
        http_client_ask(process.http_port, "GET /actuator/health/readiness", "", &reply);
        status = reply.status;
        assert_true(status == 200 || status == 503);
        assert_int_equal(strstr(reply.body, "\"kafka\":{\"status\":\"UP\"") != NULL, status == 200);
        reply_clear(&reply);
        process_pause(20);
    }
    farebox_process_stop(&process);
}

static int64_t retry_all(int64_t *refused)
{
    struct reply reply;
    json_t *json;
    int64_t retried;

    http_client_ask(process.http_port, "POST " FIXTURE_RETRY_ALL,
                    FIXTURE_AUTHORIZATION "Content-Length: 0\r\n", &reply);
    json = reply_json(&reply, 200);
    retried = json_integer_value(json_object_get(json, "retried"));
    *refused = json_integer_value(json_object_get(json, "refused"));
    json_decref(json);
    return retried;
}

static int ignore(int64_t event_id)
{
    struct reply reply;
    char line[128];
    int status;

    (void)snprintf(line, sizeof(line), "POST /api/payments/admin/failed-events/%lld/ignore",
                   (long long)event_id);
    http_client_ask(process.http_port, line, FIXTURE_AUTHORIZATION "Content-Length: 0\r\n", &reply);
    status = reply.status;
    reply_clear(&reply);
    return status;
}

/* Round and round: origin topic, dead letter, stored, retried to the origin, dead letter ... */
static void a_retried_dead_letter_goes_to_its_origin_and_comes_round(void **state)
{
    const struct kafka_outgoing record = {.topic = "trip_events",
                                          .key = "k",
                                          .key_len = 1,
                                          .value = "hello",
                                          .value_len = 5,
                                          .partition = KAFKA_PARTITION_BY_KEY};
    int64_t refused = -1;

    (void)state;
    farebox_process_start(&process);
    trip_sender_open(&sender, process.kafka);
    trip_sender_send(&sender, &record);
    trip_sender_flush(&sender);
    await_count(pending, 1);
    assert_int_equal(retry_all(&refused), 1);
    assert_int_equal(refused, 0);
    await_count("SELECT count(*) FROM failed_event", 2);
    assert_int_equal(count_of("SELECT count(*) FROM failed_event WHERE topic != 'trip_events'"), 0);
    assert_int_equal(count_of("SELECT count(*) FROM failed_event WHERE status = 'RESOLVED'"), 1);
    assert_int_equal(ignore(2), 200);
    assert_int_equal(ignore(2), 409);
    assert_int_equal(ignore(3), 404);
    assert_int_equal(count_of(pending), 0);
    assert_int_equal(retry_all(&refused), 0);
    trip_sender_close(&sender);
    farebox_process_stop(&process);
}

#define rule(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        rule(a_store_that_cannot_be_opened_is_named_with_the_reason),
        rule(a_ledger_that_is_something_else_is_named_and_left_alone),
        rule(a_taken_address_is_named),
        rule(sigterm_finishes_what_is_claimed_and_exits_0),
        rule(a_stop_whose_time_is_over_ends_in_order),
        rule(a_second_signal_ends_it_at_once),
        rule(ready_comes_with_the_first_partitions),
        rule(a_retried_dead_letter_goes_to_its_origin_and_comes_round),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
