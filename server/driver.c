#include "driver_internal.h"

#include "clock.h"
#include "engine_settings.h"
#include "pg_account.h"
#include "time_zone.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The thread goes round at least this often, so that liveness can be seen. */
#define ROUND_MS 1000
/* Wall and boot clock may drift apart by this much before instants follow a step. */
#define CLOCK_STEP_MS  500
#define SWEEP_PAUSE_MS 20
/* Messages between two looks for answers of lanes. */
#define TAKE_MAX 64
/* The engine gives up by itself when the time is over: it may need a little longer. */
#define STOP_GRACE_MS 1000

void *driver_alloc(size_t size)
{
    void *memory = calloc(1, size);

    invariant(memory != NULL);
    return memory;
}

/* splitmix64 */
static uint64_t next_random(struct driver *d)
{
    uint64_t z = d->random += UINT64_C(0x9E3779B97F4A7C15);

    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

int64_t driver_unix_ms(const struct driver *d, int64_t boot_ms)
{
    return boot_ms + d->unix_minus_boot_ms;
}

static void follow_clock(struct driver *d, int64_t now_ms, int64_t wall_ms)
{
    int64_t off_ms = wall_ms - now_ms - d->unix_minus_boot_ms;

    if (off_ms > CLOCK_STEP_MS || off_ms < -CLOCK_STEP_MS) {
        d->unix_minus_boot_ms = wall_ms - now_ms;
    }
}

void driver_step(struct driver *d, struct engine_event *event)
{
    uint32_t count;

    event->now_ms = clock_boot_ms();
    event->wall_ms = clock_unix_ms(NULL);
    event->random = next_random(d);
    follow_clock(d, event->now_ms, event->wall_ms);
    count = engine_step(d->engine, event, d->effects);
    /* Lanes wait, so their batches go first; no other effect changes what they are made of. */
    for (uint32_t i = 0; i < count; i++) {
        if (d->effects[i].kind == FX_SUBMIT) {
            effects_carry_out(d, &d->effects[i]);
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        if (d->effects[i].kind != FX_SUBMIT) {
            effects_carry_out(d, &d->effects[i]);
        }
    }
}

static bool fits(const struct driver *d, uint32_t entries, size_t bytes, uint32_t share)
{
    size_t entries_max = (size_t)d->texts_max * share / 2;
    size_t bytes_max = (size_t)texts_bytes_max(d->texts) * share / 2;

    return texts_count(d->texts) + entries <= entries_max &&
           texts_bytes_used(d->texts) + bytes <= bytes_max;
}

bool driver_has_room(struct driver *d, uint32_t entries, size_t bytes, uint32_t share)
{
    int64_t now_ms;

    if (fits(d, entries, bytes, share)) {
        return true;
    }
    now_ms = clock_boot_ms();
    if (share == 1 && now_ms < d->sweep_next_ms) {
        return false;
    }
    d->sweep_next_ms = now_ms + SWEEP_PAUSE_MS;
    engine_mark(d->engine, d->texts);
    texts_sweep(d->texts);
    return fits(d, entries, bytes, share);
}

/* What other threads may see. */
static void show(struct driver *d)
{
    for (int g = 0; g < GATE_COUNT; g++) {
        atomic_store(&d->breakers[g], engine_breaker(d->engine, (enum payment_gate)g)->state);
    }
    counters_state(d->parts.counters, d->engine, d->texts);
    atomic_store(&d->last_round_ms, clock_boot_ms());
}

static int64_t idle_ms(const struct driver *d, bool has_more)
{
    int64_t next_ms = engine_next_ms(d->engine);
    int64_t now_ms = clock_boot_ms();

    if (has_more || next_ms <= now_ms) {
        return 0;
    }
    return next_ms - now_ms < ROUND_MS ? next_ms - now_ms : ROUND_MS;
}

/* Messages that were taken and not dealt with yet. */
struct pending {
    struct message *first;
    struct message **end;
};

/* A lane waits for its next batch, so its answer goes before what came earlier. Answers of all
 * kinds cross on their way here anyhow: no rule depends on their order. */
static void sort_in(struct driver *d, struct pending *pending, struct message *message)
{
    while (message != NULL) {
        struct message *next = message->next;

        if (message->type == MESSAGE_BATCH) {
            messages_take(d, message);
        } else {
            message->next = NULL;
            *pending->end = message;
            pending->end = &message->next;
        }
        message = next;
    }
}

static void take_some(struct driver *d, struct pending *pending)
{
    for (int i = 0; i < TAKE_MAX && pending->first != NULL; i++) {
        struct message *message = pending->first;

        pending->first = message->next;
        if (pending->first == NULL) {
            pending->end = &pending->first;
        }
        messages_take(d, message);
    }
}

static void *run(void *argument)
{
    struct driver *d = argument;
    struct pending pending = {.first = NULL, .end = &pending.first};
    bool has_more = false;

    (void)pthread_setname_np(pthread_self(), "engine");
    while (!d->quit || pending.first != NULL) {
        sort_in(d, &pending, inbox_take(&d->inbox, idle_ms(d, has_more)));
        take_some(d, &pending);
        has_more = records_deliver(d) || pending.first != NULL;
        if (engine_next_ms(d->engine) <= clock_boot_ms()) {
            struct engine_event event = {.type = EV_TIME};

            driver_step(d, &event);
        }
        d->parts.pg->ops->send(d->parts.pg);
        d->parts.upstreams->ops->send(d->parts.upstreams);
        show(d);
    }
    return NULL;
}

static bool make_engine(struct driver *d)
{
    const struct engine_limits limits = engine_settings_limits(d->settings);
    struct engine_config config = engine_settings_config(d->settings);
    int64_t wall_ms = clock_unix_ms(NULL);
    uint32_t entries = engine_settings_texts(&limits);
    struct engine_identity identity = {.token_process = clock_random(),
                                       .pg_account = pg_account_of(d->settings)};
    size_t size = engine_size(&limits);

    if (size == 0) {
        return false;
    }
    config.zone_offset_ms = time_zone_offset_s(wall_ms / 1000) * 1000;
    d->effects_max = engine_effects_max(&limits);
    d->engine_block = malloc(size);
    d->texts_block = malloc(texts_size(entries, ENGINE_SETTINGS_TEXT_BYTES));
    d->effects = calloc(d->effects_max, sizeof(*d->effects));
    d->publish_block = malloc(texts_size(PUBLISH_TEXTS, PUBLISH_BYTES));
    d->header_bytes = malloc(KAFKA_HEADERS_BYTES_MAX);
    if (d->engine_block == NULL || d->texts_block == NULL || d->effects == NULL ||
        d->publish_block == NULL || d->header_bytes == NULL) {
        return false;
    }
    d->texts_max = entries;
    d->texts = texts_init(d->texts_block, entries, ENGINE_SETTINGS_TEXT_BYTES);
    identity.holder = texts_intern_string(d->texts, d->settings->instance);
    d->engine = engine_init(d->engine_block, &limits, &config, &identity, clock_boot_ms(), wall_ms);
    return true;
}

static bool make_locks(struct driver *d)
{
    if (!inbox_init(&d->inbox)) {
        return false;
    }
    invariant(pthread_mutex_init(&d->mutex, NULL) == 0);
    clock_condition_init(&d->stopped);
    for (uint32_t i = 0; i < ADMIN_SLOTS; i++) {
        clock_condition_init(&d->admin[i].answered);
        d->admin[i].request = i;
    }
    return true;
}

struct driver *driver_open(const struct farebox_settings *settings, char *error, size_t error_size)
{
    struct driver *d = calloc(1, sizeof(*d));

    (void)snprintf(error, error_size, "out of memory");
    if (d == NULL) {
        return NULL;
    }
    d->settings = settings;
    d->random = clock_random();
    d->unix_minus_boot_ms = clock_unix_ms(NULL) - clock_boot_ms();
    d->render = (struct outcome_render_settings){
        .codec = {.type_prefix = settings->type_prefix, .source = settings->ce_source},
        .topic = settings->outcome_topic};
    atomic_init(&d->last_round_ms, clock_boot_ms());
    if (!make_locks(d)) {
        free(d);
        return NULL;
    }
    if (!make_engine(d)) {
        driver_close(d);
        return NULL;
    }
    return d;
}

struct inbox *driver_inbox(struct driver *d)
{
    return &d->inbox;
}

bool driver_start(struct driver *d, const struct driver_parts *parts)
{
    d->parts = *parts;
    return pthread_create(&d->thread, NULL, run, d) == 0;
}

void driver_stop(struct driver *d)
{
    d->stop_message.type = MESSAGE_STOP;
    inbox_post(&d->inbox, &d->stop_message);
}

bool driver_await_stopped(struct driver *d, int64_t timeout_ms)
{
    const struct timespec deadline = clock_deadline(timeout_ms + STOP_GRACE_MS);
    bool is_stopped;

    pthread_mutex_lock(&d->mutex);
    while (!d->is_stopped && pthread_cond_timedwait(&d->stopped, &d->mutex, &deadline) == 0) {
    }
    is_stopped = d->is_stopped;
    pthread_mutex_unlock(&d->mutex);
    return is_stopped;
}

void driver_quit(struct driver *d)
{
    d->quit_message.type = MESSAGE_QUIT;
    inbox_post(&d->inbox, &d->quit_message);
    pthread_join(d->thread, NULL);
}

int64_t driver_last_round_ms(const struct driver *d)
{
    return atomic_load(&d->last_round_ms);
}

bool driver_is_stopping(const struct driver *d)
{
    return atomic_load(&d->is_stopping);
}

enum breaker_state driver_breaker(const struct driver *d, enum payment_gate gate)
{
    return (enum breaker_state)atomic_load(&d->breakers[gate]);
}

/* Messages that came after the thread's end, or were never taken. */
static void free_messages(struct driver *d)
{
    struct message *message = inbox_take(&d->inbox, 0);

    while (message != NULL) {
        struct message *next = message->next;

        messages_drop(message);
        message = next;
    }
}

void driver_close(struct driver *d)
{
    if (d == NULL) {
        return;
    }
    free_messages(d);
    records_drop_all(d);
    for (uint32_t i = 0; i < ADMIN_SLOTS; i++) {
        pthread_cond_destroy(&d->admin[i].answered);
        free(d->admin[i].texts_block);
    }
    pthread_cond_destroy(&d->stopped);
    pthread_mutex_destroy(&d->mutex);
    inbox_clear(&d->inbox);
    free(d->engine_block);
    free(d->texts_block);
    free(d->effects);
    free(d->publish_block);
    free(d->header_bytes);
    free(d);
}
