/* instance.c - one Farebox process: start, crash, pause, stop, its group, and feeding its engine.
 */
#include "world_internal.h"

#include <stdio.h>
#include <string.h>

#define SESSION_TIMEOUT_MS (45 * SECOND_MS)
#define STOP_TIMEOUT_MS    (75 * SECOND_MS)
#define CHECK_EVERY        8

bool instance_runs(const struct sim *sim, uint32_t i)
{
    const struct instance *instance = instance_at(sim, i);
    return instance->state != INSTANCE_DOWN && instance->paused_until_ms <= sim->w->now_ms;
}

static bool is_scheduled(const struct sim *sim, enum pending_kind kind, uint32_t i)
{
    for (uint32_t at = 0; at < sim->w->pending_used; at++) {
        if (pendings(sim)[at].kind == kind && pendings(sim)[at].instance == i) {
            return true;
        }
    }
    return false;
}

static void rebalance_soon(struct sim *sim)
{
    if (is_scheduled(sim, PENDING_REBALANCE, 0)) {
        return;
    }
    (void)schedule_add(sim, PENDING_REBALANCE, 0, 1 + schedule_latency_ms(sim));
}

static text_id holder_name(struct sim *sim, uint32_t i)
{
    char name[16];

    snprintf(name, sizeof(name), "farebox-%u", i);
    text_id id = texts_intern_string(sim->texts, name);
    invariant(id != TEXT_NONE);
    return id;
}

void instance_start(struct sim *sim, uint32_t i)
{
    struct instance *instance = instance_at(sim, i);
    struct engine_identity identity;

    if (instance->state != INSTANCE_DOWN) {
        return;
    }
    if (instance->starts == 0) {
        /* Machines were started at different times; what a clock says at boot is its own. */
        instance->boot_base_ms = sim->w->now_ms - (int64_t)world_choose(sim, 1 << 20, "boot");
        if (world_fault(sim, WF_CLOCK_SKEW)) {
            instance->skew_ms = (int64_t)world_choose(sim, 2 * 3600000, "skew") - 3600000;
        }
    }
    instance->starts++;
    instance->state = INSTANCE_UP;
    instance->paused_until_ms = 0;
    instance->resent = 0;
    instance->token_process =
        choices_mix(sim->w->salt + ((uint64_t)i << 32) + instance->starts) | 1;
    identity = (struct engine_identity){.token_process = instance->token_process,
                                        .pg_account = WORLD_PG_ACCOUNT,
                                        .holder = holder_name(sim, i)};
    (void)engine_init(engine_of(sim, i), &sim->w->engine_limits, &sim->config, &identity,
                      world_boot_ms(sim, i), world_wall_ms(sim, i));
    for (uint32_t topic = 0; topic < TOPIC_COUNT; topic++) {
        for (uint32_t p = 0; p < sim->w->limits.partitions; p++) {
            memset(believed_at(sim, i, topic, p), 0, sizeof(struct believed));
        }
    }
    broker_join(sim->broker, (uint8_t)i);
    rebalance_soon(sim);
    history_say(sim, WORLD_TRIP_NONE, "farebox-%u starts", i);
}

/* Restarts are quick while faults are on, sometimes slower; later at once. */
static void start_again(struct sim *sim, uint32_t i)
{
    int64_t delay_ms = SECOND_MS;

    if (sim->w->faults_on) {
        delay_ms += (int64_t)world_choose(sim, 180, "restart") * SECOND_MS;
    }
    (void)schedule_add(sim, PENDING_START, i, delay_ms);
}

static void gone(struct sim *sim, uint32_t i)
{
    struct instance *instance = instance_at(sim, i);

    schedule_drop_instance(sim, i);
    memset(engine_of(sim, i), 0xDD, sim->w->engine_bytes);
    instance->state = INSTANCE_DOWN;
    instance->paused_until_ms = 0;
    broker_leave(sim->broker, (uint8_t)i);
    rebalance_soon(sim);
    start_again(sim, i);
}

void instance_crash(struct sim *sim, uint32_t i, const char *when)
{
    history_say(sim, WORLD_TRIP_NONE, "farebox-%u crashes %s", i, when);
    answers_crash_commits(sim, i);
    gone(sim, i);
}

void instance_ended(struct sim *sim, uint32_t i)
{
    history_say(sim, WORLD_TRIP_NONE, "farebox-%u has stopped", i);
    gone(sim, i);
}

void instance_stop(struct sim *sim, uint32_t i)
{
    struct engine_event event = {.type = EV_STOP};

    if (instance_at(sim, i)->state != INSTANCE_UP) {
        return;
    }
    instance_at(sim, i)->state = INSTANCE_STOPPING;
    history_say(sim, WORLD_TRIP_NONE, "farebox-%u is told to stop", i);
    (void)schedule_add(sim, PENDING_STOP_TIME, i, STOP_TIMEOUT_MS);
    instance_feed(sim, i, &event);
}

void instance_pause(struct sim *sim, uint32_t i, int64_t for_ms)
{
    struct instance *instance = instance_at(sim, i);

    instance->paused_until_ms = sim->w->now_ms + for_ms;
    history_say(sim, WORLD_TRIP_NONE, "farebox-%u is paused for %lld s", i,
                (long long)(for_ms / SECOND_MS));
    if (for_ms > SESSION_TIMEOUT_MS) {
        broker_leave(sim->broker, (uint8_t)i);
        rebalance_soon(sim);
        (void)schedule_add(sim, PENDING_JOIN, i, for_ms);
    }
}

