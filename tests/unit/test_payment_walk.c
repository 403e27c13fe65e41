/*
 * A random walk through the payment machine: any event that the table does not call impossible,
 * with random contents, against one row that other workers change as well, with crashes. What
 * must hold in every life is checked after every step.
 */
#include "payment_kit.h"

#include <string.h>

#define STEPS 200000

struct walk {
    struct pay w;
    uint64_t seed;
    struct payment_row row; /* what is durable; status ABSENT: no row */
    int64_t claimed_ms;     /* the row's instants */
    int64_t cancel_ms;
    int64_t charge_until_ms; /* of this worker's durable claim; INT64_MIN: it has none */
    int64_t claim_sent_ms;   /* of the outstanding unit */
    unsigned absences;       /* look-ups that prove absence */
    unsigned outcomes;       /* outcome events of this trip that are durable */
    bool unit_out, call_out;
    bool never_charged; /* the PG mostly knows nothing of this trip */
    bool record;        /* a record is to be acknowledged in this life */
    bool visited[PHASE_COUNT][PAYMENT_EV_COUNT];
    unsigned lives, completed, refunded;
    unsigned failed[REASON_COUNT]; /* by reason */
};

static uint32_t below(struct walk *k, uint32_t bound)
{
    return random_below(&k->seed, bound);
}

static bool chance(struct walk *k, uint32_t percent)
{
    return below(k, 100) < percent;
}

static bool is_over(uint8_t status)
{
    return status == PAYMENT_COMPLETED || status == PAYMENT_FAILED;
}

/* The row as a store would show it now. */
static struct payment_row shown(struct walk *k)
{
    struct payment_row row = k->row;
    int64_t now_ms = k->w.ctx.now_ms;
    row.claimed_age_ms = k->claimed_ms == AGE_NONE ? AGE_NONE : now_ms - k->claimed_ms;
    row.cancel_age_ms = k->cancel_ms == AGE_NONE ? AGE_NONE : now_ms - k->cancel_ms;
    return row;
}

static void row_by_another(struct walk *k)
{
    static const uint8_t first[] = {PAYMENT_REQUESTED, PAYMENT_PROCESSING, PAYMENT_PROCESSING};
    k->row = pay_row((enum payment_status)first[below(k, 3)], below(k, 2));
    k->claimed_ms = AGE_NONE;
    if (k->row.status == PAYMENT_PROCESSING) {
        static const uint64_t accounts[] = {OUR_ACCOUNT, OUR_ACCOUNT, OTHER_ACCOUNT, 0};
        k->row.pg_account = accounts[below(k, 4)];
        k->claimed_ms = k->row.pg_account != 0 ? k->w.ctx.now_ms : AGE_NONE;
    }
}

/* Another worker moves the row, as a Farebox may. */
static void interfere(struct walk *k)
{
    struct payment_row *row = &k->row;
    row->epoch++;
    if (is_over(row->status) || chance(k, 60)) {
        return; /* a takeover */
    }
    if (row->refund_state == REFUND_NONE && chance(k, 50)) {
        row->refund_state = REFUND_INTENDED;
        row->refund_pg_id = chance(k, 80) ? PG_ID : OTHER_PG_ID;
        row->pg_id = row->pg_id == TEXT_NONE ? row->refund_pg_id : row->pg_id;
        row->cancel_no++;
        k->cancel_ms = k->w.ctx.now_ms;
        return;
    }
    row->status = row->refund_state == REFUND_NONE ? PAYMENT_COMPLETED : PAYMENT_FAILED;
    row->refund_state = row->refund_state == REFUND_NONE ? REFUND_NONE : REFUND_DONE;
    row->pg_id = row->status == PAYMENT_COMPLETED ? PG_ID : row->pg_id;
    k->outcomes++;
}

static bool guard_holds(const struct walk *k)
{
    const struct unit_payment *u = pay_unit(&k->w);
    if (k->w.unit.kind == UNIT_PAYMENT_OPEN) {
        return k->row.status == PAYMENT_ABSENT;
    }
    return k->row.status == u->guard_status && k->row.epoch == u->guard_epoch;
}

