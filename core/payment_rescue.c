/* payment_rescue.c - takeover of a due row, inspection, parking; the operator's wishes. */
#include "payment_internal.h"

/* Only a look-up after this age counts as absent. */
static int64_t absence_wait_ms(const struct payment_config *c)
{
    return c->send_limit_ms + c->pg_longest_ms + c->absence_margin_ms;
}

static void rescue_take(struct step *s, enum payment_origin origin)
{
    struct payment *p = s->p;

    p->origin = (uint8_t)origin;
    p->flags = PAYMENT_ACKED;
    p->tries[0] = 0;
    payment_load(s, &s->ev->as.row);
    p->due = PAYMENT_DUE_TAKEOVER;
    payment_commit(s, PHASE_TAKING);
}

void rescue_due(struct step *s)
{
    rescue_take(s, ORIGIN_RESCUE);
}

/* Refund and adopt are for UNKNOWN only; everything else has its own way to an end. */
void rescue_operator(struct step *s)
{
    if (s->ev->as.row.status != PAYMENT_UNKNOWN) {
        s->out->reply = REPLY_CONFLICT;
        payment_close(s);
        return;
    }
    rescue_take(s, (enum payment_origin)s->ev->op);
}

void rescue_taken(struct step *s)
{
    s->p->epoch++;
    payment_call(s, PHASE_INSPECTING, CALL_LOOKUP);
}

static void rescue_park(struct step *s, enum payment_due due)
{
    s->p->due = (uint8_t)due;
    payment_commit(s, PHASE_PARKING);
}

/* For a person to look at. The reason says what they will find. */
static void rescue_hand_over(struct step *s, enum payment_reason reason, enum payment_due due)
{
    struct payment *p = s->p;

    if (!p->needs_operator) {
        s->out->alert = ALERT_NEEDS_OPERATOR;
    }
    if (!payment_is_terminal(p->status)) {
        p->status = PAYMENT_UNKNOWN;
        p->reason = (uint8_t)reason;
    }
    p->needs_operator = 1;
    if (p->attempts < UINT16_MAX) {
        p->attempts++;
    }
    rescue_park(s, due);
}

/* Nothing usable: ask again, ever more rarely; after a bound the payment is UNKNOWN. */
static void rescue_later(struct step *s)
{
    struct payment *p = s->p;

    if (p->attempts < UINT16_MAX) {
        p->attempts++;
    }
    if (!payment_is_terminal(p->status) && p->status != PAYMENT_UNKNOWN &&
        p->attempts >= s->ctx->config->unknown_after) {
        p->status = PAYMENT_UNKNOWN;
        p->reason = REASON_NO_ANSWER;
        s->out->alert = ALERT_UNKNOWN;
    }
    rescue_park(s, PAYMENT_DUE_BACKOFF);
}

/* A re-check that found nothing: the next one, or none. */
static void rescue_rechecked(struct step *s)
{
    struct payment *p = s->p;

    p->recheck_no++;
    p->attempts = 0;
    rescue_park(s, p->recheck_no < PAYMENT_RECHECKS ? PAYMENT_DUE_RECHECK : PAYMENT_DUE_NEVER);
}

static void rescue_absent(struct step *s)
{
    struct payment *p = s->p;
    const struct payment_config *config = s->ctx->config;

    if (p->account == ACCOUNT_OTHER) {
        rescue_hand_over(s, REASON_OTHER_ACCOUNT, PAYMENT_DUE_BACKOFF);
        return;
    }
    if (p->account == ACCOUNT_NONE && !payment_is_terminal(p->status)) {
        /* The old service may have charged it in a way that this look-up can't see. */
        rescue_hand_over(s, REASON_LEGACY_ABSENT, PAYMENT_DUE_NEVER);
        return;
    }
    if (p->refund_state == REFUND_INTENDED ||
        (p->pg_id != TEXT_NONE && p->refund_state != REFUND_DONE)) {
        rescue_later(s); /* an id is proof that there is something to find */
        return;
    }
    if (payment_is_terminal(p->status)) {
        rescue_rechecked(s);
        return;
    }
    /* Counted from the takeover: however late the answer is read, the question was no older. */
    if (p->claimed_ms == AGE_NONE || p->since_ms - p->claimed_ms < absence_wait_ms(config)) {
        p->attempts = 0;
        rescue_park(s, PAYMENT_DUE_ABSENT);
        return;
    }
    p->absent_count++;
    if (p->absent_count >= config->absent_needed) {
        payment_finish(s, PAYMENT_FAILED, REASON_NEVER_CHARGED, TEXT_NONE);
        return;
    }
    p->attempts = 0;
    rescue_park(s, PAYMENT_DUE_ABSENT);
}

