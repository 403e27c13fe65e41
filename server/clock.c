#include "clock.h"

#include "invariant.h"

#include <sys/random.h>
#include <time.h>

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

uint64_t clock_random(void)
{
    uint64_t bits;

    /* Eight bytes are never cut short by a signal. */
    invariant(getrandom(&bits, sizeof(bits), 0) == (ssize_t)sizeof(bits));
    return bits;
}
