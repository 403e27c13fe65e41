#include "counters.h"

#include "log.h"
#include "metrics.h"

#include <stdlib.h>

enum family {
    FAMILY_NOTES,
    FAMILY_DEAD_LETTERS,
    FAMILY_ALERTS,
    FAMILY_RECORDS,
    FAMILY_BATCHES,
    FAMILY_UNITS,
    FAMILY_BATCH_SECONDS,
    FAMILY_STORE_ERRORS,
    FAMILY_RECONNECTS,
    FAMILY_PG_CALLS,
    FAMILY_UPSTREAM_CALLS,
    FAMILY_REQUESTS,
    FAMILY_REQUEST_SECONDS,
    FAMILY_IN_WORK,
    FAMILY_BREAKERS,
    FAMILY_TEXT_BYTES,
    FAMILY_LOG_DROPPED,
    FAMILY_COUNT
};

/* In the order of the enums, from 1 where those begin at 1. */
static const char *const notes[] = {"claimed",
                                    "completed",
                                    "failed",
                                    "unknown",
                                    "refunded",
                                    "duplicate",
                                    "ignored",
                                    "dead_letter",
                                    "published",
                                    "publish_rejected",
                                    "dead_letter_stored",
                                    "batch_resent",
                                    "rescued",
                                    "breaker_opened",
                                    "breaker_closed",
                                    NULL};
static const char *const topics[] = {"trips", "dead_letters", NULL};
static const char *const kinds[] = {"trip", "ignored", "malformed", "dead", NULL};
static const char *const outcomes[] = {"committed", "aborted", "unknown", NULL};
static const char *const pg_ops[] = {"charge", "lookup", "cancel", "probe", NULL};
static const char *const pg_answers[] = {"not_sent", "timeout", "broken", "error", "payment", NULL};
static const char *const upstreams[] = {"pricing", "users", NULL};
static const char *const upstream_answers[] = {"ok", "not_found", "refused", "trouble", NULL};
static const char *const statuses[] = {"1xx", "2xx", "3xx", "4xx", "5xx", NULL};
static const char *const tables[] = {"payments",      "waiting_records", "outbox", "dead_letters",
                                     "waiting_units", "batches",         NULL};
static const char *const gates[] = {"pricing", "users", "pg", NULL};
static const int64_t buckets_us[] = {500,   1000,   2500,   5000,    10000,   25000,
                                     50000, 100000, 250000, 1000000, 5000000, 0};

struct counters {
    struct metrics *metrics;
    struct metrics_family families[FAMILY_COUNT];
    const char *reasons[DEAD_LETTER_REASON_COUNT + 1];
    const char *alerts[ALERT_COUNT + 1];
    const char *store_errors[MYSQL_NOTICE_CONNECTED_AGAIN + 1];
    const char *endpoints[HTTP_ENDPOINT_COUNT + 1];
};

