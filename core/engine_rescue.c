/*
 * engine_rescue.c - what one instance at a time does by lease: the rescue and the cleanup.
 *
 * A job: next_ms is due -> take the lease -> ask the store (scan, purge) for as long as there is
 * more -> release. The lease only saves work; a job that lost it stops asking.
 */
#include "engine_internal.h"

#include <string.h>

#define DAY_MS INT64_C(86400000)

static int64_t next_cleanup_ms(const struct engine *e)
{
    int64_t local_ms = e->wall_ms + e->config.zone_offset_ms;
    int64_t of_day_ms = ((local_ms % DAY_MS) + DAY_MS) % DAY_MS;
    int64_t wait_ms = e->config.cleanup_at_ms - of_day_ms;

    return e->now_ms + (wait_ms > 0 ? wait_ms : wait_ms + DAY_MS);
}

void jobs_init(struct engine *e)
{
    for (uint32_t i = 0; i < JOB_COUNT; i++) {
        lease_holder_init(&e->jobs[i].holder);
    }
    e->jobs[JOB_RESCUE].next_ms = e->now_ms + e->config.rescue_interval_ms;
    e->jobs[JOB_CLEANUP].next_ms = next_cleanup_ms(e);
}

int64_t jobs_next_ms(const struct engine *e)
{
    int64_t rescue_ms = e->jobs[JOB_RESCUE].next_ms;
    int64_t cleanup_ms = e->jobs[JOB_CLEANUP].next_ms;

    return rescue_ms < cleanup_ms ? rescue_ms : cleanup_ms;
}

static void job_lease(struct run *r, uint32_t job, enum lease_holder_event event)
{
    struct engine *e = r->e;
    struct leased_job *j = &e->jobs[job];
    int op = lease_holder_step(&j->holder, event, e->now_ms, e->config.lease_most_ms);
    uint32_t timer = engine_system_timer(e, TIMER_JOB_0 + job);
    int64_t tick_ms = lease_holder_next_ms(&j->holder, e->config.lease_most_ms);

    if (op != 0) {
        j->op = (uint8_t)op;
        j->token_sequence = engine_take_token(r);
        lanes_enqueue(r, OWNER(OWNER_LEASE, job), job);
    }
    if (tick_ms == INT64_MAX) {
        timers_cancel(engine_timers(e), timer);
    } else {
        timers_set(engine_timers(e), timer, tick_ms);
    }
}

static bool job_is_held(const struct engine *e, uint32_t job)
{
    return lease_holder_is_held(&e->jobs[job].holder, e->now_ms);
}

void jobs_timer(struct run *r, uint32_t job)
{
    job_lease(r, job, LEASE_EVENT_TICK);
}

/* Starts what is due. A job that still works, or whose last lease unit is out, waits a round. */
void jobs_tick(struct run *r)
{
    struct engine *e = r->e;

    for (uint32_t job = 0; job < JOB_COUNT; job++) {
        struct leased_job *j = &e->jobs[job];

        if (e->now_ms < j->next_ms) {
            continue;
        }
        j->next_ms =
            job == JOB_RESCUE ? e->now_ms + e->config.rescue_interval_ms : next_cleanup_ms(e);
        if (!j->working && j->holder.state == LEASE_HOLDER_FREE && !e->stopping) {
            job_lease(r, job, LEASE_EVENT_TAKE);
        }
    }
}

static void job_ask(struct run *r, uint32_t job)
{
    struct engine *e = r->e;
    uint32_t rows = e->limits.rescues;
    struct effect *fx;

    e->jobs[job].asking = 1;
    e->jobs[job].asked_ms = e->now_ms;
    e->jobs[job].more = 0;
    if (job == JOB_CLEANUP) {
        fx = engine_emit(r, FX_PURGE);
        fx->value = e->config.outbox_keep_ms;
        fx->slot = e->config.purge_limit;
        return;
    }
    fx = engine_emit(r, FX_SCAN);
    fx->call_no = SCAN_PAYMENTS_DUE;
    /* More than there is room for: those in work here may be due too, and come first. */
    fx->slot = rows < e->limits.page_max ? rows : e->limits.page_max;
}

