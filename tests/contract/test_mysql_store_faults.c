/* Errors in the middle of a batch: nothing of it stays, or sending it again finds out. */
#include "mysql_kit.h"
#include "tcp_proxy.h"

#include <stdio.h>

/* 1205. Only the statement was rolled back; the next BEGIN would commit the rest (CONTRACTS 7). */
static unsigned noticed(enum mysql_notice what)
{
    return mysql_factory_notices[what];
}

static void lock_wait_that_times_out_leaves_nothing_of_the_batch(void **state)
{
    struct store_fixture *f = *state;
    mysql_kit_reopen(f, 1, 20);
    struct payment_row image = mysql_kit_opened(f, "trip-1", 1);
    MYSQL *other = mysql_kit_root(f);
    mysql_kit_run(other, "BEGIN");
    mysql_kit_run(other, "UPDATE payments SET attempts = 7 WHERE trip_id = 'trip-1'");
    struct payment_row fresh = suite_image(f, "trip-2", 2);
    struct unit units[2] = {suite_open(f, &fresh), mysql_kit_completion(f, &image)};
    struct unit_result results[2];
    assert_int_equal(mysql_kit_submit(f, units, 2, results), BATCH_ABORTED);
    assert_int_equal(noticed(MYSQL_NOTICE_LOCK_WAIT), 1);
    struct payment_row third = suite_image(f, "trip-3", 3);
    struct unit unit = suite_open(f, &third);
    suite_expect(f, &unit, UNIT_APPLIED);
    assert_false(suite_trip_exists(f, "trip-2"));
    mysql_kit_run(other, "ROLLBACK");
    assert_int_equal(mysql_kit_submit(f, units, 2, results), BATCH_COMMITTED);
    assert_int_equal(results[0].verdict, UNIT_APPLIED);
    assert_int_equal(results[1].verdict, UNIT_APPLIED);
    mysql_kit_assert_outbox_count(f, 1);
    mysql_close(other);
}

/* 1213. The other side has written more, so that the store's transaction is the victim. */
static void deadlock_aborts_the_batch_and_it_can_be_sent_again(void **state)
{
    struct store_fixture *f = *state;
    static struct mysql_kit_submission s;
    struct payment_row first = mysql_kit_opened(f, "trip-1", 1);
    struct payment_row second = mysql_kit_opened(f, "trip-2", 2);
    MYSQL *other = mysql_kit_root(f);
    mysql_kit_run(other, "CREATE TABLE heavy (id INT PRIMARY KEY) ENGINE = InnoDB");
    mysql_kit_run(other, "BEGIN");
    mysql_kit_run(other, "INSERT INTO heavy SELECT seq FROM seq_1_to_1000");
    mysql_kit_run(other, "UPDATE payments SET attempts = 7 WHERE trip_id = 'trip-2'");
    s = (struct mysql_kit_submission){.fixture = f, .count = 2};
    s.units[0] = mysql_kit_completion(f, &first);
    s.units[1] = mysql_kit_completion(f, &second);
    MYSQL *watch = mysql_kit_root(f);
    mysql_kit_start(&s);
    mysql_kit_wait_for(watch, MYSQL_KIT_LOCK_WAITS);
    mysql_kit_run(other, "UPDATE payments SET attempts = 7 WHERE trip_id = 'trip-1'");
    assert_int_equal(mysql_kit_end(&s), BATCH_ABORTED);
    assert_int_equal(noticed(MYSQL_NOTICE_DEADLOCK), 1);
    mysql_kit_run(other, "ROLLBACK");
    assert_int_equal(suite_read(f, "trip-1").row.epoch, 1);
    assert_int_equal(mysql_kit_submit(f, s.units, 2, s.results), BATCH_COMMITTED);
    assert_int_equal(s.results[0].verdict, UNIT_APPLIED);
    assert_int_equal(s.results[1].verdict, UNIT_APPLIED);
    mysql_kit_assert_outbox_count(f, 2);
    mysql_close(watch);
    mysql_close(other);
}

