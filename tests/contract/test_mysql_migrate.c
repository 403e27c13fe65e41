/*
 * The migrations: on an empty database and on Hibernate's, in turn, without locking writers out.
 *
 * FAREBOX_MIGRATE_ROWS=5000000 is the long form of the last test: so many payments, and no writer
 * may wait for more than a second.
 */
#define _POSIX_C_SOURCE 200809L /* clock_gettime, nanosleep */
#include "mysql_factory.h"
#include "mysql_old_rows.h"
#include "old_service.h"

#include <mysql.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROWS_SHORT  50000
#define TEXT_SIZE   32768
#define LOCK_OUT_MS 1000
#define PATIENCE_MS 60000

static struct sql_client sql;
static char database[40];

static int64_t clock_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void pause_ms(long ms)
{
    const struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    (void)nanosleep(&pause, NULL);
}

static void database_make(const char *charset, const char *collation)
{
    static unsigned count;
    (void)snprintf(database, sizeof(database), "farebox_m%u", ++count);
    sql_client_close(&sql);
    old_service_open(&sql, &mysql_factory_server, database, charset, collation);
}

static int teardown(void **state)
{
    (void)state;
    sql_client_close(&sql);
    return 0;
}

/* What a run told of its statements. */
struct told {
    char text[TEXT_SIZE];
    size_t len;
    unsigned count;
};

static void told_add(void *context, const char *statement, size_t len)
{
    struct told *told = context;
    int added =
        snprintf(told->text + told->len, TEXT_SIZE - told->len, "%.*s;\n", (int)len, statement);
    assert_true(added > 0 && (size_t)added < TEXT_SIZE - told->len);
    told->len += (size_t)added;
    told->count++;
}

static int migrate(bool dry_run, struct told *told)
{
    const struct mysql_store_options options = mysql_factory_options(database);
    const struct mysql_migration_watch watch = {told_add, told};
    char error[700] = "";
    int before = -1;
    memset(told, 0, sizeof(*told));
    if (!mysql_store_migrate(&options, dry_run, &watch, &before, error, sizeof(error))) {
        fail_msg("%s", error);
    }
    return before;
}

static void expect_tables(int64_t count)
{
    assert_int_equal(sql_client_number(&sql, "SELECT COUNT(*) FROM information_schema.tables WHERE"
                                             " table_schema = DATABASE()"),
                     count);
}

static void dry_run_tells_what_a_run_runs_and_changes_nothing(void **state)
{
    (void)state;
    static struct told dry;
    static struct told run;
    for (int old = 0; old < 2; old++) {
        database_make("utf8mb4", "utf8mb4_general_ci");
        if (old) {
            old_service_make_tables(&sql);
        }
        assert_int_equal(migrate(true, &dry), 0);
        expect_tables(old ? 3 : 0);
        assert_int_equal(migrate(false, &run), 0);
        expect_tables(5);
        assert_string_equal(dry.text, run.text);
        assert_true(strstr(run.text, "CREATE TABLE IF NOT EXISTS shedlock") == run.text);
        assert_true((strstr(run.text, "EXISTS payments (") == NULL) == (old == 1));
        assert_true(run.count > 10);
        assert_int_equal(migrate(true, &dry), mysql_store_schema_version());
        assert_int_equal(dry.count, 0);
        assert_int_equal(migrate(false, &run), mysql_store_schema_version());
        assert_int_equal(run.count, 0);
    }
}

/* Cut off after any of its statements, a run is finished by the next one, which runs the rest. */
static void run_that_was_cut_off_runs_only_the_rest(void **state)
{
    (void)state;
    static struct told all;
    static struct told rest;
    database_make("utf8mb4", "utf8mb4_bin");
    old_service_make_tables(&sql);
    (void)migrate(false, &all);
    sql_client_run(&sql, "UPDATE farebox_schema SET version = 1");
    sql_client_run(&sql, "ALTER TABLE failed_event DROP INDEX farebox_failed_event_status");
    (void)migrate(false, &rest);
    assert_true(all.count > 10);
    assert_int_equal(rest.count, 4); /* the index, and what marks the ends of migrations */
    assert_non_null(strstr(rest.text, "ADD INDEX farebox_failed_event_status"));
}

