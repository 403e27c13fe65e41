#include "tracker.h"
#include "unit_support.h"

#include <stdlib.h>
#include <string.h>

#define NOTHING INT64_C(-1)

static struct tracker *tracker_make(uint32_t window, uint32_t assignment)
{
    void *block = malloc(tracker_size(window));
    assert_non_null(block);
    struct tracker *tracker = tracker_init(block, window);
    tracker_reset(tracker, assignment);
    return tracker;
}

static uint64_t deliver(struct tracker *tracker, int64_t offset)
{
    uint64_t sequence = 0;
    assert_true(tracker_deliver(tracker, offset, &sequence));
    tracker_check(tracker);
    return sequence;
}

static void done(struct tracker *tracker, uint64_t sequence)
{
    tracker_done(tracker, sequence);
    tracker_check(tracker);
}

static int64_t committable(const struct tracker *tracker)
{
    int64_t offset = NOTHING;
    return tracker_committable(tracker, &offset) ? offset : NOTHING;
}

/* Trap 12. */
static void a_finished_record_waits_for_those_delivered_before_it(void **state)
{
    (void)state;
    struct tracker *tracker = tracker_make(4, 1);
    uint64_t first = deliver(tracker, 10);
    uint64_t second = deliver(tracker, 11);
    uint64_t third = deliver(tracker, 12);
    assert_int_equal(committable(tracker), NOTHING);
    done(tracker, third);
    assert_int_equal(committable(tracker), NOTHING);
    done(tracker, first);
    assert_int_equal(committable(tracker), 11);
    done(tracker, second);
    assert_int_equal(committable(tracker), 13);
    free(tracker);
}

static void gaps_in_the_log_are_not_waited_for(void **state)
{
    (void)state;
    struct tracker *tracker = tracker_make(4, 1);
    uint64_t first = deliver(tracker, 10);
    uint64_t second = deliver(tracker, 500);
    done(tracker, first);
    assert_int_equal(committable(tracker), 11);
    done(tracker, second);
    assert_int_equal(committable(tracker), 501);
    free(tracker);
}

static void a_full_window_takes_nothing_until_its_front_is_done(void **state)
{
    (void)state;
    struct tracker *tracker = tracker_make(2, 1);
    uint64_t first = deliver(tracker, 0);
    uint64_t second = deliver(tracker, 1);
    uint64_t sequence = 77;
    assert_true(tracker_is_full(tracker));
    assert_false(tracker_deliver(tracker, 2, &sequence));
    assert_int_equal(sequence, 77);
    done(tracker, second);
    assert_true(tracker_is_full(tracker));
    assert_int_equal(tracker_in_flight(tracker), 1);
    assert_int_equal(tracker_in_window(tracker), 2);
    done(tracker, first);
    assert_false(tracker_is_full(tracker));
    assert_int_equal(tracker_in_window(tracker), 0);
    assert_int_equal(committable(tracker), 2);
    free(tracker);
}

static void what_was_committed_is_not_committed_again(void **state)
{
    (void)state;
    struct tracker *tracker = tracker_make(4, 1);
    done(tracker, deliver(tracker, 5));
    assert_int_equal(committable(tracker), 6);
    assert_int_equal(committable(tracker), 6); /* until the broker has taken it */
    tracker_committed(tracker, 1, 6);
    assert_int_equal(committable(tracker), NOTHING);
    done(tracker, deliver(tracker, 6));
    assert_int_equal(committable(tracker), 7);
    tracker_committed(tracker, 1, 6); /* a late report */
    assert_int_equal(committable(tracker), 7);
    free(tracker);
}

static void reports_of_another_assignment_or_beyond_what_is_done_are_ignored(void **state)
{
    (void)state;
    struct tracker *tracker = tracker_make(4, 2);
    done(tracker, deliver(tracker, 5));
    tracker_committed(tracker, 1, 6);
    tracker_committed(tracker, 2, 100);
    tracker_check(tracker);
    assert_int_equal(committable(tracker), 6);
    free(tracker);
}

