/*
 * timers.h - one deadline for each of a bounded number of slots, and the earliest of them.
 *
 * An indexed binary min-heap in one block without pointers, given by the caller: a copy of the
 * block is a copy of the timers. Deadlines are whatever clock the caller uses, in ms; nothing
 * here reads a clock. Equal deadlines come in the order of their slots, so the order depends on
 * what is armed and never on how it came to be.
 *
 * Threads: one at a time. Nothing blocks. set and cancel are O(log n), the others O(1).
 * A slot that is not below slots_max is a broken invariant.
 */
#ifndef FAREBOX_TIMERS_H
#define FAREBOX_TIMERS_H

#include "invariant.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct timers;

/* Bytes that timers for slots 0 to slots_max - 1 need. */
size_t timers_size(uint32_t slots_max);

/* Makes timers with nothing armed in `block` (8-byte aligned, timers_size() bytes). */
struct timers *timers_init(void *block, uint32_t slots_max);

/* Arms the slot, or moves its deadline where it is armed already. */
void timers_set(struct timers *timers, uint32_t slot, int64_t deadline_ms);

/* Afterwards the slot is not armed; it need not have been. */
void timers_cancel(struct timers *timers, uint32_t slot);

/* Whether the slot has a deadline. */
bool timers_armed(const struct timers *timers, uint32_t slot);

/* The deadline of an armed slot; INT64_MAX where it is not armed. */
int64_t timers_deadline_ms(const struct timers *timers, uint32_t slot);

/* How many slots are armed. */
uint32_t timers_count(const struct timers *timers);

/*
 * The earliest deadline and its slot, which stays armed. False, and both untouched, where nothing
 * is armed.
 */
MUST_USE bool timers_next(const struct timers *timers, uint32_t *slot, int64_t *deadline_ms);

/* Ends the process where the heap is not one. O(n). */
void timers_check(const struct timers *timers);

#endif
