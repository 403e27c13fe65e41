/* schedule.c - what happens next, and virtual time. */
#include "world_internal.h"

#include <string.h>

#define CANDIDATES_MAX 64
#define COARSE_MS      (6 * HOUR_MS)

struct pending *schedule_add(struct sim *sim, enum pending_kind kind, uint32_t instance,
                             int64_t delay_ms)
{
    struct world *w = sim->w;
    int64_t from_ms = w->now_ms;

    invariant(w->pending_used < w->pending_max);
    struct pending *p = &pendings(sim)[w->pending_used++];
    /* What a paused process was about to hand out leaves it when it wakes. */
    if ((kind == PENDING_COMMIT || kind == PENDING_PUBLISH) &&
        instance_at(sim, instance)->paused_until_ms > from_ms) {
        from_ms = instance_at(sim, instance)->paused_until_ms;
    }
    memset(p, 0, sizeof(*p));
    p->kind = (uint8_t)kind;
    p->instance = (uint8_t)instance;
    p->due_ms = from_ms + delay_ms;
    return p;
}

static struct pending take(struct sim *sim, uint32_t index)
{
    struct pending p = pendings(sim)[index];

    pendings(sim)[index] = pendings(sim)[--sim->w->pending_used];
    return p;
}

static bool is_of_process(const struct pending *p, uint32_t instance)
{
    return p->instance == instance && (p->kind >= PENDING_ON_INSTANCE ||
                                       p->kind == PENDING_COMMIT || p->kind == PENDING_PUBLISH);
}

void schedule_drop_instance(struct sim *sim, uint32_t instance)
{
    for (uint32_t i = 0; i < sim->w->pending_used;) {
        if (is_of_process(&pendings(sim)[i], instance)) {
            (void)take(sim, i);
        } else {
            i++;
        }
    }
}

int64_t schedule_latency_ms(struct sim *sim)
{
    return world_choose(sim, 8, "latency");
}

static int64_t due_ms(const struct sim *sim, const struct pending *p)
{
    if (p->kind < PENDING_ON_INSTANCE) {
        return p->due_ms;
    }
    int64_t paused_ms = instance_at(sim, p->instance)->paused_until_ms;
    return p->due_ms > paused_ms ? p->due_ms : paused_ms;
}

/* What could happen now. */
struct candidate {
    enum { DO_PENDING, DO_TIMER, DO_RECORD } what;
    uint32_t instance;
    uint32_t index; /* pending; or topic * partitions + partition */
};

struct candidates {
    struct candidate list[CANDIDATES_MAX];
    uint32_t count;
    int64_t next_ms; /* the earliest thing that is not due yet */
};

static void offer(struct candidates *c, int what, uint32_t instance, uint32_t index)
{
    if (c->count < CANDIDATES_MAX) {
        c->list[c->count++] = (struct candidate){what, instance, index};
    }
}

static void later(struct candidates *c, int64_t at_ms)
{
    c->next_ms = at_ms < c->next_ms ? at_ms : c->next_ms;
}

static int64_t row_due_ms(const struct sim *sim, const struct sim_trip *t)
{
    if (t->due_ms == NEVER || !sim->w->judged) {
        return t->due_ms;
    }
    /* Once judged, what waits for a person or for the PG is only asked about now and then. */
    bool slow =
        t->needs_operator || pg_ledger_totals(pg_fake_ledger(sim->pg), &t->payment_id).pending > 0;
    return slow ? t->due_ms - t->due_ms % COARSE_MS + COARSE_MS : t->due_ms;
}

static int64_t outbox_due_ms(const struct sim *sim)
{
    int64_t first_ms = NEVER;

    for (uint32_t i = 0; i < model_store_outbox_places(&sim->model); i++) {
        struct outbox_row row;
        if (!model_store_outbox_at(&sim->model, i, &row) || row.status == OUTBOX_DONE) {
            continue;
        }
        int64_t at_ms = sim->w->now_ms + row.due_in_ms;
        first_ms = at_ms < first_ms ? at_ms : first_ms;
    }
    return first_ms;
}

