/*
 * bench_http - what it costs Farebox to pay over HTTP.
 *
 * The real farebox process pays for trips on one store: with everything in its process, with a
 * farebox-fakepg as its PG, and with that as pricing and users, too; then with a PG that takes half
 * a second for each answer. In each round all of them run, one after the other. Then as many
 * charges as --in-flight says are in flight at once, and their memory is told.
 *
 * Each run is checked: every trip COMPLETED, every order approved exactly once at the PG.
 * docs/performance.md says what the figures mean.
 */
#include "bench_cpu.h"
#include "bench_db.h"
#include "bench_farebox.h"
#include "bench_numbers.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define ROWS       10000 /* payments that are in the tables before */
#define PARTITIONS 8     /* a partition has 4,096 trips in work at most */
#define BATCH_MAX  256
#define LIMITS     2
#define SKIPPED    77 /* ctest's SKIP_RETURN_CODE */
/* Connections besides those to the PG: of upstreams, of the bench itself, and files. */
#define UPSTREAM_CONNECTIONS 128
#define OTHER_FILES          400
/* A run with a slow PG has trips for so many seconds at most. */
#define SLOW_RUN_S 6
/* Without many in flight. */
#define FEW_IN_FLIGHT 256
/* Charges a second that the PG answers while many are to gather, at most: trips come faster. */
#define DRAIN_RATE 512

struct options {
    uint32_t trips;
    uint32_t rounds;
    uint32_t lanes;
    uint32_t delay_ms;
    uint32_t connections[LIMITS]; /* 0: there is no such run */
    uint32_t in_flight;           /* 0: memory is not measured */
    bool is_sqlite;
};

enum figure { RATE, FAREBOX_US, PG_US, STORE_US, CONNECTIONS, RSS_MIB, FIGURE_COUNT };

enum kind { IN_PROCESS, PG_HTTP, ALL_HTTP, SLOW, KIND_COUNT = SLOW + LIMITS };

struct results {
    char names[KIND_COUNT][60];
    double of[KIND_COUNT][FIGURE_COUNT][BENCH_ROUNDS_MAX];
};

static const char usage[] =
    "bench_http [--trips N] [--rounds N] [--lanes N] [--delay MS] [--connections N]\n"
    "           [--more-connections N] [--in-flight N] [--sqlite]\n"
    "  --trips             payments of each run, 12000; of slow runs perhaps fewer\n"
    "  --rounds            how often each of them runs, 3; medians are printed\n"
    "  --lanes             connections to the store, 2\n"
    "  --delay             milliseconds until the slow PG answers, 500\n"
    "  --connections       connections to the PG at most, 256\n"
    "  --more-connections  the slow PG also with so many, 2000; 0: not\n"
    "  --in-flight         charges in flight whose memory is measured, 20000; 0: not\n"
    "  --sqlite            on SQLite instead of MariaDB\n";

static struct options options_read(int argc, char **argv)
{
    static const struct option names[] = {
        {"trips", 1, NULL, 't'},       {"rounds", 1, NULL, 'n'},
        {"lanes", 1, NULL, 'l'},       {"delay", 1, NULL, 'd'},
        {"connections", 1, NULL, 'c'}, {"more-connections", 1, NULL, 'm'},
        {"in-flight", 1, NULL, 'f'},   {"sqlite", 0, NULL, 's'},
        {"help", 0, NULL, 'h'},        {NULL, 0, NULL, 0}};
    struct options o = {.trips = 12000,
                        .rounds = 3,
                        .lanes = 2,
                        .delay_ms = 500,
                        .connections = {256, 2000},
                        .in_flight = 20000};
    int option;
    while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
        switch (option) {
        case 't':
            o.trips = bench_number(optarg, 1, 200000);
            break;
        case 'n':
            o.rounds = bench_number(optarg, 1, BENCH_ROUNDS_MAX);
            break;
        case 'l':
            o.lanes = bench_number(optarg, 1, 16);
            break;
        case 'd':
            o.delay_ms = bench_number(optarg, 1, 20000);
            break;
        case 'c':
            o.connections[0] = bench_number(optarg, 1, 10000);
            break;
        case 'm':
            o.connections[1] = bench_number(optarg, 0, 10000);
            break;
        case 'f':
            o.in_flight = bench_number(optarg, 0, 25000);
            break;
        case 's':
            o.is_sqlite = true;
            break;
        default:
            fputs(usage, stderr);
            exit(2);
        }
    }
    return o;
}

