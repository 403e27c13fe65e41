/* How faults are chosen: rules, weights, lists of choices; that equal choices give equal worlds. */
#include "pg_fake_test_world.h"

static void rule_waits_takes_so_many_and_keeps_to_its_window(void **state)
{
    struct world *w = *state;
    struct pg_fake_rule rule = {.fault = PG_FAULT_TOO_MANY,
                                .order_id = test_order(1),
                                .ops = 1 << PG_LEDGER_LOOKUP,
                                .skip = 1,
                                .times = 2,
                                .from_ms = 5000,
                                .until_ms = 9000};
    assert_true(pg_fake_rule_add(w->fake, &rule));
    (void)call(w, test_charge(w->texts, 1, 15200), 5000);
    assert_int_equal(call(w, test_lookup(1), 4999).fault, PG_FAULT_NONE);
    assert_int_equal(call(w, test_lookup(1), 5000).fault, PG_FAULT_NONE); /* skipped */
    assert_int_equal(call(w, test_lookup(2), 5001).fault, PG_FAULT_NONE);
    assert_int_equal(call(w, test_lookup(1), 5002).fault, PG_FAULT_TOO_MANY);
    assert_int_equal(call(w, test_lookup(1), 9000).fault, PG_FAULT_NONE);
    assert_int_equal(call(w, test_lookup(1), 8999).fault, PG_FAULT_TOO_MANY);
    assert_int_equal(call(w, test_lookup(1), 8999).fault, PG_FAULT_NONE);
}

static void first_rule_that_fits_decides_and_their_number_is_bounded(void **state)
{
    struct world *w = *state;
    struct pg_fake_rule cancels_only = {.fault = PG_FAULT_CONSECUTIVE};
    struct pg_fake_rule broken = {.fault = PG_FAULT_BROKEN};
    struct pg_fake_rule slow = {.fault = PG_FAULT_SLOW};
    assert_true(pg_fake_rule_add(w->fake, &cancels_only));
    assert_true(pg_fake_rule_add(w->fake, &broken));
    assert_true(pg_fake_rule_add(w->fake, &slow));
    assert_true(pg_fake_rule_add(w->fake, &slow));
    assert_false(pg_fake_rule_add(w->fake, &slow));
    assert_int_equal(call(w, test_charge(w->texts, 1, 15200), 1).fault, PG_FAULT_BROKEN);
    assert_int_equal(call(w, test_cancel(w->texts, 1, 1), 1).fault, PG_FAULT_CONSECUTIVE);
}

static void fault_that_could_have_no_effect_does_not_happen(void **state)
{
    struct world *w = *state;
    (void)call(w, test_charge(w->texts, 1, 15200), 1000);
    static const enum pg_fault charging[] = {PG_FAULT_DECLINE, PG_FAULT_LATE, PG_FAULT_LOST_AFTER,
                                             PG_FAULT_WRONG_AMOUNT, PG_FAULT_ERROR_BEFORE};
    for (size_t i = 0; i < sizeof charging / sizeof charging[0]; i++) {
        next_fault(w, charging[i], 0);
        struct pg_fake_reply reply = call(w, test_charge(w->texts, 1, 15200), 2000);
        assert_int_equal(reply.fault, PG_FAULT_NONE); /* its key has an answer already */
        assert_int_equal(pg_fake_fault_count(w->fake, charging[i]), 0);
    }
}

static void faults_off_ends_rules_and_weights_but_not_what_is_late(void **state)
{
    (void)state;
    struct world w;
    struct pg_fake_config config = pg_fake_config_default();
    config.permille[PG_FAULT_NOT_SENT] = 1000;
    world_make(&w, &config);
    struct pg_fake_rule late = {.fault = PG_FAULT_LATE, .times = 1, .value = 5000};
    assert_true(pg_fake_rule_add(w.fake, &late));
    w.script.seed = 7;
    (void)call(&w, test_charge(w.texts, 1, 15200), 1000);
    assert_int_equal(call(&w, test_charge(w.texts, 2, 900), 1000).fault, PG_FAULT_NOT_SENT);
    pg_fake_faults_off(w.fake);
    assert_payment(call(&w, test_charge(w.texts, 2, 900), 1001).answer, PG_DONE, 900, 900);
    assert_payment(call(&w, test_lookup(1), 6000).answer, PG_DONE, 15200, 15200);
    world_clear(&w);
}

static void all_faults_on(struct pg_fake_config *config)
{
    *config = pg_fake_config_default();
    for (int fault = 1; fault < PG_FAULT_COUNT; fault++) {
        config->permille[fault] = 30;
    }
    assert_true(pg_fake_config_ok(config));
}

/* Some history: charges, look-ups and cancels of many trips, and time goes on. */
static int64_t live(struct world *w, uint32_t from, uint32_t until)
{
    int64_t now_ms = from * INT64_C(1000000);
    for (uint32_t i = from; i < until; i++) {
        uint32_t trip = i % 16;
        now_ms += call(w, test_charge(w->texts, trip, 1000 + trip), now_ms).delay_ms;
        now_ms += call(w, test_lookup(trip), now_ms).delay_ms;
        now_ms += call(w, test_cancel(w->texts, trip, (int)(i / 16)), now_ms).delay_ms;
    }
    return now_ms;
}

static void same_choices_give_the_same_bytes_and_other_choices_others(void **state)
{
    (void)state;
    struct pg_fake_config config;
    struct pg_fake_limits limits = LIMITS;
    struct world w[3];
    all_faults_on(&config);
    for (uint32_t i = 0; i < 3; i++) {
        world_make(&w[i], &config);
        w[i].script.seed = i == 2 ? 2 : 1;
        (void)live(&w[i], 0, 64);
    }
    assert_memory_equal(w[0].fake, w[1].fake, pg_fake_size(&limits));
    assert_memory_not_equal(w[0].fake, w[2].fake, pg_fake_size(&limits));
    for (uint32_t i = 0; i < 3; i++) {
        world_clear(&w[i]);
    }
}

