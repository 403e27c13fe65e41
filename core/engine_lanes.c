/* engine_lanes.c - collects units into batches, and resolves what became of them. */
#include "engine_internal.h"

#include "backoff.h"

#include <string.h>

#define RESEND_ATTEMPT_MAX 1000

void lanes_init(struct engine *e)
{
    memset(engine_lanes(e), 0, e->limits.lanes * sizeof(struct lane));
}

bool lanes_idle(const struct engine *e)
{
    for (uint32_t i = 0; i < e->limits.lanes; i++) {
        if (engine_lanes(e)[i].state != LANE_IDLE || engine_lanes(e)[i].waiting > 0) {
            return false;
        }
    }
    return true;
}

/* Equal hashes share a lane, so that one trip stays on one connection. */
void lanes_enqueue(struct run *r, uint32_t owner, uint32_t hash)
{
    struct engine *e = r->e;
    uint32_t index = hash % e->limits.lanes;
    struct lane *lane = &engine_lanes(e)[index];

    invariant(lane->waiting < e->queue_max);
    if (lane->waiting == 0) {
        lane->first_ms = e->now_ms;
    }
    engine_queue(e, index)[(lane->head + lane->waiting) % e->queue_max] = owner;
    lane->waiting++;
}

/* Rows in sorted key order keep two connections from waiting for one another. */
static int owner_compare(const struct engine *e, uint32_t a, uint32_t b)
{
    if (OWNER_KIND(a) == OWNER_PAYMENT && OWNER_KIND(b) == OWNER_PAYMENT) {
        return uuid_order(&engine_payments(e)[OWNER_SLOT(a)].payment_id,
                          &engine_payments(e)[OWNER_SLOT(b)].payment_id);
    }
    if (OWNER_KIND(a) == OWNER_OUTBOX && OWNER_KIND(b) == OWNER_OUTBOX) {
        int64_t row_a = engine_outboxes(e)[OWNER_SLOT(a)].row_id;
        int64_t row_b = engine_outboxes(e)[OWNER_SLOT(b)].row_id;

        if (row_a != row_b) {
            return row_a < row_b ? -1 : 1;
        }
    }
    return a < b ? -1 : a > b;
}

/* Shell sort: in place, no recursion, and a batch has at most 256 units. */
static void batch_sort(const struct engine *e, uint32_t *batch, uint32_t count)
{
    for (uint32_t gap = count / 2; gap > 0; gap /= 2) {
        for (uint32_t i = gap; i < count; i++) {
            uint32_t owner = batch[i];
            uint32_t j = i;

            while (j >= gap && owner_compare(e, batch[j - gap], owner) > 0) {
                batch[j] = batch[j - gap];
                j -= gap;
            }
            batch[j] = owner;
        }
    }
}

static void lane_submit(struct run *r, uint32_t index)
{
    struct effect *fx = engine_emit(r, FX_SUBMIT);

    engine_lanes(r->e)[index].state = LANE_OUT;
    fx->slot = index;
    fx->value = engine_lanes(r->e)[index].count;
}

static void lane_form(struct run *r, uint32_t index, uint32_t batch_max)
{
    struct engine *e = r->e;
    struct lane *lane = &engine_lanes(e)[index];
    uint32_t *batch = engine_batch(e, index);

    lane->count = lane->waiting < batch_max ? lane->waiting : batch_max;
    for (uint32_t i = 0; i < lane->count; i++) {
        batch[i] = engine_queue(e, index)[(lane->head + i) % e->queue_max];
    }
    lane->head = (lane->head + lane->count) % e->queue_max;
    lane->waiting -= lane->count;
    lane->first_ms = e->now_ms;
    lane->attempt = 0;
    batch_sort(e, batch, lane->count);
    lane_submit(r, index);
}

void lanes_form(struct run *r)
{
    struct engine *e = r->e;
    uint32_t batch_max = e->limits.batch_max;

    if (r->ev->batch_max > 0 && r->ev->batch_max < batch_max) {
        batch_max = r->ev->batch_max;
    }
    for (uint32_t i = 0; i < e->limits.lanes; i++) {
        struct lane *lane = &engine_lanes(e)[i];
        int64_t due_ms = lane->first_ms + e->config.batch_linger_ms;

        if (lane->state != LANE_IDLE || lane->waiting == 0) {
            continue;
        }
        if (lane->waiting >= batch_max || e->now_ms >= due_ms) {
            lane_form(r, i, batch_max);
        } else {
            timers_set(engine_timers(e), engine_system_timer(e, TIMER_LANE_0 + i), due_ms);
        }
    }
}

