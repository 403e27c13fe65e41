/* Pricing and users: what is for good, what passes, and that it is all chosen from outside. */
#include "upstream_fake.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define OVERRIDES_MAX 4

struct world {
    struct texts *texts;
    struct upstream_fake *fake;
    struct upstream_fake_config config;
    uint32_t pick;  /* what the chooser answers */
    uint32_t asked; /* how often */
    uint64_t seed;  /* not 0: a small generator instead of `pick` */
};

static uint32_t world_choose(void *ctx, uint32_t n, const char *label)
{
    struct world *w = ctx;
    assert_true(n >= 2);
    assert_non_null(label);
    w->asked++;
    if (w->seed != 0) {
        w->seed = w->seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
        return (uint32_t)(w->seed >> 33) % n;
    }
    return w->pick % n;
}

static void world_start(struct world *w)
{
    (void)upstream_fake_init(w->fake, OVERRIDES_MAX, &w->config);
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    w->texts = texts_init(malloc(texts_size(256, 16384)), 256, 16384);
    w->fake = malloc(upstream_fake_size(OVERRIDES_MAX));
    w->config = upstream_fake_config_default();
    w->config.latency_min_ms = w->config.latency_max_ms = 20;
    world_start(w);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    free(w->texts);
    free(w->fake);
    free(w);
    return 0;
}

static struct upstream_reply ask(struct world *w, enum upstream upstream, const char *id,
                                 int64_t now_ms)
{
    struct chooser chooser = {.choose = world_choose, .ctx = w};
    struct upstream_call call = {.upstream = (uint8_t)upstream,
                                 .id = texts_intern_string(w->texts, id),
                                 .distance_meters = 8200,
                                 .duration_seconds = 1260};
    struct upstream_reply reply;
    upstream_fake_call(w->fake, w->texts, &call, now_ms, &chooser, &reply);
    return reply;
}

static void override(struct world *w, enum upstream upstream, const char *id,
                     enum upstream_override_kind kind, int64_t fare_krw)
{
    assert_true(upstream_fake_override(w->fake, upstream, id, strlen(id), kind, fare_krw));
}

static void fare_is_a_function_of_distance_and_duration(void **state)
{
    struct world *w = *state;
    struct upstream_reply reply = ask(w, UPSTREAM_PRICING, "trip-1", 0);
    assert_int_equal(reply.answer.kind, UPSTREAM_OK);
    /* 4,800 + 8.2 km x 760 + 21 min x 200, whole hundreds */
    assert_int_equal(reply.answer.fare_krw, 15200);
    assert_int_equal(ask(w, UPSTREAM_PRICING, "trip-2", 99).answer.fare_krw, 15200);
    assert_int_equal(upstream_fake_fare(w->fake, "trip-1", 6, 8200, 1260), 15200);
    assert_int_equal(reply.delay_ms, 20);
    assert_int_equal(w->asked, 0);
}

static void nothing_driven_costs_nothing(void **state)
{
    struct world *w = *state;
    assert_int_equal(upstream_fake_fare(w->fake, "t", 1, 0, 0), 0);
    assert_int_equal(upstream_fake_fare(w->fake, "t", 1, 0, 1), 4800);
}

static void fare_of_impossible_trips_stays_in_range(void **state)
{
    struct world *w = *state;
    w->config.km_krw = w->config.minute_krw = w->config.base_krw = INT32_MAX;
    world_start(w);
    assert_true(upstream_fake_fare(w->fake, "t", 1, INT64_MAX, INT64_MAX) > 10000000);
    assert_true(upstream_fake_fare(w->fake, "t", 1, INT64_MIN, INT64_MIN) >= 0);
}

