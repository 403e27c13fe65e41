#include "log.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Kept free in a line for what must still follow: "...", a quote, the brace and the newline. */
#define LOG_TAIL 8

static pthread_mutex_t log_mutex = PTHREAD_MUTEX_INITIALIZER;
static atomic_int log_level = LOG_LEVEL_INFO;
static atomic_int log_fd = STDERR_FILENO;
static atomic_uint_fast64_t log_dropped;

struct log_line {
    size_t len;
    char bytes[LOG_LINE_MAX];
};

struct log_field log_bytes(const char *key, const void *bytes, size_t len)
{
    return (struct log_field){.key = key, .type = LOG_FIELD_TEXT, .text = bytes, .text_len = len};
}

struct log_field log_text(const char *key, const char *text)
{
    return log_bytes(key, text, text != NULL ? strlen(text) : 0);
}

struct log_field log_int(const char *key, int64_t number)
{
    return (struct log_field){.key = key, .type = LOG_FIELD_INT, .number = number};
}

struct log_field log_bool(const char *key, bool value)
{
    return (struct log_field){.key = key, .type = LOG_FIELD_BOOL, .number = value};
}

void log_set_level(enum log_level level)
{
    atomic_store(&log_level, (int)level);
}

bool log_is_on(enum log_level level)
{
    return (int)level >= atomic_load(&log_level);
}

void log_set_fd(int fd)
{
    atomic_store(&log_fd, fd);
}

uint64_t log_dropped_count(void)
{
    return atomic_load(&log_dropped);
}

const char *log_level_name(enum log_level level)
{
    switch (level) {
    case LOG_LEVEL_DEBUG:
        return "debug";
    case LOG_LEVEL_INFO:
        return "info";
    case LOG_LEVEL_WARN:
        return "warn";
    case LOG_LEVEL_ERROR:
        return "error";
    case LOG_LEVEL_ALERT:
        return "alert";
    }
    return "unknown";
}

/* All of the text or nothing: false where the line has no room for it. */
static bool log_line_add(struct log_line *line, const char *text, size_t len)
{
    if (line->len + len > LOG_LINE_MAX - LOG_TAIL) {
        return false;
    }
    memcpy(line->bytes + line->len, text, len);
    line->len += len;
    return true;
}

static bool log_is_continuation(unsigned char byte)
{
    return (byte & 0xC0U) == 0x80U;
}

/*
 * Bytes of the valid UTF-8 character at `text`, 0 where there is none (RFC 3629, section 4: no
 * overlong forms, no surrogates, nothing above U+10FFFF).
 */
static size_t log_utf8_len(const unsigned char *text, size_t len)
{
    unsigned char first = text[0];
    if (first < 0x80) {
        return 1;
    }
    if (first >= 0xC2 && first <= 0xDF) {
        return len >= 2 && log_is_continuation(text[1]) ? 2 : 0;
    }
    if (first >= 0xE0 && first <= 0xEF) {
        unsigned char low = first == 0xE0 ? 0xA0 : 0x80;
        unsigned char high = first == 0xED ? 0x9F : 0xBF;
        bool valid = len >= 3 && text[1] >= low && text[1] <= high && log_is_continuation(text[2]);
        return valid ? 3 : 0;
    }
    if (first >= 0xF0 && first <= 0xF4) {
        unsigned char low = first == 0xF0 ? 0x90 : 0x80;
        unsigned char high = first == 0xF4 ? 0x8F : 0xBF;
        bool valid = len >= 4 && text[1] >= low && text[1] <= high &&
                     log_is_continuation(text[2]) && log_is_continuation(text[3]);
        return valid ? 4 : 0;
    }
    return 0;
}

/* One character, escaped as JSON wants it; `len` bytes of input are left, `*used` are taken. */
static bool log_line_add_char(struct log_line *line, const unsigned char *text, size_t len,
                              size_t *used)
{
    char escape[8];
    *used = log_utf8_len(text, len);
    if (*used == 0) {
        *used = 1;
        return log_line_add(line, "\xEF\xBF\xBD", 3);
    }
    if (text[0] == '"' || text[0] == '\\') {
        escape[0] = '\\';
        escape[1] = (char)text[0];
        return log_line_add(line, escape, 2);
    }
    if (text[0] < 0x20 || text[0] == 0x7F) {
        (void)snprintf(escape, sizeof(escape), "\\u%04x", text[0]);
        return log_line_add(line, escape, 6);
    }
    return log_line_add(line, (const char *)text, *used);
}

