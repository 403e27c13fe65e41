/* world.c - the world's block: sizes, opening, start, snapshots, and small questions. */
#include "world_internal.h"

#include "sqlite_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static uint32_t clamp(uint32_t value, uint32_t low, uint32_t high)
{
    return value < low ? low : value > high ? high : value;
}

/* Small tables, so that their bounds are met: full windows, waiters, pages with more behind. */
static struct engine_limits engine_limits_for(const struct world_limits *limits)
{
    bool smallest = limits->tight != 0;
    uint32_t payments = clamp(limits->trips / 2, 2, 12);
    struct engine_limits l = {
        .payments = payments,
        .rescues = clamp(payments / 2, 1, 4),
        .waiters = smallest ? 1 : 4,
        .outbox = clamp(payments, 2, 8),
        .dead_letters = smallest ? 2 : payments + 2,
        .trackers = limits->partitions * TOPIC_COUNT,
        .window = smallest ? 2 : 8,
        .lanes = smallest ? 1 : 2,
        .batch_max = smallest ? 2 : 6,
        .page_max = smallest ? 2 : 4,
    };
    return l;
}

static uint32_t records_max(const struct world_limits *limits)
{
    return limits->tight ? 6 : limits->trips * 30 + 100;
}

static struct broker_limits broker_limits_for(const struct world_limits *limits)
{
    struct broker_limits l = {limits->partitions, records_max(limits)};
    return l;
}

static struct model_store_limits store_limits_for(const struct world_limits *limits)
{
    struct model_store_limits l = {
        .payments = limits->trips,
        .outbox = limits->tight ? 2 : limits->trips * 5 + 8,
        .failed_events = limits->tight ? 2 : limits->trips * 4 + 8,
    };
    return l;
}

static struct pg_fake_limits pg_limits_for(const struct world_limits *limits)
{
    bool smallest = limits->tight != 0;
    struct pg_fake_limits l = {
        .ledger = {.orders_max = limits->trips,
                   .keys_max = smallest ? 6 : limits->trips * 12,
                   .pending_max = limits->trips * 2},
        .rules_max = 0,
    };
    return l;
}

/* A trip's fare and its customer's answer. */
static uint32_t overrides_for(const struct world_limits *limits)
{
    return 2 * limits->trips;
}

static uint32_t texts_entries(const struct world_limits *limits)
{
    return limits->tight ? 48 : 160 + limits->trips * 60;
}

static uint32_t texts_bytes(const struct world_limits *limits)
{
    return limits->tight ? 3200 : 8192 + limits->trips * 10000;
}

static uint32_t pending_for(const struct engine_limits *l, const struct world_limits *limits)
{
    uint32_t each = 2 * l->payments + l->outbox + l->dead_letters + l->lanes + l->trackers + 6;
    return limits->tight ? 20 : each * limits->instances + 16;
}

static uint32_t place(size_t *size, size_t bytes)
{
    uint32_t at = (uint32_t)*size;

    *size += (bytes + 7U) & ~(size_t)7U;
    return at;
}

/* Lays out the block. The store comes last: SQLite's worlds do without it. */
static size_t layout(struct world *w, const struct world_limits *limits)
{
    const struct broker_limits broker = broker_limits_for(limits);
    const struct model_store_limits store = store_limits_for(limits);
    const struct pg_fake_limits pg = pg_limits_for(limits);
    const uint32_t overrides = overrides_for(limits);
    size_t size = 0;

    w->limits = *limits;
    w->engine_limits = engine_limits_for(limits);
    w->engine_bytes = (uint32_t)((engine_size(&w->engine_limits) + 7U) & ~(size_t)7U);
    w->pending_max = pending_for(&w->engine_limits, limits);
    (void)place(&size, sizeof(struct world));
    w->instances_at = place(&size, limits->instances * sizeof(struct instance));
    w->engines_at = place(&size, (size_t)limits->instances * w->engine_bytes);
    w->believed_at = place(&size, sizeof(struct believed) * limits->instances * TOPIC_COUNT *
                                      limits->partitions);
    w->lanes_at = place(&size, (size_t)limits->instances * w->engine_limits.lanes *
                                   w->engine_limits.batch_max);
    w->pending_at = place(&size, w->pending_max * sizeof(struct pending));
    w->trips_at = place(&size, limits->trips * sizeof(struct sim_trip));
    w->faults_at = place(&size, fault_store_state_size(w->engine_limits.batch_max));
    w->broker_at = place(&size, broker_size(&broker));
    w->pg_at = place(&size, pg_fake_size(&pg));
    w->upstream_at = place(&size, upstream_fake_size(overrides));
    w->texts_at = place(&size, texts_size(texts_entries(limits), texts_bytes(limits)));
    w->store_at = place(&size, model_store_size(&store));
    return size;
}

