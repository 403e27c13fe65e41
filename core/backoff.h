/*
 * backoff.h - how long to wait before the next try: exponential, with jitter, bounded.
 *
 * A pure function of its arguments: the random number comes in with the event, so that a replay
 * waits just as long.
 */
#ifndef FAREBOX_BACKOFF_H
#define FAREBOX_BACKOFF_H

#include <stdint.h>

/*
 * The wait before try number `attempt` + 1, where `attempt` counts from 0: base_ms doubled
 * `attempt` times, at most cap_ms; one half of that is fixed and one half is drawn from `random`
 * (any 64 bits), so that callers that failed together don't come back together, and none comes
 * back at once.
 *
 * Needs base_ms >= 0 and cap_ms >= 1 (invariants; settings are checked at start). The result is
 * 0 where base_ms is 0, else from 1 to cap_ms.
 */
int64_t backoff_delay_ms(uint32_t attempt, int64_t base_ms, int64_t cap_ms, uint64_t random);

#endif
