/* The way of an outbox row: taken, published while its lease lasts, marked or returned. */
#include "outbox.h"
#include "unit_support.h"

#include <string.h>

#define NOW_MS   INT64_C(1000000)
#define LEASE_MS INT64_C(30000)
#define PROCESS  UINT64_C(0xfeed)
#define TOKEN    UINT64_C(77)
#define ROW_ID   INT64_C(4711)

static const struct outbox_config config = {
    .lease_ms = LEASE_MS, .backoff_ms = 1000, .backoff_max_ms = 60000};

static const struct uuid event_id = {{1, 2, 3}};

/* The row as the scan found it. */
static struct outbox_row row_in_store(uint8_t status, uint32_t epoch, uint16_t attempts)
{
    struct outbox_row row = {
        .row_id = ROW_ID,
        .event_id = event_id,
        .record_at_ms = 555,
        .epoch = epoch,
        .attempts = attempts,
        .status = status,
        .has_key = 1,
        .has_body = 1,
        .topic = 11,
        .key = 12,
        .body = 13,
        .headers = 14,
    };
    return row;
}

/* The writer's own row, as the engine makes it of the unit that was committed. */
static struct outbox own_row(int64_t publish_by_ms)
{
    struct outbox own = {
        .event_id = event_id,
        .publish_by_ms = publish_by_ms,
        .trip_id = 21,
        .amount_krw = 15200,
        .epoch = 1,
        .type = OUTCOME_COMPLETED,
        .guard_status = OUTBOX_PUBLISHING,
    };
    return own;
}

static struct outbox_output step_at(struct outbox *o, int64_t now_ms, struct outbox_event ev)
{
    struct outbox_output out;
    outbox_step(o, &config, now_ms, TOKEN, &ev, &out);
    return out;
}

static struct outbox_output feed(struct outbox *o, enum outbox_event_type type)
{
    struct outbox_event ev = {.type = (uint8_t)type, .call_no = o->call_no};
    return step_at(o, NOW_MS, ev);
}

static struct outbox_output feed_due(struct outbox *o, const struct outbox_row *row)
{
    struct outbox_event ev = {.type = OUTBOX_EV_DUE, .row = row};
    return step_at(o, NOW_MS, ev);
}

static struct outbox_output feed_own(struct outbox *o, const struct outbox *own)
{
    struct outbox_event ev = {.type = OUTBOX_EV_COMMITTED, .own = own};
    return step_at(o, NOW_MS, ev);
}

static struct unit unit_of(const struct outbox *o)
{
    struct unit unit;
    struct unit again;
    outbox_unit(o, &config, PROCESS, &unit);
    outbox_unit(o, &config, PROCESS, &again);
    assert_memory_equal(&unit, &again, sizeof(unit));
    assert_int_equal(unit.kind, UNIT_OUTBOX_MOVE);
    assert_int_equal(unit.token.process, PROCESS);
    assert_int_equal(unit.token.sequence, TOKEN);
    return unit;
}

/* A slot in the phase, reached by its shortest story with a taken row. */
static struct outbox slot_in(enum outbox_phase phase)
{
    struct outbox o = {.call_no = 900};
    struct outbox_row row = row_in_store(OUTBOX_READY, 3, 2);
    if (phase == OUTBOX_PHASE_FREE) {
        return o;
    }
    (void)feed_due(&o, &row);
    if (phase == OUTBOX_PHASE_TAKING) {
        return o;
    }
    (void)feed(&o, OUTBOX_EV_APPLIED);
    if (phase == OUTBOX_PHASE_MARKING) {
        (void)feed(&o, OUTBOX_EV_DELIVERED);
    } else if (phase == OUTBOX_PHASE_RETURNING) {
        (void)feed(&o, OUTBOX_EV_REJECTED);
    }
    assert_int_equal(o.phase, phase);
    return o;
}

