/*
 * bench_farebox.h - a real farebox process that pays for trips that wait in a broker.
 *
 * Broker, pricing, users and PG are farebox's own, in its process: the embedded broker, and the
 * fakes without delay, the PG's ledger in memory (/dev/shm). So its processor time is theirs, too.
 * The trips are in the broker before farebox's consumer has joined its group, which takes 3 s.
 * Whatever goes wrong ends the program.
 */
#ifndef FAREBOX_BENCH_FAREBOX_H
#define FAREBOX_BENCH_FAREBOX_H

#include "bench_units.h"
#include "mariadb_server.h"

struct bench_farebox_how {
    const char *binary; /* path of the farebox program */
    const struct mariadb_server *server;
    const char *database;
    uint32_t lanes;
    uint32_t batch_max;
    int64_t linger_ms; /* -1: farebox's default */
};

struct bench_farebox_result {
    int64_t elapsed_us; /* from the first claim to the last DONE, by the server's clock */
    int64_t cpu_us;     /* of farebox */
    int64_t server_us;
    int64_t rss_peak_kib;
};

/* Sends the trips, starts farebox, waits until every outcome event is DONE, ends farebox. */
struct bench_farebox_result bench_farebox_run(const struct bench_farebox_how *how,
                                              const struct bench_trips *trips);

#endif
