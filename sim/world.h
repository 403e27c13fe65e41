/*
 * world.h - a seeded world: several Farebox instances on the one engine, a store, a broker, a PG,
 * upstreams, and virtual time.
 *
 *   world_open(sim, limits, options)   memory, stores
 *   world_start(sim, seed)             draws which faults are on, and begins
 *   world_step(sim)                    one thing happens: false at the end, or at a violation
 *
 * Everything that the world knows is in one block of plain memory without pointers: on the model
 * store a copy of the block is a snapshot (world_snapshot, world_restore). Handles, scratch memory
 * and statistics live in struct sim beside it. Every decision is drawn through choices.h.
 *
 * Threads: one. Only world_open allocates. Units: ms of virtual time, Unix epoch.
 */
#ifndef FAREBOX_WORLD_H
#define FAREBOX_WORLD_H

#include "choices.h"
#include "world_fault.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define WORLD_INSTANCES_MAX 8
#define WORLD_TRIPS_MAX     200
#define WORLD_TRIP_NONE     UINT32_MAX

struct world_limits {
    uint32_t trips;      /* 1 to WORLD_TRIPS_MAX */
    uint32_t instances;  /* 1 to WORLD_INSTANCES_MAX */
    uint32_t partitions; /* of each topic, 1 to 8 */
    /* 1: tables as small as two trips without dead letters need, so that a snapshot is small, for
     * whoever explores many; the faults that make dead letters are off. Else 0. */
    uint32_t tight;
};

enum world_store { WORLD_STORE_MODEL, WORLD_STORE_SQLITE };

struct world_options {
    enum world_store store;
    const char *sqlite_dir; /* an existing private folder, for WORLD_STORE_SQLITE */
    bool calm;              /* no fault at all: the walking skeleton's story */
    bool all_faults;        /* every fault on in every seed, instead of a draw */
};

/* What a run showed. Counted beside the world: no part of its state, nothing depends on it. */
struct world_stats {
    uint64_t steps;
    uint64_t trips;
    uint64_t records;
    uint64_t faults[WORLD_FAULT_COUNT];
    uint64_t phases[32];    /* steps that left a payment in this phase */
    uint64_t statuses[8];   /* payments at the end, by enum payment_status */
    uint64_t operators[16]; /* rows left to an operator, by enum payment_reason */
    uint64_t dead_letters;  /* trips that ended as a dead letter */
    uint64_t simulated_ms;
};

/* The first law that did not hold. */
struct world_violation {
    const char *law; /* NULL: none */
    uint32_t trip;   /* WORLD_TRIP_NONE: of no trip */
};

struct sim;

/* Bytes of a world's block: what a snapshot copies. */
size_t world_size(const struct world_limits *limits);

/* NULL, and a message in `error`: no memory, or the SQLite file can't be opened. */
struct sim *world_open(const struct world_limits *limits, const struct world_options *options,
                       char *error, size_t error_size);
void world_close(struct sim *sim);

/* Begins anew. */
void world_start(struct sim *sim, uint64_t seed);

/*
 * One thing happens. False: the world has ended (all is settled and judged), or a law is broken
 * (world_violation).
 */
bool world_step(struct sim *sim);

/* The law that ended the world, and of which trip; `law` is NULL where all hold. */
struct world_violation world_violation(const struct sim *sim);
/* Of this run, whole once it has ended. Valid until the next world_start(). */
const struct world_stats *world_stats(const struct sim *sim);
/* Adds all counts of `more`. */
void world_stats_add(struct world_stats *sum, const struct world_stats *more);
/* Virtual time, Unix ms: the store's clock. */
int64_t world_now_ms(const struct sim *sim);
/* XXH3's 128 bits over everything that happened so far. */
void world_hash(const struct sim *sim, uint64_t hash[2]);

/* The next world_start() decides by this list instead of by its seed; NULL: by the seed. */
void world_script(struct sim *sim, const uint32_t *choices, size_t count);
/* Keeps what the next world_start() and its steps choose. Returns how many were kept so far. */
void world_record(struct sim *sim, uint32_t *choices, size_t max);
size_t world_recorded(const struct sim *sim);

/* Writes what happens as text, one line an event; `trip`: of this one only, WORLD_TRIP_NONE: all.
 * NULL: silent. */
void world_trace(struct sim *sim, FILE *out, uint32_t trip);

/* Copies the world's block; `bytes` has world_size() of them. Model store only. */
void world_snapshot(const struct sim *sim, void *bytes);
void world_restore(struct sim *sim, const void *bytes);

#endif