static void check_withdraws_nothing(const struct walk *k, const struct payment_row *image)
{
    const struct payment_row *row = &k->row;
    assert_true(!is_over(row->status) || image->status == row->status);
    assert_true(image->cancel_no >= row->cancel_no);
    if (row->refund_state == REFUND_INTENDED) {
        assert_true(image->refund_state != REFUND_NONE);
        assert_int_equal(image->refund_pg_id, row->refund_pg_id);
    }
    if (row->status == PAYMENT_COMPLETED && row->refund_state == REFUND_NONE) {
        assert_true(image->refund_state == REFUND_NONE || image->refund_pg_id != row->pg_id);
    }
    assert_true(row->pg_id == TEXT_NONE || image->pg_id == row->pg_id);
}

/* The outstanding unit becomes durable. */
static void land(struct walk *k)
{
    const struct unit_payment *u = pay_unit(&k->w);
    uint64_t account = k->row.pg_account;
    assert_true(guard_holds(k));
    check_withdraws_nothing(k, &u->row);
    k->failed[u->row.reason] += u->row.status == PAYMENT_FAILED && !is_over(k->row.status);
    k->completed += u->row.status == PAYMENT_COMPLETED && k->row.status != PAYMENT_COMPLETED;
    k->refunded += u->row.refund_state == REFUND_DONE && k->row.refund_state != REFUND_DONE;
    k->outcomes += u->outcome.type != OUTCOME_NONE;
    assert_true(k->outcomes <= 1);
    assert_int_equal(is_over(u->row.status), k->outcomes == 1);
    k->row = u->row;
    k->row.pg_account = account;
    if (u->claimed_at == INSTANT_NOW) {
        k->row.pg_account = u->row.pg_account;
        k->claimed_ms = k->w.ctx.now_ms;
        k->absences = 0;
    }
    if (u->cancel_at == INSTANT_NOW) {
        k->cancel_ms = k->w.ctx.now_ms;
    }
}

static void land_as_ours(struct walk *k)
{
    land(k);
    if (pay_unit(&k->w)->claimed_at == INSTANT_NOW) {
        k->charge_until_ms = k->claim_sent_ms + 120 * SECOND_MS;
    }
}

static struct pg_answer random_answer(struct walk *k)
{
    static const int64_t amounts_krw[] = {FARE_KRW, FARE_KRW, FARE_KRW, FARE_KRW, 0, 0, 100, -1};
    struct pg_answer a;
    memset(&a, 0, sizeof(a));
    a.kind = (uint8_t)(PG_ANSWER_NOT_SENT + below(k, PG_ANSWER_PAYMENT));
    a.kind = chance(k, 40) ? PG_ANSWER_PAYMENT : a.kind;
    bool absent = k->never_charged && chance(k, 80);
    a.kind = absent ? PG_ANSWER_ERROR : a.kind;
    if (a.kind == PG_ANSWER_ERROR) {
        a.code_class = (uint8_t)(absent ? PG_CODE_NOT_FOUND : below(k, PG_CODE_NOT_FOUND + 1));
        a.code = CODE;
    }
    if (a.kind == PG_ANSWER_PAYMENT) {
        a.status = (uint8_t)below(k, PG_EXPIRED + 1);
        a.status = chance(k, 40) ? PG_DONE : a.status;
        a.order_matches = chance(k, 95);
        a.currency_krw = chance(k, 95);
        a.pg_id = chance(k, 90) ? PG_ID : chance(k, 70) ? OTHER_PG_ID : TEXT_NONE;
        a.total_krw = chance(k, 90) ? FARE_KRW : amounts_krw[below(k, 8)];
        a.balance_krw = amounts_krw[below(k, 8)];
    }
    return a;
}

/* An object that shows, of this order, that the customer has the money. */
static bool shows_nothing_held(const struct pg_answer *a)
{
    bool pending =
        a->status == PG_READY || a->status == PG_IN_PROGRESS || a->status == PG_WAITING_FOR_DEPOSIT;
    return a->kind == PG_ANSWER_PAYMENT && a->order_matches && a->pg_id != TEXT_NONE && !pending &&
           (a->balance_krw == 0 || a->status == PG_ABORTED || a->status == PG_EXPIRED);
}

static bool shows_approval(const struct pg_answer *a)
{
    return a->kind == PG_ANSWER_PAYMENT && a->order_matches && a->pg_id != TEXT_NONE &&
           a->status == PG_DONE && a->currency_krw && a->total_krw == FARE_KRW;
}

