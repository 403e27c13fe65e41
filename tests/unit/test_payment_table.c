/* Every cell of the payment's transition table, against the diagram in payment.h. */
#include "payment_kit.h"

#include <string.h>

/* H handled, I ignored, - impossible. Columns: ARRIVED DUE OPERATOR, FARE PAYER,
 * APPLIED REFUSED DUPLICATE UNWRITABLE, ANSWER TIMER. */
static const char *const expected[PHASE_COUNT] = {
    [PHASE_FREE] = "HHH II ---- II",          [PHASE_LOOKING_UP] = "--- HH ---- -I",
    [PHASE_LOOKUP_WAIT] = "--- II ---- -H",   [PHASE_GATED] = "--- II ---- -H",
    [PHASE_OPENING] = "--- II H-HH -I",       [PHASE_CLAIMING] = "--- II HH-H -I",
    [PHASE_CHARGING] = "--- II ---- HI",      [PHASE_CHARGE_WAIT] = "--- II ---- -H",
    [PHASE_ASKING] = "--- II ---- HI",        [PHASE_ASK_WAIT] = "--- II ---- -H",
    [PHASE_FINISHING] = "--- II HH-H -I",     [PHASE_INTENDING] = "--- II HH-H -I",
    [PHASE_CANCELLING] = "--- II ---- HI",    [PHASE_CANCEL_WAIT] = "--- II ---- -H",
    [PHASE_CANCEL_ASKING] = "--- II ---- HI", [PHASE_NUMBERING] = "--- II HH-H -I",
    [PHASE_REFUNDING] = "--- II HH-H -I",     [PHASE_TAKING] = "--- II HH-H -I",
    [PHASE_INSPECTING] = "--- II ---- HI",    [PHASE_PARKING] = "--- II HH-H -I",
    [PHASE_HOLDING] = "--- II ---- -H",
};

static char expected_cell(unsigned phase, unsigned type)
{
    unsigned gaps = (type > 2 ? 1U : 0U) + (type > 4 ? 1U : 0U) + (type > 8 ? 1U : 0U);
    return expected[phase][type + gaps];
}

struct cell {
    enum payment_phase phase;
    enum payment_event_type type;
};

/* The usual event of each type: good answers, an approval, a row that someone else took over. */
static void feed(struct pay *w, enum payment_event_type type)
{
    struct payment_event ev = {.type = (uint8_t)type};
    switch (type) {
    case PAYMENT_EV_ARRIVED:
        pay_arrive(w);
        return;
    case PAYMENT_EV_FARE:
        pay_fare(w, FARE_KRW);
        return;
    case PAYMENT_EV_PAYER:
        pay_payer(w);
        return;
    case PAYMENT_EV_ANSWER:
        pay_answer(w, pay_approval());
        return;
    case PAYMENT_EV_DUE:
    case PAYMENT_EV_REFUSED:
    case PAYMENT_EV_DUPLICATE:
        ev.has_row = 1;
        ev.as.row = pay_row(PAYMENT_PROCESSING, 9);
        break;
    case PAYMENT_EV_OPERATOR:
        ev.op = ORIGIN_OPERATOR_REFUND;
        ev.as.row = pay_row(PAYMENT_UNKNOWN, 9);
        break;
    case PAYMENT_EV_APPLIED:
    case PAYMENT_EV_UNWRITABLE:
    case PAYMENT_EV_TIMER:
    case PAYMENT_EV_COUNT:
        break;
    }
    pay_step(w, ev);
}

static void visit(void *context)
{
    const struct cell *cell = context;
    struct pay w = pay_in(cell->phase);
    feed(&w, cell->type);
}

static void each_cell_has_the_class_that_the_diagram_gives_it(void **state)
{
    (void)state;
    for (unsigned phase = 0; phase < PHASE_COUNT; phase++) {
        for (unsigned type = 0; type < PAYMENT_EV_COUNT; type++) {
            char want = expected_cell(phase, type);
            enum payment_cell cell =
                payment_cell((enum payment_phase)phase, (enum payment_event_type)type);
            assert_int_equal(cell == CELL_HANDLED, want == 'H');
            assert_int_equal(cell == CELL_IGNORED, want == 'I');
            assert_int_equal(cell == CELL_IMPOSSIBLE, want == '-');
        }
    }
}

static void an_impossible_event_ends_the_process_and_no_other_does(void **state)
{
    (void)state;
    for (unsigned phase = 0; phase < PHASE_COUNT; phase++) {
        for (unsigned type = 0; type < PAYMENT_EV_COUNT; type++) {
            struct cell cell = {(enum payment_phase)phase, (enum payment_event_type)type};
            bool impossible = expected_cell(phase, type) == '-';
            assert_int_equal(ends_the_process(visit, &cell), impossible);
        }
    }
}

