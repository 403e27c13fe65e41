/*
 * mysql_columns.h - a row of a result, column by column, back to values of the port.
 *
 * Private to adapters/mysql. Columns are numbered from 0. Numbers that are NULL are 0.
 */
#ifndef FAREBOX_MYSQL_COLUMNS_H
#define FAREBOX_MYSQL_COLUMNS_H

#include "store.h"

#include <mysql.h>

struct columns {
    MYSQL_ROW values;
    const unsigned long *lens;
};

/* The next row. False: there is none. */
MUST_USE bool columns_next(MYSQL_RES *result, struct columns *row);

/* True: the column is NULL. */
bool cell_is_null(const struct columns *row, int at);
/* A decimal number; what is beyond the type is cut to its end. */
int64_t cell_int(const struct columns *row, int at);
/* The same, not signed. */
uint64_t cell_uint(const struct columns *row, int at);
/* The columns at `at` and after it. */
struct token cell_token(const struct columns *row, int at);
/* now - the column's instant; NULL: AGE_NONE. */
int64_t cell_age(const struct columns *row, int at, int64_t now_ms);
/* Unix ms; NULL: AGE_NONE. */
int64_t cell_instant(const struct columns *row, int at);
/* The column's instant - now; NULL: DUE_NEVER. */
int64_t cell_due_in(const struct columns *row, int at, int64_t now_ms);
/* A text without NULs, valid until the result is freed; NULL: "". */
const char *cell_name(const struct columns *row, int at);
/* False: not a UUID. NULL: nil. */
MUST_USE bool cell_uuid(const struct columns *row, int at, struct uuid *id);
/* The same, of sixteen bytes. */
MUST_USE bool cell_uuid_bytes(const struct columns *row, int at, struct uuid *id);
/* True: the column has these very bytes. */
bool cell_equals(const struct columns *row, int at, const char *bytes, size_t len);
/* Any bytes into the pool, NULL: TEXT_NONE. False: the pool is full. */
MUST_USE bool cell_text(const struct columns *row, int at, struct texts *texts, text_id *id);

#endif
