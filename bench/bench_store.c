/*
 * bench_store - payments a second on a MariaDB server of its own, and what one costs.
 *
 *   (a) a bare loop on the store port: exactly Farebox's statements, in batches
 *   (b) the same loop, but each unit commits alone
 *   (c) the real farebox process, with its own broker, upstreams and PG
 *
 * In each round all of them run, one after the other, so that a busy machine is busy for all; with
 * few and with many rows in the tables in turn, now this first, now that.
 * docs/performance.md says what the figures mean.
 */
#include "bench_cpu.h"
#include "bench_db.h"
#include "bench_farebox.h"
#include "bench_loop.h"
#include "bench_numbers.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS_SMALL 10000
#define PARTITIONS 4
#define SIZES_MAX  2
/* The embedded broker keeps 5 MiB of a partition: more trips may be gone before they are read. */
#define TRIPS_MAX 60000
#define SKIPPED   77 /* ctest's SKIP_RETURN_CODE */

struct options {
    uint32_t trips;
    uint32_t alone; /* trips of (b) */
    uint32_t rounds;
    uint32_t lanes;
    uint32_t batch;
    uint32_t rows;      /* of the second, larger database; 0: none */
    int64_t linger_ms;  /* of (c); -1: farebox's default */
    uint32_t in_flight; /* of (c); 0: farebox's default */
    struct bench_db_how db;
};

enum kind { BATCHED, ALONE, FAREBOX, KIND_COUNT };
static const char *const kind_names[KIND_COUNT] = {"(a) bare loop, batches", "(b) each unit alone",
                                                   "(c) farebox"};

/* What one run gave; microseconds are processor time for each payment. */
struct figures {
    double rate;
    double client_us; /* this process, or farebox */
    double server_us;
    double rss_mib;
    double units_per_batch;
};

struct results {
    uint32_t rows;
    struct figures of[KIND_COUNT][BENCH_ROUNDS_MAX];
    struct bench_threads threads; /* of farebox, all rounds together */
};

static const char usage[] =
    "bench_store [--trips N] [--alone N] [--rounds N] [--lanes N] [--batch N] [--linger MS]\n"
    "            [--in-flight N] [--rows N] [--pool MIB] [--large-pages]\n"
    "  --trips   payments of each run of (a) and (c), 20000\n"
    "  --alone   payments of each run of (b), 1000\n"
    "  --rounds  how often each of them runs, 5; medians are printed\n"
    "  --lanes   connections, 2\n"
    "  --batch   units in a batch at most, 256\n"
    "  --linger  milliseconds that farebox's batches wait, farebox's default\n"
    "  --in-flight  payments that farebox works on at most, farebox's default\n"
    "  --rows    also with so many payments in the tables, as with 10000\n"
    "  --pool    the server's buffer pool, 6144; its redo log has a third of that\n"
    "  --large-pages  the buffer pool is in huge pages, which the machine must have set aside\n";

static void die(const char *text)
{
    fprintf(stderr, "%s", text);
    exit(2);
}

static struct options options_read(int argc, char **argv)
{
    static const struct option names[] = {
        {"trips", 1, NULL, 't'},       {"alone", 1, NULL, 'a'}, {"rounds", 1, NULL, 'n'},
        {"lanes", 1, NULL, 'l'},       {"batch", 1, NULL, 'b'}, {"linger", 1, NULL, 'w'},
        {"in-flight", 1, NULL, 'i'},   {"rows", 1, NULL, 'r'},  {"pool", 1, NULL, 'p'},
        {"large-pages", 0, NULL, 'g'}, {"help", 0, NULL, 'h'},  {NULL, 0, NULL, 0}};
    struct options o = {
        .trips = 20000, .alone = 1000, .rounds = 5, .lanes = 2, .batch = 256, .linger_ms = -1};
    int option;
    while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
        switch (option) {
        case 't':
            o.trips = bench_number(optarg, BENCH_LANES_MAX, TRIPS_MAX);
            break;
        case 'a':
            o.alone = bench_number(optarg, BENCH_LANES_MAX, 200000);
            break;
        case 'n':
            o.rounds = bench_number(optarg, 1, BENCH_ROUNDS_MAX);
            break;
        case 'l':
            o.lanes = bench_number(optarg, 1, BENCH_LANES_MAX);
            break;
        case 'b':
            o.batch = bench_number(optarg, 3, STORE_BATCH_MAX);
            break;
        case 'w':
            o.linger_ms = bench_number(optarg, 0, 1000);
            break;
        case 'i':
            o.in_flight = bench_number(optarg, 2, 65536);
            break;
        case 'r':
            o.rows = bench_number(optarg, 1, 100000000);
            break;
        case 'p':
            o.db.pool_mib = bench_number(optarg, 64, 1048576);
            break;
        case 'g':
            o.db.large_pages = true;
            break;
        default:
            die(usage);
        }
    }
    return o;
}

/* Trip ids that no run has used before. */
static void name_next(char name[BENCH_TRIP_ID_SIZE])
{
    static unsigned count;
    (void)snprintf(name, BENCH_TRIP_ID_SIZE, "run%u", ++count);
}