/* H handled, I ignored, - impossible; the diagram in outbox.h, written out by hand. */
static const char *const expected[OUTBOX_PHASE_COUNT] = {
    /* COMMITTED DUE APPLIED REFUSED UNWRITABLE DELIVERED REJECTED NO_VERDICT */
    [OUTBOX_PHASE_FREE] = "HH --- III",       [OUTBOX_PHASE_TAKING] = "-- HHH ---",
    [OUTBOX_PHASE_PUBLISHING] = "-- --- HHH", [OUTBOX_PHASE_MARKING] = "-- HHH ---",
    [OUTBOX_PHASE_RETURNING] = "-- HHH ---",
};

static char expected_cell(enum outbox_phase phase, unsigned type)
{
    return expected[phase][type < 2 ? type : type < 5 ? type + 1 : type + 2];
}

struct cell {
    enum outbox_phase phase;
    enum outbox_event_type type;
};

static void visit_cell(void *context)
{
    const struct cell *cell = context;
    struct outbox o = slot_in(cell->phase);
    struct outbox own = own_row(NOW_MS + 1);
    struct outbox_row row = row_in_store(OUTBOX_READY, 3, 2);
    struct outbox_event ev = {
        .type = (uint8_t)cell->type, .call_no = o.call_no, .own = &own, .row = &row};
    (void)step_at(&o, NOW_MS, ev);
}

static void check_cell(struct cell cell)
{
    static const struct outbox_output nothing;
    char want = expected_cell(cell.phase, cell.type);
    struct outbox before = slot_in(cell.phase);
    struct outbox o = before;

    assert_int_equal(outbox_cell_is_impossible(cell.phase, cell.type), want == '-');
    assert_int_equal(ends_the_process(visit_cell, &cell), want == '-');
    if (want == 'I') {
        struct outbox_output out = feed(&o, cell.type);
        assert_memory_equal(&o, &before, sizeof(o));
        assert_memory_equal(&out, &nothing, sizeof(out));
    }
}

static void every_cell_of_the_table_is_as_the_diagram_says(void **state)
{
    (void)state;
    for (unsigned phase = 0; phase < OUTBOX_PHASE_COUNT; phase++) {
        for (unsigned type = 0; type < OUTBOX_EV_COUNT; type++) {
            struct cell cell = {(enum outbox_phase)phase, (enum outbox_event_type)type};
            check_cell(cell);
        }
    }
}

static void the_writer_publishes_its_own_row_from_memory(void **state)
{
    (void)state;
    struct outbox o = {.call_no = 41};
    struct outbox own = own_row(NOW_MS + 1);
    own.call_no = 7; /* of whatever it was copied from: the slot's own number counts on */
    struct outbox_output out = feed_own(&o, &own);
    assert_int_equal(o.phase, OUTBOX_PHASE_PUBLISHING);
    assert_true(out.publish && !out.submit && !out.closed);
    assert_int_equal(o.call_no, 42);
    assert_int_equal(o.trip_id, 21);
    assert_int_equal(o.amount_krw, 15200);
    assert_int_equal(o.type, OUTCOME_COMPLETED);
}

static void an_own_row_whose_lease_is_over_is_left_to_polling(void **state)
{
    (void)state;
    struct outbox o = {0};
    struct outbox own = own_row(NOW_MS);
    struct outbox_output out = feed_own(&o, &own);
    assert_int_equal(o.phase, OUTBOX_PHASE_FREE);
    assert_true(out.closed && !out.publish && !out.submit);
}

static void an_own_row_is_marked_by_its_event_id(void **state)
{
    (void)state;
    struct outbox o = {0};
    struct outbox own = own_row(NOW_MS + 1);
    (void)feed_own(&o, &own);
    struct outbox_output out = feed(&o, OUTBOX_EV_DELIVERED);
    assert_true(out.submit && !out.publish && !out.closed && !out.alert);
    struct unit unit = unit_of(&o);
    assert_int_equal(unit.as.outbox.row_id, 0);
    assert_true(uuid_equal(&unit.as.outbox.event_id, &event_id));
    assert_int_equal(unit.as.outbox.guard_status, OUTBOX_PUBLISHING);
    assert_int_equal(unit.as.outbox.guard_epoch, 1);
    assert_int_equal(unit.as.outbox.status, OUTBOX_DONE);
}

