/* run_internal.h - what the runner's files share. */
#ifndef FAREBOX_RUN_INTERNAL_H
#define FAREBOX_RUN_INTERNAL_H

#include "run.h"

#define RUN_JOBS_MAX 64
#define LAW_SIZE     160

/* One child's page of the shared memory. */
struct job {
    uint64_t seed; /* the one that runs now */
    uint64_t done;
    uint64_t hash[2];
    struct world_stats stats;
    struct {
        int32_t found;
        uint32_t trip;
        char law[LAW_SIZE];
    } violation;
};

/* Runs one seed to its end. False: a violation. */
bool run_world(struct sim *sim, uint64_t seed);

/* summary.c */
void summary_print(const struct run_options *options, const struct job *sum, double seconds);
void summary_violation(const struct run_options *options, const struct job *job, int signal);

#endif
