/*
 * pg_fake_test_world.h - a fake PG in a block, and choices from a list or a small generator.
 */
#ifndef FAREBOX_PG_FAKE_TEST_WORLD_H
#define FAREBOX_PG_FAKE_TEST_WORLD_H

#include "pg_test_world.h"

#define LIMITS                                                                                     \
    ((struct pg_fake_limits){.ledger = {.orders_max = 64, .keys_max = 128, .pending_max = 8},      \
                             .rules_max = 4})

/* Plays back a list of choices; beyond its end, 0. */
struct script {
    const uint32_t *choices;
    uint32_t count;
    uint32_t at;
    uint32_t asked;
    uint64_t seed; /* not 0: a small generator instead of the list */
};

static inline uint32_t script_choose(void *ctx, uint32_t n, const char *label)
{
    struct script *script = ctx;
    assert_true(n >= 2);
    assert_non_null(label);
    script->asked++;
    if (script->seed != 0) {
        script->seed = script->seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
        return (uint32_t)(script->seed >> 33) % n;
    }
    return script->at < script->count ? script->choices[script->at++] % n : 0;
}

struct world {
    struct texts *texts;
    struct pg_fake *fake;
    struct script script;
    struct chooser chooser;
};

static inline void world_make(struct world *w, const struct pg_fake_config *config)
{
    struct pg_fake_limits limits = LIMITS;
    memset(w, 0, sizeof *w);
    w->texts = test_texts();
    w->fake = pg_fake_init(malloc(pg_fake_size(&limits)), &limits, config);
    assert_true(pg_ledger_account_add(pg_fake_ledger(w->fake), OUR_ACCOUNT));
}

static inline int setup(void **state)
{
    struct world *w = malloc(sizeof *w);
    struct pg_fake_config config = pg_fake_config_default();
    config.latency_min_ms = config.latency_max_ms = 30;
    world_make(w, &config);
    *state = w;
    return 0;
}

static inline void world_clear(struct world *w)
{
    free(w->texts);
    free(w->fake);
}

static inline int teardown(void **state)
{
    world_clear(*state);
    free(*state);
    return 0;
}

static inline struct pg_fake_reply call(struct world *w, struct pg_ledger_request request,
                                        int64_t now_ms)
{
    struct pg_fake_reply reply;
    w->chooser = (struct chooser){.choose = script_choose, .ctx = &w->script};
    pg_fake_call(w->fake, w->texts, &request, now_ms, &w->chooser, &reply);
    return reply;
}

/* The next call that fits gets this fault, once. */
static inline void next_fault(struct world *w, enum pg_fault fault, int64_t value)
{
    struct pg_fake_rule rule = {.fault = (uint8_t)fault, .times = 1, .value = value};
    pg_fake_rules_clear(w->fake);
    assert_true(pg_fake_rule_add(w->fake, &rule));
}

static inline struct pg_ledger_totals totals(struct world *w, uint32_t trip)
{
    struct uuid id = test_order(trip);
    return pg_ledger_totals(pg_fake_ledger_view(w->fake), &id);
}

#define rule(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
