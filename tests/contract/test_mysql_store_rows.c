/*
 * Payments and their outcomes are found by the row ids that the connection remembers, which are
 * hints: a wrong one costs a statement, and never writes another payment's row.
 */
#include "mysql_kit.h"

#include <stdio.h>

#define MANY 20

#define MOVES_BY_ROW        "UPDATE (%payments AS p ON p.id = %"
#define MOVES_BY_ID         "UPDATE (%payments AS p ON p.payment_id = % SET p.%"
#define OUTCOMES_BY_ROW     "UPDATE (%AS o ON o.payment_row_id = u.n_key %"
#define OUTCOMES_BY_ID      "UPDATE (%AS o ON o.payment_row_id = p.id %"
#define OUTCOMES_ARE_JUDGED "SELECT o.token_process%"
#define ROWS_ARE_LOOKED_UP  "SELECT id, payment_id FROM payments%"

/* Outbox rows that do not belong to the payment of their event id. */
#define STRAYS                                                                                     \
    "SELECT COUNT(*) FROM payment_outbox o LEFT JOIN payments p ON p.id = o.payment_row_id"        \
    " AND REPLACE(p.payment_id, '-', '') = LOWER(HEX(o.event_id)) WHERE p.id IS NULL"

static void log_begin(MYSQL *root)
{
    mysql_kit_run(root, "SET GLOBAL log_output = 'TABLE'");
    mysql_kit_run(root, "SET GLOBAL general_log = 0");
    mysql_kit_run(root, "TRUNCATE TABLE mysql.general_log");
    mysql_kit_run(root, "SET GLOBAL general_log = 1");
}

/* The statements of this form since log_begin(). */
static long logged(MYSQL *root, const char *form)
{
    char query[300];
    (void)snprintf(query, sizeof(query),
                   "SELECT COUNT(*) FROM mysql.general_log WHERE command_type = 'Query'"
                   " AND user_host LIKE '%%" MARIADB_USER "%%' AND argument LIKE '%s'",
                   form);
    return mysql_kit_number(root, query);
}

static void log_end(MYSQL *root)
{
    mysql_kit_run(root, "SET GLOBAL general_log = 0");
}

static struct unit units[MANY];
static struct unit_result results[MANY];

static void trip_name(uint32_t number, char name[32])
{
    (void)snprintf(name, 32, "trip-%u", number);
}

static void submit_all(struct store_fixture *f, enum unit_verdict verdict)
{
    suite_submit(f, units, MANY, results);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(results[i].verdict, verdict);
    }
}

static void opens_fill(struct store_fixture *f)
{
    for (uint32_t i = 0; i < MANY; i++) {
        char name[32];
        trip_name(i + 1, name);
        struct payment_row image = suite_image(f, name, i + 1);
        units[i] = suite_open(f, &image);
    }
}

static void open_all(struct store_fixture *f)
{
    opens_fill(f);
    submit_all(f, UNIT_APPLIED);
}

static void completions_fill(struct store_fixture *f)
{
    for (uint32_t i = 0; i < MANY; i++) {
        char name[32];
        trip_name(i + 1, name);
        struct payment_row image = suite_image(f, name, i + 1);
        units[i] = mysql_kit_completion(f, &image);
    }
}

static void complete_all(struct store_fixture *f)
{
    completions_fill(f);
    submit_all(f, UNIT_APPLIED);
}

static struct unit done_unit(struct store_fixture *f, uint64_t number)
{
    return suite_outbox_move(f, number, OUTBOX_PUBLISHING, 1, OUTBOX_DONE, DUE_NEVER);
}

static void done_all(struct store_fixture *f)
{
    for (uint32_t i = 0; i < MANY; i++) {
        units[i] = done_unit(f, i + 1);
    }
    submit_all(f, UNIT_APPLIED);
}

static void assert_all_done(struct store_fixture *f, MYSQL *root)
{
    for (uint32_t i = 0; i < MANY; i++) {
        char name[32];
        trip_name(i + 1, name);
        struct payment_row row = suite_read(f, name).row;
        struct uuid id = suite_uuid(i + 1);
        assert_true(uuid_equal(&row.payment_id, &id));
        assert_int_equal(row.status, PAYMENT_COMPLETED);
        assert_int_equal(row.epoch, 2);
    }
    assert_int_equal(mysql_kit_number(root, STRAYS), 0);
    assert_int_equal(mysql_kit_number(root, "SELECT COUNT(*) FROM payment_outbox"), MANY);
    assert_int_equal(
        mysql_kit_number(root, "SELECT COUNT(*) FROM payment_outbox WHERE status = 'DONE'"), MANY);
}

