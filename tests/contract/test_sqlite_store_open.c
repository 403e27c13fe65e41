/* SQLite only: what open refuses and says, the settings of a connection, what columns hold. */
#define _DEFAULT_SOURCE /* setuid, chmod */
#include "store_factories.h"

#include "readable.h"
#include "sqlite_internal.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOBODY  65534
#define OPENERS 4

static const char *folder_of(const struct store_fixture *f)
{
    return f->data; /* the factory's data begins with it */
}

static void path_in_folder(const struct store_fixture *f, const char *name, char *path, size_t size)
{
    (void)snprintf(path, size, "%s/%s", folder_of(f), name);
}

static struct sqlite_store_options options_of(struct store_fixture *f, bool migrate)
{
    return (struct sqlite_store_options){
        .now_ms = store_fixture_now, .clock_context = f, .busy_timeout_ms = 50, .migrate = migrate};
}

/* Open must fail, and its message must name the path and this reason. */
static void expect_refusal(struct store_fixture *f, const char *path, bool migrate,
                           const char *reason)
{
    struct sqlite_store_options options = options_of(f, migrate);
    struct store *const untouched = (struct store *)(void *)f;
    struct store *store = untouched;
    char error[600] = "";
    assert_false(sqlite_store_open(path, &options, &store, error, sizeof(error)));
    assert_ptr_equal(store, untouched);
    if (strstr(error, path) == NULL || strstr(error, reason) == NULL) {
        fail_msg("expected '%s' and '%s' in: %s", path, reason, error);
    }
}

/* Runs SQL on the file with a connection of its own. */
static void run_sql(const char *path, const char *sql)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void files_that_cannot_be_a_store_are_refused_by_name_and_reason(void **state)
{
    struct store_fixture *f = *state;
    char path[400];
    expect_refusal(f, folder_of(f), true, "is a directory");
    path_in_folder(f, "none/store.db", path, sizeof(path));
    expect_refusal(f, path, true, "No such file or directory");
    path_in_folder(f, "missing.db", path, sizeof(path));
    expect_refusal(f, path, false, "No such file or directory");
    assert_int_not_equal(access(path, F_OK), 0);
    path_in_folder(f, "text.db", path, sizeof(path));
    char text[1000];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    write_file(path, text);
    expect_refusal(f, path, true, "is not a SQLite database");
    path_in_folder(f, "other.db", path, sizeof(path));
    run_sql(path, "CREATE TABLE songs (id INTEGER)");
    expect_refusal(f, path, true, "another program's database");
    path_in_folder(f, "empty.db", path, sizeof(path));
    write_file(path, "");
    expect_refusal(f, path, false, "run `farebox migrate`");
    expect_refusal(f, ":memory:", true, "write-ahead log");
}

static void file_locked_by_another_program_is_refused(void **state)
{
    struct store_fixture *f = *state;
    char path[400];
    path_in_folder(f, "store.db", path, sizeof(path));
    f->store->ops->close(f->store);
    f->store = NULL;
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(db, "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE", NULL, NULL, NULL),
        SQLITE_OK);
    expect_refusal(f, path, true, "is locked by another program");
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* In a child of its own, because root may write everything. */
static void read_only_file_is_refused(void **state)
{
    struct store_fixture *f = *state;
    char path[400];
    path_in_folder(f, "store.db", path, sizeof(path));
    f->store->ops->close(f->store);
    f->store = NULL;
    assert_int_equal(chmod(path, 0444), 0);
    assert_int_equal(chmod(folder_of(f), 0755), 0);
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        char error[600] = "opened";
        struct sqlite_store_options options = options_of(f, true);
        struct store *store = NULL;
        if (geteuid() == 0 && setuid(NOBODY) != 0) {
            _exit(1);
        }
        (void)!sqlite_store_open(path, &options, &store, error, sizeof(error));
        _exit(write(ends[1], error, strlen(error)) > 0 ? 0 : 1);
    }
    char error[600] = "";
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_true(read(ends[0], error, sizeof(error) - 1) > 0);
    (void)close(ends[0]);
    (void)close(ends[1]);
    assert_non_null(strstr(error, path));
    assert_non_null(strstr(error, "is read-only"));
}

