/* payment_intake.c - from a record to a claim: fare, payer, breakers, the first unit. */
#include "payment_internal.h"

#include "backoff.h"

#include <string.h>

#define BACKOFF_CAP_FACTOR 8

static void intake_dead_letter(struct step *s, enum dead_letter_reason reason)
{
    s->out->dead_letter = (uint8_t)reason;
    payment_close(s);
}

/* Which gate is closed and has to open before the look-ups that are missing; GATE_COUNT: none. */
static enum payment_gate closed_gate(const struct step *s)
{
    const struct payment_context *ctx = s->ctx;

    if ((s->p->flags & PAYMENT_FARE_KNOWN) == 0 && !ctx->gate_open[GATE_PRICING]) {
        return GATE_PRICING;
    }
    if ((s->p->flags & PAYMENT_PAYER_KNOWN) == 0 && !ctx->gate_open[GATE_USERS]) {
        return GATE_USERS;
    }
    return ctx->gate_open[GATE_PG] ? GATE_COUNT : GATE_PG;
}

/* Asks for what is missing, both at the same time; waits where a breaker is open. */
static void intake_ask(struct step *s)
{
    struct payment *p = s->p;
    enum payment_gate gate = closed_gate(s);

    if (gate != GATE_COUNT) {
        p->since_ms = AGE_NONE;
        payment_wait_until(s, PHASE_LOOKUP_WAIT, s->ctx->gate_next_ms[gate]);
        return;
    }
    if (p->since_ms == AGE_NONE) {
        p->since_ms = s->ctx->now_ms;
    }
    p->phase = PHASE_LOOKING_UP;
    p->call_no++;
    if ((p->flags & PAYMENT_FARE_KNOWN) == 0) {
        p->flags |= PAYMENT_FARE_OUT;
        s->out->calls |= CALL_FARE;
    }
    if ((p->flags & PAYMENT_PAYER_KNOWN) == 0) {
        p->flags |= PAYMENT_PAYER_OUT;
        s->out->calls |= CALL_PAYER;
    }
    invariant(s->out->calls != 0);
}

void intake_arrived(struct step *s)
{
    struct payment *p = s->p;
    const struct payment_arrival *a = &s->ev->as.arrival;

    p->payment_id = a->payment_id;
    p->trip_id = a->trip_id;
    p->user_id = a->user_id;
    p->traceparent = a->traceparent;
    p->record = a->record;
    p->origin = ORIGIN_RECORD;
    p->since_ms = AGE_NONE;
    p->claimed_ms = AGE_NONE;
    p->cancel_ms = AGE_NONE;
    intake_ask(s);
}

static void intake_open(struct step *s, enum payment_status status)
{
    struct payment *p = s->p;

    p->status = (uint8_t)status;
    p->guard_status = PAYMENT_ABSENT;
    p->due = PAYMENT_DUE_NEVER;
    p->tries[0] = 0;
    if (status == PAYMENT_PROCESSING) {
        p->due = PAYMENT_DUE_CLAIM;
        p->account = ACCOUNT_OURS;
        p->flags |= PAYMENT_CLAIM_NOW;
        s->out->admit = true;
    } else if (status == PAYMENT_FAILED) {
        p->reason = REASON_NO_PAYMENT_METHOD;
    }
    payment_commit(s, PHASE_OPENING);
}

/* Fare and payer are both known. The order of these questions is LIFE's. */
static void intake_known(struct step *s)
{
    struct payment *p = s->p;

    if (p->amount_krw == 0) {
        intake_open(s, PAYMENT_COMPLETED);
        return;
    }
    if ((p->flags & PAYMENT_NO_METHOD) != 0) {
        intake_open(s, PAYMENT_FAILED);
        return;
    }
    if (!s->ctx->gate_open[GATE_PG]) {
        p->since_ms = s->ctx->now_ms;
        payment_wait_until(s, PHASE_GATED, s->ctx->gate_next_ms[GATE_PG]);
        return;
    }
    intake_open(s, PAYMENT_PROCESSING);
}