static void expect_by_row(struct store_fixture *f, MYSQL *root)
{
    log_begin(root);
    open_all(f);
    complete_all(f);
    done_all(f);
    assert_int_equal(logged(root, MOVES_BY_ROW), 1);
    assert_int_equal(logged(root, OUTCOMES_BY_ROW), 1);
    assert_int_equal(logged(root, MOVES_BY_ID), 0);
    assert_int_equal(logged(root, OUTCOMES_BY_ID), 0);
    assert_int_equal(logged(root, ROWS_ARE_LOOKED_UP), 0);
    log_end(root);
    assert_all_done(f, root);
}

static void payments_that_were_inserted_are_found_by_their_rows(void **state)
{
    struct store_fixture *f = *state;
    MYSQL *root = mysql_kit_root(f);
    expect_by_row(f, root);
    mysql_close(root);
}

/* As in a Galera cluster of three. */
static void so_they_are_where_the_server_numbers_rows_in_steps(void **state)
{
    struct store_fixture *f = *state;
    MYSQL *root = mysql_kit_root(f);
    mysql_kit_run(root,
                  "SET GLOBAL auto_increment_increment = 3, GLOBAL auto_increment_offset = 2");
    mysql_kit_reopen(f, 5, 20);
    expect_by_row(f, root);
    mysql_kit_run(root,
                  "SET GLOBAL auto_increment_increment = 1, GLOBAL auto_increment_offset = 1");
    assert_int_equal(mysql_kit_number(root, "SELECT MAX(id) - MIN(id) FROM payments"),
                     3 * (MANY - 1));
    mysql_close(root);
}

/* Another process's, or this one's before it was started again. */
static void payments_of_another_connection_are_found_by_their_ids(void **state)
{
    struct store_fixture *f = *state;
    MYSQL *root = mysql_kit_root(f);
    open_all(f);
    mysql_kit_reopen(f, 5, 20);
    log_begin(root);
    complete_all(f);
    assert_int_equal(logged(root, MOVES_BY_ROW), 0);
    assert_int_equal(logged(root, MOVES_BY_ID), 1);
    assert_int_equal(logged(root, ROWS_ARE_LOOKED_UP), 1);
    mysql_kit_reopen(f, 5, 20);
    done_all(f);
    assert_int_equal(logged(root, OUTCOMES_BY_ROW), 0);
    assert_int_equal(logged(root, OUTCOMES_BY_ID), 1);
    log_end(root);
    assert_all_done(f, root);
    mysql_close(root);
}

/* One trip of the batch is there already: what is read to judge them tells where the others are. */
static void payments_beside_a_duplicate_are_found_by_their_rows(void **state)
{
    struct store_fixture *f = *state;
    MYSQL *root = mysql_kit_root(f);
    (void)mysql_kit_opened(f, "trip-7", 7);
    log_begin(root);
    opens_fill(f);
    suite_submit(f, units, MANY, results);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(results[i].verdict, i == 6 ? UNIT_DUPLICATE : UNIT_APPLIED);
    }
    complete_all(f);
    done_all(f);
    assert_int_equal(logged(root, MOVES_BY_ROW), 1);
    assert_int_equal(logged(root, MOVES_BY_ID), 0);
    assert_int_equal(logged(root, OUTCOMES_BY_ID), 0);
    log_end(root);
    assert_all_done(f, root);
    mysql_close(root);
}

/* A replica that had lost the last inserts took over, and has given their row ids to others: here
 * each payment gets the row id of its neighbour, all of them in the status and epoch that the
 * units ask for. */
static void row_that_is_another_payments_is_left_alone(void **state)
{
    struct store_fixture *f = *state;
    MYSQL *root = mysql_kit_root(f);
    open_all(f);
    mysql_kit_run(root, "UPDATE payments SET id = id + 1000");
    mysql_kit_run(root, "UPDATE payments SET id = (id - 1000) % 20 + 1");
    struct payment_row image = suite_image(f, "trip-5", 5);
    struct unit one = mysql_kit_completion(f, &image);
    suite_expect(f, &one, UNIT_APPLIED);
    assert_int_equal(
        mysql_kit_number(root, "SELECT COUNT(*) FROM payments WHERE status <> 'PROCESSING'"), 1);
    assert_int_equal(suite_read(f, "trip-5").row.status, PAYMENT_COMPLETED);
    assert_int_equal(mysql_kit_number(root, STRAYS), 0);
    completions_fill(f);
    units[4] = one; /* sent again */
    submit_all(f, UNIT_APPLIED);
    assert_int_equal(mysql_kit_number(root, STRAYS), 0);
    /* The rows move once more, and take their outcomes with them. */
    mysql_kit_run(root, "UPDATE payment_outbox SET payment_row_id = payment_row_id + 1000");
    mysql_kit_run(root,
                  "UPDATE payment_outbox SET payment_row_id = (payment_row_id - 1000) % 20 + 1");
    mysql_kit_run(root, "UPDATE payments SET id = id + 1000");
    mysql_kit_run(root, "UPDATE payments SET id = (id - 1000) % 20 + 1");
    one = done_unit(f, 9);
    suite_expect(f, &one, UNIT_APPLIED);
    assert_int_equal(
        mysql_kit_number(root, "SELECT COUNT(*) FROM payment_outbox WHERE status = 'DONE'"), 1);
    for (uint32_t i = 0; i < MANY; i++) {
        units[i] = i == 8 ? one : done_unit(f, i + 1);
    }
    submit_all(f, UNIT_APPLIED);
    mysql_close(root);
}

