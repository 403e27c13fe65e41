#include "kafka_reader.h"

#include "kafka_conf.h"

#include <stdio.h>
#include <stdlib.h>

#define FETCH_WAIT_MS 10

struct partition_range {
    int64_t next;
    int64_t end;
};

struct reader {
    struct kafka_base base; /* first: see kafka_conf.h */
    rd_kafka_t *rk;
    const char *topic;
    const char *group;
    struct partition_range *ranges;
    int partitions;
    int64_t deadline_ms;
    char *error;
    struct kafka_header headers[KAFKA_HEADERS_MAX];
};

static bool open_reader(struct reader *reader, const struct kafka_client_settings *settings)
{
    rd_kafka_conf_t *conf = kafka_conf_new(settings, &reader->base, reader->error);
    if (conf == NULL) {
        return false;
    }
    /* No group is ever joined or committed to. */
    if (!kafka_conf_set(conf, "group.id", reader->group, reader->error) ||
        !kafka_conf_set(conf, "enable.auto.commit", "false", reader->error) ||
        !kafka_conf_set(conf, "auto.offset.reset", "earliest", reader->error) ||
        !kafka_conf_set_number(conf, "fetch.wait.max.ms", FETCH_WAIT_MS, reader->error)) {
        rd_kafka_conf_destroy(conf);
        return false;
    }
    reader->rk = kafka_conf_open(RD_KAFKA_CONSUMER, conf, reader->error);
    if (reader->rk != NULL) {
        (void)rd_kafka_poll_set_consumer(reader->rk);
    }
    return reader->rk != NULL;
}

static bool fail(struct reader *reader, rd_kafka_resp_err_t err)
{
    (void)snprintf(reader->error, KAFKA_ERROR_TEXT_SIZE, "can't read topic '%.100s': %s",
                   reader->topic, rd_kafka_err2str(err));
    return false;
}

static bool count_partitions(struct reader *reader)
{
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_topic_t *topic = rd_kafka_topic_new(reader->rk, reader->topic, NULL);
    if (topic == NULL) {
        return fail(reader, rd_kafka_last_error());
    }
    rd_kafka_resp_err_t err = rd_kafka_metadata(reader->rk, 0, topic, &metadata,
                                                kafka_conf_left_ms(reader->deadline_ms, INT32_MAX));
    rd_kafka_topic_destroy(topic);
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return fail(reader, err);
    }
    if (metadata->topic_cnt == 1) {
        err = metadata->topics[0].err;
        reader->partitions = metadata->topics[0].partition_cnt;
    }
    rd_kafka_metadata_destroy(metadata);
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR || reader->partitions < 1) {
        return fail(reader, err == RD_KAFKA_RESP_ERR_NO_ERROR
                                ? RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART
                                : err);
    }
    return true;
}

/* Where each partition begins and ends now. */
static bool find_ranges(struct reader *reader)
{
    reader->ranges = calloc((size_t)reader->partitions, sizeof(reader->ranges[0]));
    if (reader->ranges == NULL) {
        return fail(reader, RD_KAFKA_RESP_ERR__FAIL);
    }
    for (int i = 0; i < reader->partitions; i++) {
        struct partition_range *range = &reader->ranges[i];
        rd_kafka_resp_err_t err = rd_kafka_query_watermark_offsets(
            reader->rk, reader->topic, i, &range->next, &range->end,
            kafka_conf_left_ms(reader->deadline_ms, INT32_MAX));
        if (err != RD_KAFKA_RESP_ERR_NO_ERROR) {
            return fail(reader, err);
        }
    }
    return true;
}

/* Assigns the partitions that hold something. */
static bool assign(struct reader *reader)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    for (int i = 0; i < reader->partitions; i++) {
        if (reader->ranges[i].next < reader->ranges[i].end) {
            rd_kafka_topic_partition_list_add(list, reader->topic, i)->offset =
                reader->ranges[i].next;
        }
    }
    rd_kafka_resp_err_t err = rd_kafka_assign(reader->rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    return err == RD_KAFKA_RESP_ERR_NO_ERROR || fail(reader, err);
}

