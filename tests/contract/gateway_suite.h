/*
 * gateway_suite.h - what every gateway port must do, told once and run on each implementation.
 *
 * The test's thread is the engine's: it calls, and takes the answers from the inbox.
 */
#ifndef FAREBOX_TEST_GATEWAY_SUITE_H
#define FAREBOX_TEST_GATEWAY_SUITE_H

#include "gateway_port.h"
#include "pg_fake.h"
#include "settings.h"

/* How long a gateway under test waits for an answer of the PG. */
#define GATEWAY_SUITE_TIMEOUT_MS 2000

struct gateway_fixture {
    struct farebox_settings settings;
    struct inbox inbox;
    struct gateway_port *port;
    void *own; /* the factory's */
};

struct gateway_factory {
    const char *name;
    /* Opens `port` on a PG that remembers nothing, with `inbox` ready. */
    void (*open)(struct gateway_fixture *fixture);
    /* Scripts a fault at the PG: order_id, ops, fault, code, value and times are set. */
    void (*rule)(struct gateway_fixture *fixture, const struct pg_fake_rule *rule);
    /* After the port was closed. */
    void (*close)(struct gateway_fixture *fixture);
};

/* Runs the suite; the number of failed tests. */
int gateway_suite_run(const struct gateway_factory *factory);

/* For factories: settings from a list of variables that ends with NULL; must be in order. */
void gateway_suite_settings(struct farebox_settings *settings, const char *const *variables);

#endif
