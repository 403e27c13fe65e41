/* fakepg_base.c - what every request needs: the lock, waits, random bits, merchants, names. */
#include "fakepg.h"

#include <limits.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MINUTE_MS   60000
#define RANDOM_STEP UINT64_C(0x9E3779B97F4A7C15)

static const char *const wire_names[FAKEPG_WIRE_COUNT] = {
    [FAKEPG_WIRE_USUAL] = "usual",       [FAKEPG_WIRE_CLOSE] = "close",
    [FAKEPG_WIRE_HANG] = "hang",         [FAKEPG_WIRE_HTML] = "html",
    [FAKEPG_WIRE_HALF] = "half",         [FAKEPG_WIRE_CHUNK_CUT] = "chunk_cut",
    [FAKEPG_WIRE_EMPTY] = "empty",       [FAKEPG_WIRE_GARBAGE] = "garbage",
    [FAKEPG_WIRE_HUGE] = "huge",         [FAKEPG_WIRE_DRIP] = "drip",
    [FAKEPG_WIRE_REDIRECT] = "redirect",
};

const char *fakepg_wire_name(enum fakepg_wire wire)
{
    return wire_names[wire];
}

bool fakepg_wire_parse(const char *name, uint8_t *wire)
{
    for (uint8_t i = 0; i < FAKEPG_WIRE_COUNT; i++) {
        if (strcmp(wire_names[i], name) == 0) {
            *wire = i;
            return true;
        }
    }
    return false;
}

void fakepg_lock(struct fakepg *fakepg)
{
    (void)pthread_mutex_lock(&fakepg->mutex);
}

void fakepg_unlock(struct fakepg *fakepg)
{
    (void)pthread_mutex_unlock(&fakepg->mutex);
}

/* Thousands may wait at one time, so they share no lock: a pipe whose other end closes wakes all.
 */
bool fakepg_pause(struct fakepg *fakepg, int64_t ms)
{
    struct pollfd ended = {.fd = fakepg->stop_fd, .events = POLLIN};
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t until_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 + ms;
    for (int64_t left_ms = ms; left_ms > 0;) {
        int step_ms = left_ms < INT_MAX ? (int)left_ms : INT_MAX;
        if (poll(&ended, 1, step_ms) > 0) {
            return false;
        }
        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        left_ms = until_ms - ((int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000);
    }
    return true;
}

void fakepg_stop(struct fakepg *fakepg)
{
    (void)close(fakepg->stop_writer_fd);
    fakepg->stop_writer_fd = -1;
}

/* splitmix64 */
uint64_t fakepg_random(struct fakepg *fakepg)
{
    uint64_t z = fakepg->random += RANDOM_STEP;
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

struct fakepg_merchant *fakepg_merchant_of(struct fakepg *fakepg, const char *secret)
{
    for (uint32_t i = 0; i < fakepg->options.merchant_count; i++) {
        if (strcmp(fakepg->merchants[i].secret, secret) == 0) {
            return &fakepg->merchants[i];
        }
    }
    return NULL;
}

const struct fakepg_merchant *fakepg_merchant_by_account(const struct fakepg *fakepg,
                                                         uint64_t account)
{
    for (uint32_t i = 0; i < fakepg->options.merchant_count; i++) {
        if (fakepg->merchants[i].account == account) {
            return &fakepg->merchants[i];
        }
    }
    return &fakepg->merchants[0];
}

bool fakepg_within_limit(struct fakepg *fakepg, struct fakepg_merchant *merchant)
{
    if (fakepg->knobs.request_limit == 0) {
        return true;
    }
    if (fakepg->now_ms - merchant->window_ms >= MINUTE_MS) {
        merchant->window_ms = fakepg->now_ms;
        merchant->window_count = 0;
    }
    if (merchant->window_count >= fakepg->knobs.request_limit) {
        return false;
    }
    merchant->window_count++;
    return true;
}
