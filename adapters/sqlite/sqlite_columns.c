#include "sqlite_columns.h"

#include <string.h>

int64_t instant_after(int64_t now_ms, int64_t delay_ms)
{
    if (delay_ms > DELAY_MAX_MS) {
        return now_ms + DELAY_MAX_MS;
    }
    return now_ms + (delay_ms < -DELAY_MAX_MS ? -DELAY_MAX_MS : delay_ms);
}

void bind_int(sqlite3_stmt *statement, int at, int64_t value)
{
    invariant(sqlite3_bind_int64(statement, at, value) == SQLITE_OK);
}

void bind_name(sqlite3_stmt *statement, int at, const char *name)
{
    invariant(sqlite3_bind_text(statement, at, name, -1, SQLITE_STATIC) == SQLITE_OK);
}

void bind_uint64(sqlite3_stmt *statement, int at, uint64_t value)
{
    int64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    bind_int(statement, at, bits);
}

void bind_due(sqlite3_stmt *statement, int at, int64_t now_ms, int64_t due_in_ms)
{
    if (due_in_ms != DUE_NEVER) {
        bind_int(statement, at, instant_after(now_ms, due_in_ms));
    }
}

void bind_uuid(sqlite3_stmt *statement, int at, const struct uuid *id)
{
    if (uuid_is_nil(id)) {
        return;
    }
    char text[UUID_TEXT_SIZE];
    uuid_format(id, text);
    int code = sqlite3_bind_text(statement, at, text, UUID_TEXT_SIZE - 1, SQLITE_TRANSIENT);
    invariant(code == SQLITE_OK || code == SQLITE_NOMEM);
}

void bind_token(sqlite3_stmt *statement, int at, struct token token)
{
    bind_uint64(statement, at, token.process);
    bind_uint64(statement, at + 1, token.sequence);
}

void bind_text(sqlite3_stmt *statement, int at, const struct texts *texts, text_id id)
{
    size_t len = 0;
    const char *bytes = texts_get(texts, id, &len);
    if (bytes != NULL) {
        invariant(sqlite3_bind_text(statement, at, bytes, (int)len, SQLITE_STATIC) == SQLITE_OK);
    }
}

void bind_blob(sqlite3_stmt *statement, int at, const struct texts *texts, text_id id)
{
    size_t len = 0;
    const char *bytes = texts_get(texts, id, &len);
    if (bytes != NULL) {
        invariant(sqlite3_bind_blob(statement, at, bytes, (int)len, SQLITE_STATIC) == SQLITE_OK);
    }
}

void bind_record_part(sqlite3_stmt *statement, int at, const struct texts *texts, uint8_t has,
                      text_id id)
{
    if (has == 0) {
        return;
    }
    if (id == TEXT_NONE) {
        invariant(sqlite3_bind_zeroblob(statement, at, 0) == SQLITE_OK);
        return;
    }
    bind_blob(statement, at, texts, id);
}

static uint64_t column_uint64(sqlite3_stmt *statement, int at)
{
    int64_t bits = sqlite3_column_int64(statement, at);
    uint64_t value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

struct token column_token(sqlite3_stmt *statement, int at)
{
    return (struct token){column_uint64(statement, at), column_uint64(statement, at + 1)};
}

static bool column_is_null(sqlite3_stmt *statement, int at)
{
    return sqlite3_column_type(statement, at) == SQLITE_NULL;
}

int64_t column_age(sqlite3_stmt *statement, int at, int64_t now_ms)
{
    return column_is_null(statement, at) ? AGE_NONE : now_ms - sqlite3_column_int64(statement, at);
}

int64_t column_instant(sqlite3_stmt *statement, int at)
{
    return column_is_null(statement, at) ? AGE_NONE : sqlite3_column_int64(statement, at);
}

int64_t column_due_in(sqlite3_stmt *statement, int at, int64_t now_ms)
{
    return column_is_null(statement, at) ? DUE_NEVER : sqlite3_column_int64(statement, at) - now_ms;
}

const char *column_name(sqlite3_stmt *statement, int at)
{
    const unsigned char *name = sqlite3_column_text(statement, at);
    return name == NULL ? "" : (const char *)name;
}

bool column_uuid(sqlite3_stmt *statement, int at, struct uuid *id)
{
    if (column_is_null(statement, at)) {
        memset(id, 0, sizeof(*id));
        return true;
    }
    return uuid_from_text(column_name(statement, at), (size_t)sqlite3_column_bytes(statement, at),
                          id);
}

bool column_text(sqlite3_stmt *statement, int at, struct texts *texts, text_id *id)
{
    *id = TEXT_NONE;
    if (column_is_null(statement, at)) {
        return true;
    }
    const void *bytes = sqlite3_column_blob(statement, at);
    size_t len = (size_t)sqlite3_column_bytes(statement, at);
    if (bytes == NULL && len > 0) {
        return false; /* no memory */
    }
    *id = texts_intern(texts, bytes == NULL ? "" : bytes, len);
    return *id != TEXT_NONE;
}
