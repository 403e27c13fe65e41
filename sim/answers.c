/* answers.c - what reaches the store and the broker, and what comes back to an engine. */
#include "world_internal.h"

#include "outcome_render.h"

#include <string.h>

#define HORIZON_MS (2 * SECOND_MS)

static bool is_payment(const struct unit *unit)
{
    return unit->kind == UNIT_PAYMENT_OPEN || unit->kind == UNIT_PAYMENT_MOVE;
}

/* The store may have another row that becomes due. */
static void note_outbox(struct sim *sim, int64_t due_in_ms)
{
    int64_t until_ms = sim->w->now_ms + due_in_ms + HORIZON_MS;

    if (due_in_ms != DUE_NEVER && until_ms > sim->w->outbox_horizon_ms) {
        sim->w->outbox_horizon_ms = until_ms;
    }
}

static void touch_unit(struct sim *sim, const struct unit *unit)
{
    if (is_payment(unit)) {
        world_touch(sim, world_trip_of(sim, unit->as.payment.row.trip_id));
        if (unit->as.payment.outcome.type != OUTCOME_NONE) {
            note_outbox(sim, unit->as.payment.outcome.lease_ms);
        }
    } else if (unit->kind == UNIT_OUTBOX_MOVE) {
        note_outbox(sim, unit->as.outbox.due_in_ms);
    } else if (unit->kind == UNIT_FAILED_EVENT_MOVE) {
        note_outbox(sim, 0);
    }
}

static void say_unit(struct sim *sim, uint32_t i, const struct unit *unit, uint8_t verdict)
{
    static const char *const verdicts[] = {"",          "applied",   "refused",
                                           "duplicate", "collision", "a lasting error"};
    if (sim->trace == NULL || !is_payment(unit)) {
        return;
    }
    const struct payment_row *row = &unit->as.payment.row;
    uint32_t trip = world_trip_of(sim, row->trip_id);
    history_say(sim, trip, "farebox-%u writes %s (epoch %u, refund %u, cancel %u, %s): %s", i,
                payment_status_name((enum payment_status)row->status), row->epoch,
                row->refund_state, row->cancel_no,
                payment_reason_name((enum payment_reason)row->reason), verdicts[verdict]);
}

static enum batch_outcome submit(struct sim *sim, uint32_t i, uint32_t lane, uint32_t count)
{
    struct fault_store *store = &sim->stores[i];
    const struct store_batch batch = {sim->units, sim->results, count, sim->texts};
    enum batch_outcome outcome;

    store->resent = (instance_at(sim, i)->resent >> lane & 1) != 0;
    outcome = store->base.ops->submit(&store->base, &batch);
    sim->w->rows_changed = 1;
    for (uint32_t at = 0; at < count; at++) {
        touch_unit(sim, &sim->units[at]);
        history_add(sim, "unit", outcome, sim->units[at].kind,
                    outcome == BATCH_COMMITTED ? sim->results[at].verdict : 0);
        if (outcome == BATCH_COMMITTED) {
            say_unit(sim, i, &sim->units[at], sim->results[at].verdict);
        }
    }
    if (outcome == BATCH_COMMITTED) {
        instance_at(sim, i)->resent &= (uint8_t) ~(1U << lane);
    } else {
        instance_at(sim, i)->resent |= (uint8_t)(1U << lane);
        history_say(sim, WORLD_TRIP_NONE, "farebox-%u's batch of %u: %s", i, count,
                    outcome == BATCH_ABORTED ? "aborted" : "COMMIT's answer is lost");
    }
    return outcome;
}

static int64_t answer_delay_ms(struct sim *sim)
{
    if (world_fault(sim, WF_SLOW_COMMIT)) {
        return (int64_t)(1 + world_choose(sim, 15, "slow commit")) * MINUTE_MS;
    }
    return 0;
}

