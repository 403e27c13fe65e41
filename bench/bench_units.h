/*
 * bench_units.h - the units of payments as the engine hands them to a store, made beforehand.
 *
 * Core's own machines make them (payment_step, outbox_step), so a change of core changes the
 * bench: insert and claim, COMPLETED with the outcome's row, that row DONE. In the k-th batch are
 * the claims of one group of payments, the results of the group before and the DONEs of the one
 * before that, as in an engine under load.
 *
 * Ownership: the plan owns all memory. Threads: a finished plan may be used by any one thread.
 */
#ifndef FAREBOX_BENCH_UNITS_H
#define FAREBOX_BENCH_UNITS_H

#include "store.h"

/* Of `name`, the payments `first` to `first + count - 1` are made; trip ids are "<name>-<number>".
 */
struct bench_trips {
    const char *name;
    uint32_t first;
    uint32_t count;
};

struct bench_batch {
    struct texts *texts;
    struct unit *units;
    uint32_t count;
};

struct bench_plan {
    struct bench_batch *batches;
    uint32_t count;
};

/* Batches of at most `batch_max` units; 1: each unit alone. Ends the program without memory. */
struct bench_plan bench_plan_make(const struct bench_trips *trips, uint32_t batch_max);
void bench_plan_clear(struct bench_plan *plan);

/* The parts of a trip that (c) sends as a record, too. */
#define BENCH_TRIP_ID_SIZE     64
#define BENCH_TRACEPARENT_SIZE 56
/* Of the trip with this place in `trips`. */
void bench_trip_id(const struct bench_trips *trips, uint32_t index, char id[BENCH_TRIP_ID_SIZE]);
/* One of 100,000 users. */
void bench_user_id(uint32_t index, char id[BENCH_TRIP_ID_SIZE]);
/* W3C trace context, different for each trip. */
void bench_traceparent(uint32_t index, char text[BENCH_TRACEPARENT_SIZE]);

#endif
