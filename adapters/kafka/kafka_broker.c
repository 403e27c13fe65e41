#include "kafka_broker.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BROKERS        1
#define PARTITIONS_MAX 1024

struct kafka_broker {
    rd_kafka_t *rk; /* the mock cluster lives in a client that is used for nothing else */
    rd_kafka_mock_cluster_t *cluster;
};

static bool create_topic(struct kafka_broker *broker, const struct kafka_broker_topic *topic,
                         char error[KAFKA_ERROR_TEXT_SIZE])
{
    size_t len = topic->name == NULL ? 0 : strlen(topic->name);
    if (len == 0 || len > KAFKA_TOPIC_MAX || topic->partitions < 1 ||
        topic->partitions > PARTITIONS_MAX) {
        (void)snprintf(error, KAFKA_ERROR_TEXT_SIZE,
                       "topic '%.50s' with %d partitions; allowed: a name of 1 to %d characters "
                       "and 1 to %d partitions",
                       topic->name == NULL ? "" : topic->name, (int)topic->partitions,
                       KAFKA_TOPIC_MAX, PARTITIONS_MAX);
        return false;
    }
    rd_kafka_resp_err_t err =
        rd_kafka_mock_topic_create(broker->cluster, topic->name, topic->partitions, BROKERS);
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        (void)snprintf(error, KAFKA_ERROR_TEXT_SIZE, "topic '%.50s' can't be created: %s",
                       topic->name, rd_kafka_err2str(err));
        return false;
    }
    return true;
}

static bool start(struct kafka_broker *broker, char error[KAFKA_ERROR_TEXT_SIZE])
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(conf, NULL);
    broker->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, KAFKA_ERROR_TEXT_SIZE);
    if (broker->rk == NULL) {
        rd_kafka_conf_destroy(conf);
        return false;
    }
    broker->cluster = rd_kafka_mock_cluster_new(broker->rk, BROKERS);
    if (broker->cluster == NULL) {
        (void)snprintf(error, KAFKA_ERROR_TEXT_SIZE,
                       "the embedded broker found no free port on 127.0.0.1");
        return false;
    }
    return true;
}

struct kafka_broker *kafka_broker_open(const struct kafka_broker_topic *topics, size_t count,
                                       char error[KAFKA_ERROR_TEXT_SIZE])
{
    struct kafka_broker *broker = calloc(1, sizeof(*broker));
    if (broker == NULL) {
        (void)snprintf(error, KAFKA_ERROR_TEXT_SIZE, "out of memory");
        return NULL;
    }
    bool started = start(broker, error);
    for (size_t i = 0; started && i < count; i++) {
        started = create_topic(broker, &topics[i], error);
    }
    if (!started) {
        kafka_broker_close(broker);
        return NULL;
    }
    return broker;
}

const char *kafka_broker_bootstrap(const struct kafka_broker *broker)
{
    return rd_kafka_mock_cluster_bootstraps(broker->cluster);
}

void kafka_broker_set_down(struct kafka_broker *broker, bool down)
{
    if (down) {
        (void)rd_kafka_mock_broker_set_down(broker->cluster, -1);
    } else {
        (void)rd_kafka_mock_broker_set_up(broker->cluster, -1);
    }
}

void kafka_broker_close(struct kafka_broker *broker)
{
    if (broker == NULL) {
        return;
    }
    if (broker->cluster != NULL) {
        rd_kafka_mock_cluster_destroy(broker->cluster);
    }
    if (broker->rk != NULL) {
        rd_kafka_destroy(broker->rk);
    }
    free(broker);
}
