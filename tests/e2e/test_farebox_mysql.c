/* A farebox process on a MariaDB server of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "farebox_process.h"
#include "http_client.h"
#include "mariadb_server.h"
#include "trip_sender.h"

#include <mysql.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRIPS    40
#define DATABASE "farebox_e2e"

static struct mariadb_server server;
static struct farebox_process process;
static struct trip_sender sender;

static void store_set(const char *password)
{
    farebox_process_set(&process, "FAREBOX_STORE",
                        "mysql://" MARIADB_USER "@127.0.0.1:%u/" DATABASE, (unsigned)server.port);
    farebox_process_set(&process, "FAREBOX_STORE_PASSWORD", "%s", password);
}

static int setup(void **state)
{
    (void)state;
    farebox_process_init(&process, NULL);
    store_set(MARIADB_PASSWORD);
    return mariadb_server_run(&server, NULL, "CREATE DATABASE " DATABASE) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    trip_sender_close(&sender);
    farebox_process_clear(&process);
    return mariadb_server_run(&server, NULL, "DROP DATABASE " DATABASE) ? 0 : -1;
}

/* -1: no connection, or no table yet. */
static long count_of(const char *query)
{
    MYSQL *db = mysql_init(NULL);
    long count = -1;
    assert_non_null(db);
    if (mysql_real_connect(db, "127.0.0.1", MARIADB_ROOT, NULL, DATABASE, server.port, NULL, 0) !=
            NULL &&
        mysql_query(db, query) == 0) {
        MYSQL_RES *result = mysql_store_result(db);
        MYSQL_ROW row = result == NULL ? NULL : mysql_fetch_row(result);
        count = row == NULL || row[0] == NULL ? -1 : strtol(row[0], NULL, 10);
        mysql_free_result(result);
    }
    mysql_close(db);
    return count;
}

static void await_count(const char *query, long count)
{
    int64_t deadline_ms = process_clock_ms() + PROCESS_PATIENCE_MS;
    while (count_of(query) != count) {
        if (process_clock_ms() >= deadline_ms) {
            farebox_process_show_log(&process);
            fail_msg("%ld instead of %ld: %s", count_of(query), count, query);
        }
        process_pause(50);
    }
}

static void send_trips(uint32_t first, uint32_t count)
{
    for (uint32_t i = first; i < first + count; i++) {
        char trip_id[32];
        (void)snprintf(trip_id, sizeof(trip_id), "trip-%u", (unsigned)i);
        trip_sender_trip(&sender, trip_id, "user-1", 5200, 900, KAFKA_PARTITION_BY_KEY);
    }
    trip_sender_flush(&sender);
}

static const char completed[] = "SELECT COUNT(*) FROM payments WHERE status = 'COMPLETED'"
                                " AND completed_ms >= requested_ms AND due_at IS NULL";
static const char published[] = "SELECT COUNT(*) FROM payment_outbox WHERE status = 'DONE'";

static void trips_sent_twice_are_paid_once_and_published_once(void **state)
{
    (void)state;
    farebox_process_start(&process);
    trip_sender_open(&sender, process.kafka);
    send_trips(0, TRIPS);
    send_trips(0, TRIPS);
    await_count(completed, TRIPS);
    await_count(published, TRIPS);
    assert_int_equal(count_of("SELECT COUNT(*) FROM payments"), TRIPS);
    assert_int_equal(count_of("SELECT COUNT(*) FROM payment_outbox"), TRIPS);
    /* Local times of Seoul, whatever the server's zone is. */
    assert_int_equal(count_of("SELECT COUNT(*) FROM payments WHERE ABS(TIMESTAMPDIFF(SECOND,"
                              " requested_at, UTC_TIMESTAMP() + INTERVAL 9 HOUR)) < 600"),
                     TRIPS);
    json_t *payment = http_client_payment(process.http_port, "trip-7");
    assert_string_equal(json_string_value(json_object_get(payment, "status")), "COMPLETED");
    json_decref(payment);
    farebox_process_stop(&process);
}

/* The embedded broker dies with the process, so the process lives on. */
static void database_that_is_killed_and_comes_back_loses_nothing(void **state)
{
    (void)state;
    farebox_process_set(&process, "FAREBOX_FAKE_PG_DELAY_MAX_MS", "1000");
    farebox_process_start(&process);
    trip_sender_open(&sender, process.kafka);
    send_trips(0, TRIPS);
    await_count("SELECT COUNT(*) FROM payments", TRIPS);
    mariadb_server_stop(&server, true);
    send_trips(TRIPS, TRIPS);
    assert_true(mariadb_server_start(&server));
    await_count(completed, 2L * TRIPS);
    await_count(published, 2L * TRIPS);
    assert_int_equal(count_of("SELECT COUNT(*) FROM payment_outbox"), 2L * TRIPS);
    farebox_process_stop(&process);
}