static void check_failed_has_proof(const struct walk *k, const struct payment_event *ev,
                                   enum payment_phase before)
{
    const struct pg_answer *a = &ev->as.pg;
    bool answered = ev->type == PAYMENT_EV_ANSWER;
    bool declined = answered && before == PHASE_CHARGING && a->kind == PG_ANSWER_ERROR &&
                    a->code_class == PG_CODE_DECLINED;
    switch ((enum payment_reason)pay_unit(&k->w)->row.reason) {
    case REASON_NO_PAYMENT_METHOD:
        assert_true((k->w.p.flags & PAYMENT_NO_METHOD) != 0);
        return;
    case REASON_DECLINED:
        assert_true(declined || (answered && shows_nothing_held(a) && a->status >= PG_ABORTED));
        return;
    case REASON_NEVER_CHARGED:
        assert_true(answered && a->kind == PG_ANSWER_ERROR && a->code_class == PG_CODE_NOT_FOUND);
        assert_true(k->absences >= 2 && k->w.ctx.now_ms - k->claimed_ms >= ABSENCE_MS);
        assert_true(k->row.pg_account == OUR_ACCOUNT && k->w.p.pg_id == TEXT_NONE);
        return;
    case REASON_CANCELLED:
        assert_true(answered && shows_nothing_held(a) && a->balance_krw == 0);
        return;
    case REASON_REFUNDED:
    case REASON_WRONG_AMOUNT:
    case REASON_UNWRITABLE:
        assert_true(answered && k->w.p.phase == PHASE_REFUNDING);
        assert_true(shows_nothing_held(a) || a->balance_krw == 0);
        assert_int_equal(a->pg_id, k->w.p.refund_pg_id);
        return;
    case REASON_NONE:
    case REASON_NO_ANSWER:
    case REASON_OTHER_ACCOUNT:
    case REASON_LEGACY_ABSENT:
    case REASON_CANCEL_REFUSED:
    case REASON_PG_ID_MISMATCH:
    case REASON_COUNT:
        break;
    }
    fail_msg("FAILED for %s", payment_reason_name((enum payment_reason)k->w.p.reason));
}

static void check_unit(const struct walk *k, const struct payment_event *ev,
                       enum payment_phase before)
{
    const struct unit_payment *u = pay_unit(&k->w);
    assert_false(k->unit_out);
    assert_int_equal(k->w.out.calls, 0);
    if (before == PHASE_HOLDING || is_over(u->guard_status)) {
        return;
    }
    if (u->row.status == PAYMENT_FAILED) {
        check_failed_has_proof(k, ev, before);
    }
    if (u->row.status == PAYMENT_COMPLETED && u->row.amount_krw > 0) {
        assert_true(ev->type == PAYMENT_EV_ANSWER && shows_approval(&ev->as.pg));
        assert_int_equal(u->row.pg_id, ev->as.pg.pg_id);
    }
}

static void check_calls(const struct walk *k)
{
    uint8_t pg = k->w.out.calls & (CALL_CHARGE | CALL_LOOKUP | CALL_CANCEL);
    assert_true(pg == 0 || (pg & (pg - 1)) == 0);
    assert_true(pg == 0 || !k->call_out);
    if (pg == CALL_CHARGE) {
        assert_true(k->w.ctx.now_ms < k->charge_until_ms);
        assert_int_equal(k->w.p.billing_key, BILLING);
    }
    if (pg == CALL_CANCEL) {
        assert_true(k->row.refund_state != REFUND_NONE);
        assert_int_equal(k->row.refund_pg_id, k->w.p.refund_pg_id);
        assert_true(k->w.p.cancel_no > 0 && k->row.cancel_no >= k->w.p.cancel_no);
    }
}

static void check_end(const struct walk *k)
{
    const struct payment_output *out = &k->w.out;
    assert_true(!out->acknowledge || (k->record && k->row.status != PAYMENT_ABSENT));
    assert_true(out->dead_letter == DEAD_LETTER_NONE || (k->record && !out->acknowledge));
    assert_true(out->dead_letter == DEAD_LETTER_NONE || out->closed);
    assert_true(out->publish == OUTCOME_NONE || (k->outcomes == 1 && out->closed));
    if (out->closed && k->record) {
        assert_true(out->acknowledge || out->dead_letter != DEAD_LETTER_NONE);
    }
    assert_true(!out->closed || (!out->submit && out->calls == 0));
}

static void check_step(struct walk *k, const struct payment_event *ev, enum payment_phase before)
{
    const struct pay *w = &k->w;
    if (w->out.submit) {
        check_unit(k, ev, before);
        k->claim_sent_ms = w->ctx.now_ms;
    }
    check_calls(k);
    check_end(k);
    k->unit_out = payment_is_committing(&w->p);
    k->call_out = payment_is_calling(&w->p) && w->p.phase != PHASE_LOOKING_UP;
    assert_false(k->unit_out && k->call_out);
    k->record = k->record && !w->out.acknowledge && !w->out.closed;
}