static void same_user_has_the_same_card_at_every_call(void **state)
{
    struct world *w = *state;
    struct upstream_answer first = ask(w, UPSTREAM_USERS, "user-1", 0).answer;
    struct upstream_answer again = ask(w, UPSTREAM_USERS, "user-1", 5000).answer;
    struct upstream_answer other = ask(w, UPSTREAM_USERS, "user-2", 0).answer;
    assert_int_equal(first.kind, UPSTREAM_OK);
    assert_memory_equal(&first, &again, sizeof first);
    assert_int_not_equal(first.billing_key, other.billing_key);
    assert_int_not_equal(first.method_id, other.method_id);
    assert_non_null(strchr(texts_string(w->texts, first.billing_key), '='));
}

static void override_holds_at_every_call_for_its_trip_only(void **state)
{
    struct world *w = *state;
    override(w, UPSTREAM_PRICING, "free", UPSTREAM_OVERRIDE_FARE, 0);
    override(w, UPSTREAM_PRICING, "huge", UPSTREAM_OVERRIDE_FARE, 10000001);
    override(w, UPSTREAM_PRICING, "negative", UPSTREAM_OVERRIDE_FARE, -1);
    override(w, UPSTREAM_PRICING, "half", UPSTREAM_OVERRIDE_NOT_WHOLE, 0);
    for (int64_t now = 0; now < 2; now++) {
        assert_int_equal(ask(w, UPSTREAM_PRICING, "free", now).answer.kind, UPSTREAM_OK);
        assert_int_equal(ask(w, UPSTREAM_PRICING, "free", now).answer.fare_krw, 0);
        assert_int_equal(ask(w, UPSTREAM_PRICING, "huge", now).answer.fare_krw, 10000001);
        assert_int_equal(ask(w, UPSTREAM_PRICING, "negative", now).answer.kind, UPSTREAM_REFUSED);
        assert_int_equal(ask(w, UPSTREAM_PRICING, "half", now).answer.kind, UPSTREAM_REFUSED);
        assert_int_equal(ask(w, UPSTREAM_PRICING, "fre", now).answer.fare_krw, 15200);
    }
    assert_int_equal(ask(w, UPSTREAM_USERS, "free", 0).answer.kind, UPSTREAM_OK);
    assert_int_equal(upstream_fake_fare(w->fake, "huge", 4, 1, 1), 10000001);
    assert_int_equal(upstream_fake_fare(w->fake, "negative", 8, 1, 1), -1);
    assert_int_equal(upstream_fake_fare(w->fake, "half", 4, 1, 1), -1);
}

static void user_without_payment_method_is_not_found(void **state)
{
    struct world *w = *state;
    override(w, UPSTREAM_USERS, "nobody", UPSTREAM_OVERRIDE_NOT_FOUND, 0);
    override(w, UPSTREAM_USERS, "bad", UPSTREAM_OVERRIDE_REFUSED, 0);
    override(w, UPSTREAM_USERS, "poison", UPSTREAM_OVERRIDE_TROUBLE, 0);
    struct upstream_answer nobody = ask(w, UPSTREAM_USERS, "nobody", 0).answer;
    assert_int_equal(nobody.kind, UPSTREAM_NOT_FOUND);
    assert_int_equal(nobody.method_id, texts_find(w->texts, "", 0)); /* what the row will hold */
    assert_int_not_equal(nobody.method_id, TEXT_NONE);
    assert_int_equal(ask(w, UPSTREAM_USERS, "bad", 0).answer.kind, UPSTREAM_REFUSED);
    assert_int_equal(ask(w, UPSTREAM_USERS, "poison", 0).answer.kind, UPSTREAM_TROUBLE);
    assert_int_equal(ask(w, UPSTREAM_USERS, "user-1", 0).answer.kind, UPSTREAM_OK);
    override(w, UPSTREAM_USERS, "poison", UPSTREAM_OVERRIDE_NOT_FOUND, 0); /* replaced */
    assert_int_equal(ask(w, UPSTREAM_USERS, "poison", 0).answer.kind, UPSTREAM_NOT_FOUND);
}

