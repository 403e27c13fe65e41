/*
 * run.h - runs many seeds in child processes, and tells what came of them.
 *
 * A child dies where core's invariants end it, so seeds run in children and their parent reports:
 * the law or the signal, the history of that trip, and the command that replays it.
 */
#ifndef FAREBOX_RUN_H
#define FAREBOX_RUN_H

#include "world.h"

struct run_options {
    struct world_limits limits;
    struct world_options world;
    uint64_t first_seed;
    uint64_t seeds;
    uint32_t jobs;
    bool trace;      /* write each seed's history */
    bool print_hash; /* write each seed's hash */
    bool quiet;      /* no progress, no summary */
};

/* 0: every law held. 1: a violation, told on stdout. 2: it could not run. 130: interrupted. */
int run_seeds(const struct run_options *options);

/* Runs one list of choices and writes its history. The same results. */
int run_choices(const struct run_options *options, const uint32_t *choices, size_t count);

/* The story of one approved trip, step by step. */
int run_trip(void);

#endif
