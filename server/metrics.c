#include "metrics.h"

#include "invariant.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/*
 * A family's series lie one after another in `cells`. A counter or gauge is one cell; a histogram
 * one for each bucket, one for +Inf and one for the sum in microseconds.
 */
struct metrics_layout {
    size_t first_cell;
    size_t a_count;
    size_t b_count;
    size_t buckets;
    size_t cells_each;
};

struct metrics {
    const struct metrics_family *families;
    size_t count;
    struct metrics_layout *layouts;
    _Atomic int64_t *cells;
};

static bool metrics_is_name(const char *name)
{
    if (name == NULL || name[0] == '\0' || (name[0] >= '0' && name[0] <= '9')) {
        return false;
    }
    return strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(name);
}

static bool metrics_ends_with(const char *name, const char *end)
{
    size_t len = strlen(name);
    size_t end_len = strlen(end);
    return len > end_len && strcmp(name + len - end_len, end) == 0;
}

/* 1 for an absent label, 0 for a wrong one. */
static size_t metrics_label_count(const struct metrics_label *label)
{
    size_t n = 0;
    if (label->name == NULL) {
        return 1;
    }
    if (!metrics_is_name(label->name) || label->values == NULL) {
        return 0;
    }
    while (label->values[n] != NULL) {
        n++;
    }
    return n <= METRICS_LABEL_VALUES_MAX ? n : 0;
}

/* 0 for a wrong list. */
static size_t metrics_bucket_count(const int64_t *buckets_us)
{
    size_t n = 0;
    if (buckets_us == NULL) {
        return 0;
    }
    for (; buckets_us[n] != 0; n++) {
        if (n == METRICS_BUCKETS_MAX || buckets_us[n] < 0 ||
            (n > 0 && buckets_us[n] <= buckets_us[n - 1])) {
            return 0;
        }
    }
    return n;
}

static bool metrics_lay_out(const struct metrics_family *family, size_t first_cell,
                            struct metrics_layout *layout)
{
    layout->first_cell = first_cell;
    layout->a_count = metrics_label_count(&family->labels[0]);
    layout->b_count = metrics_label_count(&family->labels[1]);
    layout->buckets = 0;
    layout->cells_each = 1;
    if (!metrics_is_name(family->name) || family->help == NULL || layout->a_count == 0 ||
        layout->b_count == 0) {
        return false;
    }
    switch (family->type) {
    case METRICS_COUNTER:
        return metrics_ends_with(family->name, "_total");
    case METRICS_GAUGE:
        return !metrics_ends_with(family->name, "_total");
    case METRICS_HISTOGRAM:
        layout->buckets = metrics_bucket_count(family->buckets_us);
        layout->cells_each = layout->buckets + 2;
        return layout->buckets > 0 && metrics_ends_with(family->name, "_seconds");
    }
    return false;
}

struct metrics *metrics_open(const struct metrics_family *families, size_t count)
{
    size_t cells = 0;
    if (count == 0 || count > METRICS_FAMILIES_MAX) {
        return NULL;
    }
    struct metrics *metrics = calloc(1, sizeof(*metrics));
    if (metrics == NULL) {
        return NULL;
    }
    metrics->families = families;
    metrics->count = count;
    metrics->layouts = calloc(count, sizeof(*metrics->layouts));
    if (metrics->layouts == NULL) {
        goto failed;
    }
    for (size_t i = 0; i < count; i++) {
        struct metrics_layout *layout = &metrics->layouts[i];
        if (!metrics_lay_out(&families[i], cells, layout)) {
            goto failed;
        }
        cells += layout->a_count * layout->b_count * layout->cells_each;
    }
    metrics->cells = calloc(cells, sizeof(*metrics->cells));
    if (metrics->cells == NULL) {
        goto failed;
    }
    return metrics;
failed:
    metrics_close(metrics);
    return NULL;
}

void metrics_close(struct metrics *metrics)
{
    if (metrics == NULL) {
        return;
    }
    free(metrics->cells);
    free(metrics->layouts);
    free(metrics);
}

/* The first cell of a series. */
static _Atomic int64_t *metrics_series(const struct metrics *metrics, size_t family, size_t a,
                                       size_t b)
{
    invariant(family < metrics->count);
    const struct metrics_layout *layout = &metrics->layouts[family];
    invariant(a < layout->a_count && b < layout->b_count);
    return metrics->cells + layout->first_cell + (a * layout->b_count + b) * layout->cells_each;
}

void metrics_add(struct metrics *metrics, size_t family, size_t a, size_t b, uint64_t n)
{
    _Atomic int64_t *cell = metrics_series(metrics, family, a, b);
    invariant(metrics->families[family].type == METRICS_COUNTER && n <= INT64_MAX);
    (void)atomic_fetch_add_explicit(cell, (int64_t)n, memory_order_relaxed);
}

void metrics_set(struct metrics *metrics, size_t family, size_t a, size_t b, int64_t value)
{
    _Atomic int64_t *cell = metrics_series(metrics, family, a, b);
    invariant(metrics->families[family].type == METRICS_GAUGE);
    atomic_store_explicit(cell, value, memory_order_relaxed);
}

