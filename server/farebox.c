#include "farebox.h"

#include "clock.h"
#include "driver.h"
#include "http_ops.h"
#include "kafka_broker.h"
#include "log.h"
#include "store_notice.h"
#include "mysql_store.h"
#include "sqlite_store.h"
#include "stop_signal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SQLITE_BUSY_MS 5000
/* Waits at MySQL, in seconds. An answer takes longer than a lock wait, or that would look lost. */
#define MYSQL_CONNECT_S   5
#define MYSQL_LOCK_WAIT_S 10
#define MYSQL_READ_S      30
#define LEAVE_GROUPS_MS   10000
#define FLUSH_MS          10000
/* Of a lane's texts: whatever half of the engine's pool holds, and rows that come back. */
#define LANE_BYTES (128U << 20)
#define LANES_MAX  16

struct farebox {
    const struct farebox_settings *settings;
    struct counters *counters;
    struct driver *driver;
    struct fake_gateway *gateway;
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

static struct store *open_sqlite(const struct farebox_settings *settings,
                                 char error[FAREBOX_ERROR_SIZE])
{
    const struct sqlite_store_options options = {
        .now_ms = clock_unix_ms, .busy_timeout_ms = SQLITE_BUSY_MS, .migrate = true};
    struct store *store = NULL;
    char reason[FAREBOX_ERROR_SIZE / 2];
    char value[SETTINGS_PATH_MAX + 16];

    if (!sqlite_store_open(settings->sqlite_path, &options, &store, reason, sizeof(reason))) {
        (void)snprintf(value, sizeof(value), "sqlite:%s", settings->sqlite_path);
        (void)fail(error, "FAREBOX_STORE", value, reason);
        return NULL;
    }
    return store;
}

static struct store *open_mysql(const struct farebox *f, char error[FAREBOX_ERROR_SIZE])
{
    const struct farebox_settings *settings = f->settings;
    const struct secret *password = &settings->store_password;
    const struct mysql_store_options options = {
        .host = settings->mysql_host,
        .user = settings->mysql_user,
        .password = password->is_set ? password->bytes : NULL,
        .database = settings->mysql_database,
        .tls_ca = strcmp(settings->store_tls_ca, "none") == 0 ? NULL : settings->store_tls_ca,
        .port = (uint16_t)settings->mysql_port,
        .connect_timeout_s = MYSQL_CONNECT_S,
        .read_timeout_s = MYSQL_READ_S,
        .write_timeout_s = MYSQL_READ_S,
        .lock_wait_timeout_s = MYSQL_LOCK_WAIT_S,
        .tls = settings->store_tls != 0,
        .migrate = true,
        .allow_lost_commits = settings->store_allow_lost_commits != 0,
        .notice = store_notice,
        .notice_context = f->counters};
    char value[SETTINGS_HOST_MAX + 2 * SETTINGS_MYSQL_NAME_MAX + 32];
    struct store *store = NULL;
    char reason[FAREBOX_ERROR_SIZE / 2];

    if (!mysql_store_open(&options, &store, reason, sizeof(reason))) {
        (void)snprintf(value, sizeof(value), "mysql://%s@%s:%d/%s", settings->mysql_user,
                       settings->mysql_host, (int)settings->mysql_port, settings->mysql_database);
        (void)fail(error, "FAREBOX_STORE", value, reason);
        return NULL;
    }
    return store;
}

static struct store *open_store(struct farebox *f, char error[FAREBOX_ERROR_SIZE])
{
    return f->settings->store_is_mysql ? open_mysql(f, error) : open_sqlite(f->settings, error);
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
        stores[i] = open_store(f, error);
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
    struct store *store = open_store(f, error);

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

static bool open_gateway(struct farebox *f, char error[FAREBOX_ERROR_SIZE])
{
    char reason[FAREBOX_ERROR_SIZE / 2];

    if (!fake_gateway_open(f->settings, driver_inbox(f->driver), &f->gateway, reason,
                           sizeof(reason))) {
        return fail(error, "FAREBOX_FAKE_PG_FILE", f->settings->fake_pg_path, reason);
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
    const struct driver_parts parts = {.lanes = f->lanes,
                                       .scans = f->scans,
                                       .bus = f->bus,
                                       .gateway = f->gateway,
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
    struct store *store = open_store(f, error);
    struct http_api_options options = {.ops = http_ops_table(),
                                       .host = s->http_host,
                                       .port = s->http_port,
                                       .admin_token = &s->admin_token,
                                       .time_zone_offset_min = s->time_zone_offset_min};
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
    fake_gateway_close(f->gateway);
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
    if (!open_engine(f, error) || !open_gateway(f, error) || !open_broker(f, error) ||
        !open_lanes(f, error) || !open_scans(f, error) || !open_bus(f, error) ||
        !start_driver(f, error) || !open_http(f, error)) {
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
