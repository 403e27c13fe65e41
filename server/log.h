/*
 * log.h - JSON lines on stderr.
 *
 *     {"time":"2026-10-01T06:40:09.123Z","level":"info","message":"...","trip_id":"..."}
 *
 * One line is one write(2) of at most LOG_LINE_MAX bytes: PIPE_BUF on Linux, so lines of several
 * threads and processes never mix, and a write to a pipe that poll(2) calls writable does not
 * block. Where the reader of stderr does not keep up, a line waits LOG_WAIT_MS, then it is dropped
 * and counted: a stuck log collector must not stop payments.
 *
 * What is logged is a fixed message and key/value pairs, so nothing gets into a line that its
 * caller did not name. Never give it a secret, a billing key, or a raw body of the PG.
 *
 * Threads: every function may be called by any thread at any time; not in a signal handler.
 * SIGPIPE: a closed stderr costs the line, never the process.
 */
#ifndef FAREBOX_LOG_H
#define FAREBOX_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOG_LINE_MAX   4096 /* bytes with the newline */
#define LOG_TEXT_MAX   1024 /* bytes of one value; a longer one is cut and ends with "..." */
#define LOG_FIELDS_MAX 32   /* of one line; more are left out */
#define LOG_WAIT_MS    10

enum log_level {
    LOG_LEVEL_DEBUG = 0,
    LOG_LEVEL_INFO,
    LOG_LEVEL_WARN,
    LOG_LEVEL_ERROR,
    LOG_LEVEL_ALERT, /* a person must look: money or credentials are concerned */
};

enum log_field_type { LOG_FIELD_END = 0, LOG_FIELD_TEXT, LOG_FIELD_INT, LOG_FIELD_BOOL };

struct log_field {
    const char *key; /* a literal: lower-case ASCII and underscores */
    enum log_field_type type;
    const char *text; /* NULL: null */
    size_t text_len;
    int64_t number;
};

/* Any bytes: what is not valid UTF-8 is shown as U+FFFD, control characters are escaped. */
struct log_field log_text(const char *key, const char *text);
struct log_field log_bytes(const char *key, const void *bytes, size_t len);
struct log_field log_int(const char *key, int64_t number);
struct log_field log_bool(const char *key, bool value);

/* The fields of a line: LOG_FIELDS(log_text("address", a), log_int("port", p)). */
#define LOG_FIELDS(...) ((const struct log_field[]){__VA_ARGS__, {0}})

/* Lines below this level are left out. At the beginning: LOG_LEVEL_INFO. */
void log_set_level(enum log_level level);

/* True where a line of this level would be written: guards costly preparation. */
bool log_is_on(enum log_level level);

/* Where lines go; at the beginning 2 (stderr). For tests. The descriptor stays the caller's. */
void log_set_fd(int fd);

/* Lines that were dropped since the start, as nobody read them or stderr was closed. */
uint64_t log_dropped_count(void);

/* Writes one line. `message` is a literal; `fields` NULL or LOG_FIELDS(...). Keeps errno. */
void log_write(enum log_level level, const char *message, const struct log_field *fields);

/* "debug", "info", "warn", "error" or "alert". */
const char *log_level_name(enum log_level level);

#endif
