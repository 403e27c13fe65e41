#include "lease.h"
#include "unit_support.h"

#define ME          ((text_id)1)
#define OTHER       ((text_id)2)
#define LOCK_MS     50000
#define AT_LEAST_MS 30000

/* The row in the table. */

static struct lease lease_taken_at(int64_t now_ms)
{
    struct lease lease = {0};
    assert_true(lease_take(&lease, ME, now_ms, LOCK_MS));
    return lease;
}

static void the_first_to_ask_gets_the_lease(void **state)
{
    (void)state;
    struct lease lease = lease_taken_at(1000);
    assert_int_equal(lease.locked_by, ME);
    assert_int_equal(lease.locked_at_ms, 1000);
    assert_int_equal(lease.lock_until_ms, 51000);
}

static void a_lease_is_taken_again_only_when_it_has_run_out(void **state)
{
    (void)state;
    struct lease lease = lease_taken_at(1000);
    assert_false(lease_take(&lease, OTHER, 50999, LOCK_MS));
    assert_false(lease_take(&lease, ME, 50999, LOCK_MS));
    assert_int_equal(lease.locked_by, ME);
    assert_int_equal(lease.lock_until_ms, 51000);
    assert_true(lease_take(&lease, OTHER, 51000, LOCK_MS));
    assert_int_equal(lease.locked_by, OTHER);
    assert_int_equal(lease.locked_at_ms, 51000);
    assert_int_equal(lease.lock_until_ms, 101000);
}

static void only_the_holder_extends_and_only_while_it_lasts(void **state)
{
    (void)state;
    struct lease lease = lease_taken_at(1000);
    assert_false(lease_extend(&lease, OTHER, 2000, LOCK_MS));
    assert_int_equal(lease.lock_until_ms, 51000);
    assert_true(lease_extend(&lease, ME, 50999, LOCK_MS));
    assert_int_equal(lease.lock_until_ms, 100999);
    assert_int_equal(lease.locked_at_ms, 1000);
    assert_false(lease_extend(&lease, ME, 100999, LOCK_MS));
    struct lease none = {0};
    assert_false(lease_extend(&none, ME, 0, LOCK_MS));
}

static void a_release_keeps_the_lease_for_its_least_time(void **state)
{
    (void)state;
    struct lease early = lease_taken_at(1000);
    assert_true(lease_release(&early, ME, 2000, AT_LEAST_MS));
    assert_int_equal(early.lock_until_ms, 31000);
    assert_false(lease_take(&early, OTHER, 30999, LOCK_MS));
    assert_true(lease_take(&early, OTHER, 31000, LOCK_MS));
    struct lease late = lease_taken_at(1000);
    assert_true(lease_release(&late, ME, 40000, AT_LEAST_MS));
    assert_int_equal(late.lock_until_ms, 40000);
    assert_true(lease_take(&late, OTHER, 40000, LOCK_MS));
}

static void only_the_holder_releases_and_only_while_it_lasts(void **state)
{
    (void)state;
    struct lease lease = lease_taken_at(1000);
    assert_false(lease_release(&lease, OTHER, 2000, AT_LEAST_MS));
    assert_false(lease_release(&lease, ME, 51000, AT_LEAST_MS));
    assert_int_equal(lease.lock_until_ms, 51000);
    struct lease none = {0};
    assert_false(lease_release(&none, ME, 0, AT_LEAST_MS));
}

/* The holder's side: every cell of the table. */

#define ASKED_MS INT64_C(1000)
#define BROKEN   (-1)

static int step(struct lease_holder *holder, enum lease_holder_event event, int64_t now_ms)
{
    int op = lease_holder_step(holder, event, now_ms, LOCK_MS);
    lease_holder_check(holder);
    return op;
}

static struct lease_holder holder_in(enum lease_holder_state state)
{
    struct lease_holder holder;
    lease_holder_init(&holder);
    if (state != LEASE_HOLDER_FREE) {
        assert_int_equal(step(&holder, LEASE_EVENT_TAKE, ASKED_MS), LEASE_TAKE);
    }
    if (state != LEASE_HOLDER_FREE && state != LEASE_HOLDER_TAKING) {
        assert_int_equal(step(&holder, LEASE_EVENT_APPLIED, ASKED_MS + 10), 0);
    }
    if (state == LEASE_HOLDER_EXTENDING) {
        assert_int_equal(step(&holder, LEASE_EVENT_TICK, ASKED_MS + 25000), LEASE_EXTEND);
    }
    if (state == LEASE_HOLDER_RELEASING) {
        assert_int_equal(step(&holder, LEASE_EVENT_RELEASE, ASKED_MS + 20), LEASE_RELEASE);
    }
    assert_int_equal(holder.state, state);
    return holder;
}

struct cell {
    enum lease_holder_state state;
    enum lease_holder_event event;
    int op; /* what is asked, or BROKEN */
    enum lease_holder_state next;
};

