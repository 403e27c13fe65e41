#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "kafka_reader.h"
#include "test_kafka_recorder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PARTITIONS 4

static struct kafka_broker *broker;

static int open_broker(void **state)
{
    (void)state;
    const struct kafka_broker_topic topics[] = {{"trips", PARTITIONS}};
    char error[KAFKA_ERROR_TEXT_SIZE] = "";
    broker = kafka_broker_open(topics, 1, error);
    if (broker == NULL) {
        fail_msg("%s", error);
    }
    return 0;
}

static int close_broker(void **state)
{
    (void)state;
    kafka_broker_close(broker);
    broker = NULL;
    return 0;
}

/* Puts `count` records "0", "1", ... into a partition. */
static void fill(int32_t partition, int count)
{
    struct reports reports = {0};
    struct kafka_producer *producer = reports_open(&reports, kafka_broker_bootstrap(broker), 0);
    for (int i = 0; i < count; i++) {
        char text[16];
        (void)snprintf(text, sizeof(text), "%d", i);
        struct kafka_outgoing record = outgoing(text);
        record.partition = partition;
        while (kafka_producer_produce(producer, &record) == KAFKA_PRODUCE_FULL) {
            (void)kafka_producer_poll(producer, 100);
        }
    }
    assert_true(kafka_producer_close(producer, RECORDER_PATIENCE_MS));
    assert_int_equal(reports.delivered, count);
}

static struct recorder *join(const char *group)
{
    struct recorder *recorder = calloc(1, sizeof(*recorder));
    assert_non_null(recorder);
    recorder_open(recorder, kafka_broker_bootstrap(broker), group);
    return recorder;
}

static void leave(struct recorder *recorder)
{
    recorder_close(recorder);
    free(recorder);
}

static void a_new_group_starts_at_the_earliest_record_in_order(void **state)
{
    (void)state;
    fill(0, 300);
    struct recorder *recorder = join("g");
    recorder_await_records(recorder, 300);
    for (size_t i = 0; i < 300; i++) {
        assert_int_equal(recorder->records[i].offset, i);
        assert_int_equal(atoi(recorder->records[i].text), i);
        assert_true(recorder->records[i].assignment != 0);
    }
    assert_int_equal(recorder->assign_calls, PARTITIONS);
    leave(recorder);
}

static void a_member_that_comes_back_goes_on_after_the_commit(void **state)
{
    (void)state;
    fill(1, 10);
    struct recorder *recorder = join("g");
    recorder_await_records(recorder, 10);
    recorder_commit(recorder, 1, 4);
    leave(recorder);
    recorder = join("g");
    recorder_await_records(recorder, 6);
    assert_int_equal(recorder->records[0].offset, 4);
    leave(recorder);
}

/* Law 6, seen from outside: nothing is committed that nobody asked to commit. */
static void what_was_not_committed_comes_again(void **state)
{
    (void)state;
    fill(0, 5);
    for (int round = 0; round < 2; round++) {
        struct recorder *recorder = join("g");
        recorder_await_records(recorder, 5);
        leave(recorder);
    }
}

/* A partition of which nothing is committed counts from its beginning. */
static void lag_is_what_a_group_has_not_committed(void **state)
{
    const struct kafka_client_settings settings = {.bootstrap = kafka_broker_bootstrap(broker)};
    char error[KAFKA_ERROR_TEXT_SIZE] = "";
    (void)state;
    fill(0, 5);
    fill(1, 10);
    struct recorder *recorder = join("g");
    recorder_await_records(recorder, 15);
    recorder_commit(recorder, 1, 4);
    leave(recorder);
    assert_int_equal(kafka_reader_lag(&settings, "trips", "g", RECORDER_PATIENCE_MS, error), 11);
    assert_int_equal(kafka_reader_lag(&settings, "trips", "h", RECORDER_PATIENCE_MS, error), 15);
    const struct kafka_client_settings nobody = {.bootstrap = "127.0.0.1:1"};
    assert_int_equal(kafka_reader_lag(&nobody, "trips", "g", 500, error), -1);
    assert_non_null(strstr(error, "trips"));
}

