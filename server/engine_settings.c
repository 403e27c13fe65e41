#include "engine_settings.h"

/* Partitions at a time, of both topics; further ones are never accepted. */
#define TRACKERS    128
#define WINDOW_MIN  64
#define WINDOW_MAX  4096
#define RESCUES_MAX 256

static uint32_t at_least(uint32_t number, uint32_t least)
{
    return number > least ? number : least;
}

static uint32_t at_most(uint32_t number, uint32_t most)
{
    return number < most ? number : most;
}

struct engine_limits engine_settings_limits(const struct farebox_settings *settings)
{
    uint32_t in_flight = (uint32_t)settings->in_flight;
    uint32_t rescues = at_least(at_most(in_flight / 4, RESCUES_MAX), 1);
    uint32_t payments = in_flight + rescues;
    uint32_t waiters = at_least(at_most(in_flight, 1024), 16);

    return (struct engine_limits){
        .payments = payments,
        .rescues = rescues,
        .waiters = waiters,
        /* Half of it may be in use when the last payment begins (payments_have_room). */
        .outbox = 2 * payments,
        /* Every record in flight or waiting may become one. */
        .dead_letters = payments + waiters + 64,
        .trackers = TRACKERS,
        .window = at_least(at_most(in_flight, WINDOW_MAX), WINDOW_MIN),
        .lanes = (uint32_t)settings->store_lanes,
        .batch_max = (uint32_t)settings->batch_max,
        .page_max = STORE_PAGE_MAX,
    };
}

static struct breaker_config breaker_of(const struct settings_breaker *settings)
{
    struct breaker_config config = BREAKER_DEFAULTS;

    config.open_ms = settings->open_ms;
    config.open_max_ms = at_least((uint32_t)settings->open_max_ms, (uint32_t)settings->open_ms);
    config.window = at_most((uint32_t)settings->window, BREAKER_WINDOW_MAX);
    config.minimum_calls = at_most((uint32_t)settings->calls_min, config.window);
    config.failure_percent = (uint32_t)settings->percent;
    config.probes = (uint32_t)settings->probes;
    return config;
}

static struct payment_config payment_of(const struct farebox_settings *settings)
{
    struct payment_config config = payment_config_default();

    config.claim_due_ms = settings->claim_due_ms;
    config.takeover_due_ms = settings->takeover_due_ms;
    config.send_limit_ms = settings->send_limit_ms;
    config.pg_longest_ms = settings->pg_longest_ms;
    config.absence_margin_ms = settings->absence_margin_ms;
    config.absent_again_ms = settings->absent_again_ms;
    for (int i = 0; i < PAYMENT_RECHECKS; i++) {
        config.recheck_ms[i] = settings->recheck_ms[i];
    }
    config.upstream_backoff_ms = settings->upstream_backoff_ms;
    config.pg_backoff_ms = settings->pg_backoff_ms;
    config.pg_backoff_max_ms = settings->pg_backoff_max_ms;
    config.cancel_key_age_ms = settings->cancel_key_age_ms;
    config.outbox_lease_ms = settings->outbox_lease_ms;
    config.max_fare_krw = (int32_t)settings->fare_max_krw;
    config.unknown_after = (uint16_t)settings->unknown_after;
    config.upstream_retries = (uint8_t)settings->upstream_tries;
    config.adopt = settings->policy == SETTINGS_POLICY_ADOPT;
    return config;
}

struct engine_config engine_settings_config(const struct farebox_settings *settings)
{
    struct engine_config config = engine_config_default();

    config.payment = payment_of(settings);
    config.outbox.lease_ms = settings->outbox_lease_ms;
    for (int gate = 0; gate < GATE_COUNT; gate++) {
        config.breakers[gate] = breaker_of(&settings->breaker);
    }
    config.breakers[GATE_PG].one_at_a_time = true;
    config.max_trip_age_ms = settings->trip_age_max_ms;
    config.batch_linger_ms = settings->batch_linger_ms;
    config.rescue_interval_ms = settings->rescue_interval_ms;
    config.outbox_poll_ms = settings->outbox_poll_ms;
    config.outbox_keep_ms = settings->outbox_keep_ms;
    config.lease_most_ms = (int32_t)settings->lease_most_ms;
    config.lease_least_ms = (int32_t)settings->lease_least_ms;
    return config;
}

uint32_t engine_settings_texts(const struct engine_limits *limits)
{
    /* What a slot of each table holds at most, twice: half of the pool stays free for answers. */
    return 2 * (limits->payments * 9 + limits->waiters * 4 + limits->outbox * 8 +
                limits->dead_letters * 6 + limits->page_max * 9 + limits->batch_max * 9 + 64);
}
