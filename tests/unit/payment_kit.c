#include "payment_kit.h"

#include <string.h>

const struct uuid pay_id = {{0x70, 1, 2, 3}};

struct pay pay_begin(void)
{
    struct pay w;
    memset(&w, 0, sizeof(w));
    payment_init(&w.p);
    w.p.call_no = 500; /* of an earlier payment in this slot */
    w.config = payment_config_default();
    w.ctx.now_ms = 40 * DAY_MS;
    w.ctx.random = UINT64_C(0x5eed);
    w.ctx.pg_account = OUR_ACCOUNT;
    w.ctx.next_token = 1;
    for (int gate = 0; gate < GATE_COUNT; gate++) {
        w.ctx.gate_open[gate] = true;
        w.ctx.gate_next_ms[gate] = w.ctx.now_ms;
    }
    w.ctx.last_good_ms[UPSTREAM_PRICING] = INT64_MIN;
    w.ctx.last_good_ms[UPSTREAM_USERS] = INT64_MIN;
    w.wake_ms = WAKE_NONE;
    return w;
}

static void render_unit(struct pay *w)
{
    struct unit again;
    payment_unit(&w->p, &w->config, PROCESS_TOKEN, OUR_ACCOUNT, w->ctx.now_ms, &w->unit);
    payment_unit(&w->p, &w->config, PROCESS_TOKEN, OUR_ACCOUNT, w->ctx.now_ms, &again);
    assert_memory_equal(&w->unit, &again, sizeof(again));
    assert_int_equal(w->unit.token.process, PROCESS_TOKEN);
    assert_int_equal(w->unit.token.sequence, w->p.token_sequence);
}

void pay_step(struct pay *w, struct payment_event event)
{
    w->ctx.config = &w->config;
    if (event.call_no == 0) {
        event.call_no = w->p.call_no;
    }
    payment_step(&w->p, &w->ctx, &event, &w->out);
    w->ctx.next_token++;
    w->ctx.random = w->ctx.random * UINT64_C(6364136223846793005) + 1;
    w->wake_ms = w->out.wake_ms != WAKE_NONE ? w->out.wake_ms : w->wake_ms;
    assert_int_equal(w->out.submit && !payment_is_committing(&w->p), 0);
    if (payment_is_committing(&w->p)) {
        render_unit(w);
    }
}

void pay_advance(struct pay *w, int64_t delay_ms)
{
    w->ctx.now_ms += delay_ms;
    for (int gate = 0; gate < GATE_COUNT; gate++) {
        if (w->ctx.gate_open[gate]) {
            w->ctx.gate_next_ms[gate] = w->ctx.now_ms;
        }
    }
}

void pay_arrive(struct pay *w)
{
    struct payment_event ev = {.type = PAYMENT_EV_ARRIVED};
    ev.as.arrival.payment_id = pay_id;
    ev.as.arrival.trip_id = TRIP;
    ev.as.arrival.user_id = USER;
    ev.as.arrival.traceparent = TRACE;
    ev.as.arrival.record = RECORD;
    pay_step(w, ev);
}

void pay_fare(struct pay *w, int64_t fare_krw)
{
    struct payment_event ev = {.type = PAYMENT_EV_FARE};
    ev.as.upstream.kind = UPSTREAM_OK;
    ev.as.upstream.fare_krw = fare_krw;
    pay_step(w, ev);
}

void pay_payer(struct pay *w)
{
    struct payment_event ev = {.type = PAYMENT_EV_PAYER};
    ev.as.upstream.kind = UPSTREAM_OK;
    ev.as.upstream.method_id = METHOD;
    ev.as.upstream.billing_key = BILLING;
    pay_step(w, ev);
}

void pay_upstream(struct pay *w, enum upstream upstream, enum upstream_answer_kind kind)
{
    struct payment_event ev = {.type = PAYMENT_EV_FARE};
    if (upstream == UPSTREAM_USERS) {
        ev.type = PAYMENT_EV_PAYER;
    }
    ev.as.upstream.kind = (uint8_t)kind;
    if (kind == UPSTREAM_NOT_FOUND) {
        ev.as.upstream.method_id = NO_METHOD;
    }
    pay_step(w, ev);
}

void pay_due(struct pay *w, const struct payment_row *row)
{
    struct payment_event ev = {.type = PAYMENT_EV_DUE};
    ev.as.row = *row;
    pay_step(w, ev);
}

void pay_operator(struct pay *w, enum payment_origin wish, const struct payment_row *row)
{
    struct payment_event ev = {.type = PAYMENT_EV_OPERATOR, .op = (uint8_t)wish};
    ev.as.row = *row;
    pay_step(w, ev);
}

void pay_applied(struct pay *w)
{
    struct payment_event ev = {.type = PAYMENT_EV_APPLIED};
    pay_step(w, ev);
}

