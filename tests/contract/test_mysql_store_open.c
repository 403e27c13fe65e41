/* What open() checks, the server's clock, tables that Hibernate made, and SQL for both servers. */
#include "mysql_factory.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static struct mysql_store_options options_of(struct store_fixture *f)
{
    return mysql_factory_options(mysql_factory_database(f->data));
}

/* Must fail, and say so. The password is never shown. */
static void expect_refusal(const struct mysql_store_options *options, const char *words)
{
    struct store *store = NULL;
    char error[700] = "";
    assert_false(mysql_store_open(options, &store, error, sizeof(error)));
    assert_null(store);
    if (strstr(error, words) == NULL || strstr(error, "secret") != NULL) {
        fail_msg("\"%s\" instead of \"%s\"", error, words);
    }
}

static struct store *expect_open(const struct mysql_store_options *options)
{
    struct store *store = NULL;
    char error[700] = "";
    if (!mysql_store_open(options, &store, error, sizeof(error))) {
        fail_msg("%s", error);
    }
    return store;
}

static void run(struct store_fixture *f, const char *statements)
{
    assert_true(
        mariadb_server_run(&mysql_factory_server, mysql_factory_database(f->data), statements));
}

static void connection_that_cannot_be_is_explained(void **state)
{
    struct store_fixture *f = *state;
    struct mysql_store_options options = options_of(f);
    options.password = "wrong secret";
    expect_refusal(&options, "Access denied for user 'farebox'");
    options = options_of(f);
    options.database = "other";
    expect_refusal(&options, "Access denied for user 'farebox'@");
    options.database = "farebox_none";
    expect_refusal(&options, "Unknown database 'farebox_none'");
    options = options_of(f);
    options.port = 1;
    expect_refusal(&options, "store mysql://farebox@127.0.0.1:1/farebox_");
    options = options_of(f);
    options.tls = true; /* this server has none */
    expect_refusal(&options, "TLS");
}

static void server_that_may_lose_commits_is_refused_unless_allowed(void **state)
{
    struct store_fixture *f = *state;
    run(f, "SET GLOBAL innodb_flush_log_at_trx_commit = 2");
    struct mysql_store_options options = options_of(f);
    expect_refusal(&options, "innodb_flush_log_at_trx_commit = 2");
    options.allow_lost_commits = true;
    struct store *store = expect_open(&options);
    store->ops->close(store);
    run(f,
        "SET GLOBAL innodb_flush_log_at_trx_commit = 1; SET GLOBAL max_allowed_packet = 1048576");
    options = options_of(f);
    expect_refusal(&options, "max_allowed_packet = 1048576");
    run(f, "SET GLOBAL max_allowed_packet = 16777216");
}

static void schema_that_does_not_fit_is_refused(void **state)
{
    struct store_fixture *f = *state;
    struct mysql_store_options options = options_of(f);
    run(f, "UPDATE farebox_schema SET version = 99, min_reader = 2");
    struct store *store = expect_open(&options);
    store->ops->close(store);
    run(f, "UPDATE farebox_schema SET min_reader = 99");
    expect_refusal(&options, "needs a Farebox that knows version 99");
    run(f, "DROP TABLE farebox_schema");
    options.migrate = false;
    expect_refusal(&options, "migrating is off: run `farebox migrate`");
}

/* The GRANT of docs/operations.md. */
static void documented_rights_are_enough(void **state)
{
    struct store_fixture *f = *state;
    run(f, "DROP TABLE payments; DROP TABLE payment_outbox; DROP TABLE failed_event;"
           "DROP TABLE shedlock; DROP TABLE farebox_schema;"
           "CREATE USER 'little'@'%' IDENTIFIED BY 'a'; CREATE USER 'little'@'localhost'"
           " IDENTIFIED BY 'a'");
    char grant[300];
    (void)snprintf(grant, sizeof(grant),
                   "GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX ON %s.* TO"
                   " 'little'@'%%', 'little'@'localhost'",
                   mysql_factory_database(f->data));
    struct mysql_store_options options = options_of(f);
    options.user = "little";
    options.password = "a";
    expect_refusal(&options, "Access denied for user 'little'@");
    run(f, grant);
    f->store->ops->close(f->store);
    f->store = expect_open(&options);
    struct payment_row image = suite_image(f, "trip-1", 1);
    struct unit unit = suite_open(f, &image);
    suite_outcome(f, &unit, OUTCOME_FAILED);
    suite_expect(f, &unit, UNIT_APPLIED);
    uint32_t deleted = 0;
    assert_int_equal(f->store->ops->purge(f->store, PURGE_OUTBOX_DONE, 0, 1, &deleted), STORE_OK);
}

