/*
 * driver.h - the engine thread: owns all state, steps the engine, carries out its effects.
 *
 * One thread takes messages from the inbox, turns each into an event, steps, and hands what the
 * step asks for to lanes, scans, bus and gateway, none of which makes it wait. Everything else in
 * the process reads what it needs through the functions below.
 *
 * Ownership: the parts are the caller's; they must outlive the thread, and must have been closed
 * before driver_close(), because they post to the inbox until then.
 */
#ifndef FAREBOX_DRIVER_H
#define FAREBOX_DRIVER_H

#include "bus.h"
#include "counters.h"
#include "gateway_port.h"
#include "http_api.h"
#include "settings.h"
#include "store_lanes.h"
#include "store_scans.h"

struct driver;

struct driver_parts {
    struct store_lanes *lanes;
    struct store_scans *scans;
    struct bus *bus;
    struct gateway_port *pg;
    struct gateway_port *upstreams; /* may be the same */
    struct counters *counters;
    /* Called in the engine thread when the process can't go on: it must stop and be restarted. */
    void (*broken)(void *context);
    void *context;
};

/* Makes engine, pool and inbox; no thread yet. NULL, and why in `error`: no memory, limits. */
MUST_USE struct driver *driver_open(const struct farebox_settings *settings, char *error,
                                    size_t error_size);

/* Where the parts post. */
struct inbox *driver_inbox(struct driver *driver);

/* Starts the thread. False: there is none left. */
MUST_USE bool driver_start(struct driver *driver, const struct driver_parts *parts);

/* Claims nothing new from now on (LIFE, "Stop"). Any thread, once. */
void driver_stop(struct driver *driver);

/* Waits until nothing is in flight any more: true; or for timeout_ms: false. */
bool driver_await_stopped(struct driver *driver, int64_t timeout_ms);

/* Ends the thread, after the messages that are in the inbox. Blocks for that. */
void driver_quit(struct driver *driver);

/* Frees everything, posted messages too. NULL is allowed. */
void driver_close(struct driver *driver);

/* Any thread: when the engine thread was last seen going round (CLOCK_BOOTTIME). */
int64_t driver_last_round_ms(const struct driver *driver);
bool driver_is_stopping(const struct driver *driver);
/* Any thread: the breaker as it was after the last step. */
enum breaker_state driver_breaker(const struct driver *driver, enum payment_gate gate);

#define DRIVER_ADMIN_MS 20000
enum driver_admin_status {
    DRIVER_ADMIN_DONE = 1,
    DRIVER_ADMIN_CONFLICT,
    DRIVER_ADMIN_BUSY,
    DRIVER_ADMIN_NO_ANSWER, /* of the store or in time: it may still happen */
};

/*
 * Any thread but the engine's: retry-all (`topic` NULL: all), or an ignore of the row as it was
 * read. Waits for the engine's reply for up to DRIVER_ADMIN_MS.
 */
enum driver_admin_status driver_retry_all(struct driver *driver, const char *topic,
                                          struct http_retry_result *result);
/* The same for the ignore of one row. */
enum driver_admin_status driver_ignore(struct driver *driver, const struct failed_event_row *row);
/* The same for ADMIN_REFUND or ADMIN_ADOPT of a payment. `texts` is the pool of the row's texts, in
 * `block`, which is from the heap and the driver's from now on. */
enum driver_admin_status driver_operate(struct driver *driver, enum admin_op op,
                                        const struct payment_row *row, void *block,
                                        const struct texts *texts);

#endif
