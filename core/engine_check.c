/* engine_check.c - the engine's invariants, counts, the texts it holds, and its defaults. */
#include "engine_internal.h"

#include <string.h>

static void check_payments(const struct engine *e)
{
    uint32_t used = 0;
    uint32_t rescues = 0;
    uint32_t waiting = 0;
    uint32_t unacked = 0;
    uint32_t taking = 0;

    for (uint32_t slot = 0; slot < e->limits.payments; slot++) {
        const struct payment *p = &engine_payments(e)[slot];
        const struct payment_link *link = &engine_links(e)[slot];

        payment_check(p);
        if (p->phase == PHASE_FREE) {
            continue;
        }
        used++;
        invariant(payments_find(e, p->trip_id) == slot);
        rescues += !link->ref.used;
        taking += p->phase == PHASE_TAKING;
        unacked += link->ref.used && (p->flags & PAYMENT_ACKED) == 0;
        for (uint32_t w = link->waiters; w != NO_SLOT; w = engine_waiters(e)[w].next) {
            invariant(engine_waiters(e)[w].arrival.trip_id == p->trip_id);
            waiting++;
        }
    }
    invariant(used == e->payments_used && rescues == e->rescues_used && taking == e->taking);
    invariant(waiting == e->waiters_used && unacked + waiting == e->unacked);
}

static void check_others(const struct engine *e)
{
    uint32_t outbox = 0;
    uint32_t letters = 0;

    for (uint32_t i = 0; i < e->limits.outbox; i++) {
        outbox_check(&engine_outboxes(e)[i]);
        outbox += engine_outboxes(e)[i].phase != OUTBOX_PHASE_FREE;
    }
    for (uint32_t i = 0; i < e->limits.dead_letters; i++) {
        dead_letter_check(&engine_letters(e)[i]);
        letters += engine_letters(e)[i].phase != DEAD_LETTER_FREE;
    }
    invariant(outbox == e->outbox_used && letters == e->letters_used);
    /* A record in flight can always become a dead letter. */
    invariant(e->letters_used + e->unacked <= e->limits.dead_letters);
}

static void check_lanes(const struct engine *e)
{
    uint32_t committing = 0;
    uint32_t units = 0;

    for (uint32_t i = 0; i < e->limits.lanes; i++) {
        const struct lane *lane = &engine_lanes(e)[i];

        invariant(lane->count <= e->limits.batch_max && lane->waiting <= e->queue_max);
        invariant((lane->state == LANE_IDLE) == (lane->count == 0));
        units += lane->count + lane->waiting;
    }
    for (uint32_t i = 0; i < e->limits.payments; i++) {
        committing += payment_is_committing(&engine_payments(e)[i]);
    }
    for (uint32_t i = 0; i < e->limits.outbox; i++) {
        committing += outbox_is_committing(&engine_outboxes(e)[i]);
    }
    for (uint32_t i = 0; i < e->limits.dead_letters; i++) {
        committing += dead_letter_is_committing(&engine_letters(e)[i]);
    }
    for (uint32_t i = 0; i < JOB_COUNT; i++) {
        committing += e->jobs[i].op != 0;
    }
    /* Each slot that waits for a commit has its one unit in one lane. */
    invariant(committing == units);
}

void engine_check(const struct engine *engine)
{
    const struct engine *e = engine;

    check_payments(e);
    check_others(e);
    check_lanes(e);
    timers_check(engine_timers(e));
    for (uint32_t i = 0; i < e->limits.trackers; i++) {
        tracker_check(engine_tracker(e, i));
    }
    for (uint32_t g = 0; g < GATE_COUNT; g++) {
        breaker_check(&e->breakers[g], &e->config.breakers[g]);
    }
    for (uint32_t i = 0; i < JOB_COUNT; i++) {
        lease_holder_check(&e->jobs[i].holder);
    }
}

struct engine_counts engine_counts(const struct engine *engine)
{
    const struct engine *e = engine;
    struct engine_counts counts = {.payments = e->payments_used,
                                   .waiters = e->waiters_used,
                                   .outbox = e->outbox_used,
                                   .dead_letters = e->letters_used};

