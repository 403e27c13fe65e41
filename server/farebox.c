#include "farebox.h"

#include "clock.h"
#include "driver.h"
#include "fake_gateway.h"
#include "http_gateway.h"
#include "http_ops.h"
#include "kafka_broker.h"
#include "log.h"
#include "moving_in.h"
#include "stop_signal.h"
#include "store_open.h"
#include "time_zone.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEAVE_GROUPS_MS 10000
#define FLUSH_MS        10000
/* Of a lane's texts: whatever half of the engine's pool holds, each text once, and rows that come
 * back. */
#define LANE_BYTES (128U << 20)
#define LANES_MAX  16

struct farebox {
    const struct farebox_settings *settings;
    struct counters *counters;
    struct driver *driver;
    struct gateway_port *fakes;        /* NULL: everything is over HTTP */
    struct gateway_port *http_gateway; /* NULL: nothing is */
    struct kafka_broker *broker;
    struct store_lanes *lanes;
    struct store_scans *scans;
    struct http_ops *http_ops;
    struct bus *bus;
    struct http_api *http;
    bool is_driven; /* the engine thread runs */
};

static bool fail(char error[FAREBOX_ERROR_SIZE], const char *name, const char *value,
                 const char *reason)
{
    (void)snprintf(error, FAREBOX_ERROR_SIZE, "%s=%s: %s", name, value, reason);
    return false;
}

/* A connection for each lane. */
static bool open_lanes(struct farebox *f, char error[FAREBOX_ERROR_SIZE])
{
    struct store *stores[LANES_MAX] = {NULL};
    const struct store_lanes_options options = {.stores = stores,
                                                .inbox = driver_inbox(f->driver),
                                                .lanes = (uint32_t)f->settings->store_lanes,
                                                .batch_max = (uint32_t)f->settings->batch_max,
                                                .bytes_max = LANE_BYTES};
    bool ok = true;

    invariant(options.lanes <= LANES_MAX);
    for (uint32_t i = 0; ok && i < options.lanes; i++) {
        stores[i] = store_open(f->settings, f->counters, error);
        ok = stores[i] != NULL;
    }
    if (ok) {
        f->lanes = store_lanes_open(&options);
        ok = f->lanes != NULL || fail(error, "FAREBOX_STORE_LANES", "", "no memory or no thread");
    }
    for (uint32_t i = 0; !ok && i < options.lanes; i++) {
        if (stores[i] != NULL) {
            stores[i]->ops->close(stores[i]);
        }
    }
    return ok;
}

static bool open_scans(struct farebox *f, char error[FAREBOX_ERROR_SIZE])
{
    struct store *store = store_open(f->settings, f->counters, error);

    if (store == NULL) {
        return false;
    }
    f->scans = store_scans_open(store, driver_inbox(f->driver));
    if (f->scans == NULL) {
        store->ops->close(store);
        (void)snprintf(error, FAREBOX_ERROR_SIZE, "no memory or no thread for scans");
    }
    return f->scans != NULL;
}

static bool open_engine(struct farebox *f, char error[FAREBOX_ERROR_SIZE])
{
    char value[32];
    char reason[256];

    f->counters = counters_open();
    if (f->counters == NULL) {
        (void)snprintf(error, FAREBOX_ERROR_SIZE, "out of memory");
        return false;
    }
    f->driver = driver_open(f->settings, reason, sizeof(reason));
    if (f->driver == NULL) {
        (void)snprintf(value, sizeof(value), "%d", (int)f->settings->in_flight);
        return fail(error, "FAREBOX_IN_FLIGHT", value, reason);
    }
    return true;
}

static bool open_gateways(struct farebox *f, char error[FAREBOX_ERROR_SIZE])
{
    const struct farebox_settings *s = f->settings;
    struct inbox *inbox = driver_inbox(f->driver);
    char reason[FAREBOX_ERROR_SIZE / 2];

    if ((s->pg == SETTINGS_PG_FAKE || s->upstreams == SETTINGS_UPSTREAMS_FAKE) &&
        !fake_gateway_open(s, inbox, &f->fakes, reason, sizeof(reason))) {
        return fail(error, "FAREBOX_FAKE_PG_FILE", s->fake_pg_path, reason);
    }
    if ((s->pg == SETTINGS_PG_HTTP || s->upstreams == SETTINGS_UPSTREAMS_HTTP) &&
        !http_gateway_open(s, inbox, &f->http_gateway, reason, sizeof(reason))) {
        (void)snprintf(error, FAREBOX_ERROR_SIZE, "HTTP to the PG, pricing and users: %s", reason);
        return false;
    }
    return true;
}

static bool open_broker(struct farebox *f, char error[FAREBOX_ERROR_SIZE])
{
    const struct farebox_settings *s = f->settings;
    const struct kafka_broker_topic topics[] = {
        {s->trip_topic, s->embedded_kafka_partitions},
        {s->dlt_topic, s->embedded_kafka_partitions},
        {s->outcome_topic, s->embedded_kafka_partitions},
    };
    char reason[KAFKA_ERROR_TEXT_SIZE];

    if (!s->kafka_is_embedded) {
        return true;
    }
    f->broker = kafka_broker_open(topics, sizeof(topics) / sizeof(topics[0]), reason);
    return f->broker != NULL || fail(error, "FAREBOX_KAFKA", "embedded", reason);
}