/* 2006: gone since the last call. */
static void connection_that_was_lost_between_calls_is_opened_again(void **state)
{
    struct store_fixture *f = *state;
    MYSQL *root = mysql_kit_root(f);
    mysql_kit_sessions_kill(root);
    (void)mysql_kit_opened(f, "trip-1", 1);
    mysql_kit_sessions_kill(root);
    assert_true(suite_trip_exists(f, "trip-1"));
    mysql_kit_sessions_kill(root);
    union store_row rows[4];
    assert_int_equal(suite_scan(f, SCAN_PAYMENTS_DUE, 4, rows), 0);
    assert_int_equal(noticed(MYSQL_NOTICE_LOST), 3);
    assert_int_equal(noticed(MYSQL_NOTICE_CONNECTED_AGAIN), 3);
    mysql_close(root);
}

/* 2013: lost in the middle of a statement. */
static void connection_lost_before_commit_aborts_the_batch(void **state)
{
    struct store_fixture *f = *state;
    static struct mysql_kit_submission s;
    struct payment_row image = mysql_kit_opened(f, "trip-1", 1);
    MYSQL *other = mysql_kit_root(f);
    MYSQL *watch = mysql_kit_root(f);
    mysql_kit_run(other, "BEGIN");
    mysql_kit_run(other, "UPDATE payments SET attempts = 7 WHERE trip_id = 'trip-1'");
    struct payment_row fresh = suite_image(f, "trip-2", 2);
    s = (struct mysql_kit_submission){.fixture = f, .count = 2};
    s.units[0] = suite_open(f, &fresh);
    s.units[1] = mysql_kit_completion(f, &image);
    mysql_kit_start(&s);
    mysql_kit_wait_for(watch, MYSQL_KIT_LOCK_WAITS);
    mysql_kit_sessions_kill(watch);
    assert_int_equal(mysql_kit_end(&s), BATCH_ABORTED);
    assert_int_equal(noticed(MYSQL_NOTICE_LOST), 1);
    mysql_kit_run(other, "ROLLBACK");
    assert_false(suite_trip_exists(f, "trip-2"));
    assert_int_equal(mysql_kit_submit(f, s.units, 2, s.results), BATCH_COMMITTED);
    assert_int_equal(s.results[0].verdict, UNIT_APPLIED);
    assert_int_equal(s.results[1].verdict, UNIT_APPLIED);
    mysql_kit_assert_outbox_count(f, 1);
    mysql_close(watch);
    mysql_close(other);
}

/*
 * Trap 5: the server holds the COMMIT back (a backup lock) for longer than the client waits, so
 * that nobody can say what became of it. Sent again, the units are applied once.
 */
static void commit_without_an_answer_is_unknown_and_is_sent_again(void **state)
{
    struct store_fixture *f = *state;
    struct payment_row image = mysql_kit_opened(f, "trip-1", 1);
    mysql_kit_reopen(f, 1, 2);
    MYSQL *other = mysql_kit_root(f);
    mysql_kit_run(other, "BACKUP STAGE START");
    mysql_kit_run(other, "BACKUP STAGE BLOCK_COMMIT");
    struct payment_row fresh = suite_image(f, "trip-2", 2);
    struct unit units[2] = {suite_open(f, &fresh), mysql_kit_completion(f, &image)};
    struct unit_result results[2];
    assert_int_equal(mysql_kit_submit(f, units, 2, results), BATCH_UNKNOWN);
    assert_int_equal(noticed(MYSQL_NOTICE_UNKNOWN_COMMIT), 1);
    mysql_kit_run(other, "BACKUP STAGE END");
    enum batch_outcome outcome = BATCH_UNKNOWN;
    for (int i = 0; i < MYSQL_KIT_TRIES_MAX && outcome != BATCH_COMMITTED; i++) {
        outcome = mysql_kit_submit(f, units, 2, results);
    }
    assert_int_equal(outcome, BATCH_COMMITTED);
    assert_int_equal(results[0].verdict, UNIT_APPLIED);
    assert_int_equal(results[1].verdict, UNIT_APPLIED);
    assert_int_equal(suite_read(f, "trip-1").row.epoch, 2);
    assert_int_equal(suite_read(f, "trip-2").row.epoch, 1);
    mysql_kit_assert_outbox_count(f, 1);
    mysql_close(other);
}