static void shape_of(char text[TEXT_SIZE])
{
    /* Types of ids, collations and generated names are Hibernate's; all else is the same. */
    sql_client_run(&sql, "SET SESSION group_concat_max_len = 30000");
    (void)snprintf(
        text, TEXT_SIZE, "%s",
        sql_client_text(&sql, "SELECT MD5(GROUP_CONCAT(table_name, '.', column_name, ' ',"
                              " IF(column_name = 'trip_id', '', data_type), ' ', is_nullable, ' ',"
                              " COALESCE(column_default, '') ORDER BY table_name, column_name"
                              " SEPARATOR '\n')) FROM information_schema.columns WHERE"
                              " table_schema = DATABASE()"));
    size_t len = strlen(text);
    (void)snprintf(text + len, TEXT_SIZE - len, " %s",
                   sql_client_text(&sql,
                                   "SELECT MD5(GROUP_CONCAT(table_name, ' ', column_name, ' ',"
                                   " non_unique, seq_in_index ORDER BY table_name,"
                                   " column_name, non_unique, seq_in_index SEPARATOR '\n'))"
                                   " FROM information_schema.statistics WHERE table_schema ="
                                   " DATABASE()"));
}

static void hibernates_tables_end_as_fresh_ones_do(void **state)
{
    (void)state;
    static struct told told;
    static char fresh[TEXT_SIZE];
    static char old[TEXT_SIZE];
    database_make("utf8mb4", "utf8mb4_general_ci");
    (void)migrate(false, &told);
    shape_of(fresh);
    database_make("utf8mb4", "utf8mb4_general_ci");
    old_service_make_tables(&sql);
    (void)migrate(false, &told);
    shape_of(old);
    assert_string_equal(old, fresh);
}

/* In the collations that a server may have by default, before and after. */
static void old_service_works_on_as_if_nothing_had_been(void **state)
{
    (void)state;
    static struct told told;
    static const char *const defaults[][2] = {{"utf8mb4", "utf8mb4_general_ci"},
                                              {"utf8mb4", "utf8mb4_bin"},
                                              {"latin1", "latin1_swedish_ci"},
                                              {"utf8mb3", "utf8mb3_general_ci"}};
    for (size_t i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++) {
        database_make(defaults[i][0], defaults[i][1]);
        old_service_make_tables(&sql);
        old_service_work(&sql, "before");
        (void)migrate(false, &told);
        old_service_work(&sql, "after");
        assert_int_equal(sql_client_number(&sql, "SELECT COUNT(*) FROM payments"), 6);
        assert_int_equal(sql_client_number(&sql, "SELECT COUNT(*) FROM payments WHERE due_at = 0"),
                         3);
    }
}

struct late {
    struct mysql_store_options options;
    int64_t ended_ms;
    bool opened;
};

static void *open_late(void *argument)
{
    struct late *late = argument;
    struct store *store = NULL;
    char error[700] = "";
    late->opened = mysql_store_open(&late->options, &store, error, sizeof(error));
    late->ended_ms = clock_ms();
    if (late->opened) {
        store->ops->close(store);
    } else {
        print_error("%s\n", error);
    }
    return NULL;
}

