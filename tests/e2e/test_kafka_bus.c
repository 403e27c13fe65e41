#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "kafka_bus.h"
#include "kafka_reader.h"
#include "record_headers.h"
#include "test_kafka_recorder.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <threads.h>

#define PARTITIONS 4

static struct kafka_broker *broker;

static int open_broker(void **state)
{
    (void)state;
    const struct kafka_broker_topic topics[] = {{"trips", PARTITIONS}, {"narrow", 1}};
    char error[KAFKA_ERROR_TEXT_SIZE] = "";
    broker = kafka_broker_open(topics, 2, error);
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

struct sight {
    size_t count;
    struct kafka_record records[16]; /* numbers and flags only; the pointers are gone */
    char bytes[16][64];              /* key, then value */
    size_t header_count;
    char header_text[256];
};

static void see(void *context, const struct kafka_record *record)
{
    struct sight *sight = context;
    assert_true(sight->count < 16);
    sight->records[sight->count] = *record;
    char *bytes = sight->bytes[sight->count++];
    assert_true(record->key_len + record->value_len < 64);
    if (record->has_key) {
        memcpy(bytes, record->key, record->key_len);
    }
    if (record->has_value) {
        memcpy(bytes + record->key_len, record->value, record->value_len);
    }
    sight->header_count += record->header_count;
    for (size_t i = 0; i < record->header_count; i++) {
        const struct kafka_header *header = &record->headers[i];
        strncat(sight->header_text, header->name, header->name_len);
        strcat(sight->header_text, header->has_value ? "=" : " null");
        if (header->value_len > 0) {
            strncat(sight->header_text, (const char *)header->value, header->value_len);
        }
        strcat(sight->header_text, ";");
    }
}

static void read_topic(const char *topic, struct sight *sight, int64_t expected)
{
    struct kafka_client_settings settings = {.bootstrap = kafka_broker_bootstrap(broker)};
    char error[KAFKA_ERROR_TEXT_SIZE] = "";
    *sight = (struct sight){0};
    int64_t count = kafka_reader_read(&settings, topic, see, sight, RECORDER_PATIENCE_MS, error);
    if (count != expected) {
        fail_msg("%lld records: %s", (long long)count, error);
    }
}

static void a_record_is_read_as_it_was_sent(void **state)
{
    (void)state;
    struct kafka_header list[] = {
        {.name = "id",
         .name_len = 2,
         .value = (const uint8_t *)"x",
         .value_len = 1,
         .has_value = true},
        {.name = "none", .name_len = 4},
        {.name = "id", .name_len = 2, .value = (const uint8_t *)"", .has_value = true}};
    uint8_t headers[128];
    struct reports reports = {0};
    struct kafka_producer *producer = reports_open(&reports, kafka_broker_bootstrap(broker), 0);
    struct kafka_outgoing record = outgoing("value");
    assert_true(record_headers_encode(list, 3, headers, sizeof(headers), &record.headers_len));
    record.headers = headers;
    record.key = "key";
    record.key_len = 3;
    record.partition = 2;
    record.timestamp_ms = INT64_C(1763803271482);
    record.cookie = UINT64_C(0xfedcba9876543210);
    assert_int_equal(kafka_producer_produce(producer, &record), KAFKA_PRODUCE_QUEUED);
    assert_true(kafka_producer_close(producer, RECORDER_PATIENCE_MS));
    assert_int_equal(reports.delivered, 1);
    assert_true(reports.last_cookie == record.cookie);
    assert_int_equal(reports.last_partition, 2);

    struct sight sight;
    read_topic("trips", &sight, 1);
    assert_int_equal(sight.records[0].partition, 2);
    assert_int_equal(sight.records[0].offset, reports.last_offset);
    assert_int_equal(sight.records[0].timestamp_ms, record.timestamp_ms);
    assert_int_equal(sight.records[0].timestamp_type, KAFKA_TIMESTAMP_CREATE);
    assert_memory_equal(sight.bytes[0], "keyvalue", 8);
    assert_string_equal(sight.header_text, "id=x;none null;id=;");
}

static void null_and_empty_keys_and_values_stay_apart(void **state)
{
    (void)state;
    struct reports reports = {0};
    struct kafka_producer *producer = reports_open(&reports, kafka_broker_bootstrap(broker), 0);
    for (int i = 0; i < 4; i++) {
        struct kafka_outgoing record = {
            .topic = "narrow", .key = (i & 1) != 0 ? "" : NULL, .value = (i & 2) != 0 ? "" : NULL};
        assert_int_equal(kafka_producer_produce(producer, &record), KAFKA_PRODUCE_QUEUED);
    }
    assert_true(kafka_producer_close(producer, RECORDER_PATIENCE_MS));
    struct sight sight;
    read_topic("narrow", &sight, 4);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(sight.records[i].has_key, (i & 1) != 0);
        assert_int_equal(sight.records[i].has_value, (i & 2) != 0);
    }
    assert_int_equal(sight.header_count, 0);
}

