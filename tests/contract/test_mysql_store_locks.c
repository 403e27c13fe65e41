/* Rows that another connection has locked: who waits for them, who passes over them, how long. */
#define _POSIX_C_SOURCE 200809L /* kill */
#include "mysql_kit.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* Of 1 s, the lock wait: a server that never lets go is noticed long before the test's end. */
#define BLOCKED_TRIES_MAX 30
#define IDLE_S            2

#define FAREBOX_SESSIONS_GONE                                                                      \
    "SELECT COUNT(*) = 0 FROM information_schema.processlist WHERE user = '" MARIADB_USER "'"

/* A scan that waited would end with 1205, for the other connection does not let go. */
static void due_payment_that_is_being_written_is_passed_over(void **state)
{
    struct store_fixture *f = *state;
    static union store_row rows[STORE_PAGE_MAX];
    const char *const trips[] = {"trip-5", "trip-4", "trip-3", "trip-2", "trip-1"};
    mysql_kit_reopen(f, 1, 20);
    for (int i = 0; i < 5; i++) {
        struct payment_row image = suite_image(f, trips[i], 5 - (uint64_t)i);
        image.due_in_ms = i == 4 ? -20 : -i; /* trip-1 and the later ones first */
        struct unit unit = suite_open(f, &image);
        suite_expect(f, &unit, UNIT_APPLIED);
    }
    MYSQL *other = mysql_kit_root(f);
    mysql_kit_run(other, "BEGIN");
    mysql_kit_run(other, "UPDATE payments SET attempts = 7 WHERE trip_id = 'trip-3'");
    const char *const expected[] = {"trip-1", "trip-2", "trip-4", "trip-5"};
    assert_int_equal(suite_scan(f, SCAN_PAYMENTS_DUE, 10, rows), 4);
    for (int i = 0; i < 4; i++) {
        assert_string_equal(texts_string(f->texts, rows[i].payment.trip_id), expected[i]);
    }
    assert_int_equal(suite_scan(f, SCAN_PAYMENTS_DUE, 3, rows), 3);
    assert_string_equal(texts_string(f->texts, rows[2].payment.trip_id), "trip-4");
    mysql_kit_run(other, "ROLLBACK");
    assert_int_equal(suite_scan(f, SCAN_PAYMENTS_DUE, 10, rows), 5);
    assert_string_equal(texts_string(f->texts, rows[2].payment.trip_id), "trip-3");
    mysql_close(other);
}

static void event_is(const union store_row *row, uint64_t payment_number)
{
    struct uuid expected = suite_uuid(payment_number);
    assert_true(uuid_equal(&row->outbox.event_id, &expected));
}

static void due_outbox_row_that_is_being_taken_is_passed_over(void **state)
{
    struct store_fixture *f = *state;
    static union store_row rows[STORE_PAGE_MAX];
    mysql_kit_reopen(f, 1, 20);
    for (uint64_t i = 1; i <= 4; i++) {
        char trip_id[] = {'t', (char)('0' + (int)i), '\0'};
        struct payment_row image = mysql_kit_opened(f, trip_id, i);
        struct unit unit = mysql_kit_completion(f, &image);
        suite_expect(f, &unit, UNIT_APPLIED);
    }
    f->now_ms += 30000;
    MYSQL *other = mysql_kit_root(f);
    mysql_kit_run(other, "BEGIN");
    mysql_kit_run(other, "UPDATE payment_outbox SET attempts = 7 ORDER BY id LIMIT 2");
    assert_int_equal(suite_scan(f, SCAN_OUTBOX_DUE, 10, rows), 2);
    event_is(&rows[0], 3);
    event_is(&rows[1], 4);
    mysql_kit_run(other, "ROLLBACK");
    assert_int_equal(suite_scan(f, SCAN_OUTBOX_DUE, 3, rows), 3);
    event_is(&rows[0], 1);
    event_is(&rows[2], 3);
    mysql_close(other);
}

/* NOWAIT: an error where one row is locked. */
static void nothing_is_locked_once_a_scan_has_come_back(void **state)
{
    struct store_fixture *f = *state;
    static union store_row rows[STORE_PAGE_MAX];
    struct payment_row image = mysql_kit_opened(f, "trip-1", 1);
    struct unit unit = mysql_kit_completion(f, &image);
    unit.as.payment.row.due_in_ms = 0;
    suite_expect(f, &unit, UNIT_APPLIED);
    f->now_ms += 30000;
    MYSQL *other = mysql_kit_root(f);
    assert_int_equal(suite_scan(f, SCAN_PAYMENTS_DUE, 10, rows), 1);
    assert_int_equal(suite_scan(f, SCAN_OUTBOX_DUE, 10, rows), 1);
    assert_int_equal(mysql_kit_number(other, "SELECT COUNT(*) FROM payments FOR UPDATE NOWAIT"), 1);
    assert_int_equal(
        mysql_kit_number(other, "SELECT COUNT(*) FROM payment_outbox FOR UPDATE NOWAIT"), 1);
    mysql_close(other);
}

