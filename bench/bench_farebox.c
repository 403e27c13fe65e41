#include "bench_farebox.h"

#include "bench_child.h"
#include "bench_cpu.h"
#include "bench_request.h"
#include "bench_send.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define POLL_MS       100
#define LOOK_EVERY    4 /* polls between two looks at sockets and rows in flight */
#define WARM_UP_TRIPS 400
#define SETTINGS_MAX  30
#define SETTING_SIZE  400
#define UPSTREAM_MS   10000
#define PG_CONNECT_MS 20000

/* The environment of the process: nothing but its settings. */
struct environment {
    char texts[SETTINGS_MAX][SETTING_SIZE];
    char *list[SETTINGS_MAX + 1];
    size_t count;
};

__attribute__((format(printf, 2, 3))) static void set(struct environment *environment,
                                                      const char *format, ...)
{
    va_list arguments;
    invariant(environment->count < SETTINGS_MAX);
    char *text = environment->texts[environment->count];
    va_start(arguments, format);
    int len = vsnprintf(text, SETTING_SIZE, format, arguments);
    va_end(arguments);
    invariant(len > 0 && len < SETTING_SIZE);
    environment->list[environment->count++] = text;
}

struct process {
    struct bench_child child;
    char ledger[100];
    char http[BENCH_CHILD_WORD_SIZE];  /* its address */
    char kafka[BENCH_CHILD_WORD_SIZE]; /* its broker's */
};

static void set_store(struct environment *environment, const struct bench_farebox_how *how)
{
    if (how->rows.server == NULL) {
        set(environment, "FAREBOX_STORE=sqlite:%s", how->rows.sqlite_path);
    } else {
        set(environment, "FAREBOX_STORE=mysql://" MARIADB_USER "@127.0.0.1:%u/%s",
            (unsigned)how->rows.server->port, how->rows.database);
        set(environment, "FAREBOX_STORE_PASSWORD=%s", MARIADB_PASSWORD);
    }
    set(environment, "FAREBOX_STORE_LANES=%" PRIu32, how->lanes);
    set(environment, "FAREBOX_BATCH_MAX=%" PRIu32, how->batch_max);
    if (how->linger_ms >= 0) {
        set(environment, "FAREBOX_BATCH_LINGER_MS=%" PRId64, how->linger_ms);
    }
}

static void set_peers(struct environment *environment, const struct bench_farebox_how *how,
                      const struct process *process)
{
    set(environment, "FAREBOX_FAKE_UPSTREAM_DELAY_MAX_MS=0");
    set(environment, "FAREBOX_FAKE_PG_DELAY_MAX_MS=0");
    set(environment, "FAREBOX_FAKE_PG_FILE=%s", process->ledger);
    if (how->pg == NULL) {
        return;
    }
    set(environment, "FAREBOX_PG=http");
    set(environment, "FAREBOX_PG_URL=%s", how->pg->url);
    set(environment, "FAREBOX_PG_SECRET_KEY=%s", how->pg->key);
    set(environment, "FAREBOX_PG_CONNECTIONS=%" PRIu32, how->connections);
    set(environment, "FAREBOX_PG_CONNECT_MS=%d", PG_CONNECT_MS);
    if (how->upstreams_http) {
        set(environment, "FAREBOX_UPSTREAMS=http");
        set(environment, "FAREBOX_PRICING_URL=%s", how->pg->url);
        set(environment, "FAREBOX_USERS_URL=%s", how->pg->url);
        set(environment, "FAREBOX_UPSTREAM_TIMEOUT_MS=%d", UPSTREAM_MS);
    }
}

static void process_start(struct process *process, const struct bench_farebox_how *how)
{
    static struct environment environment;
    char *const arguments[] = {(char *)(uintptr_t)how->binary, NULL};
    environment.count = 0;
    memset(environment.list, 0, sizeof(environment.list));
    bench_child_path(process->ledger, "ledger");
    set_store(&environment, how);
    set_peers(&environment, how, process);
    set(&environment, "FAREBOX_KAFKA=embedded");
    set(&environment, "FAREBOX_EMBEDDED_KAFKA_PARTITIONS=%" PRIu32, how->partitions);
    set(&environment, "FAREBOX_HTTP_ADDRESS=127.0.0.1:0");
    if (how->in_flight > 0) {
        set(&environment, "FAREBOX_IN_FLIGHT=%" PRIu32, how->in_flight);
    }
    bench_child_start(&process->child, "farebox", arguments, environment.list);
    bench_child_await_word(&process->child, "http", process->http);
    bench_child_await_word(&process->child, "kafka", process->kafka);
}

static void process_stop(struct process *process)
{
    bench_child_stop(&process->child);
    (void)unlink(process->ledger);
}

/* What is seen while the trips are paid. */
struct watch {
    const struct bench_farebox_how *how;
    uint32_t polls;
    uint32_t connections_peak;
    uint32_t in_flight_peak;
};