static void overrides_are_bounded(void **state)
{
    struct world *w = *state;
    static const char *const ids[OVERRIDES_MAX] = {"a", "b", "c", "d"};
    for (int i = 0; i < OVERRIDES_MAX; i++) {
        override(w, UPSTREAM_PRICING, ids[i], UPSTREAM_OVERRIDE_FARE, i);
    }
    assert_false(
        upstream_fake_override(w->fake, UPSTREAM_PRICING, "e", 1, UPSTREAM_OVERRIDE_FARE, 5));
    override(w, UPSTREAM_PRICING, "b", UPSTREAM_OVERRIDE_FARE, 9);
    assert_int_equal(ask(w, UPSTREAM_PRICING, "b", 0).answer.fare_krw, 9);
}

static void outage_is_trouble_from_its_begin_until_its_end(void **state)
{
    struct world *w = *state;
    upstream_fake_outage(w->fake, UPSTREAM_PRICING, 1000, 5000);
    assert_int_equal(ask(w, UPSTREAM_PRICING, "t", 999).answer.kind, UPSTREAM_OK);
    assert_int_equal(ask(w, UPSTREAM_PRICING, "t", 1000).answer.kind, UPSTREAM_TROUBLE);
    assert_int_equal(ask(w, UPSTREAM_USERS, "u", 1000).answer.kind, UPSTREAM_OK);
    assert_int_equal(ask(w, UPSTREAM_PRICING, "t", 4999).answer.kind, UPSTREAM_TROUBLE);
    assert_int_equal(ask(w, UPSTREAM_PRICING, "t", 5000).answer.kind, UPSTREAM_OK);
    assert_int_equal(upstream_fake_fault_count(w->fake, UPSTREAM_PRICING, UPSTREAM_FAULT_OUTAGE),
                     2);
}

static void customer_changes_card_between_two_calls(void **state) /* trap 17 */
{
    struct world *w = *state;
    text_id before = ask(w, UPSTREAM_USERS, "user-1", 0).answer.billing_key;
    upstream_fake_change_cards(w->fake);
    text_id after = ask(w, UPSTREAM_USERS, "user-1", 1).answer.billing_key;
    assert_int_not_equal(before, after);
    w->config.permille[UPSTREAM_USERS][UPSTREAM_FAULT_CARD_CHANGE] = 1000;
    world_start(w);
    w->pick = 999;
    text_id drawn = ask(w, UPSTREAM_USERS, "user-1", 0).answer.billing_key;
    assert_int_equal(drawn, after);
    assert_int_equal(ask(w, UPSTREAM_PRICING, "t", 0).fault, UPSTREAM_FAULT_NONE);
}

static void weights_draw_trouble_and_timeouts_until_faults_are_off(void **state)
{
    struct world *w = *state;
    w->config.permille[UPSTREAM_PRICING][UPSTREAM_FAULT_TROUBLE] = 300;
    w->config.permille[UPSTREAM_PRICING][UPSTREAM_FAULT_TIMEOUT] = 300;
    world_start(w);
    w->seed = 1;
    for (int64_t now = 0; now < 1000; now++) {
        struct upstream_reply reply = ask(w, UPSTREAM_PRICING, "t", now);
        bool good = reply.fault == UPSTREAM_FAULT_NONE;
        assert_int_equal(reply.answer.kind, good ? UPSTREAM_OK : UPSTREAM_TROUBLE);
        assert_int_equal(reply.delay_ms, reply.fault == UPSTREAM_FAULT_TIMEOUT ? 1200 : 20);
    }
    for (int fault = UPSTREAM_FAULT_NONE; fault <= UPSTREAM_FAULT_TIMEOUT; fault++) {
        uint32_t seen =
            upstream_fake_fault_count(w->fake, UPSTREAM_PRICING, (enum upstream_fault)fault);
        assert_true(seen > 200 && seen < 500);
    }
    upstream_fake_outage(w->fake, UPSTREAM_PRICING, 0, INT64_MAX);
    upstream_fake_faults_off(w->fake);
    for (int64_t now = 0; now < 100; now++) {
        assert_int_equal(ask(w, UPSTREAM_PRICING, "t", now).answer.kind, UPSTREAM_OK);
    }
}

