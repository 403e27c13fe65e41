/* engine_records.c - partitions and their trackers, records, and those that wait for a trip. */
#include "engine_internal.h"

#include <string.h>

void records_init(struct engine *e)
{
    struct waiter *waiters = engine_waiters(e);

    for (uint32_t i = 0; i < e->limits.trackers; i++) {
        (void)tracker_init(engine_tracker(e, i), e->limits.window);
    }
    for (uint32_t i = 0; i < e->limits.waiters; i++) {
        waiters[i].next = i + 1 < e->limits.waiters ? i + 1 : NO_SLOT;
    }
    e->free_waiter = 0;
}

static uint32_t partition_find(const struct engine *e, uint8_t topic, int32_t partition,
                               uint32_t assignment)
{
    const struct partition *table = engine_partitions(e);

    for (uint32_t i = 0; i < e->partitions_end; i++) {
        if (table[i].used && table[i].topic == topic && table[i].partition == partition &&
            table[i].assignment == assignment) {
            return i;
        }
    }
    return NO_SLOT;
}

void records_assigned(struct run *r)
{
    struct engine *e = r->e;
    struct partition *table = engine_partitions(e);

    for (uint32_t i = 0; i < e->limits.trackers; i++) {
        if (table[i].used) {
            continue;
        }
        memset(&table[i], 0, sizeof(table[i]));
        table[i].used = 1;
        table[i].topic = r->ev->as.partition.topic;
        table[i].partition = r->ev->as.partition.partition;
        table[i].assignment = r->ev->as.partition.assignment;
        table[i].sent_offset = -1;
        /* The tracker's own number: its place in the table may have been another partition's. */
        tracker_reset(engine_tracker(e, i), ++e->assignments);
        if (e->partitions_end <= i) {
            e->partitions_end = i + 1;
        }
        return;
    }
    /* More partitions than trackers: records of this one are never accepted (engine_accepts). */
}

static void commit_offset(struct run *r, uint32_t index)
{
    struct partition *partition = &engine_partitions(r->e)[index];
    int64_t offset;
    struct effect *fx;

    if (!tracker_committable(engine_tracker(r->e, index), &offset) ||
        offset == partition->sent_offset) {
        return;
    }
    partition->sent_offset = offset;
    fx = engine_emit(r, FX_OFFSET);
    fx->slot = partition->topic;
    fx->partition = partition->partition;
    fx->assignment = partition->assignment;
    fx->value = offset;
}

void records_commit_offsets(struct run *r)
{
    for (uint32_t i = 0; i < r->e->partitions_end; i++) {
        if (engine_partitions(r->e)[i].used) {
            commit_offset(r, i);
        }
    }
}

/* The tracker goes; records without a submitted unit are dropped, the rest run on. */
void records_revoked(struct run *r)
{
    struct engine *e = r->e;
    uint32_t index = partition_find(e, r->ev->as.partition.topic, r->ev->as.partition.partition,
                                    r->ev->as.partition.assignment);

    if (index == NO_SLOT) {
        return;
    }
    commit_offset(r, index);
    engine_partitions(e)[index].used = 0;
    while (e->partitions_end > 0 && !engine_partitions(e)[e->partitions_end - 1].used) {
        e->partitions_end--;
    }
    waiters_drop_partition(r, index);
    payments_drop_partition(r, index);
}

void records_offset(struct run *r)
{
    struct engine *e = r->e;
    uint32_t index = partition_find(e, r->ev->as.offset.topic, r->ev->as.offset.partition,
                                    r->ev->as.offset.assignment);

    if (index == NO_SLOT) {
        return;
    }
    if (r->ev->as.offset.ok) {
        tracker_committed(engine_tracker(e, index), tracker_assignment(engine_tracker(e, index)),
                          r->ev->as.offset.offset);
        return;
    }
    engine_partitions(e)[index].sent_offset = -1;
    timers_set(engine_timers(e), engine_system_timer(e, TIMER_OFFSETS),
               e->now_ms + e->config.commit_interval_ms);
}

void records_done(struct run *r, const struct record_ref *ref)
{
    struct engine *e = r->e;
    uint32_t timer = engine_system_timer(e, TIMER_OFFSETS);

    if (!ref->used) {
        return;
    }
    tracker_done(engine_tracker(e, ref->tracker), ref->sequence);
    if (!timers_armed(engine_timers(e), timer)) {
        timers_set(engine_timers(e), timer, e->now_ms + e->config.commit_interval_ms);
    }
}

static bool is_blocked(const struct engine *e, enum engine_topic topic)
{
    if (e->stopping || !letters_have_room(e)) {
        return true;
    }
    return topic == TOPIC_TRIPS &&
           (gates_any_open(e) || !payments_have_room(e) || e->free_waiter == NO_SLOT);
}

bool engine_accepts(const struct engine *engine, enum engine_topic topic, int32_t partition,
                    uint32_t assignment)
{
    uint32_t index = partition_find(engine, (uint8_t)topic, partition, assignment);

    return index != NO_SLOT && !is_blocked(engine, topic) &&
           !tracker_is_full(engine_tracker(engine, index));
}

/* Tells the driver which partitions to stop fetching from, and which to go on with. */
void records_pause(struct run *r)
{
    struct engine *e = r->e;

    for (uint8_t t = 0; t < TOPIC_COUNT; t++) {
        e->blocked[t] = is_blocked(e, (enum engine_topic)t);
    }
    for (uint32_t i = 0; i < e->partitions_end; i++) {
        struct partition *p = &engine_partitions(e)[i];
        bool paused;
        struct effect *fx;

        if (!p->used) {
            continue;
        }
        paused = e->blocked[p->topic] || tracker_is_full(engine_tracker(e, i));
        if (paused == (p->paused != 0)) {
            continue;
        }
        p->paused = paused;
        fx = engine_emit(r, paused ? FX_PAUSE : FX_RESUME);
        fx->slot = p->topic;
        fx->partition = p->partition;
        fx->assignment = p->assignment;
    }
}

