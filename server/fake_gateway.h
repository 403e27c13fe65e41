/*
 * fake_gateway.h - the fake PG and the fake upstreams behind one thread.
 *
 * Calls are answered in order by fakes/, at once inside the fake; the answer is posted after the
 * delay that the fake drew, or as a timeout where that is later than the client would wait. The
 * PG's ledger is a file (fakes/pg_file.h) that outlives a kill.
 *
 * Threads: any thread may call; the gateway's own thread touches the fakes.
 */
#ifndef FAREBOX_FAKE_GATEWAY_H
#define FAREBOX_FAKE_GATEWAY_H

#include "gateway_call.h"
#include "settings.h"

struct fake_gateway;

/* The fingerprint of the one account that the fake PG knows; never 0. */
uint64_t fake_gateway_account(void);

/*
 * Opens the ledger and starts the thread. False: `*gateway` is untouched and `error` says why, for
 * people.
 */
MUST_USE bool fake_gateway_open(const struct farebox_settings *settings, struct inbox *inbox,
                                struct fake_gateway **gateway, char *error, size_t error_size);

/* Takes the call over. Does not block. Sent with the next fake_gateway_send(), it comes back as
 * MESSAGE_CALL, answered. One thread calls and sends. */
void fake_gateway_call(struct fake_gateway *gateway, struct gateway_call *call);
/* Sends what was asked since the last time: many calls wake the gateway's thread once. */
void fake_gateway_send(struct fake_gateway *gateway);

/* Ends the thread; calls without answer are freed. NULL is allowed. */
void fake_gateway_close(struct fake_gateway *gateway);

/* Wipes the secrets in a call, and frees it. */
void gateway_call_free(struct gateway_call *call);

#endif