static void a_commit_on_its_way_is_awaited_by_close(void **state)
{
    (void)state;
    fill(0, 5);
    struct recorder *recorder = join("g");
    recorder_await_records(recorder, 5);
    assert_int_equal(kafka_consumer_commit(recorder->consumer, &recorder->assigned[0], 5),
                     KAFKA_COMMIT_SENT);
    assert_int_equal(kafka_consumer_commit(recorder->consumer, &recorder->assigned[0], 5),
                     KAFKA_COMMIT_BUSY);
    recorder_close(recorder);
    assert_int_equal(recorder->commits_ok, 1);
    free(recorder);
    recorder = join("g");
    recorder_await_assigned(recorder, PARTITIONS);
    recorder_expect_silence(recorder, 500);
    leave(recorder);
}

static void poll_both(struct recorder *a, struct recorder *b, size_t a_wants, size_t b_wants)
{
    int64_t deadline = now_ms() + RECORDER_PATIENCE_MS;
    while ((recorder_assigned(a) != a_wants || recorder_assigned(b) != b_wants) &&
           now_ms() < deadline) {
        (void)kafka_consumer_poll(a->consumer, 20);
        (void)kafka_consumer_poll(b->consumer, 20);
    }
    assert_int_equal(recorder_assigned(a), a_wants);
    assert_int_equal(recorder_assigned(b), b_wants);
}

static void a_second_member_takes_half_and_old_assignments_are_stale(void **state)
{
    (void)state;
    struct recorder *first = join("g");
    recorder_await_assigned(first, PARTITIONS);
    struct kafka_partition before[PARTITIONS];
    memcpy(before, first->assigned, sizeof(before));

    struct recorder *second = join("g");
    poll_both(first, second, PARTITIONS / 2, PARTITIONS / 2);
    assert_int_equal(first->revoke_calls, first->assign_calls - PARTITIONS / 2);
    for (size_t i = 0; i < PARTITIONS; i++) {
        assert_int_not_equal(first->assigned[i].assignment, before[i].assignment);
        assert_int_equal(kafka_consumer_commit(first->consumer, &before[i], 1), KAFKA_COMMIT_STALE);
        bool ours = first->assigned[i].assignment != 0;
        assert_int_not_equal(ours, second->assigned[i].assignment != 0);
    }
    /* Pausing a stale assignment must not stop the partition under its new number. */
    for (size_t i = 0; i < PARTITIONS; i++) {
        kafka_consumer_pause(first->consumer, &before[i]);
        fill((int32_t)i, 1);
    }
    recorder_await_records(first, PARTITIONS / 2);
    recorder_await_records(second, PARTITIONS / 2);

    leave(second);
    recorder_await_assigned(first, PARTITIONS);
    leave(first);
}

static void a_paused_partition_is_silent_the_others_go_on_and_nothing_is_lost(void **state)
{
    (void)state;
    struct recorder *recorder = join("g");
    recorder_await_assigned(recorder, PARTITIONS);
    fill(0, 1);
    recorder_await_records(recorder, 1);
    kafka_consumer_pause(recorder->consumer, &recorder->assigned[0]);
    fill(0, 200);
    recorder_expect_silence(recorder, 500);
    fill(1, 3);
    recorder_await_records(recorder, 4);
    assert_int_equal(recorder->records[3].partition, 1);
    kafka_consumer_resume(recorder->consumer, &recorder->assigned[0]);
    recorder_await_records(recorder, 204);
    for (size_t i = 4; i < 204; i++) {
        assert_int_equal(recorder->records[i].partition, 0);
        assert_int_equal(recorder->records[i].offset, i - 3);
    }
    leave(recorder);
}

static void pause_at_5(struct recorder *recorder, const struct kafka_record *record)
{
    if (record->offset == 5) {
        kafka_consumer_pause(recorder->consumer, &recorder->assigned[record->partition]);
    }
}

static void a_pause_in_the_middle_of_a_poll_holds_at_once(void **state)
{
    (void)state;
    fill(0, 50);
    struct recorder *recorder = calloc(1, sizeof(*recorder));
    assert_non_null(recorder);
    recorder->look = pause_at_5;
    recorder_open(recorder, kafka_broker_bootstrap(broker), "g");
    recorder_await_records(recorder, 6);
    recorder_expect_silence(recorder, 300);
    kafka_consumer_resume(recorder->consumer, &recorder->assigned[0]);
    recorder_await_records(recorder, 50);
    for (size_t i = 0; i < 50; i++) {
        assert_int_equal(recorder->records[i].offset, i);
    }
    leave(recorder);
}