static void commit(struct sim *sim, const struct pending *p)
{
    struct fault_store *store = &sim->stores[p->instance];
    struct store_batch batch = {sim->units, sim->results, 0, sim->texts};

    if (world_fault(sim, WF_CRASH_BEFORE_COMMIT)) {
        instance_crash(sim, p->instance, "before a commit");
        return;
    }
    batch.count = carry_out_units(sim, p->instance, p->slot);
    store->now_ms = sim->w->now_ms;
    if (fault_store_waits(store, &batch)) {
        struct pending *again = schedule_add(sim, PENDING_COMMIT, p->instance, 0);
        again->slot = p->slot;
        again->due_ms = fault_store_next_due(sim->faults) + 1;
        return;
    }
    enum batch_outcome outcome = submit(sim, p->instance, p->slot, batch.count);
    if (world_fault(sim, WF_CRASH_AFTER_COMMIT)) {
        instance_crash(sim, p->instance, "after a commit");
        return;
    }
    struct pending *answer = schedule_add(sim, PENDING_BATCH, p->instance, 0);
    answer->slot = p->slot;
    answer->as.io.outcome = (uint8_t)outcome;
    answer->due_ms += answer_delay_ms(sim);
    for (uint32_t at = 0; at < batch.count; at++) {
        lane_verdicts(sim, p->instance, p->slot)[at] = sim->results[at].verdict;
    }
}

/* A batch of a process that is gone: lost, or it lands all the same, now or later. */
static void crash_commit(struct sim *sim, uint32_t i, uint32_t lane)
{
    struct fault_store *store = &sim->stores[i];
    struct store_batch batch = {sim->units, sim->results, 0, sim->texts};

    batch.count = carry_out_units(sim, i, lane);
    store->now_ms = sim->w->now_ms;
    if (fault_store_waits(store, &batch)) {
        return;
    }
    if (world_fault(sim, WF_CRASH_COMMIT_LATER) && fault_store_hold(store, &batch, true)) {
        return;
    }
    if (world_choose(sim, 2, "commit of the dead") == 1) {
        (void)submit(sim, i, lane, batch.count);
    }
}

void answers_crash_commits(struct sim *sim, uint32_t i)
{
    for (uint32_t at = 0; at < sim->w->pending_used; at++) {
        const struct pending p = pendings(sim)[at];
        /* What was asked for while it was paused has not left it. */
        bool left = instance_at(sim, i)->paused_until_ms <= sim->w->now_ms;
        if (p.instance == i && p.kind == PENDING_COMMIT && left) {
            crash_commit(sim, i, p.slot);
        }
    }
}

/* A refused unit changed nothing, so the row may as well be read when the answer arrives. */
static void read_row(struct sim *sim, struct unit_result *result, const struct unit *unit)
{
    bool wanted = result->verdict == UNIT_REFUSED || result->verdict == UNIT_DUPLICATE;

    result->has_row = 0;
    if (wanted && is_payment(unit)) {
        uint32_t trip = world_trip_of(sim, unit->as.payment.row.trip_id);
        result->has_row = laws_row(sim, trip, &result->row);
    }
}

static void batch_answered(struct sim *sim, const struct pending *p)
{
    struct engine_event event = {.type = EV_BATCH};
    uint32_t count = instance_at(sim, p->instance)->lane_units[p->slot];

    event.as.batch.lane = p->slot;
    event.as.batch.outcome = p->as.io.outcome;
    event.as.batch.results = sim->results;
    for (uint32_t at = 0; p->as.io.outcome == BATCH_COMMITTED && at < count; at++) {
        struct unit unit;
        engine_batch_unit(engine_of(sim, p->instance), p->slot, at, world_boot_ms(sim, p->instance),
                          &unit);
        memset(&sim->results[at], 0, sizeof(sim->results[at]));
        sim->results[at].verdict = lane_verdicts(sim, p->instance, p->slot)[at];
        read_row(sim, &sim->results[at], &unit);
    }
    instance_feed(sim, p->instance, &event);
}

static void scanned(struct sim *sim, const struct pending *p)
{
    struct fault_store *store = &sim->stores[p->instance];
    struct engine_event event = {.type = EV_PAGE};
    const struct store_scan scan = {.kind = (uint8_t)p->call_no,
                                    .limit = p->slot,
                                    .after_id = p->as.io.value,
                                    .topic = p->as.io.text};
    struct store_page page = {.rows = sim->rows, .count = 0, .texts = sim->texts};

    store->now_ms = sim->w->now_ms;
    event.as.page.ok = store->base.ops->scan(&store->base, &scan, &page) == STORE_OK;
    event.as.page.kind = scan.kind;
    event.as.page.count = event.as.page.ok ? page.count : 0;
    event.as.page.rows = sim->rows;
    history_add(sim, "page", scan.kind, event.as.page.count, event.as.page.ok);
    instance_feed(sim, p->instance, &event);
}

