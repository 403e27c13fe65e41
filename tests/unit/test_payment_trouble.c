/* LIFE, "Upstream trouble" and "Breakers": whose fault trouble is, and how long a record waits. */
#include "payment_kit.h"

static struct pay looking_up(void)
{
    return pay_in(PHASE_LOOKING_UP);
}

/* Both upstreams answer trouble. */
static void trouble_twice(struct pay *w)
{
    pay_upstream(w, UPSTREAM_PRICING, UPSTREAM_TROUBLE);
    pay_upstream(w, UPSTREAM_USERS, UPSTREAM_TROUBLE);
}

static void upstream_trouble_is_retried_three_times_ever_later(void **state)
{
    (void)state;
    struct pay w = looking_up();
    int64_t longest_ms = SECOND_MS;
    for (int i = 0; i < 3; i++) {
        trouble_twice(&w);
        pay_is(&w, PHASE_LOOKUP_WAIT);
        assert_int_equal(w.out.dead_letter, DEAD_LETTER_NONE);
        assert_in_range(w.out.wake_ms - w.ctx.now_ms, longest_ms / 2, longest_ms);
        longest_ms *= 2;
        pay_timer(&w);
        assert_int_equal(w.out.calls, CALL_FARE | CALL_PAYER);
    }
    pay_fare(&w, FARE_KRW);
    pay_payer(&w);
    pay_is(&w, PHASE_OPENING);
}

static void only_what_is_missing_is_asked_again(void **state)
{
    (void)state;
    struct pay w = looking_up();
    pay_fare(&w, FARE_KRW);
    pay_upstream(&w, UPSTREAM_USERS, UPSTREAM_TROUBLE);
    pay_is(&w, PHASE_LOOKUP_WAIT);
    pay_timer(&w);
    assert_int_equal(w.out.calls, CALL_PAYER);
    pay_payer(&w);
    pay_is(&w, PHASE_OPENING);
}

static struct pay exhausted(enum upstream bad, int64_t last_good_ms)
{
    struct pay w = looking_up();
    for (int i = 0; i < 4; i++) {
        if (i > 0) {
            pay_timer(&w);
        } else if (bad == UPSTREAM_PRICING) {
            pay_payer(&w);
        } else {
            pay_fare(&w, FARE_KRW);
        }
        w.ctx.last_good_ms[bad] = last_good_ms;
        pay_upstream(&w, bad, UPSTREAM_TROUBLE);
    }
    return w;
}

/* Trap 13: the users' service being down is no verdict about this user. */
static void trap_13_an_upstream_that_is_down_opens_the_breaker_and_the_record_waits(void **state)
{
    (void)state;
    struct pay w = exhausted(UPSTREAM_USERS, INT64_MIN);
    pay_is(&w, PHASE_LOOKUP_WAIT);
    assert_int_equal(w.out.trip_breaker, 1 << GATE_USERS);
    assert_int_equal(w.out.dead_letter, DEAD_LETTER_NONE);
    assert_false(w.out.closed || w.out.acknowledge);

    w = exhausted(UPSTREAM_PRICING, w.ctx.now_ms - HOUR_MS); /* good once, but long before */
    pay_is(&w, PHASE_LOOKUP_WAIT);
    assert_int_equal(w.out.trip_breaker, 1 << GATE_PRICING);
}

static void trouble_is_the_records_own_where_the_upstream_answers_others(void **state)
{
    (void)state;
    struct pay w = exhausted(UPSTREAM_USERS, INT64_MAX);
    pay_is_closed(&w);
    assert_int_equal(w.out.dead_letter, DEAD_LETTER_USERS_TROUBLE);
    assert_int_equal(w.out.trip_breaker, 0);
    w = exhausted(UPSTREAM_PRICING, INT64_MAX);
    pay_is_closed(&w);
    assert_int_equal(w.out.dead_letter, DEAD_LETTER_PRICING_TROUBLE);
}

/* The outage begins after an answer that others got, perhaps after a bad try of the record's own.
 */
