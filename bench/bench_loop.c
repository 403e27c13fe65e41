#include "bench_loop.h"

#include "bench_cpu.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

/* An aborted or unknown batch is sent again, as the engine does. */
#define TRIES_MAX 100

struct lane {
    pthread_t thread;
    struct store *store;
    const struct bench_plan *plan;
    pthread_barrier_t *start;
};

static void batch_run(struct store *store, const struct bench_batch *made)
{
    static _Thread_local struct unit_result results[STORE_BATCH_MAX];
    const struct store_batch batch = {
        .units = made->units, .results = results, .count = made->count, .texts = made->texts};
    int tries = 0;
    while (store->ops->submit(store, &batch) != BATCH_COMMITTED) {
        if (++tries == TRIES_MAX) {
            fprintf(stderr, "bench: a batch does not commit\n");
            exit(1);
        }
    }
    for (uint32_t i = 0; i < made->count; i++) {
        if (results[i].verdict != UNIT_APPLIED) {
            fprintf(stderr, "bench: a unit is not applied (kind %d, verdict %d)\n",
                    made->units[i].kind, results[i].verdict);
            exit(1);
        }
    }
}

static void *lane_run(void *argument)
{
    struct lane *lane = argument;
    (void)pthread_barrier_wait(lane->start);
    for (uint32_t i = 0; i < lane->plan->count; i++) {
        batch_run(lane->store, &lane->plan->batches[i]);
    }
    return NULL;
}

int64_t bench_loop_run(struct store *const *stores, const struct bench_plan *plans, uint32_t lanes)
{
    struct lane all[BENCH_LANES_MAX];
    pthread_barrier_t start;
    invariant(lanes > 0 && lanes <= BENCH_LANES_MAX);
    invariant(pthread_barrier_init(&start, NULL, lanes + 1) == 0);
    for (uint32_t i = 0; i < lanes; i++) {
        all[i] = (struct lane){.store = stores[i], .plan = &plans[i], .start = &start};
        invariant(pthread_create(&all[i].thread, NULL, lane_run, &all[i]) == 0);
    }
    (void)pthread_barrier_wait(&start);
    int64_t start_us = bench_clock_us();
    for (uint32_t i = 0; i < lanes; i++) {
        (void)pthread_join(all[i].thread, NULL);
    }
    (void)pthread_barrier_destroy(&start);
    return bench_clock_us() - start_us;
}
