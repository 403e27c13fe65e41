/* Databases that farebox refuses to start on, each in one line that says why; and those that it
 * waits for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "farebox_process.h"
#include "mariadb_server.h"
#include "old_service.h"
#include "tcp_proxy.h"

#include <mysqld_error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DATABASE "farebox_refused"

static struct mariadb_server server;
static struct farebox_process process;
static struct sql_client sql;

static int setup(void **state)
{
    (void)state;
    farebox_process_init(&process, NULL);
    farebox_process_set(&process, "FAREBOX_STORE",
                        "mysql://" MARIADB_USER "@127.0.0.1:%u/" DATABASE, (unsigned)server.port);
    farebox_process_set(&process, "FAREBOX_STORE_PASSWORD", "%s", MARIADB_PASSWORD);
    if (!mariadb_server_run(&server, NULL, "CREATE DATABASE " DATABASE)) {
        return -1;
    }
    sql_client_open(&sql, &server, DATABASE);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    sql_client_close(&sql);
    farebox_process_clear(&process);
    return mariadb_server_run(&server, NULL, "DROP DATABASE " DATABASE) ? 0 : -1;
}

static char *word_of(const char *text)
{
    char *copy = strdup(text);
    assert_non_null(copy);
    return copy;
}

/* `farebox` (word NULL) or `farebox migrate` ends with 1 and one line with these words. */
static void expect_refusal(const char *word, const char *words)
{
    farebox_process_forget_output(&process);
    assert_int_equal(farebox_process_run(&process, word), 1);
    char *log = farebox_process_read_log(&process);
    char *begin = strstr(log, word == NULL ? "farebox: not started: FAREBOX_STORE=mysql://"
                                           : "farebox: not migrated: FAREBOX_STORE=mysql://");
    char *line = word_of(begin == NULL ? "" : begin);
    line[strcspn(line, "\n")] = '\0';
    if (strstr(line, words) == NULL || strstr(log, "secret") != NULL) {
        farebox_process_show_log(&process);
        fail_msg("not \"%s\" in \"%s\"", words, line);
    }
    free(line);
    free(log);
}

static void tables_that_are_missing_or_old_where_migrating_is_off(void **state)
{
    (void)state;
    farebox_process_set(&process, "FAREBOX_STORE_MIGRATE", "false");
    expect_refusal(NULL, "has no tables of Farebox, and migrating is off: run `farebox migrate`");
    assert_int_equal(farebox_process_run(&process, "migrate"), 0);
    farebox_process_start(&process);
    farebox_process_stop(&process);
    sql_client_run(&sql, "UPDATE farebox_schema SET version = 1");
    expect_refusal(NULL, "has schema version 1, this Farebox needs version");
}

static void schema_of_a_newer_farebox(void **state)
{
    (void)state;
    assert_int_equal(farebox_process_run(&process, "migrate"), 0);
    sql_client_run(&sql, "UPDATE farebox_schema SET version = 99, min_reader = 98");
    expect_refusal(NULL, "has schema version 99, which needs a Farebox that knows version 98");
    expect_refusal("migrate", "start a newer Farebox");
    sql_client_run(&sql, "UPDATE farebox_schema SET min_reader = 1");
    farebox_process_start(&process);
    farebox_process_stop(&process);
}

static void user_without_the_rights(void **state)
{
    (void)state;
    assert_int_equal(farebox_process_run(&process, "migrate"), 0);
    assert_true(mariadb_server_run(&server, NULL,
                                   "CREATE USER 'few'@'%' IDENTIFIED BY 'a-long-secret-word',"
                                   " 'few'@'localhost' IDENTIFIED BY 'a-long-secret-word';"
                                   "GRANT SELECT, INSERT, UPDATE ON " DATABASE ".* TO 'few'@'%',"
                                   " 'few'@'localhost'"));
    farebox_process_set(&process, "FAREBOX_STORE", "mysql://few@127.0.0.1:%u/" DATABASE,
                        (unsigned)server.port);
    farebox_process_set(&process, "FAREBOX_STORE_PASSWORD", "a-long-secret-word");
    expect_refusal(NULL, "missing: DELETE on payment_outbox");
    sql_client_run(&sql, "DROP TABLE payments");
    sql_client_run(&sql, "UPDATE farebox_schema SET version = 0");
    expect_refusal("migrate", "needs a right that the user does not have: CREATE command denied");
}

/* A start that is killed in the middle of its migration leaves its lease; the next one waits for
 * the lease to run out, and goes on from there. */