static void purged(struct sim *sim, const struct pending *p)
{
    struct fault_store *store = &sim->stores[p->instance];
    struct engine_event event = {.type = EV_PURGED};

    store->now_ms = sim->w->now_ms;
    event.as.purged.ok = store->base.ops->purge(&store->base, PURGE_OUTBOX_DONE, p->as.io.value,
                                                p->slot, &event.as.purged.deleted) == STORE_OK;
    instance_feed(sim, p->instance, &event);
}

/* The record of an outbox slot, as it goes to the broker. */
static bool outbox_record(struct sim *sim, uint32_t i, const struct outbox *o,
                          struct outbox_row *row)
{
    const struct outcome_render_settings settings = {
        .codec = {.type_prefix = sim->w->limits.tight ? "f." : NULL}, .topic = TOPIC_OUTCOMES};
    int64_t at_ms = world_wall_ms(sim, i) - (world_boot_ms(sim, i) - o->at_ms);

    memset(row, 0, sizeof(*row));
    if (o->type != 0) {
        return outcome_render(o, &settings, at_ms, sim->texts, row);
    }
    row->topic = o->topic;
    row->key = o->has_key ? o->key : TEXT_NONE;
    row->body = o->has_body ? o->body : TEXT_NONE;
    row->headers = o->headers;
    row->record_at_ms = o->at_ms;
    return true;
}

static void append_outbox(struct sim *sim, uint32_t i, uint32_t slot)
{
    const struct outbox *o = engine_outbox(engine_of(sim, i), slot);
    struct outbox_row row;

    invariant(outbox_record(sim, i, o, &row));
    if (strcmp(texts_string(sim->texts, row.topic), TOPIC_OUTCOMES) == 0) {
        laws_event(sim, row.key, row.body, row.headers);
    } else {
        records_append_retry(sim, &row);
    }
}

static void append(struct sim *sim, const struct pending *p)
{
    const struct engine *engine = engine_of(sim, p->instance);

    history_add(sim, "append", p->as.io.kind, p->slot, 0);
    if (p->as.io.kind == PUBLISH_OUTBOX) {
        append_outbox(sim, p->instance, p->slot);
    } else {
        const struct dead_letter *letter = engine_dead_letter(engine, p->slot);
        records_dead_letter(sim, letter);
    }
}

static bool is_still_wanted(const struct sim *sim, const struct pending *p)
{
    const struct engine *engine = engine_of(sim, p->instance);

    if (p->as.io.kind == PUBLISH_OUTBOX) {
        const struct outbox *o = engine_outbox(engine, p->slot);
        return o->phase == OUTBOX_PHASE_PUBLISHING && o->call_no == p->call_no;
    }
    const struct dead_letter *letter = engine_dead_letter(engine, p->slot);
    return letter->phase == DEAD_LETTER_PUBLISHING && letter->call_no == p->call_no;
}

/* What the broker does with a record: the verdict that comes back. */
static uint8_t publish_verdict(struct sim *sim, const struct pending *p)
{
    enum world_fault refused =
        p->as.io.kind == PUBLISH_OUTBOX ? WF_PUBLISH_REJECTED : WF_DLT_REFUSED;

    if (world_fault(sim, refused)) {
        return PUBLISH_REJECTED;
    }
    if (world_fault(sim, WF_PUBLISH_LOST)) {
        return PUBLISH_NO_VERDICT;
    }
    append(sim, p);
    if (world_fault(sim, WF_PUBLISH_TWICE)) {
        append(sim, p);
    }
    return world_fault(sim, WF_PUBLISH_NO_VERDICT) ? PUBLISH_NO_VERDICT : PUBLISH_DELIVERED;
}

static void publish(struct sim *sim, const struct pending *p)
{
    if (!is_still_wanted(sim, p)) {
        return;
    }
    uint8_t verdict = publish_verdict(sim, p);
    if (world_fault(sim, WF_CRASH_AFTER_PUBLISH)) {
        instance_crash(sim, p->instance, "after a publish");
        return;
    }
    struct pending *answer =
        schedule_add(sim, PENDING_PUBLISHED, p->instance, schedule_latency_ms(sim));
    answer->slot = p->slot;
    answer->call_no = p->call_no;
    answer->as.io = p->as.io;
    answer->as.io.verdict = verdict;
}

