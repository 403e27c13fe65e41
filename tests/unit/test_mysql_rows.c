/* What a batch's rows have in common is written once, and the rest for each row. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mysql_rows.h"

#include <string.h>

static const char *const names[] = {"n_key", "n_status", "n_tries"};
static const struct sql_instants instants = {"1700000000000", "'2026-11-26 12:00:00'"};
static struct sql_rows rows;
static struct sql sql;

static int setup(void **state)
{
    (void)state;
    sql_clear(&sql);
    sql_rows_clear(&rows, names, 3);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    sql_free(&sql);
    sql_rows_free(&rows);
    return 0;
}

static void row_add(const char *key, const char *status, const char *tries)
{
    sql_add(sql_rows_next(&rows), key);
    sql_add(sql_rows_next(&rows), status);
    sql_add(sql_rows_next(&rows), tries);
}

static void expect(const char *text)
{
    assert_false(sql.failed);
    assert_int_equal(sql.len, strlen(text));
    assert_memory_equal(sql.bytes, text, sql.len);
    sql_clear(&sql);
}

static void what_all_rows_share_is_in_the_statement_and_not_in_the_table(void **state)
{
    (void)state;
    row_add("1", "'DONE'", "0");
    row_add("2", "'DONE'", "10");
    row_add("3", "'DONE'", "0");
    sql_rows_table(&rows, &sql);
    expect("SELECT 1 AS n_key, 0 AS n_tries UNION ALL SELECT 2, 10 UNION ALL SELECT 3, 0");
    sql_rows_expand(&rows, &instants, " SET s = {n_status}, t = {n_tries}, k = {n_key}", &sql);
    expect(" SET s = 'DONE', t = u.n_tries, k = u.n_key");
}

static void the_key_is_in_the_table_even_of_a_single_row(void **state)
{
    (void)state;
    row_add("1", "'DONE'", "0");
    sql_rows_table(&rows, &sql);
    expect("SELECT 1 AS n_key");
    sql_rows_expand(&rows, &instants, "{n_key} {n_status} {n_tries}", &sql);
    expect("u.n_key 'DONE' 0");
}

static void a_longer_literal_is_another_one_than_its_beginning(void **state)
{
    (void)state;
    row_add("1", "NULL", "1");
    row_add("2", "NULL", "12");
    assert_true(sql_rows_same(&rows, 1, "NULL"));
    assert_true(sql_rows_same(&rows, 1, NULL));
    assert_false(sql_rows_same(&rows, 1, "NUL"));
    assert_false(sql_rows_same(&rows, 1, "NULL "));
    assert_false(sql_rows_same(&rows, 2, NULL));
    assert_false(sql_rows_same(&rows, 2, "1"));
}

static void instants_are_the_batchs_own(void **state)
{
    (void)state;
    row_add("1", "NULL", "1");
    sql_rows_expand(&rows, &instants, "{now} + 5, {local_now}", &sql);
    expect("1700000000000 + 5, '2026-11-26 12:00:00'");
}

static void braces_in_a_value_are_the_values(void **state)
{
    (void)state;
    row_add("1", "'{now}'", "1");
    sql_rows_expand(&rows, &instants, "{n_status}", &sql);
    expect("'{now}'");
}

static void rows_that_found_no_memory_make_no_statement(void **state)
{
    (void)state;
    row_add("1", "NULL", "1");
    rows.cells.failed = true;
    sql_rows_table(&rows, &sql);
    assert_true(sql.failed);
    sql_clear(&sql);
    sql_rows_expand(&rows, &instants, "{n_status}", &sql);
    assert_true(sql.failed);
}

#define ROWS_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROWS_TEST(what_all_rows_share_is_in_the_statement_and_not_in_the_table),
        ROWS_TEST(the_key_is_in_the_table_even_of_a_single_row),
        ROWS_TEST(a_longer_literal_is_another_one_than_its_beginning),
        ROWS_TEST(instants_are_the_batchs_own),
        ROWS_TEST(braces_in_a_value_are_the_values),
        ROWS_TEST(rows_that_found_no_memory_make_no_statement),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
