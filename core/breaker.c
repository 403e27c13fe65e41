#include "breaker.h"

enum breaker_event {
    EVENT_ADMIT, /* asked for when breaker_admits() says yes */
    EVENT_GOOD,
    EVENT_BAD,
    EVENT_FORGET,
    EVENT_LATE_GOOD, /* of a call of an earlier round */
    EVENT_LATE_BAD,
    EVENT_LATE_FORGET,
    EVENT_TRIP,
    EVENT_COUNT
};

enum breaker_action {
    ACTION_BROKEN = 0, /* cannot be: nothing is admitted in a round that is OPEN */
    ACTION_IGNORE,
    ACTION_LET_PASS,   /* CLOSED counts verdicts, not calls */
    ACTION_COUNT_GOOD, /* into the window, which may be too bad now */
    ACTION_COUNT_BAD,
    ACTION_BEGIN_PROBES, /* the first probe goes out */
    ACTION_ADD_PROBE,
    ACTION_PROBE_GOOD, /* the last one closes */
    ACTION_PROBE_BACK, /* another may go out in its place */
    ACTION_OPEN,
    ACTION_OPEN_LONGER, /* a round has failed */
    ACTION_OPEN_ANEW,   /* the same open time, from now */
};

static const uint8_t breaker_table[BREAKER_STATE_COUNT][EVENT_COUNT] = {
    [BREAKER_CLOSED] =
        {
            [EVENT_ADMIT] = ACTION_LET_PASS,
            [EVENT_GOOD] = ACTION_COUNT_GOOD,
            [EVENT_BAD] = ACTION_COUNT_BAD,
            [EVENT_FORGET] = ACTION_IGNORE,
            [EVENT_LATE_GOOD] = ACTION_COUNT_GOOD,
            [EVENT_LATE_BAD] = ACTION_COUNT_BAD,
            [EVENT_LATE_FORGET] = ACTION_IGNORE,
            [EVENT_TRIP] = ACTION_OPEN,
        },
    [BREAKER_OPEN] =
        {
            [EVENT_ADMIT] = ACTION_BEGIN_PROBES,
            [EVENT_GOOD] = ACTION_BROKEN,
            [EVENT_BAD] = ACTION_BROKEN,
            [EVENT_FORGET] = ACTION_BROKEN,
            [EVENT_LATE_GOOD] = ACTION_IGNORE,
            [EVENT_LATE_BAD] = ACTION_IGNORE,
            [EVENT_LATE_FORGET] = ACTION_IGNORE,
            [EVENT_TRIP] = ACTION_OPEN_ANEW,
        },
    [BREAKER_HALF_OPEN] =
        {
            [EVENT_ADMIT] = ACTION_ADD_PROBE,
            [EVENT_GOOD] = ACTION_PROBE_GOOD,
            [EVENT_BAD] = ACTION_OPEN_LONGER,
            [EVENT_FORGET] = ACTION_PROBE_BACK,
            [EVENT_LATE_GOOD] = ACTION_IGNORE,
            [EVENT_LATE_BAD] = ACTION_IGNORE,
            [EVENT_LATE_FORGET] = ACTION_IGNORE,
            [EVENT_TRIP] = ACTION_OPEN_LONGER,
        },
};

bool breaker_config_ok(const struct breaker_config *config)
{
    return config->open_ms >= 1 && config->open_max_ms >= config->open_ms &&
           config->open_max_ms <= INT64_MAX / 4 && config->window >= 1 &&
           config->window <= BREAKER_WINDOW_MAX && config->minimum_calls >= 1 &&
           config->minimum_calls <= config->window && config->failure_percent >= 1 &&
           config->failure_percent <= 100 && config->probes >= 1 && config->probes <= UINT8_MAX;
}

void breaker_init(struct breaker *breaker)
{
    *breaker = (struct breaker){.state = BREAKER_CLOSED};
}

/* Kernighan's loop: a round for each bad call. The compiler's popcount would link libgcc. */
static uint32_t breaker_bits(uint64_t word)
{
    uint32_t bits = 0;
    for (; word != 0; word &= word - 1) {
        bits++;
    }
    return bits;
}