/* One line says why; the password is in none. */
static void expect_refusal(const char *words)
{
    farebox_process_forget_output(&process);
    assert_int_equal(farebox_process_run(&process, NULL), 1);
    char *log = farebox_process_read_log(&process);
    if (strstr(log, "farebox: not started: FAREBOX_STORE=mysql://") == NULL ||
        strstr(log, words) == NULL || strstr(log, "secret") != NULL) {
        farebox_process_show_log(&process);
        fail_msg("not \"%s\"", words);
    }
    free(log);
}

static void store_that_cannot_be_used_is_named_with_the_reason(void **state)
{
    (void)state;
    store_set("a-wrong-long-secret");
    expect_refusal("Access denied for user 'farebox'");
    store_set(MARIADB_PASSWORD);
    assert_true(mariadb_server_run(&server, NULL, "SET GLOBAL innodb_flush_log_at_trx_commit = 2"));
    expect_refusal("FAREBOX_STORE_ALLOW_LOST_COMMITS=true");
    farebox_process_set(&process, "FAREBOX_STORE_ALLOW_LOST_COMMITS", "true");
    farebox_process_start(&process);
    farebox_process_stop(&process);
    assert_true(mariadb_server_run(&server, NULL, "SET GLOBAL innodb_flush_log_at_trx_commit = 1"));
    farebox_process_set(&process, "FAREBOX_STORE", "mysql://farebox@127.0.0.1:1/" DATABASE);
    expect_refusal("127.0.0.1");
}

#define SESSIONS                                                                                   \
    "SELECT COUNT(*) FROM information_schema.processlist WHERE user = '" MARIADB_USER "'"

/* And two more: for scans, and for those who ask over HTTP. */
static void each_lane_has_a_connection_of_its_own(void **state)
{
    static const long lanes[] = {1, 7};
    (void)state;
    for (size_t i = 0; i < sizeof(lanes) / sizeof(lanes[0]); i++) {
        farebox_process_set(&process, "FAREBOX_STORE_LANES", "%ld", lanes[i]);
        farebox_process_start(&process);
        /* The server takes a moment to notice that those of the start have gone. */
        await_count(SESSIONS, lanes[i] + 2);
        farebox_process_stop(&process);
        await_count(SESSIONS, 0);
    }
}

/* The user must show a certificate; each connection of the process does. */
static void certificate_of_the_settings_is_shown_to_the_server(void **state)
{
    (void)state;
    static char texts[3][500];
    static const char *const options[] = {texts[0], texts[1], texts[2], NULL};
    char command[500];
    (void)snprintf(command, sizeof(command), "tests/contract/make_certificates.sh %s",
                   server.folder);
    assert_int_equal(system(command), 0);
    mariadb_server_stop(&server, false);
    (void)snprintf(texts[0], sizeof(texts[0]), "--ssl-ca=%s/authority.pem", server.folder);
    (void)snprintf(texts[1], sizeof(texts[1]), "--ssl-cert=%s/server.pem", server.folder);
    (void)snprintf(texts[2], sizeof(texts[2]), "--ssl-key=%s/server.key", server.folder);
    server.options = options;
    assert_true(mariadb_server_start(&server));
    assert_true(mariadb_server_run(&server, NULL,
                                   "ALTER USER '" MARIADB_USER "'@'%' REQUIRE X509;"
                                   "ALTER USER '" MARIADB_USER "'@'localhost' REQUIRE X509"));
    farebox_process_set(&process, "FAREBOX_STORE_TLS", "required");
    farebox_process_set(&process, "FAREBOX_STORE_TLS_CA_PATH", "%s/authority.pem", server.folder);
    expect_refusal("Access denied for user 'farebox'");
    farebox_process_set(&process, "FAREBOX_STORE_TLS_CERT_PATH", "%s/client.pem", server.folder);
    farebox_process_set(&process, "FAREBOX_STORE_TLS_KEY_PATH", "%s/client.key", server.folder);
    farebox_process_start(&process);
    farebox_process_stop(&process);
    farebox_process_set(&process, "FAREBOX_STORE_TLS_CA_PATH", "%s/stranger.pem", server.folder);
    expect_refusal("cannot be used");
    assert_true(mariadb_server_run(&server, NULL,
                                   "ALTER USER '" MARIADB_USER "'@'%' REQUIRE NONE;"
                                   "ALTER USER '" MARIADB_USER "'@'localhost' REQUIRE NONE"));
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
        cmocka_unit_test_setup_teardown(trips_sent_twice_are_paid_once_and_published_once, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(database_that_is_killed_and_comes_back_loses_nothing, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(store_that_cannot_be_used_is_named_with_the_reason, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(each_lane_has_a_connection_of_its_own, setup, teardown),
        cmocka_unit_test_setup_teardown(certificate_of_the_settings_is_shown_to_the_server, setup,
                                        teardown),
    };
    int failed = cmocka_run_group_tests_name("farebox on MySQL", tests, NULL, NULL);
    mariadb_server_close(&server);
    return failed;
}