/* Children inherit it. Ends the program where the machine does not allow it. */
static void files_allow(uint32_t connections)
{
    rlim_t wanted = connections + UPSTREAM_CONNECTIONS + OTHER_FILES;
    struct rlimit limit;
    invariant(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    rlim_t had = limit.rlim_max;
    limit.rlim_max = had < wanted ? wanted : had;
    limit.rlim_cur = limit.rlim_cur < wanted ? wanted : limit.rlim_cur;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
        fprintf(stderr,
                "bench_http: %" PRIu32 " connections need %" PRIu64 " open files; this machine"
                " allows %" PRIu64 " (ulimit -Hn) and no more\n",
                connections, (uint64_t)wanted, (uint64_t)had);
        exit(2);
    }
}

/* The store of one run, made anew. */
struct fresh {
    struct bench_rows rows;
    char database[BENCH_DATABASE_SIZE];
};

/* Of the run that is under way. */
static char sqlite_path[300];

static void sqlite_remove(void)
{
    static const char *const endings[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        char path[320];
        (void)snprintf(path, sizeof(path), "%s%s", sqlite_path, endings[i]);
        (void)unlink(path);
    }
}

static void fresh_make(struct fresh *fresh, const struct mariadb_server *server)
{
    static unsigned count;
    const char *folder = getenv("TMPDIR");
    fresh->rows = (struct bench_rows){
        .server = server, .database = fresh->database, .sqlite_path = sqlite_path};
    if (server != NULL) {
        bench_db_fill(server, ROWS, fresh->database);
        return;
    }
    if (count == 0) {
        invariant(atexit(sqlite_remove) == 0);
    }
    (void)snprintf(sqlite_path, sizeof(sqlite_path), "%s/farebox-bench-%d-%u.db",
                   folder == NULL ? "/tmp" : folder, (int)getpid(), ++count);
}

static void fresh_remove(const struct fresh *fresh)
{
    if (fresh->rows.server != NULL) {
        bench_db_drop(fresh->rows.server, fresh->database);
    } else {
        sqlite_remove();
    }
}

/* What differs between runs. */
struct run {
    uint32_t trips;
    bool pg_http;
    bool upstreams_http;
    uint32_t delay_ms;
    uint32_t connections;
    uint32_t in_flight; /* 0: farebox's default */
    uint32_t hurry_at;
};

static struct bench_farebox_result run_one(const struct mariadb_server *server,
                                           const struct options *o, const struct run *run)
{
    static unsigned count;
    char name[BENCH_TRIP_ID_SIZE];
    struct fresh fresh;
    struct bench_fakepg pg;
    (void)snprintf(name, sizeof(name), "run%u", ++count);
    const struct bench_trips trips = {.name = name, .count = run->trips};
    fresh_make(&fresh, server);
    if (run->pg_http) {
        bench_fakepg_start(&pg, FAKEPG_BINARY, run->delay_ms,
                           run->connections + UPSTREAM_CONNECTIONS + 8);
    }
    const struct bench_farebox_how how = {.binary = FAREBOX_BINARY,
                                          .rows = fresh.rows,
                                          .lanes = o->lanes,
                                          .batch_max = BATCH_MAX,
                                          .partitions = PARTITIONS,
                                          .linger_ms = -1,
                                          .in_flight = run->in_flight,
                                          .pg = run->pg_http ? &pg : NULL,
                                          .connections = run->connections,
                                          .upstreams_http = run->upstreams_http,
                                          .hurry_at = run->hurry_at};
    struct bench_farebox_result result = bench_farebox_run(&how, &trips);
    if (run->pg_http) {
        bench_fakepg_stop(&pg);
    }
    fresh_remove(&fresh);
    return result;
}