static uint32_t breaker_bad_calls(const struct breaker *breaker)
{
    return breaker_bits(breaker->bad[0]) + breaker_bits(breaker->bad[1]);
}

/* Shifts a verdict in, and the one that leaves the window out. */
static void breaker_shift(struct breaker *breaker, const struct breaker_config *config, bool bad)
{
    breaker->bad[1] = breaker->bad[1] << 1 | breaker->bad[0] >> 63;
    breaker->bad[0] = breaker->bad[0] << 1 | (bad ? 1 : 0);
    if (breaker->calls < config->window) {
        breaker->calls++;
    } else if (config->window < BREAKER_WINDOW_MAX) {
        breaker->bad[config->window / 64] &= ~(UINT64_C(1) << config->window % 64);
    }
}

static bool breaker_window_is_bad(const struct breaker *breaker,
                                  const struct breaker_config *config)
{
    return breaker->calls >= config->minimum_calls &&
           breaker_bad_calls(breaker) * 100 >= config->failure_percent * breaker->calls;
}

static void breaker_enter(struct breaker *breaker, enum breaker_state state)
{
    breaker->state = (uint8_t)state;
    breaker->round++;
    breaker->bad[0] = 0;
    breaker->bad[1] = 0;
    breaker->calls = 0;
    breaker->outstanding = 0;
    breaker->good = 0;
    breaker->open_until_ms = 0;
}

static void breaker_open(struct breaker *breaker, int64_t now_ms, int64_t open_ms)
{
    breaker_enter(breaker, BREAKER_OPEN);
    breaker->open_ms = open_ms;
    breaker->open_until_ms = now_ms + open_ms;
}

static void breaker_count(struct breaker *breaker, const struct breaker_config *config,
                          int64_t now_ms, bool bad)
{
    breaker_shift(breaker, config, bad);
    if (breaker_window_is_bad(breaker, config)) {
        breaker_open(breaker, now_ms, config->open_ms);
    }
}

static int64_t breaker_longer_ms(const struct breaker *breaker, const struct breaker_config *config)
{
    int64_t doubled_ms = breaker->open_ms * 2;
    return doubled_ms < config->open_max_ms ? doubled_ms : config->open_max_ms;
}

static void breaker_probe_good(struct breaker *breaker, const struct breaker_config *config)
{
    invariant(breaker->outstanding > 0);
    breaker->outstanding--;
    breaker->good++;
    if (breaker->good >= config->probes) {
        breaker_enter(breaker, BREAKER_CLOSED);
        breaker->open_ms = 0;
    }
}

static void breaker_probe_back(struct breaker *breaker)
{
    invariant(breaker->outstanding > 0);
    breaker->outstanding--;
}

static void breaker_apply(struct breaker *breaker, const struct breaker_config *config,
                          int64_t now_ms, enum breaker_event event)
{
    switch ((enum breaker_action)breaker_table[breaker->state][event]) {
    case ACTION_BROKEN:
        invariant(false);
        break;
    case ACTION_IGNORE:
    case ACTION_LET_PASS:
        break;
    case ACTION_COUNT_GOOD:
        breaker_count(breaker, config, now_ms, false);
        break;
    case ACTION_COUNT_BAD:
        breaker_count(breaker, config, now_ms, true);
        break;
    case ACTION_BEGIN_PROBES:
        breaker_enter(breaker, BREAKER_HALF_OPEN);
        breaker->outstanding = 1;
        break;
    case ACTION_ADD_PROBE:
        breaker->outstanding++;
        break;
    case ACTION_PROBE_GOOD:
        breaker_probe_good(breaker, config);
        break;
    case ACTION_PROBE_BACK:
        breaker_probe_back(breaker);
        break;
    case ACTION_OPEN:
        breaker_open(breaker, now_ms, config->open_ms);
        break;
    case ACTION_OPEN_LONGER:
        breaker_open(breaker, now_ms, breaker_longer_ms(breaker, config));
        break;
    case ACTION_OPEN_ANEW:
        breaker->open_until_ms = now_ms + breaker->open_ms;
        break;
    }
}

