/*
 * chooser.h - the one function through which a simulated world decides.
 *
 * Whoever drives the fakes gives them this. A seed, a list of choices and an exhaustive search are
 * then one mechanism: what `choose` returns is all that differs between two runs.
 *
 * Threads and blocking: as the caller's function; the fakes add nothing.
 */
#ifndef FAREBOX_CHOOSER_H
#define FAREBOX_CHOOSER_H

#include "invariant.h"

#include <stddef.h>
#include <stdint.h>

struct chooser {
    /*
     * Returns a number below `n` (n >= 2). 0 is always the dullest outcome: no fault, the shortest
     * delay. `label` is a string constant that names the decision; equal sites, equal labels.
     */
    uint32_t (*choose)(void *ctx, uint32_t n, const char *label);
    void *ctx;
};

/* Chooses below `n`; where only one outcome exists nothing is asked. */
static inline uint32_t chooser_pick(const struct chooser *chooser, uint32_t n, const char *label)
{
    if (n <= 1) {
        return 0;
    }
    invariant(chooser != NULL && chooser->choose != NULL);
    uint32_t picked = chooser->choose(chooser->ctx, n, label);
    invariant(picked < n);
    return picked;
}

#endif
