#define _POSIX_C_SOURCE 200809L

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "test_kafka_recorder.h"

#include <string.h>
#include <time.h>

int64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void on_assigned(void *context, const struct kafka_partition *where)
{
    struct recorder *recorder = context;
    assert_in_range(where->partition, 0, RECORDER_PARTITIONS_MAX - 1);
    recorder->assigned[where->partition] = *where;
    recorder->assign_calls++;
    if (recorder->pause_when_assigned) {
        kafka_consumer_pause(recorder->consumer, where);
    }
}

static void on_revoked(void *context, const struct kafka_partition *where, bool lost)
{
    struct recorder *recorder = context;
    (void)lost;
    assert_int_equal(recorder->assigned[where->partition].assignment, where->assignment);
    recorder->assigned[where->partition].assignment = 0;
    recorder->revoke_calls++;
}

static void on_record(void *context, const struct kafka_partition *where,
                      const struct kafka_record *record)
{
    struct recorder *recorder = context;
    assert_true(recorder->record_count < RECORDER_RECORDS_MAX);
    assert_int_equal(recorder->assigned[where->partition].assignment, where->assignment);
    if (recorder->look != NULL) {
        recorder->look(recorder, record);
    }
    struct recorded *seen = &recorder->records[recorder->record_count++];
    *seen = (struct recorded){
        .partition = record->partition, .offset = record->offset, .assignment = where->assignment};
    size_t len =
        record->value_len < sizeof(seen->text) ? record->value_len : sizeof(seen->text) - 1;
    if (len > 0) {
        memcpy(seen->text, record->value, len);
    }
}

static void on_committed(void *context, const struct kafka_partition *where, int64_t next_offset,
                         bool ok)
{
    struct recorder *recorder = context;
    recorder->last_commit = *where;
    recorder->last_committed_offset = next_offset;
    *(ok ? &recorder->commits_ok : &recorder->commits_failed) += 1;
}

void recorder_open(struct recorder *recorder, const char *bootstrap, const char *group)
{
    static const char *const topics[] = {"trips", NULL};
    struct kafka_consumer_settings settings = {.client = {.bootstrap = bootstrap},
                                               .group = group,
                                               .topics = topics,
                                               .fetch_wait_max_ms = KAFKA_BROKER_FETCH_WAIT_MAX_MS,
                                               .session_timeout_ms =
                                                   KAFKA_BROKER_SESSION_TIMEOUT_MS};
    struct kafka_consumer_handlers handlers = {.context = recorder,
                                               .on_assigned = on_assigned,
                                               .on_revoked = on_revoked,
                                               .on_record = on_record,
                                               .on_committed = on_committed};
    char error[KAFKA_ERROR_TEXT_SIZE] = "";
    recorder->consumer = kafka_consumer_open(&settings, &handlers, error);
    if (recorder->consumer == NULL) {
        fail_msg("%s", error);
    }
}

void recorder_close(struct recorder *recorder)
{
    assert_true(kafka_consumer_close(recorder->consumer, RECORDER_PATIENCE_MS));
    assert_int_equal(recorder_assigned(recorder), 0);
    assert_int_equal(recorder->assign_calls, recorder->revoke_calls);
}

size_t recorder_assigned(const struct recorder *recorder)
{
    size_t count = 0;
    for (size_t i = 0; i < RECORDER_PARTITIONS_MAX; i++) {
        count += recorder->assigned[i].assignment != 0 ? 1 : 0;
    }
    return count;
}

void recorder_await_records(struct recorder *recorder, size_t count)
{
    int64_t deadline = now_ms() + RECORDER_PATIENCE_MS;
    while (recorder->record_count < count && now_ms() < deadline) {
        (void)kafka_consumer_poll(recorder->consumer, 50);
    }
    assert_int_equal(recorder->record_count, count);
}

void recorder_await_assigned(struct recorder *recorder, size_t count)
{
    int64_t deadline = now_ms() + RECORDER_PATIENCE_MS;
    while (recorder_assigned(recorder) != count && now_ms() < deadline) {
        (void)kafka_consumer_poll(recorder->consumer, 50);
    }
    assert_int_equal(recorder_assigned(recorder), count);
}

void recorder_expect_silence(struct recorder *recorder, int64_t ms)
{
    size_t before = recorder->record_count;
    int64_t deadline = now_ms() + ms;
    while (now_ms() < deadline) {
        (void)kafka_consumer_poll(recorder->consumer, 20);
    }
    assert_int_equal(recorder->record_count, before);
}

void recorder_commit(struct recorder *recorder, int32_t partition, int64_t next_offset)
{
    size_t before = recorder->commits_ok;
    int64_t deadline = now_ms() + RECORDER_PATIENCE_MS;
    assert_int_equal(
        kafka_consumer_commit(recorder->consumer, &recorder->assigned[partition], next_offset),
        KAFKA_COMMIT_SENT);
    while (recorder->commits_ok == before && now_ms() < deadline) {
        (void)kafka_consumer_poll(recorder->consumer, 20);
    }
    assert_int_equal(recorder->commits_ok, before + 1);
    assert_int_equal(recorder->commits_failed, 0);
    assert_int_equal(recorder->last_committed_offset, next_offset);
    assert_int_equal(recorder->last_commit.partition, partition);
    assert_int_equal(recorder->last_commit.assignment, recorder->assigned[partition].assignment);
}

static void on_delivered(void *context, uint64_t cookie, enum kafka_delivery delivery,
                         int32_t partition, int64_t offset, const char *error)
{
    struct reports *reports = context;
    switch (delivery) {
    case KAFKA_DELIVERED:
        assert_string_equal(error, "");
        assert_true(offset >= 0);
        reports->delivered++;
        break;
    case KAFKA_REFUSED:
        assert_true(error[0] != '\0');
        reports->refused++;
        break;
    case KAFKA_NO_VERDICT:
        assert_true(error[0] != '\0');
        reports->no_verdict++;
        break;
    }
    reports->last_cookie = cookie;
    reports->cookie_sum += cookie;
    reports->last_partition = partition;
    reports->last_offset = offset;
}

struct kafka_producer *reports_open(struct reports *reports, const char *bootstrap,
                                    int32_t message_timeout_ms)
{
    struct kafka_producer_settings settings = {.client = {.bootstrap = bootstrap},
                                               .queue_records_max = 100,
                                               .linger_ms = -1,
                                               .message_timeout_ms = message_timeout_ms};
    struct kafka_producer_handlers handlers = {.context = reports, .on_delivered = on_delivered};
    char error[KAFKA_ERROR_TEXT_SIZE] = "";
    struct kafka_producer *producer = kafka_producer_open(&settings, &handlers, error);
    if (producer == NULL) {
        fail_msg("%s", error);
    }
    return producer;
}

struct kafka_outgoing outgoing(const char *value)
{
    return (struct kafka_outgoing){.topic = "trips", .value = value, .value_len = strlen(value)};
}
