#include "timers.h"
#include "unit_support.h"

#include <stdlib.h>
#include <string.h>

#define SLOTS 37

static struct timers *timers_make(uint32_t slots_max)
{
    void *block = malloc(timers_size(slots_max));
    assert_non_null(block);
    return timers_init(block, slots_max);
}

static void assert_next(const struct timers *timers, uint32_t slot, int64_t deadline_ms)
{
    uint32_t next_slot = UINT32_MAX;
    int64_t next_ms = -1;
    assert_true(timers_next(timers, &next_slot, &next_ms));
    assert_int_equal(next_slot, slot);
    assert_int_equal(next_ms, deadline_ms);
}

static void nothing_is_next_where_nothing_is_armed(void **state)
{
    (void)state;
    struct timers *timers = timers_make(SLOTS);
    uint32_t slot = 5;
    int64_t deadline_ms = 6;
    assert_false(timers_next(timers, &slot, &deadline_ms));
    assert_int_equal(slot, 5);
    assert_int_equal(deadline_ms, 6);
    assert_false(timers_armed(timers, 0));
    assert_int_equal(timers_deadline_ms(timers, 0), INT64_MAX);
    free(timers);
}

static void equal_deadlines_come_in_the_order_of_their_slots(void **state)
{
    (void)state;
    struct timers *timers = timers_make(SLOTS);
    static const uint32_t order[] = {9, 3, 30, 0, 17, 12};
    for (size_t i = 0; i < 6; i++) {
        timers_set(timers, order[i], 1000);
    }
    static const uint32_t sorted[] = {0, 3, 9, 12, 17, 30};
    for (size_t i = 0; i < 6; i++) {
        assert_next(timers, sorted[i], 1000);
        timers_cancel(timers, sorted[i]);
    }
    assert_int_equal(timers_count(timers), 0);
    free(timers);
}

static void peeking_leaves_the_timer_armed(void **state)
{
    (void)state;
    struct timers *timers = timers_make(1);
    timers_set(timers, 0, -5);
    assert_next(timers, 0, -5);
    assert_next(timers, 0, -5);
    assert_true(timers_armed(timers, 0));
    free(timers);
}

static void setting_an_armed_timer_moves_it(void **state)
{
    (void)state;
    struct timers *timers = timers_make(3);
    timers_set(timers, 0, 10);
    timers_set(timers, 1, 20);
    timers_set(timers, 0, 30);
    assert_int_equal(timers_count(timers), 2);
    assert_next(timers, 1, 20);
    timers_set(timers, 0, 15);
    assert_next(timers, 0, 15);
    free(timers);
}

static void cancelling_what_is_not_armed_changes_nothing(void **state)
{
    (void)state;
    struct timers *timers = timers_make(2);
    timers_set(timers, 1, 10);
    timers_cancel(timers, 0);
    timers_check(timers);
    assert_next(timers, 1, 10);
    free(timers);
}

static void a_copy_of_the_block_is_a_copy_of_the_timers(void **state)
{
    (void)state;
    struct timers *timers = timers_make(SLOTS);
    timers_set(timers, 7, 70);
    timers_set(timers, 3, 30);
    void *copy = malloc(timers_size(SLOTS));
    assert_non_null(copy);
    memcpy(copy, timers, timers_size(SLOTS));
    memset(timers, 0xff, timers_size(SLOTS));
    free(timers);
    timers_check(copy);
    assert_next(copy, 3, 30);
    timers_cancel(copy, 3);
    assert_next(copy, 7, 70);
    free(copy);
}

struct naive_timers {
    bool armed[SLOTS];
    int64_t deadline_ms[SLOTS];
};

static void assert_same(const struct timers *timers, const struct naive_timers *naive)
{
    uint32_t best = SLOTS;
    uint32_t count = 0;
    for (uint32_t slot = 0; slot < SLOTS; slot++) {
        assert_int_equal(timers_armed(timers, slot), naive->armed[slot]);
        if (!naive->armed[slot]) {
            continue;
        }
        count++;
        assert_int_equal(timers_deadline_ms(timers, slot), naive->deadline_ms[slot]);
        if (best == SLOTS || naive->deadline_ms[slot] < naive->deadline_ms[best]) {
            best = slot;
        }
    }
    assert_int_equal(timers_count(timers), count);
    if (count > 0) {
        assert_next(timers, best, naive->deadline_ms[best]);
    }
}

static void timers_agree_with_a_plain_list(void **state)
{
    (void)state;
    struct timers *timers = timers_make(SLOTS);
    struct naive_timers naive = {0};
    uint64_t random = 2;
    for (int i = 0; i < 200000; i++) {
        uint32_t slot = random_below(&random, SLOTS);
        /* Few deadlines, so that many are equal; sometimes mostly setting, sometimes cancelling. */
        if (random_below(&random, 8) < (uint32_t)(i / 1000 % 8)) {
            int64_t deadline_ms = (int64_t)random_below(&random, 20) - 10;
            timers_set(timers, slot, deadline_ms);
            naive.armed[slot] = true;
            naive.deadline_ms[slot] = deadline_ms;
        } else {
            timers_cancel(timers, slot);
            naive.armed[slot] = false;
        }
        timers_check(timers);
        assert_same(timers, &naive);
    }
    free(timers);
}

static void set_outside(void *context)
{
    timers_set(context, SLOTS, 1);
}

static void a_slot_outside_is_a_broken_invariant(void **state)
{
    (void)state;
    struct timers *timers = timers_make(SLOTS);
    assert_true(ends_the_process(set_outside, timers));
    free(timers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_next_where_nothing_is_armed),
        cmocka_unit_test(equal_deadlines_come_in_the_order_of_their_slots),
        cmocka_unit_test(peeking_leaves_the_timer_armed),
        cmocka_unit_test(setting_an_armed_timer_moves_it),
        cmocka_unit_test(cancelling_what_is_not_armed_changes_nothing),
        cmocka_unit_test(a_copy_of_the_block_is_a_copy_of_the_timers),
        cmocka_unit_test(timers_agree_with_a_plain_list),
        cmocka_unit_test(a_slot_outside_is_a_broken_invariant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