static void a_second_end_of_one_record_is_ignored(void **state)
{
    (void)state;
    struct tracker *tracker = tracker_make(4, 1);
    uint64_t first = deliver(tracker, 1);
    uint64_t second = deliver(tracker, 2);
    uint64_t third = deliver(tracker, 3);
    done(tracker, second);
    done(tracker, second); /* still in the window */
    assert_int_equal(tracker_in_flight(tracker), 2);
    done(tracker, first);
    done(tracker, first);     /* gone */
    done(tracker, third + 1); /* not delivered yet */
    assert_int_equal(tracker_in_flight(tracker), 1);
    assert_int_equal(committable(tracker), 3);
    free(tracker);
}

static void a_new_assignment_forgets_everything(void **state)
{
    (void)state;
    struct tracker *tracker = tracker_make(2, 1);
    uint64_t stale = deliver(tracker, 10);
    done(tracker, deliver(tracker, 11));
    tracker_reset(tracker, 2);
    tracker_check(tracker);
    assert_int_equal(tracker_assignment(tracker), 2);
    assert_int_equal(tracker_in_window(tracker), 0);
    assert_int_equal(committable(tracker), NOTHING);
    uint64_t fresh = deliver(tracker, 10);
    assert_int_not_equal(fresh, stale);
    done(tracker, stale);
    assert_int_equal(committable(tracker), NOTHING);
    assert_int_equal(tracker_in_flight(tracker), 1);
    done(tracker, fresh);
    assert_int_equal(committable(tracker), 11);
    free(tracker);
}

static void a_record_that_comes_again_holds_back_what_is_behind_it(void **state)
{
    (void)state;
    struct tracker *tracker = tracker_make(8, 1);
    uint64_t ten = deliver(tracker, 10);
    uint64_t eleven = deliver(tracker, 11);
    uint64_t ten_again = deliver(tracker, 10);
    uint64_t eleven_again = deliver(tracker, 11);
    uint64_t twelve = deliver(tracker, 12);
    done(tracker, ten);
    done(tracker, eleven);
    assert_int_equal(committable(tracker), 10); /* not past an offset that is open again */
    done(tracker, twelve);
    done(tracker, eleven_again);
    assert_int_equal(committable(tracker), 10);
    done(tracker, ten_again);
    assert_int_equal(committable(tracker), 13);
    free(tracker);
}

static void a_rewind_never_takes_back_what_is_committable(void **state)
{
    (void)state;
    struct tracker *tracker = tracker_make(8, 1);
    done(tracker, deliver(tracker, 20));
    tracker_committed(tracker, 1, 21);
    uint64_t again = deliver(tracker, 15);
    uint64_t next = deliver(tracker, 21);
    done(tracker, next);
    assert_int_equal(committable(tracker), NOTHING);
    done(tracker, again);
    assert_int_equal(committable(tracker), 22);
    free(tracker);
}

static void a_sequence_carries_its_assignment_whatever_the_number(void **state)
{
    (void)state;
    struct tracker *tracker = tracker_make(3, UINT32_MAX);
    uint64_t sequence = deliver(tracker, 0);
    assert_int_equal(sequence >> 32, UINT32_MAX);
    assert_int_equal((uint32_t)sequence, 0);
    done(tracker, sequence - 1); /* before the first */
    assert_int_equal(tracker_in_flight(tracker), 1);
    done(tracker, sequence);
    assert_int_equal(committable(tracker), 1);
    free(tracker);
}

/* The naive tracker: every delivery of the assignment, in a list. */
#define WINDOW   9
#define LIST_MAX 4000

struct naive_delivery {
    int64_t offset;
    int64_t committable_before;
    uint64_t sequence;
    bool done;
};

static struct naive_delivery list[LIST_MAX];
static uint32_t list_count;
static int64_t naive_committable;

static uint32_t naive_done_before(void)
{
    uint32_t before = 0;
    while (before < list_count && list[before].done) {
        before++;
    }
    return before;
}

static void naive_advance(void)
{
    uint32_t before = naive_done_before();
    int64_t limit = NOTHING;
    for (uint32_t i = 0; i < before; i++) {
        limit = list[i].offset + 1 > limit ? list[i].offset + 1 : limit;
    }
    for (uint32_t i = before; i < list_count; i++) {
        limit = list[i].offset < limit ? list[i].offset : limit;
    }
    naive_committable = limit > naive_committable ? limit : naive_committable;
}

