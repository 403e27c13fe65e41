/* engine.c - the engine's sizes, start, dispatch of events, and views of its slots. */
#include "engine_internal.h"

#include <string.h>

#define LIMIT_MAX (1U << 20)

struct payment *engine_payments(const struct engine *e)
{
    return engine_at(e, e->payments_at);
}

struct payment_link *engine_links(const struct engine *e)
{
    return engine_at(e, e->links_at);
}

uint32_t *engine_buckets(const struct engine *e)
{
    return engine_at(e, e->buckets_at);
}

struct waiter *engine_waiters(const struct engine *e)
{
    return engine_at(e, e->waiters_at);
}

struct outbox *engine_outboxes(const struct engine *e)
{
    return engine_at(e, e->outbox_at);
}

struct dead_letter *engine_letters(const struct engine *e)
{
    return engine_at(e, e->letters_at);
}

struct letter_link *engine_letter_links(const struct engine *e)
{
    return engine_at(e, e->letter_links_at);
}

struct partition *engine_partitions(const struct engine *e)
{
    return engine_at(e, e->partitions_at);
}

struct tracker *engine_tracker(const struct engine *e, uint32_t index)
{
    return engine_at(e, e->trackers_at + index * e->tracker_bytes);
}

struct lane *engine_lanes(const struct engine *e)
{
    return engine_at(e, e->lanes_at);
}

uint32_t *engine_queue(const struct engine *e, uint32_t lane)
{
    return (uint32_t *)engine_at(e, e->queues_at) + (size_t)lane * e->queue_max;
}

uint32_t *engine_batch(const struct engine *e, uint32_t lane)
{
    return (uint32_t *)engine_at(e, e->batches_at) + (size_t)lane * e->limits.batch_max;
}

struct timers *engine_timers(const struct engine *e)
{
    return engine_at(e, e->timers_at);
}

uint32_t engine_system_timer(const struct engine *e, uint32_t timer)
{
    return e->limits.payments + e->limits.dead_letters + timer;
}

static uint32_t buckets_for(uint32_t payments)
{
    uint32_t buckets = 4;

    while (buckets < payments) {
        buckets *= 2;
    }
    return buckets;
}

static bool limits_ok(const struct engine_limits *l)
{
    const uint32_t all[] = {l->payments, l->rescues, l->waiters, l->outbox,    l->dead_letters,
                            l->trackers, l->window,  l->lanes,   l->batch_max, l->page_max};

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (all[i] == 0 || all[i] > LIMIT_MAX) {
            return false;
        }
    }
    return l->rescues < l->payments && l->batch_max <= STORE_BATCH_MAX &&
           l->page_max <= STORE_PAGE_MAX && l->trackers < UINT16_MAX;
}

/* Places `bytes` at the end of the block, 8-byte aligned, and says where. */
static uint32_t place(size_t *size, size_t bytes)
{
    uint32_t at = (uint32_t)*size;

    *size += (bytes + 7U) & ~(size_t)7U;
    return at;
}

/* Lays out the tables; the whole size is the result. */
static size_t layout(struct engine *e, const struct engine_limits *l)
{
    size_t size = 0;
    uint32_t buckets = buckets_for(l->payments);

    e->limits = *l;
    e->queue_max = l->payments + l->outbox + l->dead_letters + JOB_COUNT;
    e->bucket_mask = buckets - 1;
    e->tracker_bytes = (uint32_t)((tracker_size(l->window) + 7U) & ~(size_t)7U);
    (void)place(&size, sizeof(struct engine));
    e->payments_at = place(&size, l->payments * sizeof(struct payment));
    e->links_at = place(&size, l->payments * sizeof(struct payment_link));
    e->buckets_at = place(&size, buckets * sizeof(uint32_t));
    e->waiters_at = place(&size, l->waiters * sizeof(struct waiter));
    e->outbox_at = place(&size, l->outbox * sizeof(struct outbox));
    e->letters_at = place(&size, l->dead_letters * sizeof(struct dead_letter));
    e->letter_links_at = place(&size, l->dead_letters * sizeof(struct letter_link));
    e->partitions_at = place(&size, l->trackers * sizeof(struct partition));
    e->trackers_at = place(&size, (size_t)l->trackers * e->tracker_bytes);
    e->lanes_at = place(&size, l->lanes * sizeof(struct lane));
    e->queues_at = place(&size, (size_t)l->lanes * e->queue_max * sizeof(uint32_t));
    e->batches_at = place(&size, (size_t)l->lanes * l->batch_max * sizeof(uint32_t));
    e->timers_at =
        place(&size, timers_size(l->payments + l->dead_letters + TIMER_LANE_0 + l->lanes));
    return size;
}

