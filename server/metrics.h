/*
 * metrics.h - counters, gauges and histograms, shown as Prometheus text.
 *
 * A small registry of our own: Debian 12 packages no C library for Prometheus, and what Farebox
 * needs is a fixed set of numbers that any thread may raise and one that prints them. The families
 * and every value of their labels are given at open, so memory is bounded, raising a number is one
 * atomic addition without a lock, and bytes from outside never become a label.
 *
 * Ownership: the families' table and all its texts must outlive the registry.
 * Threads: after metrics_open() every function but metrics_close() may be called by any thread;
 * none blocks (metrics_render() as long as its stream does).
 * Units: durations are given in microseconds and shown in seconds.
 * Source of the format: Prometheus text exposition format 0.0.4.
 */
#ifndef FAREBOX_METRICS_H
#define FAREBOX_METRICS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define METRICS_LABEL_VALUES_MAX 32 /* of one label */
#define METRICS_BUCKETS_MAX      16 /* without +Inf */
#define METRICS_FAMILIES_MAX     128
#define METRICS_CONTENT_TYPE     "text/plain; version=0.0.4; charset=utf-8"

enum metrics_type { METRICS_COUNTER = 1, METRICS_GAUGE, METRICS_HISTOGRAM };

struct metrics_label {
    const char *name;          /* NULL: the family has no such label */
    const char *const *values; /* ends with NULL */
};

/* One family: a series for every combination of the values of its labels. */
struct metrics_family {
    const char *name; /* [a-z_][a-z0-9_]*; counters end with _total, histograms with _seconds */
    const char *help; /* any text of one line or more; escaped when shown */
    enum metrics_type type;
    struct metrics_label labels[2];
    const int64_t *buckets_us; /* histograms: upper bounds, ascending, ends with 0 */
};

struct metrics;

/*
 * Makes the registry, everything 0. NULL: no memory, or a family that breaks the rules above (a
 * mistake in the table, which a test finds).
 */
struct metrics *metrics_open(const struct metrics_family *families, size_t count);
void metrics_close(struct metrics *metrics);

/*
 * `family` is an index into the table, `a` and `b` are indices into the values of its labels (0
 * where it has none). An index out of range, or a call that does not fit the family's type, is an
 * invariant broken by the caller.
 */
void metrics_add(struct metrics *metrics, size_t family, size_t a, size_t b, uint64_t n);
void metrics_set(struct metrics *metrics, size_t family, size_t a, size_t b, int64_t value);
void metrics_observe_us(struct metrics *metrics, size_t family, size_t a, size_t b,
                        int64_t duration_us);

/* The value of a counter or gauge; of a histogram the count of its observations. */
int64_t metrics_get(const struct metrics *metrics, size_t family, size_t a, size_t b);

/* Writes all families. Each number is read once; they are not one snapshot. */
void metrics_render(const struct metrics *metrics, FILE *out);

#endif
