/* What a stop leaves for the next start: offsets, ports, files, and payments in the middle. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "farebox_audit.h"
#include "farebox_process.h"
#include "http_client.h"
#include "trip_sender.h"

#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define TRIPS 120
/* Beside the stop timeout: leaving the groups, flushing and closing take some seconds each. */
#define STOP_MS 30000

static const char payments[] = "SELECT count(*) FROM payments";
static const char taken[] = "farebox_records_total{topic=\"trips\",kind=\"trip\"}";

static struct kafka_broker *broker;
static struct farebox_process process;
static struct trip_sender sender;
static struct farebox_audit audit;

static int setup(void **state)
{
    (void)state;
    broker = trip_sender_broker(TRIP_SENDER_PARTITIONS);
    farebox_process_init(&process, kafka_broker_bootstrap(broker));
    farebox_process_hurry(&process);
    trip_sender_open(&sender, kafka_broker_bootstrap(broker));
    farebox_audit_init(&audit, process.store, process.ledger, kafka_broker_bootstrap(broker));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    trip_sender_close(&sender);
    farebox_process_clear(&process);
    farebox_audit_clear(&audit);
    kafka_broker_close(broker);
    return 0;
}

static void send_trips(int first, int count)
{
    for (int i = first; i < first + count; i++) {
        char id[32];
        (void)snprintf(id, sizeof(id), "stop-%04d", i);
        trip_sender_trip(&sender, id, "user-s", 1000 + i, 300, i % TRIP_SENDER_PARTITIONS);
        farebox_audit_add(&audit, id, "user-s", 1000 + i, 300);
    }
    trip_sender_flush(&sender);
}

static void await_settled(void)
{
    if (!farebox_audit_await_settled(&audit, PROCESS_PATIENCE_MS)) {
        farebox_process_show_log(&process);
        fail_msg("not all payments are settled");
    }
}

static void await_payments(int64_t least)
{
    if (!farebox_audit_await(&audit, payments, least, PROCESS_PATIENCE_MS)) {
        farebox_process_show_log(&process);
        fail_msg("no payments begin");
    }
}

static void expect_exit_0(int64_t timeout_ms)
{
    int status = farebox_process_wait(&process, timeout_ms);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        farebox_process_show_log(&process);
        fail_msg("wait status %#x", (unsigned)status);
    }
}

static void expect_sound_store(void)
{
    assert_int_equal(farebox_audit_count(&audit, "SELECT count(*) FROM pragma_integrity_check"
                                                 " WHERE integrity_check = 'ok'"),
                     1);
}

static void what_was_finished_is_not_delivered_again(void **state)
{
    (void)state;
    farebox_process_start(&process);
    send_trips(0, 50);
    await_settled();
    farebox_process_stop(&process);
    farebox_process_start(&process);
    send_trips(50, 10);
    await_settled();
    assert_true(http_client_metric(process.http_port, taken) == 10);
    farebox_process_stop(&process);
}

static void a_stop_in_mid_flight_loses_nothing(void **state)
{
    struct audit_findings findings;
    (void)state;
    farebox_process_set(&process, "FAREBOX_FAKE_PG_DELAY_MAX_MS", "300");
    farebox_process_set(&process, "FAREBOX_IN_FLIGHT", "8");
    farebox_process_set(&process, "FAREBOX_BATCH_MAX", "8");
    farebox_process_start(&process);
    send_trips(0, TRIPS);
    await_payments(20);
    farebox_process_signal(&process, SIGTERM);
    expect_exit_0(STOP_MS);
    int64_t at_stop = farebox_audit_count(&audit, payments);
    assert_true(at_stop < TRIPS);
    assert_int_equal(
        farebox_audit_count(&audit, "SELECT count(*) FROM payments WHERE status = 'PROCESSING'"),
        0);
    farebox_audit_expect(&audit, false, &findings);
    assert_int_equal(findings.completed, at_stop);
    farebox_process_start(&process);
    await_settled();
    farebox_process_stop(&process);
    farebox_audit_expect(&audit, true, &findings);
    assert_int_equal(findings.completed, TRIPS);
    assert_int_equal(findings.refunded_krw, 0);
}

static void every_signal_that_asks_for_a_stop_frees_port_and_files(void **state)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
    (void)state;
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        struct reply reply;
        struct stat file;
        char path[PROCESS_PATH_SIZE + 8];
        farebox_process_start(&process);
        farebox_process_signal(&process, signals[i]);
        expect_exit_0(STOP_MS);
        http_client_ask(process.http_port, "GET /actuator/health", "", &reply);
        assert_int_equal(reply.status, 0);
        /* The write-ahead log was folded into the file. */
        (void)snprintf(path, sizeof(path), "%s-wal", process.store);
        assert_int_equal(stat(path, &file), -1);
        expect_sound_store();
    }
}

static void a_signal_in_the_middle_of_the_start_leaves_nothing_broken(void **state)
{
    (void)state;
    for (int64_t pause_ms = 0; pause_ms <= 350; pause_ms += 50) {
        farebox_process_spawn(&process);
        process_pause(pause_ms);
        farebox_process_signal(&process, SIGTERM);
        int status = farebox_process_wait(&process, STOP_MS);
        /* Before the handler is there the kernel's default ends it. */
        assert_true((WIFEXITED(status) && WEXITSTATUS(status) == 0) ||
                    (WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM));
        struct stat file;
        if (stat(process.store, &file) == 0 && file.st_size > 0) {
            expect_sound_store();
        }
    }
    farebox_process_start(&process);
    send_trips(0, 3);
    await_settled();
    farebox_process_stop(&process);
}

static void a_stop_without_a_broker_ends_in_time_and_the_next_start_goes_on(void **state)
{
    struct audit_findings findings;
    (void)state;
    farebox_process_set(&process, "FAREBOX_STOP_TIMEOUT_S", "2");
    farebox_process_set(&process, "FAREBOX_FAKE_PG_DELAY_MAX_MS", "300");
    farebox_process_start(&process);
    send_trips(0, TRIPS);
    await_payments(20);
    kafka_broker_set_down(broker, true);
    farebox_process_signal(&process, SIGTERM);
    expect_exit_0(2000 + STOP_MS);
    kafka_broker_set_down(broker, false);
    farebox_process_start(&process);
    await_settled();
    farebox_process_stop(&process);
    farebox_audit_expect(&audit, true, &findings);
    assert_int_equal(findings.completed + findings.failed, TRIPS);
}

#define RULE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RULE(what_was_finished_is_not_delivered_again),
        RULE(a_stop_in_mid_flight_loses_nothing),
        RULE(every_signal_that_asks_for_a_stop_frees_port_and_files),
        RULE(a_signal_in_the_middle_of_the_start_leaves_nothing_broken),
        RULE(a_stop_without_a_broker_ends_in_time_and_the_next_start_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