static void assert_law_6(const struct tracker *tracker)
{
    uint32_t open = 0;
    for (uint32_t i = 0; i < list_count; i++) {
        if (!list[i].done) {
            open++;
            assert_true(naive_committable <= list[i].offset ||
                        naive_committable <= list[i].committable_before);
        }
    }
    assert_int_equal(tracker_in_flight(tracker), open);
    assert_int_equal(tracker_in_window(tracker), list_count - naive_done_before());
}

static void step_deliver(struct tracker *tracker, int64_t offset)
{
    uint64_t sequence;
    bool full = list_count - naive_done_before() == WINDOW;
    assert_int_equal(tracker_is_full(tracker), full);
    assert_int_equal(tracker_deliver(tracker, offset, &sequence), !full);
    if (!full) {
        list[list_count++] = (struct naive_delivery){
            .offset = offset, .committable_before = naive_committable, .sequence = sequence};
    }
}

static void run_assignment(struct tracker *tracker, uint64_t *random, bool rewinds)
{
    int64_t offset = random_below(random, 100);
    int64_t committed = NOTHING;
    uint32_t assignment = tracker_assignment(tracker);
    list_count = 0;
    naive_committable = NOTHING;
    for (int i = 0; i < 300; i++) {
        if (random_below(random, 2) == 0) {
            step_deliver(tracker, offset);
            offset += 1 + random_below(random, 3);
            if (rewinds && random_below(random, 10) == 0) {
                offset = offset > 12 ? offset - random_below(random, 12) : 0;
            }
        } else if (list_count > 0) {
            uint32_t back = random_below(random, list_count < 12 ? list_count : 12);
            list[list_count - 1 - back].done = true;
            tracker_done(tracker, list[list_count - 1 - back].sequence);
            naive_advance();
        }
        tracker_check(tracker);
        assert_law_6(tracker);
        int64_t expected = naive_committable > committed ? naive_committable : NOTHING;
        assert_int_equal(committable(tracker), expected);
        if (expected != NOTHING && random_below(random, 4) == 0) {
            tracker_committed(tracker, assignment, expected);
            committed = expected;
        }
    }
}

static void the_tracker_agrees_with_a_plain_list(void **state)
{
    (void)state;
    struct tracker *tracker = tracker_make(WINDOW, 0);
    uint64_t random = 6;
    for (uint32_t assignment = 1; assignment <= 500; assignment++) {
        tracker_reset(tracker, assignment);
        run_assignment(tracker, &random, assignment % 2 == 0);
    }
    free(tracker);
}

static void a_copy_of_the_block_is_a_copy_of_the_tracker(void **state)
{
    (void)state;
    struct tracker *tracker = tracker_make(4, 1);
    uint64_t first = deliver(tracker, 1);
    uint64_t second = deliver(tracker, 2);
    done(tracker, second);
    void *copy = malloc(tracker_size(4));
    assert_non_null(copy);
    memcpy(copy, tracker, tracker_size(4));
    memset(tracker, 0xff, tracker_size(4));
    free(tracker);
    done(copy, first);
    assert_int_equal(committable(copy), 3);
    free(copy);
}

static void deliver_negative(void *context)
{
    uint64_t sequence;
    (void)!tracker_deliver(context, -1, &sequence);
}

static void a_negative_offset_is_a_broken_invariant(void **state)
{
    (void)state;
    struct tracker *tracker = tracker_make(4, 1);
    assert_true(ends_the_process(deliver_negative, tracker));
    free(tracker);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_finished_record_waits_for_those_delivered_before_it),
        cmocka_unit_test(gaps_in_the_log_are_not_waited_for),
        cmocka_unit_test(a_full_window_takes_nothing_until_its_front_is_done),
        cmocka_unit_test(what_was_committed_is_not_committed_again),
        cmocka_unit_test(reports_of_another_assignment_or_beyond_what_is_done_are_ignored),
        cmocka_unit_test(a_second_end_of_one_record_is_ignored),
        cmocka_unit_test(a_new_assignment_forgets_everything),
        cmocka_unit_test(a_record_that_comes_again_holds_back_what_is_behind_it),
        cmocka_unit_test(a_rewind_never_takes_back_what_is_committable),
        cmocka_unit_test(a_sequence_carries_its_assignment_whatever_the_number),
        cmocka_unit_test(the_tracker_agrees_with_a_plain_list),
        cmocka_unit_test(a_copy_of_the_block_is_a_copy_of_the_tracker),
        cmocka_unit_test(a_negative_offset_is_a_broken_invariant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