/* Faults that strike a process between two of its effects. True: it is not there any more. */
static bool strikes(struct sim *sim, uint32_t i)
{
    if (world_fault(sim, WF_CRASH_EFFECT)) {
        instance_crash(sim, i, "before an effect");
        return true;
    }
    if (instance_at(sim, i)->paused_until_ms > sim->w->now_ms) {
        return false;
    }
    if (world_fault(sim, WF_PAUSE_SHORT)) {
        instance_pause(sim, i, (int64_t)(1 + world_choose(sim, 150, "pause")) * SECOND_MS);
    } else if (world_fault(sim, WF_PAUSE_LONG)) {
        instance_pause(sim, i, (int64_t)(45 + world_choose(sim, 30, "pause")) * MINUTE_MS);
    }
    return false;
}

/* Every few steps the engine is checked, and what its payments are about is counted. */
static void look_closely(struct sim *sim, const struct engine *engine)
{
    if (sim->w->steps % CHECK_EVERY != 0) {
        return;
    }
    engine_check(engine);
    for (uint32_t slot = 0; slot < sim->w->engine_limits.payments; slot++) {
        sim->stats.phases[engine_payment(engine, slot)->phase]++;
    }
}

void instance_feed(struct sim *sim, uint32_t i, struct engine_event *event)
{
    struct instance *instance = instance_at(sim, i);
    struct engine *engine = engine_of(sim, i);
    uint32_t starts = instance->starts;

    event->now_ms = world_boot_ms(sim, i);
    event->wall_ms = world_wall_ms(sim, i);
    event->random = choices_mix(world_choose(sim, UINT32_MAX, "random") + sim->w->salt);
    if (event->batch_max == 0 && world_fault(sim, WF_BATCH_BOUNDARY)) {
        event->batch_max =
            (uint16_t)(1 + world_choose(sim, sim->w->engine_limits.batch_max, "batch"));
    }
    uint32_t count = engine_step(engine, event, sim->effects);
    look_closely(sim, engine);
    for (uint32_t at = 0; at < count; at++) {
        if (strikes(sim, i)) {
            return;
        }
        carry_out(sim, i, &sim->effects[at]);
        if (instance->state == INSTANCE_DOWN || instance->starts != starts) {
            return;
        }
    }
}

void instance_rebalance(struct sim *sim)
{
    broker_rebalance(sim->broker);
    history_say(sim, WORLD_TRIP_NONE, "the group rebalances");
    for (uint32_t i = 0; i < sim->w->limits.instances; i++) {
        bool told =
            instance_at(sim, i)->state == INSTANCE_DOWN || is_scheduled(sim, PENDING_REVOKE, i);
        if (!told) {
            (void)schedule_add(sim, PENDING_REVOKE, i, schedule_latency_ms(sim));
        }
    }
}

static bool feed_partition(struct sim *sim, uint32_t i, enum engine_event_type type, uint32_t topic,
                           uint32_t partition, uint32_t assignment)
{
    struct engine_event event = {.type = (uint8_t)type};
    uint32_t starts = instance_at(sim, i)->starts;

    event.as.partition.topic = (uint8_t)topic;
    event.as.partition.partition = (int32_t)partition;
    event.as.partition.assignment = assignment;
    instance_feed(sim, i, &event);
    return instance_at(sim, i)->state != INSTANCE_DOWN && instance_at(sim, i)->starts == starts;
}

static bool owns(const struct sim *sim, uint32_t i, uint32_t topic, uint32_t partition)
{
    return broker_is_member(sim->broker, (uint8_t)i) &&
           broker_owner(sim->broker, (uint8_t)topic, partition) == i;
}

/* Revokes what is over: eager, so all of it. False: it crashed over it. */
static bool sync_revoke(struct sim *sim, uint32_t i, uint32_t topic, uint32_t partition)
{
    struct believed *b = believed_at(sim, i, topic, partition);
    uint32_t assignment = b->assignment;

    if (!b->assigned || (owns(sim, i, topic, partition) &&
                         assignment == broker_assignment(sim->broker, (uint8_t)topic, partition))) {
        return true;
    }
    memset(b, 0, sizeof(*b));
    return feed_partition(sim, i, EV_REVOKED, topic, partition, assignment);
}

static bool sync_assign(struct sim *sim, uint32_t i, uint32_t topic, uint32_t partition)
{
    struct believed *b = believed_at(sim, i, topic, partition);

    if (b->assigned || !owns(sim, i, topic, partition)) {
        return true;
    }
    b->assigned = 1;
    b->assignment = broker_assignment(sim->broker, (uint8_t)topic, partition);
    b->next_offset = broker_committed(sim->broker, (uint8_t)topic, partition);
    return feed_partition(sim, i, EV_ASSIGNED, topic, partition, b->assignment);
}

/* The instance learns what the group decided. */
void instance_sync(struct sim *sim, uint32_t i)
{
    const uint32_t partitions = sim->w->limits.partitions;

    for (uint32_t at = 0; at < TOPIC_COUNT * partitions; at++) {
        if (!sync_revoke(sim, i, at / partitions, at % partitions)) {
            return;
        }
    }
    for (uint32_t at = 0; at < TOPIC_COUNT * partitions; at++) {
        if (!sync_assign(sim, i, at / partitions, at % partitions)) {
            return;
        }
    }
}
