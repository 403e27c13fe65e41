/*
 * moving_in.h - takes over what the old service left in a MySQL database, at every start.
 *
 * Payments without an end get their due_at; outbox rows that were never published become events
 * that the relay sends; its dead letters become such that can be retried. A database without rows
 * of the old service costs a few look-ups by index.
 */
#ifndef FAREBOX_MOVING_IN_H
#define FAREBOX_MOVING_IN_H

#include "counters.h"
#include "farebox.h"
#include "settings.h"

#include <stdbool.h>

/* Before anything else works on the store, whose schema is up to date; opens a connection of its
 * own. Blocks until all is done; the log says how much it was. False: `error` says why. */
bool moving_in(const struct farebox_settings *settings, struct counters *counters,
               char error[FAREBOX_ERROR_SIZE]);

#endif
