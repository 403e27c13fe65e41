/*
 * sqlite_columns.h - values of the port to SQLite's parameters, and columns back to values.
 *
 * Private to adapters/sqlite. Parameters are numbered from 1, columns from 0, as in SQLite.
 * A bind that fails for want of memory shows when the statement runs: a NOT NULL column or a
 * guard is then missing, and SQLite's own code is kept by the connection; binds are otherwise
 * programming errors, so they are invariants.
 */
#ifndef FAREBOX_SQLITE_COLUMNS_H
#define FAREBOX_SQLITE_COLUMNS_H

#include "store.h"

#include <sqlite3.h>

/* Delays beyond a century are cut to it, so that instants cannot overflow. */
#define DELAY_MAX_MS INT64_C(3155760000000)

/* now + delay; for instants that may be missing see bind_due. */
int64_t instant_after(int64_t now_ms, int64_t delay_ms);

/* One value to one parameter. */
void bind_int(sqlite3_stmt *statement, int at, int64_t value);
/* `name` is a static string: SQLite keeps the pointer. */
void bind_name(sqlite3_stmt *statement, int at, const char *name);
/* The same bits, signed. */
void bind_uint64(sqlite3_stmt *statement, int at, uint64_t value);
/* The instant of a delay; DUE_NEVER: NULL. */
void bind_due(sqlite3_stmt *statement, int at, int64_t now_ms, int64_t due_in_ms);
/* Canonical text; the nil id: NULL. */
void bind_uuid(sqlite3_stmt *statement, int at, const struct uuid *id);
/* Binds token.process at `at` and token.sequence at `at` + 1. */
void bind_token(sqlite3_stmt *statement, int at, struct token token);
/* TEXT_NONE: NULL. The pool must not change before the statement has run. */
void bind_text(sqlite3_stmt *statement, int at, const struct texts *texts, text_id id);
void bind_blob(sqlite3_stmt *statement, int at, const struct texts *texts, text_id id);
/* A key or body: NULL where `has` is 0, else the bytes, perhaps none. */
void bind_record_part(sqlite3_stmt *statement, int at, const struct texts *texts, uint8_t has,
                      text_id id);

/* The column at `at` and the one after it. */
struct token column_token(sqlite3_stmt *statement, int at);
/* now - the column's instant; NULL: AGE_NONE. */
int64_t column_age(sqlite3_stmt *statement, int at, int64_t now_ms);
/* Unix ms; NULL: AGE_NONE. */
int64_t column_instant(sqlite3_stmt *statement, int at);
/* The column's instant - now; NULL: DUE_NEVER. */
int64_t column_due_in(sqlite3_stmt *statement, int at, int64_t now_ms);
/* Text without NULs, valid until the statement moves on; NULL: "". */
const char *column_name(sqlite3_stmt *statement, int at);
/* False: not a UUID. NULL: nil. */
MUST_USE bool column_uuid(sqlite3_stmt *statement, int at, struct uuid *id);
/* TEXT or BLOB into the pool, NULL: TEXT_NONE. False: the pool, or memory, is full. */
MUST_USE bool column_text(sqlite3_stmt *statement, int at, struct texts *texts, text_id *id);

#endif
