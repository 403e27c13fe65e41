/* A database on which an earlier Farebox has worked. */
#include "mysql_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STATEMENTS_MAX 16
#define STATEMENT_SIZE 1000

/* What is of tables and indexes. */
#define SHAPE                                                                                      \
    "SELECT MD5(GROUP_CONCAT(t ORDER BY t)) FROM (SELECT CONCAT(table_name, ' ', column_name, ' "  \
    "',"                                                                                           \
    " column_type, ' ', COALESCE(column_default, '-')) AS t FROM information_schema.columns"       \
    " WHERE table_schema = DATABASE() UNION ALL SELECT CONCAT(table_name, ' ', index_name, ' ',"   \
    " column_name, ' ', seq_in_index, ' ', non_unique) FROM information_schema.statistics"         \
    " WHERE table_schema = DATABASE()) AS s"

static void shape_of(MYSQL *root, char shape[33])
{
    mysql_kit_run(root, "SET SESSION group_concat_max_len = 100000");
    assert_int_equal(mysql_query(root, SHAPE), 0);
    MYSQL_RES *result = mysql_store_result(root);
    assert_non_null(result);
    MYSQL_ROW row = mysql_fetch_row(result);
    assert_non_null(row);
    assert_non_null(row[0]);
    (void)snprintf(shape, 33, "%s", row[0]);
    mysql_free_result(result);
}

/* Version 2 found outcomes by an index on event_id. */
static void back_to_version_2(MYSQL *root)
{
    mysql_kit_run(root, "ALTER TABLE payment_outbox DROP COLUMN payment_row_id,"
                        " DROP INDEX farebox_outbox_payment,"
                        " ADD UNIQUE INDEX farebox_outbox_event (event_id)");
    mysql_kit_run(root, "UPDATE farebox_schema SET version = 2, min_reader = 2");
}

struct told {
    char statements[STATEMENTS_MAX][STATEMENT_SIZE];
    uint32_t count;
};

static void told_add(void *context, const char *statement, size_t len)
{
    struct told *told = context;
    assert_true(told->count < STATEMENTS_MAX && len < STATEMENT_SIZE);
    (void)snprintf(told->statements[told->count++], STATEMENT_SIZE, "%.*s", (int)len, statement);
}

static void migrate(struct store_fixture *f, bool dry_run, struct told *told)
{
    const struct mysql_store_options options =
        mysql_factory_options(mysql_factory_database(f->data));
    const struct mysql_migration_watch watch = {told_add, told};
    char error[700] = "";
    int before = -1;
    told->count = 0;
    if (!mysql_store_migrate(&options, dry_run, &watch, &before, error, sizeof(error))) {
        fail_msg("%s", error);
    }
    assert_int_equal(before, 2);
}

/* Wherever a run was cut off, the next one leaves what a fresh database has. */
static void version_2_becomes_what_a_fresh_database_is(void **state)
{
    struct store_fixture *f = *state;
    static struct told all;
    static struct told rest;
    char fresh[33];
    char brought[33];
    MYSQL *root = mysql_kit_root(f);
    shape_of(root, fresh);
    mysql_kit_run(root, "INSERT INTO payment_outbox (status, event_id) VALUES"
                        " ('PUBLISHING', 'the 16 bytes of.'), ('DONE', 'another event id')");
    back_to_version_2(root);
    migrate(f, true, &all);
    assert_int_equal(all.count, 5);
    for (uint32_t cut = 0; cut < all.count; cut++) {
        for (uint32_t i = 0; i < cut; i++) {
            mysql_kit_run(root, all.statements[i]);
        }
        migrate(f, true, &rest);
        uint32_t expected = rest.count;
        assert_in_range(expected, all.count - cut, all.count - cut + 1);
        migrate(f, false, &rest);
        assert_int_equal(rest.count, expected);
        shape_of(root, brought);
        assert_string_equal(brought, fresh);
        assert_int_equal(mysql_kit_number(root, "SELECT version + min_reader FROM farebox_schema"),
                         2 * mysql_store_schema_version());
        assert_int_equal(mysql_kit_number(root, "SELECT COUNT(*) FROM payment_outbox"), 2);
        back_to_version_2(root);
    }
    mysql_close(root);
}

/* Instances of version 2 may be at work, and could not go on. */
static void start_leaves_it_to_an_operator(void **state)
{
    struct store_fixture *f = *state;
    static struct told told;
    char error[700] = "";
    struct store *store = NULL;
    MYSQL *root = mysql_kit_root(f);
    back_to_version_2(root);
    struct mysql_store_options options = mysql_factory_options(mysql_factory_database(f->data));
    assert_true(options.migrate);
    assert_false(mysql_store_open(&options, &store, error, sizeof(error)));
    assert_non_null(strstr(error, "schema version 2"));
    assert_non_null(strstr(error, "stop all instances, then run `farebox migrate`"));
    assert_int_equal(mysql_kit_number(root, "SELECT version + min_reader FROM farebox_schema"), 4);
    migrate(f, false, &told);
    if (!mysql_store_open(&options, &store, error, sizeof(error))) {
        fail_msg("%s", error);
    }
    store->ops->close(store);
    mysql_close(root);
}

/* Its row does not say whose it is; it is the relay's, by its own id. */
static void outcome_of_version_2_is_finished_by_its_own_row(void **state)
{
    struct store_fixture *f = *state;
    static struct told told;
    MYSQL *root = mysql_kit_root(f);
    struct payment_row image = mysql_kit_opened(f, "trip-1", 1);
    struct unit unit = mysql_kit_completion(f, &image);
    suite_expect(f, &unit, UNIT_APPLIED);
    back_to_version_2(root);
    migrate(f, false, &told);
    mysql_kit_reopen(f, 5, 20);
    union store_row rows[2];
    f->now_ms += 30000;
    assert_int_equal(suite_scan(f, SCAN_OUTBOX_DUE, 2, rows), 1);
    assert_true(uuid_equal(&rows[0].outbox.event_id, &image.payment_id));
    struct unit done = suite_outbox_move(f, 1, OUTBOX_PUBLISHING, 1, OUTBOX_DONE, DUE_NEVER);
    done.as.outbox.row_id = rows[0].outbox.row_id;
    suite_expect(f, &done, UNIT_APPLIED);
    assert_int_equal(
        mysql_kit_number(root, "SELECT COUNT(*) FROM payment_outbox WHERE status = 'DONE'"), 1);
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
        SUITE_TEST(version_2_becomes_what_a_fresh_database_is),
        SUITE_TEST(start_leaves_it_to_an_operator),
        SUITE_TEST(outcome_of_version_2_is_finished_by_its_own_row),
    };
    int failed = cmocka_run_group_tests_name("mysql store: upgrade", tests, NULL, NULL);
    mysql_factory_stop();
    return failed;
}