static void published(struct sim *sim, const struct pending *p)
{
    struct engine_event event = {.type = EV_PUBLISHED};

    event.as.published.kind = p->as.io.kind;
    event.as.published.verdict = p->as.io.verdict;
    event.as.published.call_no = p->call_no;
    event.as.published.slot = p->slot;
    instance_feed(sim, p->instance, &event);
}

static bool offset_taken(struct sim *sim, const struct pending *p)
{
    uint32_t partition = (uint32_t)p->as.io.partition;
    bool current =
        broker_is_member(sim->broker, p->instance) &&
        broker_owner(sim->broker, (uint8_t)p->slot, partition) == p->instance &&
        broker_assignment(sim->broker, (uint8_t)p->slot, partition) == p->as.io.assignment;

    return current ? !world_fault(sim, WF_OFFSET_REFUSED) : world_fault(sim, WF_OFFSET_STALE);
}

static void offset(struct sim *sim, const struct pending *p)
{
    struct engine_event event = {.type = EV_OFFSET};
    uint32_t partition = (uint32_t)p->as.io.partition;
    bool taken = offset_taken(sim, p);

    if (taken) {
        laws_commit_offset(sim, p->slot, partition, p->as.io.value);
        broker_commit(sim->broker, (uint8_t)p->slot, partition, p->as.io.value);
    }
    event.as.offset.topic = (uint8_t)p->slot;
    event.as.offset.ok = taken;
    event.as.offset.partition = p->as.io.partition;
    event.as.offset.assignment = p->as.io.assignment;
    event.as.offset.offset = p->as.io.value;
    instance_feed(sim, p->instance, &event);
}

static void called(struct sim *sim, const struct pending *p)
{
    struct engine_event event = {.type = p->kind == PENDING_PROBE ? EV_PROBE : EV_PG};

    if (p->kind == PENDING_UPSTREAM) {
        event.type = EV_UPSTREAM;
        event.as.upstream.slot = p->slot;
        event.as.upstream.call_no = p->call_no;
        event.as.upstream.upstream = p->as.upstream.upstream;
        event.as.upstream.answer = p->as.upstream.answer;
        if (p->as.upstream.answer.kind != UPSTREAM_TROUBLE) {
            instance_at(sim, p->instance)->last_good_ms[p->as.upstream.upstream] = sim->w->now_ms;
        } else {
            laws_trouble(sim, p->instance, p->slot, p->call_no);
        }
    } else {
        event.as.pg.slot = p->slot;
        event.as.pg.call_no = p->call_no;
        event.as.pg.answer = p->as.pg;
    }
    instance_feed(sim, p->instance, &event);
}

void answers_deliver(struct sim *sim, struct pending p)
{
    switch (p.kind) {
    case PENDING_COMMIT:
        commit(sim, &p);
        return;
    case PENDING_PUBLISH:
        publish(sim, &p);
        return;
    case PENDING_SEND:
        carry_out_send(sim, &p);
        return;
    case PENDING_UPSTREAM:
    case PENDING_PG:
    case PENDING_PROBE:
        called(sim, &p);
        return;
    case PENDING_BATCH:
        batch_answered(sim, &p);
        return;
    case PENDING_SCAN:
        scanned(sim, &p);
        return;
    case PENDING_PURGE:
        purged(sim, &p);
        return;
    case PENDING_PUBLISHED:
        published(sim, &p);
        return;
    case PENDING_OFFSET:
        offset(sim, &p);
        return;
    case PENDING_REVOKE:
        instance_sync(sim, p.instance);
        return;
    case PENDING_JOIN:
        broker_join(sim->broker, p.instance);
        (void)schedule_add(sim, PENDING_REBALANCE, 0, 1);
        return;
    case PENDING_STOP:
        instance_stop(sim, p.instance);
        return;
    case PENDING_STOP_TIME:
        instance_ended(sim, p.instance);
        return;
    default:
        invariant_broken("a thing that is no answer");
    }
}