/* What a process that was killed leaves behind: its lease, and a migration half done. */
static void start_waits_for_the_lease_of_another_until_it_runs_out(void **state)
{
    (void)state;
    static struct told told;
    database_make("utf8mb4", "utf8mb4_bin");
    old_service_make_tables(&sql);
    (void)migrate(false, &told);
    sql_client_run(&sql, "UPDATE farebox_schema SET version = 1");
    sql_client_run(&sql, "SET time_zone = '+00:00'");
    struct late late = {.options = mysql_factory_options(database)};
    int64_t begun_ms = clock_ms();
    sql_client_run(&sql, "UPDATE shedlock SET lock_until = NOW(3) + INTERVAL 3 SECOND, locked_by ="
                         " 'another' WHERE name = 'Payment_migrate'");
    (void)open_late(&late);
    assert_true(late.opened);
    assert_true(late.ended_ms - begun_ms >= 2500);
    assert_int_equal(sql_client_number(&sql, "SELECT version FROM farebox_schema"),
                     mysql_store_schema_version());
    /* It has given its own lease back. */
    assert_int_equal(sql_client_number(&sql, "SELECT COUNT(*) FROM shedlock WHERE name ="
                                             " 'Payment_migrate' AND lock_until <= NOW(3)"),
                     1);
}

static void processes_that_start_together_migrate_once(void **state)
{
    (void)state;
    enum { STARTS = 6 };
    pthread_t threads[STARTS];
    struct late late[STARTS];
    database_make("utf8mb4", "utf8mb4_general_ci");
    old_service_make_tables(&sql);
    for (int i = 0; i < STARTS; i++) {
        late[i] = (struct late){.options = mysql_factory_options(database)};
        assert_int_equal(pthread_create(&threads[i], NULL, open_late, &late[i]), 0);
    }
    for (int i = 0; i < STARTS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_true(late[i].opened);
    }
    assert_int_equal(sql_client_number(&sql, "SELECT COUNT(*) FROM shedlock"), 1);
}

static const char lease_end[] = "SELECT UNIX_TIMESTAMP(lock_until) FROM shedlock WHERE name ="
                                " 'Payment_migrate'";

/* Until a process has taken it. */
static void lease_await(struct sql_client *client)
{
    int64_t deadline_ms = clock_ms() + PATIENCE_MS;
    while (sql_client_number(client,
                             "SELECT COUNT(*) FROM information_schema.tables WHERE"
                             " table_schema = DATABASE() AND table_name = 'shedlock'") == 0 ||
           sql_client_number(client, lease_end) == INT64_MIN) {
        assert_true(clock_ms() < deadline_ms);
        pause_ms(20);
    }
}

/* A transaction that holds a table's metadata makes an ALTER wait; nobody may queue behind it, and
 * the lease is kept however long it takes. */
static void migration_that_waits_for_a_transaction_lets_writers_pass(void **state)
{
    (void)state;
    struct sql_client writer = {0};
    pthread_t thread;
    database_make("utf8mb4", "utf8mb4_general_ci");
    old_service_make_tables(&sql);
    sql_client_open(&writer, &mysql_factory_server, database);
    sql_client_run(&sql, "START TRANSACTION");
    old_service_payment(&sql, "held", "held", "REQUESTED", NULL, 0);
    struct late late = {.options = mysql_factory_options(database)};
    assert_int_equal(pthread_create(&thread, NULL, open_late, &late), 0);
    lease_await(&writer);
    int passed = 0;
    int64_t lease_end_s = sql_client_number(&writer, lease_end);
    int64_t deadline_ms = clock_ms() + PATIENCE_MS;
    while (passed < 100 || sql_client_number(&writer, lease_end) <= lease_end_s) {
        char trip[20];
        (void)snprintf(trip, sizeof(trip), "free-%d", passed++);
        old_service_payment(&writer, trip, trip, "REQUESTED", NULL, 0);
        assert_true(clock_ms() < deadline_ms);
        pause_ms(50);
    }
    sql_client_run(&sql, "COMMIT");
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(late.opened);
    assert_int_equal(sql_client_number(&sql, "SELECT COUNT(*) FROM payments"), passed + 1);
    sql_client_close(&writer);
}

/* A writer of the old service: payments from request to end, one after the other. */
struct writer {
    pthread_t thread;
    int number;
    atomic_bool stop;
    int64_t longest_ms;
    uint64_t statements;
};

