/*
 * choices.h - the one function through which a world decides: choose(n, label).
 *
 * A seed, a list of choices and later an exhaustive search differ only in what it returns. The
 * generator's state lives in the world's block, so that a snapshot goes on drawing the same.
 */
#ifndef FAREBOX_CHOICES_H
#define FAREBOX_CHOICES_H

#include "chooser.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct choices {
    uint64_t *state;        /* splitmix64's, in the world's block */
    uint64_t *digest;       /* of all choices so far, likewise: part of the history's hash */
    const uint32_t *script; /* NULL: draw by the seed */
    size_t script_len;
    size_t at;
    uint32_t *record; /* NULL: not recorded */
    size_t record_len;
    size_t record_max;
};

/* For struct chooser; `ctx` is a struct choices. Beyond the script's end: 0, the dullest. */
uint32_t choices_choose(void *ctx, uint32_t n, const char *label);

/* Spreads a seed, so that neighbours have nothing in common. */
uint64_t choices_mix(uint64_t value);

#endif