static struct figures loop_measure(const struct mariadb_server *server, const char *database,
                                   const struct options *o, uint32_t trips, uint32_t batch)
{
    struct store *stores[BENCH_LANES_MAX];
    struct bench_plan plans[BENCH_LANES_MAX];
    uint32_t each = trips / o->lanes;
    for (uint32_t i = 0; i < o->lanes; i++) {
        char name[BENCH_TRIP_ID_SIZE];
        name_next(name);
        const struct bench_trips some = {.name = name, .count = each};
        plans[i] = bench_plan_make(&some, batch);
        stores[i] = bench_db_connect(server, database);
    }
    int64_t client_us = bench_cpu_us(0);
    int64_t server_us = bench_cpu_us(server->pid);
    int64_t elapsed_us = bench_loop_run(stores, plans, o->lanes);
    client_us = bench_cpu_us(0) - client_us;
    server_us = bench_cpu_us(server->pid) - server_us;
    for (uint32_t i = 0; i < o->lanes; i++) {
        bench_plan_clear(&plans[i]);
        stores[i]->ops->close(stores[i]);
    }
    double count = (double)each * o->lanes;
    return (struct figures){.rate = count * 1e6 / (double)elapsed_us,
                            .client_us = (double)client_us / count,
                            .server_us = (double)server_us / count};
}

static struct figures farebox_measure(const struct mariadb_server *server, const char *database,
                                      const struct options *o, struct bench_threads *threads)
{
    char name[BENCH_TRIP_ID_SIZE];
    name_next(name);
    const struct bench_trips trips = {.name = name, .count = o->trips};
    const struct bench_farebox_how how = {.binary = FAREBOX_BINARY,
                                          .rows = {.server = server, .database = database},
                                          .partitions = PARTITIONS,
                                          .lanes = o->lanes,
                                          .batch_max = o->batch,
                                          .linger_ms = o->linger_ms,
                                          .in_flight = o->in_flight};
    struct bench_farebox_result result = bench_farebox_run(&how, &trips);
    double count = o->trips;
    for (uint32_t i = 0; i < result.threads.count; i++) {
        bench_threads_count(threads, result.threads.of[i].name, result.threads.of[i].us);
    }
    return (struct figures){.rate = count * 1e6 / (double)result.elapsed_us,
                            .client_us = (double)result.cpu_us / count,
                            .server_us = (double)result.server_us / count,
                            .rss_mib = (double)result.rss_peak_kib / 1024,
                            .units_per_batch = result.units_per_batch};
}

static struct figures measure(const struct mariadb_server *server, const char *database,
                              const struct options *o, enum kind kind,
                              struct bench_threads *threads)
{
    switch (kind) {
    case BATCHED:
        return loop_measure(server, database, o, o->trips, o->batch);
    case ALONE:
        return loop_measure(server, database, o, o->alone, 1);
    case FAREBOX:
    case KIND_COUNT:
        break;
    }
    return farebox_measure(server, database, o, threads);
}

/* A small database (`large` is NULL) is made anew for each run, for it would soon be no small one
 * any more. */
static void kind_run(const struct mariadb_server *server, const struct options *o,
                     struct results *results, const char *large, enum kind kind, uint32_t round)
{
    char name[BENCH_DATABASE_SIZE];
    const char *database = large;
    if (large == NULL) {
        bench_db_fill(server, results->rows, name);
        database = name;
    }
    bench_db_settle(server);
    struct figures *f = &results->of[kind][round];
    *f = measure(server, database, o, kind, &results->threads);
    printf("  round %" PRIu32 ", %8" PRIu32 " rows, %-23s %8.0f/s  %6.1f + %6.1f us\n", round + 1,
           results->rows, kind_names[kind], f->rate, f->client_us, f->server_us);
    (void)fflush(stdout);
    if (large == NULL) {
        bench_db_drop(server, name);
    }
}

/* What is compared is measured side by side; who is first changes from round to round, and from
 * kind to kind. */
static void round_run(const struct mariadb_server *server, const struct options *o,
                      struct results results[SIZES_MAX], const char *large, uint32_t round)
{
    static const enum kind kinds[KIND_COUNT] = {BATCHED, FAREBOX, ALONE};
    for (uint32_t i = 0; i < KIND_COUNT; i++) {
        bool large_first = (round + i) % 2 == 1;
        if (large != NULL && large_first) {
            kind_run(server, o, &results[1], large, kinds[i], round);
        }
        kind_run(server, o, &results[0], NULL, kinds[i], round);
        if (large != NULL && !large_first) {
            kind_run(server, o, &results[1], large, kinds[i], round);
        }
    }
}

/* Of what `get` takes from each round. */
static double median_of(const struct figures *figures, uint32_t rounds,
                        double (*get)(const struct figures *))
{
    double values[BENCH_ROUNDS_MAX];
    for (uint32_t i = 0; i < rounds; i++) {
        values[i] = get(&figures[i]);
    }
    return bench_median(values, rounds);
}

static double rate_of(const struct figures *figures)
{
    return figures->rate;
}