static void look(struct watch *watch)
{
    const struct bench_farebox_how *how = watch->how;
    if (how->pg == NULL || watch->polls++ % LOOK_EVERY != 0) {
        return;
    }
    uint32_t connections = bench_fakepg_connections(how->pg);
    if (connections > watch->connections_peak) {
        watch->connections_peak = connections;
    }
    if (how->hurry_at == 0 || watch->in_flight_peak >= how->hurry_at) {
        return;
    }
    uint32_t in_flight = (uint32_t)bench_rows_number(
        &how->rows, "SELECT COUNT(*) FROM payments WHERE status = 'PROCESSING'");
    if (in_flight > watch->in_flight_peak) {
        watch->in_flight_peak = in_flight;
    }
    if (in_flight >= how->hurry_at) {
        bench_fakepg_hurry(how->pg);
    }
}

/* Until the process has published so many outcome events since its start and their rows are DONE,
 * as it says itself: to count rows would be work for the server that is measured. Gives what it
 * says then. */
static const char *await_done(const struct process *process, struct watch *watch, uint32_t count)
{
    char url[BENCH_CHILD_WORD_SIZE + 10];
    int64_t end_us = bench_clock_us() + (int64_t)BENCH_PATIENCE_MS * 1000;
    (void)snprintf(url, sizeof(url), "%s/metrics", process->http);
    for (;;) {
        const char *metrics = bench_request(&process->child, url, NULL);
        if (bench_request_metric(metrics, "farebox_events_total{what=\"published\"}") >= count &&
            bench_request_metric(metrics, "farebox_in_work{what=\"outbox\"}") == 0) {
            return metrics;
        }
        bench_child_check(&process->child);
        if (bench_clock_us() > end_us) {
            bench_child_fail(&process->child, "does not finish the trips");
        }
        bench_nap(POLL_MS);
        look(watch);
    }
}

static void check_completed(const struct process *process, const struct bench_farebox_how *how,
                            const struct bench_trips *trips)
{
    char query[160];
    (void)snprintf(query, sizeof(query),
                   "SELECT COUNT(*) FROM payments WHERE trip_id LIKE '%s-%%'"
                   " AND status = 'COMPLETED'",
                   trips->name);
    if (bench_rows_number(&how->rows, query) != trips->count) {
        bench_child_fail(&process->child, "has not completed the payment of each trip");
    }
}

static int64_t elapsed_us(const struct bench_farebox_how *how, int64_t since_ms)
{
    char query[200];
    /* MariaDB has the old service's local time under the shorter name. */
    const char *requested = how->rows.server == NULL ? "requested_at" : "requested_ms";
    (void)snprintf(query, sizeof(query),
                   "SELECT (SELECT MAX(done_at) FROM payment_outbox) -"
                   " (SELECT MIN(%s) FROM payments WHERE %s >= %" PRId64 ")",
                   requested, requested, since_ms);
    return bench_rows_number(&how->rows, query) * 1000;
}

/* The stores' clock: they run on this machine. */
static int64_t now_ms(void)
{
    struct timespec now;
    invariant(clock_gettime(CLOCK_REALTIME, &now) == 0);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The first trips wait for the consumer to join its group, and the first outcome events for what
 * the producer asks the broker once. */
static void warm_up(const struct process *process, struct watch *watch,
                    const struct bench_trips *trips)
{
    char name[BENCH_TRIP_ID_SIZE];
    (void)snprintf(name, sizeof(name), "warm-%s", trips->name);
    const struct bench_trips first = {.name = name, .count = WARM_UP_TRIPS};
    bench_send(process->kafka, watch->how->partitions, &first);
    (void)await_done(process, watch, first.count);
}

/* Processor time up to now: taken away at first, added in the end. */
static void cpu_take(const struct process *process, const struct bench_farebox_how *how,
                     struct bench_farebox_result *result, int sign)
{
    result->cpu_us += sign * bench_cpu_us(process->child.pid);
    bench_threads_add(&result->threads, process->child.pid, sign);
    if (how->rows.server != NULL) {
        result->server_us += sign * bench_cpu_us(how->rows.server->pid);
    }
    if (how->pg != NULL) {
        result->pg_us += sign * bench_cpu_us(how->pg->child.pid);
    }
}

struct bench_farebox_result bench_farebox_run(const struct bench_farebox_how *how,
                                              const struct bench_trips *trips)
{
    struct bench_farebox_result result = {0};
    struct watch warm = {.how = how};
    struct watch watch = {.how = how};
    struct process process;
    process_start(&process, how);
    warm_up(&process, &warm, trips);
    int64_t since_ms = now_ms();
    result.rss_idle_kib = bench_rss_kib(process.child.pid);
    cpu_take(&process, how, &result, -1);
    bench_send(process.kafka, how->partitions, trips);
    const char *metrics = await_done(&process, &watch, WARM_UP_TRIPS + trips->count);
    cpu_take(&process, how, &result, 1);
    result.units_per_batch =
        bench_request_metric(metrics, "farebox_store_units_total") /
        bench_request_metric(metrics, "farebox_store_batches_total{outcome=\"committed\"}");
    result.rss_peak_kib = bench_rss_peak_kib(process.child.pid);
    result.elapsed_us = elapsed_us(how, since_ms);
    result.connections_peak = watch.connections_peak;
    result.in_flight_peak = watch.in_flight_peak;
    check_completed(&process, how, trips);
    if (how->pg != NULL) {
        bench_fakepg_check(how->pg, WARM_UP_TRIPS + trips->count);
    }
    process_stop(&process);
    return result;
}