static void little_user(struct store_fixture *f, const char *rights)
{
    char statements[700];
    const char *database = mysql_factory_database(f->data);
    (void)snprintf(statements, sizeof(statements),
                   "DROP USER IF EXISTS 'one'@'%%', 'one'@'localhost';"
                   "CREATE USER 'one'@'%%' IDENTIFIED BY 'a', 'one'@'localhost' IDENTIFIED BY 'a';"
                   "GRANT %s ON %s.* TO 'one'@'%%', 'one'@'localhost'",
                   rights, database);
    run(f, statements);
}

/* Which right is for what: docs/operations.md. */
static void each_right_that_is_missing_is_named(void **state)
{
    struct store_fixture *f = *state;
    static const struct {
        const char *rights;
        const char *words;
    } works[] = {
        {"INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX", "SELECT command denied"},
        {"SELECT, UPDATE, DELETE",
         "missing: INSERT on payments, INSERT on payment_outbox, INSERT on failed_event, INSERT on "
         "shedlock"},
        {"SELECT, INSERT, DELETE",
         "missing: UPDATE on payments, UPDATE on payment_outbox, UPDATE on failed_event, UPDATE on "
         "shedlock, UPDATE on farebox_schema"},
        {"SELECT, INSERT, UPDATE", "missing: DELETE on payment_outbox"}};
    static const struct {
        const char *rights;
        const char *words;
    } migrates[] = {{"SELECT, INSERT, UPDATE, DELETE, ALTER, INDEX", "CREATE command denied"},
                    {"SELECT, INSERT, UPDATE, DELETE, CREATE, INDEX", "ALTER command denied"},
                    {"SELECT, UPDATE, DELETE, CREATE, ALTER, INDEX", "INSERT command denied"}};
    struct mysql_store_options options = options_of(f);
    options.user = "one";
    options.password = "a";
    options.migrate = false;
    for (size_t i = 0; i < sizeof(works) / sizeof(works[0]); i++) {
        little_user(f, works[i].rights);
        expect_refusal(&options, works[i].words);
    }
    little_user(f, "SELECT, INSERT, UPDATE, DELETE");
    struct store *store = expect_open(&options);
    store->ops->close(store);
    options.migrate = true;
    for (size_t i = 0; i < sizeof(migrates) / sizeof(migrates[0]); i++) {
        run(f, "DROP TABLE IF EXISTS payments, payment_outbox, failed_event, shedlock,"
               " farebox_schema");
        little_user(f, migrates[i].rights);
        expect_refusal(&options, migrates[i].words);
    }
    /* Indexes are added by ALTER TABLE, which asks for no right of theirs here. */
    little_user(f, "SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER");
    store = expect_open(&options);
    store->ops->close(store);
}

/* Cut off at any statement, it may run again from the start. */
static void migration_that_was_cut_off_is_finished(void **state)
{
    struct store_fixture *f = *state;
    struct mysql_store_options options = options_of(f);
    run(f, "UPDATE farebox_schema SET version = 1; ALTER TABLE failed_event"
           " DROP INDEX farebox_failed_event_status; ALTER TABLE shedlock"
           " DROP COLUMN token_process, DROP COLUMN token_sequence");
    struct store *store = expect_open(&options);
    store->ops->close(store);
    run(f, "DELETE FROM farebox_schema; ALTER TABLE payments DROP INDEX farebox_payments_due");
    store = expect_open(&options);
    store->ops->close(store);
    run(f, "ALTER TABLE payments DROP INDEX farebox_payments_due; ALTER TABLE failed_event"
           " DROP INDEX farebox_failed_event_status; SELECT token_process FROM shedlock");
    struct unit unit = suite_lease(f, "a", LEASE_TAKE, 1000, 0);
    suite_expect(f, &unit, UNIT_APPLIED);
}

