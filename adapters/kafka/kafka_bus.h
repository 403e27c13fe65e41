/*
 * kafka_bus.h - consumers and a producer, each polled by a thread of the bus.
 *
 * What server/ uses: it opens the trip consumer, the DLT consumer and the producer, and from then
 * on handlers are called from the bus's threads, one thread for each client: see the handlers in
 * kafka_consumer.h and kafka_producer.h. Handlers of different clients run at the same time.
 *
 * commit, pause, resume and produce are called on the clients from any thread, between open and
 * kafka_bus_stop_consumers() / kafka_bus_close().
 */
#ifndef FAREBOX_KAFKA_BUS_H
#define FAREBOX_KAFKA_BUS_H

#include "kafka_consumer.h"
#include "kafka_producer.h"

#define KAFKA_BUS_CONSUMERS_MAX 2

/* Borrowed until open has returned. */
struct kafka_bus_settings {
    struct kafka_consumer_settings consumers[KAFKA_BUS_CONSUMERS_MAX];
    struct kafka_consumer_handlers consumer_handlers[KAFKA_BUS_CONSUMERS_MAX];
    struct kafka_producer_settings producer;
    struct kafka_producer_handlers producer_handlers;
    uint32_t consumer_count; /* 0 to KAFKA_BUS_CONSUMERS_MAX */
};

struct kafka_bus;

/*
 * Opens the clients and starts their threads; handlers may run before this returns. A broker that
 * is down is not an error. NULL, and why in `error`: a setting is refused, or no thread.
 */
MUST_USE struct kafka_bus *kafka_bus_open(const struct kafka_bus_settings *settings,
                                          char error[KAFKA_ERROR_TEXT_SIZE]);

/* The clients, for pause, resume, commit and produce only: polling and closing is the bus's. */
struct kafka_consumer *kafka_bus_consumer(struct kafka_bus *bus, uint32_t index);
struct kafka_producer *kafka_bus_producer(struct kafka_bus *bus);

/*
 * Leaves the groups (see kafka_consumer_close) within timeout_ms for all together; the producer
 * goes on. Blocks; must not be called from a handler. Afterwards no consumer handler runs, and
 * kafka_bus_consumer() gives NULL. A second call does nothing. True: orderly.
 */
bool kafka_bus_stop_consumers(struct kafka_bus *bus, int timeout_ms);

/*
 * Stops the consumers if that has not been done, flushes the producer, and frees everything,
 * within timeout_ms. Records without a verdict are reported as KAFKA_NO_VERDICT first. Blocks; not
 * from a handler. NULL is allowed. True: orderly, everything delivered or refused.
 */
bool kafka_bus_close(struct kafka_bus *bus, int timeout_ms);

#endif
