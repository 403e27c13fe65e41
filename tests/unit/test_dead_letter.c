/* The ways of a dead letter: to the DLT, into failed_event, and back to its origin. */
#include "dead_letter.h"
#include "payment.h"
#include "unit_support.h"

#include <string.h>

#define NOW_MS  INT64_C(1000000)
#define PROCESS UINT64_C(0x0102030405060708)
#define TOKEN   UINT64_C(0x1112131415161718)

static const struct dead_letter_config config = {.backoff_ms = 1000, .backoff_max_ms = 60000};

static struct failed_event_row origin_row(void)
{
    struct failed_event_row row = {
        .row_id = 31,
        .origin_offset = 1234,
        .origin_at_ms = 777,
        .origin_partition = 5,
        .epoch = 9,
        .status = FAILED_EVENT_PENDING,
        .has_key = 1,
        .has_body = 1,
        .topic = 41,
        .key = 42,
        .body = 43,
        .headers = 44,
        .error = 45,
    };
    return row;
}

static struct dead_letter_output feed_at(struct dead_letter *d, int64_t now_ms,
                                         enum dead_letter_event_type type)
{
    struct failed_event_row row = origin_row();
    struct dead_letter_event ev = {
        .type = (uint8_t)type,
        .reason = DEAD_LETTER_MALFORMED,
        .call_no = d->call_no,
        .record = 61,
        .error = 62,
        .row = &row,
    };
    struct dead_letter_output out;
    dead_letter_step(d, &config, now_ms, 0, TOKEN, &ev, &out);
    return out;
}

static struct dead_letter_output feed(struct dead_letter *d, enum dead_letter_event_type type)
{
    return feed_at(d, NOW_MS, type);
}

static bool nothing_asked(const struct dead_letter_output *out)
{
    return out->wake_ms == DEAD_LETTER_WAKE_NONE && !out->submit && !out->publish &&
           !out->acknowledge && !out->alert && !out->closed && !out->moved;
}

static struct unit unit_of(const struct dead_letter *d)
{
    struct unit unit;
    struct unit again;
    dead_letter_unit(d, PROCESS, &unit);
    dead_letter_unit(d, PROCESS, &again);
    assert_memory_equal(&unit, &again, sizeof(unit));
    assert_int_equal(unit.token.process, PROCESS);
    assert_int_equal(unit.token.sequence, TOKEN);
    return unit;
}

/* A slot in the phase, reached by its shortest story. */
static struct dead_letter slot_in(enum dead_letter_phase phase)
{
    static const enum dead_letter_event_type stories[DEAD_LETTER_PHASE_COUNT][2] = {
        [DEAD_LETTER_PUBLISHING] = {DEAD_LETTER_EV_RAISED, DEAD_LETTER_EV_COUNT},
        [DEAD_LETTER_WAITING] = {DEAD_LETTER_EV_RAISED, DEAD_LETTER_EV_REJECTED},
        [DEAD_LETTER_STORING] = {DEAD_LETTER_EV_STORE, DEAD_LETTER_EV_COUNT},
        [DEAD_LETTER_STORE_WAIT] = {DEAD_LETTER_EV_STORE, DEAD_LETTER_EV_UNWRITABLE},
        [DEAD_LETTER_MOVING] = {DEAD_LETTER_EV_RETRY, DEAD_LETTER_EV_COUNT},
    };
    struct dead_letter d = {.call_no = 300};
    for (unsigned i = 0; phase != DEAD_LETTER_FREE && i < 2; i++) {
        if (stories[phase][i] != DEAD_LETTER_EV_COUNT) {
            (void)feed(&d, stories[phase][i]);
        }
    }
    assert_int_equal(d.phase, phase);
    return d;
}

/* H handled, I ignored, - impossible; the diagram in dead_letter.h, written out by hand. */
static const char expected[DEAD_LETTER_PHASE_COUNT][DEAD_LETTER_EV_COUNT + 1] = {
    /* RAISED STORE RETRY IGNORE, APPLIED REFUSED DUPLICATE UNWRITABLE,
     * DELIVERED REJECTED NO_VERDICT TIMER */
    [DEAD_LETTER_FREE] = "HHHH"
                         "----"
                         "IIII",
    [DEAD_LETTER_PUBLISHING] = "----"
                               "----"
                               "HHHI",
    [DEAD_LETTER_WAITING] = "----"
                            "----"
                            "---H",
    [DEAD_LETTER_STORING] = "----"
                            "H-HH"
                            "---I",
    [DEAD_LETTER_STORE_WAIT] = "----"
                               "----"
                               "---H",
    [DEAD_LETTER_MOVING] = "----"
                           "HH-H"
                           "---I",
};

