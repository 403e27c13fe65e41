/* payment_refund.c - refund intent, cancel, its number, and reconciling a lost approval. */
#include "payment_internal.h"

/* Makes the intent durable, with the PG's id, before any cancel is sent. */
void refund_intend(struct step *s, text_id pg_id, enum payment_reason reason)
{
    struct payment *p = s->p;

    invariant(pg_id != TEXT_NONE);
    p->refund_state = REFUND_INTENDED;
    p->refund_pg_id = pg_id;
    if (p->pg_id == TEXT_NONE) {
        p->pg_id = pg_id;
    }
    p->reason = (uint8_t)reason;
    p->cancel_no++;
    p->flags |= PAYMENT_CANCEL_NOW;
    p->flags &= (uint16_t)~PAYMENT_CANCEL_REFUSED;
    p->due = PAYMENT_DUE_TAKEOVER;
    p->tries[0] = 0;
    payment_commit(s, PHASE_INTENDING);
}

/* The PG refuses this cancel for good and holds the money: a person decides. */
static void refund_refused(struct step *s)
{
    struct payment *p = s->p;

    s->out->alert = ALERT_NEEDS_OPERATOR;
    if (!payment_is_terminal(p->status)) {
        p->status = PAYMENT_UNKNOWN;
    }
    p->needs_operator = 1;
    p->reason = REASON_CANCEL_REFUSED;
    p->due = PAYMENT_DUE_NEVER;
    payment_commit(s, PHASE_PARKING);
}

/* Every answered error spends a number: so many mean that only a person can end this. */
#define CANCEL_NO_MAX 1000

static void refund_number(struct step *s)
{
    struct payment *p = s->p;

    if (p->cancel_no >= CANCEL_NO_MAX) {
        refund_refused(s);
        return;
    }
    p->cancel_no++;
    p->flags |= PAYMENT_CANCEL_NOW;
    p->due = PAYMENT_DUE_TAKEOVER;
    payment_commit(s, PHASE_NUMBERING);
}

/* The intent is durable already: cancel under its number, or under the next if that is too old. */
void refund_resume(struct step *s)
{
    struct payment *p = s->p;

    invariant(p->refund_state == REFUND_INTENDED);
    p->tries[0] = 0;
    if (p->cancel_no == 0 || p->cancel_ms == AGE_NONE ||
        s->ctx->now_ms - p->cancel_ms > s->ctx->config->cancel_key_age_ms) {
        refund_number(s);
        return;
    }
    payment_call(s, PHASE_CANCELLING, CALL_CANCEL);
}

/* An intent for the PG's only other approval of this order is still on its way. */
static bool has_other_intent(const struct payment_row *row, text_id pg_id)
{
    return row->refund_state == REFUND_INTENDED && row->refund_pg_id != pg_id;
}

/* The row takes care of this approval already: kept as the trip's payment, or being refunded. */
static bool is_settled(const struct payment_row *row, text_id pg_id)
{
    if (row->refund_state != REFUND_NONE && row->refund_pg_id == pg_id) {
        return true;
    }
    return row->status == PAYMENT_COMPLETED && row->pg_id == pg_id;
}

/*
 * This worker saw the PG approve `pg_id`, and the row is not what it was: whoever took the row
 * over may not know of the approval. Nothing is cancelled before the intent is in the row.
 */
static void refund_reconcile(struct step *s, text_id pg_id)
{
    const struct payment_row *row = &s->ev->as.row;

    if (!s->ev->has_row || has_other_intent(row, pg_id)) {
        s->out->alert = ALERT_HOLDING;
        s->p->held_phase = s->p->phase;
        payment_wait(s, PHASE_HOLDING, s->ctx->config->pg_backoff_max_ms);
        return;
    }
    if (is_settled(row, pg_id)) {
        payment_close(s);
        return;
    }
    payment_load(s, row);
    refund_intend(s, pg_id, REASON_REFUNDED);
}

void finish_refused(struct step *s)
{
    struct payment *p = s->p;

    if (p->origin == ORIGIN_RECORD && p->status == PAYMENT_COMPLETED) {
        refund_reconcile(s, p->pg_id);
        return;
    }
    lost_row(s);
}

void finish_unwritable(struct step *s)
{
    struct payment *p = s->p;
    text_id approval = p->pg_id;

    payment_reply(s, REPLY_CONFLICT);
    if (p->status == PAYMENT_COMPLETED) {
        p->status = p->guard_status;
        refund_intend(s, approval, REASON_UNWRITABLE);
        return;
    }
    /* A verdict without money that can't be written: an operator reads why in the logs. */
    s->out->alert = ALERT_NEEDS_OPERATOR;
    p->status = PAYMENT_UNKNOWN;
    p->reason = REASON_UNWRITABLE;
    p->code = TEXT_NONE;
    p->needs_operator = 1;
    p->due = PAYMENT_DUE_NEVER;
    payment_commit(s, PHASE_PARKING);
}

void refund_intended(struct step *s)
{
    struct payment *p = s->p;

    p->epoch++;
    p->cancel_ms = s->ctx->now_ms;
    p->flags &= (uint16_t)~PAYMENT_CANCEL_NOW;
    payment_reply(s, REPLY_DONE);
    payment_call(s, PHASE_CANCELLING, CALL_CANCEL);
}

