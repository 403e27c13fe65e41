#include "breaker.h"
#include "unit_support.h"

#include <string.h>

static const struct breaker_config config = BREAKER_DEFAULTS;

static struct breaker_config config_of_pg(void)
{
    struct breaker_config pg = BREAKER_DEFAULTS;
    pg.one_at_a_time = true;
    return pg;
}

static uint32_t admit(struct breaker *breaker, const struct breaker_config *with, int64_t now_ms)
{
    assert_true(breaker_admits(breaker, with, now_ms));
    assert_true(breaker_admit(breaker, with, now_ms));
    breaker_check(breaker, with);
    return breaker_round(breaker);
}

static void refuse(struct breaker *breaker, const struct breaker_config *with, int64_t now_ms)
{
    struct breaker before = *breaker;
    assert_false(breaker_admits(breaker, with, now_ms));
    assert_false(breaker_admit(breaker, with, now_ms));
    assert_memory_equal(breaker, &before, sizeof(before));
}

static void verdict(struct breaker *breaker, const struct breaker_config *with, int64_t now_ms,
                    uint32_t round, enum breaker_verdict how)
{
    breaker_verdict(breaker, with, now_ms, round, how);
    breaker_check(breaker, with);
}

static void call(struct breaker *breaker, const struct breaker_config *with, int64_t now_ms,
                 enum breaker_verdict how)
{
    verdict(breaker, with, now_ms, admit(breaker, with, now_ms), how);
}

/* Opened at 0 for the first time, until 15000. */
static struct breaker breaker_opened(void)
{
    struct breaker breaker;
    breaker_init(&breaker);
    for (int i = 0; i < 10; i++) {
        call(&breaker, &config, 0, BREAKER_BAD);
    }
    assert_int_equal(breaker.state, BREAKER_OPEN);
    return breaker;
}

static struct breaker breaker_in(enum breaker_state state)
{
    struct breaker breaker;
    breaker_init(&breaker);
    if (state == BREAKER_CLOSED) {
        /* Not the first round, so that there can be late ends. */
        breaker_trip(&breaker, &config, -15000);
        for (uint32_t i = 0; i < config.probes; i++) {
            call(&breaker, &config, 0, BREAKER_GOOD);
        }
    } else {
        breaker = breaker_opened();
    }
    if (state == BREAKER_HALF_OPEN) {
        (void)admit(&breaker, &config, 15000);
    }
    breaker_check(&breaker, &config);
    assert_int_equal(breaker.state, state);
    return breaker;
}

/* Every cell of the table. */

enum event { ADMIT, GOOD, BAD, FORGET, LATE_GOOD, LATE_BAD, LATE_FORGET, TRIP, EVENT_COUNT };

/* What is seen from outside. */
enum seen {
    BROKEN,          /* ends the process */
    UNCHANGED,       /* not a bit of the breaker differs */
    COUNTED,         /* CLOSED, one more call in the window */
    PROBING,         /* HALF_OPEN, a new round with one probe outstanding */
    ONE_MORE_PROBE,  /* HALF_OPEN, the same round */
    ONE_PROBE_GOOD,  /* one outstanding less, one good more */
    ONE_PROBE_LESS,  /* one outstanding less */
    OPEN_FIRST_TIME, /* OPEN for open_ms */
    OPEN_TWICE_AS_LONG,
    OPEN_ANEW, /* OPEN for the same time from now */
};

static const enum seen table[BREAKER_STATE_COUNT][EVENT_COUNT] = {
    [BREAKER_CLOSED] = {UNCHANGED, COUNTED, COUNTED, UNCHANGED, COUNTED, COUNTED, UNCHANGED,
                        OPEN_FIRST_TIME},
    [BREAKER_OPEN] = {PROBING, BROKEN, BROKEN, BROKEN, UNCHANGED, UNCHANGED, UNCHANGED, OPEN_ANEW},
    [BREAKER_HALF_OPEN] = {ONE_MORE_PROBE, ONE_PROBE_GOOD, OPEN_TWICE_AS_LONG, ONE_PROBE_LESS,
                           UNCHANGED, UNCHANGED, UNCHANGED, OPEN_TWICE_AS_LONG},
};

#define AT_MS INT64_C(20000)