static void timed(struct writer *writer, struct sql_client *client, const char *format,
                  const char *trip)
{
    int64_t begun_ms = clock_ms();
    assert_int_equal(sql_client_run(client, format, trip), 1);
    int64_t took_ms = clock_ms() - begun_ms;
    writer->longest_ms = took_ms > writer->longest_ms ? took_ms : writer->longest_ms;
    writer->statements++;
}

static void *write_on(void *argument)
{
    struct writer *writer = argument;
    struct sql_client client = {0};
    sql_client_open(&client, &mysql_factory_server, database);
    for (int i = 0; !atomic_load(&writer->stop); i++) {
        char trip[60];
        (void)snprintf(trip, sizeof(trip), "writer-%d-%d", writer->number, i);
        timed(writer, &client,
              "INSERT INTO payments (amount, created_at, payment_id, payment_method_id,"
              " requested_at, status, trip_id, updated_at, user_id) VALUES (100, NOW(6), UUID(),"
              " 'm', NOW(6), 'REQUESTED', '%s', NOW(6), 'u')",
              trip);
        timed(writer, &client,
              "UPDATE payments SET status = 'PROCESSING' WHERE status = 'REQUESTED' AND trip_id ="
              " '%s'",
              trip);
        timed(writer, &client,
              "INSERT INTO payment_outbox (aggregate_id, created_at, payload, status, topic)"
              " VALUES ('%s', NOW(6), '{}', 'READY', 'payment_events')",
              trip);
        timed(writer, &client,
              "UPDATE payments SET status = 'COMPLETED', completed_at = NOW(6) WHERE trip_id ="
              " '%s'",
              trip);
    }
    sql_client_close(&client);
    return NULL;
}

static void rows_make(long rows)
{
    sql_client_run(&sql, "SET GLOBAL innodb_buffer_pool_size = %d",
                   rows > ROWS_SHORT ? 1 << 30 : 64 << 20);
    for (long from = 1; from <= rows; from += 250000) {
        long to = from + 250000 > rows + 1 ? rows : from + 249999;
        sql_client_run(&sql,
                       "INSERT INTO payments (amount, completed_at, created_at, payment_id,"
                       " payment_method_id, pg_transaction_id, requested_at, status, trip_id,"
                       " updated_at, user_id) SELECT 5200, NOW(6), NOW(6), CONCAT('6f2d5f3c-0000-"
                       "4000-8000-', LPAD(seq, 12, '0')), 'method-1', 'tx_70f181ee', NOW(6),"
                       " 'COMPLETED', CONCAT('trip-', LPAD(seq, 10, '0')), NOW(6), 'user-1' FROM"
                       " seq_%ld_to_%ld",
                       from, to);
    }
}

/* What the first start adds to it, and every later one. */
static void take_over_print(const struct mysql_store_options *options)
{
    const struct mysql_old_waits waits = {60000, 60000};
    struct store *store = NULL;
    char error[700] = "";
    if (!mysql_store_open(options, &store, error, sizeof(error))) {
        fail_msg("%s", error);
    }
    for (int i = 0; i < 2; i++) {
        uint64_t adopted = 0;
        int64_t begun_ms = clock_ms();
        assert_int_equal(mysql_old_payments(store, &waits, &adopted), STORE_OK);
        print_message("%6lld ms  take-over of %llu payments\n", (long long)(clock_ms() - begun_ms),
                      (unsigned long long)adopted);
        assert_true(i == 0 || adopted == 0);
    }
    store->ops->close(store);
}

/* Prints each ALTER with its way and its time. */
struct timing {
    int64_t begun_ms;
    char statement[120];
};

static void timing_end(struct timing *timing)
{
    if (timing->statement[0] != '\0') {
        print_message("%6lld ms  %s\n", (long long)(clock_ms() - timing->begun_ms),
                      timing->statement);
    }
    timing->statement[0] = '\0';
}

