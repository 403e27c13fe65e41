/*
 * test_metrics.c - numbers add up, and the text is what Prometheus' format 0.0.4 allows.
 *
 * parse() below reads the format strictly, from its grammar, and knows nothing of metrics.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "metrics.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { PAYMENTS, IN_FLIGHT, CALLS, COMMITS, ODD, FAMILIES };

static const char *const statuses[] = {"completed", "failed", NULL};
static const char *const calls[] = {"charge", "cancel", NULL};
static const char *const odd_values[] = {"quote \" back \\ line \n end", "caf\xC3\xA9", NULL};
static const int64_t buckets_us[] = {500, 10000, 2500000, 0};
static const struct metrics_family families[FAMILIES] = {
    [PAYMENTS] =
        {"farebox_payments_total", "Payments.", METRICS_COUNTER, {{"status", statuses}}, NULL},
    [IN_FLIGHT] = {"farebox_in_flight", "Now.", METRICS_GAUGE, {{NULL, NULL}}, NULL},
    [CALLS] = {"farebox_pg_call_seconds",
               "Time of calls.",
               METRICS_HISTOGRAM,
               {{"call", calls}, {"status", statuses}},
               buckets_us},
    [COMMITS] = {"farebox_commit_seconds", "Time.", METRICS_HISTOGRAM, {{NULL, NULL}}, buckets_us},
    [ODD] =
        {"farebox_odd_total", "Back \\ and\nline.", METRICS_COUNTER, {{"odd", odd_values}}, NULL},
};

#define SAMPLES_MAX 64
#define LABELS_MAX  4

struct sample {
    char name[64];
    char type[16]; /* of the family that it stands under */
    size_t label_count;
    char label_names[LABELS_MAX][32];
    char label_values[LABELS_MAX][64];
    char value[32];
};

struct parsed {
    size_t count;
    struct sample samples[SAMPLES_MAX];
    size_t help_count;
    char helps[8][64];
};

static const char *parse_name(const char *at, char *name, size_t size)
{
    size_t len = strspn(at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_:");
    assert_in_range(len, 1, size - 1);
    assert_false(*at >= '0' && *at <= '9');
    memcpy(name, at, len);
    name[len] = '\0';
    return at + len;
}

/* Up to `end`, with the escapes that are allowed there, and none other. */
static const char *parse_escaped(const char *at, char end, char *text, size_t size)
{
    size_t len = 0;
    for (; *at != end; at++) {
        assert_true(*at != '\0' && *at != '\n');
        assert_true(len < size - 1);
        text[len] = *at;
        if (*at == '\\') {
            at++;
            assert_true(*at == '\\' || *at == 'n' || (*at == '"' && end == '"'));
            text[len] = *at == 'n' ? '\n' : *at;
        }
        len++;
    }
    text[len] = '\0';
    return at;
}

static const char *parse_sample(const char *at, const char *family, const char *type,
                                struct sample *sample)
{
    at = parse_name(at, sample->name, sizeof(sample->name));
    size_t len = strlen(family);
    assert_memory_equal(sample->name, family, len);
    const char *rest = sample->name + len;
    bool is_part =
        strcmp(rest, "_bucket") == 0 || strcmp(rest, "_sum") == 0 || strcmp(rest, "_count") == 0;
    assert_true(strcmp(type, "histogram") == 0 ? is_part : *rest == '\0');
    (void)snprintf(sample->type, sizeof(sample->type), "%s", type);
    while (*at == (sample->label_count == 0 ? '{' : ',')) {
        assert_true(sample->label_count < LABELS_MAX);
        at = parse_name(at + 1, sample->label_names[sample->label_count], 32);
        assert_memory_equal(at, "=\"", 2);
        at = parse_escaped(at + 2, '"', sample->label_values[sample->label_count], 64) + 1;
        sample->label_count++;
    }
    if (sample->label_count > 0) {
        assert_int_equal(*at++, '}');
    }
    assert_int_equal(*at++, ' ');
    len = strspn(at, "-0123456789.");
    assert_in_range(len, 1, sizeof(sample->value) - 1);
    memcpy(sample->value, at, len);
    at += len;
    assert_int_equal(*at, '\n');
    return at + 1;
}

static void parse(const char *text, struct parsed *parsed)
{
    char family[64];
    char again[64];
    char type[16];
    memset(parsed, 0, sizeof(*parsed));
    while (*text != '\0') {
        assert_memory_equal(text, "# HELP ", 7);
        text = parse_name(text + 7, family, sizeof(family));
        assert_int_equal(*text, ' ');
        text = parse_escaped(text + 1, '\n', parsed->helps[parsed->help_count++], 64) + 1;
        assert_memory_equal(text, "# TYPE ", 7);
        text = parse_name(text + 7, again, sizeof(again));
        assert_string_equal(again, family);
        text = parse_name(text + 1, type, sizeof(type));
        assert_true(strcmp(type, "counter") == 0 || strcmp(type, "gauge") == 0 ||
                    strcmp(type, "histogram") == 0);
        assert_int_equal(*text++, '\n');
        while (*text != '\0' && *text != '#') {
            assert_true(parsed->count < SAMPLES_MAX);
            text = parse_sample(text, family, type, &parsed->samples[parsed->count++]);
        }
    }
}

static struct parsed parsed;

static void render(const struct metrics *metrics)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    metrics_render(metrics, out);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(strlen(text), size);
    parse(text, &parsed);
    free(text);
}

