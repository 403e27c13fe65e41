/*
 * How the server carries out every statement that the store sends, on tables of 100,000 rows. The
 * plans are printed. With FAREBOX_STATEMENTS_FILE the statements go into that file, a line each.
 */
#define _GNU_SOURCE /* strcasestr */
#include "mysql_statements.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SHOWN 44

/* Columns of EXPLAIN. */
enum {
    EXPLAIN_SELECT_TYPE = 1,
    EXPLAIN_TABLE,
    EXPLAIN_TYPE,
    EXPLAIN_KEY = 5,
    EXPLAIN_ROWS = 8,
    EXPLAIN_EXTRA
};

static bool is_ours(const char *table)
{
    static const char *const tables[] = {"payments", "p",        "payment_outbox",
                                         "o",        "shedlock", "failed_event"};
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        if (table != NULL && strcmp(table, tables[i]) == 0) {
            return true;
        }
    }
    return false;
}

static const char *shown(const char *cell)
{
    return cell == NULL ? "-" : cell;
}

/* Reads all of a table or of an index, or sorts more than a page. An INSERT's own line reads
 * nothing. */
static bool is_bad(MYSQL_ROW row)
{
    if (!is_ours(row[EXPLAIN_TABLE]) || strcmp(shown(row[EXPLAIN_SELECT_TYPE]), "INSERT") == 0) {
        return false;
    }
    const char *type = shown(row[EXPLAIN_TYPE]);
    long rows = row[EXPLAIN_ROWS] == NULL ? 0 : strtol(row[EXPLAIN_ROWS], NULL, 10);
    bool sorts = strstr(shown(row[EXPLAIN_EXTRA]), "filesort") != NULL;
    return strcmp(type, "ALL") == 0 || strcmp(type, "index") == 0 ||
           (sorts && rows > STORE_PAGE_MAX);
}

static uint32_t explain(MYSQL *root, const struct mysql_statements *statements, uint32_t at,
                        bool printing)
{
    uint32_t bad = 0;
    const char *text = statements->texts[at];
    size_t size = strlen(text) + 16;
    char *query = malloc(size);
    assert_non_null(query);
    (void)snprintf(query, size, "EXPLAIN %s", text);
    if (mysql_query(root, query) != 0) {
        fail_msg("%s: %.300s", mysql_error(root), query);
    }
    MYSQL_RES *result = mysql_store_result(root);
    assert_non_null(result);
    for (MYSQL_ROW row = mysql_fetch_row(result); row != NULL; row = mysql_fetch_row(result)) {
        bad += is_bad(row);
        if (printing && is_ours(row[EXPLAIN_TABLE])) {
            print_message(
                "%s%-*.*s %6zu  %-14s %-7s %-30s %7s  %s\n", is_bad(row) ? "BAD " : "", SHOWN,
                SHOWN, statements->shapes[at], strlen(text), shown(row[EXPLAIN_TABLE]),
                strcmp(shown(row[EXPLAIN_SELECT_TYPE]), "INSERT") == 0 ? "insert"
                                                                       : shown(row[EXPLAIN_TYPE]),
                shown(row[EXPLAIN_KEY]), shown(row[EXPLAIN_ROWS]), shown(row[EXPLAIN_EXTRA]));
        }
    }
    mysql_free_result(result);
    free(query);
    return bad;
}

static uint32_t explain_all(MYSQL *root, const struct mysql_statements *statements, bool printing)
{
    uint32_t bad = 0;
    for (uint32_t i = 0; i < statements->count; i++) {
        bad += explain(root, statements, i, printing);
    }
    return bad;
}

static void statements_write(const struct mysql_statements *statements)
{
    const char *path = getenv("FAREBOX_STATEMENTS_FILE");
    FILE *file = path == NULL ? NULL : fopen(path, "w");
    assert_true(path == NULL || file != NULL);
    for (uint32_t i = 0; file != NULL && i < statements->count; i++) {
        fprintf(file, "%s\n", statements->texts[i]);
    }
    if (file != NULL) {
        assert_int_equal(fclose(file), 0);
    }
}