struct cell {
    enum dead_letter_phase phase;
    enum dead_letter_event_type type;
};

static void visit_cell(void *context)
{
    const struct cell *cell = context;
    struct dead_letter d = slot_in(cell->phase);
    (void)feed(&d, cell->type);
}

static void check_cell(struct cell cell)
{
    char want = expected[cell.phase][cell.type];
    struct dead_letter before = slot_in(cell.phase);
    struct dead_letter d = before;

    assert_int_equal(dead_letter_cell_is_impossible(cell.phase, cell.type), want == '-');
    assert_int_equal(ends_the_process(visit_cell, &cell), want == '-');
    if (want == 'I') {
        struct dead_letter_output out = feed(&d, cell.type);
        assert_memory_equal(&d, &before, sizeof(d));
        assert_true(nothing_asked(&out));
    }
}

static void every_cell_of_the_table_is_as_the_diagram_says(void **state)
{
    (void)state;
    for (unsigned phase = 0; phase < DEAD_LETTER_PHASE_COUNT; phase++) {
        for (unsigned type = 0; type < DEAD_LETTER_EV_COUNT; type++) {
            struct cell cell = {(enum dead_letter_phase)phase, (enum dead_letter_event_type)type};
            check_cell(cell);
        }
    }
}

/* Traps 9 and 10: acknowledged by the broker's delivery report, and by nothing else. */
static void trap_09_a_raised_record_is_acknowledged_only_when_delivered(void **state)
{
    (void)state;
    struct dead_letter d = {.call_no = 300};
    struct dead_letter_output out = feed(&d, DEAD_LETTER_EV_RAISED);
    assert_int_equal(d.phase, DEAD_LETTER_PUBLISHING);
    assert_true(out.publish && !out.acknowledge && !out.submit && !out.closed);
    assert_int_equal(d.call_no, 301);
    assert_int_equal(d.record, 61);
    assert_int_equal(d.error, 62);
    assert_int_equal(d.reason, DEAD_LETTER_MALFORMED);
    out = feed(&d, DEAD_LETTER_EV_DELIVERED);
    assert_int_equal(d.phase, DEAD_LETTER_FREE);
    assert_true(out.acknowledge && out.closed && !out.publish && !out.alert);
}

static void check_tried_again(enum dead_letter_event_type type)
{
    struct dead_letter d = slot_in(DEAD_LETTER_PUBLISHING);
    struct dead_letter_output out = feed(&d, type);
    assert_int_equal(d.phase, DEAD_LETTER_WAITING);
    assert_true(out.alert && !out.acknowledge && !out.closed && !out.publish);
    assert_int_equal(out.wake_ms, NOW_MS + 500); /* half of 1 s is fixed, nothing drawn */
    uint16_t call_no = d.call_no;
    out = feed_at(&d, out.wake_ms, DEAD_LETTER_EV_TIMER);
    assert_int_equal(d.phase, DEAD_LETTER_PUBLISHING);
    assert_true(out.publish && !out.acknowledge && !out.alert);
    assert_int_equal(d.call_no, (uint16_t)(call_no + 1));
    assert_int_equal(d.record, 61);
}

static void trap_10_an_undeliverable_dead_letter_is_tried_for_ever(void **state)
{
    (void)state;
    check_tried_again(DEAD_LETTER_EV_REJECTED);
    check_tried_again(DEAD_LETTER_EV_NO_VERDICT);

    struct dead_letter d = slot_in(DEAD_LETTER_PUBLISHING);
    int64_t now_ms = NOW_MS;
    int64_t wait_ms = 0;
    for (unsigned i = 0; i < 70000; i++) {
        struct dead_letter_output out = feed_at(&d, now_ms, DEAD_LETTER_EV_REJECTED);
        assert_false(out.acknowledge || out.closed);
        wait_ms = out.wake_ms - now_ms;
        now_ms = out.wake_ms;
        assert_true(feed_at(&d, now_ms, DEAD_LETTER_EV_TIMER).publish);
    }
    assert_int_equal(wait_ms, 30000); /* the cap, also after more tries than the counter holds */
}

/* Trap 11: what is kept is the record's origin, and its key. */
static void trap_11_the_stored_row_has_the_origin_and_the_key(void **state)
{
    (void)state;
    struct dead_letter d = {0};
    struct dead_letter_output out = feed(&d, DEAD_LETTER_EV_STORE);
    assert_true(out.submit && !out.acknowledge && dead_letter_is_committing(&d));
    struct unit unit = unit_of(&d);
    const struct failed_event_row *row = &unit.as.failed_event.row;
    assert_int_equal(unit.kind, UNIT_FAILED_EVENT_OPEN);
    assert_int_equal(row->status, FAILED_EVENT_PENDING);
    assert_int_equal(row->topic, 41);
    assert_int_equal(row->origin_partition, 5);
    assert_int_equal(row->origin_offset, 1234);
    assert_int_equal(row->origin_at_ms, 777);
    assert_true(row->has_key && row->has_body);
    assert_int_equal(row->key, 42);
    assert_int_equal(row->body, 43);
    assert_int_equal(row->headers, 44);
    assert_int_equal(row->error, 45);
    assert_true(token_equal(row->token, unit.token));
}

