#define _POSIX_C_SOURCE 200809L /* nanosleep */
#include "mysql_kit.h"

#include "mysql_internal.h"

#include <stdlib.h>
#include <time.h>

MYSQL *mysql_kit_root(struct store_fixture *f)
{
    MYSQL *db = mysql_init(NULL);
    assert_non_null(db);
    assert_non_null(mysql_real_connect(db, "127.0.0.1", MARIADB_ROOT, NULL,
                                       mysql_factory_database(f->data), mysql_factory_server.port,
                                       NULL, 0));
    return db;
}

void mysql_kit_run(MYSQL *db, const char *statement)
{
    if (mysql_query(db, statement) != 0) {
        fail_msg("%s: %s", statement, mysql_error(db));
    }
    mysql_free_result(mysql_store_result(db));
}

long mysql_kit_number(MYSQL *db, const char *query)
{
    if (mysql_query(db, query) != 0) {
        fail_msg("%s: %s", query, mysql_error(db));
    }
    MYSQL_RES *result = mysql_store_result(db);
    assert_non_null(result);
    MYSQL_ROW row = mysql_fetch_row(result);
    assert_non_null(row);
    long value = row[0] == NULL ? -1 : strtol(row[0], NULL, 10);
    mysql_free_result(result);
    return value;
}

void mysql_kit_nap(void)
{
    const struct timespec pause = {.tv_nsec = 150000000};
    (void)nanosleep(&pause, NULL);
}

void mysql_kit_wait_for(MYSQL *db, const char *query)
{
    for (int i = 0; i < MYSQL_KIT_TRIES_MAX; i++) {
        if (mysql_kit_number(db, query) >= 1) {
            return;
        }
        mysql_kit_nap();
    }
    fail_msg("never true: %s", query);
}

void mysql_kit_sessions_kill(MYSQL *root)
{
    mysql_kit_run(root, "KILL HARD USER '" MARIADB_USER "'");
    mysql_kit_wait_for(
        root,
        "SELECT COUNT(*) = 0 FROM information_schema.processlist WHERE user = '" MARIADB_USER "'");
}

struct mysql_store_options mysql_kit_options(struct store_fixture *f, uint16_t lock_wait_s,
                                             uint16_t read_s)
{
    struct mysql_store_options options = mysql_factory_options(mysql_factory_database(f->data));
    options.now_ms = store_fixture_now;
    options.clock_context = f;
    options.lock_wait_timeout_s = lock_wait_s;
    options.read_timeout_s = read_s;
    return options;
}

void mysql_kit_reopen_with(struct store_fixture *f, const struct mysql_store_options *options)
{
    char error[700];
    f->store->ops->close(f->store);
    f->store = NULL;
    if (!mysql_store_open(options, &f->store, error, sizeof(error))) {
        fail_msg("%s", error);
    }
}

void mysql_kit_reopen_at(struct store_fixture *f, uint16_t lock_wait_s, uint16_t read_s,
                         uint16_t port)
{
    struct mysql_store_options options = mysql_kit_options(f, lock_wait_s, read_s);
    options.port = port;
    mysql_kit_reopen_with(f, &options);
}

void mysql_kit_reopen(struct store_fixture *f, uint16_t lock_wait_s, uint16_t read_s)
{
    mysql_kit_reopen_at(f, lock_wait_s, read_s, mysql_factory_server.port);
}

struct payment_row mysql_kit_opened(struct store_fixture *f, const char *trip_id, uint64_t number)
{
    struct payment_row image = suite_image(f, trip_id, number);
    struct unit unit = suite_open(f, &image);
    suite_expect(f, &unit, UNIT_APPLIED);
    return image;
}

struct unit mysql_kit_completion(struct store_fixture *f, const struct payment_row *image)
{
    struct payment_row row = *image;
    row.status = PAYMENT_COMPLETED;
    struct unit unit = suite_move(f, &row, PAYMENT_PROCESSING, 1);
    suite_outcome(f, &unit, OUTCOME_COMPLETED);
    return unit;
}

enum batch_outcome mysql_kit_submit(struct store_fixture *f, const struct unit *units,
                                    uint32_t count, struct unit_result *results)
{
    struct store_batch batch = {units, results, count, f->texts};
    return f->store->ops->submit(f->store, &batch);
}

void mysql_kit_assert_outbox_count(struct store_fixture *f, uint32_t count)
{
    union store_row *rows = calloc(STORE_PAGE_MAX, sizeof(*rows));
    assert_non_null(rows);
    assert_int_equal(suite_outbox_all(f, rows), count);
    free(rows);
}

uint32_t mysql_kit_hints_spoil(struct store *store, uint64_t draw)
{
    struct row_ids *ids = &((struct mysql_store *)(void *)store)->row_ids;
    uint32_t wrong = 0;
    for (uint32_t set = (uint32_t)(draw % 4); draw % 5 == 0 && set < ROW_IDS_SETS; set += 4) {
        int64_t *row_id = &ids->sets[set][0].row_id;
        if (*row_id > 0) {
            *row_id = set % 8 < 4 ? *row_id + 1 : 1 + (int64_t)(draw + set) % 1000;
            wrong++;
        }
    }
    return wrong;
}

static void *submission_run(void *argument)
{
    struct mysql_kit_submission *s = argument;
    s->outcome = mysql_kit_submit(s->fixture, s->units, s->count, s->results);
    return NULL;
}

void mysql_kit_start(struct mysql_kit_submission *submission)
{
    assert_int_equal(pthread_create(&submission->thread, NULL, submission_run, submission), 0);
}

enum batch_outcome mysql_kit_end(struct mysql_kit_submission *submission)
{
    assert_int_equal(pthread_join(submission->thread, NULL), 0);
    return submission->outcome;
}