void refund_intent_refused(struct step *s)
{
    struct payment *p = s->p;

    p->flags &= (uint16_t)~PAYMENT_CANCEL_NOW;
    if ((p->flags & PAYMENT_APPROVED) != 0) {
        refund_reconcile(s, p->refund_pg_id);
        return;
    }
    lost_row(s);
}

static bool is_zero_balance(const struct payment *p, const struct pg_answer *a)
{
    return a->kind == PG_ANSWER_PAYMENT && a->order_matches && !payment_is_foreign(p, a) &&
           a->balance_krw == 0;
}

static bool is_unanswered(const struct pg_answer *a)
{
    return a->kind == PG_ANSWER_NOT_SENT || a->kind == PG_ANSWER_TIMEOUT ||
           a->kind == PG_ANSWER_BROKEN ||
           (a->kind == PG_ANSWER_ERROR && a->code_class == PG_CODE_RETRY);
}

/* No verdict keeps the number; an answered error is followed by a look-up. */
void refund_cancel_answered(struct step *s)
{
    struct payment *p = s->p;
    const struct pg_answer *a = &s->ev->as.pg;

    p->call_no++;
    s->out->alert = (uint8_t)payment_alert_of(a);
    if (is_zero_balance(p, a)) {
        refund_finish(s);
        return;
    }
    if (is_unanswered(a)) {
        payment_wait(s, PHASE_CANCEL_WAIT, payment_pg_backoff_ms(s));
        return;
    }
    p->flags &= (uint16_t)~PAYMENT_CANCEL_REFUSED;
    if (a->kind == PG_ANSWER_ERROR && a->code_class == PG_CODE_CANCEL_REFUSED) {
        p->flags |= PAYMENT_CANCEL_REFUSED;
        p->code = a->code;
    }
    payment_call(s, PHASE_CANCEL_ASKING, CALL_LOOKUP);
}

void refund_cancel_timer(struct step *s)
{
    if (s->p->tries[0] >= s->ctx->config->cancel_tries) {
        payment_close(s); /* the row is due soon: the rescue goes on */
        return;
    }
    payment_call(s, PHASE_CANCELLING, CALL_CANCEL);
}

void refund_asked(struct step *s)
{
    struct payment *p = s->p;
    const struct pg_answer *a = &s->ev->as.pg;
    enum finding finding = payment_judge(p, a);

    p->call_no++;
    s->out->alert = (uint8_t)payment_alert_of(a);
    if (payment_is_foreign(p, a)) {
        finding = FOUND_NO_ANSWER; /* the rescue looks again, and hands over */
    }
    switch (finding) {
    case FOUND_NOTHING_HELD:
        refund_finish(s);
        return;
    case FOUND_APPROVED:
    case FOUND_PARTLY_HELD:
    case FOUND_WRONG:
        if ((p->flags & PAYMENT_CANCEL_REFUSED) != 0) {
            refund_refused(s);
        } else {
            refund_number(s);
        }
        return;
    case FOUND_NO_ANSWER:
    case FOUND_PENDING:
    case FOUND_ABSENT:
        break;
    }
    payment_close(s); /* the row is due soon: the rescue asks again */
}

/* A number that was answered with an error is spent; the next goes out after a pause. */
void refund_numbered(struct step *s)
{
    struct payment *p = s->p;

    p->epoch++;
    p->cancel_ms = s->ctx->now_ms;
    p->flags &= (uint16_t)~PAYMENT_CANCEL_NOW;
    payment_wait(s, PHASE_CANCEL_WAIT, payment_pg_backoff_ms(s));
}

/* From PROCESSING or UNKNOWN a refund ends in FAILED; a terminal row keeps its status. */
void refund_finish(struct step *s)
{
    struct payment *p = s->p;

    p->refund_state = REFUND_DONE;
    p->needs_operator = 0;
    p->due = PAYMENT_DUE_NEVER;
    p->attempts = 0;
    if (!payment_is_terminal(p->guard_status)) {
        p->status = PAYMENT_FAILED;
        if (p->reason != REASON_WRONG_AMOUNT && p->reason != REASON_UNWRITABLE) {
            p->reason = REASON_REFUNDED; /* not what it was UNKNOWN for */
        }
    }
    payment_commit(s, PHASE_REFUNDING);
}

void refund_applied(struct step *s)
{
    s->out->publish = (uint8_t)payment_outcome(s->p);
    payment_reply(s, REPLY_DONE);
    payment_close(s);
}

/* Somebody else took the row; what is to be done is theirs. */
void lost_row(struct step *s)
{
    payment_reply(s, REPLY_BUSY);
    payment_close(s);
}

/* Nothing is dropped and nothing is cancelled blindly: alert, wait, send the same unit again. */
void hold_unit(struct step *s)
{
    s->out->alert = ALERT_HOLDING;
    s->p->held_phase = s->p->phase;
    payment_wait(s, PHASE_HOLDING, s->ctx->config->pg_backoff_max_ms);
}

void hold_timer(struct step *s)
{
    struct payment *p = s->p;
    enum payment_phase phase = (enum payment_phase)p->held_phase;

    p->held_phase = PHASE_FREE;
    payment_commit(s, phase);
}