/* Two of many rows have changed places. */
static void hint_that_is_wrong_costs_one_statement_more(void **state)
{
    struct store_fixture *f = *state;
    MYSQL *root = mysql_kit_root(f);
    open_all(f);
    mysql_kit_run(root, "UPDATE payments SET id = 1000 WHERE id = 4");
    mysql_kit_run(root, "UPDATE payments SET id = 4 WHERE id = 9");
    mysql_kit_run(root, "UPDATE payments SET id = 9 WHERE id = 1000");
    log_begin(root);
    complete_all(f);
    assert_int_equal(logged(root, MOVES_BY_ROW), 1);
    assert_int_equal(logged(root, MOVES_BY_ID), 1);
    assert_int_equal(logged(root, ROWS_ARE_LOOKED_UP), 1);
    assert_int_equal(logged(root, "SAVEPOINT%"), 0);
    log_end(root);
    /* Now it knows; one more row goes elsewhere with its outcome. */
    mysql_kit_run(root, "UPDATE payments SET id = 1000 WHERE id = 5");
    mysql_kit_run(root, "UPDATE payment_outbox SET payment_row_id = 1000 WHERE payment_row_id = 5");
    log_begin(root);
    done_all(f);
    assert_int_equal(logged(root, OUTCOMES_BY_ROW), 1);
    assert_int_equal(logged(root, OUTCOMES_BY_ID), 1);
    assert_int_equal(logged(root, OUTCOMES_ARE_JUDGED), 0);
    log_end(root);
    assert_all_done(f, root);
    mysql_close(root);
}

static void what_was_looked_up_is_known(void **state)
{
    struct store_fixture *f = *state;
    MYSQL *root = mysql_kit_root(f);
    open_all(f);
    mysql_kit_reopen(f, 5, 20);
    complete_all(f);
    log_begin(root);
    done_all(f);
    assert_int_equal(logged(root, OUTCOMES_BY_ROW), 1);
    assert_int_equal(logged(root, OUTCOMES_BY_ID), 0);
    log_end(root);
    assert_all_done(f, root);
    mysql_close(root);
}

static void row_that_is_gone_is_refused(void **state)
{
    struct store_fixture *f = *state;
    MYSQL *root = mysql_kit_root(f);
    open_all(f);
    complete_all(f);
    mysql_kit_run(root, "DELETE FROM payment_outbox WHERE payment_row_id = 3");
    mysql_kit_run(root, "DELETE FROM payments WHERE trip_id = 'trip-3'");
    for (uint32_t i = 0; i < MANY; i++) {
        units[i] = done_unit(f, i + 1);
    }
    suite_submit(f, units, MANY, results);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(results[i].verdict, i == 2 ? UNIT_REFUSED : UNIT_APPLIED);
    }
    struct payment_row image = suite_image(f, "trip-3", 3);
    struct unit late = suite_move(f, &image, PAYMENT_COMPLETED, 2);
    suite_expect(f, &late, UNIT_REFUSED);
    mysql_close(root);
}

