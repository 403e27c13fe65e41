#include "local_time.h"

#include <stdio.h>
#include <string.h>

#define NANO_DIGITS 9

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Reads exactly `digits` digits at *at, after `before` unless that is 0. */
static bool take(const char *text, size_t len, size_t *at, char before, size_t digits,
                 int64_t *number)
{
    size_t start = *at + (before == 0 ? 0 : 1);
    if (len < start + digits || (before != 0 && text[*at] != before)) {
        return false;
    }
    int64_t result = 0;
    for (size_t i = start; i < start + digits; i++) {
        if (!is_digit(text[i])) {
            return false;
        }
        result = result * 10 + (text[i] - '0');
    }
    *at = start + digits;
    *number = result;
    return true;
}

static bool take_fraction(const char *text, size_t len, size_t *at, int64_t *nano)
{
    size_t digits = len - *at - 1;
    if (digits < 1 || digits > NANO_DIGITS || !take(text, len, at, '.', digits, nano)) {
        return false;
    }
    for (; digits < NANO_DIGITS; digits++) {
        *nano *= 10;
    }
    return true;
}

bool local_time_parse(const char *text, size_t len, struct local_time *time)
{
    struct local_time read = {{0}};
    int64_t *fields = read.fields;
    size_t at = 0;
    if (!take(text, len, &at, 0, 4, &fields[LOCAL_TIME_YEAR]) ||
        !take(text, len, &at, '-', 2, &fields[LOCAL_TIME_MONTH]) ||
        !take(text, len, &at, '-', 2, &fields[LOCAL_TIME_DAY]) ||
        !take(text, len, &at, 'T', 2, &fields[LOCAL_TIME_HOUR]) ||
        !take(text, len, &at, ':', 2, &fields[LOCAL_TIME_MINUTE])) {
        return false;
    }
    if (at < len && !take(text, len, &at, ':', 2, &fields[LOCAL_TIME_SECOND])) {
        return false;
    }
    if (at < len && !take_fraction(text, len, &at, &fields[LOCAL_TIME_NANO])) {
        return false;
    }
    *time = read;
    return true;
}

static bool is_leap_year(int64_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int64_t days_of_month(int64_t year, int64_t month)
{
    static const int64_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (month < 1 || month > 12) {
        return 31;
    }
    return days[month - 1] + (month == 2 && is_leap_year(year) ? 1 : 0);
}

void local_time_range(const struct local_time *time, enum local_time_field field, int64_t *min,
                      int64_t *max)
{
    static const int64_t ranges[LOCAL_TIME_FIELDS][2] = {
        [LOCAL_TIME_YEAR] = {1, 9999},      [LOCAL_TIME_MONTH] = {1, 12},
        [LOCAL_TIME_DAY] = {1, 31},         [LOCAL_TIME_HOUR] = {0, 23},
        [LOCAL_TIME_MINUTE] = {0, 59},      [LOCAL_TIME_SECOND] = {0, 59},
        [LOCAL_TIME_NANO] = {0, 999999999},
    };
    *min = ranges[field][0];
    *max = ranges[field][1];
    if (field == LOCAL_TIME_DAY) {
        *max = days_of_month(time->fields[LOCAL_TIME_YEAR], time->fields[LOCAL_TIME_MONTH]);
    }
}

enum local_time_field local_time_check(const struct local_time *time)
{
    for (int field = 0; field < LOCAL_TIME_FIELDS; field++) {
        int64_t min = 0;
        int64_t max = 0;
        local_time_range(time, (enum local_time_field)field, &min, &max);
        if (time->fields[field] < min || time->fields[field] > max) {
            return (enum local_time_field)field;
        }
    }
    return LOCAL_TIME_FIELDS;
}

const char *local_time_field_name(enum local_time_field field)
{
    static const char *const names[LOCAL_TIME_FIELDS] = {
        [LOCAL_TIME_YEAR] = "year",       [LOCAL_TIME_MONTH] = "month",
        [LOCAL_TIME_DAY] = "day",         [LOCAL_TIME_HOUR] = "hour",
        [LOCAL_TIME_MINUTE] = "minute",   [LOCAL_TIME_SECOND] = "second",
        [LOCAL_TIME_NANO] = "nanosecond",
    };
    return field < LOCAL_TIME_FIELDS ? names[field] : "";
}

static unsigned narrow(int64_t number, unsigned modulus)
{
    /* The ranges were checked; this tells the compiler how many digits there are at most. */
    return (unsigned)number % modulus;
}

void local_time_format(const struct local_time *time, char text[LOCAL_TIME_TEXT_SIZE])
{
    invariant(local_time_check(time) == LOCAL_TIME_FIELDS);
    const int64_t *fields = time->fields;
    (void)snprintf(text, LOCAL_TIME_TEXT_SIZE, "%04u-%02u-%02uT%02u:%02u:%02u.%09u",
                   narrow(fields[LOCAL_TIME_YEAR], 10000), narrow(fields[LOCAL_TIME_MONTH], 100),
                   narrow(fields[LOCAL_TIME_DAY], 100), narrow(fields[LOCAL_TIME_HOUR], 100),
                   narrow(fields[LOCAL_TIME_MINUTE], 100), narrow(fields[LOCAL_TIME_SECOND], 100),
                   narrow(fields[LOCAL_TIME_NANO], 1000000000));
    size_t len = strlen(text);
    while (text[len - 1] == '0') {
        text[--len] = '\0';
    }
    if (text[len - 1] == '.') {
        text[len - 1] = '\0';
    }
}
