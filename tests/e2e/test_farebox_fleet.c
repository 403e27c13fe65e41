/*
 * Three farebox processes on one MariaDB and one broker, with a PG that loses calls: killed again
 * and again while the database comes and goes, and then the PG's ledger, the tables and
 * payment_events are held against one another. And an outage of the database that nobody has to
 * mend anything after.
 *
 * The long form, five minutes or more:
 *   FAREBOX_E2E_TRIPS=10000 FAREBOX_E2E_ROUNDS=10 FAREBOX_E2E_OUTAGE_S=60 test_farebox_fleet
 * In each round every process is killed once, one is frozen for seconds, and the database is
 * stopped once. FAREBOX_E2E_SEED=N: at other instants.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fleet.h"
#include "mariadb_server.h"

#include <mysql.h>

#define DATABASE  "farebox_fleet"
#define TRIPS     1500
#define ROUNDS    3
#define OUTAGE_S  10
#define SETTLE_MS 180000

static struct mariadb_server server;
static struct mysql_store_options database;
static struct fleet fleet;

/* Holds the server's COMMITs back; NULL: not possible now. */
static MYSQL *commits_hold(void)
{
    MYSQL *db = mysql_init(NULL);
    assert_non_null(db);
    if (mysql_real_connect(db, "127.0.0.1", MARIADB_ROOT, NULL, NULL, server.port, NULL, 0) !=
            NULL &&
        mysql_query(db, "BACKUP STAGE START") == 0 &&
        mysql_query(db, "BACKUP STAGE BLOCK_COMMIT") == 0) {
        return db;
    }
    mysql_close(db);
    return NULL;
}

/* A kill meets every COMMIT that there is: just after it, or, every fourth outage, before it. */
static bool server_stop(int32_t outage, bool is_kill)
{
    MYSQL *holder = is_kill ? commits_hold() : NULL;
    if (holder != NULL) {
        fleet_pause(&fleet, 300);
    }
    if (holder != NULL && outage % 4 != 2) {
        mysql_close(holder);
        process_pause(fleet_draw(&fleet, 4));
        holder = NULL;
    }
    mariadb_server_stop(&server, is_kill);
    if (holder != NULL) {
        mysql_close(holder);
    }
    return true;
}

static bool server_start(int32_t outage)
{
    (void)outage;
    return mariadb_server_start(&server);
}

static int setup(void **state)
{
    (void)state;
    if (!mariadb_server_run(&server, NULL, "CREATE DATABASE " DATABASE)) {
        return -1;
    }
    fleet_open(&fleet, (uint64_t)fleet_number("FAREBOX_E2E_SEED", 1));
    for (uint32_t i = 0; i < FLEET_SIZE; i++) {
        farebox_process_set(&fleet.members[i].process, "FAREBOX_STORE",
                            "mysql://" MARIADB_USER "@127.0.0.1:%u/" DATABASE,
                            (unsigned)server.port);
    }
    fleet_set(&fleet, "FAREBOX_STORE_PASSWORD", MARIADB_PASSWORD);
    /* The embedded broker may lose a member that joins with others, until its session is over. */
    fleet_set(&fleet, "FAREBOX_KAFKA_SESSION_S", "6");
    database = (struct mysql_store_options){.host = "127.0.0.1",
                                            .user = MARIADB_USER,
                                            .password = MARIADB_PASSWORD,
                                            .database = DATABASE,
                                            .port = server.port,
                                            .connect_timeout_s = 10,
                                            .read_timeout_s = 60,
                                            .write_timeout_s = 60,
                                            .lock_wait_timeout_s = 10};
    farebox_audit_init_mysql(&fleet.audit, &database, fleet.members[0].process.ledger,
                             kafka_broker_bootstrap(fleet.broker));
    fleet.database_stop = server_stop;
    fleet.database_start = server_start;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fleet_close(&fleet);
    return mariadb_server_run(&server, NULL, "DROP DATABASE " DATABASE) ? 0 : -1;
}

static void kills_and_outages_lose_nothing_and_charge_nothing_twice(void **state)
{
    struct audit_findings findings;
    int32_t rounds = (int32_t)fleet_number("FAREBOX_E2E_ROUNDS", ROUNDS);
    (void)state;
    for (uint32_t i = 0; i < FLEET_SIZE; i++) {
        farebox_process_hurry(&fleet.members[i].process);
    }
    fleet_set(&fleet, "FAREBOX_FAKE_PG_DELAY_MAX_MS", "200");
    fleet_set(&fleet, "FAREBOX_FAKE_PG_FAULT_PERMILLE", "100");
    fleet_start(&fleet);
    fleet_trouble(&fleet, rounds, (int32_t)fleet_number("FAREBOX_E2E_TRIPS", TRIPS));
    fleet_settle(&fleet, SETTLE_MS);
    fleet_expect(&fleet, &findings);
    /* Or the kills came when nothing was going on. */
    assert_true(fleet.unfinished > rounds * (FLEET_SIZE + 1));
    assert_true(findings.completed > 0 && findings.failed > 0 && findings.refunded_krw > 0);
}

