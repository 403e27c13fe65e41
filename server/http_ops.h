/*
 * http_ops.h - what the HTTP API's endpoints know and do: reads on a store connection of their
 * own, admin calls through the engine, health and numbers.
 *
 * Threads: the callbacks are called by civetweb's threads; reads take turns on the connection.
 */
#ifndef FAREBOX_HTTP_OPS_H
#define FAREBOX_HTTP_OPS_H

#include "driver.h"

struct http_ops;

struct http_ops_parts {
    struct driver *driver;
    struct bus *bus;
    struct store_scans *scans; /* their health is the store's */
    struct counters *counters;
};

/* NULL: no memory; then the store is still the caller's, otherwise it belongs to the ops. */
MUST_USE struct http_ops *http_ops_open(struct store *store, const struct http_ops_parts *parts);

/* For http_api_open(); the context is the ops themselves. */
const struct http_api_ops *http_ops_table(void);

/* After http_api_close(). NULL is allowed. */
void http_ops_close(struct http_ops *ops);

#endif