static void see_large(void *context, const struct kafka_record *record)
{
    size_t *len = context;
    *len = record->value_len;
    for (size_t i = 0; i < record->value_len; i++) {
        if (record->value[i] != (uint8_t)(i * 7)) {
            *len = 0;
        }
    }
}

static void a_record_of_1_mb_goes_through_whole(void **state)
{
    (void)state;
    uint8_t *value = malloc(KAFKA_VALUE_MAX);
    assert_non_null(value);
    for (size_t i = 0; i < KAFKA_VALUE_MAX; i++) {
        value[i] = (uint8_t)(i * 7);
    }
    struct reports reports = {0};
    struct kafka_producer *producer = reports_open(&reports, kafka_broker_bootstrap(broker), 0);
    struct kafka_outgoing record = {
        .topic = "narrow", .value = value, .value_len = KAFKA_VALUE_MAX};
    assert_int_equal(kafka_producer_produce(producer, &record), KAFKA_PRODUCE_QUEUED);
    assert_true(kafka_producer_close(producer, RECORDER_PATIENCE_MS));
    free(value);
    size_t len = 0;
    struct kafka_client_settings settings = {.bootstrap = kafka_broker_bootstrap(broker)};
    char error[KAFKA_ERROR_TEXT_SIZE];
    assert_int_equal(
        kafka_reader_read(&settings, "narrow", see_large, &len, RECORDER_PATIENCE_MS, error), 1);
    assert_int_equal(len, KAFKA_VALUE_MAX);
}

static void what_can_never_be_sent_is_refused_at_once(void **state)
{
    (void)state;
    size_t len = (2 << 20) + 1;
    char *value = calloc(1, len);
    assert_non_null(value);
    struct reports reports = {0};
    struct kafka_producer *producer = reports_open(&reports, kafka_broker_bootstrap(broker), 0);
    struct kafka_outgoing large = {.topic = "trips", .value = value, .value_len = len};
    assert_int_equal(kafka_producer_produce(producer, &large), KAFKA_PRODUCE_REFUSED);
    free(value);
    struct kafka_outgoing broken = outgoing("x");
    broken.headers = (const uint8_t *)"\x01\xff";
    broken.headers_len = 2;
    assert_int_equal(kafka_producer_produce(producer, &broken), KAFKA_PRODUCE_REFUSED);
    struct kafka_outgoing nowhere = outgoing("x");
    nowhere.topic = "";
    assert_int_equal(kafka_producer_produce(producer, &nowhere), KAFKA_PRODUCE_REFUSED);
    assert_int_equal(kafka_producer_outstanding(producer), 0);
    assert_true(kafka_producer_close(producer, 1000));
    assert_int_equal(reports.delivered + reports.refused + reports.no_verdict, 0);
}