void jobs_lease_result(struct run *r, uint32_t job, const struct unit_result *result)
{
    struct leased_job *j = &r->e->jobs[job];
    bool applied = result->verdict == UNIT_APPLIED;
    uint8_t op = j->op;

    j->op = 0;
    job_lease(r, job, applied ? LEASE_EVENT_APPLIED : LEASE_EVENT_REFUSED);
    if (op == LEASE_TAKE && job_is_held(r->e, job)) {
        j->working = 1;
        j->more = 1;
    }
}

void jobs_lease_unit(const struct engine *e, uint32_t job, struct unit *unit)
{
    const struct leased_job *j = &e->jobs[job];

    memset(unit, 0, sizeof(*unit));
    unit->kind = UNIT_LEASE;
    unit->token.process = e->identity.token_process;
    unit->token.sequence = j->token_sequence;
    unit->as.lease.name = (uint8_t)job;
    unit->as.lease.op = j->op;
    unit->as.lease.lock_ms = e->config.lease_most_ms;
    unit->as.lease.at_least_ms = e->config.lease_least_ms;
    unit->as.lease.holder = e->identity.holder;
}

/* Each due row found is taken by a guarded unit; one in flight here is left to its payment. */
void jobs_page(struct run *r)
{
    struct engine *e = r->e;
    struct leased_job *j = &e->jobs[JOB_RESCUE];
    uint32_t taken = 0;

    invariant(j->asking);
    j->asking = 0;
    for (uint32_t i = 0; i < r->ev->as.page.count && !e->stopping; i++) {
        const struct payment_row *row = &r->ev->as.page.rows[i].payment;

        if (payments_open_row(r, PAYMENT_EV_DUE, row, 0, 0)) {
            engine_note(r, NOTE_RESCUED, row->trip_id, row->status);
            taken++;
        }
    }
    /* Without one row taken the next page would be this one again. */
    j->more = r->ev->as.page.ok && taken > 0;
}

void jobs_purged(struct run *r)
{
    struct leased_job *j = &r->e->jobs[JOB_CLEANUP];

    invariant(j->asking);
    j->asking = 0;
    j->more = r->ev->as.purged.ok && r->ev->as.purged.deleted >= r->e->config.purge_limit;
}

/* A taken row is no longer due only after its commit, so the next page waits for this one's. */
static bool job_is_busy(const struct engine *e, uint32_t job)
{
    return e->jobs[job].asking || (job == JOB_RESCUE && e->taking > 0);
}

/* Every slot is in use: worth waiting for, but not for ever, because one may be held up. */
static bool job_waits_for_room(const struct engine *e, uint32_t job)
{
    return job == JOB_RESCUE && e->rescues_used >= e->limits.rescues &&
           e->now_ms - e->jobs[job].asked_ms < e->config.rescue_interval_ms;
}

static bool job_has_room(const struct engine *e, uint32_t job)
{
    return job != JOB_RESCUE || e->rescues_used < e->limits.rescues;
}

void jobs_settle(struct run *r)
{
    struct engine *e = r->e;

    for (uint32_t job = 0; job < JOB_COUNT; job++) {
        struct leased_job *j = &e->jobs[job];

        if (!j->working || job_is_busy(e, job)) {
            continue;
        }
        if (j->more && job_is_held(e, job) && !e->stopping) {
            if (job_has_room(e, job)) {
                job_ask(r, job);
                continue;
            }
            if (job_waits_for_room(e, job)) {
                continue;
            }
        }
        if (j->op != 0) {
            continue; /* an extension is out: released after its result */
        }
        j->working = 0;
        j->more = 0;
        if (j->holder.state == LEASE_HOLDER_HELD) {
            job_lease(r, job, LEASE_EVENT_RELEASE);
        }
    }
}

bool jobs_idle(const struct engine *e)
{
    for (uint32_t job = 0; job < JOB_COUNT; job++) {
        if (e->jobs[job].asking || e->jobs[job].working || e->jobs[job].op != 0) {
            return false;
        }
    }
    return !e->relay_asking && !e->retry.active;
}