/* How many records came under the present assignment of partition 0. */
static size_t count_current(const struct recorder *recorder)
{
    size_t count = 0;
    for (size_t i = 0; i < recorder->record_count; i++) {
        count += recorder->records[i].assignment == recorder->assigned[0].assignment ? 1 : 0;
    }
    return count;
}

static void a_pause_made_when_assigned_holds_and_ends_with_its_assignment(void **state)
{
    (void)state;
    fill(0, 3);
    struct recorder *first = calloc(1, sizeof(*first));
    assert_non_null(first);
    first->pause_when_assigned = true;
    recorder_open(first, kafka_broker_bootstrap(broker), "g");
    recorder_await_assigned(first, PARTITIONS);
    recorder_expect_silence(first, 500);

    first->pause_when_assigned = false;
    struct recorder *second = join("g");
    poll_both(first, second, PARTITIONS / 2, PARTITIONS / 2);
    leave(second);
    recorder_await_assigned(first, PARTITIONS);
    int64_t deadline = now_ms() + RECORDER_PATIENCE_MS;
    while (count_current(first) < 3 && now_ms() < deadline) {
        (void)kafka_consumer_poll(first->consumer, 20);
    }
    assert_int_equal(count_current(first), 3);
    leave(first);
}

static void closing_takes_bounded_time_when_the_broker_is_gone(void **state)
{
    (void)state;
    fill(0, 20);
    struct recorder *recorder = join("g");
    recorder_await_records(recorder, 20);
    kafka_broker_set_down(broker, true);
    /* Now the client knows: a commit waits for a coordinator, for as long as the session. */
    recorder_expect_silence(recorder, 500);
    assert_int_equal(kafka_consumer_commit(recorder->consumer, &recorder->assigned[0], 20),
                     KAFKA_COMMIT_SENT);
    int64_t start = now_ms();
    assert_false(kafka_consumer_close(recorder->consumer, 1000));
    assert_in_range(now_ms() - start, 0, 3000);
    free(recorder);
}

static void consuming_goes_on_after_an_outage(void **state)
{
    (void)state;
    fill(0, 3);
    struct recorder *recorder = join("g");
    recorder_await_records(recorder, 3);
    kafka_broker_set_down(broker, true);
    recorder_expect_silence(recorder, 500);
    kafka_broker_set_down(broker, false);
    fill(0, 3);
    recorder_await_records(recorder, 6);
    assert_int_equal(recorder->records[5].offset, 5);
    recorder_commit(recorder, 0, 6);
    leave(recorder);
}

static void settings_that_make_no_consumer_are_refused(void **state)
{
    (void)state;
    static const char *const topics[] = {"a", "b", "c", "d", "e", NULL};
    struct kafka_consumer_settings settings = {
        .client = {.bootstrap = "127.0.0.1:1"}, .group = "", .topics = topics};
    struct kafka_consumer_handlers handlers = {0};
    char error[KAFKA_ERROR_TEXT_SIZE] = "";
    assert_null(kafka_consumer_open(&settings, &handlers, error));
    assert_non_null(strstr(error, "group"));
    settings.group = "g";
    assert_null(kafka_consumer_open(&settings, &handlers, error));
    assert_non_null(strstr(error, "topics"));
    settings.topics = topics + 4;
    settings.session_timeout_ms = 999999999;
    assert_null(kafka_consumer_open(&settings, &handlers, error));
    assert_non_null(strstr(error, "session.timeout.ms"));
}

#define WITH_BROKER(test) cmocka_unit_test_setup_teardown(test, open_broker, close_broker)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_BROKER(a_new_group_starts_at_the_earliest_record_in_order),
        WITH_BROKER(a_member_that_comes_back_goes_on_after_the_commit),
        WITH_BROKER(what_was_not_committed_comes_again),
        WITH_BROKER(lag_is_what_a_group_has_not_committed),
        WITH_BROKER(a_commit_on_its_way_is_awaited_by_close),
        WITH_BROKER(a_second_member_takes_half_and_old_assignments_are_stale),
        WITH_BROKER(a_paused_partition_is_silent_the_others_go_on_and_nothing_is_lost),
        WITH_BROKER(a_pause_in_the_middle_of_a_poll_holds_at_once),
        WITH_BROKER(a_pause_made_when_assigned_holds_and_ends_with_its_assignment),
        WITH_BROKER(closing_takes_bounded_time_when_the_broker_is_gone),
        WITH_BROKER(consuming_goes_on_after_an_outage),
        cmocka_unit_test(settings_that_make_no_consumer_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
