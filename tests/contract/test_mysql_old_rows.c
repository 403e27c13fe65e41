/* Rows of the old service become Farebox's: which, when due, and without reading millions. */
#include "mysql_factory.h"
#include "mysql_old_rows.h"
#include "old_service.h"

#include <stdio.h>
#include <string.h>

#define REQUESTED_MS 600000
#define UNSETTLED_MS 60000

static struct sql_client sql;
static struct store *store;
static char database[40];
static bool is_latin1 = true;

/* Hibernate's tables; migrated by `connect`. */
static int setup(void **state)
{
    static unsigned count;
    (void)state;
    (void)snprintf(database, sizeof(database), "farebox_o%u", ++count);
    old_service_open(&sql, &mysql_factory_server, database, is_latin1 ? "latin1" : "utf8mb4",
                     is_latin1 ? "latin1_swedish_ci" : "utf8mb4_general_ci");
    old_service_make_tables(&sql);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (store != NULL) {
        store->ops->close(store);
    }
    store = NULL;
    sql_client_close(&sql);
    return 0;
}

static void connect(void)
{
    const struct mysql_store_options options = mysql_factory_options(database);
    char error[700];
    if (!mysql_store_open(&options, &store, error, sizeof(error))) {
        fail_msg("%s", error);
    }
}

static uint64_t adopt(void)
{
    const struct mysql_old_waits waits = {REQUESTED_MS, UNSETTLED_MS};
    uint64_t adopted = 0;
    assert_int_equal(mysql_old_payments(store, &waits, &adopted), STORE_OK);
    return adopted;
}

static void rows_of_all_states(const char *prefix)
{
    static const char *const states[] = {"REQUESTED", "PROCESSING", "UNKNOWN", "COMPLETED",
                                         "FAILED"};
    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        char trip[60];
        char id[40];
        (void)snprintf(trip, sizeof(trip), "%s-%s", prefix, states[i]);
        (void)snprintf(id, sizeof(id), "%s", sql_client_text(&sql, "SELECT UUID()"));
        old_service_payment(&sql, trip, id, states[i], NULL, 1);
    }
}

/* Seconds from now, or -1: never. */
static int64_t due_in_s(const char *prefix, const char *status)
{
    int64_t due = sql_client_number(&sql,
                                    "SELECT ROUND(due_at / 1000 - UNIX_TIMESTAMP(NOW(3))) FROM"
                                    " payments WHERE trip_id = '%s-%s'",
                                    prefix, status);
    return due == INT64_MIN ? -1 : due;
}

static void expect_due(const char *prefix)
{
    assert_in_range(due_in_s(prefix, "REQUESTED"), REQUESTED_MS / 1000 - 100, REQUESTED_MS / 1000);
    assert_in_range(due_in_s(prefix, "PROCESSING"), 1, UNSETTLED_MS / 1000);
    assert_in_range(due_in_s(prefix, "UNKNOWN"), 1, UNSETTLED_MS / 1000);
    assert_int_equal(due_in_s(prefix, "COMPLETED"), -1);
    assert_int_equal(due_in_s(prefix, "FAILED"), -1);
}

static void open_payments_get_a_due_time_before_and_after_the_migration(void **state)
{
    (void)state;
    rows_of_all_states("before");
    connect();
    rows_of_all_states("after");
    assert_int_equal(adopt(), 3 + 5);
    expect_due("before");
    expect_due("after");
    sql_client_run(&sql, "UPDATE payments SET due_at = 7 WHERE due_at IS NOT NULL");
    assert_int_equal(adopt(), 0);
    assert_int_equal(sql_client_number(&sql, "SELECT COUNT(*) FROM payments WHERE due_at = 7"), 6);
    rows_of_all_states("again");
    assert_int_equal(adopt(), 5);
    expect_due("again");
}

static void payment_that_waits_for_an_operator_stays_theirs(void **state)
{
    (void)state;
    rows_of_all_states("a");
    connect();
    sql_client_run(&sql, "UPDATE payments SET needs_operator = 1 WHERE status = 'UNKNOWN'");
    sql_client_run(&sql, "UPDATE payments SET epoch = 1 WHERE status = 'PROCESSING'");
    assert_int_equal(adopt(), 1);
    assert_int_equal(due_in_s("a", "UNKNOWN"), -1);
    assert_int_equal(due_in_s("a", "PROCESSING"), -1);
}

/* The old service comes back between the takeover and the due time, and ends what it had begun. Its
 * PG ids are not the PG's: nobody could ever answer for such a row. */
