/*
 * http_gateway.h - the gateway port over HTTP: the PG, pricing and users, or only some of them.
 *
 * Has no thread: the engine's carries the transfers on while it waits for its inbox, whose waiter
 * this is. Failures of a peer are logged, each kind at most every ten seconds.
 *
 * Threads: the engine's; open before it runs, close after it has ended.
 */
#ifndef FAREBOX_HTTP_GATEWAY_H
#define FAREBOX_HTTP_GATEWAY_H

#include "gateway_port.h"
#include "settings.h"

/*
 * Serves what `settings` wants over HTTP. The inbox waits in it from now on, until its close, and
 * gets the answers; `settings` must outlive it. False: `*port` is untouched and `error` says why.
 */
MUST_USE bool http_gateway_open(const struct farebox_settings *settings, struct inbox *inbox,
                                struct gateway_port **port, char *error, size_t error_size);

#endif
