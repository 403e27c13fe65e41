/*
 * lease.h - a lock that runs out by itself: ShedLock's semantics, and the side of its holder.
 *
 * The lease of the rescue and of the cleanup. It saves work and protects nothing: two holders at
 * once are harmless, because each payment has its guard and epoch (trap 15).
 *
 * First part: what the row of the table does, by the store's clock (CONTRACTS 7). The model store
 * runs these functions; the SQL stores say the same in WHERE clauses.
 * Second part: what the holder knows, by its own clock, which it trusts only pessimistically: a
 * lease counts from when it was asked for, and one that has run out is lost until the store says
 * otherwise.
 */
#ifndef FAREBOX_LEASE_H
#define FAREBOX_LEASE_H

#include "invariant.h"
#include "store.h"
#include "texts.h"

#include <stdbool.h>
#include <stdint.h>

/* A row of `shedlock`. All zero: no row. Instants are the store's clock, Unix ms. */
struct lease {
    int64_t lock_until_ms;
    int64_t locked_at_ms;
    text_id locked_by;
};

/*
 * Each applies where its guard holds and then says true; otherwise it says false and has changed
 * nothing. `now_ms` is the store's, >= 0; `holder` is not TEXT_NONE.
 */

/* Guard: no row, or lock_until <= now; also for the holder itself. Afterwards held for lock_ms. */
MUST_USE bool lease_take(struct lease *lease, text_id holder, int64_t now_ms, int32_t lock_ms);

/* Guard: locked_by is `holder` and lock_until > now. Afterwards lock_until = now + lock_ms. */
MUST_USE bool lease_extend(struct lease *lease, text_id holder, int64_t now_ms, int32_t lock_ms);

/* The same guard. Afterwards lock_until = max(now, locked_at + at_least_ms). */
MUST_USE bool lease_release(struct lease *lease, text_id holder, int64_t now_ms,
                            int32_t at_least_ms);

/*
 * The holder's side. At most one lease unit is outstanding; it is sent again until its result is
 * known, like every unit.
 *
 *               take                   applied
 *       FREE ----------> TAKING ---------------------> HELD <-----------+
 *        ^                  | refused, or too late     |  |             | applied
 *        +------------------+                          |  | tick        |
 *        |   tick (run out)                            |  | (half over) |
 *        +---------------------------------------------+  +-------> EXTENDING
 *        |                                     release |                |
 *        |   applied, refused                          v                | refused, or too late
 *        +---------------------------------------- RELEASING            |
 *        +--------------------------------------------------------------+
 */
enum lease_holder_state {
    LEASE_HOLDER_FREE,
    LEASE_HOLDER_TAKING,
    LEASE_HOLDER_HELD,
    LEASE_HOLDER_EXTENDING,
    LEASE_HOLDER_RELEASING,
    LEASE_HOLDER_STATE_COUNT
};

enum lease_holder_event {
    LEASE_EVENT_TAKE,    /* there is work that the lease is for */
    LEASE_EVENT_TICK,    /* time has passed: lease_holder_next_ms() is due */
    LEASE_EVENT_RELEASE, /* the work is done */
    LEASE_EVENT_APPLIED, /* the outstanding unit was applied */
    LEASE_EVENT_REFUSED, /* the outstanding unit was refused or failed for good */
    LEASE_EVENT_COUNT
};

struct lease_holder {
    int64_t asked_at_ms;   /* when the outstanding TAKE or EXTEND was asked for */
    int64_t held_until_ms; /* by the holder's clock; past or 0: not held */
    uint8_t state;         /* enum lease_holder_state */
};

/* FREE. */
void lease_holder_init(struct lease_holder *holder);

/*
 * Tells the holder what happened at its own clock's `now_ms`. The result is the unit to submit:
 * an enum lease_op, or 0 for none. `lock_ms` (>= 2) is the same at each call. A RELEASE that comes
 * while a unit is outstanding does nothing: say it again after its result. APPLIED and REFUSED
 * where no unit is outstanding are broken invariants.
 */
MUST_USE int lease_holder_step(struct lease_holder *holder, enum lease_holder_event event,
                               int64_t now_ms, int32_t lock_ms);

/* Whether the work that the lease is for may go on. */
bool lease_holder_is_held(const struct lease_holder *holder, int64_t now_ms);

/* When the next TICK is due: to extend at half of the time. INT64_MAX: none. */
int64_t lease_holder_next_ms(const struct lease_holder *holder, int32_t lock_ms);

/* Ends the process where a field contradicts the state. */
void lease_holder_check(const struct lease_holder *holder);

#endif