void lanes_timer(struct run *r, uint32_t lane)
{
    if (engine_lanes(r->e)[lane].state == LANE_WAIT) {
        lane_submit(r, lane);
    }
    /* Otherwise the linger is over, which lanes_form() sees. */
}

static void deliver(struct run *r, uint32_t owner, const struct unit_result *result)
{
    switch ((enum owner_kind)OWNER_KIND(owner)) {
    case OWNER_PAYMENT:
        payments_result(r, OWNER_SLOT(owner), result);
        return;
    case OWNER_OUTBOX:
        publish_result(r, OWNER_SLOT(owner), result);
        return;
    case OWNER_LETTER:
        letters_result(r, OWNER_SLOT(owner), result);
        return;
    case OWNER_LEASE:
        jobs_lease_result(r, OWNER_SLOT(owner), result);
        return;
    }
    invariant_broken("a unit of nobody");
}

/* Nothing is known of the batch, or nothing was done: the same units again, later. */
static void lane_resend(struct run *r, uint32_t index)
{
    struct engine *e = r->e;
    struct lane *lane = &engine_lanes(e)[index];
    int64_t delay_ms = backoff_delay_ms(lane->attempt, e->config.resend_ms, e->config.resend_max_ms,
                                        engine_random(r));

    if (lane->attempt < RESEND_ATTEMPT_MAX) {
        lane->attempt++;
    }
    lane->state = LANE_WAIT;
    engine_note(r, NOTE_RESENT_BATCH, TEXT_NONE, lane->count);
    timers_set(engine_timers(e), engine_system_timer(e, TIMER_LANE_0 + index),
               e->now_ms + delay_ms);
}

void lanes_batch(struct run *r)
{
    struct engine *e = r->e;
    uint32_t index = r->ev->as.batch.lane;
    struct lane *lane;
    uint32_t count;

    invariant(index < e->limits.lanes);
    lane = &engine_lanes(e)[index];
    invariant(lane->state == LANE_OUT);
    if (r->ev->as.batch.outcome != BATCH_COMMITTED) {
        lane_resend(r, index);
        return;
    }
    /* Units that these results lead to wait for the next batch: the lane is still out. */
    count = lane->count;
    for (uint32_t i = 0; i < count; i++) {
        deliver(r, engine_batch(e, index)[i], &r->ev->as.batch.results[i]);
    }
    lane->count = 0;
    lane->state = LANE_IDLE;
}

void engine_batch_unit(const struct engine *engine, uint32_t lane, uint32_t index, int64_t now_ms,
                       struct unit *unit)
{
    const struct engine *e = engine;
    uint32_t owner;
    uint32_t slot;

    invariant(lane < e->limits.lanes && index < engine_lanes(e)[lane].count);
    owner = engine_batch(e, lane)[index];
    slot = OWNER_SLOT(owner);
    switch ((enum owner_kind)OWNER_KIND(owner)) {
    case OWNER_PAYMENT:
        payment_unit(&engine_payments(e)[slot], &e->config.payment, e->identity.token_process,
                     e->identity.pg_account, now_ms, unit);
        return;
    case OWNER_OUTBOX:
        outbox_unit(&engine_outboxes(e)[slot], &e->config.outbox, e->identity.token_process, unit);
        return;
    case OWNER_LETTER:
        dead_letter_unit(&engine_letters(e)[slot], e->identity.token_process, unit);
        return;
    case OWNER_LEASE:
        jobs_lease_unit(e, slot, unit);
        return;
    }
    invariant_broken("a unit of nobody");
}

bool engine_batch_outcome(const struct engine *engine, uint32_t lane, uint32_t index,
                          struct outbox *made_of)
{
    const struct engine *e = engine;
    uint32_t owner;
    struct unit unit;

    invariant(lane < e->limits.lanes && index < engine_lanes(e)[lane].count);
    owner = engine_batch(e, lane)[index];
    if (OWNER_KIND(owner) != OWNER_PAYMENT) {
        return false;
    }
    engine_batch_unit(e, lane, index, e->now_ms, &unit);
    if (unit.as.payment.outcome.type == OUTCOME_NONE) {
        return false;
    }
    publish_made_of(&engine_payments(e)[OWNER_SLOT(owner)], &e->config,
                    unit.as.payment.outcome.type, made_of);
    return true;
}