static void copy_taken_in_the_middle_goes_on_the_same(void **state)
{
    (void)state;
    struct pg_fake_config config;
    struct pg_fake_limits limits = LIMITS;
    struct world w;
    all_faults_on(&config);
    world_make(&w, &config);
    w.script.seed = 3;
    (void)live(&w, 0, 32);
    struct world copy = w;
    copy.fake = malloc(pg_fake_size(&limits));
    memcpy(copy.fake, w.fake, pg_fake_size(&limits));
    copy.texts = test_texts(); /* handles are not part of the state */
    assert_int_equal(live(&w, 32, 64), live(&copy, 32, 64));
    assert_memory_equal(copy.fake, w.fake, pg_fake_size(&limits));
    world_clear(&w);
    world_clear(&copy);
}

static void every_fault_is_drawn_and_the_money_adds_up(void **state)
{
    (void)state;
    struct pg_fake_config config;
    uint32_t counts[PG_FAULT_COUNT] = {0};
    all_faults_on(&config);
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct world w;
        world_make(&w, &config);
        w.script.seed = seed;
        (void)live(&w, 0, 64);
        for (int fault = 0; fault < PG_FAULT_COUNT; fault++) {
            counts[fault] += pg_fake_fault_count(w.fake, (enum pg_fault)fault);
        }
        for (uint32_t trip = 0; trip < 16; trip++) {
            struct pg_ledger_totals t = totals(&w, trip);
            assert_true(t.approvals <= 1 && t.refunded_krw <= t.captured_krw);
            assert_true(t.refunded_outside_krw <= t.refunded_krw);
        }
        assert_int_equal(pg_ledger_overflows(pg_fake_ledger_view(w.fake)), 0);
        world_clear(&w);
    }
    for (int fault = 0; fault < PG_FAULT_COUNT; fault++) {
        if (counts[fault] == 0) {
            fail_msg("never happened: %s", pg_fault_name((enum pg_fault)fault));
        }
    }
}

static void uniform_draws_one_choice_for_each_possible_fault(void **state)
{
    (void)state;
    struct pg_fake_config config = pg_fake_config_default();
    config.uniform = 1;
    config.permille[PG_FAULT_LATE] = 1;
    config.permille[PG_FAULT_LOST_AFTER] = 1;
    config.permille[PG_FAULT_STALE] = 1;
    static const uint32_t picks[] = {2, 1};
    struct world w;
    world_make(&w, &config);
    w.script = (struct script){.choices = picks, .count = 2};
    struct pg_fake_reply reply = call(&w, test_charge(w.texts, 1, 15200), 1000);
    assert_int_equal(reply.fault, PG_FAULT_LATE); /* 0 none, 1 lost after, 2 late; not stale */
    assert_int_equal(pg_fake_next_due(w.fake), 1000 + config.late_long_max_ms);
    assert_int_equal(w.script.asked, 2);
    world_clear(&w);
}

static void late_is_within_its_bounds_and_some_is_within_the_long_one(void **state)
{
    (void)state;
    struct pg_fake_config config = pg_fake_config_default();
    config.permille[PG_FAULT_LATE] = 1000;
    config.late_long_permille = 500;
    int lengthy = 0;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct world w;
        world_make(&w, &config);
        w.script.seed = seed * 77777;
        (void)call(&w, test_charge(w.texts, 1, 15200), 0);
        int64_t due = pg_fake_next_due(w.fake);
        assert_true(due >= 1 && due <= config.late_long_max_ms);
        lengthy += due > config.late_short_max_ms;
        world_clear(&w);
    }
    assert_true(lengthy > 5 && lengthy < 35);
}

static void config_out_of_range_is_not_ok(void **state)
{
    (void)state;
    struct pg_fake_config config = pg_fake_config_default();
    assert_true(pg_fake_config_ok(&config));
    config.permille[PG_FAULT_LATE] = 600;
    config.permille[PG_FAULT_DECLINE] = 401;
    assert_false(pg_fake_config_ok(&config));
    config = pg_fake_config_default();
    config.latency_max_ms = config.latency_min_ms - 1;
    assert_false(pg_fake_config_ok(&config));
    config = pg_fake_config_default();
    config.late_long_max_ms = INT64_C(1) << 40;
    assert_false(pg_fake_config_ok(&config));
}

static void smallest_pg_is_below_a_kibibyte(void **state)
{
    (void)state;
    struct pg_fake_limits tiny = {.ledger = {.orders_max = 2, .keys_max = 4, .pending_max = 2},
                                  .rules_max = 0};
    assert_true(pg_fake_size(&tiny) <= 1024);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        rule(rule_waits_takes_so_many_and_keeps_to_its_window),
        rule(first_rule_that_fits_decides_and_their_number_is_bounded),
        rule(fault_that_could_have_no_effect_does_not_happen),
        rule(faults_off_ends_rules_and_weights_but_not_what_is_late),
        rule(same_choices_give_the_same_bytes_and_other_choices_others),
        rule(copy_taken_in_the_middle_goes_on_the_same),
        rule(every_fault_is_drawn_and_the_money_adds_up),
        rule(uniform_draws_one_choice_for_each_possible_fault),
        rule(late_is_within_its_bounds_and_some_is_within_the_long_one),
        rule(config_out_of_range_is_not_ok),
        rule(smallest_pg_is_below_a_kibibyte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
