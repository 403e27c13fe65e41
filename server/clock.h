/*
 * clock.h - the two clocks that the driver puts into events, and random bits to start from.
 *
 * Any thread. Nothing blocks. A kernel without these clocks ends the process.
 */
#ifndef FAREBOX_CLOCK_H
#define FAREBOX_CLOCK_H

#include <stdint.h>

/* CLOCK_BOOTTIME in ms: never steps, and goes on while the machine sleeps. */
int64_t clock_boot_ms(void);

/* The same in microseconds, for measuring. */
int64_t clock_boot_us(void);

/* Unix time in ms; may step. `context` is ignored: it fits the store's clock. */
int64_t clock_unix_ms(void *context);

/* 64 random bits from the kernel. */
uint64_t clock_random(void);

#endif
