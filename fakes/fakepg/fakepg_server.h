/*
 * fakepg_server.h - the fake PG on HTTP: routes, credentials, limits, and how answers go wrong on
 * the wire.
 *
 * Threads and blocking: web_server's; a request that waits for its delay holds its thread, so
 * `threads` bounds how many wait at one time.
 */
#ifndef FAREBOX_FAKEPG_SERVER_H
#define FAREBOX_FAKEPG_SERVER_H

#include "fakepg.h"

#include <stddef.h>

struct fakepg_server_options {
    const char *host;
    int port;
    int threads;
};

struct fakepg_server;

/* Serves `fakepg`, which must outlive it. NULL: `message` says why in one line. */
struct fakepg_server *fakepg_server_open(struct fakepg *fakepg,
                                         const struct fakepg_server_options *options, char *message,
                                         size_t size);

/* The port that it listens on. */
int fakepg_server_port(const struct fakepg_server *server);

/* Ends all waits and connections, then the threads. */
void fakepg_server_close(struct fakepg_server *server);

#endif