/* In a process of its own: a batch that opens trip-2 and completes trip-1. Its outcome. */
static pid_t worker_start(struct store_fixture *f, const struct payment_row *image)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid > 0) {
        return pid;
    }
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    struct mysql_store_options options = mysql_kit_options(f, 30, 60);
    char error[700];
    struct payment_row fresh = suite_image(f, "trip-2", 2);
    struct unit units[2] = {suite_open(f, &fresh), mysql_kit_completion(f, image)};
    struct unit_result results[2];
    options.idle_timeout_s = IDLE_S;
    /* The parent's connection is the parent's. */
    if (!mysql_store_open(&options, &f->store, error, sizeof(error))) {
        _exit(100);
    }
    _exit((int)mysql_kit_submit(f, units, 2, results));
}

/*
 * A process that is stopped (SIGSTOP, a paused virtual machine) in the middle of a transaction has
 * its rows locked until the server gives the silent connection up.
 */
static void stopped_process_blocks_others_only_until_the_server_drops_it(void **state)
{
    struct store_fixture *f = *state;
    mysql_kit_reopen(f, 1, 20);
    struct payment_row image = mysql_kit_opened(f, "trip-1", 1);
    MYSQL *other = mysql_kit_root(f);
    MYSQL *watch = mysql_kit_root(f);
    mysql_kit_run(other, "BEGIN");
    mysql_kit_run(other, "UPDATE payments SET attempts = 7 WHERE trip_id = 'trip-1'");
    pid_t pid = worker_start(f, &image);
    mysql_kit_wait_for(watch, MYSQL_KIT_LOCK_WAITS);
    assert_int_equal(kill(pid, SIGSTOP), 0);
    mysql_kit_run(other, "ROLLBACK"); /* the stopped process gets the lock, and its answer */
    struct unit unit = mysql_kit_completion(f, &image);
    struct unit_result result;
    assert_int_equal(mysql_kit_submit(f, &unit, 1, &result), BATCH_ABORTED);
    enum batch_outcome outcome = BATCH_ABORTED;
    for (int i = 0; i < BLOCKED_TRIES_MAX && outcome != BATCH_COMMITTED; i++) {
        outcome = mysql_kit_submit(f, &unit, 1, &result);
    }
    assert_int_equal(outcome, BATCH_COMMITTED);
    assert_int_equal(result.verdict, UNIT_APPLIED);
    int status = 0;
    assert_int_equal(kill(pid, SIGCONT), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), BATCH_ABORTED);
    assert_false(suite_trip_exists(f, "trip-2"));
    mysql_kit_assert_outbox_count(f, 1);
    mysql_close(watch);
    mysql_close(other);
}

/* Nor is that counted: it happens to every lane at night, and nobody has to look at it. */
static void connection_that_the_server_closed_as_idle_loses_no_unit(void **state)
{
    struct store_fixture *f = *state;
    static union store_row rows[STORE_PAGE_MAX];
    struct mysql_store_options options = mysql_kit_options(f, 1, 20);
    options.idle_timeout_s = 1;
    options.now_ms = NULL; /* setting a clock would be the statement that finds out */
    mysql_kit_reopen_with(f, &options);
    MYSQL *watch = mysql_kit_root(f);
    mysql_kit_wait_for(watch, FAREBOX_SESSIONS_GONE);
    struct payment_row image = mysql_kit_opened(f, "trip-1", 1);
    mysql_kit_wait_for(watch, FAREBOX_SESSIONS_GONE);
    struct unit unit = mysql_kit_completion(f, &image);
    suite_expect(f, &unit, UNIT_APPLIED);
    mysql_kit_wait_for(watch, FAREBOX_SESSIONS_GONE);
    assert_int_equal(suite_scan(f, SCAN_PAYMENTS_DUE, 10, rows), 0);
    unit = suite_outbox_move(f, 1, OUTBOX_PUBLISHING, 1, OUTBOX_DONE, DUE_NEVER);
    suite_expect(f, &unit, UNIT_APPLIED);
    mysql_kit_wait_for(watch, FAREBOX_SESSIONS_GONE);
    uint32_t deleted = 0;
    assert_int_equal(f->store->ops->purge(f->store, PURGE_OUTBOX_DONE, 0, 10, &deleted), STORE_OK);
    assert_int_equal(deleted, 1);
    assert_int_equal(mysql_factory_notices[MYSQL_NOTICE_LOST], 0);
    assert_int_equal(mysql_factory_notices[MYSQL_NOTICE_CONNECTED_AGAIN], 0);
    mysql_close(watch);
}

int main(void)
{
    if (!mariadb_server_is_there()) {
        return 0;
    }
    if (!mysql_factory_start(true)) {
        return 1;
    }
    store_fixture_use(&store_factory_mysql);
    const struct CMUnitTest tests[] = {
        SUITE_TEST(due_payment_that_is_being_written_is_passed_over),
        SUITE_TEST(due_outbox_row_that_is_being_taken_is_passed_over),
        SUITE_TEST(nothing_is_locked_once_a_scan_has_come_back),
        SUITE_TEST(stopped_process_blocks_others_only_until_the_server_drops_it),
        SUITE_TEST(connection_that_the_server_closed_as_idle_loses_no_unit),
    };
    int failed = cmocka_run_group_tests_name("mysql store: locks", tests, NULL, NULL);
    mysql_factory_stop();
    return failed;
}
