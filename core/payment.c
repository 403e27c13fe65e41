/* payment.c - the payment's transition table, its checker, and what all handlers share. */
#include "payment_internal.h"

#include "backoff.h"

#include <string.h>

typedef void handler(struct step *s);

/* A cell without a handler: the event is late and means nothing, or it can't happen. */
static void ignored(struct step *s)
{
    (void)s;
}

static void impossible(struct step *s)
{
    (void)s;
    invariant_broken("an event that this phase cannot see");
}

#define ___ impossible
#define ign ignored

/* clang-format off */
static handler *const table[PHASE_COUNT][PAYMENT_EV_COUNT] = {
    /*  ARRIVED         DUE         OPERATOR         FARE             PAYER
        APPLIED          REFUSED                DUPLICATE         UNWRITABLE
        ANSWER                  TIMER */
    [PHASE_FREE] = {
        intake_arrived, rescue_due, rescue_operator, ign,             ign,
        ___,             ___,                   ___,              ___,
        ign,                    ign },
    [PHASE_LOOKING_UP] = {
        ___,            ___,        ___,             intake_answered, intake_answered,
        ___,             ___,                   ___,              ___,
        ___,                    ign },
    [PHASE_LOOKUP_WAIT] = {
        ___,            ___,        ___,             ign,             ign,
        ___,             ___,                   ___,              ___,
        ___,                    intake_timer },
    [PHASE_GATED] = {
        ___,            ___,        ___,             ign,             ign,
        ___,             ___,                   ___,              ___,
        ___,                    intake_gate_timer },
    [PHASE_OPENING] = {
        ___,            ___,        ___,             ign,             ign,
        intake_applied,  ___,                   intake_duplicate, intake_unwritable,
        ___,                    ign },
    [PHASE_CLAIMING] = {
        ___,            ___,        ___,             ign,             ign,
        intake_applied,  claim_refused,         ___,              intake_unwritable,
        ___,                    ign },
    [PHASE_CHARGING] = {
        ___,            ___,        ___,             ign,             ign,
        ___,             ___,                   ___,              ___,
        charge_answered,        ign },
    [PHASE_CHARGE_WAIT] = {
        ___,            ___,        ___,             ign,             ign,
        ___,             ___,                   ___,              ___,
        ___,                    charge_again },
    [PHASE_ASKING] = {
        ___,            ___,        ___,             ign,             ign,
        ___,             ___,                   ___,              ___,
        charge_asked,           ign },
    [PHASE_ASK_WAIT] = {
        ___,            ___,        ___,             ign,             ign,
        ___,             ___,                   ___,              ___,
        ___,                    charge_ask_again },
    [PHASE_FINISHING] = {
        ___,            ___,        ___,             ign,             ign,
        finish_applied,  finish_refused,        ___,              finish_unwritable,
        ___,                    ign },
    [PHASE_INTENDING] = {
        ___,            ___,        ___,             ign,             ign,
        refund_intended, refund_intent_refused, ___,              hold_unit,
        ___,                    ign },
    [PHASE_CANCELLING] = {
        ___,            ___,        ___,             ign,             ign,
        ___,             ___,                   ___,              ___,
        refund_cancel_answered, ign },
    [PHASE_CANCEL_WAIT] = {
        ___,            ___,        ___,             ign,             ign,
        ___,             ___,                   ___,              ___,
        ___,                    refund_cancel_timer },
    [PHASE_CANCEL_ASKING] = {
        ___,            ___,        ___,             ign,             ign,
        ___,             ___,                   ___,              ___,
        refund_asked,           ign },
    [PHASE_NUMBERING] = {
        ___,            ___,        ___,             ign,             ign,
        refund_numbered, lost_row,              ___,              hold_unit,
        ___,                    ign },
    [PHASE_REFUNDING] = {
        ___,            ___,        ___,             ign,             ign,
        refund_applied,  lost_row,              ___,              hold_unit,
        ___,                    ign },
    [PHASE_TAKING] = {
        ___,            ___,        ___,             ign,             ign,
        rescue_taken,    lost_row,              ___,              rescue_park_unwritable,
        ___,                    ign },
    [PHASE_INSPECTING] = {
        ___,            ___,        ___,             ign,             ign,
        ___,             ___,                   ___,              ___,
        rescue_inspected,       ign },
    [PHASE_PARKING] = {
        ___,            ___,        ___,             ign,             ign,
        rescue_parked,   lost_row,              ___,              hold_unit,
        ___,                    ign },
    [PHASE_HOLDING] = {
        ___,            ___,        ___,             ign,             ign,
        ___,             ___,                   ___,              ___,
        ___,                    hold_timer },
};
/* clang-format on */