/* A free ride, or no payment method: completed or failed by the insert. */
static void outcome_of_an_insert_belongs_to_its_payment(void **state)
{
    struct store_fixture *f = *state;
    MYSQL *root = mysql_kit_root(f);
    mysql_kit_run(root, "ALTER TABLE payments AUTO_INCREMENT = 5000");
    for (uint32_t i = 0; i < MANY; i++) {
        char name[32];
        trip_name(i + 1, name);
        struct payment_row image = suite_image(f, name, i + 1);
        image.status = i % 2 == 0 ? PAYMENT_FAILED : PAYMENT_PROCESSING;
        units[i] = suite_open(f, &image);
        if (i % 2 == 0) {
            suite_outcome(f, &units[i], OUTCOME_FAILED);
        }
    }
    submit_all(f, UNIT_APPLIED);
    assert_int_equal(mysql_kit_number(root, "SELECT COUNT(*) FROM payment_outbox"), MANY / 2);
    assert_int_equal(mysql_kit_number(root, STRAYS), 0);
    log_begin(root);
    for (uint32_t i = 0; i < MANY / 2; i++) {
        units[i] = done_unit(f, 2 * i + 1);
    }
    suite_submit(f, units, MANY / 2, results);
    for (uint32_t i = 0; i < MANY / 2; i++) {
        assert_int_equal(results[i].verdict, UNIT_APPLIED);
    }
    assert_int_equal(logged(root, OUTCOMES_BY_ROW), 1);
    assert_int_equal(logged(root, OUTCOMES_BY_ID), 0);
    log_end(root);
    mysql_close(root);
}

/* A table that was emptied, or restored from a backup without the other one. */
static void row_id_that_is_given_again_hinders_nobody(void **state)
{
    struct store_fixture *f = *state;
    MYSQL *root = mysql_kit_root(f);
    struct payment_row first = mysql_kit_opened(f, "trip-1", 1);
    struct unit unit = mysql_kit_completion(f, &first);
    suite_expect(f, &unit, UNIT_APPLIED);
    mysql_kit_run(root, "TRUNCATE TABLE payments");
    struct payment_row second = mysql_kit_opened(f, "trip-2", 2);
    assert_int_equal(mysql_kit_number(root, "SELECT id FROM payments"), 1);
    unit = mysql_kit_completion(f, &second);
    suite_expect(f, &unit, UNIT_APPLIED);
    for (int known = 0; known < 2; known++) {
        if (known == 0) {
            mysql_kit_reopen(f, 5, 20);
        }
        struct unit lost = done_unit(f, 1);
        suite_expect(f, &lost, UNIT_REFUSED);
        struct unit done = done_unit(f, 2);
        suite_expect(f, &done, known == 0 ? UNIT_APPLIED : UNIT_REFUSED);
        suite_expect(f, &lost, UNIT_REFUSED);
    }
    assert_int_equal(mysql_kit_number(root, "SELECT COUNT(*) FROM payment_outbox WHERE status = "
                                            "'DONE' AND aggregate_id = 'trip-2'"),
                     1);
    assert_int_equal(
        mysql_kit_number(root, "SELECT COUNT(*) FROM payment_outbox WHERE status = 'DONE'"), 1);
    mysql_close(root);
}

/* After a crash, others' payments are taken over by their ids; what is done next knows their rows.
 */
static void payment_that_was_taken_over_is_found_by_its_row(void **state)
{
    struct store_fixture *f = *state;
    MYSQL *root = mysql_kit_root(f);
    open_all(f);
    mysql_kit_reopen(f, 5, 20);
    for (uint32_t i = 0; i < MANY; i++) {
        char name[32];
        trip_name(i + 1, name);
        struct payment_row image = suite_image(f, name, i + 1);
        units[i] = suite_move(f, &image, PAYMENT_PROCESSING, 1);
    }
    submit_all(f, UNIT_APPLIED);
    log_begin(root);
    for (uint32_t i = 0; i < MANY; i++) {
        struct payment_row image = units[i].as.payment.row;
        units[i] = suite_move(f, &image, PAYMENT_PROCESSING, 2);
    }
    submit_all(f, UNIT_APPLIED);
    assert_int_equal(logged(root, MOVES_BY_ROW), 1);
    assert_int_equal(logged(root, MOVES_BY_ID), 0);
    log_end(root);
    mysql_close(root);
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
        SUITE_TEST(payments_that_were_inserted_are_found_by_their_rows),
        SUITE_TEST(so_they_are_where_the_server_numbers_rows_in_steps),
        SUITE_TEST(payments_of_another_connection_are_found_by_their_ids),
        SUITE_TEST(payments_beside_a_duplicate_are_found_by_their_rows),
        SUITE_TEST(row_that_is_another_payments_is_left_alone),
        SUITE_TEST(hint_that_is_wrong_costs_one_statement_more),
        SUITE_TEST(what_was_looked_up_is_known),
        SUITE_TEST(row_that_is_gone_is_refused),
        SUITE_TEST(outcome_of_an_insert_belongs_to_its_payment),
        SUITE_TEST(row_id_that_is_given_again_hinders_nobody),
        SUITE_TEST(payment_that_was_taken_over_is_found_by_its_row),
    };
    int failed = cmocka_run_group_tests_name("mysql store: rows", tests, NULL, NULL);
    mysql_factory_stop();
    return failed;
}
