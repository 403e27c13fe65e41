/* payment_charge.c - the charge, its re-sending, the claimant's look-up, the verdict. */
#include "payment_internal.h"

int64_t payment_send_by_ms(const struct payment *payment, const struct payment_config *config)
{
    return payment->claimed_ms + config->send_limit_ms;
}

static bool is_pending(uint8_t status)
{
    return status == PG_READY || status == PG_IN_PROGRESS || status == PG_WAITING_FOR_DEPOSIT;
}

/*
 * A payment that is still in progress may show balance 0: it is asked again, never taken for a
 * decline, so its status is looked at before its balance.
 */
static enum finding judge_object(const struct payment *p, const struct pg_answer *a)
{
    if (!a->order_matches || a->pg_id == TEXT_NONE || a->status == PG_STATUS_OTHER) {
        return FOUND_NO_ANSWER;
    }
    if (is_pending(a->status)) {
        return FOUND_PENDING;
    }
    if (a->status == PG_ABORTED || a->status == PG_EXPIRED || a->balance_krw == 0) {
        return FOUND_NOTHING_HELD;
    }
    if (a->balance_krw < 0) {
        return FOUND_NO_ANSWER;
    }
    if (!a->currency_krw || a->total_krw != p->amount_krw) {
        return FOUND_WRONG;
    }
    return a->status == PG_DONE && a->balance_krw == a->total_krw ? FOUND_APPROVED
                                                                  : FOUND_PARTLY_HELD;
}

enum finding payment_judge(const struct payment *p, const struct pg_answer *answer)
{
    if (answer->kind == PG_ANSWER_PAYMENT) {
        return judge_object(p, answer);
    }
    if (answer->kind == PG_ANSWER_ERROR && answer->code_class == PG_CODE_NOT_FOUND) {
        return FOUND_ABSENT;
    }
    return FOUND_NO_ANSWER;
}

bool payment_is_foreign(const struct payment *p, const struct pg_answer *answer)
{
    text_id known = p->refund_state == REFUND_INTENDED ? p->refund_pg_id : p->pg_id;

    return answer->kind == PG_ANSWER_PAYMENT && known != TEXT_NONE && answer->pg_id != known;
}

enum payment_alert payment_alert_of(const struct pg_answer *answer)
{
    if (answer->kind != PG_ANSWER_ERROR) {
        return ALERT_NONE;
    }
    if (answer->code_class == PG_CODE_CREDENTIALS) {
        return ALERT_CREDENTIALS;
    }
    return answer->code_class == PG_CODE_REQUEST ? ALERT_REQUEST : ALERT_NONE;
}

void payment_finish(struct step *s, enum payment_status status, enum payment_reason reason,
                    text_id code)
{
    struct payment *p = s->p;

    p->status = (uint8_t)status;
    p->reason = (uint8_t)reason;
    p->code = code;
    p->needs_operator = 0;
    p->attempts = 0;
    p->due = reason == REASON_NEVER_CHARGED ? PAYMENT_DUE_RECHECK : PAYMENT_DUE_NEVER;
    if (p->refund_state == REFUND_INTENDED) {
        /* The balance is 0: the intent is fulfilled, by whichever cancel did it. */
        p->refund_state = REFUND_DONE;
        payment_commit(s, PHASE_REFUNDING);
        return;
    }
    payment_commit(s, PHASE_FINISHING);
}

static void charge_send(struct step *s)
{
    payment_call(s, PHASE_CHARGING, CALL_CHARGE);
}

/*
 * The time is over and nothing ever left: a new claim, which is not a second charge. It is made
 * behind an open breaker too: it keeps the row ours, so that nobody takes an outage for a charge
 * that was never made.
 */
static void charge_reclaim(struct step *s)
{
    struct payment *p = s->p;

    if (s->ctx->stopping) {
        payment_close(s);
        return;
    }
    p->flags |= PAYMENT_CLAIM_NOW;
    p->due = PAYMENT_DUE_CLAIM;
    p->tries[0] = 0;
    s->out->admit = s->ctx->gate_open[GATE_PG];
    payment_commit(s, PHASE_CLAIMING);
}

/* Until the breaker is worth asking again, or the time for sending is over. */
static void charge_wait_for_gate(struct step *s)
{
    int64_t send_by_ms = payment_send_by_ms(s->p, s->ctx->config);
    int64_t gate_ms = s->ctx->gate_next_ms[GATE_PG];

    payment_wait_until(s, PHASE_CHARGE_WAIT, gate_ms < send_by_ms ? gate_ms : send_by_ms);
}