    for (uint32_t i = 0; i < e->limits.lanes; i++) {
        counts.units_waiting += engine_lanes(e)[i].waiting;
        counts.batches_outstanding += engine_lanes(e)[i].state != LANE_IDLE;
    }
    return counts;
}

static void mark_all(struct texts *texts, const text_id *ids, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (ids[i] != TEXT_NONE) {
            texts_mark(texts, ids[i]);
        }
    }
}

static void mark_payment(const struct payment *p, struct texts *texts)
{
    const text_id ids[] = {p->trip_id,      p->user_id,     p->method_id, p->billing_key, p->pg_id,
                           p->refund_pg_id, p->traceparent, p->code,      p->record};

    mark_all(texts, ids, sizeof(ids) / sizeof(ids[0]));
}

static void mark_outbox(const struct outbox *o, struct texts *texts)
{
    const text_id ids[] = {o->topic,   o->key,     o->body,        o->headers,
                           o->trip_id, o->user_id, o->traceparent, o->code};

    mark_all(texts, ids, sizeof(ids) / sizeof(ids[0]));
}

static void mark_letter(const struct dead_letter *l, struct texts *texts)
{
    const text_id ids[] = {l->topic, l->key, l->body, l->headers, l->error, l->record};

    mark_all(texts, ids, sizeof(ids) / sizeof(ids[0]));
}

static void mark_waiter(const struct waiter *w, struct texts *texts)
{
    const struct payment_arrival *a = &w->arrival;
    const text_id ids[] = {a->trip_id, a->user_id, a->traceparent, a->record};

    mark_all(texts, ids, sizeof(ids) / sizeof(ids[0]));
}

void engine_mark(const struct engine *engine, struct texts *texts)
{
    const struct engine *e = engine;
    const text_id own[] = {e->identity.holder, e->retry.active ? e->retry.topic : TEXT_NONE};

    mark_all(texts, own, sizeof(own) / sizeof(own[0]));
    for (uint32_t i = 0; i < e->limits.payments; i++) {
        if (engine_payments(e)[i].phase != PHASE_FREE) {
            mark_payment(&engine_payments(e)[i], texts);
        }
    }
    for (uint32_t i = 0; i < e->limits.outbox; i++) {
        mark_outbox(&engine_outboxes(e)[i], texts);
    }
    for (uint32_t i = 0; i < e->limits.dead_letters; i++) {
        mark_letter(&engine_letters(e)[i], texts);
    }
    for (uint32_t i = 0; i < e->limits.waiters; i++) {
        mark_waiter(&engine_waiters(e)[i], texts);
    }
}

#define SECOND_MS INT64_C(1000)
#define MINUTE_MS (60 * SECOND_MS)

struct engine_config engine_config_default(void)
{
    struct engine_config c = {
        .payment = payment_config_default(),
        .outbox = {.lease_ms = 30 * SECOND_MS,
                   .backoff_ms = SECOND_MS,
                   .backoff_max_ms = 5 * MINUTE_MS},
        .dead_letter = {.backoff_ms = SECOND_MS, .backoff_max_ms = MINUTE_MS},
        .breakers = {BREAKER_DEFAULTS, BREAKER_DEFAULTS, BREAKER_DEFAULTS},
        .max_trip_age_ms = 7 * 24 * 60 * MINUTE_MS,
        .batch_linger_ms = 2,
        .resend_ms = 50,
        .resend_max_ms = 5 * SECOND_MS,
        .rescue_interval_ms = MINUTE_MS,
        .outbox_poll_ms = SECOND_MS,
        .outbox_keep_ms = 3 * 24 * 60 * MINUTE_MS,
        .commit_interval_ms = SECOND_MS,
        .gate_poll_ms = SECOND_MS,
        .lease_most_ms = 50 * 1000,
        .lease_least_ms = 30 * 1000,
        .cleanup_at_ms = 3 * 60 * 60 * 1000,
        .zone_offset_ms = 9 * 60 * 60 * 1000,
        .purge_limit = 1000,
    };

    c.breakers[GATE_PG].one_at_a_time = true;
    return c;
}
