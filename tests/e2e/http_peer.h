/*
 * http_peer.h - a farebox-fakepg that a test takes away from those who call it, and gives back on
 * the same port: killed, or frozen, as a PG or its network may be.
 *
 * What it counts of its faults lives in the process, so it is read before each kill and added up;
 * what happens between that and the kill is lost. Its rules and weights are set anew at each start.
 *
 * Whatever goes wrong fails the running test. One thread.
 */
#ifndef FAREBOX_TEST_HTTP_PEER_H
#define FAREBOX_TEST_HTTP_PEER_H

#include "fakepg_kit.h"

#include <stdbool.h>
#include <stdint.h>

struct http_peer {
    struct fakepg_kit kit;
    const char *secret_key; /* of a merchant of its own, mId fakepg3 */
    const char *config;     /* POST /fake/config after each start; the caller's */
    bool has_state;         /* its state outlives a kill */
    bool is_calm;           /* from now on without faults */
    int port;
    json_t *counts; /* /fake/counts of those that were killed, added up */
    int32_t kills;
    int32_t freezes;
};

/* Draws a port and starts it. `secret_key` and `config` are borrowed. */
void http_peer_open(struct http_peer *peer, const char *secret_key, bool has_state,
                    const char *config);
/* Ends it. Harmless on one that is all zero. */
void http_peer_close(struct http_peer *peer);

/* SIGKILL, and waits; connections are refused until http_peer_start(). */
void http_peer_kill(struct http_peer *peer);
void http_peer_start(struct http_peer *peer);

/* SIGSTOP and SIGCONT: in between connections are made and nothing answers; what was sent then is
 * done, and answered, later. */
void http_peer_freeze(struct http_peer *peer);
void http_peer_thaw(struct http_peer *peer);

/* No fault and no delay any more, also after another start; late actions still come. */
void http_peer_calm(struct http_peer *peer);

/* How often a fault took effect, of "pg", "pricing" or "users"; `fault` NULL: all but "none". */
int64_t http_peer_count(struct http_peer *peer, const char *of, const char *fault);
/* Prints those that took effect. */
void http_peer_print(struct http_peer *peer, const char *of);

#endif
