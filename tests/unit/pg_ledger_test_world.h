/*
 * pg_ledger_test_world.h - a small ledger with two accounts, made anew for each test.
 */
#ifndef FAREBOX_PG_LEDGER_TEST_WORLD_H
#define FAREBOX_PG_LEDGER_TEST_WORLD_H

#include "pg_test_world.h"

#define LIMITS ((struct pg_ledger_limits){.orders_max = 8, .keys_max = 16, .pending_max = 4})

struct world {
    struct texts *texts;
    struct pg_ledger *ledger;
};

static inline int setup(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    world->texts = test_texts();
    world->ledger = pg_ledger_init(malloc(pg_ledger_size(&LIMITS)), &LIMITS);
    assert_true(pg_ledger_account_add(world->ledger, OUR_ACCOUNT));
    assert_true(pg_ledger_account_add(world->ledger, OTHER_ACCOUNT));
    *state = world;
    return 0;
}

static inline int teardown(void **state)
{
    struct world *world = *state;
    free(world->texts);
    free(world->ledger);
    free(world);
    return 0;
}

static inline struct pg_answer ask_with(struct world *w, struct pg_ledger_request request,
                                        struct pg_ledger_plan plan, int64_t now_ms)
{
    struct pg_answer answer;
    pg_ledger_execute(w->ledger, w->texts, &request, &plan, now_ms, &answer);
    return answer;
}

static inline struct pg_answer ask(struct world *w, struct pg_ledger_request request,
                                   int64_t now_ms)
{
    return ask_with(w, request, (struct pg_ledger_plan){0}, now_ms);
}

static inline struct pg_ledger_totals totals(struct world *w, uint32_t trip)
{
    struct uuid id = test_order(trip);
    return pg_ledger_totals(w->ledger, &id);
}

static inline text_id text(struct world *w, const char *string)
{
    return texts_intern_string(w->texts, string);
}

#define rule(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
