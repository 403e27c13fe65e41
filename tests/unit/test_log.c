/*
 * test_log.c - log lines: always one valid JSON object of bounded length, whatever is logged.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int ends[2];

static int pipe_open(void **state)
{
    (void)state;
    log_set_level(LOG_LEVEL_DEBUG);
    if (pipe(ends) != 0) {
        return -1;
    }
    log_set_fd(ends[1]);
    return 0;
}

static int pipe_close(void **state)
{
    (void)state;
    log_set_fd(STDERR_FILENO);
    (void)close(ends[0]);
    (void)close(ends[1]);
    return 0;
}

/* Reads what one log_write() wrote, one line, as JSON. */
static json_t *read_line(void)
{
    char line[LOG_LINE_MAX + 1];
    ssize_t len = read(ends[0], line, sizeof(line));
    assert_in_range(len, 2, LOG_LINE_MAX);
    assert_int_equal(line[len - 1], '\n');
    assert_null(memchr(line, '\n', (size_t)len - 1));
    json_t *json = json_loadb(line, (size_t)len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    if (json == NULL) {
        fail_msg("not JSON: %.*s", (int)len, line);
    }
    return json;
}

static bool is_empty(void)
{
    struct pollfd pollfd = {.fd = ends[0], .events = POLLIN};
    return poll(&pollfd, 1, 0) == 0;
}

static void a_line_has_time_level_message_and_fields(void **state)
{
    (void)state;
    log_write(LOG_LEVEL_WARN, "payment is stuck",
              LOG_FIELDS(log_text("trip_id", "trip-1"), log_int("age_ms", INT64_MIN),
                         log_bool("known", true), log_text("pg_id", NULL)));
    json_t *line = read_line();
    assert_string_equal(json_string_value(json_object_get(line, "level")), "warn");
    assert_string_equal(json_string_value(json_object_get(line, "message")), "payment is stuck");
    assert_string_equal(json_string_value(json_object_get(line, "trip_id")), "trip-1");
    assert_true(json_integer_value(json_object_get(line, "age_ms")) == INT64_MIN);
    assert_true(json_is_true(json_object_get(line, "known")));
    assert_true(json_is_null(json_object_get(line, "pg_id")));
    const char *time = json_string_value(json_object_get(line, "time"));
    int parts[7];
    char zone = 0;
    assert_int_equal(sscanf(time, "%4d-%2d-%2dT%2d:%2d:%2d.%3d%c", &parts[0], &parts[1], &parts[2],
                            &parts[3], &parts[4], &parts[5], &parts[6], &zone),
                     8);
    assert_int_equal(zone, 'Z');
    assert_int_equal(strlen(time), 24);
    json_decref(line);
}

/* The value that comes out for these bytes. */
static void assert_shown(const char *bytes, size_t len, const char *shown, size_t shown_len)
{
    log_write(LOG_LEVEL_INFO, "m", LOG_FIELDS(log_bytes("value", bytes, len)));
    json_t *line = read_line();
    json_t *value = json_object_get(line, "value");
    assert_int_equal(json_string_length(value), shown_len);
    assert_memory_equal(json_string_value(value), shown, shown_len);
    json_decref(line);
}

static void text_comes_out_as_it_was(void **state)
{
    static const char text[] =
        "\"\\/\b\f\n\r\t\x01\x7F\0'<caf\xC3\xA9>\xE2\x82\xAC\xF0\x9F\x98\x80";
    (void)state;
    assert_shown(text, sizeof(text) - 1, text, sizeof(text) - 1);
    assert_shown("", 0, "", 0);
    assert_shown("\xED\x9F\xBF\xEE\x80\x80\xF4\x8F\xBF\xBF", 10,
                 "\xED\x9F\xBF\xEE\x80\x80\xF4\x8F\xBF\xBF", 10);
}

static void what_is_not_utf8_is_replaced(void **state)
{
#define BAD "\xEF\xBF\xBD"
    static const struct {
        const char *bytes;
        const char *shown;
    } cases[] = {
        {"a\x80z", "a" BAD "z"},
        {"\xFF\xFE", BAD BAD},
        {"\xC0\xAF", BAD BAD},                 /* overlong */
        {"\xC1\xBF", BAD BAD},                 /* overlong */
        {"\xE0\x9F\xBF", BAD BAD BAD},         /* overlong */
        {"\xF0\x8F\xBF\xBF", BAD BAD BAD BAD}, /* overlong */
        {"\xED\xA0\x80", BAD BAD BAD},         /* a surrogate */
        {"\xF4\x90\x80\x80", BAD BAD BAD BAD}, /* above U+10FFFF */
        {"\xF5\x80\x80\x80", BAD BAD BAD BAD},
        {"\xC3", BAD},
        {"\xE2\x82", BAD BAD},
        {"\xF0\x9F\x98", BAD BAD BAD},
        {"\xE2\x28\xA1", BAD "(" BAD},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_shown(cases[i].bytes, strlen(cases[i].bytes), cases[i].shown,
                     strlen(cases[i].shown));
    }
}

static void any_bytes_give_one_valid_line(void **state)
{
    unsigned char bytes[1500];
    uint32_t random = 1;
    (void)state;
    for (int round = 0; round < 2000; round++) {
        for (size_t i = 0; i < sizeof(bytes); i++) {
            random = random * 1664525U + 1013904223U;
            bytes[i] = (unsigned char)(random >> 24);
        }
        size_t len = (size_t)round % sizeof(bytes);
        log_write(LOG_LEVEL_INFO, "m",
                  LOG_FIELDS(log_bytes("a", bytes, len), log_bytes("b", bytes, len / 2),
                             log_bytes("c", bytes, len), log_int("d", round)));
        json_decref(read_line());
    }
}

static void a_long_value_is_cut_and_says_so(void **state)
{
    char text[LOG_TEXT_MAX * 5];
    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    log_write(LOG_LEVEL_INFO, "m", LOG_FIELDS(log_text("value", text), log_int("after", 1)));
    json_t *line = read_line();
    const char *value = json_string_value(json_object_get(line, "value"));
    assert_int_equal(strlen(value), LOG_TEXT_MAX + 3);
    assert_string_equal(value + LOG_TEXT_MAX, "...");
    assert_int_equal(json_integer_value(json_object_get(line, "after")), 1);
    json_decref(line);
}

static void a_line_never_gets_longer_than_its_limit(void **state)
{
    char text[LOG_TEXT_MAX];
    (void)state;
    for (size_t len = 0; len < sizeof(text); len++) {
        memset(text, len % 2 == 0 ? '\x01' : 'x', len); /* \u0001: six bytes for one */
        text[len] = '\0';
        log_write(LOG_LEVEL_INFO, text,
                  LOG_FIELDS(log_text("a", text), log_text("b", text), log_text("c", text),
                             log_text("d", text), log_bool("e", false), log_int("f", INT64_MIN)));
        json_decref(read_line());
    }
}

static void lines_below_the_level_are_left_out(void **state)
{
    (void)state;
    log_set_level(LOG_LEVEL_WARN);
    assert_false(log_is_on(LOG_LEVEL_INFO));
    assert_true(log_is_on(LOG_LEVEL_WARN));
    log_write(LOG_LEVEL_INFO, "quiet", NULL);
    assert_true(is_empty());
    log_write(LOG_LEVEL_WARN, "loud", NULL);
    json_decref(read_line());
}

static void a_closed_reader_costs_the_line_not_the_process(void **state)
{
    (void)state;
    uint64_t before = log_dropped_count();
    assert_true(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
    (void)close(ends[0]);
    errno = ENOENT;
    log_write(LOG_LEVEL_INFO, "nobody reads this", NULL);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(log_dropped_count(), before + 1);
    ends[0] = open("/dev/null", O_RDONLY);
}

static void a_full_pipe_does_not_block(void **state)
{
    char filler[4096] = {0};
    (void)state;
    uint64_t before = log_dropped_count();
    assert_int_equal(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
    while (write(ends[1], filler, sizeof(filler)) > 0) {
    }
    assert_int_equal(fcntl(ends[1], F_SETFL, 0), 0);
    log_write(LOG_LEVEL_INFO, "no room", NULL);
    assert_int_equal(log_dropped_count(), before + 1);
}

#define WRITERS    4
#define LINES_EACH 500

static void *write_many(void *argument)
{
    char text[700];
    memset(text, *(const char *)argument, sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    for (int i = 0; i < LINES_EACH; i++) {
        log_write(LOG_LEVEL_INFO, "m", LOG_FIELDS(log_text("value", text)));
    }
    return NULL;
}

static void lines_of_several_threads_do_not_mix(void **state)
{
    static const char letters[WRITERS] = {'a', 'b', 'c', 'd'};
    pthread_t threads[WRITERS];
    char line[LOG_LINE_MAX];
    size_t lines = 0;
    (void)state;
    uint64_t dropped = log_dropped_count();
    FILE *in = fdopen(dup(ends[0]), "r");
    assert_non_null(in);
    for (size_t i = 0; i < WRITERS; i++) {
        assert_int_equal(
            pthread_create(&threads[i], NULL, write_many, (void *)(uintptr_t)&letters[i]), 0);
    }
    /* Each line is either read or counted as dropped, so this ends without waiting for a time. */
    struct pollfd pollfd = {.fd = ends[0], .events = POLLIN};
    while (lines + (log_dropped_count() - dropped) < WRITERS * LINES_EACH) {
        (void)poll(&pollfd, 1, 10);
        assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
        while (fgets(line, sizeof(line), in) != NULL) {
            json_t *json = json_loads(line, 0, NULL);
            const char *value = json_string_value(json_object_get(json, "value"));
            assert_non_null(value);
            assert_int_equal(strspn(value, (char[]){value[0], '\0'}), 699);
            json_decref(json);
            lines++;
        }
        clearerr(in);
    }
    for (size_t i = 0; i < WRITERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_true(lines > 0);
    (void)fclose(in);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, pipe_open, pipe_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_line_has_time_level_message_and_fields),
        TEST(text_comes_out_as_it_was),
        TEST(what_is_not_utf8_is_replaced),
        TEST(any_bytes_give_one_valid_line),
        TEST(a_long_value_is_cut_and_says_so),
        TEST(a_line_never_gets_longer_than_its_limit),
        TEST(lines_below_the_level_are_left_out),
        TEST(a_closed_reader_costs_the_line_not_the_process),
        TEST(a_full_pipe_does_not_block),
        TEST(lines_of_several_threads_do_not_mix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