static void rescue_nothing_held(struct step *s)
{
    struct payment *p = s->p;
    const struct pg_answer *a = &s->ev->as.pg;
    enum payment_reason reason =
        a->status == PG_ABORTED || a->status == PG_EXPIRED ? REASON_DECLINED : REASON_CANCELLED;

    if (p->origin == ORIGIN_OPERATOR_ADOPT) {
        payment_reply(s, REPLY_CONFLICT);
    }
    if (p->refund_state == REFUND_INTENDED) {
        refund_finish(s);
        return;
    }
    if (payment_is_terminal(p->status)) {
        p->attempts = 0;
        rescue_park(s, PAYMENT_DUE_NEVER);
        return;
    }
    payment_finish(s, PAYMENT_FAILED, reason, a->code);
}

static bool may_adopt(const struct step *s, enum finding finding)
{
    const struct payment *p = s->p;

    if (finding != FOUND_APPROVED || p->refund_state != REFUND_NONE ||
        payment_is_terminal(p->status)) {
        return false;
    }
    return s->ctx->config->adopt ? p->origin != ORIGIN_OPERATOR_REFUND
                                 : p->origin == ORIGIN_OPERATOR_ADOPT;
}

static void rescue_refund(struct step *s, enum finding finding)
{
    struct payment *p = s->p;
    text_id found = s->ev->as.pg.pg_id;

    if (payment_is_terminal(p->status) && p->refund_state == REFUND_NONE) {
        s->out->alert = ALERT_LATE_CHARGE;
    }
    if (finding == FOUND_WRONG) {
        s->out->alert = ALERT_WRONG_AMOUNT;
    }
    if (p->refund_state == REFUND_INTENDED) {
        payment_reply(s, REPLY_DONE);
        refund_resume(s);
        return;
    }
    refund_intend(s, found, finding == FOUND_WRONG ? REASON_WRONG_AMOUNT : REASON_REFUNDED);
}

/* The money is where it belongs: the trip's own payment, kept. */
static bool rescue_is_kept(const struct payment *p, text_id found)
{
    return p->status == PAYMENT_COMPLETED && p->refund_state != REFUND_INTENDED &&
           p->pg_id == found;
}

/* The PG holds money of this trip. */
static void rescue_held(struct step *s, enum finding finding)
{
    struct payment *p = s->p;
    text_id found = s->ev->as.pg.pg_id;

    p->absent_count = 0;
    if (rescue_is_kept(p, found)) {
        p->attempts = 0;
        rescue_park(s, PAYMENT_DUE_NEVER);
        return;
    }
    if (may_adopt(s, finding)) {
        p->pg_id = found;
        payment_finish(s, PAYMENT_COMPLETED, REASON_NONE, TEXT_NONE);
        return;
    }
    if (p->origin == ORIGIN_OPERATOR_ADOPT) {
        payment_reply(s, REPLY_CONFLICT);
        rescue_park(s, p->needs_operator ? PAYMENT_DUE_NEVER : PAYMENT_DUE_BACKOFF);
        return;
    }
    rescue_refund(s, finding);
}

static void rescue_found(struct step *s, enum finding finding)
{
    if (payment_is_foreign(s->p, &s->ev->as.pg)) {
        payment_reply(s, REPLY_CONFLICT);
        rescue_hand_over(s, REASON_PG_ID_MISMATCH, PAYMENT_DUE_BACKOFF);
    } else if (finding == FOUND_NOTHING_HELD) {
        rescue_nothing_held(s);
    } else {
        rescue_held(s, finding);
    }
}

/* Nobody asked for a verdict on absence: an operator's wish ends where there is no money. */
static void operator_without_payment(struct step *s, enum finding finding)
{
    payment_reply(s, finding == FOUND_NO_ANSWER ? REPLY_NO_ANSWER : REPLY_CONFLICT);
}

void rescue_inspected(struct step *s)
{
    struct payment *p = s->p;
    const struct pg_answer *a = &s->ev->as.pg;
    enum finding finding = payment_judge(p, a);

    p->call_no++;
    s->out->alert = (uint8_t)payment_alert_of(a);
    switch (finding) {
    case FOUND_NO_ANSWER:
        operator_without_payment(s, finding);
        rescue_later(s);
        return;
    case FOUND_PENDING:
        operator_without_payment(s, finding);
        p->absent_count = 0;
        rescue_later(s);
        return;
    case FOUND_ABSENT:
        operator_without_payment(s, finding);
        rescue_absent(s);
        return;
    case FOUND_NOTHING_HELD:
    case FOUND_APPROVED:
    case FOUND_PARTLY_HELD:
    case FOUND_WRONG:
        rescue_found(s, finding);
        return;
    }
}

void rescue_park_unwritable(struct step *s)
{
    s->out->alert = ALERT_HOLDING;
    lost_row(s);
}

void rescue_parked(struct step *s)
{
    payment_close(s);
}