static void an_ignored_event_changes_and_asks_nothing(void **state)
{
    (void)state;
    for (unsigned phase = 0; phase < PHASE_COUNT; phase++) {
        for (unsigned type = 0; type < PAYMENT_EV_COUNT; type++) {
            struct pay w = pay_in((enum payment_phase)phase);
            struct payment before = w.p;
            if (expected_cell(phase, type) == 'I') {
                feed(&w, (enum payment_event_type)type);
                assert_memory_equal(&w.p, &before, sizeof(before));
                pay_asks_nothing(&w);
            }
        }
    }
}

static void an_answer_with_a_stale_number_is_ignored_in_every_phase(void **state)
{
    (void)state;
    static const uint8_t answers[] = {PAYMENT_EV_FARE, PAYMENT_EV_PAYER, PAYMENT_EV_ANSWER};
    for (unsigned phase = 0; phase < PHASE_COUNT; phase++) {
        for (unsigned i = 0; i < 3; i++) {
            struct pay w = pay_in((enum payment_phase)phase);
            struct payment before = w.p;
            struct payment_event ev = {.type = answers[i], .call_no = (uint16_t)(w.p.call_no - 1)};
            ev.as.pg = pay_approval();
            pay_step(&w, ev);
            assert_memory_equal(&w.p, &before, sizeof(before));
            pay_asks_nothing(&w);
        }
    }
}

/* What a handled cell does with its usual event. Absent members: nothing of the kind. */
struct effect {
    struct cell cell;
    enum payment_phase next; /* FREE: closed */
    uint8_t calls;
    uint8_t acknowledge;
    uint8_t publish;
    uint8_t alert;
    uint8_t reply;
    uint8_t dead_letter;
    uint8_t wakes;
    /* The unit, where one is submitted: from != to, or both. */
    uint8_t submit;
    uint8_t from;
    uint8_t to;
    uint8_t outcome;
    uint8_t refund;
    uint8_t claimed_at;
    uint8_t cancel_at;
};

#define AT(phase, event) .cell = {PHASE_##phase, PAYMENT_EV_##event}, .next