static void newer_schema_is_refused_by_its_min_reader_alone(void **state)
{
    struct store_fixture *f = *state;
    char path[400];
    path_in_folder(f, "store.db", path, sizeof(path));
    run_sql(path, "UPDATE schema_version SET version = 99");
    struct store *store = store_sqlite_connect(path, f, NULL);
    assert_non_null(store);
    store->ops->close(store);
    run_sql(path, "UPDATE schema_version SET min_reader = 98");
    expect_refusal(f, path, true, "schema version 99");
    expect_refusal(f, path, false, "knows version 98");
}

static void new_file_has_this_programs_schema_version(void **state)
{
    struct store_fixture *f = *state;
    sqlite3_stmt *statement = NULL;
    sqlite3 *db = ((struct sqlite_store *)f->store)->db;
    assert_int_equal(sqlite3_prepare_v2(db, "SELECT version, min_reader FROM schema_version", -1,
                                        &statement, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    assert_int_equal(sqlite3_column_int(statement, 0), sqlite_store_schema_version());
    assert_true(sqlite3_column_int(statement, 1) <= sqlite_store_schema_version());
    assert_int_equal(sqlite3_finalize(statement), SQLITE_OK);
}

struct opener {
    struct store_fixture *fixture;
    const char *path;
    struct store *store;
    char error[600];
};

static void *open_store(void *argument)
{
    struct opener *opener = argument;
    struct sqlite_store_options options = options_of(opener->fixture, true);
    options.busy_timeout_ms = 10000;
    (void)!sqlite_store_open(opener->path, &options, &opener->store, opener->error,
                             sizeof(opener->error));
    return NULL;
}

static void instances_that_start_together_on_a_new_file_all_open_it(void **state)
{
    struct store_fixture *f = *state;
    char path[400];
    path_in_folder(f, "together.db", path, sizeof(path));
    struct opener openers[OPENERS] = {0};
    pthread_t threads[OPENERS];
    for (int i = 0; i < OPENERS; i++) {
        openers[i].fixture = f;
        openers[i].path = path;
        assert_int_equal(pthread_create(&threads[i], NULL, open_store, &openers[i]), 0);
    }
    for (int i = 0; i < OPENERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    for (int i = 0; i < OPENERS; i++) {
        if (openers[i].store == NULL) {
            fail_msg("%s", openers[i].error);
        }
        openers[i].store->ops->close(openers[i].store);
    }
}

/* The first column of the first row, as text. */
static void query(const struct store_fixture *f, const char *sql, char *answer, size_t size)
{
    sqlite3_stmt *statement = NULL;
    sqlite3 *db = ((struct sqlite_store *)f->store)->db;
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    (void)snprintf(answer, size, "%s", (const char *)sqlite3_column_text(statement, 0));
    assert_int_equal(sqlite3_finalize(statement), SQLITE_OK);
}

static void expect_answer(const struct store_fixture *f, const char *sql, const char *expected)
{
    char answer[300];
    query(f, sql, answer, sizeof(answer));
    assert_string_equal(answer, expected);
}

static void connection_writes_ahead_and_syncs_every_commit(void **state)
{
    struct store_fixture *f = *state;
    expect_answer(f, "PRAGMA journal_mode", "wal");
    expect_answer(f, "PRAGMA synchronous", "2");
}

/* Law: a scan never walks the table, however many rows are settled. */
static void scans_and_guards_go_by_index(void **state)
{
    struct store_fixture *f = *state;
    sqlite3 *db = ((struct sqlite_store *)f->store)->db;
    for (int sql = SQL_PAYMENT_OPEN; sql < SQL_COUNT; sql++) {
        char text[4096];
        (void)snprintf(text, sizeof(text), "EXPLAIN QUERY PLAN %s",
                       sqlite_sql_text((enum sqlite_sql)sql));
        sqlite3_stmt *statement = NULL;
        assert_int_equal(sqlite3_prepare_v2(db, text, -1, &statement, NULL), SQLITE_OK);
        while (sqlite3_step(statement) == SQLITE_ROW) {
            const char *detail = (const char *)sqlite3_column_text(statement, 3);
            if (strncmp(detail, "SCAN", 4) == 0 || strstr(detail, "TEMP B-TREE") != NULL) {
                fail_msg("%s\n%s", detail, text);
            }
        }
        assert_int_equal(sqlite3_finalize(statement), SQLITE_OK);
    }
    expect_answer(f, "SELECT count(*) FROM sqlite_schema WHERE name = 'payments_due'", "1");
}

static void readable_columns_hold_utf8_whatever_the_bytes(void **state)
{
    struct store_fixture *f = *state;
    struct unit letter = suite_dead_letter(f, 1);
    letter.as.failed_event.row.key = suite_bytes(f, "k\0y", 3);
    letter.as.failed_event.row.body = suite_bytes(f, "\xEA\xB0\x80\xFF!", 5);
    suite_expect(f, &letter, UNIT_APPLIED);
    struct unit retry = suite_dead_letter_move(f, 1, 1, FAILED_EVENT_RESOLVED, 900);
    suite_expect(f, &retry, UNIT_APPLIED);
    expect_answer(f, "SELECT kafka_key FROM failed_event", "k\xEF\xBF\xBDy");
    expect_answer(f, "SELECT payload FROM failed_event", "\xEA\xB0\x80\xEF\xBF\xBD!");
    expect_answer(f, "SELECT payload FROM payment_outbox", "\xEA\xB0\x80\xEF\xBF\xBD!");
    expect_answer(f, "SELECT hex(body) FROM payment_outbox", "EAB080FF21");
    struct unit tombstone = suite_dead_letter(f, 2);
    tombstone.as.failed_event.row.has_body = 0;
    suite_expect(f, &tombstone, UNIT_APPLIED);
    expect_answer(f, "SELECT quote(payload) || quote(body) FROM failed_event WHERE id = 2",
                  "''NULL");
}

static void readable_copy_replaces_what_is_not_utf8(void **state)
{
    (void)state;
    const struct {
        const char *bytes;
        size_t len;
        const char *copy;
    } cases[] = {{"plain", 5, "plain"},
                 {"\xF0\x9F\x9A\x95", 4, "\xF0\x9F\x9A\x95"},
                 {"\0", 1, "\xEF\xBF\xBD"},
                 {"\xC0\xAF", 2, "\xEF\xBF\xBD\xEF\xBF\xBD"},
                 {"\xED\xA0\x80", 3, "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},
                 {"\xF4\x90\x80\x80", 4, "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},
                 {"\xE0\x9F\xBF", 3, "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},
                 {"a\xE2\x82", 3, "a\xEF\xBF\xBD\xEF\xBF\xBD"},
                 {"\xF4\x8F\xBF\xBF", 4, "\xF4\x8F\xBF\xBF"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char copy[READABLE_SIZE(8)];
        size_t len = readable_copy(cases[i].bytes, cases[i].len, copy);
        assert_int_equal(len, strlen(cases[i].copy));
        assert_memory_equal(copy, cases[i].copy, len);
    }
}

static void statuses_reasons_and_instants_are_stored_for_people(void **state)
{
    struct store_fixture *f = *state;
    struct payment_row image = suite_image(f, "trip-1", 1);
    image.status = PAYMENT_FAILED;
    image.reason = REASON_DECLINED;
    image.refund_state = REFUND_INTENDED;
    struct unit unit = suite_open(f, &image);
    suite_outcome(f, &unit, OUTCOME_FAILED);
    suite_expect(f, &unit, UNIT_APPLIED);
    expect_answer(f,
                  "SELECT status || reason || refund_state || payment_id || (due_at - claimed_at)"
                  " FROM payments",
                  "FAILEDDECLINEDINTENDEDfa4e0000-0000-0000-0000-000000000001600000");
    expect_answer(f, "SELECT status || aggregate_id || payload FROM payment_outbox",
                  "PUBLISHINGtrip-1{\"tripId\":\"t\"}");
}

static void write_that_meets_another_transaction_is_aborted_and_works_later(void **state)
{
    struct store_fixture *f = *state;
    char path[400];
    path_in_folder(f, "store.db", path, sizeof(path));
    struct sqlite_store_options options = options_of(f, false);
    struct store *store = NULL;
    char error[600];
    assert_true(sqlite_store_open(path, &options, &store, error, sizeof(error)));
    sqlite3 *db = ((struct sqlite_store *)f->store)->db;
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    struct payment_row image = suite_image(f, "trip-1", 1);
    struct unit unit = suite_open(f, &image);
    struct unit_result result = {.verdict = 77};
    struct store_batch batch = {&unit, &result, 1, f->texts};
    assert_int_equal(store->ops->submit(store, &batch), BATCH_ABORTED);
    assert_int_equal(result.verdict, 77);
    assert_int_equal(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(store->ops->submit(store, &batch), BATCH_COMMITTED);
    assert_int_equal(result.verdict, UNIT_APPLIED);
    store->ops->close(store);
}

struct clock_probe {
    sqlite3 *other;
    int begin_code;
};

/* A clock that tries to write from another connection whenever it is read. */
static int64_t probe_now(void *argument)
{
    struct clock_probe *probe = argument;
    probe->begin_code = sqlite3_exec(probe->other, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    if (probe->begin_code == SQLITE_OK) {
        (void)sqlite3_exec(probe->other, "ROLLBACK", NULL, NULL, NULL);
    }
    return 1000;
}

/* Or a batch that waited for its turn would write an instant from before the wait. */
static void clock_of_a_batch_is_read_with_the_write_lock_held(void **state)
{
    struct store_fixture *f = *state;
    char path[400];
    path_in_folder(f, "store.db", path, sizeof(path));
    struct clock_probe probe = {.begin_code = SQLITE_OK};
    assert_int_equal(sqlite3_open(path, &probe.other), SQLITE_OK);
    struct sqlite_store_options options = options_of(f, false);
    options.now_ms = probe_now;
    options.clock_context = &probe;
    struct store *store = NULL;
    char error[600];
    assert_true(sqlite_store_open(path, &options, &store, error, sizeof(error)));
    struct unit unit = suite_lease(f, "a", LEASE_TAKE, 1000, 0);
    struct unit_result result;
    struct store_batch batch = {&unit, &result, 1, f->texts};
    assert_int_equal(store->ops->submit(store, &batch), BATCH_COMMITTED);
    assert_int_equal(probe.begin_code, SQLITE_BUSY);
    store->ops->close(store);
    assert_int_equal(sqlite3_close(probe.other), SQLITE_OK);
}

int main(void)
{
    store_fixture_use(&store_factory_sqlite);
    const struct CMUnitTest tests[] = {
        SUITE_TEST(files_that_cannot_be_a_store_are_refused_by_name_and_reason),
        SUITE_TEST(file_locked_by_another_program_is_refused),
        SUITE_TEST(read_only_file_is_refused),
        SUITE_TEST(newer_schema_is_refused_by_its_min_reader_alone),
        SUITE_TEST(new_file_has_this_programs_schema_version),
        SUITE_TEST(instances_that_start_together_on_a_new_file_all_open_it),
        SUITE_TEST(connection_writes_ahead_and_syncs_every_commit),
        SUITE_TEST(scans_and_guards_go_by_index),
        SUITE_TEST(readable_columns_hold_utf8_whatever_the_bytes),
        cmocka_unit_test(readable_copy_replaces_what_is_not_utf8),
        SUITE_TEST(statuses_reasons_and_instants_are_stored_for_people),
        SUITE_TEST(clock_of_a_batch_is_read_with_the_write_lock_held),
        SUITE_TEST(write_that_meets_another_transaction_is_aborted_and_works_later),
    };
    return cmocka_run_group_tests_name("sqlite: files", tests, NULL, NULL);
}
