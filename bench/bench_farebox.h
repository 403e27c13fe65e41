/*
 * bench_farebox.h - a real farebox process that pays for trips that wait in a broker.
 *
 * The broker is farebox's own, in its process: so its processor time and memory are that's, too.
 * So are pricing, users and PG, without delay, the PG's ledger in memory (/dev/shm), unless they
 * are a farebox-fakepg over HTTP. The trips are in the broker before farebox's consumer has joined
 * its group, which takes 3 s. Whatever goes wrong ends the program, also a trip that is not paid.
 */
#ifndef FAREBOX_BENCH_FAREBOX_H
#define FAREBOX_BENCH_FAREBOX_H

#include "bench_fakepg.h"
#include "bench_rows.h"
#include "bench_threads.h"
#include "bench_units.h"

struct bench_farebox_how {
    const char *binary; /* path of the farebox program */
    struct bench_rows rows;
    uint32_t lanes;
    uint32_t batch_max;
    uint32_t partitions;
    int64_t linger_ms;  /* -1: farebox's default */
    uint32_t in_flight; /* 0: farebox's default */
    /* NULL: the PG is in farebox's process. */
    const struct bench_fakepg *pg;
    uint32_t connections; /* to the PG, at most */
    bool upstreams_http;  /* pricing and users are in `pg`, too */
    /* Charges in flight are counted, and once there are so many the PG answers without delay; 0:
     * they are not, as counting costs the store time. */
    uint32_t hurry_at;
};

struct bench_farebox_result {
    int64_t elapsed_us;           /* from the first claim to the last DONE, by the store's clock */
    int64_t cpu_us;               /* of farebox */
    struct bench_threads threads; /* the same, thread by thread */
    int64_t server_us;            /* of MariaDB; 0: SQLite, which is in farebox */
    int64_t pg_us;                /* of farebox-fakepg */
    int64_t rss_idle_kib;
    int64_t rss_peak_kib;
    uint32_t connections_peak; /* to farebox-fakepg */
    uint32_t in_flight_peak;   /* payments PROCESSING in the store */
    double units_per_batch;    /* since the start of the process */
};

/* Sends the trips, starts farebox, waits until every outcome event is DONE and checks that each
 * trip is COMPLETED, ends farebox. */
struct bench_farebox_result bench_farebox_run(const struct bench_farebox_how *how,
                                              const struct bench_trips *trips);

#endif