static bool open_bus(struct farebox *f, char error[FAREBOX_ERROR_SIZE])
{
    const struct bus_options options = {f->settings, farebox_kafka(f), driver_inbox(f->driver)};
    char reason[KAFKA_ERROR_TEXT_SIZE];

    f->bus = bus_open(&options, reason);
    return f->bus != NULL || fail(error, "FAREBOX_KAFKA", farebox_kafka(f), reason);
}

static bool start_driver(struct farebox *f, char error[FAREBOX_ERROR_SIZE])
{
    const struct driver_parts parts = {
        .lanes = f->lanes,
        .scans = f->scans,
        .bus = f->bus,
        .pg = f->settings->pg == SETTINGS_PG_HTTP ? f->http_gateway : f->fakes,
        .upstreams = f->settings->upstreams == SETTINGS_UPSTREAMS_HTTP ? f->http_gateway : f->fakes,
        .counters = f->counters,
        .broken = stop_signal_broken};

    f->is_driven = driver_start(f->driver, &parts);
    if (!f->is_driven) {
        (void)snprintf(error, FAREBOX_ERROR_SIZE, "no thread for the engine");
    }
    return f->is_driven;
}

static bool open_http(struct farebox *f, char error[FAREBOX_ERROR_SIZE])
{
    const struct farebox_settings *s = f->settings;
    const struct http_ops_parts parts = {f->driver, f->bus, f->scans, f->counters};
    struct store *store = store_open(f->settings, f->counters, error);
    struct http_api_options options = {.ops = http_ops_table(),
                                       .host = s->http_host,
                                       .port = s->http_port,
                                       .admin_token = &s->admin_token,
                                       .zone_offset_s = time_zone_offset_s};
    char value[SETTINGS_HOST_MAX + 16];
    char reason[512];

    if (store == NULL) {
        return false;
    }
    f->http_ops = http_ops_open(store, &parts);
    if (f->http_ops == NULL) {
        store->ops->close(store);
        (void)snprintf(error, FAREBOX_ERROR_SIZE, "out of memory");
        return false;
    }
    options.ctx = f->http_ops;
    if (http_api_open(&options, &f->http, reason, sizeof(reason)) != HTTP_API_OK) {
        (void)snprintf(value, sizeof(value), "%s:%d", s->http_host, (int)s->http_port);
        return fail(error, "FAREBOX_HTTP_ADDRESS", value, reason);
    }
    return true;
}

static void close_gateway(struct gateway_port *port)
{
    if (port != NULL) {
        port->ops->close(port);
    }
}

/*
 * Ends what runs. The engine thread is still there while the consumers leave, because revokes wait
 * for it; then it ends before the parts that it calls, and the inbox after all that post to it.
 */
static void close_all(struct farebox *f)
{
    http_api_close(f->http);
    if (f->bus != NULL) {
        bus_stop_consumers(f->bus, LEAVE_GROUPS_MS);
    }
    if (f->is_driven) {
        driver_quit(f->driver);
    }
    if (f->bus != NULL) {
        bus_close(f->bus, FLUSH_MS);
    }
    store_lanes_close(f->lanes);
    store_scans_close(f->scans);
    http_ops_close(f->http_ops);
    close_gateway(f->fakes);
    close_gateway(f->http_gateway);
    kafka_broker_close(f->broker);
    driver_close(f->driver);
    counters_close(f->counters);
    free(f);
}

struct farebox *farebox_start(const struct farebox_settings *settings,
                              char error[FAREBOX_ERROR_SIZE])
{
    struct farebox *f = calloc(1, sizeof(*f));

    if (f == NULL) {
        (void)snprintf(error, FAREBOX_ERROR_SIZE, "out of memory");
        return NULL;
    }
    f->settings = settings;
    if (!open_engine(f, error) ||
        (settings->store_is_mysql && !moving_in(settings, f->counters, error)) ||
        !open_gateways(f, error) || !open_broker(f, error) || !open_lanes(f, error) ||
        !open_scans(f, error) || !open_bus(f, error) || !start_driver(f, error) ||
        !open_http(f, error)) {
        close_all(f);
        return NULL;
    }
    return f;
}

int farebox_http_port(const struct farebox *f)
{
    return http_api_port(f->http);
}

const char *farebox_kafka(const struct farebox *f)
{
    return f->broker == NULL ? f->settings->kafka_servers : kafka_broker_bootstrap(f->broker);
}

bool farebox_stop(struct farebox *f)
{
    bool is_done;

    driver_stop(f->driver);
    is_done = driver_await_stopped(f->driver, f->settings->stop_timeout_ms);
    if (!is_done) {
        log_write(LOG_LEVEL_WARN, "stopped with payments in flight: the rescue finishes them",
                  NULL);
    }
    close_all(f);
    return is_done;
}
