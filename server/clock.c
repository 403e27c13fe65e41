#include "clock.h"

#include "invariant.h"

#include <sys/random.h>

#define NS_PER_S  1000000000L
#define NS_PER_MS 1000000L

static int64_t read_us(clockid_t clock)
{
    struct timespec now;

    invariant(clock_gettime(clock, &now) == 0);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t clock_boot_us(void)
{
    return read_us(CLOCK_BOOTTIME);
}

int64_t clock_boot_ms(void)
{
    return clock_boot_us() / 1000;
}

int64_t clock_unix_ms(void *context)
{
    (void)context;
    return read_us(CLOCK_REALTIME) / 1000;
}

void clock_condition_init(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;

    invariant(pthread_condattr_init(&attributes) == 0);
    invariant(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
    invariant(pthread_cond_init(condition, &attributes) == 0);
    invariant(pthread_condattr_destroy(&attributes) == 0);
}

struct timespec clock_deadline(int64_t timeout_ms)
{
    struct timespec at;

    invariant(timeout_ms >= 0 && clock_gettime(CLOCK_MONOTONIC, &at) == 0);
    at.tv_sec += (time_t)(timeout_ms / 1000);
    at.tv_nsec += (long)(timeout_ms % 1000) * NS_PER_MS;
    if (at.tv_nsec >= NS_PER_S) {
        at.tv_sec++;
        at.tv_nsec -= NS_PER_S;
    }
    return at;
}

uint64_t clock_random(void)
{
    uint64_t bits;

    /* Eight bytes are never cut short by a signal. */
    invariant(getrandom(&bits, sizeof(bits), 0) == (ssize_t)sizeof(bits));
    return bits;
}