static void charge_ask(struct step *s)
{
    s->p->tries[0] = 0;
    payment_call(s, PHASE_ASKING, CALL_LOOKUP);
}

void charge_claimed(struct step *s)
{
    if (s->ctx->now_ms >= payment_send_by_ms(s->p, s->ctx->config)) {
        charge_reclaim(s);
    } else if (!s->ctx->gate_open[GATE_PG]) {
        charge_wait_for_gate(s);
    } else {
        charge_send(s);
    }
}

void charge_again(struct step *s)
{
    struct payment *p = s->p;
    bool is_over = s->ctx->now_ms >= payment_send_by_ms(p, s->ctx->config);

    if (is_over && (p->flags & PAYMENT_LEFT) != 0) {
        charge_ask(s);
        return;
    }
    charge_claimed(s);
}

static bool is_approval(const struct payment *p, const struct pg_answer *a)
{
    return a->kind == PG_ANSWER_PAYMENT && a->status == PG_DONE && a->order_matches &&
           a->currency_krw && a->total_krw == p->amount_krw && a->pg_id != TEXT_NONE;
}

/* Proof that the PG took nothing back from an approval is the look-up's; here it approved. */
static void charge_approved(struct step *s)
{
    s->p->pg_id = s->ev->as.pg.pg_id;
    s->p->flags |= PAYMENT_APPROVED;
    payment_finish(s, PAYMENT_COMPLETED, REASON_NONE, TEXT_NONE);
}

static bool is_without_verdict(const struct pg_answer *a)
{
    return a->kind == PG_ANSWER_TIMEOUT || a->kind == PG_ANSWER_BROKEN ||
           (a->kind == PG_ANSWER_ERROR && a->code_class == PG_CODE_RETRY);
}

void charge_answered(struct step *s)
{
    struct payment *p = s->p;
    const struct pg_answer *a = &s->ev->as.pg;

    p->call_no++;
    s->out->alert = (uint8_t)payment_alert_of(a);
    if (a->kind == PG_ANSWER_NOT_SENT) {
        payment_wait(s, PHASE_CHARGE_WAIT, payment_pg_backoff_ms(s));
        return;
    }
    p->flags |= PAYMENT_LEFT;
    if (is_approval(p, a)) {
        charge_approved(s);
    } else if (a->kind == PG_ANSWER_ERROR && a->code_class == PG_CODE_DECLINED) {
        payment_finish(s, PAYMENT_FAILED, REASON_DECLINED, a->code);
    } else if (is_without_verdict(a)) {
        payment_wait(s, PHASE_CHARGE_WAIT, payment_pg_backoff_ms(s));
    } else {
        charge_ask(s);
    }
}

void charge_asked(struct step *s)
{
    struct payment *p = s->p;
    const struct pg_answer *a = &s->ev->as.pg;

    p->call_no++;
    s->out->alert = (uint8_t)payment_alert_of(a);
    switch (payment_judge(p, a)) {
    case FOUND_APPROVED:
        charge_approved(s);
        return;
    case FOUND_NOTHING_HELD:
        payment_finish(s, PAYMENT_FAILED,
                       a->status == PG_ABORTED || a->status == PG_EXPIRED ? REASON_DECLINED
                                                                          : REASON_CANCELLED,
                       a->code);
        return;
    case FOUND_NO_ANSWER:
    case FOUND_PENDING:
        if (p->tries[0] < s->ctx->config->ask_tries) {
            payment_wait(s, PHASE_ASK_WAIT, payment_pg_backoff_ms(s));
            return;
        }
        break;
    case FOUND_ABSENT: /* decides nothing here: the charge may still be on its way */
    case FOUND_PARTLY_HELD:
    case FOUND_WRONG:
        break;
    }
    /* The row is PROCESSING and due: the rescue takes it from here. */
    payment_close(s);
}

void charge_ask_again(struct step *s)
{
    payment_call(s, PHASE_ASKING, CALL_LOOKUP);
}

void finish_applied(struct step *s)
{
    s->out->publish = (uint8_t)payment_outcome(s->p);
    payment_reply(s, REPLY_DONE);
    payment_close(s);
}
