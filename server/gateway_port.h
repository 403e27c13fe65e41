/*
 * gateway_port.h - who carries out the calls to the PG, pricing and users.
 *
 * Two implementations: fake_gateway.h in this process, http_gateway.h over HTTP. One contract suite
 * runs on both (tests/contract/gateway_suite.h). The PG and the upstreams may have one each.
 *
 * Threads: the engine's, which takes the answers from its inbox. Nothing here waits for a peer.
 */
#ifndef FAREBOX_GATEWAY_PORT_H
#define FAREBOX_GATEWAY_PORT_H

#include "gateway_call.h"

struct gateway_port;

struct gateway_ops {
    /*
     * Takes the call over. It comes back to the inbox as MESSAGE_CALL, answered, exactly once; or
     * it is freed by close. How many there may be is bounded by who calls.
     */
    void (*call)(struct gateway_port *port, struct gateway_call *call);
    /* After some calls: they may wait until then, so that many wake another thread once. */
    void (*send)(struct gateway_port *port);
    /* Ends it. Calls without an answer are freed; what they did at the PG, they did. */
    void (*close)(struct gateway_port *port);
};

struct gateway_port {
    const struct gateway_ops *ops;
};

#endif
