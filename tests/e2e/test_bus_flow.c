/* How far the bus reads ahead of an engine that is slow, and that it goes on afterwards. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bus.h"
#include "farebox_process.h"
#include "trip_sender.h"

#include <stdio.h>
#include <stdlib.h>

#define PARTITIONS 2
#define TRIPS      3000 /* far more than BUS_AHEAD_MAX of each partition */
#define STOP_MS    10000

static struct farebox_settings settings;
static struct kafka_broker *broker;
static struct bus *bus;
static struct inbox inbox;
/* Records that came and are not done, in order. */
static struct message *first;
static struct message *last;
static int64_t next_offset[PARTITIONS];
static uint32_t assignment[PARTITIONS];
static uint32_t assigned;
static size_t ahead[PARTITIONS];
static size_t taken;

static void take_record(struct message *message)
{
    const struct record_message *record = (struct record_message *)(void *)message;

    assert_int_equal(record->offset, next_offset[record->partition]);
    next_offset[record->partition]++;
    ahead[record->partition]++;
    taken++;
    message->next = NULL;
    if (last == NULL) {
        first = message;
    } else {
        last->next = message;
    }
    last = message;
}

/* What comes within that time; the engine's part of the rest. */
static void take(int64_t timeout_ms)
{
    struct message *message = inbox_take(&inbox, timeout_ms);

    while (message != NULL) {
        struct message *next = message->next;

        if (message->type == MESSAGE_RECORD) {
            take_record(message);
        } else if (message->type == MESSAGE_REVOKED) {
            bus_revoked(bus, (struct revoked_message *)(void *)message);
        } else {
            const struct assigned_message *came = (struct assigned_message *)(void *)message;
            if (message->type == MESSAGE_ASSIGNED && came->topic == TOPIC_TRIPS) {
                assignment[came->partition] = came->assignment;
                assigned++;
            }
            free(message);
        }
        message = next;
    }
}

static void all_done(void)
{
    while (first != NULL) {
        struct record_message *record = (struct record_message *)(void *)first;

        first = first->next;
        ahead[record->partition]--;
        bus_record_done(bus, record);
    }
    last = NULL;
}

static void take_until(size_t count)
{
    int64_t deadline_ms = process_clock_ms() + PROCESS_PATIENCE_MS;

    while (taken < count) {
        assert_true(process_clock_ms() < deadline_ms);
        take(100);
    }
}

/* Whatever comes in a good while, which is several times what a pause takes to be asked for. */
static void take_for_a_while(void)
{
    int64_t end_ms = process_clock_ms() + 12 * BUS_PAUSE_AFTER_MS;

    while (process_clock_ms() < end_ms) {
        take(20);
    }
}

static int setup(void **state)
{
    char *environment[] = {NULL};
    char error[KAFKA_ERROR_TEXT_SIZE] = "";
    struct trip_sender sender;

    (void)state;
    if (settings_load(&settings, environment, (struct settings_report){0}) != SETTINGS_OK ||
        !inbox_init(&inbox)) {
        return -1;
    }
    broker = trip_sender_broker(PARTITIONS);
    trip_sender_open(&sender, kafka_broker_bootstrap(broker));
    for (int32_t i = 0; i < TRIPS; i++) {
        char trip_id[32];
        (void)snprintf(trip_id, sizeof(trip_id), "trip-%d", (int)i);
        trip_sender_trip(&sender, trip_id, "user-1", 5200, 900, i % PARTITIONS);
    }
    trip_sender_flush(&sender);
    trip_sender_close(&sender);
    const struct bus_options options = {&settings, kafka_broker_bootstrap(broker), &inbox};
    bus = bus_open(&options, error);
    return bus == NULL ? -1 : 0;
}

static void *stop_consumers(void *argument)
{
    (void)argument;
    bus_stop_consumers(bus, STOP_MS);
    return NULL;
}

static int teardown(void **state)
{
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, stop_consumers, NULL), 0);
    while (pthread_tryjoin_np(thread, NULL) != 0) {
        take(20);
    }
    take(0);
    all_done();
    bus_close(bus, STOP_MS);
    kafka_broker_close(broker);
    inbox_clear(&inbox);
    settings_clear(&settings);
    return 0;
}

static void an_engine_that_takes_nothing_is_not_flooded_and_gets_the_rest_later(void **state)
{
    (void)state;
    take_until((size_t)PARTITIONS * BUS_AHEAD_MAX);
    take_for_a_while();
    for (int i = 0; i < PARTITIONS; i++) {
        assert_in_range(ahead[i], BUS_AHEAD_MAX, BUS_AHEAD_MAX + 1);
    }
    /* The engine's own wish for one of them outlasts the room that there is. */
    bus_pause(bus, TOPIC_TRIPS, 0, assignment[0], true);
    all_done();
    take_for_a_while();
    assert_in_range(ahead[0], 0, BUS_AHEAD_MAX + 1);
    assert_int_equal(assigned, PARTITIONS);
    bus_pause(bus, TOPIC_TRIPS, 0, assignment[0], false);
    int64_t deadline_ms = process_clock_ms() + PROCESS_PATIENCE_MS;
    while (taken < TRIPS) {
        assert_true(process_clock_ms() < deadline_ms);
        all_done();
        take(100);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            an_engine_that_takes_nothing_is_not_flooded_and_gets_the_rest_later, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
