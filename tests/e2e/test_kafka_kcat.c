#define _POSIX_C_SOURCE 200809L

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "record_headers.h"
#include "test_kafka_recorder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An outside client on the embedded broker, as a user would run it. */

#define OUTPUT_SIZE 4096

static struct kafka_broker *broker;
static bool has_kcat;

static int open_broker(void **state)
{
    (void)state;
    const struct kafka_broker_topic topics[] = {{"trips", 1}};
    char error[KAFKA_ERROR_TEXT_SIZE] = "";
    has_kcat = system("command -v kcat >/dev/null 2>&1") == 0;
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

static void skip_without_kcat(void)
{
    if (!has_kcat) {
        print_message("skipped: kcat is not installed (Debian package kcat)\n");
        skip();
    }
}

/* Runs kcat against the broker; its standard output, NUL-terminated. */
static void run_kcat(const char *before, const char *arguments, char output[OUTPUT_SIZE])
{
    char command[1024];
    (void)snprintf(command, sizeof(command), "%s timeout 60 kcat -b %s %s", before,
                   kafka_broker_bootstrap(broker), arguments);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    size_t len = fread(output, 1, OUTPUT_SIZE - 1, pipe);
    output[len] = '\0';
    assert_int_equal(pclose(pipe), 0);
}

static char headers_seen[128];

static void look_at_headers(struct recorder *recorder, const struct kafka_record *record)
{
    (void)recorder;
    assert_true(record->has_key);
    assert_memory_equal(record->key, "trip-0001", record->key_len);
    for (size_t i = 0; i < record->header_count; i++) {
        strncat(headers_seen, record->headers[i].name, record->headers[i].name_len);
        strcat(headers_seen, "=");
        strncat(headers_seen, (const char *)record->headers[i].value, record->headers[i].value_len);
        strcat(headers_seen, ";");
    }
}

static void what_kcat_produces_is_consumed(void **state)
{
    (void)state;
    skip_without_kcat();
    char output[OUTPUT_SIZE];
    run_kcat("printf 'trip-0001|{}' |", "-P -t trips -K '|' -H __TypeId__=java.lang.String -H a=b",
             output);
    struct recorder *recorder = calloc(1, sizeof(*recorder));
    assert_non_null(recorder);
    recorder->look = look_at_headers;
    recorder_open(recorder, kafka_broker_bootstrap(broker), "g");
    recorder_await_records(recorder, 1);
    assert_string_equal(recorder->records[0].text, "{}");
    assert_string_equal(headers_seen, "__TypeId__=java.lang.String;a=b;");
    recorder_close(recorder);
    free(recorder);
}

static void what_we_produce_kcat_reads(void **state)
{
    (void)state;
    skip_without_kcat();
    struct kafka_header list[] = {{.name = "id",
                                   .name_len = 2,
                                   .value = (const uint8_t *)"x",
                                   .value_len = 1,
                                   .has_value = true},
                                  {.name = "none", .name_len = 4}};
    uint8_t headers[64];
    struct reports reports = {0};
    struct kafka_producer *producer = reports_open(&reports, kafka_broker_bootstrap(broker), 0);
    struct kafka_outgoing record = outgoing("value");
    assert_true(record_headers_encode(list, 2, headers, sizeof(headers), &record.headers_len));
    record.headers = headers;
    assert_int_equal(kafka_producer_produce(producer, &record), KAFKA_PRODUCE_QUEUED);
    struct kafka_outgoing tombstone = {.topic = "trips", .key = "k", .key_len = 1};
    assert_int_equal(kafka_producer_produce(producer, &tombstone), KAFKA_PRODUCE_QUEUED);
    assert_true(kafka_producer_close(producer, RECORDER_PATIENCE_MS));

    char output[OUTPUT_SIZE];
    run_kcat("", "-C -t trips -e -q -Z -f '%o:%k:%s:%h\\n'", output);
    assert_string_equal(output, "0:NULL:value:id=x,none=NULL\n1:k:NULL:\n");
}

static void kcat_joins_a_group_and_its_commits_count(void **state)
{
    (void)state;
    skip_without_kcat();
    struct reports reports = {0};
    struct kafka_producer *producer = reports_open(&reports, kafka_broker_bootstrap(broker), 0);
    struct kafka_outgoing record = outgoing("value");
    for (int i = 0; i < 3; i++) {
        assert_int_equal(kafka_producer_produce(producer, &record), KAFKA_PRODUCE_QUEUED);
    }
    assert_true(kafka_producer_flush(producer, RECORDER_PATIENCE_MS));
    char output[OUTPUT_SIZE];
    /* The session timeout that the group's other members have: see kafka_broker.h. */
    run_kcat("",
             "-G g -X auto.offset.reset=earliest -X session.timeout.ms=4000 -e -q -f '%o\\n' trips "
             "2>/dev/null",
             output);
    assert_string_equal(output, "0\n1\n2\n");
    assert_int_equal(kafka_producer_produce(producer, &record), KAFKA_PRODUCE_QUEUED);
    assert_true(kafka_producer_flush(producer, RECORDER_PATIENCE_MS));
    struct recorder *recorder = calloc(1, sizeof(*recorder));
    assert_non_null(recorder);
    recorder_open(recorder, kafka_broker_bootstrap(broker), "g");
    recorder_await_records(recorder, 1);
    assert_int_equal(recorder->records[0].offset, 3);
    recorder_close(recorder);
    free(recorder);
    assert_true(kafka_producer_close(producer, 1000));
}

#define WITH_BROKER(test) cmocka_unit_test_setup_teardown(test, open_broker, close_broker)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_BROKER(what_kcat_produces_is_consumed),
        WITH_BROKER(what_we_produce_kcat_reads),
        WITH_BROKER(kcat_joins_a_group_and_its_commits_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