/* The value of the sample with this name and these label values; NULL ends them. */
static const char *value_of(const char *name, const char *a, const char *b, const char *c)
{
    const char *const wanted[] = {a, b, c};
    for (size_t i = 0; i < parsed.count; i++) {
        const struct sample *sample = &parsed.samples[i];
        bool fits = strcmp(sample->name, name) == 0;
        for (size_t j = 0; j < 3 && fits; j++) {
            fits = wanted[j] != NULL
                       ? j < sample->label_count && strcmp(sample->label_values[j], wanted[j]) == 0
                       : j >= sample->label_count;
        }
        if (fits) {
            return sample->value;
        }
    }
    return "absent";
}

static void everything_is_there_from_the_start(void **state)
{
    struct metrics *metrics = metrics_open(families, FAMILIES);
    (void)state;
    assert_non_null(metrics);
    render(metrics);
    assert_int_equal(parsed.count, 2 + 1 + 4 * 6 + 6 + 2);
    assert_int_equal(parsed.help_count, FAMILIES);
    for (size_t i = 0; i < parsed.count; i++) {
        assert_string_equal(parsed.samples[i].value, "0");
    }
    metrics_close(metrics);
}

static void counters_and_gauges_show_what_was_given(void **state)
{
    struct metrics *metrics = metrics_open(families, FAMILIES);
    (void)state;
    metrics_add(metrics, PAYMENTS, 0, 0, 1);
    metrics_add(metrics, PAYMENTS, 1, 0, 2);
    metrics_add(metrics, PAYMENTS, 1, 0, 5000000000);
    metrics_set(metrics, IN_FLIGHT, 0, 0, 17);
    metrics_set(metrics, IN_FLIGHT, 0, 0, -3);
    render(metrics);
    assert_string_equal(value_of("farebox_payments_total", "completed", NULL, NULL), "1");
    assert_string_equal(value_of("farebox_payments_total", "failed", NULL, NULL), "5000000002");
    assert_string_equal(value_of("farebox_in_flight", NULL, NULL, NULL), "-3");
    assert_int_equal(metrics_get(metrics, PAYMENTS, 1, 0), 5000000002);
    metrics_close(metrics);
}