static bool kind_runs(const struct options *o, int kind)
{
    return kind < SLOW || o->connections[kind - SLOW] > 0;
}

static struct run run_of_kind(const struct options *o, int kind)
{
    struct run run = {.trips = o->trips,
                      .pg_http = kind != IN_PROCESS,
                      .upstreams_http = kind == ALL_HTTP,
                      .connections = o->connections[0]};
    if (kind >= SLOW) {
        run.delay_ms = o->delay_ms;
        run.connections = o->connections[kind - SLOW];
        uint64_t most = (uint64_t)run.connections * SLOW_RUN_S * 1000 / o->delay_ms;
        run.trips = most < o->trips ? (uint32_t)most + 1 : o->trips;
    }
    return run;
}

static void results_name(struct results *results, const struct options *o)
{
    for (int kind = 0; kind < KIND_COUNT; kind++) {
        const struct run run = run_of_kind(o, kind);
        (void)snprintf(results->names[kind], sizeof(results->names[kind]),
                       run.pg_http ? "%sHTTP, %" PRIu32 " ms, limit %" PRIu32 : "in process",
                       run.upstreams_http ? "all " : "", run.delay_ms, run.connections);
    }
}

static void round_run(const struct mariadb_server *server, const struct options *o,
                      struct results *results, uint32_t round)
{
    for (int kind = 0; kind < KIND_COUNT; kind++) {
        if (!kind_runs(o, kind)) {
            continue;
        }
        const struct run run = run_of_kind(o, kind);
        const struct bench_farebox_result r = run_one(server, o, &run);
        double(*of)[BENCH_ROUNDS_MAX] = results->of[kind];
        double count = run.trips;
        of[RATE][round] = count * 1e6 / (double)r.elapsed_us;
        of[FAREBOX_US][round] = (double)r.cpu_us / count;
        of[PG_US][round] = (double)r.pg_us / count;
        of[STORE_US][round] = (double)r.server_us / count;
        of[CONNECTIONS][round] = r.connections_peak;
        of[RSS_MIB][round] = (double)r.rss_peak_kib / 1024;
        printf("  round %" PRIu32 ", %-25s %7" PRIu32 " trips %7.0f/s  %6.1f + %6.1f + %6.1f us\n",
               round + 1, results->names[kind], run.trips, of[RATE][round], of[FAREBOX_US][round],
               of[PG_US][round], of[STORE_US][round]);
        (void)fflush(stdout);
    }
}

/* Round by round, so that both had the same machine. */
static double ratio(const struct results *results, int kind, enum figure figure, uint32_t rounds)
{
    double values[BENCH_ROUNDS_MAX];
    for (uint32_t i = 0; i < rounds; i++) {
        values[i] = results->of[kind][figure][i] / results->of[IN_PROCESS][figure][i];
    }
    return bench_median(values, rounds);
}

static void results_print(const struct results *results, const struct options *o)
{
    printf("\nMedians; CPU in us of a payment; connections to the PG at their peak\n");
    printf("  %-25s %10s %8s %8s %8s %6s %8s %7s %7s\n", "", "payments/s", "farebox", "fakepg",
           o->is_sqlite ? "-" : "mariadbd", "conns", "peak MiB", "rate x", "CPU x");
    for (int kind = 0; kind < KIND_COUNT; kind++) {
        double median[FIGURE_COUNT];
        if (!kind_runs(o, kind)) {
            continue;
        }
        for (int figure = 0; figure < FIGURE_COUNT; figure++) {
            median[figure] = bench_median(results->of[kind][figure], o->rounds);
        }
        printf("  %-25s %10.0f %8.1f %8.1f %8.1f %6.0f %8.0f %7.2f %7.2f\n", results->names[kind],
               median[RATE], median[FAREBOX_US], median[PG_US], median[STORE_US],
               median[CONNECTIONS], median[RSS_MIB], ratio(results, kind, RATE, o->rounds),
               ratio(results, kind, FAREBOX_US, o->rounds));
    }
    printf("  the last two: times what it is in process, rate and farebox's CPU\n");
}