struct happening {
    struct breaker breaker;
    enum event event;
};

static void happen(void *context)
{
    struct happening *happening = context;
    struct breaker *breaker = &happening->breaker;
    uint32_t round = breaker_round(breaker);
    switch (happening->event) {
    case ADMIT:
        assert_true(breaker_admit(breaker, &config, AT_MS));
        break;
    case GOOD:
        breaker_verdict(breaker, &config, AT_MS, round, BREAKER_GOOD);
        break;
    case BAD:
        breaker_verdict(breaker, &config, AT_MS, round, BREAKER_BAD);
        break;
    case FORGET:
        breaker_forget(breaker, &config, round);
        break;
    case LATE_GOOD:
        breaker_verdict(breaker, &config, AT_MS, round - 1, BREAKER_GOOD);
        break;
    case LATE_BAD:
        breaker_verdict(breaker, &config, AT_MS, round - 1, BREAKER_BAD);
        break;
    case LATE_FORGET:
        breaker_forget(breaker, &config, round - 1);
        break;
    case TRIP:
        breaker_trip(breaker, &config, AT_MS);
        break;
    case EVENT_COUNT:
        fail();
    }
    breaker_check(breaker, &config);
}

static void assert_open(const struct breaker *after, const struct breaker *before, int64_t open_ms,
                        uint32_t rounds)
{
    assert_int_equal(after->state, BREAKER_OPEN);
    assert_int_equal(after->round, before->round + rounds);
    assert_int_equal(after->open_ms, open_ms);
    assert_int_equal(breaker_next_ms(after), AT_MS + open_ms);
    assert_false(breaker_admits(after, &config, AT_MS + open_ms - 1));
    assert_true(breaker_admits(after, &config, AT_MS + open_ms));
}

static void assert_probes(const struct breaker *after, uint32_t round, int outstanding, int good)
{
    assert_int_equal(after->state, BREAKER_HALF_OPEN);
    assert_int_equal(after->round, round);
    assert_int_equal(after->outstanding, outstanding);
    assert_int_equal(after->good, good);
}

static void assert_seen(const struct breaker *after, const struct breaker *before, enum seen seen)
{
    switch (seen) {
    case UNCHANGED:
        assert_memory_equal(after, before, sizeof(*after));
        break;
    case COUNTED:
        assert_int_equal(after->state, BREAKER_CLOSED);
        assert_int_equal(after->round, before->round);
        assert_int_equal(after->calls, before->calls + 1);
        break;
    case PROBING:
        assert_probes(after, before->round + 1, 1, 0);
        break;
    case ONE_MORE_PROBE:
        assert_probes(after, before->round, before->outstanding + 1, before->good);
        break;
    case ONE_PROBE_GOOD:
        assert_probes(after, before->round, before->outstanding - 1, before->good + 1);
        break;
    case ONE_PROBE_LESS:
        assert_probes(after, before->round, before->outstanding - 1, before->good);
        break;
    case OPEN_FIRST_TIME:
        assert_open(after, before, config.open_ms, 1);
        break;
    case OPEN_TWICE_AS_LONG:
        assert_open(after, before, before->open_ms * 2, 1);
        break;
    case OPEN_ANEW:
        assert_open(after, before, before->open_ms, 0);
        break;
    case BROKEN:
        fail();
    }
}

static void every_cell_of_the_table_does_what_it_says(void **state)
{
    (void)state;
    for (int from = 0; from < BREAKER_STATE_COUNT; from++) {
        for (int event = 0; event < EVENT_COUNT; event++) {
            struct happening happening;
            memset(&happening, 0, sizeof(happening));
            happening.breaker = breaker_in((enum breaker_state)from);
            happening.event = (enum event)event;
            struct breaker before;
            memcpy(&before, &happening.breaker, sizeof(before));
            if (table[from][event] == BROKEN) {
                assert_true(ends_the_process(happen, &happening));
                continue;
            }
            happen(&happening);
            assert_seen(&happening.breaker, &before, table[from][event]);
        }
    }
}

/* Stories. */