static const struct effect effects[] = {
    {AT(FREE, ARRIVED) = PHASE_LOOKING_UP, .calls = CALL_FARE | CALL_PAYER},
    {AT(FREE, DUE) = PHASE_TAKING, .submit = 1, .from = PAYMENT_PROCESSING,
     .to = PAYMENT_PROCESSING},
    {AT(FREE, OPERATOR) = PHASE_TAKING, .submit = 1, .from = PAYMENT_UNKNOWN,
     .to = PAYMENT_UNKNOWN},
    {AT(LOOKING_UP, FARE) = PHASE_LOOKING_UP},
    {AT(LOOKING_UP, PAYER) = PHASE_LOOKING_UP},
    {AT(LOOKUP_WAIT, TIMER) = PHASE_LOOKING_UP, .calls = CALL_FARE},
    {AT(GATED, TIMER) = PHASE_OPENING, .submit = 1, .to = PAYMENT_PROCESSING,
     .claimed_at = INSTANT_NOW},
    {AT(OPENING, APPLIED) = PHASE_CHARGING, .calls = CALL_CHARGE, .acknowledge = 1},
    {AT(OPENING, DUPLICATE) = PHASE_FREE, .acknowledge = 1},
    {AT(OPENING, UNWRITABLE) = PHASE_FREE, .dead_letter = DEAD_LETTER_UNWRITABLE},
    {AT(CLAIMING, APPLIED) = PHASE_CHARGING, .calls = CALL_CHARGE, .acknowledge = 1},
    {AT(CLAIMING, REFUSED) = PHASE_FREE, .acknowledge = 1},
    {AT(CLAIMING, UNWRITABLE) = PHASE_FREE, .dead_letter = DEAD_LETTER_UNWRITABLE},
    {AT(CHARGING, ANSWER) = PHASE_FINISHING, .submit = 1, .from = PAYMENT_PROCESSING,
     .to = PAYMENT_COMPLETED, .outcome = OUTCOME_COMPLETED},
    {AT(CHARGE_WAIT, TIMER) = PHASE_CHARGING, .calls = CALL_CHARGE},
    {AT(ASKING, ANSWER) = PHASE_FINISHING, .submit = 1, .from = PAYMENT_PROCESSING,
     .to = PAYMENT_COMPLETED, .outcome = OUTCOME_COMPLETED},
    {AT(ASK_WAIT, TIMER) = PHASE_ASKING, .calls = CALL_LOOKUP},
    {AT(FINISHING, APPLIED) = PHASE_FREE, .publish = OUTCOME_COMPLETED},
    {AT(FINISHING, REFUSED) = PHASE_INTENDING, .submit = 1, .from = PAYMENT_PROCESSING,
     .to = PAYMENT_PROCESSING, .refund = REFUND_INTENDED, .cancel_at = INSTANT_NOW},
    {AT(FINISHING, UNWRITABLE) = PHASE_INTENDING, .submit = 1, .from = PAYMENT_PROCESSING,
     .to = PAYMENT_PROCESSING, .refund = REFUND_INTENDED, .cancel_at = INSTANT_NOW},
    {AT(INTENDING, APPLIED) = PHASE_CANCELLING, .calls = CALL_CANCEL},
    {AT(INTENDING, REFUSED) = PHASE_FREE},
    {AT(INTENDING, UNWRITABLE) = PHASE_HOLDING, .alert = ALERT_HOLDING, .wakes = 1},
    {AT(CANCELLING, ANSWER) = PHASE_CANCEL_ASKING, .calls = CALL_LOOKUP},
    {AT(CANCEL_WAIT, TIMER) = PHASE_CANCELLING, .calls = CALL_CANCEL},
    {AT(CANCEL_ASKING, ANSWER) = PHASE_NUMBERING, .submit = 1, .from = PAYMENT_PROCESSING,
     .to = PAYMENT_PROCESSING, .refund = REFUND_INTENDED, .cancel_at = INSTANT_NOW},
    {AT(NUMBERING, APPLIED) = PHASE_CANCEL_WAIT, .wakes = 1},
    {AT(NUMBERING, REFUSED) = PHASE_FREE},
    {AT(NUMBERING, UNWRITABLE) = PHASE_HOLDING, .alert = ALERT_HOLDING, .wakes = 1},
    {AT(REFUNDING, APPLIED) = PHASE_FREE, .publish = OUTCOME_FAILED},
    {AT(REFUNDING, REFUSED) = PHASE_FREE},
    {AT(REFUNDING, UNWRITABLE) = PHASE_HOLDING, .alert = ALERT_HOLDING, .wakes = 1},
    {AT(TAKING, APPLIED) = PHASE_INSPECTING, .calls = CALL_LOOKUP},
    {AT(TAKING, REFUSED) = PHASE_FREE},
    {AT(TAKING, UNWRITABLE) = PHASE_FREE, .alert = ALERT_HOLDING},
    {AT(INSPECTING, ANSWER) = PHASE_INTENDING, .submit = 1, .from = PAYMENT_PROCESSING,
     .to = PAYMENT_PROCESSING, .refund = REFUND_INTENDED, .cancel_at = INSTANT_NOW},
    {AT(PARKING, APPLIED) = PHASE_FREE},
    {AT(PARKING, REFUSED) = PHASE_FREE},
    {AT(PARKING, UNWRITABLE) = PHASE_HOLDING, .alert = ALERT_HOLDING, .wakes = 1},
    {AT(HOLDING, TIMER) = PHASE_INTENDING, .submit = 1, .from = PAYMENT_PROCESSING,
     .to = PAYMENT_PROCESSING, .refund = REFUND_INTENDED, .cancel_at = INSTANT_NOW},
};
#define EFFECTS (sizeof(effects) / sizeof(effects[0]))

static void feed_at_its_time(struct pay *w, struct cell cell)
{
    if (cell.type != PAYMENT_EV_TIMER) {
        feed(w, cell.type);
        return;
    }
    w->ctx.gate_open[GATE_PG] = true;
    pay_timer(w);
}

static void check_unit(const struct pay *w, const struct effect *want)
{
    if (!want->submit) {
        assert_false(payment_is_committing(&w->p));
        return;
    }
    pay_unit_is(w, (enum payment_status)want->from, (enum payment_status)want->to,
                (enum outcome_type)want->outcome);
    const struct unit_payment *u = pay_unit(w);
    assert_int_equal(u->row.refund_state, want->refund);
    assert_int_equal(u->row.refund_pg_id, want->refund == REFUND_INTENDED ? PG_ID : TEXT_NONE);
    assert_int_equal(u->claimed_at, want->claimed_at);
    assert_int_equal(u->row.pg_account, want->claimed_at == INSTANT_NOW ? OUR_ACCOUNT : 0);
    assert_int_equal(u->cancel_at, want->cancel_at);
    assert_int_equal(u->row.trip_id, TRIP);
    assert_int_equal(u->row.user_id, USER);
    assert_int_equal(u->row.method_id, METHOD);
    assert_int_equal(u->row.amount_krw, FARE_KRW);
    assert_true(uuid_equal(&u->row.payment_id, &pay_id));
}

