/*
 * bench_loop.h - a bare loop on the store port: threads that submit batches made beforehand.
 */
#ifndef FAREBOX_BENCH_LOOP_H
#define FAREBOX_BENCH_LOOP_H

#include "bench_units.h"

#include <stdint.h>

#define BENCH_LANES_MAX 16

/* Each plan is submitted by a thread of its own to its own store. Returns the microseconds from
 * the first batch to the last commit; ends the program where a unit is not applied. */
int64_t bench_loop_run(struct store *const *stores, const struct bench_plan *plans, uint32_t lanes);

#endif