/* clang-format off */
static void fill_families(struct counters *c)
{
    struct metrics_family *f = c->families;

    f[FAMILY_NOTES] = (struct metrics_family){"farebox_events_total",
        "What happened to payments, records and outcome events.", METRICS_COUNTER,
        {{"what", notes}}, NULL};
    f[FAMILY_DEAD_LETTERS] = (struct metrics_family){"farebox_dead_letters_total",
        "Records that became dead letters, by reason.", METRICS_COUNTER,
        {{"reason", c->reasons}}, NULL};
    f[FAMILY_ALERTS] = (struct metrics_family){"farebox_alerts_total",
        "What an operator should hear of.", METRICS_COUNTER, {{"alert", c->alerts}}, NULL};
    f[FAMILY_RECORDS] = (struct metrics_family){"farebox_records_total",
        "Records taken from Kafka.", METRICS_COUNTER, {{"topic", topics}, {"kind", kinds}}, NULL};
    f[FAMILY_BATCHES] = (struct metrics_family){"farebox_store_batches_total",
        "Batches that the store answered.", METRICS_COUNTER, {{"outcome", outcomes}}, NULL};
    f[FAMILY_UNITS] = (struct metrics_family){"farebox_store_units_total",
        "Units in committed batches.", METRICS_COUNTER, {{NULL, NULL}}, NULL};
    f[FAMILY_BATCH_SECONDS] = (struct metrics_family){"farebox_store_batch_seconds",
        "Time that the store took for a batch.", METRICS_HISTOGRAM, {{NULL, NULL}}, buckets_us};
    f[FAMILY_STORE_ERRORS] = (struct metrics_family){"farebox_store_errors_total",
        "What went wrong at MySQL or MariaDB; batches are sent again.", METRICS_COUNTER,
        {{"error", c->store_errors}}, NULL};
    f[FAMILY_RECONNECTS] = (struct metrics_family){"farebox_store_reconnects_total",
        "Connections to MySQL or MariaDB that were opened again after a loss.", METRICS_COUNTER,
        {{NULL, NULL}}, NULL};
    f[FAMILY_PG_CALLS] = (struct metrics_family){"farebox_pg_calls_total",
        "Calls of the PG by how they were answered.", METRICS_COUNTER,
        {{"call", pg_ops}, {"answer", pg_answers}}, NULL};
    f[FAMILY_UPSTREAM_CALLS] = (struct metrics_family){"farebox_upstream_calls_total",
        "Calls of pricing and users by how they were answered.", METRICS_COUNTER,
        {{"upstream", upstreams}, {"answer", upstream_answers}}, NULL};
    f[FAMILY_REQUESTS] = (struct metrics_family){"farebox_http_requests_total",
        "HTTP requests answered.", METRICS_COUNTER,
        {{"endpoint", c->endpoints}, {"status", statuses}}, NULL};
    f[FAMILY_REQUEST_SECONDS] = (struct metrics_family){"farebox_http_request_seconds",
        "Time from a request's head to its answer.", METRICS_HISTOGRAM,
        {{"endpoint", c->endpoints}}, buckets_us};
    f[FAMILY_IN_WORK] = (struct metrics_family){"farebox_in_work",
        "What the engine works on now.", METRICS_GAUGE, {{"what", tables}}, NULL};
    f[FAMILY_BREAKERS] = (struct metrics_family){"farebox_breaker_state",
        "0 closed, 1 open, 2 half-open.", METRICS_GAUGE, {{"peer", gates}}, NULL};
    f[FAMILY_TEXT_BYTES] = (struct metrics_family){"farebox_text_bytes",
        "Bytes of ids and records in memory.", METRICS_GAUGE, {{NULL, NULL}}, NULL};
    f[FAMILY_LOG_DROPPED] = (struct metrics_family){"farebox_log_lines_dropped",
        "Log lines that nobody read in time.", METRICS_GAUGE, {{NULL, NULL}}, NULL};
}
/* clang-format on */

struct counters *counters_open(void)
{
    struct counters *c = calloc(1, sizeof(*c));

    if (c == NULL) {
        return NULL;
    }
    for (int i = 0; i < DEAD_LETTER_REASON_COUNT; i++) {
        c->reasons[i] = dead_letter_reason_name((enum dead_letter_reason)i);
    }
    for (int i = 0; i < ALERT_COUNT; i++) {
        c->alerts[i] = payment_alert_name((enum payment_alert)i);
    }
    for (int i = 0; i < MYSQL_NOTICE_CONNECTED_AGAIN; i++) {
        c->store_errors[i] = mysql_notice_name((enum mysql_notice)i);
    }
    for (int i = 0; i < HTTP_ENDPOINT_COUNT; i++) {
        c->endpoints[i] = http_endpoint_name((enum http_endpoint)i);
    }
    fill_families(c);
    c->metrics = metrics_open(c->families, FAMILY_COUNT);
    if (c->metrics == NULL) {
        free(c);
        return NULL;
    }
    return c;
}

void counters_close(struct counters *counters)
{
    if (counters != NULL) {
        metrics_close(counters->metrics);
        free(counters);
    }
}