static void a_missing_key_or_body_stays_missing(void **state)
{
    (void)state;
    struct dead_letter d = {0};
    struct failed_event_row row = origin_row();
    row.has_key = 0;
    row.key = TEXT_NONE;
    row.has_body = 0;
    row.body = TEXT_NONE;
    struct dead_letter_event ev = {.type = DEAD_LETTER_EV_STORE, .row = &row};
    struct dead_letter_output out;
    dead_letter_step(&d, &config, NOW_MS, 0, TOKEN, &ev, &out);
    struct unit unit = unit_of(&d);
    assert_false(unit.as.failed_event.row.has_key || unit.as.failed_event.row.has_body);
}

static void a_stored_or_known_row_acknowledges_the_record(void **state)
{
    (void)state;
    static const enum dead_letter_event_type good[] = {DEAD_LETTER_EV_APPLIED,
                                                       DEAD_LETTER_EV_DUPLICATE};
    for (size_t i = 0; i < 2; i++) {
        struct dead_letter d = slot_in(DEAD_LETTER_STORING);
        struct dead_letter_output out = feed(&d, good[i]);
        assert_int_equal(d.phase, DEAD_LETTER_FREE);
        assert_true(out.acknowledge && out.closed && !out.moved && !out.alert);
    }
}

static void an_unwritable_row_is_not_acknowledged_and_sent_again(void **state)
{
    (void)state;
    struct dead_letter d = slot_in(DEAD_LETTER_STORING);
    struct dead_letter_output out = feed(&d, DEAD_LETTER_EV_UNWRITABLE);
    assert_int_equal(d.phase, DEAD_LETTER_STORE_WAIT);
    assert_true(out.alert && !out.acknowledge && !out.closed && !out.submit);
    assert_int_equal(out.wake_ms, NOW_MS + 500);
    assert_false(dead_letter_is_committing(&d));
    out = feed_at(&d, out.wake_ms, DEAD_LETTER_EV_TIMER);
    assert_int_equal(d.phase, DEAD_LETTER_STORING);
    assert_true(out.submit);
    assert_int_equal(unit_of(&d).as.failed_event.row.topic, 41);
    out = feed(&d, DEAD_LETTER_EV_UNWRITABLE);
    assert_int_equal(out.wake_ms, NOW_MS + 1000);
}

static void a_retry_is_one_guarded_unit_with_an_event_id_of_its_token(void **state)
{
    (void)state;
    static const struct uuid want = {
        {1, 2, 3, 4, 5, 6, 7, 8, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18}};
    struct dead_letter d = {0};
    struct dead_letter_output out = feed(&d, DEAD_LETTER_EV_RETRY);
    assert_int_equal(d.phase, DEAD_LETTER_MOVING);
    assert_true(out.submit && !out.publish && !out.closed && !out.moved);
    struct unit unit = unit_of(&d);
    assert_int_equal(unit.kind, UNIT_FAILED_EVENT_MOVE);
    assert_int_equal(unit.as.failed_event.row.row_id, 31);
    assert_int_equal(unit.as.failed_event.row.status, FAILED_EVENT_RESOLVED);
    assert_int_equal(unit.as.failed_event.guard_epoch, 9);
    assert_true(uuid_equal(&unit.as.failed_event.event_id, &want));
}

static void an_ignored_row_gets_no_event(void **state)
{
    (void)state;
    struct dead_letter d = {0};
    (void)feed(&d, DEAD_LETTER_EV_IGNORE);
    struct unit unit = unit_of(&d);
    assert_int_equal(unit.kind, UNIT_FAILED_EVENT_MOVE);
    assert_int_equal(unit.as.failed_event.row.status, FAILED_EVENT_IGNORED);
    assert_int_equal(unit.as.failed_event.guard_epoch, 9);
    assert_true(uuid_is_nil(&unit.as.failed_event.event_id));
}