/*
 * The same where the server does not notice that the client has gone (a proxy keeps its side
 * open), so that the COMMIT lands late. A plain read shows the old row meanwhile; the second try
 * waits for the first one, and finds its tokens.
 */
static void expect_late_commit_to_be_found(struct store_fixture *f, bool by_row)
{
    static struct mysql_kit_submission s;
    static struct tcp_proxy proxy;
    struct payment_row fresh = suite_image(f, "trip-2", 2);
    tcp_proxy_open(&proxy, mysql_factory_server.port);
    MYSQL *other = mysql_kit_root(f);
    MYSQL *watch = mysql_kit_root(f);
    mysql_kit_reopen_at(f, 20, by_row ? 6 : 2, proxy.port);
    struct payment_row image = mysql_kit_opened(f, "trip-1", 1);
    mysql_kit_run(other, "BACKUP STAGE START");
    mysql_kit_run(other, "BACKUP STAGE BLOCK_COMMIT");
    s = (struct mysql_kit_submission){.fixture = f, .count = 2};
    s.units[0] = suite_open(f, &fresh);
    s.units[1] = mysql_kit_completion(f, &image);
    assert_int_equal(mysql_kit_submit(f, s.units, 2, s.results), BATCH_UNKNOWN);
    if (!by_row) {
        mysql_kit_reopen_at(f, 20, 30, proxy.port); /* which does not know the payment's row */
    }
    assert_int_equal(mysql_kit_number(watch, "SELECT epoch FROM payments WHERE trip_id = 'trip-1'"),
                     1);
    mysql_kit_start(&s);
    mysql_kit_wait_for(watch, MYSQL_KIT_LOCK_WAITS);
    mysql_kit_run(other, "BACKUP STAGE END");
    assert_int_equal(mysql_kit_end(&s), BATCH_COMMITTED);
    assert_int_equal(s.results[0].verdict, UNIT_APPLIED);
    assert_int_equal(s.results[1].verdict, UNIT_APPLIED);
    assert_int_equal(suite_read(f, "trip-1").row.epoch, 2);
    assert_int_equal(suite_read(f, "trip-2").row.epoch, 1);
    mysql_kit_assert_outbox_count(f, 1);
    mysql_close(watch);
    mysql_close(other);
    f->store->ops->close(f->store);
    f->store = NULL;
    tcp_proxy_close(&proxy);
}

static void commit_that_lands_late_is_found_by_sending_again(void **state)
{
    expect_late_commit_to_be_found(*state, false);
}

static void commit_that_lands_late_is_found_by_the_payments_row(void **state)
{
    expect_late_commit_to_be_found(*state, true);
}

/* A lasting error that only the server sees: a column that is narrower than the port's limit. */
static void lasting_error_fails_its_unit_alone(void **state)
{
    struct store_fixture *f = *state;
    MYSQL *root = mysql_kit_root(f);
    mysql_kit_run(root, "ALTER TABLE payments MODIFY COLUMN user_id VARCHAR(10) NOT NULL");
    struct payment_row images[3] = {suite_image(f, "trip-1", 1), suite_image(f, "trip-2", 2),
                                    suite_image(f, "trip-3", 3)};
    images[1].user_id = suite_text(f, "longer than ten");
    struct unit units[3];
    for (int i = 0; i < 3; i++) {
        units[i] = suite_open(f, &images[i]);
        suite_outcome(f, &units[i], OUTCOME_FAILED);
    }
    struct unit_result results[3];
    assert_int_equal(mysql_kit_submit(f, units, 3, results), BATCH_COMMITTED);
    assert_int_equal(results[0].verdict, UNIT_APPLIED);
    assert_int_equal(results[1].verdict, UNIT_ERROR);
    assert_int_equal(results[2].verdict, UNIT_APPLIED);
    assert_int_equal(noticed(MYSQL_NOTICE_OTHER), 0);
    assert_false(suite_trip_exists(f, "trip-2"));
    mysql_kit_assert_outbox_count(f, 2);
    mysql_close(root);
}