static void fewer_calls_than_the_minimum_prove_nothing(void **state)
{
    (void)state;
    struct breaker breaker;
    breaker_init(&breaker);
    for (int i = 0; i < 9; i++) {
        call(&breaker, &config, 0, BREAKER_BAD);
        assert_int_equal(breaker.state, BREAKER_CLOSED);
    }
    call(&breaker, &config, 0, BREAKER_BAD);
    assert_int_equal(breaker.state, BREAKER_OPEN);
}

static void it_opens_at_half_of_the_calls(void **state)
{
    (void)state;
    struct breaker breaker;
    breaker_init(&breaker);
    for (int i = 0; i < 6; i++) {
        call(&breaker, &config, 0, BREAKER_GOOD);
    }
    for (int i = 0; i < 5; i++) {
        call(&breaker, &config, 0, BREAKER_BAD);
        assert_int_equal(breaker.state, BREAKER_CLOSED);
    }
    call(&breaker, &config, 0, BREAKER_BAD);
    assert_int_equal(breaker.state, BREAKER_OPEN);
}

static void only_the_last_hundred_calls_count(void **state)
{
    (void)state;
    struct breaker breaker;
    breaker_init(&breaker);
    for (int i = 0; i < 500; i++) {
        call(&breaker, &config, 0, BREAKER_GOOD);
    }
    for (int i = 0; i < 49; i++) {
        call(&breaker, &config, 0, BREAKER_BAD);
    }
    assert_int_equal(breaker.state, BREAKER_CLOSED);
    for (int i = 0; i < 51; i++) {
        call(&breaker, &config, 0, BREAKER_GOOD);
    }
    /* The window now begins with the 49 bad ones: each further bad call pushes one out. */
    for (int i = 0; i < 49; i++) {
        call(&breaker, &config, 0, BREAKER_BAD);
        assert_int_equal(breaker.state, BREAKER_CLOSED);
    }
    call(&breaker, &config, 0, BREAKER_BAD);
    assert_int_equal(breaker.state, BREAKER_OPEN);
}

static void five_good_probes_close_it_with_an_empty_window(void **state)
{
    (void)state;
    struct breaker breaker = breaker_opened();
    refuse(&breaker, &config, 14999);
    assert_int_equal(breaker_next_ms(&breaker), 15000);
    uint32_t round = 0;
    for (int i = 0; i < 5; i++) {
        round = admit(&breaker, &config, 15000);
    }
    refuse(&breaker, &config, 15000);
    assert_int_equal(breaker_next_ms(&breaker), INT64_MAX);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(breaker.state, BREAKER_HALF_OPEN);
        verdict(&breaker, &config, 16000, round, BREAKER_GOOD);
        if (i < 4) {
            refuse(&breaker, &config, 16000); /* five probes in all */
        }
    }
    assert_int_equal(breaker.state, BREAKER_CLOSED);
    assert_int_equal(breaker.calls, 0);
    assert_int_equal(breaker_next_ms(&breaker), INT64_MAX);
}

static void each_failed_round_doubles_the_open_time_up_to_its_limit(void **state)
{
    (void)state;
    static const int64_t open_ms[] = {15000, 30000, 60000, 120000, 240000, 300000, 300000};
    struct breaker breaker = breaker_opened();
    int64_t now_ms = 0;
    for (size_t i = 0; i < sizeof(open_ms) / sizeof(open_ms[0]); i++) {
        assert_int_equal(breaker_next_ms(&breaker), now_ms + open_ms[i]);
        now_ms = breaker_next_ms(&breaker);
        call(&breaker, &config, now_ms, BREAKER_BAD);
    }
    now_ms = breaker_next_ms(&breaker);
    for (int i = 0; i < 5; i++) {
        call(&breaker, &config, now_ms, BREAKER_GOOD);
    }
    assert_int_equal(breaker.state, BREAKER_CLOSED);
    breaker_trip(&breaker, &config, now_ms);
    assert_int_equal(breaker_next_ms(&breaker), now_ms + 15000);
}