static void a_partition_that_the_topic_does_not_have_gives_way_to_the_key(void **state)
{
    (void)state;
    struct reports reports = {0};
    struct kafka_producer *producer = reports_open(&reports, kafka_broker_bootstrap(broker), 0);
    /* The first is queued before the topic is known, the second afterwards. */
    for (uint64_t i = 1; i <= 2; i++) {
        struct kafka_outgoing record = outgoing("x");
        record.topic = "narrow";
        record.key = "trip-0001";
        record.key_len = 9;
        record.partition = 7;
        record.cookie = i;
        assert_int_equal(kafka_producer_produce(producer, &record), KAFKA_PRODUCE_QUEUED);
        assert_true(kafka_producer_flush(producer, RECORDER_PATIENCE_MS));
        assert_int_equal(reports.delivered, i);
        assert_int_equal(reports.last_partition, 0);
        assert_int_equal(reports.last_cookie, i);
    }
    assert_true(kafka_producer_close(producer, 1000));
    struct sight sight;
    read_topic("narrow", &sight, 2);
    assert_memory_equal(sight.bytes[1], "trip-0001x", 10);
}

static void keys_are_spread_as_java_clients_spread_them(void **state)
{
    (void)state;
    /* org.apache.kafka.common.utils.Utils.murmur2, positive, modulo 4. "21": -973932308 and
     * "foobar": -790332482 are vectors of Kafka's own UtilsTest. */
    const char *const keys[] = {"21", "foobar"};
    const int32_t expected[] = {(-973932308 & 0x7fffffff) % PARTITIONS,
                                (-790332482 & 0x7fffffff) % PARTITIONS};
    struct reports reports = {0};
    struct kafka_producer *producer = reports_open(&reports, kafka_broker_bootstrap(broker), 0);
    for (size_t i = 0; i < 2; i++) {
        struct kafka_outgoing record = outgoing("x");
        record.key = keys[i];
        record.key_len = strlen(keys[i]);
        record.partition = KAFKA_PARTITION_BY_KEY;
        assert_int_equal(kafka_producer_produce(producer, &record), KAFKA_PRODUCE_QUEUED);
        assert_true(kafka_producer_flush(producer, RECORDER_PATIENCE_MS));
        assert_int_equal(reports.last_partition, expected[i]);
    }
    assert_true(kafka_producer_close(producer, 1000));
}

static void a_full_queue_says_so_and_every_queued_record_gets_one_report(void **state)
{
    (void)state;
    struct reports reports = {0};
    kafka_broker_set_down(broker, true);
    struct kafka_producer *producer = reports_open(&reports, kafka_broker_bootstrap(broker), 0);
    uint64_t queued = 0;
    uint64_t sum = 0;
    enum kafka_produce result = KAFKA_PRODUCE_QUEUED;
    while (result == KAFKA_PRODUCE_QUEUED && queued < 1000) {
        struct kafka_outgoing record = outgoing("x");
        record.cookie = queued + 1;
        result = kafka_producer_produce(producer, &record);
        if (result == KAFKA_PRODUCE_QUEUED) {
            queued++;
            sum += record.cookie;
        }
    }
    assert_int_equal(result, KAFKA_PRODUCE_FULL);
    assert_int_equal(queued, 100);
    assert_int_equal(kafka_producer_outstanding(producer), 100);
    kafka_broker_set_down(broker, false);
    assert_true(kafka_producer_flush(producer, RECORDER_PATIENCE_MS));
    assert_int_equal(reports.delivered, 100);
    assert_true(reports.cookie_sum == sum);
    assert_true(kafka_producer_close(producer, 1000));
}