void metrics_observe_us(struct metrics *metrics, size_t family, size_t a, size_t b,
                        int64_t duration_us)
{
    _Atomic int64_t *cells = metrics_series(metrics, family, a, b);
    const struct metrics_layout *layout = &metrics->layouts[family];
    const int64_t *bounds = metrics->families[family].buckets_us;
    int64_t value_us = duration_us > 0 ? duration_us : 0; /* a clock that was set back */
    size_t bucket = 0;

    invariant(metrics->families[family].type == METRICS_HISTOGRAM);
    while (bucket < layout->buckets && value_us > bounds[bucket]) {
        bucket++;
    }
    (void)atomic_fetch_add_explicit(&cells[bucket], 1, memory_order_relaxed);
    (void)atomic_fetch_add_explicit(&cells[layout->buckets + 1], value_us, memory_order_relaxed);
}

int64_t metrics_get(const struct metrics *metrics, size_t family, size_t a, size_t b)
{
    _Atomic int64_t *cells = metrics_series(metrics, family, a, b);
    int64_t sum = 0;
    if (metrics->families[family].type != METRICS_HISTOGRAM) {
        return atomic_load_explicit(cells, memory_order_relaxed);
    }
    for (size_t i = 0; i <= metrics->layouts[family].buckets; i++) {
        sum += atomic_load_explicit(&cells[i], memory_order_relaxed);
    }
    return sum;
}

/* Help escapes backslash and newline, label values the quote as well. */
static void metrics_render_escaped(const char *text, bool is_label, FILE *out)
{
    for (; *text != '\0'; text++) {
        if (*text == '\\') {
            (void)fputs("\\\\", out);
        } else if (*text == '\n') {
            (void)fputs("\\n", out);
        } else if (*text == '"' && is_label) {
            (void)fputs("\\\"", out);
        } else {
            (void)fputc(*text, out);
        }
    }
}

/* Seconds with as many digits as needed; by integers, so that no locale changes the point. */
static void metrics_render_seconds(int64_t us, FILE *out)
{
    char fraction[8];
    (void)snprintf(fraction, sizeof(fraction), "%06d", (int)(us % 1000000));
    size_t len = 6;
    while (len > 0 && fraction[len - 1] == '0') {
        len--;
    }
    (void)fprintf(out, "%" PRId64, us / 1000000);
    if (len > 0) {
        (void)fprintf(out, ".%.*s", (int)len, fraction);
    }
}

/* {a="x",b="y",le="0.5"}; `le_us` < 0: no le, INT64_MAX: +Inf. */
static void metrics_render_labels(const struct metrics_family *family, size_t a, size_t b,
                                  int64_t le_us, FILE *out)
{
    const size_t at[2] = {a, b};
    const char *before = "{";
    for (size_t i = 0; i < 2; i++) {
        const struct metrics_label *label = &family->labels[i];
        if (label->name != NULL) {
            (void)fprintf(out, "%s%s=\"", before, label->name);
            metrics_render_escaped(label->values[at[i]], true, out);
            (void)fputc('"', out);
            before = ",";
        }
    }
    if (le_us >= 0) {
        (void)fprintf(out, "%sle=\"", before);
        if (le_us == INT64_MAX) {
            (void)fputs("+Inf", out);
        } else {
            metrics_render_seconds(le_us, out);
        }
        (void)fputc('"', out);
        before = ",";
    }
    if (before[0] == ',') {
        (void)fputc('}', out);
    }
}

static void metrics_render_histogram(const struct metrics_family *family, size_t buckets,
                                     _Atomic int64_t *cells, size_t a, size_t b, FILE *out)
{
    int64_t count = 0;
    for (size_t i = 0; i <= buckets; i++) {
        count += atomic_load_explicit(&cells[i], memory_order_relaxed);
        (void)fprintf(out, "%s_bucket", family->name);
        metrics_render_labels(family, a, b, i < buckets ? family->buckets_us[i] : INT64_MAX, out);
        (void)fprintf(out, " %" PRId64 "\n", count);
    }
    (void)fprintf(out, "%s_sum", family->name);
    metrics_render_labels(family, a, b, -1, out);
    (void)fputc(' ', out);
    metrics_render_seconds(atomic_load_explicit(&cells[buckets + 1], memory_order_relaxed), out);
    (void)fprintf(out, "\n%s_count", family->name);
    metrics_render_labels(family, a, b, -1, out);
    (void)fprintf(out, " %" PRId64 "\n", count);
}

static void metrics_render_series(const struct metrics *metrics, size_t i, size_t a, size_t b,
                                  FILE *out)
{
    const struct metrics_family *family = &metrics->families[i];
    _Atomic int64_t *cells = metrics_series(metrics, i, a, b);
    if (family->type == METRICS_HISTOGRAM) {
        metrics_render_histogram(family, metrics->layouts[i].buckets, cells, a, b, out);
        return;
    }
    (void)fputs(family->name, out);
    metrics_render_labels(family, a, b, -1, out);
    (void)fprintf(out, " %" PRId64 "\n", atomic_load_explicit(cells, memory_order_relaxed));
}

void metrics_render(const struct metrics *metrics, FILE *out)
{
    static const char *const types[] = {[METRICS_COUNTER] = "counter",
                                        [METRICS_GAUGE] = "gauge",
                                        [METRICS_HISTOGRAM] = "histogram"};
    for (size_t i = 0; i < metrics->count; i++) {
        const struct metrics_family *family = &metrics->families[i];
        (void)fprintf(out, "# HELP %s ", family->name);
        metrics_render_escaped(family->help, false, out);
        (void)fprintf(out, "\n# TYPE %s %s\n", family->name, types[family->type]);
        for (size_t a = 0; a < metrics->layouts[i].a_count; a++) {
            for (size_t b = 0; b < metrics->layouts[i].b_count; b++) {
                metrics_render_series(metrics, i, a, b, out);
            }
        }
    }
}