/* At ASKED_MS + 26000: past the half of the time, before its end. */
static const struct cell cells[] = {
    {LEASE_HOLDER_FREE, LEASE_EVENT_TAKE, LEASE_TAKE, LEASE_HOLDER_TAKING},
    {LEASE_HOLDER_FREE, LEASE_EVENT_TICK, 0, LEASE_HOLDER_FREE},
    {LEASE_HOLDER_FREE, LEASE_EVENT_RELEASE, 0, LEASE_HOLDER_FREE},
    {LEASE_HOLDER_FREE, LEASE_EVENT_APPLIED, BROKEN, LEASE_HOLDER_FREE},
    {LEASE_HOLDER_FREE, LEASE_EVENT_REFUSED, BROKEN, LEASE_HOLDER_FREE},
    {LEASE_HOLDER_TAKING, LEASE_EVENT_TAKE, 0, LEASE_HOLDER_TAKING},
    {LEASE_HOLDER_TAKING, LEASE_EVENT_TICK, 0, LEASE_HOLDER_TAKING},
    {LEASE_HOLDER_TAKING, LEASE_EVENT_RELEASE, 0, LEASE_HOLDER_TAKING},
    {LEASE_HOLDER_TAKING, LEASE_EVENT_APPLIED, 0, LEASE_HOLDER_HELD},
    {LEASE_HOLDER_TAKING, LEASE_EVENT_REFUSED, 0, LEASE_HOLDER_FREE},
    {LEASE_HOLDER_HELD, LEASE_EVENT_TAKE, 0, LEASE_HOLDER_HELD},
    {LEASE_HOLDER_HELD, LEASE_EVENT_TICK, LEASE_EXTEND, LEASE_HOLDER_EXTENDING},
    {LEASE_HOLDER_HELD, LEASE_EVENT_RELEASE, LEASE_RELEASE, LEASE_HOLDER_RELEASING},
    {LEASE_HOLDER_HELD, LEASE_EVENT_APPLIED, BROKEN, LEASE_HOLDER_HELD},
    {LEASE_HOLDER_HELD, LEASE_EVENT_REFUSED, BROKEN, LEASE_HOLDER_HELD},
    {LEASE_HOLDER_EXTENDING, LEASE_EVENT_TAKE, 0, LEASE_HOLDER_EXTENDING},
    {LEASE_HOLDER_EXTENDING, LEASE_EVENT_TICK, 0, LEASE_HOLDER_EXTENDING},
    {LEASE_HOLDER_EXTENDING, LEASE_EVENT_RELEASE, 0, LEASE_HOLDER_EXTENDING},
    {LEASE_HOLDER_EXTENDING, LEASE_EVENT_APPLIED, 0, LEASE_HOLDER_HELD},
    {LEASE_HOLDER_EXTENDING, LEASE_EVENT_REFUSED, 0, LEASE_HOLDER_FREE},
    {LEASE_HOLDER_RELEASING, LEASE_EVENT_TAKE, 0, LEASE_HOLDER_RELEASING},
    {LEASE_HOLDER_RELEASING, LEASE_EVENT_TICK, 0, LEASE_HOLDER_RELEASING},
    {LEASE_HOLDER_RELEASING, LEASE_EVENT_RELEASE, 0, LEASE_HOLDER_RELEASING},
    {LEASE_HOLDER_RELEASING, LEASE_EVENT_APPLIED, 0, LEASE_HOLDER_FREE},
    {LEASE_HOLDER_RELEASING, LEASE_EVENT_REFUSED, 0, LEASE_HOLDER_FREE},
};

#define CELL_COUNT (sizeof(cells) / sizeof(cells[0]))

struct broken_step {
    struct lease_holder holder;
    enum lease_holder_event event;
};

static void take_broken_step(void *context)
{
    struct broken_step *broken = context;
    (void)!lease_holder_step(&broken->holder, broken->event, ASKED_MS + 26000, LOCK_MS);
}

static void every_cell_of_the_holders_table_does_what_it_says(void **state)
{
    (void)state;
    assert_int_equal(CELL_COUNT, LEASE_HOLDER_STATE_COUNT * LEASE_EVENT_COUNT);
    for (size_t i = 0; i < CELL_COUNT; i++) {
        const struct cell *cell = &cells[i];
        assert_int_equal(i, (size_t)cell->state * LEASE_EVENT_COUNT + cell->event);
        struct lease_holder holder = holder_in(cell->state);
        if (cell->op == BROKEN) {
            struct broken_step broken = {holder, cell->event};
            assert_true(ends_the_process(take_broken_step, &broken));
            continue;
        }
        assert_int_equal(step(&holder, cell->event, ASKED_MS + 26000), cell->op);
        assert_int_equal(holder.state, cell->next);
    }
}