static void walk_step(struct walk *k, const struct payment_event *ev)
{
    enum payment_phase before = (enum payment_phase)k->w.p.phase;
    bool stale = ev->call_no != 0;
    k->visited[before][ev->type] = true;
    if (!stale && ev->type == PAYMENT_EV_ANSWER) {
        k->call_out = false;
    }
    if (ev->type >= PAYMENT_EV_APPLIED && ev->type <= PAYMENT_EV_UNWRITABLE) {
        k->unit_out = false;
    }
    pay_step(&k->w, *ev);
    check_step(k, ev, before);
    if (k->w.out.closed) {
        payment_drop(&k->w.p);
        k->charge_until_ms = INT64_MIN;
    }
}

/* The process dies; what is outstanding lands or does not. */
static void crash(struct walk *k)
{
    if (payment_is_committing(&k->w.p) && guard_holds(k) && chance(k, 50)) {
        land(k);
    }
    payment_drop(&k->w.p);
    k->charge_until_ms = INT64_MIN;
    k->unit_out = false;
    k->call_out = false;
    k->record = false;
}

static void new_trip(struct walk *k)
{
    crash(k);
    memset(&k->row, 0, sizeof(k->row));
    k->claimed_ms = AGE_NONE;
    k->cancel_ms = AGE_NONE;
    k->absences = 0;
    k->outcomes = 0;
    k->lives++;
    k->never_charged = chance(k, 25);
    k->w.config.adopt = (uint8_t)below(k, 2);
}

static void random_world(struct walk *k)
{
    struct pay *w = &k->w;
    static const int64_t pauses_ms[] = {1, 50, SECOND_MS, MINUTE_MS, HOUR_MS, 16 * DAY_MS};
    if (chance(k, 30)) {
        pay_advance(w, pauses_ms[below(k, chance(k, 10) ? 6 : 4)]);
    }
    for (int gate = 0; gate < GATE_COUNT; gate++) {
        w->ctx.gate_open[gate] = chance(k, 85);
        w->ctx.gate_next_ms[gate] = w->ctx.now_ms + below(k, 5000);
    }
    for (int u = 0; u < UPSTREAM_COUNT; u++) {
        w->ctx.last_good_ms[u] = chance(k, 50) ? w->ctx.now_ms : INT64_MIN;
    }
    w->ctx.stopping = chance(k, 3);
    w->ctx.random = random_next(&k->seed);
}

static void fill_start(struct walk *k, struct payment_event *ev)
{
    if (ev->type == PAYMENT_EV_ARRIVED) {
        struct payment_arrival *a = &ev->as.arrival;
        a->payment_id = pay_id;
        a->trip_id = TRIP;
        a->user_id = USER;
        a->record = RECORD;
        k->record = true;
        return;
    }
    if (k->row.status == PAYMENT_ABSENT) {
        row_by_another(k);
    }
    ev->as.row = shown(k);
    if (chance(k, 5) && k->row.epoch > 0) {
        interfere(k); /* the scan was a little older */
    }
    ev->op = chance(k, 50) ? ORIGIN_OPERATOR_REFUND : ORIGIN_OPERATOR_ADOPT;
}

static void fill_upstream(struct walk *k, struct payment_event *ev)
{
    static const int64_t fares_krw[] = {FARE_KRW, FARE_KRW, FARE_KRW, FARE_KRW, 0, -1, 20000000};
    struct upstream_answer *a = &ev->as.upstream;
    a->kind = chance(k, 80) ? UPSTREAM_OK : (uint8_t)(UPSTREAM_OK + below(k, UPSTREAM_TROUBLE));
    a->fare_krw = chance(k, 80) ? FARE_KRW : fares_krw[below(k, 7)];
    a->method_id = a->kind == UPSTREAM_NOT_FOUND ? NO_METHOD : METHOD;
    a->billing_key = BILLING;
}

