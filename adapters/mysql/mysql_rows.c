#include "mysql_rows.h"

#include <string.h>

void sql_rows_clear(struct sql_rows *rows, const char *const *names, uint32_t columns)
{
    invariant(columns > 0 && columns <= SQL_COLUMNS_MAX);
    sql_clear(&rows->cells);
    rows->names = names;
    rows->columns = columns;
    rows->count = 0;
}

void sql_rows_free(struct sql_rows *rows)
{
    sql_free(&rows->cells);
}

struct sql *sql_rows_next(struct sql_rows *rows)
{
    invariant(rows->count < STORE_BATCH_MAX * rows->columns);
    rows->starts[rows->count++] = rows->cells.len;
    rows->starts[rows->count] = SIZE_MAX; /* the last cell ends where the text does */
    return &rows->cells;
}

static const char *cell(const struct sql_rows *rows, uint32_t row, uint32_t column, size_t *len)
{
    uint32_t at = row * rows->columns + column;
    size_t end = rows->starts[at + 1];
    *len = (end == SIZE_MAX ? rows->cells.len : end) - rows->starts[at];
    return rows->cells.bytes + rows->starts[at];
}

bool sql_rows_same(const struct sql_rows *rows, uint32_t column, const char *literal)
{
    uint32_t count = rows->count / rows->columns;
    size_t same_len = 0;
    const char *same = cell(rows, 0, column, &same_len);
    if (literal != NULL && (same_len != strlen(literal) || memcmp(same, literal, same_len) != 0)) {
        return false;
    }
    for (uint32_t i = 1; i < count; i++) {
        size_t len = 0;
        const char *bytes = cell(rows, i, column, &len);
        if (len != same_len || memcmp(bytes, same, len) != 0) {
            return false;
        }
    }
    return true;
}

void sql_rows_cell(const struct sql_rows *rows, uint32_t row, uint32_t column, struct sql *sql)
{
    size_t len = 0;
    const char *bytes = cell(rows, row, column, &len);
    sql_add_bytes(sql, bytes, len);
}

/* The key is never taken for common: the join needs it. */
static bool differs(const struct sql_rows *rows, uint32_t column)
{
    return column == 0 || !sql_rows_same(rows, column, NULL);
}

void sql_rows_table(const struct sql_rows *rows, struct sql *sql)
{
    uint32_t columns[SQL_COLUMNS_MAX];
    uint32_t count = 0;
    sql->failed |= rows->cells.failed;
    if (sql->failed) {
        return;
    }
    for (uint32_t c = 0; c < rows->columns; c++) {
        if (differs(rows, c)) {
            columns[count++] = c;
        }
    }
    for (uint32_t row = 0; row < rows->count / rows->columns; row++) {
        sql_add(sql, row == 0 ? "SELECT " : " UNION ALL SELECT ");
        for (uint32_t i = 0; i < count; i++) {
            sql_add(sql, i == 0 ? "" : ", ");
            sql_rows_cell(rows, row, columns[i], sql);
            if (row == 0) {
                sql_add(sql, " AS ");
                sql_add(sql, rows->names[columns[i]]);
            }
        }
    }
}

static bool is_name(const char *name, const char *text, size_t len)
{
    return strlen(name) == len && memcmp(name, text, len) == 0;
}

static void value_add(const struct sql_rows *rows, const struct sql_instants *instants,
                      const char *name, size_t len, struct sql *sql)
{
    if (is_name("now", name, len) || is_name("local_now", name, len)) {
        sql_add(sql, is_name("now", name, len) ? instants->now : instants->local_now);
        return;
    }
    uint32_t column = 0;
    while (column < rows->columns && !is_name(rows->names[column], name, len)) {
        column++;
    }
    invariant(column < rows->columns);
    if (differs(rows, column)) {
        sql_add(sql, "u.");
        sql_add(sql, rows->names[column]);
    } else {
        sql_rows_cell(rows, 0, column, sql);
    }
}

void sql_rows_expand(const struct sql_rows *rows, const struct sql_instants *instants,
                     const char *text, struct sql *sql)
{
    sql->failed |= rows->cells.failed;
    for (const char *open = strchr(text, '{'); open != NULL && !sql->failed;
         open = strchr(text, '{')) {
        const char *close = strchr(open, '}');
        invariant(close != NULL);
        sql_add_bytes(sql, text, (size_t)(open - text));
        value_add(rows, instants, open + 1, (size_t)(close - open - 1), sql);
        text = close + 1;
    }
    sql_add(sql, text);
}