static int64_t look_for_next_row_ms(struct sim *sim)
{
    bool model = sim->options.store == WORLD_STORE_MODEL;
    int64_t first_ms = model ? outbox_due_ms(sim) : NEVER;

    for (uint32_t i = 0; i < sim->w->limits.trips; i++) {
        int64_t at_ms = row_due_ms(sim, trip_at(sim, i));
        first_ms = at_ms < first_ms ? at_ms : first_ms;
    }
    return first_ms;
}

/* When the store has the next row that somebody should take. Instants are the rows' own, so the
 * answer holds until a row is written. */
static int64_t next_row_ms(struct sim *sim)
{
    struct world *w = sim->w;

    if (w->rows_changed) {
        w->row_due_ms = look_for_next_row_ms(sim);
        w->rows_changed = 0;
    }
    /* SQLite has no way to ask for the next outbox row: while there may be one, it is polled. */
    bool poll = sim->options.store == WORLD_STORE_SQLITE && w->outbox_horizon_ms > w->now_ms;
    return poll && w->row_due_ms > w->now_ms ? w->now_ms : w->row_due_ms;
}

static bool has_lag(const struct sim *sim)
{
    for (uint32_t topic = 0; topic < TOPIC_COUNT; topic++) {
        for (uint32_t p = 0; p < sim->w->limits.partitions; p++) {
            if (!laws_is_drained(sim, topic, p)) {
                return true;
            }
        }
    }
    return false;
}

static void collect_pendings(struct sim *sim, struct candidates *c)
{
    for (uint32_t i = 0; i < sim->w->pending_used; i++) {
        int64_t at_ms = due_ms(sim, &pendings(sim)[i]);
        if (at_ms <= sim->w->now_ms) {
            offer(c, DO_PENDING, pendings(sim)[i].instance, i);
        } else {
            later(c, at_ms);
        }
    }
    int64_t held_ms = fault_store_next_due(sim->faults);
    if (held_ms <= sim->w->now_ms) {
        offer(c, DO_PENDING, 0, UINT32_MAX);
    } else {
        later(c, held_ms);
    }
}

static void collect_records(struct sim *sim, uint32_t i, struct candidates *c)
{
    const struct believed *b = believed_at(sim, i, 0, 0);
    uint32_t partitions = sim->w->limits.partitions;

    for (uint32_t at = 0; at < TOPIC_COUNT * partitions; at++) {
        bool fetches = b[at].assigned && !b[at].paused;
        if (fetches && records_can_deliver(sim, i, at / partitions, at % partitions)) {
            offer(c, DO_RECORD, i, at);
        }
    }
}

static void collect_instances(struct sim *sim, struct candidates *c)
{
    for (uint32_t i = 0; i < sim->w->limits.instances; i++) {
        struct instance *instance = instance_at(sim, i);
        if (instance->state == INSTANCE_DOWN) {
            continue;
        }
        if (instance->paused_until_ms > sim->w->now_ms) {
            later(c, instance->paused_until_ms);
            continue;
        }
        int64_t work_ms = engine_next_work_ms(engine_of(sim, i));
        work_ms = work_ms == INT64_MAX ? NEVER : work_ms + instance->boot_base_ms;
        if (work_ms <= sim->w->now_ms) {
            offer(c, DO_TIMER, i, 0);
        } else {
            later(c, work_ms);
        }
        collect_records(sim, i, c);
    }
}

/*
 * What recurs (rescue, relay, cleanup) matters only where a row is due or records wait: otherwise
 * it would find nothing, and time goes on without it. So 15 days pass in a few steps.
 */