/* The store's verdict on the outstanding unit: what the row allows. */
static void fill_verdict(struct walk *k, struct payment_event *ev)
{
    bool open = k->w.unit.kind == UNIT_PAYMENT_OPEN;
    if (ev->type == PAYMENT_EV_UNWRITABLE && chance(k, 80)) {
        ev->type = PAYMENT_EV_APPLIED; /* rare, or nothing ever gets far */
    }
    if (ev->type == PAYMENT_EV_UNWRITABLE) {
        ev->collision = chance(k, 50);
        return;
    }
    if (ev->type != PAYMENT_EV_APPLIED && guard_holds(k) && chance(k, 20)) {
        if (open) {
            row_by_another(k);
        } else {
            interfere(k);
        }
    }
    if (guard_holds(k)) {
        ev->type = PAYMENT_EV_APPLIED;
        land_as_ours(k);
        return;
    }
    ev->type = open ? PAYMENT_EV_DUPLICATE : PAYMENT_EV_REFUSED;
    ev->has_row = open || chance(k, 97);
    ev->as.row = shown(k);
}

static void fill_answer(struct walk *k, struct payment_event *ev)
{
    ev->as.pg = random_answer(k);
    if (chance(k, 5)) {
        ev->call_no = (uint16_t)(k->w.p.call_no - 1 - below(k, 50));
        return;
    }
    bool absent = ev->as.pg.kind == PG_ANSWER_ERROR && ev->as.pg.code_class == PG_CODE_NOT_FOUND;
    if (absent && k->w.p.phase == PHASE_INSPECTING && k->claimed_ms != AGE_NONE &&
        k->w.p.since_ms - k->claimed_ms >= ABSENCE_MS) {
        k->absences++;
    }
}

static bool is_start(uint8_t type)
{
    return type == PAYMENT_EV_ARRIVED || type == PAYMENT_EV_DUE || type == PAYMENT_EV_OPERATOR;
}

static struct payment_event random_event(struct walk *k)
{
    struct payment_event ev;
    enum payment_phase phase = (enum payment_phase)k->w.p.phase;
    memset(&ev, 0, sizeof(ev));
    do {
        ev.type = (uint8_t)below(k, PAYMENT_EV_COUNT);
    } while (payment_cell(phase, (enum payment_event_type)ev.type) == CELL_IMPOSSIBLE);
    if (is_start(ev.type)) {
        fill_start(k, &ev);
    } else if (ev.type == PAYMENT_EV_FARE || ev.type == PAYMENT_EV_PAYER) {
        fill_upstream(k, &ev);
    } else if (ev.type == PAYMENT_EV_ANSWER) {
        fill_answer(k, &ev);
    } else if (ev.type != PAYMENT_EV_TIMER) {
        fill_verdict(k, &ev);
    } else if (payment_cell(phase, PAYMENT_EV_TIMER) == CELL_HANDLED &&
               k->w.wake_ms > k->w.ctx.now_ms) {
        pay_advance(&k->w, k->w.wake_ms - k->w.ctx.now_ms);
    }
    return ev;
}

static void check_visited(const struct walk *k)
{
    for (unsigned phase = 0; phase < PHASE_COUNT; phase++) {
        for (unsigned type = 0; type < PAYMENT_EV_COUNT; type++) {
            if (payment_cell((enum payment_phase)phase, (enum payment_event_type)type) ==
                    CELL_HANDLED &&
                !k->visited[phase][type]) {
                fail_msg("never seen: event %u in %s", type,
                         payment_phase_name((enum payment_phase)phase));
            }
        }
    }
}

static void money_and_events_are_right_in_every_life_of_a_random_walk(void **state)
{
    (void)state;
    static struct walk k;
    memset(&k, 0, sizeof(k));
    k.w = pay_begin();
    k.seed = UINT64_C(20261123);
    new_trip(&k);
    for (int i = 0; i < STEPS; i++) {
        random_world(&k);
        if (chance(&k, 1)) {
            crash(&k);
        }
        if (below(&k, is_over(k.row.status) ? 40 : 400) == 0) {
            new_trip(&k);
        }
        struct payment_event ev = random_event(&k);
        walk_step(&k, &ev);
    }
    check_visited(&k);
    /* Or the walk shows nothing. */
    assert_true(k.lives > 1000 && k.completed > 200 && k.refunded > 200);
    assert_true(k.failed[REASON_DECLINED] > 20 && k.failed[REASON_CANCELLED] > 20);
    assert_true(k.failed[REASON_NEVER_CHARGED] > 20 && k.failed[REASON_REFUNDED] > 20);
    assert_true(k.failed[REASON_NO_PAYMENT_METHOD] > 20 && k.failed[REASON_WRONG_AMOUNT] > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(money_and_events_are_right_in_every_life_of_a_random_walk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