static void migration_of_a_process_that_was_killed_is_finished_by_the_next(void **state)
{
    (void)state;
    struct sql_client holder = {0};
    old_service_make_tables(&sql);
    sql_client_open(&holder, &server, DATABASE);
    sql_client_run(&holder, "START TRANSACTION");
    (void)old_service_outbox(&holder, "t", "{}", "DONE");
    farebox_process_spawn(&process);
    int64_t deadline_ms = process_clock_ms() + PROCESS_PATIENCE_MS;
    while (sql_client_number(&sql, "SELECT COUNT(*) FROM information_schema.statistics WHERE"
                                   " table_schema = DATABASE() AND index_name ="
                                   " 'farebox_payments_due'") == 0) {
        assert_true(process_clock_ms() < deadline_ms);
        process_pause(20);
    }
    farebox_process_kill(&process);
    sql_client_run(&holder, "COMMIT");
    sql_client_close(&holder);
    sql_client_run(&sql, "SET time_zone = '+00:00'");
    assert_int_equal(sql_client_number(&sql, "SELECT version FROM farebox_schema"), 1);
    assert_int_equal(sql_client_number(&sql, "SELECT COUNT(*) FROM shedlock WHERE lock_until >"
                                             " NOW(3)"),
                     1);
    farebox_process_start(&process);
    farebox_process_stop(&process);
    assert_int_equal(sql_client_number(&sql, "SELECT COUNT(*) FROM farebox_schema WHERE version ="
                                             " min_reader AND version > 1"),
                     1);
}

static void await_number(const char *query, int64_t number)
{
    int64_t deadline_ms = process_clock_ms() + PROCESS_PATIENCE_MS;
    while (sql_client_number(&sql, "%s", query) != number) {
        if (process_clock_ms() >= deadline_ms) {
            farebox_process_show_log(&process);
            fail_msg("not %lld: %s", (long long)number, query);
        }
        process_pause(50);
    }
}

/* Instances that start together meet in the old service's rows, which each start takes over. */
static void start_that_meets_another_writer_tries_again(void **state)
{
    static const struct tcp_proxy_rule rules[] = {
        {TCP_PROXY_REFUSE, "UPDATE payments SET needs_operator", 1, ER_LOCK_WAIT_TIMEOUT},
        {TCP_PROXY_REFUSE, "UPDATE payment_outbox SET event_id", 1, ER_LOCK_DEADLOCK},
        {TCP_PROXY_CUT_AFTER, "COMMIT", 1, 0}};
    static struct tcp_proxy proxy;
    (void)state;
    old_service_make_tables(&sql);
    assert_int_equal(farebox_process_run(&process, "migrate"), 0);
    for (int i = 0; i < 3; i++) {
        (void)old_service_outbox(&sql, "trip", "{\"tripId\":\"trip\",\"reason\":\"r\"}", "READY");
        tcp_proxy_open(&proxy, server.port);
        tcp_proxy_rule(&proxy, rules[i]);
        farebox_process_set(&process, "FAREBOX_STORE",
                            "mysql://" MARIADB_USER "@127.0.0.1:%u/" DATABASE,
                            (unsigned)proxy.port);
        farebox_process_start(&process);
        assert_true(tcp_proxy_pass(&proxy));
        await_number("SELECT COUNT(*) FROM payment_outbox WHERE status = 'DONE'", i + 1);
        farebox_process_stop(&process);
        tcp_proxy_close(&proxy);
    }
}

/* A server says itself what it is. */
static void server_that_is_too_old(void **state)
{
    (void)state;
    static const char *const versions[][2] = {{"--version=10.5.27-MariaDB", NULL},
                                              {"--version=8.0.11", NULL},
                                              {"--version=5.7.44", NULL}};
    static const char *const names[] = {"10.5.27", "8.0.11", "5.7.44"};
    for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
        sql_client_close(&sql);
        mariadb_server_stop(&server, false);
        server.options = versions[i];
        assert_true(mariadb_server_start(&server));
        expect_refusal(NULL, "MySQL 8.0.12 or MariaDB 10.6 is the oldest");
        expect_refusal("migrate", names[i]);
    }
    mariadb_server_stop(&server, false);
    server.options = NULL;
    assert_true(mariadb_server_start(&server));
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
        cmocka_unit_test_setup_teardown(tables_that_are_missing_or_old_where_migrating_is_off,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(schema_of_a_newer_farebox, setup, teardown),
        cmocka_unit_test_setup_teardown(user_without_the_rights, setup, teardown),
        cmocka_unit_test_setup_teardown(
            migration_of_a_process_that_was_killed_is_finished_by_the_next, setup, teardown),
        cmocka_unit_test_setup_teardown(start_that_meets_another_writer_tries_again, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(server_that_is_too_old, setup, teardown),
    };
    int failed = cmocka_run_group_tests_name("farebox refuses", tests, NULL, NULL);
    mariadb_server_close(&server);
    return failed;
}