static void a_hold_counts_from_when_it_was_asked_for(void **state)
{
    (void)state;
    struct lease_holder holder = holder_in(LEASE_HOLDER_TAKING);
    assert_false(lease_holder_is_held(&holder, ASKED_MS));
    assert_int_equal(step(&holder, LEASE_EVENT_APPLIED, ASKED_MS + 20000), 0);
    assert_true(lease_holder_is_held(&holder, ASKED_MS + LOCK_MS - 1));
    assert_false(lease_holder_is_held(&holder, ASKED_MS + LOCK_MS));
    assert_int_equal(lease_holder_next_ms(&holder, LOCK_MS), ASKED_MS + LOCK_MS / 2);
}

static void a_take_that_is_answered_after_its_time_holds_nothing(void **state)
{
    (void)state;
    struct lease_holder holder = holder_in(LEASE_HOLDER_TAKING);
    assert_int_equal(step(&holder, LEASE_EVENT_APPLIED, ASKED_MS + LOCK_MS), 0);
    assert_int_equal(holder.state, LEASE_HOLDER_FREE);
}

static void a_hold_is_extended_at_half_of_its_time_and_not_before(void **state)
{
    (void)state;
    struct lease_holder holder = holder_in(LEASE_HOLDER_HELD);
    int64_t half_ms = lease_holder_next_ms(&holder, LOCK_MS);
    assert_int_equal(step(&holder, LEASE_EVENT_TICK, half_ms - 1), 0);
    assert_int_equal(holder.state, LEASE_HOLDER_HELD);
    assert_int_equal(step(&holder, LEASE_EVENT_TICK, half_ms), LEASE_EXTEND);
    assert_int_equal(lease_holder_next_ms(&holder, LOCK_MS), INT64_MAX);
    assert_int_equal(step(&holder, LEASE_EVENT_APPLIED, half_ms + 5), 0);
    assert_true(lease_holder_is_held(&holder, half_ms + LOCK_MS - 1));
    assert_false(lease_holder_is_held(&holder, half_ms + LOCK_MS));
}

/* Trap 15: the holder was paused. */
static void a_hold_that_has_run_out_is_lost_even_before_anybody_says_so(void **state)
{
    (void)state;
    struct lease_holder holder = holder_in(LEASE_HOLDER_HELD);
    assert_false(lease_holder_is_held(&holder, ASKED_MS + LOCK_MS));
    assert_int_equal(step(&holder, LEASE_EVENT_TICK, ASKED_MS + LOCK_MS), 0);
    assert_int_equal(holder.state, LEASE_HOLDER_FREE);
}

static void work_stops_while_a_late_extension_is_unanswered(void **state)
{
    (void)state;
    struct lease_holder holder = holder_in(LEASE_HOLDER_EXTENDING);
    assert_true(lease_holder_is_held(&holder, ASKED_MS + LOCK_MS - 1));
    assert_false(lease_holder_is_held(&holder, ASKED_MS + LOCK_MS));
    /* The store applied it while the old hold lasted, so nobody was in between. */
    assert_int_equal(step(&holder, LEASE_EVENT_APPLIED, ASKED_MS + LOCK_MS + 5), 0);
    assert_true(lease_holder_is_held(&holder, ASKED_MS + LOCK_MS + 5));
    holder = holder_in(LEASE_HOLDER_EXTENDING);
    assert_int_equal(step(&holder, LEASE_EVENT_APPLIED, ASKED_MS + 25000 + LOCK_MS), 0);
    assert_int_equal(holder.state, LEASE_HOLDER_FREE);
}

static void nothing_is_held_once_release_is_asked(void **state)
{
    (void)state;
    struct lease_holder holder = holder_in(LEASE_HOLDER_RELEASING);
    assert_false(lease_holder_is_held(&holder, ASKED_MS + 30));
    assert_int_equal(lease_holder_next_ms(&holder, LOCK_MS), INT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_to_ask_gets_the_lease),
        cmocka_unit_test(a_lease_is_taken_again_only_when_it_has_run_out),
        cmocka_unit_test(only_the_holder_extends_and_only_while_it_lasts),
        cmocka_unit_test(a_release_keeps_the_lease_for_its_least_time),
        cmocka_unit_test(only_the_holder_releases_and_only_while_it_lasts),
        cmocka_unit_test(every_cell_of_the_holders_table_does_what_it_says),
        cmocka_unit_test(a_hold_counts_from_when_it_was_asked_for),
        cmocka_unit_test(a_take_that_is_answered_after_its_time_holds_nothing),
        cmocka_unit_test(a_hold_is_extended_at_half_of_its_time_and_not_before),
        cmocka_unit_test(a_hold_that_has_run_out_is_lost_even_before_anybody_says_so),
        cmocka_unit_test(work_stops_while_a_late_extension_is_unanswered),
        cmocka_unit_test(nothing_is_held_once_release_is_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
