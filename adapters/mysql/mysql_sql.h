/*
 * mysql_sql.h - the text of one SQL statement under construction.
 *
 * Private to adapters/mysql. A statement that finds no memory, or grows beyond SQL_LEN_MAX, is
 * marked as failed and is never sent. Escapes need a session without NO_BACKSLASH_ESCAPES.
 */
#ifndef FAREBOX_MYSQL_SQL_H
#define FAREBOX_MYSQL_SQL_H

#include "store.h"

/* The server must take statements of this length (max_allowed_packet). The longest unit has a body
 * of 1 MiB (escaped 2), its readable copy (3) and headers of 256 KiB (escaped 0.5). */
#define SQL_LEN_MAX (7u << 20)
/* Statements of several rows are sent when they are longer than this. */
#define SQL_CHUNK_LEN (512u << 10)

/* The server's clock, Unix ms in UTC; the same in all of one statement. */
#define SQL_NOW "CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)"

/* Ends a scan of due rows: those that another connection is writing at this moment are left out,
 * for what is read of them would be out of date before it is used. Sent in autocommit, so that the
 * locks end with the statement. */
#define SQL_SKIP_LOCKED " FOR UPDATE SKIP LOCKED"

struct sql {
    char *bytes;
    size_t len;
    size_t size;
    bool failed;
};

/* Empties the text and keeps its memory. */
void sql_clear(struct sql *sql);
/* Frees the memory. */
void sql_free(struct sql *sql);

/* SQL as it is. */
void sql_add(struct sql *sql, const char *text);
void sql_add_bytes(struct sql *sql, const char *bytes, size_t len);
void sql_int(struct sql *sql, int64_t value);
void sql_uint(struct sql *sql, uint64_t value);
/* A literal in the connection's character set, which takes the collation of what it meets. Only
 * for ASCII. */
void sql_quoted(struct sql *sql, const char *bytes, size_t len);
/* A binary literal, any bytes. */
void sql_bytes(struct sql *sql, const char *bytes, size_t len);
/* The binary literal of a name. */
void sql_name(struct sql *sql, const char *name);
/* TEXT_NONE: NULL; otherwise as sql_bytes() or sql_quoted(). */
void sql_text(struct sql *sql, const struct texts *texts, text_id id);
void sql_key(struct sql *sql, const struct texts *texts, text_id id);
/* A key or body: NULL where `has` is 0, else the bytes, perhaps none. */
void sql_record_part(struct sql *sql, const struct texts *texts, uint8_t has, text_id id);
/* Canonical text, quoted. */
void sql_uuid(struct sql *sql, const struct uuid *id);
/* Sixteen bytes; the nil id: NULL. */
void sql_uuid_bytes(struct sql *sql, const struct uuid *id);
/* A delay in ms, cut to a century; DUE_NEVER: NULL. */
void sql_delay(struct sql *sql, int64_t due_in_ms);

#endif