void counters_note(struct counters *counters, enum engine_note note, int64_t value)
{
    metrics_add(counters->metrics, FAMILY_NOTES, (size_t)note - NOTE_CLAIMED, 0, 1);
    if (note == NOTE_DEAD_LETTER) {
        metrics_add(counters->metrics, FAMILY_DEAD_LETTERS, (size_t)value, 0, 1);
    }
}

void counters_alert(struct counters *counters, enum payment_alert alert)
{
    metrics_add(counters->metrics, FAMILY_ALERTS, (size_t)alert, 0, 1);
}

void counters_record(struct counters *counters, enum engine_topic topic,
                     enum engine_record_kind kind)
{
    metrics_add(counters->metrics, FAMILY_RECORDS, (size_t)topic, (size_t)kind - RECORD_TRIP, 1);
}

void counters_batch(struct counters *counters, enum batch_outcome outcome, uint32_t units,
                    int64_t elapsed_us)
{
    metrics_add(counters->metrics, FAMILY_BATCHES, (size_t)outcome - BATCH_COMMITTED, 0, 1);
    if (outcome == BATCH_COMMITTED) {
        metrics_add(counters->metrics, FAMILY_UNITS, 0, 0, units);
    }
    metrics_observe_us(counters->metrics, FAMILY_BATCH_SECONDS, 0, 0, elapsed_us);
}

void counters_store_notice(struct counters *counters, enum mysql_notice what)
{
    if (what == MYSQL_NOTICE_CONNECTED_AGAIN) {
        metrics_add(counters->metrics, FAMILY_RECONNECTS, 0, 0, 1);
    } else {
        metrics_add(counters->metrics, FAMILY_STORE_ERRORS, (size_t)what, 0, 1);
    }
}

void counters_call(struct counters *counters, enum gateway_op op, uint8_t answer)
{
    if (op == GATEWAY_FARE || op == GATEWAY_PAYER) {
        metrics_add(counters->metrics, FAMILY_UPSTREAM_CALLS, (size_t)op - GATEWAY_FARE,
                    (size_t)answer - UPSTREAM_OK, 1);
    } else {
        metrics_add(counters->metrics, FAMILY_PG_CALLS, (size_t)op - GATEWAY_CHARGE,
                    (size_t)answer - PG_ANSWER_NOT_SENT, 1);
    }
}

void counters_state(struct counters *counters, const struct engine *engine,
                    const struct texts *texts)
{
    struct engine_counts counts = engine_counts(engine);
    const uint32_t in_work[] = {counts.payments,      counts.waiters,
                                counts.outbox,        counts.dead_letters,
                                counts.units_waiting, counts.batches_outstanding};

    for (size_t i = 0; i < sizeof(in_work) / sizeof(in_work[0]); i++) {
        metrics_set(counters->metrics, FAMILY_IN_WORK, i, 0, in_work[i]);
    }
    for (size_t g = 0; g < GATE_COUNT; g++) {
        metrics_set(counters->metrics, FAMILY_BREAKERS, g, 0,
                    engine_breaker(engine, (enum payment_gate)g)->state);
    }
    metrics_set(counters->metrics, FAMILY_TEXT_BYTES, 0, 0, texts_bytes_used(texts));
}

void counters_request(struct counters *counters, enum http_endpoint endpoint, int http_status,
                      int64_t elapsed_us)
{
    int status_class = http_status / 100;

    if (status_class < 1 || status_class > 5) {
        status_class = 5;
    }
    metrics_add(counters->metrics, FAMILY_REQUESTS, (size_t)endpoint, (size_t)status_class - 1, 1);
    metrics_observe_us(counters->metrics, FAMILY_REQUEST_SECONDS, (size_t)endpoint, 0, elapsed_us);
}

void counters_render(struct counters *counters, FILE *out)
{
    metrics_set(counters->metrics, FAMILY_LOG_DROPPED, 0, 0, (int64_t)log_dropped_count());
    metrics_render(counters->metrics, out);
}
