#include "bench_rows.h"

#include "bench_db.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#define BUSY_MS 10000

static void fail(sqlite3 *db)
{
    fprintf(stderr, "bench: %s\n", sqlite3_errmsg(db));
    exit(1);
}

static int64_t sqlite_number(const char *path, const char *query)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK ||
        sqlite3_busy_timeout(db, BUSY_MS) != SQLITE_OK ||
        sqlite3_prepare_v2(db, query, -1, &statement, NULL) != SQLITE_OK ||
        sqlite3_step(statement) != SQLITE_ROW) {
        fail(db);
    }
    int64_t number = sqlite3_column_int64(statement, 0);
    (void)sqlite3_finalize(statement);
    (void)sqlite3_close(db);
    return number;
}

int64_t bench_rows_number(const struct bench_rows *rows, const char *query)
{
    return rows->server != NULL ? bench_db_number(rows->server, rows->database, query)
                                : sqlite_number(rows->sqlite_path, query);
}