size_t world_size(const struct world_limits *limits)
{
    struct world scratch;

    return layout(&scratch, limits);
}

static int64_t store_clock(void *context)
{
    const struct sim *sim = context;
    return sim->w->now_ms;
}

static bool open_scratch(struct sim *sim)
{
    struct world layout_of;
    (void)layout(&layout_of, &sim->w->limits);
    sim->effects = calloc(engine_effects_max(&layout_of.engine_limits), sizeof(*sim->effects));
    sim->units = calloc(STORE_BATCH_MAX, sizeof(*sim->units));
    sim->scratch = calloc(STORE_BATCH_MAX, sizeof(*sim->scratch));
    sim->results = calloc(STORE_BATCH_MAX, sizeof(*sim->results));
    sim->scratch_results = calloc(STORE_BATCH_MAX, sizeof(*sim->scratch_results));
    sim->rows = calloc(STORE_PAGE_MAX, sizeof(*sim->rows));
    return sim->effects && sim->units && sim->scratch && sim->results && sim->scratch_results &&
           sim->rows;
}

struct sim *world_open(const struct world_limits *limits, const struct world_options *options,
                       char *error, size_t error_size)
{
    struct sim *sim = calloc(1, sizeof(*sim));

    snprintf(error, error_size, "no memory for a world of %u trips", limits->trips);
    if (sim == NULL) {
        return NULL;
    }
    sim->w = calloc(1, world_size(limits));
    if (sim->w == NULL) {
        world_close(sim);
        return NULL;
    }
    sim->w->limits = *limits;
    sim->options = *options;
    if (!open_scratch(sim)) {
        world_close(sim);
        return NULL;
    }
    sim->chooser = (struct chooser){choices_choose, &sim->choices};
    sim->trace_trip = WORLD_TRIP_NONE;
    return sim;
}

static void close_stores(struct sim *sim)
{
    for (uint32_t i = 0; i <= WORLD_INSTANCES_MAX; i++) {
        if (sim->inner[i] != NULL) {
            sim->inner[i]->ops->close(sim->inner[i]);
            sim->inner[i] = NULL;
        }
    }
    if (sim->sqlite_path[0] != '\0') {
        static const char *const suffixes[] = {"", "-wal", "-shm"};
        for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
            char path[sizeof(sim->sqlite_path) + 8];
            snprintf(path, sizeof(path), "%s%s", sim->sqlite_path, suffixes[i]);
            (void)unlink(path);
        }
    }
}

void world_close(struct sim *sim)
{
    if (sim == NULL) {
        return;
    }
    close_stores(sim);
    free(sim->effects);
    free(sim->units);
    free(sim->scratch);
    free(sim->results);
    free(sim->scratch_results);
    free(sim->rows);
    free(sim->w);
    free(sim);
}

/* The parts of the block, as they are used: with pointers. */
static void bind(struct sim *sim)
{
    sim->pg = world_at(sim, sim->w->pg_at);
    sim->upstream = world_at(sim, sim->w->upstream_at);
    sim->broker = world_at(sim, sim->w->broker_at);
    sim->texts = world_at(sim, sim->w->texts_at);
    sim->faults = world_at(sim, sim->w->faults_at);
    sim->choices.state = &sim->w->rng;
    sim->choices.digest = &sim->w->chosen;
}

static void open_model(struct sim *sim)
{
    const struct model_store_limits limits = store_limits_for(&sim->w->limits);

    model_store_init(world_at(sim, sim->w->store_at), &limits);
    struct store *store = model_store_open(&sim->model, world_at(sim, sim->w->store_at), sim->texts,
                                           store_clock, sim);
    for (uint32_t i = 0; i < sim->w->limits.instances; i++) {
        sim->inner[i] = store;
    }
    sim->inner[WORLD_INSTANCES_MAX] = store;
}