void pay_refused(struct pay *w, const struct payment_row *row)
{
    struct payment_event ev = {.type = PAYMENT_EV_REFUSED, .has_row = row != NULL};
    if (row != NULL) {
        ev.as.row = *row;
    }
    pay_step(w, ev);
}

void pay_duplicate(struct pay *w, const struct payment_row *row)
{
    struct payment_event ev = {.type = PAYMENT_EV_DUPLICATE, .has_row = 1};
    ev.as.row = *row;
    pay_step(w, ev);
}

void pay_unwritable(struct pay *w)
{
    struct payment_event ev = {.type = PAYMENT_EV_UNWRITABLE};
    pay_step(w, ev);
}

void pay_answer(struct pay *w, struct pg_answer answer)
{
    struct payment_event ev = {.type = PAYMENT_EV_ANSWER};
    ev.as.pg = answer;
    pay_step(w, ev);
}

void pay_timer(struct pay *w)
{
    struct payment_event ev = {.type = PAYMENT_EV_TIMER};
    assert_true(w->wake_ms != WAKE_NONE);
    if (w->wake_ms > w->ctx.now_ms) {
        pay_advance(w, w->wake_ms - w->ctx.now_ms);
    }
    pay_step(w, ev);
}

struct pg_answer pay_silence(enum pg_answer_kind kind)
{
    struct pg_answer answer = {.kind = (uint8_t)kind};
    return answer;
}

struct pg_answer pay_error(enum pg_code_class code_class)
{
    struct pg_answer answer = {
        .kind = PG_ANSWER_ERROR, .code_class = (uint8_t)code_class, .code = CODE};
    return answer;
}

struct pg_answer pay_object(enum pg_status status, int64_t balance_krw)
{
    struct pg_answer answer = {
        .kind = PG_ANSWER_PAYMENT,
        .status = (uint8_t)status,
        .order_matches = 1,
        .currency_krw = 1,
        .pg_id = PG_ID,
        .total_krw = FARE_KRW,
        .balance_krw = balance_krw,
    };
    return answer;
}

struct pg_answer pay_approval(void)
{
    return pay_object(PG_DONE, FARE_KRW);
}

struct payment_row pay_row(enum payment_status status, uint32_t epoch)
{
    struct payment_row row = {
        .payment_id = pay_id,
        .pg_account = OUR_ACCOUNT,
        .claimed_age_ms = HOUR_MS,
        .cancel_age_ms = AGE_NONE,
        .amount_krw = FARE_KRW,
        .epoch = epoch,
        .trip_id = TRIP,
        .user_id = USER,
        .method_id = METHOD,
        .traceparent = TRACE,
        .status = (uint8_t)status,
    };
    if (status == PAYMENT_REQUESTED) {
        row.pg_account = 0;
        row.claimed_age_ms = AGE_NONE;
    }
    return row;
}

struct payment_row pay_intent_row(enum payment_status status, uint16_t cancel_no)
{
    struct payment_row row = pay_row(status, 6);
    row.refund_state = REFUND_INTENDED;
    row.pg_id = PG_ID;
    row.refund_pg_id = PG_ID;
    row.cancel_no = cancel_no;
    row.cancel_age_ms = cancel_no > 0 ? MINUTE_MS : AGE_NONE;
    row.reason = REASON_REFUNDED;
    return row;
}

/* LOOKING_UP to CHARGE_WAIT: the record's way up to its charge. */
static struct pay early_in(enum payment_phase phase)
{
    struct pay w = pay_begin();
    struct payment_row requested = pay_row(PAYMENT_REQUESTED, 2);

    pay_arrive(&w);
    if (phase == PHASE_LOOKING_UP) {
        return w;
    }
    w.ctx.gate_open[GATE_PG] = phase != PHASE_GATED;
    w.ctx.gate_next_ms[GATE_PG] = w.ctx.now_ms + 5 * SECOND_MS;
    pay_payer(&w);
    if (phase == PHASE_LOOKUP_WAIT) {
        pay_upstream(&w, UPSTREAM_PRICING, UPSTREAM_TROUBLE);
        return w;
    }
    pay_fare(&w, FARE_KRW);
    if (phase == PHASE_CLAIMING) {
        pay_duplicate(&w, &requested);
    } else if (phase == PHASE_CHARGING || phase == PHASE_CHARGE_WAIT) {
        pay_applied(&w);
    }
    if (phase == PHASE_CHARGE_WAIT) {
        pay_answer(&w, pay_silence(PG_ANSWER_TIMEOUT));
    }
    return w;
}

/* ASKING to FINISHING. */
static struct pay asking_in(enum payment_phase phase)
{
    struct pay w = pay_charging();
    if (phase == PHASE_FINISHING) {
        pay_answer(&w, pay_approval());
        return w;
    }
    pay_answer(&w, pay_error(PG_CODE_UNKNOWN));
    if (phase == PHASE_ASK_WAIT) {
        pay_answer(&w, pay_silence(PG_ANSWER_TIMEOUT));
    }
    return w;
}

