#define _GNU_SOURCE /* pthread_setname_np */

#include "kafka_bus.h"

#include "kafka_conf.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

/* Bounds how long a thread needs to notice that it should stop. */
#define POLL_MS 50

struct consumer_thread {
    struct kafka_consumer *consumer;
    pthread_t thread;
    atomic_bool stop;
    /* Set before `stop`: until when, by kafka_conf_clock_ms(). */
    int64_t deadline_ms;
    bool orderly;
    bool running;
};

struct kafka_bus {
    struct consumer_thread consumers[KAFKA_BUS_CONSUMERS_MAX];
    uint32_t consumer_count;
    struct kafka_producer *producer;
    pthread_t producer_thread;
    atomic_bool producer_stop;
    bool producer_running;
};

static void *run_consumer(void *argument)
{
    struct consumer_thread *self = argument;
    (void)pthread_setname_np(pthread_self(), "consumer");
    while (!atomic_load(&self->stop)) {
        (void)kafka_consumer_poll(self->consumer, POLL_MS);
    }
    /* Closed by the thread that polled: its handlers belong to it. */
    int left_ms = kafka_conf_left_ms(self->deadline_ms, INT32_MAX);
    self->orderly = kafka_consumer_close(self->consumer, left_ms);
    return NULL;
}

static void *run_producer(void *argument)
{
    struct kafka_bus *bus = argument;
    (void)pthread_setname_np(pthread_self(), "producer");
    while (!atomic_load(&bus->producer_stop)) {
        (void)kafka_producer_poll(bus->producer, POLL_MS);
    }
    return NULL;
}

static bool open_consumer(struct kafka_bus *bus, const struct kafka_bus_settings *settings,
                          uint32_t index, char error[KAFKA_ERROR_TEXT_SIZE])
{
    struct consumer_thread *self = &bus->consumers[index];
    self->consumer = kafka_consumer_open(&settings->consumers[index],
                                         &settings->consumer_handlers[index], error);
    if (self->consumer == NULL) {
        return false;
    }
    bus->consumer_count++;
    self->running = pthread_create(&self->thread, NULL, run_consumer, self) == 0;
    if (!self->running) {
        (void)snprintf(error, KAFKA_ERROR_TEXT_SIZE, "no thread for a consumer");
    }
    return self->running;
}

static bool open_clients(struct kafka_bus *bus, const struct kafka_bus_settings *settings,
                         char error[KAFKA_ERROR_TEXT_SIZE])
{
    bus->producer = kafka_producer_open(&settings->producer, &settings->producer_handlers, error);
    if (bus->producer == NULL) {
        return false;
    }
    bus->producer_running = pthread_create(&bus->producer_thread, NULL, run_producer, bus) == 0;
    if (!bus->producer_running) {
        (void)snprintf(error, KAFKA_ERROR_TEXT_SIZE, "no thread for the producer");
        return false;
    }
    for (uint32_t i = 0; i < settings->consumer_count; i++) {
        if (!open_consumer(bus, settings, i, error)) {
            return false;
        }
    }
    return true;
}

struct kafka_bus *kafka_bus_open(const struct kafka_bus_settings *settings,
                                 char error[KAFKA_ERROR_TEXT_SIZE])
{
    invariant(settings->consumer_count <= KAFKA_BUS_CONSUMERS_MAX);
    struct kafka_bus *bus = calloc(1, sizeof(*bus));
    if (bus == NULL) {
        (void)snprintf(error, KAFKA_ERROR_TEXT_SIZE, "out of memory");
        return NULL;
    }
    if (!open_clients(bus, settings, error)) {
        (void)kafka_bus_close(bus, 0);
        return NULL;
    }
    return bus;
}

struct kafka_consumer *kafka_bus_consumer(struct kafka_bus *bus, uint32_t index)
{
    invariant(index < KAFKA_BUS_CONSUMERS_MAX);
    return bus->consumers[index].consumer;
}

struct kafka_producer *kafka_bus_producer(struct kafka_bus *bus)
{
    return bus->producer;
}

bool kafka_bus_stop_consumers(struct kafka_bus *bus, int timeout_ms)
{
    int64_t deadline_ms = kafka_conf_clock_ms() + timeout_ms;
    bool orderly = true;
    for (uint32_t i = 0; i < bus->consumer_count; i++) {
        bus->consumers[i].deadline_ms = deadline_ms;
        atomic_store(&bus->consumers[i].stop, true);
    }
    for (uint32_t i = 0; i < bus->consumer_count; i++) {
        struct consumer_thread *self = &bus->consumers[i];
        if (self->running) {
            (void)pthread_join(self->thread, NULL);
            orderly = orderly && self->orderly;
        } else {
            orderly = kafka_consumer_close(self->consumer, 0) && orderly;
        }
        self->consumer = NULL;
        self->running = false;
    }
    bus->consumer_count = 0;
    return orderly;
}

bool kafka_bus_close(struct kafka_bus *bus, int timeout_ms)
{
    if (bus == NULL) {
        return true;
    }
    int64_t deadline_ms = kafka_conf_clock_ms() + timeout_ms;
    bool orderly = kafka_bus_stop_consumers(bus, timeout_ms);
    if (bus->producer_running) {
        atomic_store(&bus->producer_stop, true);
        (void)pthread_join(bus->producer_thread, NULL);
    }
    int left_ms = kafka_conf_left_ms(deadline_ms, INT32_MAX);
    orderly = kafka_producer_close(bus->producer, left_ms) && orderly;
    free(bus);
    return orderly;
}