static bool open_sqlite(struct sim *sim)
{
    const struct sqlite_store_options options = {
        .now_ms = store_clock, .clock_context = sim, .busy_timeout_ms = 1000, .migrate = true};
    char error[256];

    snprintf(sim->sqlite_path, sizeof(sim->sqlite_path), "%s/farebox-sim-%ld.db",
             sim->options.sqlite_dir, (long)getpid());
    close_stores(sim);
    for (uint32_t i = 0; i <= WORLD_INSTANCES_MAX; i++) {
        bool wanted = i < sim->w->limits.instances || i == WORLD_INSTANCES_MAX;
        if (wanted &&
            !sqlite_store_open(sim->sqlite_path, &options, &sim->inner[i], error, sizeof(error))) {
            fprintf(stderr, "farebox-sim: %s\n", error);
            return false;
        }
    }
    return true;
}

static void open_stores(struct sim *sim)
{
    if (sim->options.store == WORLD_STORE_SQLITE) {
        invariant(open_sqlite(sim));
    } else {
        memset(sim->inner, 0, sizeof(sim->inner));
        open_model(sim);
    }
    for (uint32_t i = 0; i < sim->w->limits.instances; i++) {
        (void)fault_store_open(&sim->stores[i], sim->inner[i], sim->faults, sim->texts,
                               &sim->chooser, sim->scratch, sim->scratch_results);
    }
}

struct engine_config world_engine_config(const struct sim *sim)
{
    struct engine_config config = engine_config_default();

    config.payment.adopt = (uint8_t)sim->w->faults.adopt;
    config.payment.pg_backoff_max_ms = sim->w->faults.backoff_max_ms;
    config.payment.unknown_after = sim->w->faults.unknown_after;
    config.outbox_poll_ms = sim->w->faults.outbox_poll_ms;
    config.gate_poll_ms = sim->w->faults.gate_poll_ms;
    config.batch_linger_ms = sim->w->faults.linger_ms;
    return config;
}

/* Everything is terminal within this after the last fault. */
static int64_t settle_ms(const struct sim *sim)
{
    const struct engine_config *c = &sim->config;
    int64_t absence_ms =
        c->payment.send_limit_ms + c->payment.pg_longest_ms + c->payment.absence_margin_ms;

    return c->payment.claim_due_ms + absence_ms + c->lease_most_ms +
           2 * (c->rescue_interval_ms + c->payment.pg_backoff_max_ms);
}

static void init_parts(struct sim *sim)
{
    struct world *w = sim->w;
    const struct broker_limits broker = broker_limits_for(&w->limits);
    const struct pg_fake_limits pg = pg_limits_for(&w->limits);

    (void)texts_init(world_at(sim, w->texts_at), texts_entries(&w->limits),
                     texts_bytes(&w->limits));
    (void)broker_init(world_at(sim, w->broker_at), &broker);
    if (sim->options.calm) {
        world_faults_none(&w->faults);
    } else {
        world_faults_draw(&w->faults, sim->options.all_faults, w->limits.tight != 0, &sim->chooser);
    }
    (void)pg_fake_init(world_at(sim, w->pg_at), &pg, &w->faults.pg);
    invariant(pg_ledger_account_add(pg_fake_ledger(sim->pg), WORLD_PG_ACCOUNT));
    (void)upstream_fake_init(world_at(sim, w->upstream_at), overrides_for(&w->limits),
                             &w->faults.upstream);
    (void)fault_store_state_init(world_at(sim, w->faults_at), w->engine_limits.batch_max,
                                 &w->faults.store);
}

/* Longer than all retries, and over before the faults are. */
static void draw_outage(struct sim *sim)
{
    for (uint32_t u = 0; u < UPSTREAM_COUNT; u++) {
        if (!world_fault(sim, WF_UPSTREAM_OUTAGE)) {
            continue;
        }
        int64_t from_ms = sim->w->now_ms + (int64_t)world_choose(sim, 300, "outage") * SECOND_MS;
        int64_t until_ms = from_ms + (int64_t)(60 + world_choose(sim, 1800, "outage")) * SECOND_MS;
        until_ms = until_ms < sim->w->faults_off_ms ? until_ms : sim->w->faults_off_ms;
        if (from_ms < until_ms) {
            upstream_fake_outage(sim->upstream, (enum upstream)u, from_ms, until_ms);
        }
    }
}