static void timing_next(void *context, const char *statement, size_t len)
{
    struct timing *timing = context;
    timing_end(timing);
    if (strncmp(statement, "ALTER", 5) == 0) {
        const char *way = strstr(statement, "= INSTANT") != NULL &&
                                  strstr(statement, "= INSTANT") < statement + len
                              ? "instant"
                              : "in place";
        size_t first = strcspn(statement, "(,");
        (void)snprintf(timing->statement, sizeof(timing->statement), "%-8s  %.*s", way,
                       (int)(first < 90 ? first : 90), statement);
        for (char *at = timing->statement; *at != '\0'; at++) {
            *at = *at == '\n' ? ' ' : *at;
        }
    }
    timing->begun_ms = clock_ms();
}

static void writers_go_on_while_a_large_table_is_migrated(void **state)
{
    (void)state;
    enum { WRITERS = 2 };
    static struct writer writers[WRITERS];
    const char *wanted = getenv("FAREBOX_MIGRATE_ROWS");
    long rows = wanted == NULL ? ROWS_SHORT : strtol(wanted, NULL, 10);
    database_make("utf8mb4", "utf8mb4_general_ci");
    old_service_make_tables(&sql);
    rows_make(rows);
    for (int i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){.number = i};
        assert_int_equal(pthread_create(&writers[i].thread, NULL, write_on, &writers[i]), 0);
    }
    pause_ms(500);
    const struct mysql_store_options options = mysql_factory_options(database);
    struct timing timing = {0};
    const struct mysql_migration_watch watch = {timing_next, &timing};
    char error[700] = "";
    int before = 0;
    int64_t begun_ms = clock_ms();
    bool migrated = mysql_store_migrate(&options, false, &watch, &before, error, sizeof(error));
    timing_end(&timing);
    int64_t took_ms = clock_ms() - begun_ms;
    int64_t longest_ms = 0;
    uint64_t statements = 0;
    for (int i = 0; i < WRITERS; i++) {
        atomic_store(&writers[i].stop, true);
        assert_int_equal(pthread_join(writers[i].thread, NULL), 0);
        longest_ms = writers[i].longest_ms > longest_ms ? writers[i].longest_ms : longest_ms;
        statements += writers[i].statements;
    }
    if (!migrated) {
        fail_msg("%s", error);
    }
    print_message("%ld payments migrated in %lld ms; %llu statements of writers meanwhile, the"
                  " longest took %lld ms\n",
                  rows, (long long)took_ms, (unsigned long long)statements, (long long)longest_ms);
    if (wanted != NULL) {
        assert_true(longest_ms <= LOCK_OUT_MS);
    }
    /* Whoever wrote meanwhile is among those that a start looks for. */
    assert_int_equal(sql_client_number(&sql, "SELECT COUNT(*) FROM payments WHERE due_at IS NULL"
                                             " AND id > (SELECT old_rows_to FROM farebox_schema)"),
                     0);
    take_over_print(&options);
}

#define MIGRATE_TEST(test) cmocka_unit_test_teardown(test, teardown)

int main(void)
{
    if (!mariadb_server_is_there()) {
        return 0;
    }
    if (!mysql_factory_start(true)) {
        return 1;
    }
    const struct CMUnitTest tests[] = {
        MIGRATE_TEST(dry_run_tells_what_a_run_runs_and_changes_nothing),
        MIGRATE_TEST(run_that_was_cut_off_runs_only_the_rest),
        MIGRATE_TEST(hibernates_tables_end_as_fresh_ones_do),
        MIGRATE_TEST(old_service_works_on_as_if_nothing_had_been),
        MIGRATE_TEST(start_waits_for_the_lease_of_another_until_it_runs_out),
        MIGRATE_TEST(processes_that_start_together_migrate_once),
        MIGRATE_TEST(migration_that_waits_for_a_transaction_lets_writers_pass),
        MIGRATE_TEST(writers_go_on_while_a_large_table_is_migrated),
    };
    int failed = cmocka_run_group_tests_name("mysql migrations", tests, NULL, NULL);
    mysql_factory_stop();
    return failed;
}