static void a_histogram_counts_upwards_and_in_seconds(void **state)
{
    static const int64_t observed_us[] = {-5, 0, 500, 501, 10000, 2500000, 2500001, 60000000};
    struct metrics *metrics = metrics_open(families, FAMILIES);
    (void)state;
    for (size_t i = 0; i < sizeof(observed_us) / sizeof(observed_us[0]); i++) {
        metrics_observe_us(metrics, CALLS, 1, 0, observed_us[i]);
    }
    render(metrics);
    const char *bucket = "farebox_pg_call_seconds_bucket";
    assert_string_equal(value_of(bucket, "cancel", "completed", "0.0005"), "3");
    assert_string_equal(value_of(bucket, "cancel", "completed", "0.01"), "5");
    assert_string_equal(value_of(bucket, "cancel", "completed", "2.5"), "6");
    assert_string_equal(value_of(bucket, "cancel", "completed", "+Inf"), "8");
    assert_string_equal(value_of("farebox_pg_call_seconds_count", "cancel", "completed", NULL),
                        "8");
    assert_string_equal(value_of("farebox_pg_call_seconds_sum", "cancel", "completed", NULL),
                        "65.011002");
    assert_string_equal(value_of(bucket, "charge", "completed", "+Inf"), "0");
    assert_string_equal(value_of("farebox_commit_seconds_bucket", "+Inf", NULL, NULL), "0");
    assert_int_equal(metrics_get(metrics, CALLS, 1, 0), 8);
    metrics_close(metrics);
}

static void odd_texts_are_escaped(void **state)
{
    struct metrics *metrics = metrics_open(families, FAMILIES);
    (void)state;
    metrics_add(metrics, ODD, 0, 0, 4);
    render(metrics);
    assert_string_equal(value_of("farebox_odd_total", odd_values[0], NULL, NULL), "4");
    assert_string_equal(value_of("farebox_odd_total", odd_values[1], NULL, NULL), "0");
    assert_string_equal(parsed.helps[ODD], "Back \\ and\nline.");
    metrics_close(metrics);
}

static void a_family_that_breaks_the_rules_is_refused(void **state)
{
    static const int64_t falling_us[] = {10, 5, 0};
    static const int64_t none_us[] = {0};
    static const char *const none[] = {NULL};
    const struct metrics_family wrong[] = {
        {"farebox_payments", "h", METRICS_COUNTER, {{NULL, NULL}}, NULL},
        {"farebox_now_total", "h", METRICS_GAUGE, {{NULL, NULL}}, NULL},
        {"farebox_call_ms", "h", METRICS_HISTOGRAM, {{NULL, NULL}}, buckets_us},
        {"farebox_call_seconds", "h", METRICS_HISTOGRAM, {{NULL, NULL}}, NULL},
        {"farebox_call_seconds", "h", METRICS_HISTOGRAM, {{NULL, NULL}}, falling_us},
        {"farebox_call_seconds", "h", METRICS_HISTOGRAM, {{NULL, NULL}}, none_us},
        {"farebox-total", "h", METRICS_COUNTER, {{NULL, NULL}}, NULL},
        {"1_total", "h", METRICS_COUNTER, {{NULL, NULL}}, NULL},
        {"farebox_total", "h", METRICS_COUNTER, {{"a-b", statuses}}, NULL},
        {"farebox_total", "h", METRICS_COUNTER, {{"a", none}}, NULL},
        {"farebox_total", "h", METRICS_COUNTER, {{"a", NULL}}, NULL},
        {"farebox_total", NULL, METRICS_COUNTER, {{NULL, NULL}}, NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_null(metrics_open(&wrong[i], 1));
    }
    assert_null(metrics_open(families, 0));
}

static void *add_many(void *argument)
{
    struct metrics *metrics = argument;
    for (int i = 0; i < 20000; i++) {
        metrics_add(metrics, PAYMENTS, 0, 0, 1);
        metrics_observe_us(metrics, COMMITS, 0, 0, i);
    }
    return NULL;
}

static void threads_lose_nothing(void **state)
{
    struct metrics *metrics = metrics_open(families, FAMILIES);
    pthread_t threads[4];
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, add_many, metrics), 0);
    }
    render(metrics); /* while they run: still well-formed */
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_int_equal(metrics_get(metrics, PAYMENTS, 0, 0), 80000);
    assert_int_equal(metrics_get(metrics, COMMITS, 0, 0), 80000);
    metrics_close(metrics);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_is_there_from_the_start),
        cmocka_unit_test(counters_and_gauges_show_what_was_given),
        cmocka_unit_test(a_histogram_counts_upwards_and_in_seconds),
        cmocka_unit_test(odd_texts_are_escaped),
        cmocka_unit_test(a_family_that_breaks_the_rules_is_refused),
        cmocka_unit_test(threads_lose_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
