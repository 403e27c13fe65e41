/*
 * local_time.h - a local date-time without zone, in the two forms in which Java prints one.
 *
 * ISO-8601 text (LocalDateTime.toString() and ISO_LOCAL_DATE_TIME): yyyy-MM-ddTHH:mm, with :ss
 * unless the seconds and the fraction are zero, with one to nine fraction digits unless the
 * fraction is zero. Jackson's array: [y,M,d,H,m], with seconds and nanoseconds by the same rule.
 * Years are 1 to 9999.
 *
 * Pure functions; any thread.
 */
#ifndef FAREBOX_LOCAL_TIME_H
#define FAREBOX_LOCAL_TIME_H

#include "invariant.h"

#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>

/* The numbers of the array form, in its order. */
enum local_time_field {
    LOCAL_TIME_YEAR,
    LOCAL_TIME_MONTH,
    LOCAL_TIME_DAY,
    LOCAL_TIME_HOUR,
    LOCAL_TIME_MINUTE,
    LOCAL_TIME_SECOND,
    LOCAL_TIME_NANO,
    LOCAL_TIME_FIELDS
};

struct local_time {
    int64_t fields[LOCAL_TIME_FIELDS];
};

/* yyyy-MM-ddTHH:mm:ss.nnnnnnnnn and the NUL. */
#define LOCAL_TIME_TEXT_SIZE 30

/* Splits a text into numbers; false unless it has the form above (the ranges are not checked). */
MUST_USE bool local_time_parse(const char *text, size_t len, struct local_time *time);

/* The first number that is out of its range, LOCAL_TIME_FIELDS where the date-time exists. */
enum local_time_field local_time_check(const struct local_time *time);

/* The range of a field in this date-time (days depend on year and month). */
void local_time_range(const struct local_time *time, enum local_time_field field, int64_t *min,
                      int64_t *max);

/* "year", "month", ... */
const char *local_time_field_name(enum local_time_field field);

/* Writes a date-time that local_time_check() accepts: always with seconds, the fraction without
 * trailing zeros, and without a point where it is zero. */
void local_time_format(const struct local_time *time, char text[LOCAL_TIME_TEXT_SIZE]);

#endif
