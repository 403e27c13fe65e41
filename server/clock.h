/*
 * clock.h - the two clocks that the driver puts into events, the one that timed waits go by, and
 * random bits to start from.
 *
 * Any thread. Nothing blocks. A kernel without these clocks ends the process.
 */
#ifndef FAREBOX_CLOCK_H
#define FAREBOX_CLOCK_H

#include <pthread.h>
#include <stdint.h>
#include <time.h>

/* CLOCK_BOOTTIME in ms: never steps, and goes on while the machine sleeps. */
int64_t clock_boot_ms(void);

/* The same in microseconds, for measuring. */
int64_t clock_boot_us(void);

/* Unix time in ms; may step. `context` is ignored: it fits the store's clock. */
int64_t clock_unix_ms(void *context);

/*
 * Makes a condition variable whose timed waits go by CLOCK_MONOTONIC: they last as long as they
 * say, however the wall clock is set meanwhile. Cannot fail on Linux, where it only sets fields;
 * the caller destroys it.
 */
void clock_condition_init(pthread_cond_t *condition);

/* The instant `timeout_ms` (0 or more) from now, for pthread_cond_timedwait() on such a one. */
struct timespec clock_deadline(int64_t timeout_ms);

/* 64 random bits from the kernel. */
uint64_t clock_random(void);

#endif