static void collect_recurring(struct sim *sim, struct candidates *c)
{
    int64_t row_ms = next_row_ms(sim);

    if (row_ms > sim->w->now_ms && !has_lag(sim)) {
        later(c, row_ms);
        return;
    }
    for (uint32_t i = 0; i < sim->w->limits.instances; i++) {
        const struct instance *instance = instance_at(sim, i);
        if (!instance_runs(sim, i)) {
            continue;
        }
        int64_t at_ms = engine_next_ms(engine_of(sim, i)) + instance->boot_base_ms;
        if (at_ms <= sim->w->now_ms) {
            offer(c, DO_TIMER, i, 0);
        } else {
            later(c, at_ms);
        }
    }
}

static void do_global(struct sim *sim, const struct pending *p)
{
    switch (p->kind) {
    case PENDING_PRODUCE:
        producer_next(sim);
        return;
    case PENDING_OPERATOR:
        operator_act(sim);
        return;
    case PENDING_REBALANCE:
        instance_rebalance(sim);
        return;
    case PENDING_START:
        instance_start(sim, p->instance);
        return;
    case PENDING_STORE_DOWN:
        world_store_down(sim);
        return;
    case PENDING_FAULTS_OFF:
        world_faults_end(sim);
        return;
    case PENDING_JUDGE:
        laws_at_deadline(sim);
        return;
    case PENDING_END:
        laws_at_end(sim);
        sim->w->ended = 1;
        return;
    default:
        answers_deliver(sim, *p);
        return;
    }
}

static void do_held(struct sim *sim)
{
    sim->stores[0].now_ms = sim->w->now_ms;
    history_add(sim, "held", 0, 0, 0);
    if (fault_store_advance(&sim->stores[0])) {
        history_say(sim, WORLD_TRIP_NONE, "a held transaction lands");
        sim->w->rows_changed = 1;
        for (uint32_t i = 0; i < sim->w->limits.trips; i++) {
            world_touch(sim, i);
        }
    }
}

static void do_timer(struct sim *sim, uint32_t instance)
{
    struct engine_event event = {.type = EV_TIME};

    history_add(sim, "timer", instance, 0, 0);
    instance_feed(sim, instance, &event);
}

static void do_candidate(struct sim *sim, const struct candidate *chosen)
{
    switch (chosen->what) {
    case DO_TIMER:
        do_timer(sim, chosen->instance);
        return;
    case DO_RECORD:
        records_deliver(sim, chosen->instance, chosen->index / sim->w->limits.partitions,
                        chosen->index % sim->w->limits.partitions);
        return;
    case DO_PENDING:
        break;
    }
    if (chosen->index == UINT32_MAX) {
        do_held(sim);
        return;
    }
    struct pending p = take(sim, chosen->index);
    history_add(sim, "pending", p.kind, p.instance, ((uint64_t)p.slot << 16) | p.call_no);
    do_global(sim, &p);
}

/* All that could happen at this instant; nothing: the time at which something can. */
static void collect(struct sim *sim, struct candidates *c)
{
    c->count = 0;
    c->next_ms = NEVER;
    collect_pendings(sim, c);
    collect_instances(sim, c);
    if (c->count == 0) {
        collect_recurring(sim, c);
    }
}

bool world_step(struct sim *sim)
{
    struct candidates c;

    if (sim->w->ended || sim->violation.law != NULL) {
        return false;
    }
    collect(sim, &c);
    if (c.count == 0) {
        invariant(c.next_ms != NEVER && c.next_ms > sim->w->now_ms);
        sim->w->now_ms = c.next_ms;
        return true;
    }
    if (++sim->w->steps > WORLD_STEPS_MAX) {
        world_break(sim, "the world never comes to rest", WORLD_TRIP_NONE);
        return false;
    }
    sim->stats.steps++;
    do_candidate(sim, &c.list[world_choose(sim, c.count, "next")]);
    laws_after_step(sim);
    return sim->violation.law == NULL && !sim->w->ended;
}