/* While its breaker is open, trouble with an upstream says nothing about this record. */
static bool intake_is_counted(const struct step *s, enum upstream upstream)
{
    uint16_t known = upstream == UPSTREAM_PRICING ? PAYMENT_FARE_KNOWN : PAYMENT_PAYER_KNOWN;
    enum payment_gate gate = upstream == UPSTREAM_PRICING ? GATE_PRICING : GATE_USERS;

    return (s->p->flags & known) == 0 && s->ctx->gate_open[gate];
}

/*
 * A try counts against the record only where the upstream has answered somebody since the try
 * before it failed (for the first one: since it was asked). So it takes an upstream that is well
 * between all tries to make a dead letter: of those that fall into an outage only the first can
 * have a good answer before it, and the others are silence.
 */
static void intake_count(struct step *s, enum upstream upstream)
{
    struct payment *p = s->p;

    if (s->ctx->last_good_ms[upstream] > p->since_ms) {
        p->tries[upstream]++;
        p->silences[upstream] = 0;
    } else {
        p->silences[upstream]++;
    }
}

/* As many tries as a record has, and the upstream answered nobody: it is down. */
static void intake_outage(struct step *s, enum upstream upstream)
{
    struct payment *p = s->p;

    s->out->trip_breaker |= (uint8_t)(1U << upstream);
    memset(p->silences, 0, sizeof(p->silences));
    p->since_ms = AGE_NONE;
    payment_wait(s, PHASE_LOOKUP_WAIT, s->ctx->config->upstream_backoff_ms);
}

/* Both answers are in and at least one was trouble. */
static void intake_retry(struct step *s)
{
    struct payment *p = s->p;
    const struct payment_config *config = s->ctx->config;
    uint32_t most = 1;

    for (uint8_t u = 0; u < UPSTREAM_COUNT; u++) {
        if (!intake_is_counted(s, (enum upstream)u)) {
            continue;
        }
        intake_count(s, (enum upstream)u);
        if (p->tries[u] > config->upstream_retries) {
            intake_dead_letter(s, u == UPSTREAM_PRICING ? DEAD_LETTER_PRICING_TROUBLE
                                                        : DEAD_LETTER_USERS_TROUBLE);
            return;
        }
        if (p->silences[u] > config->upstream_retries) {
            intake_outage(s, (enum upstream)u);
            return;
        }
        uint32_t tries = (uint32_t)p->tries[u] + p->silences[u];
        most = tries > most ? tries : most;
    }
    p->since_ms = s->ctx->now_ms;
    payment_wait(s, PHASE_LOOKUP_WAIT,
                 backoff_delay_ms(most - 1U, config->upstream_backoff_ms,
                                  config->upstream_backoff_ms * BACKOFF_CAP_FACTOR,
                                  s->ctx->random));
}

static bool fare_is_possible(const struct step *s, int64_t fare_krw)
{
    return fare_krw >= 0 && fare_krw <= s->ctx->config->max_fare_krw;
}

static void intake_fare(struct step *s)
{
    const struct upstream_answer *a = &s->ev->as.upstream;

    s->p->flags &= (uint16_t)~PAYMENT_FARE_OUT;
    if (a->kind == UPSTREAM_TROUBLE) {
        return;
    }
    if (a->kind != UPSTREAM_OK || !fare_is_possible(s, a->fare_krw)) {
        s->p->flags |= PAYMENT_FARE_REFUSED;
        return;
    }
    s->p->amount_krw = (int32_t)a->fare_krw;
    s->p->flags |= PAYMENT_FARE_KNOWN;
}

static void intake_payer(struct step *s)
{
    const struct upstream_answer *a = &s->ev->as.upstream;

    s->p->flags &= (uint16_t)~PAYMENT_PAYER_OUT;
    if (a->kind == UPSTREAM_TROUBLE) {
        return;
    }
    if (a->kind == UPSTREAM_REFUSED) {
        s->p->flags |= PAYMENT_PAYER_REFUSED;
        return;
    }
    s->p->flags |= PAYMENT_PAYER_KNOWN;
    s->p->method_id = a->method_id;
    if (a->kind == UPSTREAM_NOT_FOUND) {
        s->p->flags |= PAYMENT_NO_METHOD;
        return;
    }
    s->p->billing_key = a->billing_key;
}

