/* engine_config.c - what DESIGN, LIFE and CONTRACTS give for the settings. */
#include "engine.h"

#define SECOND_MS INT64_C(1000)
#define MINUTE_MS (60 * SECOND_MS)

struct engine_config engine_config_default(void)
{
    struct engine_config c = {
        .payment = payment_config_default(),
        .outbox = {.lease_ms = 30 * SECOND_MS,
                   .backoff_ms = SECOND_MS,
                   .backoff_max_ms = 5 * MINUTE_MS},
        .dead_letter = {.backoff_ms = SECOND_MS, .backoff_max_ms = MINUTE_MS},
        .breakers = {BREAKER_DEFAULTS, BREAKER_DEFAULTS, BREAKER_DEFAULTS},
        .max_trip_age_ms = 7 * 24 * 60 * MINUTE_MS,
        .batch_linger_ms = 2,
        .resend_ms = 50,
        .resend_max_ms = 5 * SECOND_MS,
        .rescue_interval_ms = MINUTE_MS,
        .outbox_poll_ms = SECOND_MS,
        .outbox_keep_ms = 3 * 24 * 60 * MINUTE_MS,
        .commit_interval_ms = SECOND_MS,
        .gate_poll_ms = SECOND_MS,
        .lease_most_ms = 50 * 1000,
        .lease_least_ms = 30 * 1000,
        .cleanup_at_ms = 3 * 60 * 60 * 1000,
        .zone_offset_ms = 9 * 60 * 60 * 1000,
        .purge_limit = 1000,
    };

    c.breakers[GATE_PG].one_at_a_time = true;
    return c;
}