/* The server's default zone is nine hours off; so is its clock for whoever forgets to say UTC. */
static void clock_is_the_servers_in_utc(void **state)
{
    struct store_fixture *f = *state;
    struct mysql_store_options options = options_of(f);
    f->store->ops->close(f->store);
    f->store = expect_open(&options);
    struct payment_row image = suite_image(f, "trip-1", 1);
    image.status = PAYMENT_COMPLETED;
    struct unit unit = suite_open(f, &image);
    int64_t before_ms = (int64_t)time(NULL) * 1000 - 1000;
    suite_expect(f, &unit, UNIT_APPLIED);
    struct payment_view view = suite_read(f, "trip-1");
    int64_t after_ms = (int64_t)time(NULL) * 1000 + 1000;
    assert_true(view.requested_at_ms >= before_ms && view.requested_at_ms <= after_ms);
    assert_true(view.completed_at_ms == view.requested_at_ms);
    assert_true(view.row.claimed_age_ms >= 0 && view.row.claimed_age_ms < 60000);
    assert_true(view.row.due_in_ms > 540000 && view.row.due_in_ms <= 600000);
    struct unit lease = suite_lease(f, "a", LEASE_TAKE, 60000, 0);
    suite_expect(f, &lease, UNIT_APPLIED);
    lease = suite_lease(f, "b", LEASE_TAKE, 60000, 0);
    suite_expect(f, &lease, UNIT_REFUSED);
}

/* CONTRACTS 7, with the server's default collation: `a`, `A` and `a ` are one key there. */
static const char hibernate_tables[] =
    "DROP TABLE payments; DROP TABLE farebox_schema;"
    "CREATE TABLE payments (id BIGINT NOT NULL AUTO_INCREMENT, created_at DATETIME(6),"
    " updated_at DATETIME(6), amount INTEGER NOT NULL, completed_at DATETIME(6),"
    " payment_id VARCHAR(255) NOT NULL, payment_method_id VARCHAR(255) NOT NULL,"
    " pg_transaction_id VARCHAR(255), requested_at DATETIME(6) NOT NULL,"
    " status ENUM('COMPLETED','FAILED','PROCESSING','REQUESTED','UNKNOWN') NOT NULL,"
    " trip_id VARCHAR(255) NOT NULL, user_id VARCHAR(255) NOT NULL, PRIMARY KEY (id),"
    " CONSTRAINT UKt4ffsaqe8d6i83gs100u2y3l1 UNIQUE (payment_id),"
    " CONSTRAINT UKofko7pe2vh84ca1uplqw5ha59 UNIQUE (trip_id)) ENGINE=InnoDB"
    " CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci";

static void ids_that_the_tables_collation_confuses_collide(void **state)
{
    struct store_fixture *f = *state;
    run(f, hibernate_tables);
    struct mysql_store_options options = options_of(f);
    f->store->ops->close(f->store);
    f->store = expect_open(&options);
    const char *const trips[] = {"a", "A", "a ", "b"};
    struct unit units[4];
    struct unit_result results[4];
    for (uint64_t i = 0; i < 4; i++) {
        struct payment_row image = suite_image(f, trips[i], i + 1);
        units[i] = suite_open(f, &image);
    }
    suite_submit(f, units, 4, results);
    assert_int_equal(results[0].verdict, UNIT_APPLIED);
    assert_int_equal(results[1].verdict, UNIT_COLLISION);
    assert_int_equal(results[2].verdict, UNIT_COLLISION);
    assert_int_equal(results[3].verdict, UNIT_APPLIED);
    assert_false(suite_trip_exists(f, "A"));
    suite_submit(f, units, 4, results); /* sent again */
    assert_int_equal(results[0].verdict, UNIT_APPLIED);
    assert_int_equal(results[1].verdict, UNIT_COLLISION);
    struct payment_row image = units[0].as.payment.row;
    image.status = PAYMENT_COMPLETED;
    struct unit move = suite_move(f, &image, PAYMENT_PROCESSING, 1);
    suite_outcome(f, &move, OUTCOME_COMPLETED);
    suite_expect(f, &move, UNIT_APPLIED);
    suite_expect(f, &move, UNIT_APPLIED);
    assert_int_equal(suite_read(f, "a").row.epoch, 2);
}