void world_start(struct sim *sim, uint64_t seed)
{
    struct world *w = sim->w;
    const struct world_limits limits = w->limits;

    memset(w, 0, world_size(&limits));
    w->size = (uint32_t)layout(w, &limits);
    w->rng = choices_mix(seed + 1);
    w->now_ms = WORLD_EPOCH_MS;
    w->faults_on = 1;
    w->rows_changed = 1;
    sim->choices.at = 0;
    sim->choices.record_len = 0;
    memset(&sim->stats, 0, sizeof(sim->stats));
    memset(sim->decoded, 0, sizeof(sim->decoded));
    sim->violation = (struct world_violation){NULL, WORLD_TRIP_NONE};
    sim->any_dirty = 0;
    bind(sim);
    w->salt = choices_mix(((uint64_t)world_choose(sim, UINT32_MAX, "salt") << 32) + 1);
    init_parts(sim);
    sim->config = world_engine_config(sim);
    w->faults_off_ms = w->now_ms + w->faults.window_ms;
    w->judge_ms = w->faults_off_ms + settle_ms(sim);
    open_stores(sim);
    draw_outage(sim);
    producer_start(sim);
    if (!sim->options.calm) {
        (void)schedule_add(sim, PENDING_OPERATOR, 0, MINUTE_MS);
    }
    (void)schedule_add(sim, PENDING_FAULTS_OFF, 0, w->faults.window_ms);
    for (uint32_t i = 0; i < limits.instances; i++) {
        (void)schedule_add(sim, PENDING_START, i, schedule_latency_ms(sim));
    }
}

void world_snapshot(const struct sim *sim, void *bytes)
{
    invariant(sim->options.store == WORLD_STORE_MODEL);
    memcpy(bytes, sim->w, sim->w->size);
}

void world_restore(struct sim *sim, const void *bytes)
{
    invariant(sim->options.store == WORLD_STORE_MODEL);
    memcpy(sim->w, bytes, sim->w->size);
    bind(sim);
    sim->config = world_engine_config(sim);
    memset(sim->decoded, 0, sizeof(sim->decoded));
}

uint32_t world_choose(struct sim *sim, uint32_t n, const char *label)
{
    return chooser_pick(&sim->chooser, n, label);
}

bool world_fault(struct sim *sim, enum world_fault fault)
{
    uint16_t permille = sim->w->faults.permille[fault];

    if (!sim->w->faults_on || permille == 0) {
        return false;
    }
    /* 0 is the dullest choice: no fault. */
    if (world_choose(sim, 1000, world_fault_name(fault)) < 1000U - permille) {
        return false;
    }
    sim->stats.faults[fault]++;
    history_add(sim, "fault", fault, 0, 0);
    if (fault != WF_BATCH_BOUNDARY) { /* nearly every step has one, and no story needs it */
        history_say(sim, WORLD_TRIP_NONE, "fault: %s", world_fault_name(fault));
    }
    return true;
}

uint32_t world_trip_of(const struct sim *sim, text_id trip_id)
{
    uint32_t trip = trip_id - sim->w->trip_text_first;

    return trip < sim->w->limits.trips ? trip : WORLD_TRIP_NONE;
}

void world_touch(struct sim *sim, uint32_t trip)
{
    if (trip != WORLD_TRIP_NONE) {
        trip_at(sim, trip)->dirty = 1;
        sim->any_dirty = 1;
    }
}

void world_break(struct sim *sim, const char *law, uint32_t trip)
{
    if (sim->violation.law == NULL) {
        sim->violation = (struct world_violation){law, trip};
        history_say(sim, trip, "VIOLATION: %s", law);
        history_say_work(sim);
    }
}

int64_t world_boot_ms(const struct sim *sim, uint32_t instance)
{
    return sim->w->now_ms - instance_at(sim, instance)->boot_base_ms;
}

int64_t world_wall_ms(const struct sim *sim, uint32_t instance)
{
    return sim->w->now_ms + instance_at(sim, instance)->skew_ms;
}

struct world_violation world_violation(const struct sim *sim)
{
    return sim->violation;
}

const struct world_stats *world_stats(const struct sim *sim)
{
    return &sim->stats;
}

int64_t world_now_ms(const struct sim *sim)
{
    return sim->w->now_ms;
}

void world_script(struct sim *sim, const uint32_t *choices, size_t count)
{
    sim->choices.script = choices;
    sim->choices.script_len = count;
}

void world_record(struct sim *sim, uint32_t *choices, size_t max)
{
    sim->choices.record = choices;
    sim->choices.record_max = max;
}

size_t world_recorded(const struct sim *sim)
{
    return sim->choices.record_len;
}
