#include "backoff.h"

#include "invariant.h"

/* Doubles step by step, so that nothing overflows whatever `attempt` is. */
static int64_t backoff_full_ms(uint32_t attempt, int64_t base_ms, int64_t cap_ms)
{
    int64_t full_ms = base_ms;
    if (full_ms == 0) {
        return 0;
    }
    for (uint32_t i = 0; i < attempt && full_ms < cap_ms; i++) {
        full_ms = full_ms > cap_ms / 2 ? cap_ms : full_ms * 2;
    }
    return full_ms < cap_ms ? full_ms : cap_ms;
}

int64_t backoff_delay_ms(uint32_t attempt, int64_t base_ms, int64_t cap_ms, uint64_t random)
{
    invariant(base_ms >= 0);
    invariant(cap_ms >= 1);
    int64_t full_ms = backoff_full_ms(attempt, base_ms, cap_ms);
    int64_t drawn_ms = full_ms / 2; /* the odd millisecond is fixed: 1 stays 1, never 0 */
    return full_ms - drawn_ms + (int64_t)(random % ((uint64_t)drawn_ms + 1));
}
