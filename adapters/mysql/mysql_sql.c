#include "mysql_sql.h"

#include <stdlib.h>
#include <string.h>

#define SIZE_FIRST (64u << 10)
/* Delays beyond a century are cut to it, so that instants cannot overflow. */
#define DELAY_MAX_MS INT64_C(3155760000000)

void sql_clear(struct sql *sql)
{
    sql->len = 0;
    sql->failed = false;
}

void sql_free(struct sql *sql)
{
    free(sql->bytes);
    *sql = (struct sql){0};
}

/* Room for `len` more bytes. */
static bool reserve(struct sql *sql, size_t len)
{
    if (sql->failed || len > SQL_LEN_MAX - sql->len) {
        sql->failed = true;
        return false;
    }
    size_t size = sql->size == 0 ? SIZE_FIRST : sql->size;
    while (size < sql->len + len) {
        size *= 2;
    }
    if (size > sql->size) {
        char *bytes = realloc(sql->bytes, size);
        if (bytes == NULL) {
            sql->failed = true;
            return false;
        }
        sql->bytes = bytes;
        sql->size = size;
    }
    return true;
}

void sql_add_bytes(struct sql *sql, const char *bytes, size_t len)
{
    if (len > 0 && reserve(sql, len)) {
        memcpy(sql->bytes + sql->len, bytes, len);
        sql->len += len;
    }
}

void sql_add(struct sql *sql, const char *text)
{
    sql_add_bytes(sql, text, strlen(text));
}

/* Not printf's: a batch has thousands of numbers. */
static void number_add(struct sql *sql, bool is_negative, uint64_t magnitude)
{
    char text[24];
    char *at = text + sizeof(text);
    do {
        *--at = (char)('0' + magnitude % 10);
        magnitude /= 10;
    } while (magnitude > 0);
    if (is_negative) {
        *--at = '-';
    }
    sql_add_bytes(sql, at, (size_t)(text + sizeof(text) - at));
}

void sql_int(struct sql *sql, int64_t value)
{
    number_add(sql, value < 0, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

void sql_uint(struct sql *sql, uint64_t value)
{
    number_add(sql, false, value);
}

/* Bytes above 0x7F stay: no character of UTF-8 has a quote or a backslash in it. */
void sql_quoted(struct sql *sql, const char *bytes, size_t len)
{
    if (!reserve(sql, len + 2)) {
        return;
    }
    sql_add(sql, "'");
    size_t from = 0;
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] != '\'' && bytes[i] != '\\' && bytes[i] != '\0') {
            continue;
        }
        sql_add_bytes(sql, bytes + from, i - from);
        sql_add_bytes(sql, "\\", 1);
        sql_add_bytes(sql, bytes[i] == '\0' ? "0" : &bytes[i], 1);
        from = i + 1;
    }
    sql_add_bytes(sql, bytes + from, len - from);
    sql_add(sql, "'");
}

void sql_bytes(struct sql *sql, const char *bytes, size_t len)
{
    sql_add(sql, "_binary");
    sql_quoted(sql, bytes, len);
}

void sql_name(struct sql *sql, const char *name)
{
    sql_bytes(sql, name, strlen(name));
}

void sql_text(struct sql *sql, const struct texts *texts, text_id id)
{
    size_t len = 0;
    const char *bytes = texts_get(texts, id, &len);
    if (bytes == NULL) {
        sql_add(sql, "NULL");
        return;
    }
    sql_bytes(sql, bytes, len);
}

void sql_key(struct sql *sql, const struct texts *texts, text_id id)
{
    size_t len = 0;
    const char *bytes = texts_get(texts, id, &len);
    sql_quoted(sql, bytes == NULL ? "" : bytes, len);
}

void sql_record_part(struct sql *sql, const struct texts *texts, uint8_t has, text_id id)
{
    if (has != 0 && id == TEXT_NONE) {
        sql_add(sql, "''");
        return;
    }
    sql_text(sql, texts, has == 0 ? TEXT_NONE : id);
}

void sql_uuid(struct sql *sql, const struct uuid *id)
{
    char text[UUID_TEXT_SIZE];
    uuid_format(id, text);
    sql_quoted(sql, text, UUID_TEXT_SIZE - 1);
}

void sql_uuid_bytes(struct sql *sql, const struct uuid *id)
{
    if (uuid_is_nil(id)) {
        sql_add(sql, "NULL");
        return;
    }
    static const char digits[] = "0123456789abcdef";
    char text[2 * sizeof(id->bytes) + 3] = "x'";
    for (size_t i = 0; i < sizeof(id->bytes); i++) {
        text[2 + 2 * i] = digits[id->bytes[i] >> 4];
        text[3 + 2 * i] = digits[id->bytes[i] & 15];
    }
    text[sizeof(text) - 1] = '\'';
    sql_add_bytes(sql, text, sizeof(text));
}

void sql_delay(struct sql *sql, int64_t due_in_ms)
{
    if (due_in_ms == DUE_NEVER) {
        sql_add(sql, "NULL");
        return;
    }
    if (due_in_ms > DELAY_MAX_MS) {
        due_in_ms = DELAY_MAX_MS;
    }
    sql_int(sql, due_in_ms < -DELAY_MAX_MS ? -DELAY_MAX_MS : due_in_ms);
}
