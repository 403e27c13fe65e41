/* The breaker against a naive one, which keeps lists instead of bits and counts. */
#include "breaker.h"
#include "unit_support.h"

#include <string.h>

#define CALLS_MAX 400

struct naive {
    enum breaker_state state;
    bool window[CALLS_MAX]; /* oldest first; true: bad */
    uint32_t window_count;
    int64_t open_until_ms;
    int64_t open_ms;
    uint32_t era; /* counts changes of state */
};

struct naive_call {
    uint32_t round; /* the breaker's */
    uint32_t era;
};

struct naive_probes {
    uint32_t outstanding;
    uint32_t good;
};

static void naive_enter(struct naive *naive, struct naive_probes *probes, enum breaker_state state)
{
    naive->state = state;
    naive->era++;
    naive->window_count = 0;
    *probes = (struct naive_probes){0};
}

static void naive_open(struct naive *naive, struct naive_probes *probes, int64_t now_ms,
                       const struct breaker_config *with)
{
    if (naive->state == BREAKER_CLOSED) {
        naive->open_ms = with->open_ms;
    } else {
        naive->open_ms =
            2 * naive->open_ms > with->open_max_ms ? with->open_max_ms : 2 * naive->open_ms;
    }
    naive->open_until_ms = now_ms + naive->open_ms;
    naive_enter(naive, probes, BREAKER_OPEN);
}

static void naive_count(struct naive *naive, struct naive_probes *probes, int64_t now_ms,
                        const struct breaker_config *with, bool bad)
{
    if (naive->window_count == with->window) {
        memmove(naive->window, naive->window + 1, (with->window - 1) * sizeof(bool));
        naive->window_count--;
    }
    naive->window[naive->window_count++] = bad;
    uint32_t bad_count = 0;
    for (uint32_t i = 0; i < naive->window_count; i++) {
        bad_count += naive->window[i];
    }
    if (naive->window_count >= with->minimum_calls &&
        100 * bad_count >= with->failure_percent * naive->window_count) {
        naive_open(naive, probes, now_ms, with);
    }
}

static void naive_verdict(struct naive *naive, struct naive_probes *probes, int64_t now_ms,
                          const struct breaker_config *with, uint32_t era, bool bad)
{
    if (naive->state == BREAKER_CLOSED) {
        naive_count(naive, probes, now_ms, with, bad);
    } else if (era == naive->era && bad) {
        naive_open(naive, probes, now_ms, with);
    } else if (era == naive->era) {
        probes->outstanding--;
        if (++probes->good == with->probes) {
            naive_enter(naive, probes, BREAKER_CLOSED);
        }
    }
}

static bool naive_admit(struct naive *naive, struct naive_probes *probes, int64_t now_ms,
                        const struct breaker_config *with)
{
    if (naive->state == BREAKER_CLOSED) {
        return true;
    }
    if (naive->state == BREAKER_OPEN) {
        if (now_ms < naive->open_until_ms) {
            return false;
        }
        naive_enter(naive, probes, BREAKER_HALF_OPEN);
    }
    uint32_t bound = with->one_at_a_time ? 1 : with->probes - probes->good;
    if (probes->outstanding >= bound) {
        return false;
    }
    probes->outstanding++;
    return true;
}

static void run_world(uint64_t *random, const struct breaker_config *with)
{
    struct breaker breaker;
    struct naive naive = {0};
    struct naive_probes probes = {0};
    struct naive_call calls[20];
    uint32_t call_count = 0;
    int64_t now_ms = 0;
    breaker_init(&breaker);
    for (int i = 0; i < 3000; i++) {
        /* Good and bad times of the peer take turns. */
        bool bad = random_below(random, 100) < (i / 400 % 2 == 0 ? 20u : 70u);
        uint32_t draw = random_below(random, 100);
        uint32_t pick = call_count > 0 ? random_below(random, call_count) : 0;
        now_ms += random_below(random, 3000);
        if (draw < 50 && call_count < 20) {
            bool admitted = naive_admit(&naive, &probes, now_ms, with);
            assert_int_equal(breaker_admits(&breaker, with, now_ms), admitted);
            assert_int_equal(breaker_admit(&breaker, with, now_ms), admitted);
            if (admitted) {
                calls[call_count++] = (struct naive_call){breaker_round(&breaker), naive.era};
            }
        } else if (draw < 98 && call_count > 0) {
            struct naive_call ended = calls[pick];
            calls[pick] = calls[--call_count];
            if (draw < 90) {
                naive_verdict(&naive, &probes, now_ms, with, ended.era, bad);
                breaker_verdict(&breaker, with, now_ms, ended.round,
                                bad ? BREAKER_BAD : BREAKER_GOOD);
            } else {
                probes.outstanding -=
                    naive.state == BREAKER_HALF_OPEN && ended.era == naive.era ? 1 : 0;
                breaker_forget(&breaker, with, ended.round);
            }
        } else if (draw == 99 && naive.state != BREAKER_OPEN) {
            naive_open(&naive, &probes, now_ms, with);
            breaker_trip(&breaker, with, now_ms);
        }
        breaker_check(&breaker, with);
        assert_int_equal(breaker.state, naive.state);
        assert_int_equal(breaker_next_ms(&breaker),
                         naive.state == BREAKER_OPEN ? naive.open_until_ms : INT64_MAX);
    }
}

static void the_breaker_agrees_with_plain_lists(void **state)
{
    (void)state;
    static const uint32_t windows[] = {1, 10, 63, 64, 65, 100, 127, 128};
    uint64_t random = 7;
    for (int i = 0; i < 160; i++) {
        struct breaker_config with = BREAKER_DEFAULTS;
        with.window = windows[i % 8];
        with.minimum_calls = 1 + random_below(&random, with.window);
        with.failure_percent = 40 + random_below(&random, 30);
        with.probes = 1 + random_below(&random, 7);
        with.one_at_a_time = random_below(&random, 2) == 0;
        assert_true(breaker_config_ok(&with));
        run_world(&random, &with);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_breaker_agrees_with_plain_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
