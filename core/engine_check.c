/* engine_check.c - every invariant of the engine, written once. */
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
    uint32_t relay_taking = 0;
    uint32_t letters = 0;

    for (uint32_t i = 0; i < e->limits.outbox; i++) {
        outbox_check(&engine_outboxes(e)[i]);
        outbox += engine_outboxes(e)[i].phase != OUTBOX_PHASE_FREE;
        relay_taking += engine_outboxes(e)[i].phase == OUTBOX_PHASE_TAKING;
    }
    for (uint32_t i = 0; i < e->limits.dead_letters; i++) {
        dead_letter_check(&engine_letters(e)[i]);
        letters += engine_letters(e)[i].phase != DEAD_LETTER_FREE;
    }
    invariant(outbox == e->outbox_used && relay_taking == e->relay_taking);
    invariant(letters == e->letters_used);
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
        bool used = engine_partitions(e)[i].used != 0;

        tracker_check(engine_tracker(e, i));
        invariant(i < e->partitions_end ? used || i + 1 < e->partitions_end : !used);
    }
    for (uint32_t g = 0; g < GATE_COUNT; g++) {
        breaker_check(&e->breakers[g], &e->config.breakers[g]);
    }
    for (uint32_t i = 0; i < JOB_COUNT; i++) {
        lease_holder_check(&e->jobs[i].holder);
    }
}