/* What a cluster of Galera says and one server does not: a trigger says it in its place. */
static void error_of_a_server_that_is_not_ready_is_told_from_others(void **state)
{
    static const struct {
        const char *code;
        enum mysql_notice what;
    } cases[] = {{"1047", MYSQL_NOTICE_NOT_READY}, {"1099", MYSQL_NOTICE_OTHER}};
    struct store_fixture *f = *state;
    MYSQL *root = mysql_kit_root(f);
    struct payment_row image = suite_image(f, "trip-1", 1);
    struct unit unit = suite_open(f, &image);
    struct unit_result result;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char trigger[200];
        (void)snprintf(trigger, sizeof(trigger),
                       "CREATE TRIGGER refusing BEFORE INSERT ON payments FOR EACH ROW"
                       " SIGNAL SQLSTATE '08S01' SET MYSQL_ERRNO = %s, MESSAGE_TEXT = 'not now'",
                       cases[i].code);
        mysql_kit_run(root, trigger);
        assert_int_equal(mysql_kit_submit(f, &unit, 1, &result), BATCH_ABORTED);
        assert_int_equal(noticed(cases[i].what), 1);
        mysql_kit_run(root, "DROP TRIGGER refusing");
    }
    assert_int_equal(mysql_kit_submit(f, &unit, 1, &result), BATCH_COMMITTED);
    assert_int_equal(result.verdict, UNIT_APPLIED);
    mysql_close(root);
}

/* The back-off keeps the first calls after the restart from connecting, for 5 s at most. */
static void server_that_is_down_is_unavailable_until_it_is_back(void **state)
{
    struct store_fixture *f = *state;
    struct payment_row image = mysql_kit_opened(f, "trip-1", 1);
    struct unit unit = mysql_kit_completion(f, &image);
    struct unit_result result;
    mariadb_server_stop(&mysql_factory_server, true);
    struct payment_view view;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(mysql_kit_submit(f, &unit, 1, &result), BATCH_ABORTED);
        assert_int_equal(f->store->ops->read_payment(f->store, "trip-1", 6, f->texts, &view),
                         STORE_UNAVAILABLE);
    }
    assert_true(noticed(MYSQL_NOTICE_NO_CONNECTION) >= 1);
    assert_true(mariadb_server_start(&mysql_factory_server));
    enum batch_outcome outcome = BATCH_ABORTED;
    for (int i = 0; i < MYSQL_KIT_TRIES_MAX && outcome != BATCH_COMMITTED; i++) {
        mysql_kit_nap();
        outcome = mysql_kit_submit(f, &unit, 1, &result);
    }
    assert_int_equal(outcome, BATCH_COMMITTED);
    assert_int_equal(result.verdict, UNIT_APPLIED);
    mysql_kit_assert_outbox_count(f, 1);
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
        SUITE_TEST(lock_wait_that_times_out_leaves_nothing_of_the_batch),
        SUITE_TEST(deadlock_aborts_the_batch_and_it_can_be_sent_again),
        SUITE_TEST(connection_that_was_lost_between_calls_is_opened_again),
        SUITE_TEST(connection_lost_before_commit_aborts_the_batch),
        SUITE_TEST(commit_without_an_answer_is_unknown_and_is_sent_again),
        SUITE_TEST(commit_that_lands_late_is_found_by_sending_again),
        SUITE_TEST(commit_that_lands_late_is_found_by_the_payments_row),
        SUITE_TEST(lasting_error_fails_its_unit_alone),
        SUITE_TEST(error_of_a_server_that_is_not_ready_is_told_from_others),
        SUITE_TEST(server_that_is_down_is_unavailable_until_it_is_back),
    };
    int failed = cmocka_run_group_tests_name("mysql store: faults", tests, NULL, NULL);
    mysql_factory_stop();
    return failed;
}
