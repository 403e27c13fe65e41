/* operator.c - what people do: refund, adopt, retry-all, ignore, stop, deploy, and the calendar of
 * faults that strike at an hour of their own. */
#include "world_internal.h"

#include <string.h>

#define RETRY_ALLS_MAX 2

static uint32_t any_running(struct sim *sim)
{
    uint32_t first = world_choose(sim, sim->w->limits.instances, "instance");

    for (uint32_t at = 0; at < sim->w->limits.instances; at++) {
        uint32_t i = (first + at) % sim->w->limits.instances;
        if (instance_runs(sim, i) && instance_at(sim, i)->state == INSTANCE_UP) {
            return i;
        }
    }
    return UINT32_MAX;
}

/* UNKNOWN rows first: on others the answer is a conflict, which is worth a try now and then. */
static uint32_t pick_trip(struct sim *sim, struct payment_row *row)
{
    uint32_t first = world_choose(sim, sim->w->limits.trips, "operator's trip");

    for (uint32_t at = 0; at < sim->w->limits.trips; at++) {
        uint32_t trip = (first + at) % sim->w->limits.trips;
        if (laws_row(sim, trip, row) && row->status == PAYMENT_UNKNOWN) {
            return trip;
        }
    }
    return laws_row(sim, first, row) ? first : WORLD_TRIP_NONE;
}

static void settle_payment(struct sim *sim, uint32_t i, enum admin_op op)
{
    struct engine_event event = {.type = EV_ADMIN};
    uint32_t trip = pick_trip(sim, &event.as.admin.payment);

    if (trip == WORLD_TRIP_NONE) {
        return;
    }
    event.as.admin.op = (uint8_t)op;
    event.as.admin.request = ++sim->w->operator_requests;
    history_say(sim, trip, "an operator asks farebox-%u to %s", i,
                op == ADMIN_REFUND ? "refund" : "adopt");
    instance_feed(sim, i, &event);
}

static void retry_all(struct sim *sim, uint32_t i)
{
    struct engine_event event = {.type = EV_ADMIN};

    if (sim->w->retry_alls++ >= RETRY_ALLS_MAX) {
        return;
    }
    event.as.admin.op = ADMIN_RETRY_ALL;
    event.as.admin.request = ++sim->w->operator_requests;
    history_say(sim, WORLD_TRIP_NONE, "an operator retries all dead letters");
    instance_feed(sim, i, &event);
}

static void ignore(struct sim *sim, uint32_t i)
{
    struct engine_event event = {.type = EV_ADMIN};
    int64_t row_id = 1 + (int64_t)world_choose(sim, sim->w->limits.trips, "dead letter");
    struct store *store = sim->inner[WORLD_INSTANCES_MAX];

    if (store->ops->read_failed_event(store, row_id, sim->texts, &event.as.admin.failed) !=
        STORE_OK) {
        return;
    }
    event.as.admin.op = ADMIN_IGNORE;
    event.as.admin.request = ++sim->w->operator_requests;
    instance_feed(sim, i, &event);
}

void operator_act(struct sim *sim)
{
    uint32_t i = any_running(sim);

    if (!sim->w->faults_on) {
        return;
    }
    (void)schedule_add(sim, PENDING_OPERATOR, 0,
                       (int64_t)(30 + world_choose(sim, 600, "operator")) * SECOND_MS);
    if (world_fault(sim, WF_REBALANCE)) {
        (void)schedule_add(sim, PENDING_REBALANCE, 0, 1);
    }
    if (world_fault(sim, WF_STORE_DOWN)) {
        (void)schedule_add(sim, PENDING_STORE_DOWN, 0, SECOND_MS);
    }
    if (i == UINT32_MAX) {
        return;
    }
    if (world_fault(sim, WF_STOP)) {
        (void)schedule_add(sim, PENDING_STOP, i, 1);
    } else if (world_fault(sim, WF_OPERATOR_REFUND)) {
        settle_payment(sim, i, ADMIN_REFUND);
    } else if (world_fault(sim, WF_OPERATOR_ADOPT)) {
        settle_payment(sim, i, ADMIN_ADOPT);
    } else if (world_fault(sim, WF_RETRY_ALL)) {
        retry_all(sim, i);
    } else if (world_fault(sim, WF_IGNORE)) {
        ignore(sim, i);
    }
}

void world_store_down(struct sim *sim)
{
    int64_t for_ms = (int64_t)(1 + world_choose(sim, 300, "store down")) * SECOND_MS;
    int64_t until_ms = sim->w->now_ms + for_ms;

    if (!sim->w->faults_on) {
        return;
    }
    until_ms = until_ms < sim->w->faults_off_ms ? until_ms : sim->w->faults_off_ms;
    fault_store_down(sim->faults, until_ms);
    history_say(sim, WORLD_TRIP_NONE, "the store is down");
}

/* A trip that pricing could not answer for alone can be answered for now. */
static void heal_pricing(struct sim *sim)
{
    for (uint32_t i = 0; i < sim->w->limits.trips; i++) {
        const struct sim_trip *t = trip_at(sim, i);
        size_t len;
        const char *id = texts_get(sim->texts, t->trip_id, &len);
        if (t->troubled) {
            invariant(upstream_fake_override(sim->upstream, UPSTREAM_PRICING, id, len,
                                             UPSTREAM_OVERRIDE_FARE, t->fare_krw));
        }
    }
}

/* A charge or cancel that the PG does later is a fault that has not ended: it gets more time. */
static void note_late(struct sim *sim)
{
    pg_fake_advance(sim->pg, sim->w->now_ms);
    for (uint32_t i = 0; i < sim->w->limits.trips; i++) {
        struct sim_trip *t = trip_at(sim, i);
        t->late = pg_ledger_totals(pg_fake_ledger(sim->pg), &t->payment_id).pending > 0;
    }
}

void world_faults_end(struct sim *sim)
{
    history_say(sim, WORLD_TRIP_NONE, "no more faults from here on");
    sim->w->faults_on = 0;
    pg_fake_faults_off(sim->pg);
    upstream_fake_faults_off(sim->upstream);
    fault_store_faults_off(sim->faults);
    heal_pricing(sim);
    note_late(sim);
    for (uint32_t i = 0; i < sim->w->limits.instances; i++) {
        struct instance *instance = instance_at(sim, i);
        if (instance->paused_until_ms > sim->w->now_ms) {
            instance->paused_until_ms = sim->w->now_ms;
        }
    }
    for (uint32_t at = 0; at < sim->w->pending_used; at++) {
        struct pending *p = &pendings(sim)[at];
        bool away = p->kind == PENDING_START || p->kind == PENDING_JOIN ||
                    p->kind == PENDING_BATCH || p->kind == PENDING_COMMIT ||
                    p->kind == PENDING_PUBLISH;
        if (away && p->due_ms > sim->w->now_ms) {
            p->due_ms = sim->w->now_ms + 1;
        }
    }
    (void)schedule_add(sim, PENDING_JUDGE, 0, sim->w->judge_ms - sim->w->now_ms);
}
