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

#include "gateway_port.h"
#include "pg_fake.h"
#include "settings.h"

/* The fingerprint of the one account that the fake PG knows; never 0. */
uint64_t fake_gateway_account(void);

/*
 * Opens the ledger and starts the thread, which ends with the port's close. Answers go to `inbox`.
 * False: `*port` is untouched and `error` says why, for people.
 */
MUST_USE bool fake_gateway_open(const struct farebox_settings *settings, struct inbox *inbox,
                                struct gateway_port **port, char *error, size_t error_size);

/* The PG behind it, for tests that script faults: only while no call is under way. */
struct pg_fake *fake_gateway_pg(struct gateway_port *port);

#endif