/* With LIFE's own waits: the rescue takes nobody's payment, so each trip is paid, once. */
static void outage_of_the_database_needs_no_hand(void **state)
{
    static const char payments[] = "SELECT count(*) FROM payments";
    struct audit_findings findings;
    pid_t pids[FLEET_SIZE];
    (void)state;
    fleet_set(&fleet, "FAREBOX_FAKE_PG_DELAY_MAX_MS", "400");
    fleet_set(&fleet, "FAREBOX_IN_FLIGHT", "64");
    fleet_set(&fleet, "FAREBOX_BATCH_MAX", "64");
    fleet_start(&fleet);
    for (uint32_t i = 0; i < FLEET_SIZE; i++) {
        pids[i] = fleet.members[i].process.pid;
    }
    fleet_send(&fleet, TRIPS / 3);
    if (!fleet_await_count(&fleet, payments, TRIPS / 10, PROCESS_PATIENCE_MS)) {
        fleet_fail(&fleet, "no payments begin");
    }
    assert_true(server_stop(fleet.outages++, true));
    fleet_send(&fleet, TRIPS / 3);
    fleet_pause(&fleet, 1000 * fleet_number("FAREBOX_E2E_OUTAGE_S", OUTAGE_S));
    assert_true(mariadb_server_start(&server));
    fleet_send(&fleet, TRIPS / 3);
    if (!farebox_audit_await_settled(&fleet.audit, SETTLE_MS)) {
        fleet_fail(&fleet, "not all payments are settled");
    }
    for (uint32_t i = 0; i < FLEET_SIZE; i++) {
        assert_int_equal(fleet.members[i].process.pid, pids[i]);
    }
    fleet_stop(&fleet);
    fleet_expect(&fleet, &findings);
    assert_int_equal(findings.completed, TRIPS);
    assert_int_equal(findings.refunded_krw, 0);
}

/* 1: every payment is COMPLETED and every event is published. */
static const char all_told[] =
    "SELECT 1 - SIGN((SELECT count(*) FROM payments WHERE status <> 'COMPLETED')"
    " + (SELECT count(*) FROM payment_outbox WHERE status <> 'DONE'))";

/*
 * A failover to a replica that lacks the last commits: the rows are gone, the charges are not. The
 * records come again, as after the offsets were set back, and the PG has charged these orders.
 */
static void rows_that_a_failover_loses_are_not_charged_again(void **state)
{
    enum { LOST_TRIPS = 40 };
    struct audit_findings findings;
    (void)state;
    fleet_start(&fleet);
    fleet_send(&fleet, LOST_TRIPS);
    if (!farebox_audit_await_settled(&fleet.audit, SETTLE_MS)) {
        fleet_fail(&fleet, "not all payments are settled");
    }
    assert_true(
        mariadb_server_run(&server, DATABASE, "DELETE FROM payment_outbox; DELETE FROM payments"));
    fleet_send_again(&fleet, LOST_TRIPS);
    if (!fleet_await_count(&fleet, "SELECT count(*) FROM payments", LOST_TRIPS,
                           PROCESS_PATIENCE_MS) ||
        !fleet_await_count(&fleet, all_told, 1, PROCESS_PATIENCE_MS)) {
        fleet_fail(&fleet, "the rows do not come back");
    }
    fleet_stop(&fleet);
    fleet_expect(&fleet, &findings);
    assert_int_equal(findings.completed, LOST_TRIPS);
    assert_int_equal(findings.refunded_krw, 0);
    assert_true(findings.events >= 2 * LOST_TRIPS);
}

int main(void)
{
    if (!mariadb_server_is_there()) {
        return 0;
    }
    if (!mariadb_server_open(&server, true)) {
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(kills_and_outages_lose_nothing_and_charge_nothing_twice,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(outage_of_the_database_needs_no_hand, setup, teardown),
        cmocka_unit_test_setup_teardown(rows_that_a_failover_loses_are_not_charged_again, setup,
                                        teardown),
    };
    int failed = cmocka_run_group_tests_name("a fleet on MariaDB", tests, NULL, NULL);
    mariadb_server_close(&server);
    return failed;
}
