/*
 * farebox.h - the service put together: started in order, stopped in the opposite one.
 *
 * Threads: one thread starts, waits and stops.
 */
#ifndef FAREBOX_FAREBOX_H
#define FAREBOX_FAREBOX_H

#include "settings.h"

#include <stdbool.h>

#define FAREBOX_ERROR_SIZE 4096

struct farebox;

/*
 * Starts everything: fake PG, broker, store, engine, lanes, bus, HTTP. `settings` outlive it.
 * NULL: nothing runs, and `error` says which setting, its value, and what is wrong.
 */
__attribute__((warn_unused_result)) struct farebox *
farebox_start(const struct farebox_settings *settings, char error[FAREBOX_ERROR_SIZE]);

/* Where it serves. The broker is the embedded one, or what the setting says. */
int farebox_http_port(const struct farebox *farebox);
const char *farebox_kafka(const struct farebox *farebox);

/*
 * Stops as LIFE says: claims nothing new, finishes what is claimed for up to the settings' stop
 * timeout, leaves the groups, flushes, closes. Blocks for that. True: nothing was left in flight.
 */
bool farebox_stop(struct farebox *farebox);

#endif
