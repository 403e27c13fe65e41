/* payment_config.c - the waits and bounds of LIFE, and what must hold between them. */
#include "payment.h"

#define SECOND_MS INT64_C(1000)
#define MINUTE_MS (60 * SECOND_MS)
#define HOUR_MS   (60 * MINUTE_MS)
#define DAY_MS    (24 * HOUR_MS)

struct payment_config payment_config_default(void)
{
    struct payment_config c = {
        .claim_due_ms = 10 * MINUTE_MS,
        .takeover_due_ms = 3 * MINUTE_MS,
        .send_limit_ms = 120 * SECOND_MS,
        .pg_longest_ms = 900 * SECOND_MS,
        .absence_margin_ms = 300 * SECOND_MS,
        .absent_again_ms = MINUTE_MS,
        .recheck_ms = {HOUR_MS, DAY_MS, 15 * DAY_MS},
        .upstream_backoff_ms = SECOND_MS,
        .pg_backoff_ms = SECOND_MS,
        .pg_backoff_max_ms = 5 * MINUTE_MS,
        .cancel_key_age_ms = 14 * DAY_MS,
        .lookup_fresh_ms = MINUTE_MS,
        .outbox_lease_ms = 30 * SECOND_MS,
        .max_fare_krw = 10000000,
        .unknown_after = 10,
        .upstream_retries = 3,
        .ask_tries = 3,
        .cancel_tries = 3,
        .absent_needed = 2,
        .adopt = 0,
    };
    return c;
}

bool payment_config_ok(const struct payment_config *config, int64_t pg_timeout_ms)
{
    const struct payment_config *c = config;
    bool positive = c->send_limit_ms > 0 && c->pg_longest_ms > 0 && c->absence_margin_ms > 0 &&
                    c->absent_again_ms > 0 && c->upstream_backoff_ms > 0 && c->pg_backoff_ms > 0 &&
                    c->outbox_lease_ms > 0 && c->max_fare_krw > 0 && c->unknown_after > 0 &&
                    c->absent_needed > 0 && pg_timeout_ms > 0;

    return positive && c->claim_due_ms > c->send_limit_ms + pg_timeout_ms &&
           c->takeover_due_ms > pg_timeout_ms && c->pg_backoff_max_ms >= c->pg_backoff_ms &&
           c->recheck_ms[0] > 0 && c->recheck_ms[1] > c->recheck_ms[0] &&
           c->recheck_ms[2] > c->recheck_ms[1] && c->cancel_key_age_ms > 0;
}
