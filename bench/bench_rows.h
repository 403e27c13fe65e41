/*
 * bench_rows.h - questions to the store that a bench's farebox works on, MariaDB or SQLite.
 *
 * Each opens a connection of its own. Whatever goes wrong ends the program. One thread.
 */
#ifndef FAREBOX_BENCH_ROWS_H
#define FAREBOX_BENCH_ROWS_H

#include "mariadb_server.h"

#include <stdint.h>

struct bench_rows {
    const struct mariadb_server *server; /* NULL: SQLite */
    const char *database;
    const char *sqlite_path;
};

/* The one number that a query gives; NULL counts as 0. */
int64_t bench_rows_number(const struct bench_rows *rows, const char *query);

#endif