static void a_broker_that_vanishes_gives_no_verdict_not_a_hang(void **state)
{
    (void)state;
    struct reports reports = {0};
    struct kafka_producer *producer = reports_open(&reports, kafka_broker_bootstrap(broker), 1500);
    struct kafka_outgoing record = outgoing("x");
    assert_int_equal(kafka_producer_produce(producer, &record), KAFKA_PRODUCE_QUEUED);
    assert_true(kafka_producer_flush(producer, RECORDER_PATIENCE_MS));
    assert_int_equal(reports.delivered, 1);
    (void)close_broker(NULL);
    int64_t start = now_ms();
    assert_int_equal(kafka_producer_produce(producer, &record), KAFKA_PRODUCE_QUEUED);
    while (reports.no_verdict == 0 && now_ms() < start + RECORDER_PATIENCE_MS) {
        (void)kafka_producer_poll(producer, 50);
    }
    assert_int_equal(reports.no_verdict, 1);
    assert_in_range(now_ms() - start, 1000, 8000);
    assert_true(kafka_producer_close(producer, 1000));
}

static void closing_reports_what_has_no_verdict_and_takes_bounded_time(void **state)
{
    (void)state;
    struct reports reports = {0};
    struct kafka_producer *producer = reports_open(&reports, kafka_broker_bootstrap(broker), 0);
    (void)close_broker(NULL);
    struct kafka_outgoing record = outgoing("x");
    for (int i = 0; i < 10; i++) {
        assert_int_equal(kafka_producer_produce(producer, &record), KAFKA_PRODUCE_QUEUED);
    }
    int64_t start = now_ms();
    assert_false(kafka_producer_close(producer, 300));
    assert_in_range(now_ms() - start, 200, 4000);
    assert_int_equal(reports.no_verdict, 10);
}

static void a_reader_without_broker_or_topic_says_so_in_time(void **state)
{
    (void)state;
    struct kafka_client_settings settings = {.bootstrap = "127.0.0.1:1"};
    struct sight sight = {0};
    char error[KAFKA_ERROR_TEXT_SIZE] = "";
    int64_t start = now_ms();
    assert_int_equal(kafka_reader_read(&settings, "trips", see, &sight, 500, error), -1);
    assert_true(error[0] != '\0');
    assert_in_range(now_ms() - start, 0, 5000);
}

static void wrong_settings_are_named_and_their_values_kept_secret(void **state)
{
    (void)state;
    const char *const properties[] = {"no.such.property", "s3cret", NULL};
    struct kafka_producer_settings settings = {
        .client = {.bootstrap = "127.0.0.1:1", .properties = properties}};
    struct kafka_producer_handlers handlers = {0};
    char error[KAFKA_ERROR_TEXT_SIZE] = "";
    assert_null(kafka_producer_open(&settings, &handlers, error));
    assert_non_null(strstr(error, "no.such.property"));
    assert_null(strstr(error, "s3cret"));
    settings.client = (struct kafka_client_settings){.bootstrap = ""};
    assert_null(kafka_producer_open(&settings, &handlers, error));
    const struct kafka_broker_topic none = {"trips", 0};
    assert_null(kafka_broker_open(&none, 1, error));
    assert_non_null(strstr(error, "trips"));
}

struct bus_counts {
    atomic_int assigned;
    atomic_int revoked;
    atomic_int records;
    atomic_int delivered;
};

static void bus_assigned(void *context, const struct kafka_partition *where)
{
    (void)where;
    atomic_fetch_add(&((struct bus_counts *)context)->assigned, 1);
}

static void bus_revoked(void *context, const struct kafka_partition *where, bool lost)
{
    (void)where;
    (void)lost;
    atomic_fetch_add(&((struct bus_counts *)context)->revoked, 1);
}

static void bus_record(void *context, const struct kafka_partition *where,
                       const struct kafka_record *record)
{
    (void)where;
    (void)record;
    atomic_fetch_add(&((struct bus_counts *)context)->records, 1);
}

static void bus_committed(void *context, const struct kafka_partition *where, int64_t next_offset,
                          bool ok)
{
    (void)context;
    (void)where;
    (void)next_offset;
    (void)ok;
}