enum payment_cell payment_cell(enum payment_phase phase, enum payment_event_type type)
{
    handler *cell = table[phase][type];

    if (cell == impossible) {
        return CELL_IMPOSSIBLE;
    }
    return cell == ignored ? CELL_IGNORED : CELL_HANDLED;
}

static bool is_answer(uint8_t type)
{
    return type == PAYMENT_EV_FARE || type == PAYMENT_EV_PAYER || type == PAYMENT_EV_ANSWER;
}

void payment_step(struct payment *payment, const struct payment_context *context,
                  const struct payment_event *event, struct payment_output *out)
{
    struct step s = {payment, context, event, out};

    invariant(event->type < PAYMENT_EV_COUNT);
    payment_check(payment);
    memset(out, 0, sizeof(*out));
    out->wake_ms = WAKE_NONE;
    if (is_answer(event->type) && event->call_no != payment->call_no) {
        return;
    }
    table[payment->phase][event->type](&s);
    payment_check(payment);
}

void payment_init(struct payment *payment)
{
    memset(payment, 0, sizeof(*payment));
}

/* The call number outlives the payment, so that an answer to the last one stays stale. */
void payment_drop(struct payment *payment)
{
    uint16_t call_no = payment->call_no;

    memset(payment, 0, sizeof(*payment));
    payment->call_no = (uint16_t)(call_no + 1);
}

bool payment_is_droppable(const struct payment *payment)
{
    return payment->phase == PHASE_LOOKING_UP || payment->phase == PHASE_LOOKUP_WAIT ||
           payment->phase == PHASE_GATED;
}

bool payment_is_terminal(uint8_t status)
{
    return status == PAYMENT_COMPLETED || status == PAYMENT_FAILED;
}

void payment_call(struct step *s, enum payment_phase phase, uint8_t call)
{
    s->p->phase = (uint8_t)phase;
    s->p->call_no++;
    if (s->p->tries[0] < UINT8_MAX) {
        s->p->tries[0]++;
    }
    s->out->calls = call;
}

void payment_commit(struct step *s, enum payment_phase phase)
{
    s->p->phase = (uint8_t)phase;
    s->p->token_sequence = s->ctx->next_token;
    s->p->since_ms = s->ctx->now_ms;
    s->out->submit = true;
}

void payment_wait_until(struct step *s, enum payment_phase phase, int64_t wake_ms)
{
    s->p->phase = (uint8_t)phase;
    s->out->wake_ms = wake_ms > s->ctx->now_ms ? wake_ms : s->ctx->now_ms + 1;
}

void payment_wait(struct step *s, enum payment_phase phase, int64_t delay_ms)
{
    payment_wait_until(s, phase, s->ctx->now_ms + delay_ms);
}

int64_t payment_pg_backoff_ms(const struct step *s)
{
    uint32_t attempt = s->p->tries[0] > 0 ? (uint32_t)s->p->tries[0] - 1U : 0;

    return backoff_delay_ms(attempt, s->ctx->config->pg_backoff_ms,
                            s->ctx->config->pg_backoff_max_ms, s->ctx->random);
}

void payment_close(struct step *s)
{
    s->p->phase = PHASE_FREE;
    s->out->closed = true;
}

void payment_acknowledge(struct step *s)
{
    if (s->p->origin == ORIGIN_RECORD && (s->p->flags & PAYMENT_ACKED) == 0) {
        s->p->flags |= PAYMENT_ACKED;
        s->p->record = TEXT_NONE;
        s->out->acknowledge = true;
    }
}

void payment_reply(struct step *s, enum operator_reply reply)
{
    if (s->p->origin == ORIGIN_OPERATOR_REFUND || s->p->origin == ORIGIN_OPERATOR_ADOPT) {
        s->out->reply = (uint8_t)reply;
        /* One answer a request; what follows is done as a rescue would. */
        s->p->origin = ORIGIN_RESCUE;
    }
}

