/* first cut */
#include "bench_cpu.h"
#include "bench_db.h"
#include "bench_farebox.h"
#include "bench_loop.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    uint32_t lanes = argc > 1 ? (uint32_t)atoi(argv[1]) : 2;
    uint32_t batch = argc > 2 ? (uint32_t)atoi(argv[2]) : 256;
    uint32_t trips = argc > 3 ? (uint32_t)atoi(argv[3]) : 20000;
    int rounds = argc > 4 ? atoi(argv[4]) : 3;
    uint32_t rows = argc > 5 ? (uint32_t)atoi(argv[5]) : 10000;
    static struct mariadb_server server;
    bench_db_open(&server);
    bench_db_print(&server);
    char name[BENCH_DATABASE_SIZE];
    int64_t t=bench_clock_us();
    bench_db_fill(&server, rows, name);
    printf("filled in %ld ms\n", (bench_clock_us()-t)/1000);fflush(stdout);
    for (int r = 0; r < rounds; r++) {
        struct store *stores[16];
        struct bench_plan plans[16];
        for (uint32_t i = 0; i < lanes; i++) {
            char n[40];
            snprintf(n, 40, "t%d-%u", r, i);
            struct bench_trips tr = {.name = n, .first = 0, .count = trips / lanes};
            plans[i] = bench_plan_make(&tr, batch);
            stores[i] = bench_db_connect(&server, name);
        }
        int64_t c0 = bench_cpu_us(0), s0 = bench_cpu_us(server.pid);
        int64_t us = bench_loop_run(stores, plans, lanes);
        int64_t c1 = bench_cpu_us(0), s1 = bench_cpu_us(server.pid);
        double n = trips;
        printf("%.0f/s  client %.1f us  server %.1f us  total %.1f\n", n * 1e6 / (double)us, (double)(c1 - c0) / n,
               (double)(s1 - s0) / n, (double)(c1 - c0 + s1 - s0) / n);
        fflush(stdout);
        for (uint32_t i = 0; i < lanes; i++) {
            bench_plan_clear(&plans[i]);
            stores[i]->ops->close(stores[i]);
        }
        char fn[40];
        snprintf(fn, 40, "f%d", r);
        struct bench_trips tr = {.name = fn, .count = trips};
        struct bench_farebox_how how = {.binary = FAREBOX_BINARY, .server = &server, .database = name, .lanes = lanes, .batch_max = batch, .linger_ms = -1};
        struct bench_farebox_result res = bench_farebox_run(&how, &tr);
        printf("c: %.0f/s farebox %.1f server %.1f total %.1f us, %ld KiB\n", n * 1e6 / (double)res.elapsed_us, (double)res.cpu_us/n, (double)res.server_us/n, (double)(res.cpu_us+res.server_us)/n, res.rss_peak_kib);
    }
    return 0;
}
