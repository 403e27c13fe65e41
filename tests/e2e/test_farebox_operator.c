/*
 * An operator ends payments that Farebox may not end by itself. How they came to be UNKNOWN is
 * written into the stopped store: the charge is at the PG, the row does not know it.
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

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#define TRIPS 4

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
    farebox_process_set(&process, "FAREBOX_ADMIN_TOKEN", "%s", FIXTURE_TOKEN);
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

static void pay_for_trips(void)
{
    for (int i = 0; i < TRIPS; i++) {
        char id[32];
        (void)snprintf(id, sizeof(id), "operator-%d", i);
        trip_sender_trip(&sender, id, "user-o", 4000 + i, 300, KAFKA_PARTITION_BY_KEY);
        farebox_audit_add(&audit, id, "user-o", 4000 + i, 300);
    }
    trip_sender_flush(&sender);
    if (!farebox_audit_await_settled(&audit, PROCESS_PATIENCE_MS)) {
        farebox_process_show_log(&process);
        fail_msg("not all payments are settled");
    }
}

/* As a double fault would leave it: not told to anybody yet, and nothing due. */
static void forget_the_charges(const char *trips)
{
    sqlite3 *db = NULL;
    char sql[600];
    char *error = NULL;
    (void)snprintf(sql, sizeof(sql),
                   "DELETE FROM payment_outbox WHERE aggregate_id IN (%s);"
                   "UPDATE payments SET status = 'UNKNOWN', needs_operator = 1, due_at = NULL,"
                   " completed_at = NULL, pg_transaction_id = NULL, reason = 'NO_ANSWER'"
                   " WHERE trip_id IN (%s)",
                   trips, trips);
    assert_int_equal(sqlite3_open(process.store, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &error) != SQLITE_OK) {
        fail_msg("%s", error);
    }
    assert_int_equal(sqlite3_changes(db), 2);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void expect(const char *what, const char *trip_id, int status)
{
    char line[256];
    struct reply reply;
    (void)snprintf(line, sizeof(line), "POST /api/payments/admin/payments/%s?tripId=%s", what,
                   trip_id);
    http_client_ask(process.http_port, line,
                    "Authorization: Bearer " FIXTURE_TOKEN "\r\nContent-Length: 0\r\n", &reply);
    assert_int_equal(reply.status, status);
    reply_clear(&reply);
}

static void unknown_payment_is_adopted_or_refunded_and_told_once(void **state)
{
    struct audit_findings findings;
    (void)state;
    farebox_process_start(&process);
    pay_for_trips();
    farebox_process_stop(&process);
    forget_the_charges("'operator-1', 'operator-2'");
    farebox_process_start(&process);

    expect("adopt", "operator-0", 409);
    expect("refund", "operator-0", 409);
    expect("refund", "operator-9", 404);
    expect("adopt", "operator-1", 200);
    expect("adopt", "operator-1", 409);
    expect("refund", "operator-2", 202);
    if (!farebox_audit_await_settled(&audit, PROCESS_PATIENCE_MS)) {
        farebox_process_show_log(&process);
        fail_msg("not all payments are settled");
    }
    expect("refund", "operator-2", 409);
    expect("adopt", "operator-2", 409);
    farebox_process_stop(&process);
    /* The broker still has the first event of the refunded trip: it is no subject of the audit. */
    assert_int_equal(
        farebox_audit_count(&audit, "SELECT count(*) FROM payments WHERE status = 'COMPLETED'"),
        TRIPS - 1);
    farebox_audit_judge(&audit, true, &findings);
    assert_int_equal(findings.completed, TRIPS - 1);
    assert_int_equal(findings.failed, 1);
    assert_int_equal(findings.captured_krw - findings.refunded_krw,
                     audit.subjects[0].trip.expected_fare_krw +
                         audit.subjects[1].trip.expected_fare_krw +
                         audit.subjects[3].trip.expected_fare_krw);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(unknown_payment_is_adopted_or_refunded_and_told_once, setup,
                                        teardown),
    };
    return cmocka_run_group_tests_name("operator", tests, NULL, NULL);
}
