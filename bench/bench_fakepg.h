/*
 * bench_fakepg.h - a farebox-fakepg of the bench's own, on a free port of the loopback.
 *
 * Whatever goes wrong ends the program. One thread.
 */
#ifndef FAREBOX_BENCH_FAKEPG_H
#define FAREBOX_BENCH_FAKEPG_H

#include "bench_child.h"

#include <stdint.h>

struct bench_fakepg {
    struct bench_child child;
    char url[BENCH_CHILD_WORD_SIZE];
    char key[BENCH_CHILD_WORD_SIZE]; /* secret key of its merchant */
    uint16_t port;
};

/* Serves so many connections, and answers for the PG so much later. */
void bench_fakepg_start(struct bench_fakepg *pg, const char *binary, uint32_t delay_ms,
                        uint32_t connections);

/* From now on it answers without delay. */
void bench_fakepg_hurry(const struct bench_fakepg *pg);

/* Connections to it that stand now. */
uint32_t bench_fakepg_connections(const struct bench_fakepg *pg);

/* Ends the program unless its ledger has exactly so many orders, each approved exactly once. */
void bench_fakepg_check(const struct bench_fakepg *pg, uint32_t orders);

/* SIGTERM; waits for exit status 0. */
void bench_fakepg_stop(struct bench_fakepg *pg);

#endif