/* A record of a trip that is in flight waits for that payment's first commit. */
static void arrive(struct run *r, const struct payment_arrival *a, const struct record_ref *ref)
{
    uint32_t slot = payments_find(r->e, a->trip_id);

    if (slot == NO_SLOT) {
        payments_arrive(r, a, ref);
        return;
    }
    if (engine_links(r->e)[slot].ref.used &&
        (engine_payments(r->e)[slot].flags & PAYMENT_ACKED) != 0) {
        engine_note(r, NOTE_DUPLICATE, a->trip_id, 0);
        r->e->unacked--;
        records_done(r, ref);
        return;
    }
    waiters_add(r, slot, a, ref);
}

static void take_trip(struct run *r, const struct record_ref *ref)
{
    struct engine *e = r->e;
    const struct engine_record *record = &r->ev->as.record;

    /* Not their difference: the timestamp may be any number. */
    if (record->timestamp_ms < e->wall_ms - e->config.max_trip_age_ms) {
        letters_raise(r, DEAD_LETTER_TOO_OLD, record->record, TEXT_NONE, ref);
        return;
    }
    e->unacked++;
    arrive(r, &record->trip, ref);
}

void records_record(struct run *r)
{
    struct engine *e = r->e;
    const struct engine_record *record = &r->ev->as.record;
    struct record_ref ref = {.offset = record->offset,
                             .timestamp_ms = record->timestamp_ms,
                             .partition = record->partition,
                             .assignment = record->assignment,
                             .topic = record->topic,
                             .used = 1};
    uint32_t index = partition_find(e, record->topic, record->partition, record->assignment);

    if (index == NO_SLOT) {
        return; /* revoked meanwhile: it comes again */
    }
    ref.tracker = (uint16_t)index;
    invariant(!is_blocked(e, (enum engine_topic)record->topic) || gates_any_open(e));
    if (!tracker_deliver(engine_tracker(e, index), record->offset, &ref.sequence)) {
        invariant_broken("a record that engine_accepts() would have refused");
    }
    switch ((enum engine_record_kind)record->kind) {
    case RECORD_TRIP:
        take_trip(r, &ref);
        return;
    case RECORD_IGNORED:
        engine_note(r, NOTE_IGNORED, TEXT_NONE, 0);
        records_done(r, &ref);
        return;
    case RECORD_MALFORMED:
        letters_raise(r, DEAD_LETTER_MALFORMED, record->record, record->error, &ref);
        return;
    case RECORD_DEAD:
        letters_store(r, &record->dead, &ref);
        return;
    }
    invariant_broken("a record of no known kind");
}

void waiters_add(struct run *r, uint32_t slot, const struct payment_arrival *a,
                 const struct record_ref *ref)
{
    struct engine *e = r->e;
    uint32_t index = e->free_waiter;
    struct waiter *w = &engine_waiters(e)[index];
    uint32_t *at = &engine_links(e)[slot].waiters;

    invariant(index != NO_SLOT);
    e->free_waiter = w->next;
    e->waiters_used++;
    w->arrival = *a;
    w->ref = *ref;
    w->next = NO_SLOT;
    while (*at != NO_SLOT) {
        at = &engine_waiters(e)[*at].next;
    }
    *at = index;
}

static uint32_t waiter_free(struct engine *e, uint32_t index)
{
    struct waiter *w = &engine_waiters(e)[index];
    uint32_t next = w->next;

    memset(w, 0, sizeof(*w));
    w->next = e->free_waiter;
    e->free_waiter = index;
    e->waiters_used--;
    return next;
}

void waiters_are_duplicates(struct run *r, uint32_t slot)
{
    struct engine *e = r->e;
    uint32_t index = engine_links(e)[slot].waiters;

    engine_links(e)[slot].waiters = NO_SLOT;
    while (index != NO_SLOT) {
        struct waiter *w = &engine_waiters(e)[index];

        engine_note(r, NOTE_DUPLICATE, w->arrival.trip_id, 0);
        e->unacked--;
        records_done(r, &w->ref);
        index = waiter_free(e, index);
    }
}

/* Their slot is free: the first takes its place, the others wait for the first. */
void waiters_arrive_again(struct run *r, uint32_t first)
{
    struct engine *e = r->e;
    uint32_t index = first;

    while (index != NO_SLOT) {
        struct waiter w = engine_waiters(e)[index];

        index = waiter_free(e, index);
        arrive(r, &w.arrival, &w.ref);
    }
}

static void waiters_drop_if(struct run *r, bool all, uint32_t tracker)
{
    struct engine *e = r->e;

    for (uint32_t slot = 0; slot < e->limits.payments; slot++) {
        uint32_t *at = &engine_links(e)[slot].waiters;

        while (*at != NO_SLOT) {
            if (all || engine_waiters(e)[*at].ref.tracker == tracker) {
                e->unacked--;
                *at = waiter_free(e, *at);
            } else {
                at = &engine_waiters(e)[*at].next;
            }
        }
    }
}

void waiters_drop_partition(struct run *r, uint32_t tracker)
{
    waiters_drop_if(r, false, tracker);
}

void waiters_drop_all(struct run *r)
{
    waiters_drop_if(r, true, 0);
}