static void trap_13_an_outage_that_begins_between_two_tries_makes_no_dead_letter(void **state)
{
    (void)state;
    for (int own = 1; own <= 3; own++) {
        struct pay w = looking_up();
        pay_fare(&w, FARE_KRW);
        for (int i = 0; i < own; i++) {
            pay_advance(&w, 1);
            w.ctx.last_good_ms[UPSTREAM_USERS] = w.ctx.now_ms;
            pay_upstream(&w, UPSTREAM_USERS, UPSTREAM_TROUBLE);
            pay_is(&w, PHASE_LOOKUP_WAIT);
            pay_timer(&w);
        }
        for (int i = 0; i < 40; i++) {
            pay_upstream(&w, UPSTREAM_USERS, UPSTREAM_TROUBLE);
            pay_is(&w, PHASE_LOOKUP_WAIT);
            assert_int_equal(w.out.trip_breaker, i % 4 == 3 ? 1 << GATE_USERS : 0);
            pay_timer(&w);
        }
        pay_payer(&w);
        pay_is(&w, PHASE_OPENING);
    }
}

/* An outage uses up no try, and gives none back. */
static void a_record_that_fails_before_and_after_an_outage_becomes_a_dead_letter(void **state)
{
    (void)state;
    struct pay w = exhausted(UPSTREAM_USERS, INT64_MIN);
    pay_timer(&w);
    for (int i = 0; i < 4; i++) {
        pay_upstream(&w, UPSTREAM_USERS, UPSTREAM_TROUBLE);
        pay_timer(&w);
        assert_int_equal(w.out.dead_letter, DEAD_LETTER_NONE);
        pay_advance(&w, 1);
        w.ctx.last_good_ms[UPSTREAM_USERS] = w.ctx.now_ms;
        pay_upstream(&w, UPSTREAM_USERS, UPSTREAM_TROUBLE);
        if (i < 3) {
            pay_timer(&w);
        }
    }
    pay_is_closed(&w);
    assert_int_equal(w.out.dead_letter, DEAD_LETTER_USERS_TROUBLE);
}

static void after_an_outage_a_record_has_all_its_tries_again(void **state)
{
    (void)state;
    struct pay w = exhausted(UPSTREAM_USERS, INT64_MIN);
    pay_timer(&w);
    w.ctx.last_good_ms[UPSTREAM_USERS] = INT64_MAX;
    for (int i = 0; i < 3; i++) {
        pay_upstream(&w, UPSTREAM_USERS, UPSTREAM_TROUBLE);
        pay_is(&w, PHASE_LOOKUP_WAIT);
        pay_timer(&w);
    }
    pay_upstream(&w, UPSTREAM_USERS, UPSTREAM_TROUBLE);
    assert_int_equal(w.out.dead_letter, DEAD_LETTER_USERS_TROUBLE);
}

/* While a breaker is open nothing is claimed, no retry is consumed, nothing is dead-lettered. */
static void an_open_breaker_makes_a_record_wait_however_long(void **state)
{
    (void)state;
    for (int gate = 0; gate < GATE_COUNT; gate++) {
        struct pay w = pay_begin();
        w.ctx.gate_open[gate] = false;
        w.ctx.gate_next_ms[gate] = w.ctx.now_ms + MINUTE_MS;
        pay_arrive(&w);
        for (int i = 0; i < 1000; i++) {
            pay_is(&w, PHASE_LOOKUP_WAIT);
            assert_int_equal(w.out.calls, 0);
            assert_true(w.out.wake_ms > w.ctx.now_ms);
            pay_timer(&w);
        }
        w.ctx.gate_open[gate] = true;
        pay_timer(&w);
        assert_int_equal(w.out.calls, CALL_FARE | CALL_PAYER);
    }
}

static void trouble_while_the_breaker_is_open_consumes_no_retry(void **state)
{
    (void)state;
    struct pay w = looking_up();
    pay_fare(&w, FARE_KRW);
    w.ctx.last_good_ms[UPSTREAM_USERS] = w.ctx.now_ms; /* it answered, then it went down */
    for (int i = 0; i < 100; i++) {
        w.ctx.gate_open[GATE_USERS] = false; /* opened by others while our call was out */
        w.ctx.gate_next_ms[GATE_USERS] = w.ctx.now_ms + MINUTE_MS;
        pay_upstream(&w, UPSTREAM_USERS, UPSTREAM_TROUBLE);
        pay_is(&w, PHASE_LOOKUP_WAIT);
        assert_int_equal(w.out.dead_letter, DEAD_LETTER_NONE);
        pay_timer(&w);
        pay_is(&w, PHASE_LOOKUP_WAIT);
        assert_int_equal(w.out.calls, 0);
        w.ctx.gate_open[GATE_USERS] = true;
        pay_timer(&w);
        pay_is(&w, PHASE_LOOKING_UP);
    }
    pay_payer(&w);
    pay_is(&w, PHASE_OPENING);
}