void intake_answered(struct step *s)
{
    struct payment *p = s->p;
    const uint16_t both = PAYMENT_FARE_KNOWN | PAYMENT_PAYER_KNOWN;

    if (s->ev->type == PAYMENT_EV_FARE) {
        intake_fare(s);
    } else {
        intake_payer(s);
    }
    if ((p->flags & (PAYMENT_FARE_OUT | PAYMENT_PAYER_OUT)) != 0) {
        return;
    }
    if ((p->flags & PAYMENT_FARE_REFUSED) != 0) {
        intake_dead_letter(s, DEAD_LETTER_FARE_REFUSED);
    } else if ((p->flags & PAYMENT_PAYER_REFUSED) != 0) {
        intake_dead_letter(s, DEAD_LETTER_PAYER_REFUSED);
    } else if ((p->flags & both) == both) {
        intake_known(s);
    } else {
        intake_retry(s);
    }
}

void intake_timer(struct step *s)
{
    intake_ask(s);
}

/* A payer who waited long may have changed the card: ask again before charging it. */
void intake_gate_timer(struct step *s)
{
    struct payment *p = s->p;

    if (s->ctx->now_ms - p->since_ms > s->ctx->config->lookup_fresh_ms) {
        p->flags &= (uint16_t) ~(PAYMENT_FARE_KNOWN | PAYMENT_PAYER_KNOWN | PAYMENT_NO_METHOD);
        memset(p->tries, 0, sizeof(p->tries));
        memset(p->silences, 0, sizeof(p->silences));
        p->since_ms = AGE_NONE;
        intake_ask(s);
        return;
    }
    if (!s->ctx->gate_open[GATE_PG]) {
        payment_wait_until(s, PHASE_GATED, s->ctx->gate_next_ms[GATE_PG]);
        return;
    }
    intake_open(s, PAYMENT_PROCESSING);
}

void intake_applied(struct step *s)
{
    struct payment *p = s->p;
    enum outcome_type outcome = payment_outcome(p);

    p->epoch++;
    p->guard_status = p->status;
    payment_acknowledge(s);
    if (payment_is_terminal(p->status)) {
        s->out->publish = (uint8_t)outcome;
        payment_close(s);
        return;
    }
    p->claimed_ms = p->since_ms;
    p->flags &= (uint16_t) ~(PAYMENT_CLAIM_NOW | PAYMENT_LEFT);
    charge_claimed(s);
}

/*
 * The old service left the row REQUESTED: it never charged it, so it is claimed as it is. Unless
 * somebody found a charge all the same: then the row belongs to its refund.
 */
static bool intake_is_claimable(const struct payment_row *row)
{
    return row->status == PAYMENT_REQUESTED && row->refund_state == REFUND_NONE &&
           row->pg_id == TEXT_NONE;
}

static void intake_claim_row(struct step *s)
{
    struct payment *p = s->p;
    const struct payment_row *row = &s->ev->as.row;

    if (!intake_is_claimable(row)) {
        payment_acknowledge(s);
        payment_close(s);
        return;
    }
    p->payment_id = row->payment_id;
    p->epoch = row->epoch;
    p->guard_status = PAYMENT_REQUESTED;
    payment_commit(s, PHASE_CLAIMING);
}

void intake_duplicate(struct step *s)
{
    invariant(s->ev->as.row.trip_id == s->p->trip_id);
    intake_claim_row(s);
}

void intake_unwritable(struct step *s)
{
    if ((s->p->flags & PAYMENT_ACKED) != 0) {
        /* A second claim: the row is there, and due. */
        s->out->alert = ALERT_HOLDING;
        payment_close(s);
        return;
    }
    intake_dead_letter(s, s->ev->collision ? DEAD_LETTER_ID_COLLISION : DEAD_LETTER_UNWRITABLE);
}

/* A first claim whose row only changed its epoch (a rescue looked at it) is tried again. */
void claim_refused(struct step *s)
{
    if ((s->p->flags & PAYMENT_ACKED) == 0 && s->ev->has_row && s->ev->as.row.epoch > s->p->epoch) {
        intake_claim_row(s);
        return;
    }
    payment_acknowledge(s);
    payment_close(s);
}