/* A JSON string; where the line or LOG_TEXT_MAX ends first, it ends with "...". */
static void log_line_add_string(struct log_line *line, const char *text, size_t len)
{
    size_t at = 0;
    size_t used = 0;
    (void)log_line_add(line, "\"", 1);
    while (at < len && at < LOG_TEXT_MAX) {
        if (!log_line_add_char(line, (const unsigned char *)text + at, len - at, &used)) {
            break;
        }
        at += used;
    }
    if (at < len) {
        memcpy(line->bytes + line->len, "...", 3); /* LOG_TAIL has room for it */
        line->len += 3;
    }
    line->bytes[line->len++] = '"';
}

static void log_line_add_number(struct log_line *line, int64_t number)
{
    char text[24];
    int len = snprintf(text, sizeof(text), "%lld", (long long)number);
    (void)log_line_add(line, text, (size_t)len);
}

static void log_line_add_field(struct log_line *line, const struct log_field *field)
{
    /* Whole fields only: key, marks and the shortest value must fit, or the field is left out. */
    size_t key_len = strlen(field->key);
    if (line->len + key_len + 40 > LOG_LINE_MAX - LOG_TAIL) {
        return;
    }
    (void)log_line_add(line, ",\"", 2);
    (void)log_line_add(line, field->key, key_len);
    (void)log_line_add(line, "\":", 2);
    switch (field->type) {
    case LOG_FIELD_END:
        break;
    case LOG_FIELD_TEXT:
        if (field->text == NULL) {
            (void)log_line_add(line, "null", 4);
        } else {
            log_line_add_string(line, field->text, field->text_len);
        }
        break;
    case LOG_FIELD_INT:
        log_line_add_number(line, field->number);
        break;
    case LOG_FIELD_BOOL:
        (void)log_line_add(line, field->number ? "true" : "false", field->number ? 4 : 5);
        break;
    }
}

static void log_line_begin(struct log_line *line, enum log_level level, const char *message)
{
    struct timespec now;
    struct tm utc;
    char head[128];
    char date[32];

    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)gmtime_r(&now.tv_sec, &utc);
    (void)strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &utc);
    int len =
        snprintf(head, sizeof(head), "{\"time\":\"%s.%03dZ\",\"level\":\"%s\",\"message\":", date,
                 (int)(now.tv_nsec / 1000000), log_level_name(level));
    line->len = 0;
    (void)log_line_add(line, head, (size_t)len);
    log_line_add_string(line, message, strlen(message));
}

/* One write(2) that neither blocks for long nor raises SIGPIPE. False: the line is lost. */
static bool log_line_write(const struct log_line *line)
{
    struct pollfd pollfd = {.fd = atomic_load(&log_fd), .events = POLLOUT};
    sigset_t pipe_set;
    sigset_t old_set;
    sigset_t pending;
    const struct timespec no_time = {0, 0};
    ssize_t written;

    if (poll(&pollfd, 1, LOG_WAIT_MS) != 1 || (pollfd.revents & POLLOUT) == 0) {
        return false;
    }
    (void)sigemptyset(&pipe_set);
    (void)sigaddset(&pipe_set, SIGPIPE);
    (void)sigpending(&pending);
    bool was_pending = sigismember(&pending, SIGPIPE) == 1;
    (void)pthread_sigmask(SIG_BLOCK, &pipe_set, &old_set);
    do {
        written = write(pollfd.fd, line->bytes, line->len);
    } while (written < 0 && errno == EINTR);
    if (written < 0 && errno == EPIPE && !was_pending) {
        (void)sigtimedwait(&pipe_set, NULL, &no_time);
    }
    (void)pthread_sigmask(SIG_SETMASK, &old_set, NULL);
    return written == (ssize_t)line->len;
}

void log_write(enum log_level level, const char *message, const struct log_field *fields)
{
    int saved_errno = errno;
    struct log_line line;

    if (!log_is_on(level)) {
        return;
    }
    log_line_begin(&line, level, message);
    for (int i = 0; fields != NULL && i < LOG_FIELDS_MAX && fields[i].type != LOG_FIELD_END; i++) {
        log_line_add_field(&line, &fields[i]);
    }
    line.bytes[line.len++] = '}';
    line.bytes[line.len++] = '\n';

    (void)pthread_mutex_lock(&log_mutex);
    bool is_written = log_line_write(&line);
    (void)pthread_mutex_unlock(&log_mutex);
    if (!is_written) {
        (void)atomic_fetch_add(&log_dropped, 1);
    }
    errno = saved_errno;
}