/* With many connections a PG as fast as asked would leave few charges waiting for one. */
static uint32_t memory_delay_ms(const struct options *o, uint32_t connections)
{
    uint32_t least_ms = (uint32_t)((uint64_t)connections * 1000 / DRAIN_RATE);
    return least_ms > o->delay_ms ? least_ms : o->delay_ms;
}

/*
 * The same trips twice: with as many charges in flight as asked, then with few. What the trips
 * cost in farebox's own broker is in both.
 */
static void memory_print(const struct mariadb_server *server, const struct options *o)
{
    struct run run = {.trips = o->in_flight + o->in_flight / 2,
                      .pg_http = true,
                      .connections = o->connections[0],
                      .in_flight = FEW_IN_FLIGHT};
    const struct bench_farebox_result few = run_one(server, o, &run);
    printf("\nMemory of farebox, %" PRIu32 " trips; in flight: rows PROCESSING in the store\n",
           run.trips);
    printf("  %-45s %5.0f MiB idle, %5.0f MiB at most\n", "few in flight",
           (double)few.rss_idle_kib / 1024, (double)few.rss_peak_kib / 1024);
    run.in_flight = o->in_flight + o->in_flight / 10;
    run.hurry_at = o->in_flight;
    for (int i = 0; i < LIMITS && o->connections[i] > 0; i++) {
        char name[60];
        run.connections = o->connections[i];
        run.delay_ms = memory_delay_ms(o, run.connections);
        const struct bench_farebox_result many = run_one(server, o, &run);
        double more_kib = (double)(many.rss_peak_kib - few.rss_peak_kib);
        (void)snprintf(name, sizeof(name),
                       "%" PRIu32 " in flight, %" PRIu32 " connections, %" PRIu32 " ms",
                       many.in_flight_peak, many.connections_peak, run.delay_ms);
        printf("  %-45s %5.0f MiB idle, %5.0f MiB at most: %+.0f MB, %.1f KiB a charge\n", name,
               (double)many.rss_idle_kib / 1024, (double)many.rss_peak_kib / 1024,
               more_kib * 1024 / 1e6, more_kib / many.in_flight_peak);
        if (many.in_flight_peak < o->in_flight) {
            printf("  these are fewer than %" PRIu32 ": this machine takes trips too slowly\n",
                   o->in_flight);
        }
        (void)fflush(stdout);
    }
}

int main(int argc, char **argv)
{
    static struct mariadb_server opened;
    static struct results results;
    const struct options o = options_read(argc, argv);
    const struct mariadb_server *server = o.is_sqlite ? NULL : &opened;
    if (!o.is_sqlite && !mariadb_server_is_there()) {
        return SKIPPED;
    }
    files_allow(o.connections[0] > o.connections[1] ? o.connections[0] : o.connections[1]);
    printf("%" PRIu32 " trips a run, %" PRIu32 " rounds, %s\n", o.trips, o.rounds,
           o.is_sqlite ? "SQLite" : "MariaDB");
    if (!o.is_sqlite) {
        bench_db_open(&opened, &(struct bench_db_how){0});
        bench_db_print(&opened);
    }
    results_name(&results, &o);
    for (uint32_t round = 0; round < o.rounds; round++) {
        round_run(server, &o, &results, round);
    }
    results_print(&results, &o);
    if (o.in_flight > 0) {
        memory_print(server, &o);
    }
    return 0;
}