/* INTENDING to REFUNDING: the rescue found an approval. */
static struct pay refund_in(enum payment_phase phase)
{
    struct payment_row row = pay_row(PAYMENT_PROCESSING, 3);
    struct pay w = pay_inspected(&row, pay_approval());
    if (phase == PHASE_INTENDING) {
        return w;
    }
    pay_applied(&w);
    if (phase == PHASE_CANCEL_WAIT) {
        pay_answer(&w, pay_silence(PG_ANSWER_TIMEOUT));
    } else if (phase == PHASE_CANCEL_ASKING || phase == PHASE_NUMBERING) {
        pay_answer(&w, pay_error(PG_CODE_UNKNOWN));
    } else if (phase == PHASE_REFUNDING) {
        pay_answer(&w, pay_object(PG_CANCELED, 0));
    }
    if (phase == PHASE_NUMBERING) {
        pay_answer(&w, pay_approval());
    }
    return w;
}

/* TAKING, INSPECTING, PARKING, HOLDING. */
static struct pay rescue_in(enum payment_phase phase)
{
    struct payment_row row = pay_row(PAYMENT_PROCESSING, 3);
    struct pay w = pay_begin();
    if (phase == PHASE_HOLDING) {
        w = refund_in(PHASE_INTENDING);
        pay_unwritable(&w);
        return w;
    }
    pay_due(&w, &row);
    if (phase != PHASE_TAKING) {
        pay_applied(&w);
    }
    if (phase == PHASE_PARKING) {
        pay_answer(&w, pay_silence(PG_ANSWER_TIMEOUT));
    }
    return w;
}

struct pay pay_in(enum payment_phase phase)
{
    struct pay w;
    if (phase == PHASE_FREE) {
        w = pay_begin();
    } else if (phase <= PHASE_CHARGE_WAIT) {
        w = early_in(phase);
    } else if (phase <= PHASE_FINISHING) {
        w = asking_in(phase);
    } else if (phase <= PHASE_REFUNDING) {
        w = refund_in(phase);
    } else {
        w = rescue_in(phase);
    }
    pay_is(&w, phase);
    return w;
}

struct pay pay_charging(void)
{
    return pay_in(PHASE_CHARGING);
}

struct pay pay_approved(void)
{
    return pay_in(PHASE_FINISHING);
}

struct pay pay_inspecting(const struct payment_row *row)
{
    struct pay w = pay_begin();
    pay_due(&w, row);
    pay_applied(&w);
    pay_is(&w, PHASE_INSPECTING);
    return w;
}

struct pay pay_asked_by(enum payment_origin wish, struct payment_row row)
{
    struct pay w = pay_begin();
    pay_operator(&w, wish, &row);
    pay_applied(&w);
    pay_is(&w, PHASE_INSPECTING);
    return w;
}

struct pay pay_inspected(const struct payment_row *row, struct pg_answer answer)
{
    struct pay w = pay_inspecting(row);
    pay_answer(&w, answer);
    return w;
}

const struct unit_payment *pay_unit(const struct pay *w)
{
    assert_true(payment_is_committing(&w->p));
    assert_true(w->unit.kind == UNIT_PAYMENT_OPEN || w->unit.kind == UNIT_PAYMENT_MOVE);
    return &w->unit.as.payment;
}

void pay_is(const struct pay *w, enum payment_phase phase)
{
    assert_string_equal(payment_phase_name((enum payment_phase)w->p.phase),
                        payment_phase_name(phase));
}

void pay_is_closed(const struct pay *w)
{
    pay_is(w, PHASE_FREE);
    assert_true(w->out.closed);
    assert_false(w->out.submit);
    assert_int_equal(w->out.calls, 0);
}

void pay_asks_nothing(const struct pay *w)
{
    struct payment_output nothing;
    memset(&nothing, 0, sizeof(nothing));
    nothing.wake_ms = WAKE_NONE;
    assert_memory_equal(&w->out, &nothing, sizeof(nothing));
}

void pay_unit_is(const struct pay *w, enum payment_status from, enum payment_status to,
                 enum outcome_type outcome)
{
    const struct unit_payment *u = pay_unit(w);
    assert_true(w->out.submit);
    assert_int_equal(w->unit.kind, from == PAYMENT_ABSENT ? UNIT_PAYMENT_OPEN : UNIT_PAYMENT_MOVE);
    assert_int_equal(u->guard_status, from);
    assert_int_equal(u->row.status, to);
    assert_int_equal(u->row.epoch, u->guard_epoch + 1);
    assert_int_equal(u->outcome.type, outcome);
    if (outcome != OUTCOME_NONE) {
        assert_true(uuid_equal(&u->outcome.record.event_id, &u->row.payment_id));
        assert_int_equal(u->outcome.lease_ms, 30 * SECOND_MS);
    }
}
