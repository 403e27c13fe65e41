/* bench_sim - simulator seeds a second on one core, and what a snapshot of a world costs. */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SEEDS     1000
#define SNAPSHOTS 1000000

static double now_s(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static struct sim *open_world(const struct world_limits *limits, bool all_faults)
{
    const struct world_options options = {.all_faults = all_faults};
    char error[256];
    struct sim *sim = world_open(limits, &options, error, sizeof(error));

    if (sim == NULL) {
        fprintf(stderr, "bench_sim: %s\n", error);
        exit(2);
    }
    return sim;
}

static void run_seed(struct sim *sim, uint64_t seed)
{
    world_start(sim, seed);
    while (world_step(sim)) {
    }
    if (world_violation(sim).law != NULL) {
        fprintf(stderr, "bench_sim: seed %llu: %s\n", (unsigned long long)seed,
                world_violation(sim).law);
        exit(1);
    }
}

static void bench_seeds(const char *name, bool all_faults)
{
    const struct world_limits limits = {.trips = 20, .instances = 3, .partitions = 3};
    struct sim *sim = open_world(&limits, all_faults);
    double from_s = now_s();

    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        run_seed(sim, seed);
    }
    printf("seeds of 20 trips and 3 instances, %s: %.0f seeds/s on one core\n", name,
           SEEDS / (now_s() - from_s));
    world_close(sim);
}

static void bench_snapshot(void)
{
    const struct world_limits limits = {.trips = 2, .instances = 3, .partitions = 1, .tight = 1};
    struct sim *sim = open_world(&limits, false);
    size_t size = world_size(&limits);
    char *bytes = malloc(size);
    unsigned sum = 0;

    if (bytes == NULL) {
        fprintf(stderr, "bench_sim: no memory\n");
        exit(2);
    }
    world_start(sim, 1);
    for (int step = 0; step < 100 && world_step(sim); step++) {
    }
    double from_s = now_s();
    for (int i = 0; i < SNAPSHOTS; i++) {
        world_snapshot(sim, bytes);
        sum += (unsigned char)bytes[(size_t)i % size];
    }
    printf("snapshot of 2 trips and 3 instances: %zu bytes, %.0f ns (%u)\n", size,
           (now_s() - from_s) * 1e9 / SNAPSHOTS, sum % 10);
    free(bytes);
    world_close(sim);
}

int main(void)
{
    bench_seeds("every fault on", true);
    bench_seeds("each seed its own faults", false);
    bench_snapshot();
    return 0;
}