static void check_effect(const struct effect *want)
{
    struct pay w = pay_in(want->cell.phase);
    feed_at_its_time(&w, want->cell);
    pay_is(&w, want->next);
    assert_int_equal(w.out.closed, want->next == PHASE_FREE);
    assert_int_equal(w.out.submit, want->submit);
    assert_int_equal(w.out.calls, want->calls);
    assert_int_equal(w.out.acknowledge, want->acknowledge);
    assert_int_equal(w.out.publish, want->publish);
    assert_int_equal(w.out.alert, want->alert);
    assert_int_equal(w.out.reply, want->reply);
    assert_int_equal(w.out.dead_letter, want->dead_letter);
    assert_int_equal(w.out.wake_ms != WAKE_NONE, want->wakes);
    assert_true(!want->wakes || w.out.wake_ms > w.ctx.now_ms);
    check_unit(&w, want);
}

static void each_handled_cell_does_what_the_diagram_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < EFFECTS; i++) {
        check_effect(&effects[i]);
    }
}

static void no_handled_cell_is_left_out_of_the_effects(void **state)
{
    (void)state;
    size_t handled = 0;
    for (unsigned phase = 0; phase < PHASE_COUNT; phase++) {
        for (unsigned type = 0; type < PAYMENT_EV_COUNT; type++) {
            handled += expected_cell(phase, type) == 'H';
        }
    }
    assert_int_equal(handled, EFFECTS);
    for (size_t i = 0; i < EFFECTS; i++) {
        for (size_t k = 0; k < i; k++) {
            assert_true(effects[i].cell.phase != effects[k].cell.phase ||
                        effects[i].cell.type != effects[k].cell.type);
        }
    }
}

/* One unit and one PG call at most: a phase commits or calls, never both. */
static void a_phase_commits_or_calls_but_not_both(void **state)
{
    (void)state;
    for (unsigned phase = 0; phase < PHASE_COUNT; phase++) {
        struct pay w = pay_in((enum payment_phase)phase);
        assert_false(payment_is_committing(&w.p) && payment_is_calling(&w.p));
    }
}

static void only_what_is_not_durable_may_be_dropped(void **state)
{
    (void)state;
    for (unsigned phase = 0; phase < PHASE_COUNT; phase++) {
        struct pay w = pay_in((enum payment_phase)phase);
        bool before_any_unit =
            phase == PHASE_LOOKING_UP || phase == PHASE_LOOKUP_WAIT || phase == PHASE_GATED;
        assert_int_equal(payment_is_droppable(&w.p), before_any_unit);
    }
}

static void a_dropped_slot_keeps_its_call_number_going(void **state)
{
    (void)state;
    struct pay w = pay_in(PHASE_LOOKING_UP);
    uint16_t call_no = w.p.call_no;
    payment_drop(&w.p);
    pay_is(&w, PHASE_FREE);
    assert_int_equal(w.p.trip_id, TEXT_NONE);
    pay_arrive(&w);
    assert_int_not_equal(w.p.call_no, call_no);
}

static void every_name_is_given(void **state)
{
    (void)state;
    for (unsigned i = 0; i < PHASE_COUNT; i++) {
        assert_string_not_equal(payment_phase_name((enum payment_phase)i), "?");
    }
    for (unsigned i = 0; i < ALERT_COUNT; i++) {
        assert_string_not_equal(payment_alert_name((enum payment_alert)i), "?");
    }
    for (unsigned i = 0; i < DEAD_LETTER_REASON_COUNT; i++) {
        assert_string_not_equal(dead_letter_reason_name((enum dead_letter_reason)i), "?");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_cell_has_the_class_that_the_diagram_gives_it),
        cmocka_unit_test(an_impossible_event_ends_the_process_and_no_other_does),
        cmocka_unit_test(an_ignored_event_changes_and_asks_nothing),
        cmocka_unit_test(an_answer_with_a_stale_number_is_ignored_in_every_phase),
        cmocka_unit_test(each_handled_cell_does_what_the_diagram_says),
        cmocka_unit_test(no_handled_cell_is_left_out_of_the_effects),
        cmocka_unit_test(a_phase_commits_or_calls_but_not_both),
        cmocka_unit_test(only_what_is_not_durable_may_be_dropped),
        cmocka_unit_test(a_dropped_slot_keeps_its_call_number_going),
        cmocka_unit_test(every_name_is_given),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