/* What MySQL 8 does not have, and what Farebox must not use (CONTRACTS 7). Comments may name it. */
static const char *const refused[] = {"RETURNING",
                                      "COLUMN IF NOT EXISTS",
                                      "INDEX IF NOT EXISTS",
                                      "INSERT IGNORE",
                                      "REPLACE INTO",
                                      "STMT_ATTR_ARRAY_SIZE",
                                      "STMT_ATTR_ROW_SIZE",
                                      "mariadb_stmt_execute_direct",
                                      "_start(",
                                      "_cont(",
                                      "MYSQL_OPT_NONBLOCK",
                                      "CLIENT_MULTI_STATEMENTS",
                                      "NEXTVAL",
                                      "CREATE OR REPLACE",
                                      "utf8mb4_nopad_bin",
                                      "mariadb.h"};

static bool is_comment(const char *line)
{
    const char *text = line + strspn(line, " ");
    return strncmp(text, "--", 2) == 0 || strncmp(text, "/*", 2) == 0 || text[0] == '*';
}

static void check_file(const char *path)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    char line[400];
    while (fgets(line, sizeof(line), file) != NULL) {
        for (size_t i = 0; !is_comment(line) && i < sizeof(refused) / sizeof(refused[0]); i++) {
            if (strstr(line, refused[i]) != NULL && strstr(line, "library_start(") == NULL) {
                fail_msg("%s: %s", path, line);
            }
        }
    }
    (void)fclose(file);
}

static int check_folder(const char *path)
{
    DIR *folder = opendir(path);
    assert_non_null(folder);
    int files = 0;
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        const char *dot = strrchr(entry->d_name, '.');
        if (dot != NULL && (strcmp(dot, ".c") == 0 || strcmp(dot, ".sql") == 0)) {
            char file[600];
            (void)snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
            check_file(file);
            files++;
        }
    }
    (void)closedir(folder);
    return files;
}

static void sql_is_what_mysql_and_mariadb_both_take(void **state)
{
    (void)state;
    assert_true(check_folder("adapters/mysql") > 5);
    assert_true(check_folder("adapters/mysql/migrations") > 1);
}

int main(void)
{
    const struct CMUnitTest texts[] = {
        cmocka_unit_test(sql_is_what_mysql_and_mariadb_both_take),
    };
    int failed = cmocka_run_group_tests_name("mysql store: SQL", texts, NULL, NULL);
    if (!mariadb_server_is_there()) {
        return failed;
    }
    if (!mysql_factory_start(true)) {
        return 1;
    }
    store_fixture_use(&store_factory_mysql);
    const struct CMUnitTest tests[] = {
        SUITE_TEST(connection_that_cannot_be_is_explained),
        SUITE_TEST(server_that_may_lose_commits_is_refused_unless_allowed),
        SUITE_TEST(schema_that_does_not_fit_is_refused),
        SUITE_TEST(documented_rights_are_enough),
        SUITE_TEST(each_right_that_is_missing_is_named),
        SUITE_TEST(migration_that_was_cut_off_is_finished),
        SUITE_TEST(clock_is_the_servers_in_utc),
        SUITE_TEST(ids_that_the_tables_collation_confuses_collide),
    };
    failed += cmocka_run_group_tests_name("mysql store: open", tests, NULL, NULL);
    mysql_factory_stop();
    return failed;
}