static void a_due_row_is_leased_before_it_is_published(void **state)
{
    (void)state;
    struct outbox o = {0};
    struct outbox_row row = row_in_store(OUTBOX_READY, 3, 2);
    struct outbox_output out = feed_due(&o, &row);
    assert_int_equal(o.phase, OUTBOX_PHASE_TAKING);
    assert_true(out.submit && !out.publish && outbox_is_committing(&o));
    struct unit unit = unit_of(&o);
    assert_int_equal(unit.as.outbox.row_id, ROW_ID);
    assert_int_equal(unit.as.outbox.guard_status, OUTBOX_READY);
    assert_int_equal(unit.as.outbox.guard_epoch, 3);
    assert_int_equal(unit.as.outbox.status, OUTBOX_PUBLISHING);
    assert_int_equal(unit.as.outbox.attempts, 2);
    assert_int_equal(unit.as.outbox.due_in_ms, LEASE_MS);
    out = feed(&o, OUTBOX_EV_APPLIED);
    assert_int_equal(o.phase, OUTBOX_PHASE_PUBLISHING);
    assert_true(out.publish && !out.submit);
    assert_int_equal(o.topic, 11);
    assert_int_equal(o.key, 12);
    assert_int_equal(o.body, 13);
    assert_int_equal(o.headers, 14);
    assert_int_equal(o.at_ms, 555);
    assert_int_equal(o.type, OUTCOME_NONE);
    assert_true(o.has_key && o.has_body);
}

/* Trap 8: what is judged is the lease, which its holder renews by taking; not the row's age. */
static void trap_08_a_row_is_published_only_by_whoever_holds_its_lease(void **state)
{
    (void)state;
    struct outbox o = slot_in(OUTBOX_PHASE_TAKING);
    struct outbox_output out = feed(&o, OUTBOX_EV_REFUSED);
    assert_int_equal(o.phase, OUTBOX_PHASE_FREE);
    assert_true(out.closed && !out.publish && !out.submit);

    struct outbox late = slot_in(OUTBOX_PHASE_TAKING);
    struct outbox_event applied = {.type = OUTBOX_EV_APPLIED};
    out = step_at(&late, NOW_MS + LEASE_MS, applied);
    assert_true(out.closed && !out.publish);

    struct outbox in_time = slot_in(OUTBOX_PHASE_TAKING);
    out = step_at(&in_time, NOW_MS + LEASE_MS - 1, applied);
    assert_true(out.publish);
}

static void a_row_whose_lease_ran_out_is_taken_from_publishing(void **state)
{
    (void)state;
    struct outbox o = {0};
    struct outbox_row row = row_in_store(OUTBOX_PUBLISHING, 5, 0);
    (void)feed_due(&o, &row);
    struct unit unit = unit_of(&o);
    assert_int_equal(unit.as.outbox.guard_status, OUTBOX_PUBLISHING);
    assert_int_equal(unit.as.outbox.guard_epoch, 5);
}

/* Trap 25: DONE is a guarded transition of its own row, and a failed one blocks no other row. */
static void trap_25_done_is_guarded_and_one_row_blocks_no_other(void **state)
{
    (void)state;
    struct outbox o = slot_in(OUTBOX_PHASE_MARKING);
    struct unit unit = unit_of(&o);
    assert_int_equal(unit.as.outbox.row_id, ROW_ID);
    assert_int_equal(unit.as.outbox.guard_status, OUTBOX_PUBLISHING);
    assert_int_equal(unit.as.outbox.guard_epoch, 4);
    assert_int_equal(unit.as.outbox.status, OUTBOX_DONE);
    assert_int_equal(unit.as.outbox.due_in_ms, DUE_NEVER);
    static const enum outbox_event_type ends[] = {OUTBOX_EV_APPLIED, OUTBOX_EV_REFUSED,
                                                  OUTBOX_EV_UNWRITABLE};
    for (size_t i = 0; i < 3; i++) {
        struct outbox each = o;
        struct outbox_output out = feed(&each, ends[i]);
        assert_int_equal(each.phase, OUTBOX_PHASE_FREE);
        assert_true(out.closed && !out.publish && !out.submit);
    }
}

