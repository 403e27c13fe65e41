/*
 * tracker.h - which offset of ONE partition may be committed.
 *
 * Records finish out of order, and logs have gaps, so neither the highest finished offset nor
 * offset + 1 says what is safe. What may be committed is one past the last record such that every
 * record DELIVERED before it is done (law 6). A bounded window of records in order of delivery,
 * in one block without pointers, given by the caller.
 *
 *     tracker_deliver          tracker_done             (all before it are done)
 *   ------------------> OPEN ---------------> DONE ------------------------------> gone, and
 *                         |                     |                                  committable
 *                         +---------------------+----- tracker_reset ------------> gone
 *
 * A sequence is the handle of one delivery. It holds the number of its assignment, so the end of
 * a record from before a rebalance is recognised and ignored.
 *
 * Within an assignment an offset may come again (a rewind): it is a delivery of its own. What is
 * committable stops growing at an offset that is open again, and never goes back.
 *
 * Threads: one at a time. Nothing blocks.
 */
#ifndef FAREBOX_TRACKER_H
#define FAREBOX_TRACKER_H

#include "invariant.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tracker;

/* Bytes for at most `window` (>= 1) records that are delivered and not yet committable. */
size_t tracker_size(uint32_t window);

/* An empty tracker of assignment 0 in `block` (8-byte aligned, tracker_size() bytes). */
struct tracker *tracker_init(void *block, uint32_t window);

/*
 * Forgets everything: the partition was assigned anew. The caller never uses a number twice for
 * one partition.
 */
void tracker_reset(struct tracker *tracker, uint32_t assignment);

/* The number of the last tracker_reset(). */
uint32_t tracker_assignment(const struct tracker *tracker);

/*
 * Takes a record on, in order of delivery. `offset` >= 0 (Kafka's; an invariant, the adapter has
 * checked it). False, `sequence` untouched: the window is full, so the partition must be paused
 * and the record delivered again; nothing has changed.
 */
MUST_USE bool tracker_deliver(struct tracker *tracker, int64_t offset, uint64_t *sequence);

/*
 * The record is a payment, a known duplicate, an ignored type or a delivered dead letter. A
 * sequence of another assignment, and one that is done already, are ignored.
 */
void tracker_done(struct tracker *tracker, uint64_t sequence);

/*
 * The next offset to commit (Kafka's meaning: the first that is NOT done). False, and `offset`
 * untouched, where there is nothing beyond what was committed in this assignment.
 */
MUST_USE bool tracker_committable(const struct tracker *tracker, int64_t *offset);

/*
 * The broker has taken the commit of `offset` in `assignment`. Reports of another assignment, and
 * those that come late, are ignored.
 */
void tracker_committed(struct tracker *tracker, uint32_t assignment, int64_t offset);

/* Records in the window: open ones, and done ones behind an open one. */
uint32_t tracker_in_window(const struct tracker *tracker);

/* Records that are not done. */
uint32_t tracker_in_flight(const struct tracker *tracker);

/* The next tracker_deliver() would say no. */
bool tracker_is_full(const struct tracker *tracker);

/* Ends the process where the window contradicts itself. O(window). */
void tracker_check(const struct tracker *tracker);

#endif