static double client_of(const struct figures *figures)
{
    return figures->client_us;
}

static double server_of(const struct figures *figures)
{
    return figures->server_us;
}

static double cost_of(const struct figures *figures)
{
    return figures->client_us + figures->server_us;
}

static double rss_of(const struct figures *figures)
{
    return figures->rss_mib;
}

static double batch_of(const struct figures *figures)
{
    return figures->units_per_batch;
}

/* Round by round, so that both had the same machine. */
static void ratios(const struct figures *of, const struct figures *to, uint32_t rounds,
                   double (*get)(const struct figures *), double values[BENCH_ROUNDS_MAX])
{
    for (uint32_t i = 0; i < rounds; i++) {
        values[i] = get(&of[i]) / get(&to[i]);
    }
}

/* The median of the rounds' ratios, and between which two the middle half of them are. */
static void ratio_print(const struct figures *of, const struct figures *to, uint32_t rounds,
                        double (*get)(const struct figures *))
{
    double values[BENCH_ROUNDS_MAX];
    double lower = 0;
    double upper = 0;
    ratios(of, to, rounds, get, values);
    bench_quartiles(values, rounds, &lower, &upper);
    printf("%.2f (%.2f to %.2f)", bench_median(values, rounds), lower, upper);
}

static void results_print(const struct results *results, uint32_t rounds)
{
    const struct figures *a = results->of[BATCHED];
    const struct figures *b = results->of[ALONE];
    const struct figures *c = results->of[FAREBOX];
    printf("\n%" PRIu32 " payments in the tables; medians\n", results->rows);
    printf("  %-23s %11s %13s %13s %10s\n", "", "payments/s", "client CPU us", "server CPU us",
           "together");
    for (int kind = 0; kind < KIND_COUNT; kind++) {
        const struct figures *f = results->of[kind];
        printf("  %-23s %11.0f %13.1f %13.1f %10.1f\n", kind_names[kind],
               median_of(f, rounds, rate_of), median_of(f, rounds, client_of),
               median_of(f, rounds, server_of), median_of(f, rounds, cost_of));
    }
    printf("  (c) is ");
    ratio_print(c, a, rounds, rate_of);
    printf(" of (a), and ");
    ratio_print(c, b, rounds, rate_of);
    printf(" times (b); it costs ");
    ratio_print(c, a, rounds, cost_of);
    printf(" times (a)\n");
    printf("  farebox had %.0f MiB of memory at most, and %.0f units in a batch\n",
           median_of(c, rounds, rss_of), median_of(c, rounds, batch_of));
}

/* Only threads that can be seen in the second digit. */
static void threads_print(const struct results *results, const struct options *o)
{
    double payments = (double)o->trips * o->rounds;
    printf("  its threads, CPU us a payment:");
    for (uint32_t i = 0; i < results->threads.count; i++) {
        double us = (double)results->threads.of[i].us / payments;
        if (us >= 0.1) {
            printf(" %s %.1f", results->threads.of[i].name, us);
        }
    }
    printf("\n");
}

static void flatness_print(const struct results *small, const struct results *large,
                           uint32_t rounds)
{
    printf("\nA payment with %" PRIu32 " in the tables against one with %" PRIu32
           " (processor time of both processes, and rate;"
           " in brackets where the middle half of the rounds are)\n",
           large->rows, small->rows);
    for (int kind = 0; kind < KIND_COUNT; kind++) {
        printf("  %-23s ", kind_names[kind]);
        ratio_print(large->of[kind], small->of[kind], rounds, cost_of);
        printf(" x the cost, ");
        ratio_print(large->of[kind], small->of[kind], rounds, rate_of);
        printf(" x the rate\n");
    }
}

int main(int argc, char **argv)
{
    static struct mariadb_server server;
    static struct results results[SIZES_MAX];
    const struct options o = options_read(argc, argv);
    char large[BENCH_DATABASE_SIZE];
    if (!mariadb_server_is_there()) {
        return SKIPPED;
    }
    bench_db_open(&server, &o.db);
    printf("%" PRIu32 " connections, batches of %" PRIu32 " units, %" PRIu32
           " payments a run, %" PRIu32 " rounds\n",
           o.lanes, o.batch, o.trips, o.rounds);
    bench_db_print(&server);
    results[0].rows = ROWS_SMALL;
    results[1].rows = o.rows;
    if (o.rows > 0) {
        int64_t start_us = bench_clock_us();
        bench_db_fill(&server, o.rows, large);
        printf("  %" PRIu32 " rows were made in %.0f s\n", o.rows,
               (double)(bench_clock_us() - start_us) / 1e6);
    }
    for (uint32_t round = 0; round < o.rounds; round++) {
        round_run(&server, &o, results, o.rows > 0 ? large : NULL, round);
    }
    results_print(&results[0], o.rounds);
    threads_print(&results[0], &o);
    if (o.rows > 0) {
        results_print(&results[1], o.rounds);
        threads_print(&results[1], &o);
        flatness_print(&results[0], &results[1], o.rounds);
    }
    return 0;
}
