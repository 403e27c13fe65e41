/* The world itself: the same seed is the same history, a snapshot goes on as its original would. */
#include "world.h"

#include "payment.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define SEEDS        40
#define CHOICES_MAX  200000
#define COVERAGE_MAX 4000
#define SNAPSHOT_MAX 16384

static const struct world_limits usual = {.trips = 20, .instances = 3, .partitions = 3};
static const struct world_limits smallest = {
    .trips = 2, .instances = 3, .partitions = 1, .tight = 1};

static struct sim *open_world(const struct world_limits *limits, bool calm)
{
    const struct world_options options = {.calm = calm};
    char error[256];
    struct sim *sim = world_open(limits, &options, error, sizeof(error));

    assert_non_null(sim);
    return sim;
}

static void run_on(struct sim *sim)
{
    while (world_step(sim)) {
    }
    if (world_violation(sim).law != NULL) {
        fail_msg("violation: %s", world_violation(sim).law);
    }
}

static void assert_same_hash(const uint64_t a[2], const uint64_t b[2])
{
    assert_int_equal(a[0], b[0]);
    assert_int_equal(a[1], b[1]);
}

static void a_calm_trip_is_charged_once_and_told_once(void **state)
{
    const struct world_limits one = {.trips = 1, .instances = 1, .partitions = 1};
    struct sim *sim = open_world(&one, true);

    (void)state;
    world_start(sim, 1);
    run_on(sim);
    assert_int_equal(world_stats(sim)->statuses[PAYMENT_COMPLETED], 1);
    assert_int_equal(world_stats(sim)->records, 1);
    world_close(sim);
}

static void the_same_seed_has_the_same_history(void **state)
{
    struct sim *first = open_world(&usual, false);
    struct sim *second = open_world(&usual, false);

    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        uint64_t hashes[2][2];
        world_start(first, seed);
        run_on(first);
        world_hash(first, hashes[0]);
        world_start(second, seed);
        run_on(second);
        world_hash(second, hashes[1]);
        assert_same_hash(hashes[0], hashes[1]);
    }
    world_close(first);
    world_close(second);
}

static void another_seed_has_another_history(void **state)
{
    struct sim *sim = open_world(&usual, false);
    uint64_t hashes[2][2];

    (void)state;
    for (uint64_t seed = 0; seed < 2; seed++) {
        world_start(sim, seed);
        run_on(sim);
        world_hash(sim, hashes[seed]);
    }
    assert_true(hashes[0][0] != hashes[1][0]);
    world_close(sim);
}

static void a_snapshot_taken_mid_flight_goes_on_to_the_same_history(void **state)
{
    struct sim *original = open_world(&usual, false);
    struct sim *other = open_world(&usual, false);
    void *bytes = malloc(world_size(&usual));

    (void)state;
    assert_non_null(bytes);
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        uint64_t hashes[3][2];
        world_start(original, seed);
        for (uint64_t steps = 0; steps < 40 * seed && world_step(original); steps++) {
        }
        world_snapshot(original, bytes);
        run_on(original);
        world_hash(original, hashes[0]);
        /* In another process's world, which has had another seed before ... */
        world_start(other, seed + 1000);
        world_restore(other, bytes);
        run_on(other);
        world_hash(other, hashes[1]);
        /* ... and in its own, which has gone on since. */
        world_restore(original, bytes);
        run_on(original);
        world_hash(original, hashes[2]);
        assert_same_hash(hashes[0], hashes[1]);
        assert_same_hash(hashes[0], hashes[2]);
    }
    free(bytes);
    world_close(original);
    world_close(other);
}

static void a_list_of_choices_replays_the_seed_that_made_it(void **state)
{
    struct sim *sim = open_world(&usual, false);
    uint32_t *choices = malloc(CHOICES_MAX * sizeof(*choices));

    (void)state;
    assert_non_null(choices);
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        uint64_t hashes[2][2];
        world_script(sim, NULL, 0);
        world_record(sim, choices, CHOICES_MAX);
        world_start(sim, seed);
        run_on(sim);
        world_hash(sim, hashes[0]);
        size_t count = world_recorded(sim);
        assert_true(count > 0 && count < CHOICES_MAX);
        world_record(sim, NULL, 0);
        world_script(sim, choices, count);
        world_start(sim, 0);
        run_on(sim);
        world_hash(sim, hashes[1]);
        assert_same_hash(hashes[0], hashes[1]);
    }
    free(choices);
    world_close(sim);
}

static void an_empty_list_of_choices_is_the_dullest_world(void **state)
{
    struct sim *sim = open_world(&usual, false);
    const uint32_t none = 0;

    (void)state;
    world_script(sim, &none, 0);
    world_start(sim, 0);
    run_on(sim);
    assert_int_equal(world_stats(sim)->statuses[PAYMENT_COMPLETED], usual.trips);
    for (uint32_t fault = 0; fault < WF_OWN_COUNT; fault++) {
        assert_int_equal(world_stats(sim)->faults[fault], 0);
    }
    world_close(sim);
}

static void the_smallest_world_fits_a_snapshot_of_16_kib(void **state)
{
    struct sim *sim = open_world(&smallest, false);

    (void)state;
    assert_true(world_size(&smallest) <= SNAPSHOT_MAX);
    for (uint64_t seed = 1; seed <= 10 * SEEDS; seed++) {
        world_start(sim, seed);
        run_on(sim);
    }
    world_close(sim);
}

static bool is_covered(const struct world_stats *sum, bool say)
{
    bool covered = true;

    for (uint32_t fault = 0; fault < WORLD_FAULT_COUNT; fault++) {
        if (world_fault_exists(fault) && sum->faults[fault] == 0) {
            covered = false;
            if (say) {
                print_error("never exercised: fault %s\n", world_fault_name(fault));
            }
        }
    }
    for (uint32_t phase = PHASE_FREE + 1; phase < PHASE_COUNT; phase++) {
        if (sum->phases[phase] == 0) {
            covered = false;
            if (say) {
                print_error("never seen: phase %s\n",
                            payment_phase_name((enum payment_phase)phase));
            }
        }
    }
    return covered;
}

static void every_fault_and_every_phase_really_happens(void **state)
{
    struct sim *sim = open_world(&usual, false);
    struct world_stats sum = {0};

    (void)state;
    for (uint64_t seed = 1; seed <= COVERAGE_MAX && !is_covered(&sum, false); seed++) {
        world_start(sim, seed);
        run_on(sim);
        world_stats_add(&sum, world_stats(sim));
    }
    assert_true(is_covered(&sum, true));
    world_close(sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_calm_trip_is_charged_once_and_told_once),
        cmocka_unit_test(the_same_seed_has_the_same_history),
        cmocka_unit_test(another_seed_has_another_history),
        cmocka_unit_test(a_snapshot_taken_mid_flight_goes_on_to_the_same_history),
        cmocka_unit_test(a_list_of_choices_replays_the_seed_that_made_it),
        cmocka_unit_test(an_empty_list_of_choices_is_the_dullest_world),
        cmocka_unit_test(the_smallest_world_fits_a_snapshot_of_16_kib),
        cmocka_unit_test(every_fault_and_every_phase_really_happens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
