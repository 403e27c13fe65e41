#include "mysql_columns.h"

#include <stdlib.h>
#include <string.h>

bool columns_next(MYSQL_RES *result, struct columns *row)
{
    row->values = mysql_fetch_row(result);
    row->lens = row->values == NULL ? NULL : mysql_fetch_lengths(result);
    return row->lens != NULL;
}

bool cell_is_null(const struct columns *row, int at)
{
    return row->values[at] == NULL;
}

int64_t cell_int(const struct columns *row, int at)
{
    return row->values[at] == NULL ? 0 : strtoll(row->values[at], NULL, 10);
}

uint64_t cell_uint(const struct columns *row, int at)
{
    return row->values[at] == NULL ? 0 : strtoull(row->values[at], NULL, 10);
}

struct token cell_token(const struct columns *row, int at)
{
    return (struct token){cell_uint(row, at), cell_uint(row, at + 1)};
}

int64_t cell_age(const struct columns *row, int at, int64_t now_ms)
{
    return cell_is_null(row, at) ? AGE_NONE : now_ms - cell_int(row, at);
}

int64_t cell_instant(const struct columns *row, int at)
{
    return cell_is_null(row, at) ? AGE_NONE : cell_int(row, at);
}

int64_t cell_due_in(const struct columns *row, int at, int64_t now_ms)
{
    return cell_is_null(row, at) ? DUE_NEVER : cell_int(row, at) - now_ms;
}

const char *cell_name(const struct columns *row, int at)
{
    return row->values[at] == NULL ? "" : row->values[at];
}

bool cell_uuid(const struct columns *row, int at, struct uuid *id)
{
    if (cell_is_null(row, at)) {
        *id = (struct uuid){0};
        return true;
    }
    return uuid_from_text(row->values[at], row->lens[at], id);
}

bool cell_uuid_bytes(const struct columns *row, int at, struct uuid *id)
{
    *id = (struct uuid){0};
    if (cell_is_null(row, at)) {
        return true;
    }
    if (row->lens[at] != sizeof(id->bytes)) {
        return false;
    }
    memcpy(id->bytes, row->values[at], sizeof(id->bytes));
    return true;
}

bool cell_equals(const struct columns *row, int at, const char *bytes, size_t len)
{
    return row->values[at] != NULL && row->lens[at] == len &&
           (len == 0 || memcmp(row->values[at], bytes, len) == 0);
}

bool cell_text(const struct columns *row, int at, struct texts *texts, text_id *id)
{
    *id = TEXT_NONE;
    if (cell_is_null(row, at)) {
        return true;
    }
    *id = texts_intern(texts, row->values[at], row->lens[at]);
    return *id != TEXT_NONE;
}