static void a_delivery_after_the_lease_is_marked_all_the_same(void **state)
{
    (void)state;
    struct outbox o = slot_in(OUTBOX_PHASE_PUBLISHING);
    struct outbox_event delivered = {.type = OUTBOX_EV_DELIVERED, .call_no = o.call_no};
    struct outbox_output out = step_at(&o, NOW_MS + 10 * LEASE_MS, delivered);
    assert_true(out.submit);
    assert_int_equal(o.phase, OUTBOX_PHASE_MARKING);
}

static void check_returned(enum outbox_event_type type, bool alert)
{
    struct outbox o = slot_in(OUTBOX_PHASE_PUBLISHING);
    struct outbox_output out = feed(&o, type);
    assert_int_equal(o.phase, OUTBOX_PHASE_RETURNING);
    assert_true(out.submit && !out.closed && !out.publish);
    assert_int_equal(out.alert, alert);
    struct unit unit = unit_of(&o);
    assert_int_equal(unit.as.outbox.guard_status, OUTBOX_PUBLISHING);
    assert_int_equal(unit.as.outbox.guard_epoch, 4);
    assert_int_equal(unit.as.outbox.status, OUTBOX_READY);
    assert_int_equal(unit.as.outbox.attempts, 3);
    /* Two tries failed before this one: base x 2 x 2, half of it drawn. */
    assert_in_range(unit.as.outbox.due_in_ms, 2000, 4000);
    out = feed(&o, OUTBOX_EV_APPLIED);
    assert_true(out.closed && !out.publish && !out.submit);
}

static void a_rejected_row_backs_off_and_alerts(void **state)
{
    (void)state;
    check_returned(OUTBOX_EV_REJECTED, true);
}

static void a_row_without_verdict_backs_off_without_alert(void **state)
{
    (void)state;
    check_returned(OUTBOX_EV_NO_VERDICT, false);
}

static void the_back_off_is_bounded_and_its_attempts_do_not_wrap(void **state)
{
    (void)state;
    struct outbox o = {0};
    struct outbox_row row = row_in_store(OUTBOX_READY, 3, UINT16_MAX);
    (void)feed_due(&o, &row);
    (void)feed(&o, OUTBOX_EV_APPLIED);
    (void)feed(&o, OUTBOX_EV_REJECTED);
    struct unit unit = unit_of(&o);
    assert_int_equal(unit.as.outbox.attempts, UINT16_MAX);
    assert_in_range(unit.as.outbox.due_in_ms, 30000, 60000);
}

static void check_given_up(enum outbox_phase phase, enum outbox_event_type type)
{
    struct outbox o = slot_in(phase);
    struct outbox_output out = feed(&o, type);
    assert_int_equal(o.phase, OUTBOX_PHASE_FREE);
    assert_true(out.closed && !out.publish && !out.submit && !out.alert);
}

static void a_row_that_someone_else_has_is_let_go(void **state)
{
    (void)state;
    check_given_up(OUTBOX_PHASE_TAKING, OUTBOX_EV_REFUSED);
    check_given_up(OUTBOX_PHASE_TAKING, OUTBOX_EV_UNWRITABLE);
    check_given_up(OUTBOX_PHASE_RETURNING, OUTBOX_EV_REFUSED);
    check_given_up(OUTBOX_PHASE_RETURNING, OUTBOX_EV_UNWRITABLE);
}

static void a_stale_report_is_ignored_in_every_phase(void **state)
{
    (void)state;
    static const struct outbox_output nothing;
    for (unsigned phase = 0; phase < OUTBOX_PHASE_COUNT; phase++) {
        for (unsigned type = OUTBOX_EV_DELIVERED; type < OUTBOX_EV_COUNT; type++) {
            struct outbox o = slot_in((enum outbox_phase)phase);
            struct outbox before = o;
            struct outbox_event ev = {.type = (uint8_t)type, .call_no = (uint16_t)(o.call_no - 1)};
            struct outbox_output out = step_at(&o, NOW_MS, ev);
            assert_memory_equal(&o, &before, sizeof(o));
            assert_memory_equal(&out, &nothing, sizeof(out));
        }
    }
}

