/* What the MySQL store meets: counted under its own name, and told where a person can mend it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "counters.h"
#include "log.h"
#include "store_notice.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char not_connected[] = "the store's server can't be reached or used";

/* The value of the only line that begins so; -1: there is none. */
static long shown(struct counters *counters, const char *series)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    counters_render(counters, out);
    assert_int_equal(fclose(out), 0);
    const char *line = strstr(text, series);
    long value = line == NULL ? -1 : strtol(line + strlen(series), NULL, 10);
    free(text);
    return value;
}

static void each_error_is_counted_under_its_name(void **state)
{
    struct counters *counters = counters_open();
    (void)state;
    assert_non_null(counters);
    for (int what = 0; what < MYSQL_NOTICE_CONNECTED_AGAIN; what++) {
        char series[120];
        (void)snprintf(series, sizeof(series), "\nfarebox_store_errors_total{error=\"%s\"} ",
                       mysql_notice_name((enum mysql_notice)what));
        assert_int_equal(shown(counters, series), 0);
        for (int i = 0; i <= what; i++) {
            store_notice(counters, (enum mysql_notice)what, "text");
        }
        assert_int_equal(shown(counters, series), what + 1);
    }
    assert_int_equal(shown(counters, "\nfarebox_store_reconnects_total "), 0);
    store_notice(counters, MYSQL_NOTICE_CONNECTED_AGAIN, "");
    assert_int_equal(shown(counters, "\nfarebox_store_reconnects_total "), 1);
    counters_close(counters);
}

/* A minute without the database must not be thousands of lines. */
static void outage_is_told_once_in_a_while_with_the_servers_words(void **state)
{
    struct counters *counters = counters_open();
    char text[4096];
    int ends[2];
    (void)state;
    assert_non_null(counters);
    assert_int_equal(pipe(ends), 0);
    log_set_fd(ends[1]);
    for (int i = 0; i < 1000; i++) {
        store_notice(counters, MYSQL_NOTICE_NO_CONNECTION, "Can't connect to server");
    }
    store_notice(counters, MYSQL_NOTICE_DEADLOCK, "Deadlock found");
    log_set_fd(2);
    assert_int_equal(close(ends[1]), 0);
    ssize_t len = read(ends[0], text, sizeof(text) - 1);
    assert_int_equal(close(ends[0]), 0);
    assert_true(len > 0);
    text[len] = '\0';
    const char *first = strstr(text, not_connected);
    assert_non_null(first);
    assert_non_null(strstr(first, "Can't connect to server"));
    assert_null(strstr(first + 1, not_connected));
    assert_null(strstr(text, "Deadlock"));
    counters_close(counters);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outage_is_told_once_in_a_while_with_the_servers_words),
        cmocka_unit_test(each_error_is_counted_under_its_name),
    };
    log_set_level(LOG_LEVEL_INFO);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