static void payment_that_the_old_service_completed_after_all_is_done(void **state)
{
    (void)state;
    rows_of_all_states("a");
    rows_of_all_states("b");
    connect();
    assert_int_equal(adopt(), 6);
    sql_client_run(&sql, "UPDATE payments SET status = 'COMPLETED', pg_transaction_id ="
                         " 'tx_70f181ee' WHERE trip_id IN ('a-PROCESSING', 'b-PROCESSING')");
    sql_client_run(&sql, "UPDATE payments SET refund_state = 'INTENDED', refund_pg_id = 'p' WHERE"
                         " trip_id = 'b-PROCESSING'");
    sql_client_run(&sql, "UPDATE payments SET status = 'COMPLETED', pg_transaction_id = 'p',"
                         " pg_account = 7 WHERE trip_id = 'a-UNKNOWN'");
    assert_int_equal(adopt(), 1);
    assert_int_equal(due_in_s("a", "PROCESSING"), -1);
    assert_in_range(due_in_s("b", "PROCESSING"), 1, UNSETTLED_MS / 1000);
    assert_in_range(due_in_s("a", "UNKNOWN"), 1, UNSETTLED_MS / 1000);
    assert_int_equal(adopt(), 0);
}

#define ID(n) "6f2d5f3c-0000-4000-8000-00000000000" n

static void payment_that_cannot_be_asked_about_or_written_is_for_an_operator(void **state)
{
    (void)state;
    old_service_payment(&sql, "b-PROCESSING", "payment 1", "PROCESSING", NULL, 1);
    old_service_payment(&sql, "trip-\xc3\xa1", ID("1"), "UNKNOWN", NULL, 1);
    old_service_payment(&sql, "empty", ID("2"), "PROCESSING", "", 1);
    connect();
    old_service_payment(&sql, "b-REQUESTED", "payment 2", "REQUESTED", NULL, 1);
    old_service_payment(&sql, "less", ID("3"), "PROCESSING", NULL, 1);
    sql_client_run(&sql, "UPDATE payments SET amount = -1 WHERE trip_id = 'less'");
    old_service_payment(&sql, "well", ID("4"), "PROCESSING", "tx_1", 1);
    old_service_payment(&sql, "ended \xc3\xa1", ID("5"), "FAILED", NULL, 1);
    assert_int_equal(adopt(), 7);
    assert_int_equal(sql_client_number(&sql,
                                       "SELECT COUNT(*) FROM payments WHERE needs_operator = 1 AND"
                                       " due_at IS NULL"),
                     5);
    assert_int_equal(sql_client_number(&sql, "SELECT COUNT(*) FROM payments WHERE due_at IS NOT"
                                             " NULL AND trip_id = 'well'"),
                     1);
    assert_int_equal(
        sql_client_number(&sql, "SELECT COUNT(*) FROM payments WHERE trip_id LIKE 'ended%%' AND"
                                " needs_operator = 0 AND due_at IS NULL"),
        1);
}

/* The walk goes on where a process was killed, and is made once. */
static void walk_along_the_table_is_made_once(void **state)
{
    (void)state;
    rows_of_all_states("c");
    connect();
    assert_int_equal(sql_client_number(&sql, "SELECT old_rows_to FROM farebox_schema"), 5);
    assert_int_equal(adopt(), 3);
    assert_int_equal(sql_client_number(&sql, "SELECT old_rows_done FROM farebox_schema"), 5);
    /* What nobody but the old service could have done: the walk does not see it any more. */
    sql_client_run(&sql, "UPDATE payments SET due_at = NULL");
    assert_int_equal(adopt(), 0);
    sql_client_run(&sql, "UPDATE farebox_schema SET old_rows_done = 1");
    assert_int_equal(adopt(), 2);
}

/* Rows that the server has read for a statement, by its own count. */
static int64_t rows_read(void)
{
    return sql_client_number(&sql, "SELECT SUM(variable_value) FROM"
                                   " information_schema.global_status WHERE variable_name IN"
                                   " ('HANDLER_READ_NEXT', 'HANDLER_READ_RND_NEXT',"
                                   " 'HANDLER_READ_PREV', 'HANDLER_READ_RND')");
}

static void later_starts_read_no_more_rows_than_there_are_old_ones(void **state)
{
    (void)state;
    enum { ROWS = 20000 };
    sql_client_run(&sql,
                   "INSERT INTO payments (amount, created_at, payment_id, payment_method_id,"
                   " requested_at, status, trip_id, updated_at, user_id) SELECT 1, NOW(6),"
                   " CONCAT('p', seq), 'm', NOW(6), 'COMPLETED', CONCAT('t', seq), NOW(6), 'u' FROM"
                   " seq_1_to_%d",
                   ROWS);
    sql_client_run(&sql,
                   "INSERT INTO payment_outbox (aggregate_id, created_at, payload, status, topic)"
                   " SELECT CONCAT('t', seq), NOW(6), '{}', 'DONE', 'payment_events' FROM"
                   " seq_1_to_%d",
                   ROWS);
    connect();
    (void)adopt();
    rows_of_all_states("new");
    struct mysql_old_row rows[MYSQL_OLD_PAGE_MAX];
    uint32_t count = 0;
    int64_t noise = rows_read();
    noise = rows_read() - noise;
    int64_t before = rows_read();
    assert_int_equal(adopt(), 5);
    assert_int_equal(mysql_old_page(store, MYSQL_OLD_OUTBOX, 0, NULL, rows, &count), STORE_OK);
    assert_int_equal(mysql_old_page(store, MYSQL_OLD_FAILED_EVENTS, 0, NULL, rows, &count),
                     STORE_OK);
    int64_t read = rows_read() - before - noise;
    print_message("%lld rows read at a start beside %d old ones\n", (long long)read, 2 * ROWS);
    assert_true(read < 100);
}