static void a_second_report_of_one_call_is_stale(void **state)
{
    (void)state;
    struct outbox o = slot_in(OUTBOX_PHASE_PUBLISHING);
    struct outbox_event twice = {.type = OUTBOX_EV_DELIVERED, .call_no = o.call_no};
    assert_true(step_at(&o, NOW_MS, twice).submit);
    assert_false(step_at(&o, NOW_MS, twice).submit);
    assert_int_equal(o.phase, OUTBOX_PHASE_MARKING);
    o = slot_in(OUTBOX_PHASE_PUBLISHING);
    twice.type = OUTBOX_EV_NO_VERDICT;
    twice.call_no = o.call_no;
    assert_true(step_at(&o, NOW_MS, twice).submit);
    assert_false(step_at(&o, NOW_MS, twice).submit);
    assert_int_equal(o.phase, OUTBOX_PHASE_RETURNING);
}

static void the_call_number_outlives_the_row(void **state)
{
    (void)state;
    struct outbox o = slot_in(OUTBOX_PHASE_PUBLISHING);
    uint16_t old = o.call_no;
    outbox_drop(&o);
    assert_int_equal(o.phase, OUTBOX_PHASE_FREE);
    assert_int_equal(o.row_id, 0);
    struct outbox own = own_row(NOW_MS + 1);
    (void)feed_own(&o, &own);
    struct outbox_event late = {.type = OUTBOX_EV_DELIVERED, .call_no = old};
    assert_false(step_at(&o, NOW_MS, late).submit);
    assert_int_equal(o.phase, OUTBOX_PHASE_PUBLISHING);
}

static void ask_for_a_unit(void *context)
{
    struct unit unit;
    outbox_unit(context, &config, PROCESS, &unit);
}

static void check_slot(void *context)
{
    outbox_check(context);
}

static void a_broken_invariant_ends_the_process(void **state)
{
    (void)state;
    struct outbox publishing = slot_in(OUTBOX_PHASE_PUBLISHING);
    assert_true(ends_the_process(ask_for_a_unit, &publishing));
    assert_false(ends_the_process(check_slot, &publishing));
    struct outbox broken = publishing;
    broken.guard_status = OUTBOX_READY; /* published without a lease */
    assert_true(ends_the_process(check_slot, &broken));
    broken = publishing;
    broken.row_id = 0; /* taken, but from where */
    assert_true(ends_the_process(check_slot, &broken));
    broken = slot_in(OUTBOX_PHASE_MARKING);
    broken.token_sequence = 0;
    assert_true(ends_the_process(check_slot, &broken));
    broken = publishing;
    broken.phase = OUTBOX_PHASE_COUNT;
    assert_true(ends_the_process(check_slot, &broken));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cell_of_the_table_is_as_the_diagram_says),
        cmocka_unit_test(the_writer_publishes_its_own_row_from_memory),
        cmocka_unit_test(an_own_row_whose_lease_is_over_is_left_to_polling),
        cmocka_unit_test(an_own_row_is_marked_by_its_event_id),
        cmocka_unit_test(a_due_row_is_leased_before_it_is_published),
        cmocka_unit_test(trap_08_a_row_is_published_only_by_whoever_holds_its_lease),
        cmocka_unit_test(a_row_whose_lease_ran_out_is_taken_from_publishing),
        cmocka_unit_test(trap_25_done_is_guarded_and_one_row_blocks_no_other),
        cmocka_unit_test(a_delivery_after_the_lease_is_marked_all_the_same),
        cmocka_unit_test(a_rejected_row_backs_off_and_alerts),
        cmocka_unit_test(a_row_without_verdict_backs_off_without_alert),
        cmocka_unit_test(the_back_off_is_bounded_and_its_attempts_do_not_wrap),
        cmocka_unit_test(a_row_that_someone_else_has_is_let_go),
        cmocka_unit_test(a_stale_report_is_ignored_in_every_phase),
        cmocka_unit_test(a_second_report_of_one_call_is_stale),
        cmocka_unit_test(the_call_number_outlives_the_row),
        cmocka_unit_test(a_broken_invariant_ends_the_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
