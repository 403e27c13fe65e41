/*
 * Two farebox processes on one store, one broker and one PG: copies of a trip meet in different
 * processes, and one of them is killed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "farebox_audit.h"
#include "farebox_process.h"
#include "http_client.h"
#include "trip_sender.h"

#include <inttypes.h>
#include <stdio.h>

#define TRIPS 150

static const char claimed[] = "farebox_events_total{what=\"claimed\"}";
static const char payments[] = "SELECT count(*) FROM payments";

static struct kafka_broker *broker;
static struct farebox_process first;
static struct farebox_process second;
static struct trip_sender sender;
static struct farebox_audit audit;
static int sent;

static int open_all(void **state)
{
    (void)state;
    broker = trip_sender_broker(TRIP_SENDER_PARTITIONS);
    farebox_process_init(&first, kafka_broker_bootstrap(broker));
    farebox_process_init(&second, kafka_broker_bootstrap(broker));
    farebox_process_hurry(&first);
    farebox_process_hurry(&second);
    farebox_process_set(&second, "FAREBOX_STORE", "sqlite:%s", first.store);
    farebox_process_set(&second, "FAREBOX_FAKE_PG_FILE", "%s", first.ledger);
    farebox_process_set(&first, "FAREBOX_INSTANCE", "first");
    farebox_process_set(&second, "FAREBOX_INSTANCE", "second");
    trip_sender_open(&sender, kafka_broker_bootstrap(broker));
    farebox_audit_init(&audit, first.store, first.ledger, kafka_broker_bootstrap(broker));
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    trip_sender_close(&sender);
    farebox_process_clear(&second);
    farebox_process_clear(&first);
    farebox_audit_clear(&audit);
    kafka_broker_close(broker);
    return 0;
}

static void fail_with_logs(const char *what)
{
    farebox_process_show_log(&first);
    farebox_process_show_log(&second);
    fail_msg("%s", what);
}

/* Every trip in every partition, so that both processes get it. */
static void send_copies(void)
{
    for (int i = 0; i < TRIPS; i++, sent++) {
        char id[32];
        (void)snprintf(id, sizeof(id), "two-%04d", sent);
        for (int32_t partition = 0; partition < TRIP_SENDER_PARTITIONS; partition++) {
            trip_sender_trip(&sender, id, "user-t", 1000 + sent, 300, partition);
        }
        farebox_audit_add(&audit, id, "user-t", 1000 + sent, 300);
    }
    trip_sender_flush(&sender);
}

/* Readiness comes with the first partitions. */
static void await_ready(struct farebox_process *process)
{
    int64_t deadline_ms = process_clock_ms() + PROCESS_PATIENCE_MS;
    int status = 0;
    while (status != 200) {
        struct reply reply;
        http_client_ask(process->http_port, "GET /actuator/health/readiness", "", &reply);
        status = reply.status;
        reply_clear(&reply);
        if (process_clock_ms() > deadline_ms) {
            fail_with_logs("a process gets no partitions");
        }
        process_pause(20);
    }
}

static void await_settled(void)
{
    if (!farebox_audit_await_settled(&audit, 3 * PROCESS_PATIENCE_MS)) {
        fail_with_logs("not all payments are settled");
    }
}

static void copies_in_two_processes_are_one_charge_and_one_event(void **state)
{
    struct audit_findings findings;
    (void)state;
    farebox_process_start(&first);
    farebox_process_start(&second);
    await_ready(&first);
    await_ready(&second);
    send_copies();
    await_settled();
    assert_true(http_client_metric(first.http_port, claimed) > 0);
    assert_true(http_client_metric(second.http_port, claimed) > 0);
    farebox_audit_expect(&audit, true, &findings);
    assert_int_equal(findings.dead, 0);
    print_message("%" PRIu32 " COMPLETED, %" PRIu32 " FAILED, %" PRIu32 " events\n",
                  findings.completed, findings.failed, findings.events);
    assert_int_equal(findings.completed + findings.failed, TRIPS);
}

static void the_survivor_goes_on_and_settles_what_the_killed_one_began(void **state)
{
    struct audit_findings findings;
    (void)state;
    farebox_process_set(&second, "FAREBOX_FAKE_PG_DELAY_MAX_MS", "400");
    farebox_process_stop(&second);
    farebox_process_start(&second);
    await_ready(&second);
    send_copies();
    if (!farebox_audit_await(&audit, payments, TRIPS + TRIPS / 5, PROCESS_PATIENCE_MS)) {
        fail_with_logs("no payments begin");
    }
    farebox_process_kill(&second);
    send_copies();
    if (!farebox_audit_await(&audit, payments, sent, PROCESS_PATIENCE_MS)) {
        fail_with_logs("the survivor does not take over");
    }
    await_settled();
    farebox_process_stop(&first);
    farebox_audit_expect(&audit, true, &findings);
    print_message("%" PRIu32 " COMPLETED, %" PRIu32 " FAILED, %" PRId64 " KRW refunded\n",
                  findings.completed, findings.failed, findings.refunded_krw);
    assert_int_equal(findings.completed + findings.failed, sent);
    assert_int_equal(findings.dead, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_in_two_processes_are_one_charge_and_one_event),
        cmocka_unit_test(the_survivor_goes_on_and_settles_what_the_killed_one_began),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
