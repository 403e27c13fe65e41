/*
 * trouble_limit.h - which of many troubles have a line in the log: of each kind at most one in ten
 * seconds, so that an outage, however many kinds of trouble take turns in it, does not fill the
 * log.
 *
 * Pure. Ownership: plain memory of the caller, all zero at first. Threads: one.
 */
#ifndef FAREBOX_TROUBLE_LIMIT_H
#define FAREBOX_TROUBLE_LIMIT_H

#include "invariant.h"

#include <stdbool.h>
#include <stdint.h>

#define TROUBLE_QUIET_MS 10000
/* A further kind takes the place of the one that had its line first. */
#define TROUBLE_KINDS 16

struct trouble_limit {
    struct trouble_kind {
        const char *what; /* NULL: none yet */
        int64_t told_ms;
        int64_t left_out;
    } kinds[TROUBLE_KINDS];
};

/*
 * True: it has a line now, and `left_out` of its kind had none since the last one. `what` is the
 * kind, a text that lives for ever; times never go back.
 */
MUST_USE bool trouble_limit_take(struct trouble_limit *limit, const char *what, int64_t now_ms,
                                 int64_t *left_out);

#endif