static void nothing_is_claimed_while_the_pgs_breaker_is_open(void **state)
{
    (void)state;
    struct pay w = pay_in(PHASE_GATED);
    assert_false(w.out.submit || w.out.admit);
    pay_timer(&w);
    pay_is(&w, PHASE_GATED);
    assert_true(w.out.wake_ms > w.ctx.now_ms);
    w.ctx.gate_open[GATE_PG] = true;
    pay_timer(&w);
    pay_is(&w, PHASE_OPENING);
    assert_true(w.out.submit && w.out.admit);
}

/* Trap 17: whoever waited long may have changed the card: ask before the first charge. */
static void trap_17_fare_and_payer_are_asked_again_after_a_long_wait(void **state)
{
    (void)state;
    struct pay w = pay_in(PHASE_GATED);
    w.ctx.gate_open[GATE_PG] = true;
    pay_advance(&w, MINUTE_MS + 1);
    pay_timer(&w);
    pay_is(&w, PHASE_LOOKING_UP);
    assert_int_equal(w.out.calls, CALL_FARE | CALL_PAYER);
    pay_fare(&w, FARE_KRW);
    pay_upstream(&w, UPSTREAM_USERS, UPSTREAM_NOT_FOUND); /* the card is gone */
    pay_unit_is(&w, PAYMENT_ABSENT, PAYMENT_FAILED, OUTCOME_FAILED);

    w = pay_in(PHASE_GATED);
    w.ctx.gate_open[GATE_PG] = true;
    pay_advance(&w, MINUTE_MS);
    pay_timer(&w);
    pay_is(&w, PHASE_OPENING);
}

static void asking_again_after_a_wait_has_all_its_tries(void **state)
{
    (void)state;
    struct pay w = exhausted(UPSTREAM_USERS, INT64_MIN);
    pay_timer(&w);
    for (int i = 0; i < 3; i++) {
        pay_upstream(&w, UPSTREAM_USERS, UPSTREAM_TROUBLE);
        pay_timer(&w);
    }
    w.ctx.gate_open[GATE_PG] = false;
    w.ctx.gate_next_ms[GATE_PG] = w.ctx.now_ms + 2 * MINUTE_MS;
    pay_payer(&w);
    pay_is(&w, PHASE_GATED);
    w.ctx.gate_open[GATE_PG] = true;
    w.ctx.last_good_ms[UPSTREAM_USERS] = INT64_MAX;
    pay_timer(&w);
    trouble_twice(&w);
    pay_is(&w, PHASE_LOOKUP_WAIT);
    assert_int_equal(w.out.dead_letter, DEAD_LETTER_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(upstream_trouble_is_retried_three_times_ever_later),
        cmocka_unit_test(only_what_is_missing_is_asked_again),
        cmocka_unit_test(trap_13_an_upstream_that_is_down_opens_the_breaker_and_the_record_waits),
        cmocka_unit_test(trouble_is_the_records_own_where_the_upstream_answers_others),
        cmocka_unit_test(trap_13_an_outage_that_begins_between_two_tries_makes_no_dead_letter),
        cmocka_unit_test(a_record_that_fails_before_and_after_an_outage_becomes_a_dead_letter),
        cmocka_unit_test(after_an_outage_a_record_has_all_its_tries_again),
        cmocka_unit_test(an_open_breaker_makes_a_record_wait_however_long),
        cmocka_unit_test(trouble_while_the_breaker_is_open_consumes_no_retry),
        cmocka_unit_test(nothing_is_claimed_while_the_pgs_breaker_is_open),
        cmocka_unit_test(trap_17_fare_and_payer_are_asked_again_after_a_long_wait),
        cmocka_unit_test(asking_again_after_a_wait_has_all_its_tries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
