/*
 * fakepg_delay.h - how long answers take: a distribution, drawn from 64 random bits.
 *
 * Pure. Units: ms.
 */
#ifndef FAREBOX_FAKEPG_DELAY_H
#define FAREBOX_FAKEPG_DELAY_H

#include <stdbool.h>
#include <stdint.h>

#define FAKEPG_DELAY_MAX_MS 600000

enum fakepg_delay_kind {
    FAKEPG_DELAY_FIXED = 0,   /* ms */
    FAKEPG_DELAY_UNIFORM,     /* from ms to max_ms */
    FAKEPG_DELAY_EXPONENTIAL, /* mean ms, cut at max_ms */
    FAKEPG_DELAY_LONG_TAIL,   /* log-normal: median ms, one in a hundred above p99_ms, cut at max_ms
                               */
};

/* All zero: at once. */
struct fakepg_delay {
    enum fakepg_delay_kind kind;
    int32_t ms;
    int32_t p99_ms;
    int32_t max_ms;
};

/* True where the times are in order and not above FAKEPG_DELAY_MAX_MS. */
bool fakepg_delay_ok(const struct fakepg_delay *delay);

/* One drawing; the same bits give the same time. */
int64_t fakepg_delay_draw(const struct fakepg_delay *delay, uint64_t random);

/* "fixed", "uniform", "exponential", "long_tail"; false: no such kind. */
const char *fakepg_delay_name(enum fakepg_delay_kind kind);
bool fakepg_delay_parse(const char *name, enum fakepg_delay_kind *kind);

#endif
