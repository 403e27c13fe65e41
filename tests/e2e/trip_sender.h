/*
 * trip_sender.h - the trip service, as seen from Kafka: a broker in this process, which outlives
 * whatever farebox does, and a producer of trip events.
 *
 * Whatever goes wrong fails the running test. One thread.
 */
#ifndef FAREBOX_TEST_TRIP_SENDER_H
#define FAREBOX_TEST_TRIP_SENDER_H

#include "kafka_broker.h"
#include "kafka_producer.h"
#include "kafka_reader.h"

#define TRIP_SENDER_PARTITIONS 4

/* A broker with trip_events, trip_events.DLT and payment_events. */
struct kafka_broker *trip_sender_broker(int32_t partitions);

struct trip_sender {
    struct kafka_producer *producer;
    uint64_t sent;
    uint64_t delivered;
};

/* Connects; a broker that is down is waited for. */
void trip_sender_open(struct trip_sender *sender, const char *bootstrap);
/* Waits until everything is delivered, and closes. Harmless on one that is all zero. */
void trip_sender_close(struct trip_sender *sender);

/* Queues any record. */
void trip_sender_send(struct trip_sender *sender, const struct kafka_outgoing *record);
/* Queues a completed trip, key = trip id; KAFKA_PARTITION_BY_KEY, or where it is to go. */
void trip_sender_trip(struct trip_sender *sender, const char *trip_id, const char *user_id,
                      int32_t distance_meters, int32_t duration_seconds, int32_t partition);
/* Waits until everything sent so far is in the log. */
void trip_sender_flush(struct trip_sender *sender);

/* Hands over all records of a topic; returns how many. */
int64_t trip_sender_read(const char *bootstrap, const char *topic, kafka_reader_fn *on_record,
                         void *context);
/* Records of a topic that a group has not committed. */
int64_t trip_sender_lag(const char *bootstrap, const char *topic, const char *group);

#endif
