#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "trip_sender.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PATIENCE_MS 30000

struct kafka_broker *trip_sender_broker(int32_t partitions)
{
    const struct kafka_broker_topic topics[] = {{"trip_events", partitions},
                                                {"trip_events.DLT", partitions},
                                                {"payment_events", partitions}};
    char error[KAFKA_ERROR_TEXT_SIZE] = "";
    struct kafka_broker *broker = kafka_broker_open(topics, 3, error);
    if (broker == NULL) {
        fail_msg("%s", error);
    }
    return broker;
}

static void count_delivery(void *context, uint64_t cookie, enum kafka_delivery delivery,
                           int32_t partition, int64_t offset, const char *error)
{
    struct trip_sender *sender = context;
    (void)cookie;
    (void)partition;
    (void)offset;
    if (delivery == KAFKA_DELIVERED) {
        sender->delivered++;
    } else {
        print_error("a record was not delivered: %s\n", error);
    }
}

void trip_sender_open(struct trip_sender *sender, const char *bootstrap)
{
    const struct kafka_producer_settings settings = {.client = {.bootstrap = bootstrap}};
    const struct kafka_producer_handlers handlers = {sender, count_delivery};
    char error[KAFKA_ERROR_TEXT_SIZE] = "";
    memset(sender, 0, sizeof(*sender));
    sender->producer = kafka_producer_open(&settings, &handlers, error);
    if (sender->producer == NULL) {
        fail_msg("%s", error);
    }
}

void trip_sender_close(struct trip_sender *sender)
{
    if (sender->producer != NULL) {
        (void)kafka_producer_close(sender->producer, PATIENCE_MS);
        sender->producer = NULL;
    }
}

void trip_sender_send(struct trip_sender *sender, const struct kafka_outgoing *record)
{
    enum kafka_produce produced = kafka_producer_produce(sender->producer, record);
    while (produced == KAFKA_PRODUCE_FULL) {
        (void)kafka_producer_poll(sender->producer, 10);
        produced = kafka_producer_produce(sender->producer, record);
    }
    assert_int_equal(produced, KAFKA_PRODUCE_QUEUED);
    sender->sent++;
}

void trip_sender_trip(struct trip_sender *sender, const char *trip_id, const char *user_id,
                      int32_t distance_meters, int32_t duration_seconds, int32_t partition)
{
    char value[1024];
    int len = snprintf(value, sizeof(value),
                       "{\"tripId\":\"%s\",\"userId\":\"%s\",\"distanceMeters\":%" PRId32
                       ",\"durationSeconds\":%" PRId32 ",\"endedAt\":\"2026-11-22T09:20:00\"}",
                       trip_id, user_id, distance_meters, duration_seconds);
    const struct kafka_outgoing record = {.topic = "trip_events",
                                          .key = trip_id,
                                          .key_len = strlen(trip_id),
                                          .value = value,
                                          .value_len = (size_t)len,
                                          .partition = partition};
    assert_in_range(len, 1, sizeof(value) - 1);
    trip_sender_send(sender, &record);
}

void trip_sender_flush(struct trip_sender *sender)
{
    assert_true(kafka_producer_flush(sender->producer, PATIENCE_MS));
    assert_int_equal(sender->delivered, sender->sent);
}

int64_t trip_sender_read(const char *bootstrap, const char *topic, kafka_reader_fn *on_record,
                         void *context)
{
    const struct kafka_client_settings settings = {.bootstrap = bootstrap};
    char error[KAFKA_ERROR_TEXT_SIZE] = "";
    int64_t count = kafka_reader_read(&settings, topic, on_record, context, PATIENCE_MS, error);
    if (count < 0) {
        fail_msg("%s", error);
    }
    return count;
}

int64_t trip_sender_lag(const char *bootstrap, const char *topic, const char *group)
{
    const struct kafka_client_settings settings = {.bootstrap = bootstrap};
    char error[KAFKA_ERROR_TEXT_SIZE] = "";
    int64_t lag = kafka_reader_lag(&settings, topic, group, PATIENCE_MS, error);
    if (lag < 0) {
        fail_msg("%s", error);
    }
    return lag;
}
