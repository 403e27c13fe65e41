#include "bench_send.h"

#include "kafka_producer.h"
#include "record_headers.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FLUSH_MS 60000

static void fail(const char *what)
{
    fprintf(stderr, "bench: %s\n", what);
    exit(1);
}

static void on_delivery(void *context, uint64_t cookie, enum kafka_delivery delivery,
                        int32_t partition, int64_t offset, const char *error)
{
    (void)context;
    (void)cookie;
    (void)partition;
    (void)offset;
    (void)error;
    if (delivery != KAFKA_DELIVERED) {
        fail("a trip was not delivered to the broker");
    }
}

static size_t headers_of(uint32_t index, uint8_t *headers, size_t size)
{
    char traceparent[BENCH_TRACEPARENT_SIZE];
    bench_traceparent(index, traceparent);
    const struct kafka_header header = {.name = "traceparent",
                                        .name_len = sizeof("traceparent") - 1,
                                        .value = (const uint8_t *)traceparent,
                                        .value_len = strlen(traceparent),
                                        .has_value = true};
    size_t len = 0;
    invariant(record_headers_encode(&header, 1, headers, size, &len));
    return len;
}

static void trip_send(struct kafka_producer *producer, const struct bench_trips *trips,
                      uint32_t partitions, uint32_t index)
{
    uint8_t headers[200];
    char trip_id[BENCH_TRIP_ID_SIZE];
    char user_id[BENCH_TRIP_ID_SIZE];
    char value[400];
    bench_trip_id(trips, index, trip_id);
    bench_user_id(index, user_id);
    int len = snprintf(value, sizeof(value),
                       "{\"tripId\":\"%s\",\"userId\":\"%s\",\"driverId\":\"driver-0001\","
                       "\"distanceMeters\":%" PRIu32 ",\"durationSeconds\":%" PRIu32 ","
                       "\"endedAt\":\"2026-11-22T09:20:00\"}",
                       trip_id, user_id, 500 + index * 7919U % 30000U, 60 + index % 3000U);
    const struct kafka_outgoing record = {.topic = "trip_events",
                                          .key = trip_id,
                                          .key_len = strlen(trip_id),
                                          .value = value,
                                          .value_len = (size_t)len,
                                          .headers = headers,
                                          .headers_len =
                                              headers_of(index, headers, sizeof(headers)),
                                          .partition = (int32_t)(index % partitions)};
    enum kafka_produce produced;
    while ((produced = kafka_producer_produce(producer, &record)) == KAFKA_PRODUCE_FULL) {
        (void)kafka_producer_poll(producer, 10);
    }
    if (produced != KAFKA_PRODUCE_QUEUED) {
        fail("the producer refuses a trip");
    }
}

void bench_send(const char *bootstrap, uint32_t partitions, const struct bench_trips *trips)
{
    const struct kafka_producer_settings settings = {.client = {.bootstrap = bootstrap}};
    const struct kafka_producer_handlers handlers = {NULL, on_delivery};
    char error[KAFKA_ERROR_TEXT_SIZE] = "";
    struct kafka_producer *producer = kafka_producer_open(&settings, &handlers, error);
    if (producer == NULL) {
        fail(error);
    }
    for (uint32_t i = 0; i < trips->count; i++) {
        trip_send(producer, trips, partitions, i);
    }
    if (!kafka_producer_flush(producer, FLUSH_MS)) {
        fail("the broker does not take the trips");
    }
    (void)kafka_producer_close(producer, FLUSH_MS);
}