/* Once in each character set. What a latin1 column cannot hold is a '?' there, and whole in the
 * bytes that a retry sends. */
static void dead_letters_fit_into_the_old_tables_whatever_they_hold(void **state)
{
    struct store_fixture *f = *state;
    static char large[200000];
    struct texts *texts = f->texts;
    memset(large, 'x', sizeof(large));
    memcpy(large + 65534, "\xec\x84\x9c", 3); /* across the end of what a TEXT holds */
    for (int64_t i = 0; i < 2; i++) {
        struct unit unit = suite_dead_letter(f, i);
        unit.as.failed_event.row.body =
            i == 0 ? texts_intern_string(texts, "\xec\x84\x9c\xf0\x9f\x9a\x95")
                   : texts_intern(texts, large, sizeof(large));
        unit.as.failed_event.row.error = texts_intern_string(texts, "\xec\x9a\xb8 error");
        struct unit_result result;
        const struct store_batch batch = {
            .units = &unit, .results = &result, .count = 1, .texts = texts};
        assert_int_equal(store->ops->submit(store, &batch), BATCH_COMMITTED);
        assert_int_equal(result.verdict, UNIT_APPLIED);
        unit = suite_dead_letter_move(f, i + 1, 1, FAILED_EVENT_RESOLVED, 500 + (uint64_t)i);
        assert_int_equal(store->ops->submit(store, &batch), BATCH_COMMITTED);
        assert_int_equal(result.verdict, UNIT_APPLIED);
    }
    assert_string_equal(sql_client_text(&sql, "SELECT payload FROM failed_event WHERE id = 1"),
                        is_latin1 ? "??" : "\xec\x84\x9c\xf0\x9f\x9a\x95");
    assert_string_equal(sql_client_text(&sql, "SELECT payload FROM payment_outbox WHERE id = 1"),
                        is_latin1 ? "??" : "\xec\x84\x9c\xf0\x9f\x9a\x95");
    assert_int_equal(sql_client_number(&sql, "SELECT LENGTH(payload) FROM failed_event WHERE id ="
                                             " 2"),
                     is_latin1 ? 65535 : 65534);
    assert_int_equal(sql_client_number(&sql, "SELECT LENGTH(body) FROM payment_outbox WHERE id ="
                                             " 2"),
                     200000);
    assert_string_equal(sql_client_text(&sql, "SELECT HEX(body) FROM payment_outbox WHERE id = 1"),
                        "EC849CF09F9A95");
}

static int letters_setup(void **state)
{
    is_latin1 = !is_latin1;
    store_fixture_use(&store_factory_mysql);
    if (store_fixture_setup(state) != 0 || setup(state) != 0) {
        return -1;
    }
    connect();
    return 0;
}

static int letters_teardown(void **state)
{
    return teardown(state) == 0 ? store_fixture_teardown(state) : -1;
}

#define OLD_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    if (!mariadb_server_is_there()) {
        return 0;
    }
    if (!mysql_factory_start(true)) {
        return 1;
    }
    const struct CMUnitTest tests[] = {
        OLD_TEST(open_payments_get_a_due_time_before_and_after_the_migration),
        OLD_TEST(payment_that_waits_for_an_operator_stays_theirs),
        OLD_TEST(payment_that_the_old_service_completed_after_all_is_done),
        OLD_TEST(payment_that_cannot_be_asked_about_or_written_is_for_an_operator),
        OLD_TEST(walk_along_the_table_is_made_once),
        OLD_TEST(later_starts_read_no_more_rows_than_there_are_old_ones),
        cmocka_unit_test_setup_teardown(dead_letters_fit_into_the_old_tables_whatever_they_hold,
                                        letters_setup, letters_teardown),
        cmocka_unit_test_setup_teardown(dead_letters_fit_into_the_old_tables_whatever_they_hold,
                                        letters_setup, letters_teardown),
    };
    int failed = cmocka_run_group_tests_name("mysql old rows", tests, NULL, NULL);
    mysql_factory_stop();
    return failed;
}