static void an_end_of_an_earlier_round_is_not_taken_for_a_probes(void **state)
{
    (void)state;
    struct breaker breaker;
    breaker_init(&breaker);
    uint32_t early = admit(&breaker, &config, 0);
    breaker_trip(&breaker, &config, 0);
    uint32_t first = admit(&breaker, &config, 15000);
    verdict(&breaker, &config, 15000, early, BREAKER_BAD);
    assert_int_equal(breaker.state, BREAKER_HALF_OPEN);
    verdict(&breaker, &config, 15001, first, BREAKER_BAD);
    int64_t now_ms = breaker_next_ms(&breaker);
    uint32_t second = admit(&breaker, &config, now_ms);
    verdict(&breaker, &config, now_ms, first, BREAKER_GOOD);
    breaker_forget(&breaker, &config, first);
    assert_int_equal(breaker.outstanding, 1);
    assert_int_equal(breaker.good, 0);
    verdict(&breaker, &config, now_ms, second, BREAKER_GOOD);
    assert_int_equal(breaker.good, 1);
}

static void the_pgs_breaker_lets_one_call_at_a_time_until_five_verdicts(void **state)
{
    (void)state;
    struct breaker_config pg = config_of_pg();
    struct breaker breaker;
    breaker_init(&breaker);
    breaker_trip(&breaker, &pg, 0);
    assert_false(breaker_proven(&breaker));
    for (int i = 0; i < 5; i++) {
        uint32_t round = admit(&breaker, &pg, 15000);
        assert_int_equal(breaker_proven(&breaker), i > 0); /* the first is a look-up */
        refuse(&breaker, &pg, 15000);
        verdict(&breaker, &pg, 15000, round, BREAKER_GOOD);
    }
    assert_int_equal(breaker.state, BREAKER_CLOSED);
    assert_true(breaker_proven(&breaker));
    (void)admit(&breaker, &pg, 15000);
    (void)admit(&breaker, &pg, 15000);
}

static void a_probe_without_verdict_gives_its_place_to_another(void **state)
{
    (void)state;
    struct breaker breaker = breaker_opened();
    uint32_t round = 0;
    for (int i = 0; i < 5; i++) {
        round = admit(&breaker, &config, 15000);
    }
    refuse(&breaker, &config, 15000);
    breaker_forget(&breaker, &config, round);
    breaker_check(&breaker, &config);
    assert_int_equal(admit(&breaker, &config, 15000), round);
    refuse(&breaker, &config, 15000);
}

static void forget_twice(void *context)
{
    struct breaker *breaker = context;
    breaker_forget(breaker, &config, breaker_round(breaker));
    breaker_forget(breaker, &config, breaker_round(breaker));
}

static void two_ends_of_one_probe_are_a_broken_invariant(void **state)
{
    (void)state;
    struct breaker breaker = breaker_in(BREAKER_HALF_OPEN);
    assert_true(ends_the_process(forget_twice, &breaker));
}

static void settings_outside_their_ranges_are_refused(void **state)
{
    (void)state;
    assert_true(breaker_config_ok(&config));
    struct breaker_config bad[11];
    for (size_t i = 0; i < 11; i++) {
        bad[i] = config;
    }
    bad[0].open_ms = 0;
    bad[1].open_max_ms = bad[1].open_ms - 1;
    bad[2].open_max_ms = INT64_MAX;
    bad[3].window = 0;
    bad[4].window = BREAKER_WINDOW_MAX + 1;
    bad[5].minimum_calls = 0;
    bad[6].minimum_calls = bad[6].window + 1;
    bad[7].failure_percent = 0;
    bad[8].failure_percent = 101;
    bad[9].probes = 0;
    bad[10].probes = 256;
    for (size_t i = 0; i < 11; i++) {
        assert_false(breaker_config_ok(&bad[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cell_of_the_table_does_what_it_says),
        cmocka_unit_test(fewer_calls_than_the_minimum_prove_nothing),
        cmocka_unit_test(it_opens_at_half_of_the_calls),
        cmocka_unit_test(only_the_last_hundred_calls_count),
        cmocka_unit_test(five_good_probes_close_it_with_an_empty_window),
        cmocka_unit_test(each_failed_round_doubles_the_open_time_up_to_its_limit),
        cmocka_unit_test(an_end_of_an_earlier_round_is_not_taken_for_a_probes),
        cmocka_unit_test(the_pgs_breaker_lets_one_call_at_a_time_until_five_verdicts),
        cmocka_unit_test(a_probe_without_verdict_gives_its_place_to_another),
        cmocka_unit_test(two_ends_of_one_probe_are_a_broken_invariant),
        cmocka_unit_test(settings_outside_their_ranges_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
