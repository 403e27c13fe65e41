/*
 * mysql_rows.h - the literals of many rows, from which one statement is made.
 *
 * Private to adapters/mysql. The rows of a batch have much in common (statuses, epochs, counters of
 * nothing, the process's token), and a server's time goes into reading and carrying literals. So
 * what all rows have in common is written once, into the statement itself, and the derived table
 * that it is joined to has only what differs. The same literal has the same type in both places.
 */
#ifndef FAREBOX_MYSQL_ROWS_H
#define FAREBOX_MYSQL_ROWS_H

#include "mysql_sql.h"

#define SQL_COLUMNS_MAX 32

struct sql_rows {
    struct sql cells; /* row by row */
    const char *const *names;
    uint32_t columns;
    uint32_t count; /* cells begun */
    size_t starts[STORE_BATCH_MAX * SQL_COLUMNS_MAX + 1];
};

/* Empties it, and keeps its memory. The names are static; the first is the row's key. */
void sql_rows_clear(struct sql_rows *rows, const char *const *names, uint32_t columns);
void sql_rows_free(struct sql_rows *rows);

/* Begins the next cell, in the order of the names: its literal is to be written there. */
struct sql *sql_rows_next(struct sql_rows *rows);

/* True where all rows have this literal in the column; `literal` NULL: whichever it is. */
bool sql_rows_same(const struct sql_rows *rows, uint32_t column, const char *literal);
void sql_rows_cell(const struct sql_rows *rows, uint32_t row, uint32_t column, struct sql *sql);

/* "SELECT literal AS name, ... UNION ALL SELECT ...", with the key and what differs. */
void sql_rows_table(const struct sql_rows *rows, struct sql *sql);

/* What stands for {now} and {local_now}. */
struct sql_instants {
    const char *now;
    const char *local_now;
};
/*
 * Adds SQL in which {name} stands for the column's value: u.name where rows differ, else the
 * literal; {now} and {local_now} for the instants. A name that is none breaks an invariant.
 */
void sql_rows_expand(const struct sql_rows *rows, const struct sql_instants *instants,
                     const char *text, struct sql *sql);

#endif