static void no_statement_reads_a_whole_table_or_sorts_more_than_a_page(void **state)
{
    struct store_fixture *f = *state;
    static struct mysql_statements statements;
    MYSQL *root = mysql_kit_root(f);
    mysql_statements_record(f, &statements);
    statements_write(&statements);
    mysql_statements_fill(f, root);
    print_message("%-*s %6s  %-14s %-7s %-30s %7s  %s\n", SHOWN, "statement", "bytes", "table",
                  "type", "key", "rows", "extra");
    assert_int_equal(explain_all(root, &statements, true), 0);
    assert_true(statements.count > 20);
    mysql_statements_clear(&statements);
    mysql_close(root);
}

/* An index by a column; its name is the migrations' own affair. */
static void index_drop(MYSQL *root, const char *table, const char *column)
{
    char query[400];
    (void)snprintf(query, sizeof(query),
                   "SELECT CONCAT('ALTER TABLE ', table_name, ' DROP INDEX `', index_name, '`')"
                   " FROM information_schema.statistics WHERE table_schema = DATABASE()"
                   " AND table_name = '%s' AND column_name = '%s' LIMIT 1",
                   table, column);
    assert_int_equal(mysql_query(root, query), 0);
    MYSQL_RES *result = mysql_store_result(root);
    assert_non_null(result);
    MYSQL_ROW row = mysql_fetch_row(result);
    assert_non_null(row);
    mysql_kit_run(root, row[0]);
    mysql_free_result(result);
}

/* That the check above sees what it is there for: without an index, some statement is bad. */
static void index_that_is_missing_is_noticed(void **state)
{
    static const char *const indexes[][2] = {
        {"payments", "trip_id"},         {"payments", "payment_id"},
        {"payments", "due_at"},          {"payment_outbox", "payment_row_id"},
        {"payment_outbox", "due_at"},    {"payment_outbox", "done_at"},
        {"failed_event", "origin_topic"}};
    struct store_fixture *f = *state;
    static struct mysql_statements statements;
    MYSQL *root = mysql_kit_root(f);
    mysql_statements_record(f, &statements);
    mysql_statements_fill(f, root);
    uint32_t bad = 0;
    for (size_t i = 0; i < sizeof(indexes) / sizeof(indexes[0]); i++) {
        index_drop(root, indexes[i][0], indexes[i][1]);
        uint32_t now_bad = explain_all(root, &statements, false);
        if (now_bad <= bad) {
            fail_msg("%s.%s", indexes[i][0], indexes[i][1]);
        }
        bad = now_bad;
    }
    mysql_statements_clear(&statements);
    mysql_close(root);
}

/* What only one of the two servers has, where no literal is. */
static const char *const refused[] = {
    "RETURNING",   "IF NOT EXISTS", "IF EXISTS",     " IGNORE ",  "REPLACE INTO",
    "NEXTVAL",     "NEXT VALUE",    "SYSTEM_TIME",   "INTERSECT", " EXCEPT ",
    "FETCH FIRST", "ROWS EXAMINED", "SET STATEMENT", ":=",        " AS new",
    "LATERAL",     "JSON_TABLE",    "MEMBER OF",     "FULLTEXT",  "/*M!",
    "/*!",         "VALUE (",       " WAIT ",
};

static void statements_are_what_mysql_and_mariadb_both_take(void **state)
{
    struct store_fixture *f = *state;
    static struct mysql_statements statements;
    mysql_statements_record(f, &statements);
    for (uint32_t i = 0; i < statements.count; i++) {
        for (size_t j = 0; j < sizeof(refused) / sizeof(refused[0]); j++) {
            if (strcasestr(statements.shapes[i], refused[j]) != NULL) {
                fail_msg("\"%s\": %.200s", refused[j], statements.shapes[i]);
            }
        }
    }
    mysql_statements_clear(&statements);
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
        SUITE_TEST(statements_are_what_mysql_and_mariadb_both_take),
        SUITE_TEST(no_statement_reads_a_whole_table_or_sorts_more_than_a_page),
        SUITE_TEST(index_that_is_missing_is_noticed),
    };
    int failed = cmocka_run_group_tests_name("mysql store: plans", tests, NULL, NULL);
    mysql_factory_stop();
    return failed;
}