static void a_move_counts_only_where_the_guard_held(void **state)
{
    (void)state;
    struct dead_letter d = slot_in(DEAD_LETTER_MOVING);
    struct dead_letter_output out = feed(&d, DEAD_LETTER_EV_APPLIED);
    assert_true(out.closed && out.moved && !out.acknowledge);

    d = slot_in(DEAD_LETTER_MOVING);
    out = feed(&d, DEAD_LETTER_EV_REFUSED);
    assert_true(out.closed && !out.moved && !out.acknowledge);

    d = slot_in(DEAD_LETTER_MOVING);
    out = feed(&d, DEAD_LETTER_EV_UNWRITABLE);
    assert_true(out.closed && !out.moved && !out.acknowledge);
    assert_int_equal(d.phase, DEAD_LETTER_FREE);
}

static void a_stale_report_is_ignored_in_every_phase(void **state)
{
    (void)state;
    for (unsigned phase = 0; phase < DEAD_LETTER_PHASE_COUNT; phase++) {
        for (unsigned type = DEAD_LETTER_EV_DELIVERED; type <= DEAD_LETTER_EV_NO_VERDICT; type++) {
            struct dead_letter d = slot_in((enum dead_letter_phase)phase);
            struct dead_letter before = d;
            struct dead_letter_event ev = {.type = (uint8_t)type,
                                           .call_no = (uint16_t)(d.call_no - 1)};
            struct dead_letter_output out;
            dead_letter_step(&d, &config, NOW_MS, 0, TOKEN, &ev, &out);
            assert_memory_equal(&d, &before, sizeof(d));
            assert_true(nothing_asked(&out));
        }
    }
}

static void a_second_report_of_one_call_is_stale(void **state)
{
    (void)state;
    struct dead_letter d = slot_in(DEAD_LETTER_PUBLISHING);
    struct dead_letter_event twice = {.type = DEAD_LETTER_EV_REJECTED, .call_no = d.call_no};
    struct dead_letter_output out;
    dead_letter_step(&d, &config, NOW_MS, 0, TOKEN, &twice, &out);
    assert_int_equal(d.phase, DEAD_LETTER_WAITING);
    dead_letter_step(&d, &config, NOW_MS, 0, TOKEN, &twice, &out);
    assert_int_equal(d.attempts, 1);
    assert_true(nothing_asked(&out));
}

static void the_call_number_outlives_the_letter(void **state)
{
    (void)state;
    struct dead_letter d = slot_in(DEAD_LETTER_PUBLISHING);
    uint16_t old = d.call_no;
    dead_letter_drop(&d);
    assert_int_equal(d.phase, DEAD_LETTER_FREE);
    assert_int_equal(d.record, TEXT_NONE);
    (void)feed(&d, DEAD_LETTER_EV_RAISED);
    assert_int_not_equal(d.call_no, old);
}

static void check_slot(void *context)
{
    dead_letter_check(context);
}

static void ask_for_a_unit(void *context)
{
    struct unit unit;
    dead_letter_unit(context, PROCESS, &unit);
}

static void a_broken_invariant_ends_the_process(void **state)
{
    (void)state;
    struct dead_letter d = slot_in(DEAD_LETTER_PUBLISHING);
    assert_false(ends_the_process(check_slot, &d));
    assert_true(ends_the_process(ask_for_a_unit, &d));
    d.record = TEXT_NONE;
    assert_true(ends_the_process(check_slot, &d));
    d = slot_in(DEAD_LETTER_MOVING);
    d.target = FAILED_EVENT_PENDING;
    assert_true(ends_the_process(check_slot, &d));
    d = slot_in(DEAD_LETTER_STORING);
    d.token_sequence = 0;
    assert_true(ends_the_process(check_slot, &d));
    d = slot_in(DEAD_LETTER_WAITING);
    d.attempts = 0;
    assert_true(ends_the_process(check_slot, &d));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cell_of_the_table_is_as_the_diagram_says),
        cmocka_unit_test(trap_09_a_raised_record_is_acknowledged_only_when_delivered),
        cmocka_unit_test(trap_10_an_undeliverable_dead_letter_is_tried_for_ever),
        cmocka_unit_test(trap_11_the_stored_row_has_the_origin_and_the_key),
        cmocka_unit_test(a_missing_key_or_body_stays_missing),
        cmocka_unit_test(a_stored_or_known_row_acknowledges_the_record),
        cmocka_unit_test(an_unwritable_row_is_not_acknowledged_and_sent_again),
        cmocka_unit_test(a_retry_is_one_guarded_unit_with_an_event_id_of_its_token),
        cmocka_unit_test(an_ignored_row_gets_no_event),
        cmocka_unit_test(a_move_counts_only_where_the_guard_held),
        cmocka_unit_test(a_stale_report_is_ignored_in_every_phase),
        cmocka_unit_test(a_second_report_of_one_call_is_stale),
        cmocka_unit_test(the_call_number_outlives_the_letter),
        cmocka_unit_test(a_broken_invariant_ends_the_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
