/*
 * test_kafka_recorder.h - a consumer whose handlers write down what they are told.
 */
#ifndef FAREBOX_TEST_KAFKA_RECORDER_H
#define FAREBOX_TEST_KAFKA_RECORDER_H

#include "kafka_broker.h"
#include "kafka_consumer.h"
#include "kafka_producer.h"

#define RECORDER_RECORDS_MAX    2048
#define RECORDER_PARTITIONS_MAX 16
/* Longer than anything here should take; a test that gets there has failed. */
#define RECORDER_PATIENCE_MS 30000

struct recorded {
    int32_t partition;
    int64_t offset;
    uint32_t assignment;
    char text[32]; /* the start of the value */
};

struct recorder {
    struct kafka_consumer *consumer;
    struct kafka_partition assigned[RECORDER_PARTITIONS_MAX]; /* by partition; 0: not ours */
    struct kafka_partition last_commit;
    struct recorded records[RECORDER_RECORDS_MAX];
    size_t record_count;
    size_t assign_calls;
    size_t revoke_calls;
    size_t commits_ok;
    size_t commits_failed;
    int64_t last_committed_offset;
    bool pause_when_assigned;
    /* Called for each record before it is written down, if set. */
    void (*look)(struct recorder *recorder, const struct kafka_record *record);
};

/* Joins `group` on "trips"; asserts success. */
void recorder_open(struct recorder *recorder, const char *bootstrap, const char *group);
/* Closes orderly, within the patience. */
void recorder_close(struct recorder *recorder);

/* Polls until there are so many records, or assigned partitions; asserts that it comes to that. */
void recorder_await_records(struct recorder *recorder, size_t count);
void recorder_await_assigned(struct recorder *recorder, size_t count);
size_t recorder_assigned(const struct recorder *recorder);

/* Polls for this long and asserts that no further record came. */
void recorder_expect_silence(struct recorder *recorder, int64_t ms);

/* Commits and polls until the answer is there; asserts that it is "ok". */
void recorder_commit(struct recorder *recorder, int32_t partition, int64_t next_offset);

/* Delivery reports, counted. */
struct reports {
    size_t delivered;
    size_t refused;
    size_t no_verdict;
    uint64_t last_cookie;
    uint64_t cookie_sum;
    int32_t last_partition;
    int64_t last_offset;
};

/* A producer that reports to `reports`; message_timeout_ms 0: the default. */
struct kafka_producer *reports_open(struct reports *reports, const char *bootstrap,
                                    int32_t message_timeout_ms);

/* A record for "trips" with this value; partition 0. */
struct kafka_outgoing outgoing(const char *value);

/* Milliseconds of a clock that only goes forward. */
int64_t now_ms(void);

#endif