size_t engine_size(const struct engine_limits *limits)
{
    struct engine scratch;
    size_t size;

    if (!limits_ok(limits)) {
        return 0;
    }
    size = layout(&scratch, limits);
    return size <= UINT32_MAX ? size : 0;
}

uint32_t engine_effects_max(const struct engine_limits *limits)
{
    uint32_t owners = limits->batch_max > limits->page_max ? limits->batch_max : limits->page_max;

    return 10 * owners + 6 * limits->waiters + 4 * limits->trackers + limits->lanes +
           2 * limits->payments + 48;
}

struct engine *engine_init(void *block, const struct engine_limits *limits,
                           const struct engine_config *config,
                           const struct engine_identity *identity, int64_t now_ms, int64_t wall_ms)
{
    struct engine *e = block;
    size_t size = engine_size(limits);

    invariant(size > 0 && identity->pg_account != 0 && identity->holder != TEXT_NONE);
    memset(block, 0, size);
    (void)layout(e, limits);
    e->config = *config;
    e->identity = *identity;
    e->now_ms = now_ms;
    e->wall_ms = wall_ms;
    e->next_token = 1;
    (void)timers_init(engine_timers(e),
                      limits->payments + limits->dead_letters + TIMER_LANE_0 + limits->lanes);
    payments_init(e);
    records_init(e);
    letters_init(e);
    lanes_init(e);
    gates_init(e);
    jobs_init(e);
    e->relay_next_ms = now_ms + config->outbox_poll_ms;
    return e;
}

struct effect *engine_emit(struct run *r, enum effect_kind kind)
{
    struct effect *fx;

    invariant(r->count < r->max);
    fx = &r->effects[r->count++];
    memset(fx, 0, sizeof(*fx));
    fx->kind = (uint8_t)kind;
    return fx;
}

void engine_note(struct run *r, enum engine_note note, text_id text, int64_t value)
{
    struct effect *fx = engine_emit(r, FX_NOTE);

    fx->call_no = (uint16_t)note;
    fx->text = text;
    fx->value = value;
}

/* splitmix64: the event brings 64 random bits, a step may need several numbers. */
uint64_t engine_random(struct run *r)
{
    uint64_t z = r->random += 0x9E3779B97F4A7C15U;

    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
    return z ^ (z >> 31);
}

uint64_t engine_take_token(struct run *r)
{
    return r->e->next_token++;
}

static void run_timer(struct run *r, uint32_t id)
{
    struct engine *e = r->e;
    uint32_t system = e->limits.payments + e->limits.dead_letters;

    if (id < e->limits.payments) {
        payments_timer(r, id);
    } else if (id < system) {
        letters_timer(r, id - e->limits.payments);
    } else if (id == system + TIMER_OFFSETS) {
        records_commit_offsets(r);
    } else if (id == system + TIMER_PROBE) {
        gates_probe(r);
    } else if (id < system + TIMER_LANE_0) {
        jobs_timer(r, id - system - TIMER_JOB_0);
    } else {
        lanes_timer(r, id - system - TIMER_LANE_0);
    }
}

/* At most as many as a batch has units, so that a step stays bounded; the rest is due next. */
static void run_timers(struct run *r)
{
    struct timers *timers = engine_timers(r->e);
    uint32_t id;
    int64_t deadline_ms;

    for (uint32_t n = 0; n < r->e->limits.batch_max; n++) {
        if (!timers_next(timers, &id, &deadline_ms) || deadline_ms > r->e->now_ms) {
            return;
        }
        timers_cancel(timers, id);
        run_timer(r, id);
    }
}

