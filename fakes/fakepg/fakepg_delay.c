#include "fakepg_delay.h"

#include <math.h>
#include <string.h>

static const char *const names[] = {
    [FAKEPG_DELAY_FIXED] = "fixed",
    [FAKEPG_DELAY_UNIFORM] = "uniform",
    [FAKEPG_DELAY_EXPONENTIAL] = "exponential",
    [FAKEPG_DELAY_LONG_TAIL] = "long_tail",
};

const char *fakepg_delay_name(enum fakepg_delay_kind kind)
{
    return names[kind];
}

bool fakepg_delay_parse(const char *name, enum fakepg_delay_kind *kind)
{
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(names[i], name) == 0) {
            *kind = (enum fakepg_delay_kind)i;
            return true;
        }
    }
    return false;
}

bool fakepg_delay_ok(const struct fakepg_delay *delay)
{
    bool in_order = delay->ms >= 0 && delay->ms <= FAKEPG_DELAY_MAX_MS;
    if (delay->kind != FAKEPG_DELAY_FIXED) {
        in_order = in_order && delay->max_ms >= delay->ms && delay->max_ms <= FAKEPG_DELAY_MAX_MS;
    }
    if (delay->kind == FAKEPG_DELAY_LONG_TAIL) {
        in_order = in_order && delay->ms > 0 && delay->p99_ms >= delay->ms &&
                   delay->p99_ms <= delay->max_ms;
    }
    return in_order;
}

/* Above 0, below 1: the upper or lower 32 bits. */
static double unit(uint64_t bits)
{
    return ((double)(bits & UINT32_MAX) + 0.5) / 4294967296.0;
}

int64_t fakepg_delay_draw(const struct fakepg_delay *delay, uint64_t random)
{
    const double z99 = 2.3263478740; /* of the standard normal distribution */
    const double two_pi = 6.2831853072;
    double drawn = delay->ms;
    switch (delay->kind) {
    case FAKEPG_DELAY_FIXED:
        return delay->ms;
    case FAKEPG_DELAY_UNIFORM:
        drawn = delay->ms + floor(unit(random) * (delay->max_ms - delay->ms + 1));
        break;
    case FAKEPG_DELAY_EXPONENTIAL:
        drawn = -log(unit(random)) * delay->ms;
        break;
    case FAKEPG_DELAY_LONG_TAIL: {
        double normal = sqrt(-2 * log(unit(random))) * cos(two_pi * unit(random >> 32));
        drawn = delay->ms * exp(normal * log((double)delay->p99_ms / delay->ms) / z99);
        break;
    }
    }
    return drawn > delay->max_ms ? delay->max_ms : (int64_t)drawn;
}