static void bus_delivered(void *context, uint64_t cookie, enum kafka_delivery delivery,
                          int32_t partition, int64_t offset, const char *error)
{
    (void)cookie;
    (void)partition;
    (void)offset;
    (void)error;
    if (delivery == KAFKA_DELIVERED) {
        atomic_fetch_add(&((struct bus_counts *)context)->delivered, 1);
    }
}

static void a_bus_polls_its_clients_and_closes_in_order(void **state)
{
    (void)state;
    static const char *const topics[][2] = {{"trips", NULL}, {"narrow", NULL}};
    struct bus_counts counts = {0};
    struct kafka_client_settings client = {.bootstrap = kafka_broker_bootstrap(broker)};
    struct kafka_bus_settings settings = {.producer = {.client = client}, .consumer_count = 2};
    settings.producer_handlers =
        (struct kafka_producer_handlers){.context = &counts, .on_delivered = bus_delivered};
    for (size_t i = 0; i < 2; i++) {
        settings.consumers[i] =
            (struct kafka_consumer_settings){.client = client,
                                             .group = i == 0 ? "bus" : "bus.dlt",
                                             .topics = topics[i],
                                             .fetch_wait_max_ms = KAFKA_BROKER_FETCH_WAIT_MAX_MS,
                                             .session_timeout_ms = KAFKA_BROKER_SESSION_TIMEOUT_MS};
        settings.consumer_handlers[i] =
            (struct kafka_consumer_handlers){.context = &counts,
                                             .on_assigned = bus_assigned,
                                             .on_revoked = bus_revoked,
                                             .on_record = bus_record,
                                             .on_committed = bus_committed};
    }
    char error[KAFKA_ERROR_TEXT_SIZE] = "";
    struct kafka_bus *bus = kafka_bus_open(&settings, error);
    assert_non_null(bus);
    struct kafka_outgoing record = outgoing("x");
    for (int i = 0; i < 10; i++) {
        record.topic = i % 2 == 0 ? "trips" : "narrow";
        assert_int_equal(kafka_producer_produce(kafka_bus_producer(bus), &record),
                         KAFKA_PRODUCE_QUEUED);
    }
    int64_t deadline = now_ms() + RECORDER_PATIENCE_MS;
    while (atomic_load(&counts.records) < 10 && now_ms() < deadline) {
        (void)thrd_sleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    assert_int_equal(atomic_load(&counts.records), 10);
    assert_int_equal(atomic_load(&counts.assigned), PARTITIONS + 1);
    assert_true(kafka_bus_stop_consumers(bus, RECORDER_PATIENCE_MS));
    assert_int_equal(atomic_load(&counts.revoked), PARTITIONS + 1);
    assert_null(kafka_bus_consumer(bus, 0));
    assert_true(kafka_bus_close(bus, RECORDER_PATIENCE_MS));
    assert_int_equal(atomic_load(&counts.delivered), 10);
}

#define WITH_BROKER(test) cmocka_unit_test_setup_teardown(test, open_broker, close_broker)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_BROKER(a_record_is_read_as_it_was_sent),
        WITH_BROKER(null_and_empty_keys_and_values_stay_apart),
        WITH_BROKER(a_record_of_1_mb_goes_through_whole),
        WITH_BROKER(what_can_never_be_sent_is_refused_at_once),
        WITH_BROKER(a_partition_that_the_topic_does_not_have_gives_way_to_the_key),
        WITH_BROKER(keys_are_spread_as_java_clients_spread_them),
        WITH_BROKER(a_full_queue_says_so_and_every_queued_record_gets_one_report),
        WITH_BROKER(a_broker_that_vanishes_gives_no_verdict_not_a_hang),
        WITH_BROKER(closing_reports_what_has_no_verdict_and_takes_bounded_time),
        cmocka_unit_test(a_reader_without_broker_or_topic_says_so_in_time),
        cmocka_unit_test(wrong_settings_are_named_and_their_values_kept_secret),
        WITH_BROKER(a_bus_polls_its_clients_and_closes_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