static void run_page(struct run *r)
{
    switch ((enum scan_kind)r->ev->as.page.kind) {
    case SCAN_PAYMENTS_DUE:
        jobs_page(r);
        return;
    case SCAN_OUTBOX_DUE:
        publish_page(r);
        return;
    case SCAN_FAILED_EVENTS:
        admin_page(r);
        return;
    }
    invariant_broken("a page of a kind that nobody asked for");
}

static void run_stop(struct run *r)
{
    r->e->stopping = 1;
    waiters_drop_all(r);
    payments_drop_all(r);
    records_commit_offsets(r);
}

static void run_event(struct run *r)
{
    switch ((enum engine_event_type)r->ev->type) {
    case EV_TIME:
        return;
    case EV_ASSIGNED:
        records_assigned(r);
        return;
    case EV_REVOKED:
        records_revoked(r);
        return;
    case EV_RECORD:
        records_record(r);
        return;
    case EV_UPSTREAM:
        payments_upstream(r);
        return;
    case EV_PG:
        payments_pg(r);
        return;
    case EV_PROBE:
        gates_probed(r);
        return;
    case EV_BATCH:
        lanes_batch(r);
        return;
    case EV_PAGE:
        run_page(r);
        return;
    case EV_PURGED:
        jobs_purged(r);
        return;
    case EV_PUBLISHED:
        if (r->ev->as.published.kind == PUBLISH_OUTBOX) {
            publish_report(r);
        } else {
            letters_published(r);
        }
        return;
    case EV_OFFSET:
        records_offset(r);
        return;
    case EV_ADMIN:
        admin_event(r);
        return;
    case EV_STOP:
        run_stop(r);
        return;
    }
    invariant_broken("an event of no known type");
}

/* After EV_STOP: when nothing is in flight, the offsets go out and the driver may close. */
static void settle_stop(struct run *r)
{
    struct engine *e = r->e;

    if (!e->stopping || e->stopped || e->payments_used + e->outbox_used > 0) {
        return;
    }
    letters_drop_waiting(r);
    if (e->letters_used > 0 || !lanes_idle(e) || !jobs_idle(e)) {
        return;
    }
    records_commit_offsets(r);
    (void)engine_emit(r, FX_STOPPED);
    e->stopped = 1;
}

uint32_t engine_step(struct engine *engine, const struct engine_event *event,
                     struct effect *effects)
{
    struct run r = {engine, event, effects, 0, engine_effects_max(&engine->limits), event->random};

    invariant(event->now_ms >= engine->now_ms);
    engine->now_ms = event->now_ms;
    engine->wall_ms = event->wall_ms;
    run_event(&r);
    run_timers(&r);
    jobs_tick(&r);
    publish_poll(&r);
    jobs_settle(&r);
    admin_settle(&r);
    gates_settle(&r);
    lanes_form(&r);
    settle_stop(&r);
    records_pause(&r);
    return r.count;
}

int64_t engine_next_work_ms(const struct engine *engine)
{
    uint32_t slot;
    int64_t deadline_ms;

    return timers_next(engine_timers(engine), &slot, &deadline_ms) ? deadline_ms : INT64_MAX;
}

int64_t engine_next_ms(const struct engine *engine)
{
    int64_t next_ms = engine_next_work_ms(engine);
    int64_t jobs_ms = jobs_next_ms(engine);

    next_ms = jobs_ms < next_ms ? jobs_ms : next_ms;
    return engine->relay_next_ms < next_ms ? engine->relay_next_ms : next_ms;
}

const struct payment *engine_payment(const struct engine *engine, uint32_t slot)
{
    invariant(slot < engine->limits.payments);
    return &engine_payments(engine)[slot];
}

const struct outbox *engine_outbox(const struct engine *engine, uint32_t slot)
{
    invariant(slot < engine->limits.outbox);
    return &engine_outboxes(engine)[slot];
}

const struct dead_letter *engine_dead_letter(const struct engine *engine, uint32_t slot)
{
    invariant(slot < engine->limits.dead_letters);
    return &engine_letters(engine)[slot];
}

const struct breaker *engine_breaker(const struct engine *engine, enum payment_gate gate)
{
    return &engine->breakers[gate];
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