static bool is_done(const struct reader *reader)
{
    for (int i = 0; i < reader->partitions; i++) {
        if (reader->ranges[i].next < reader->ranges[i].end) {
            return false;
        }
    }
    return true;
}

static int64_t read_all(struct reader *reader, kafka_reader_fn *on_record, void *context)
{
    int64_t count = 0;
    while (!is_done(reader)) {
        int left_ms = kafka_conf_left_ms(reader->deadline_ms, 100);
        if (left_ms == 0) {
            (void)fail(reader, RD_KAFKA_RESP_ERR__TIMED_OUT);
            return -1;
        }
        rd_kafka_message_t *message = rd_kafka_consumer_poll(reader->rk, left_ms);
        if (message == NULL) {
            continue;
        }
        if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR && message->partition >= 0 &&
            message->partition < reader->partitions) {
            struct partition_range *range = &reader->ranges[message->partition];
            if (message->offset < range->end) {
                struct kafka_record record = kafka_conf_view(message, reader->headers);
                on_record(context, &record);
                count++;
            }
            range->next = message->offset + 1;
        }
        rd_kafka_message_destroy(message);
    }
    return count;
}

/* Moves each partition's range to where the group goes on. */
static bool find_committed(struct reader *reader)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    for (int i = 0; i < reader->partitions; i++) {
        rd_kafka_topic_partition_list_add(list, reader->topic, i);
    }
    rd_kafka_resp_err_t err =
        rd_kafka_committed(reader->rk, list, kafka_conf_left_ms(reader->deadline_ms, INT32_MAX));
    for (int i = 0; i < list->cnt && err == RD_KAFKA_RESP_ERR_NO_ERROR; i++) {
        const rd_kafka_topic_partition_t *found = &list->elems[i];
        struct partition_range *range = &reader->ranges[found->partition];
        err = found->err;
        range->next = found->offset > range->next ? found->offset : range->next;
    }
    rd_kafka_topic_partition_list_destroy(list);
    return err == RD_KAFKA_RESP_ERR_NO_ERROR || fail(reader, err);
}

static bool reader_begin(struct reader *reader, const struct kafka_client_settings *settings)
{
    if (!kafka_conf_base_init(&reader->base)) {
        return fail(reader, RD_KAFKA_RESP_ERR__FAIL);
    }
    return open_reader(reader, settings) && count_partitions(reader) && find_ranges(reader);
}

static void reader_end(struct reader *reader)
{
    if (reader->rk != NULL) {
        rd_kafka_destroy_flags(reader->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    }
    kafka_conf_base_clear(&reader->base);
    free(reader->ranges);
}

int64_t kafka_reader_read(const struct kafka_client_settings *settings, const char *topic,
                          kafka_reader_fn *on_record, void *context, int timeout_ms,
                          char error[KAFKA_ERROR_TEXT_SIZE])
{
    struct reader reader = {.topic = topic,
                            .group = "farebox-reader",
                            .deadline_ms = kafka_conf_clock_ms() + timeout_ms,
                            .error = error};
    int64_t count = -1;
    if (reader_begin(&reader, settings) && assign(&reader)) {
        count = read_all(&reader, on_record, context);
    }
    reader_end(&reader);
    return count;
}

int64_t kafka_reader_lag(const struct kafka_client_settings *settings, const char *topic,
                         const char *group, int timeout_ms, char error[KAFKA_ERROR_TEXT_SIZE])
{
    struct reader reader = {.topic = topic,
                            .group = group,
                            .deadline_ms = kafka_conf_clock_ms() + timeout_ms,
                            .error = error};
    int64_t lag = -1;
    if (reader_begin(&reader, settings) && find_committed(&reader)) {
        lag = 0;
        for (int i = 0; i < reader.partitions; i++) {
            lag += reader.ranges[i].end - reader.ranges[i].next;
        }
    }
    reader_end(&reader);
    return lag;
}