void payment_load(struct step *s, const struct payment_row *row)
{
    struct payment *p = s->p;
    int64_t now = s->ctx->now_ms;

    p->payment_id = row->payment_id;
    p->trip_id = row->trip_id;
    p->user_id = row->user_id;
    p->method_id = row->method_id;
    p->pg_id = row->pg_id;
    p->refund_pg_id = row->refund_pg_id;
    p->traceparent = row->traceparent;
    p->code = row->code;
    p->amount_krw = row->amount_krw;
    p->epoch = row->epoch;
    p->cancel_no = row->cancel_no;
    p->attempts = row->attempts;
    p->status = row->status;
    p->guard_status = row->status;
    p->refund_state = row->refund_state;
    p->absent_count = row->absent_count;
    p->recheck_no = row->recheck_no;
    p->needs_operator = row->needs_operator;
    p->reason = row->reason;
    p->claimed_ms = row->claimed_age_ms == AGE_NONE ? AGE_NONE : now - row->claimed_age_ms;
    p->cancel_ms = row->cancel_age_ms == AGE_NONE ? AGE_NONE : now - row->cancel_age_ms;
    p->account = row->pg_account == 0                    ? ACCOUNT_NONE
                 : row->pg_account == s->ctx->pg_account ? ACCOUNT_OURS
                                                         : ACCOUNT_OTHER;
}

static bool in_claim(uint8_t phase)
{
    return phase == PHASE_CHARGING || phase == PHASE_CHARGE_WAIT || phase == PHASE_ASKING ||
           phase == PHASE_ASK_WAIT;
}

static bool in_cancel(uint8_t phase)
{
    return phase == PHASE_INTENDING || phase == PHASE_CANCELLING || phase == PHASE_CANCEL_WAIT ||
           phase == PHASE_CANCEL_ASKING || phase == PHASE_NUMBERING;
}

static void check_claim(const struct payment *p)
{
    invariant(p->guard_status == PAYMENT_PROCESSING && p->status == PAYMENT_PROCESSING);
    invariant(p->refund_state != REFUND_INTENDED);
    invariant(p->amount_krw > 0 && p->account == ACCOUNT_OURS && p->epoch > 0);
    invariant((p->flags & PAYMENT_ACKED) != 0);
}

/* A cancel is only ever on its way where its intent, with the PG's id, is durable or outstanding.
 */
static void check_cancel(const struct payment *p)
{
    invariant(p->refund_state == REFUND_INTENDED);
    invariant(p->refund_pg_id != TEXT_NONE && p->cancel_no > 0);
    invariant(p->status == p->guard_status);
}

static void check_finish(const struct payment *p)
{
    invariant(payment_is_terminal(p->status) && !payment_is_terminal(p->guard_status));
    invariant(p->refund_state != REFUND_INTENDED);
    invariant(p->status != PAYMENT_COMPLETED || p->pg_id != TEXT_NONE);
}

void payment_check(const struct payment *p)
{
    uint8_t phase = p->phase == PHASE_HOLDING ? p->held_phase : p->phase;

    invariant(p->phase < PHASE_COUNT && p->held_phase < PHASE_COUNT);
    if (p->phase == PHASE_FREE) {
        return;
    }
    invariant(p->trip_id != TEXT_NONE);
    invariant(p->origin >= ORIGIN_RECORD && p->origin <= ORIGIN_OPERATOR_ADOPT);
    invariant(p->status <= PAYMENT_UNKNOWN && p->guard_status <= PAYMENT_UNKNOWN);
    /* A terminal row never changes its status. */
    invariant(!payment_is_terminal(p->guard_status) || p->status == p->guard_status);
    invariant(!payment_is_committing(p) || p->token_sequence > 0);
    if (payment_is_droppable(p) || phase == PHASE_OPENING) {
        invariant(p->origin == ORIGIN_RECORD && p->guard_status == PAYMENT_ABSENT);
        invariant(p->amount_krw >= 0);
    }
    if (in_claim(phase)) {
        check_claim(p);
    }
    if (in_cancel(phase)) {
        check_cancel(p);
    }
    if (phase == PHASE_FINISHING) {
        check_finish(p);
    }
    if (phase == PHASE_REFUNDING) {
        invariant(p->refund_state == REFUND_DONE && payment_is_terminal(p->status));
    }
}
