#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "farebox_audit_source.h"

#include "pg_file.h"
#include "sqlite_store.h"

#include <mysql.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <time.h>

#define ERROR_SIZE 700
/* As many as the binary's fake PG may hold. */
#define ORDERS_MAX  (1U << 18)
#define KEYS_MAX    (1U << 19)
#define PENDING_MAX (1U << 14)

static int64_t unix_ms(void *context)
{
    struct timespec now;
    (void)context;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static struct store *sqlite_open(const void *where)
{
    const struct sqlite_store_options options = {.now_ms = unix_ms, .busy_timeout_ms = 10000};
    struct store *store = NULL;
    char error[ERROR_SIZE];
    if (!sqlite_store_open(where, &options, &store, error, sizeof(error))) {
        fail_msg("%s", error);
    }
    return store;
}

static int64_t sqlite_count(const void *where, const char *query)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    int64_t count = -1;
    /* Not read-only: the first reader of a WAL file after a kill has to recover it. */
    if (sqlite3_open_v2(where, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK &&
        sqlite3_busy_timeout(db, 10000) == SQLITE_OK &&
        sqlite3_prepare_v2(db, query, -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW) {
        count = sqlite3_column_int64(statement, 0);
    }
    (void)sqlite3_finalize(statement);
    (void)sqlite3_close(db);
    return count;
}

const struct audit_source audit_source_sqlite = {sqlite_open, sqlite_count};

static struct store *mysql_open(const void *where)
{
    struct store *store = NULL;
    char error[ERROR_SIZE];
    if (!mysql_store_open(where, &store, error, sizeof(error))) {
        fail_msg("%s", error);
    }
    return store;
}

static int64_t mysql_count(const void *where, const char *query)
{
    const struct mysql_store_options *options = where;
    const unsigned timeout_s = 10;
    MYSQL *db = mysql_init(NULL);
    int64_t count = -1;
    assert_non_null(db);
    mysql_options(db, MYSQL_OPT_CONNECT_TIMEOUT, &timeout_s);
    mysql_options(db, MYSQL_OPT_READ_TIMEOUT, &timeout_s);
    if (mysql_real_connect(db, options->host, options->user, options->password, options->database,
                           options->port, NULL, 0) != NULL &&
        mysql_query(db, query) == 0) {
        MYSQL_RES *result = mysql_store_result(db);
        MYSQL_ROW row = result == NULL ? NULL : mysql_fetch_row(result);
        count = row == NULL || row[0] == NULL ? -1 : strtoll(row[0], NULL, 10);
        mysql_free_result(result);
    }
    mysql_close(db);
    return count;
}

const struct audit_source audit_source_mysql = {mysql_open, mysql_count};

static void file_read(const void *where, audit_order_fn *on_order, void *context)
{
    const struct pg_file_options options = {.path = where,
                                            .limits = {{ORDERS_MAX, KEYS_MAX, PENDING_MAX}, 0},
                                            .config = pg_fake_config_default(),
                                            .read_only = true};
    struct pg_file *file = NULL;
    char message[PG_FILE_MESSAGE_SIZE];
    if (pg_file_open(&options, &file, message) != PG_FILE_OK) {
        fail_msg("%s", message);
    }
    pg_file_advance(file, unix_ms(NULL));
    const struct pg_ledger *ledger = pg_fake_ledger_view(pg_file_fake(file));
    for (uint32_t i = 0; i < pg_ledger_order_count(ledger); i++) {
        struct pg_ledger_order_view view;
        pg_ledger_order_at(ledger, i, &view);
        on_order(context, &(struct audit_order){view.order_id, view.totals});
    }
    pg_file_close(file);
}

const struct audit_ledger audit_ledger_file = {file_read};