static void uniform_has_one_choice_for_each_possible_fault(void **state)
{
    struct world *w = *state;
    w->config.uniform = 1;
    w->config.permille[UPSTREAM_USERS][UPSTREAM_FAULT_TIMEOUT] = 1;
    w->config.permille[UPSTREAM_USERS][UPSTREAM_FAULT_CARD_CHANGE] = 1;
    world_start(w);
    w->pick = 1;
    assert_int_equal(ask(w, UPSTREAM_USERS, "u", 0).fault, UPSTREAM_FAULT_TIMEOUT);
    w->pick = 2;
    assert_int_equal(ask(w, UPSTREAM_USERS, "u", 0).fault, UPSTREAM_FAULT_CARD_CHANGE);
    w->pick = 3;
    assert_int_equal(ask(w, UPSTREAM_USERS, "u", 0).fault, UPSTREAM_FAULT_NONE);
    assert_int_equal(w->asked, 3);
}

static void answer_that_has_no_room_for_its_texts_is_trouble(void **state)
{
    struct world *w = *state;
    (void)texts_init(w->texts, 2, 16384);
    assert_int_equal(ask(w, UPSTREAM_USERS, "user-1", 0).answer.kind, UPSTREAM_TROUBLE);
}

static void same_choices_give_the_same_bytes(void **state)
{
    struct world *w = *state;
    struct world other = *w;
    for (int fault = 1; fault < UPSTREAM_FAULT_OUTAGE; fault++) {
        w->config.permille[UPSTREAM_USERS][fault] = 300;
    }
    world_start(w);
    other.fake = malloc(upstream_fake_size(OVERRIDES_MAX));
    memcpy(other.fake, w->fake, upstream_fake_size(OVERRIDES_MAX));
    w->seed = other.seed = 5;
    for (int64_t now = 0; now < 50; now++) {
        struct upstream_reply a = ask(w, UPSTREAM_USERS, "u", now);
        struct upstream_reply b = ask(&other, UPSTREAM_USERS, "u", now);
        assert_memory_equal(&a, &b, sizeof a);
    }
    assert_memory_equal(w->fake, other.fake, upstream_fake_size(OVERRIDES_MAX));
    free(other.fake);
}

static void config_out_of_range_is_not_ok(void **state)
{
    struct world *w = *state;
    assert_true(upstream_fake_config_ok(&w->config));
    w->config.permille[UPSTREAM_USERS][UPSTREAM_FAULT_TROUBLE] = 600;
    w->config.permille[UPSTREAM_USERS][UPSTREAM_FAULT_TIMEOUT] = 401;
    assert_false(upstream_fake_config_ok(&w->config));
    w->config = upstream_fake_config_default();
    w->config.latency_max_ms = -1;
    assert_false(upstream_fake_config_ok(&w->config));
}

#define rule(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        rule(fare_is_a_function_of_distance_and_duration),
        rule(nothing_driven_costs_nothing),
        rule(fare_of_impossible_trips_stays_in_range),
        rule(same_user_has_the_same_card_at_every_call),
        rule(override_holds_at_every_call_for_its_trip_only),
        rule(user_without_payment_method_is_not_found),
        rule(overrides_are_bounded),
        rule(outage_is_trouble_from_its_begin_until_its_end),
        rule(customer_changes_card_between_two_calls),
        rule(weights_draw_trouble_and_timeouts_until_faults_are_off),
        rule(uniform_has_one_choice_for_each_possible_fault),
        rule(answer_that_has_no_room_for_its_texts_is_trouble),
        rule(same_choices_give_the_same_bytes),
        rule(config_out_of_range_is_not_ok),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