/* HALF_OPEN: never more probes than verdicts are missing. */
static bool breaker_admits_probe(const struct breaker *breaker, const struct breaker_config *config)
{
    if (config->one_at_a_time) {
        return breaker->outstanding == 0;
    }
    return (uint32_t)breaker->outstanding + breaker->good < config->probes;
}

bool breaker_admits(const struct breaker *breaker, const struct breaker_config *config,
                    int64_t now_ms)
{
    switch ((enum breaker_state)breaker->state) {
    case BREAKER_CLOSED:
        return true;
    case BREAKER_OPEN:
        return now_ms >= breaker->open_until_ms;
    case BREAKER_HALF_OPEN:
        return breaker_admits_probe(breaker, config);
    case BREAKER_STATE_COUNT:
        break;
    }
    invariant(false);
    return false;
}

bool breaker_admit(struct breaker *breaker, const struct breaker_config *config, int64_t now_ms)
{
    if (!breaker_admits(breaker, config, now_ms)) {
        return false;
    }
    breaker_apply(breaker, config, now_ms, EVENT_ADMIT);
    return true;
}

uint32_t breaker_round(const struct breaker *breaker)
{
    return breaker->round;
}

void breaker_verdict(struct breaker *breaker, const struct breaker_config *config, int64_t now_ms,
                     uint32_t round, enum breaker_verdict verdict)
{
    enum breaker_event event;
    if (round == breaker->round) {
        event = verdict == BREAKER_GOOD ? EVENT_GOOD : EVENT_BAD;
    } else {
        event = verdict == BREAKER_GOOD ? EVENT_LATE_GOOD : EVENT_LATE_BAD;
    }
    breaker_apply(breaker, config, now_ms, event);
}

void breaker_forget(struct breaker *breaker, const struct breaker_config *config, uint32_t round)
{
    /* Forgetting opens nothing, so it needs no time. */
    breaker_apply(breaker, config, 0, round == breaker->round ? EVENT_FORGET : EVENT_LATE_FORGET);
}

void breaker_trip(struct breaker *breaker, const struct breaker_config *config, int64_t now_ms)
{
    breaker_apply(breaker, config, now_ms, EVENT_TRIP);
}

int64_t breaker_next_ms(const struct breaker *breaker)
{
    return breaker->state == BREAKER_OPEN ? breaker->open_until_ms : INT64_MAX;
}

bool breaker_proven(const struct breaker *breaker)
{
    return breaker->state == BREAKER_CLOSED ||
           (breaker->state == BREAKER_HALF_OPEN && breaker->good > 0);
}

static void breaker_check_window(const struct breaker *breaker, const struct breaker_config *config)
{
    invariant(breaker->calls <= config->window);
    invariant(breaker_bad_calls(breaker) <= breaker->calls);
    invariant(breaker->state == BREAKER_CLOSED || breaker->calls == 0);
    invariant(!breaker_window_is_bad(breaker, config));
}

void breaker_check(const struct breaker *breaker, const struct breaker_config *config)
{
    invariant(breaker->state < BREAKER_STATE_COUNT);
    breaker_check_window(breaker, config);
    bool closed = breaker->state == BREAKER_CLOSED;
    invariant(closed == (breaker->open_ms == 0));
    invariant(closed || breaker->open_ms >= config->open_ms);
    invariant(breaker->open_ms <= config->open_max_ms);
    invariant(breaker->state == BREAKER_OPEN || breaker->open_until_ms == 0);
    if (breaker->state == BREAKER_HALF_OPEN) {
        invariant(breaker->good < config->probes);
        invariant((uint32_t)breaker->outstanding + breaker->good <= config->probes);
        invariant(!config->one_at_a_time || breaker->outstanding <= 1);
    } else {
        invariant(breaker->outstanding == 0 && breaker->good == 0);
    }
}
