/* payment_unit.c - the unit that a committing phase has outstanding. */
#include "payment_internal.h"

#include "backoff.h"

#include <string.h>

bool payment_is_committing(const struct payment *p)
{
    switch ((enum payment_phase)p->phase) {
    case PHASE_OPENING:
    case PHASE_CLAIMING:
    case PHASE_FINISHING:
    case PHASE_INTENDING:
    case PHASE_NUMBERING:
    case PHASE_REFUNDING:
    case PHASE_TAKING:
    case PHASE_PARKING:
        return true;
    case PHASE_FREE:
    case PHASE_LOOKING_UP:
    case PHASE_LOOKUP_WAIT:
    case PHASE_GATED:
    case PHASE_CHARGING:
    case PHASE_CHARGE_WAIT:
    case PHASE_ASKING:
    case PHASE_ASK_WAIT:
    case PHASE_CANCELLING:
    case PHASE_CANCEL_WAIT:
    case PHASE_CANCEL_ASKING:
    case PHASE_INSPECTING:
    case PHASE_HOLDING:
    case PHASE_COUNT:
        break;
    }
    return false;
}

bool payment_is_calling(const struct payment *p)
{
    return p->phase == PHASE_LOOKING_UP || p->phase == PHASE_CHARGING || p->phase == PHASE_ASKING ||
           p->phase == PHASE_CANCELLING || p->phase == PHASE_CANCEL_ASKING ||
           p->phase == PHASE_INSPECTING;
}

enum outcome_type payment_outcome(const struct payment *p)
{
    if (payment_is_terminal(p->guard_status) || !payment_is_terminal(p->status)) {
        return OUTCOME_NONE;
    }
    return p->status == PAYMENT_COMPLETED ? OUTCOME_COMPLETED : OUTCOME_FAILED;
}

static int64_t absent_due_ms(const struct payment *p, const struct payment_config *c,
                             int64_t now_ms)
{
    int64_t wait_ms = c->send_limit_ms + c->pg_longest_ms + c->absence_margin_ms;
    int64_t age_ms = p->claimed_ms == AGE_NONE ? 0 : now_ms - p->claimed_ms;

    return age_ms < wait_ms ? wait_ms - age_ms : c->absent_again_ms;
}

/* Re-check instants count from FAILED; each delay is the difference to the one before. */
static int64_t recheck_due_ms(const struct payment *p, const struct payment_config *c)
{
    if (p->recheck_no >= PAYMENT_RECHECKS) {
        return DUE_NEVER;
    }
    return c->recheck_ms[p->recheck_no] -
           (p->recheck_no == 0 ? 0 : c->recheck_ms[p->recheck_no - 1]);
}

static int64_t due_in_ms(const struct payment *p, const struct payment_config *c, int64_t now_ms)
{
    switch ((enum payment_due)p->due) {
    case PAYMENT_DUE_NEVER:
        return DUE_NEVER;
    case PAYMENT_DUE_CLAIM:
        return c->claim_due_ms;
    case PAYMENT_DUE_TAKEOVER:
        return c->takeover_due_ms;
    case PAYMENT_DUE_BACKOFF:
        return backoff_delay_ms(p->attempts, c->pg_backoff_ms, c->pg_backoff_max_ms,
                                p->token_sequence * 0x9E3779B97F4A7C15U);
    case PAYMENT_DUE_ABSENT:
        return absent_due_ms(p, c, now_ms);
    case PAYMENT_DUE_RECHECK:
        return recheck_due_ms(p, c);
    }
    return DUE_NEVER;
}

static void unit_row(const struct payment *p, struct payment_row *row)
{
    row->payment_id = p->payment_id;
    row->amount_krw = p->amount_krw;
    row->trip_id = p->trip_id;
    row->user_id = p->user_id;
    row->method_id = p->method_id;
    row->pg_id = p->pg_id;
    row->refund_pg_id = p->refund_pg_id;
    row->traceparent = p->traceparent;
    row->code = p->code;
    row->cancel_no = p->cancel_no;
    row->attempts = p->attempts;
    row->status = p->status;
    row->refund_state = p->refund_state;
    row->absent_count = p->absent_count;
    row->recheck_no = p->recheck_no;
    row->needs_operator = p->needs_operator;
    row->reason = p->reason;
    row->claimed_age_ms = AGE_NONE;
    row->cancel_age_ms = AGE_NONE;
    row->epoch = p->epoch + 1;
}

void payment_unit(const struct payment *payment, const struct payment_config *config,
                  uint64_t token_process, uint64_t pg_account, int64_t now_ms, struct unit *unit)
{
    const struct payment *p = payment;
    struct unit_payment *u = &unit->as.payment;

    invariant(payment_is_committing(p));
    memset(unit, 0, sizeof(*unit));
    unit->token.process = token_process;
    unit->token.sequence = p->token_sequence;
    unit->kind = p->phase == PHASE_OPENING ? UNIT_PAYMENT_OPEN : UNIT_PAYMENT_MOVE;
    unit_row(p, &u->row);
    u->row.token = unit->token;
    u->row.due_in_ms = due_in_ms(p, config, now_ms);
    u->guard_status = p->guard_status;
    u->guard_epoch = p->epoch;
    if ((p->flags & PAYMENT_CLAIM_NOW) != 0) {
        u->claimed_at = INSTANT_NOW;
        u->row.pg_account = pg_account;
    }
    if ((p->flags & PAYMENT_CANCEL_NOW) != 0) {
        u->cancel_at = INSTANT_NOW;
    }
    u->outcome.type = (uint8_t)payment_outcome(p);
    if (u->outcome.type != OUTCOME_NONE) {
        u->outcome.lease_ms = (int32_t)config->outbox_lease_ms;
        u->outcome.record.event_id = p->payment_id;
    }
}
