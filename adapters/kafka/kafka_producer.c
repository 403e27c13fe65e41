#include "kafka_producer.h"

#include "kafka_conf.h"
#include "record_headers.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define QUEUE_RECORDS_DEFAULT      10000
#define QUEUE_KIB_DEFAULT          65536
#define LINGER_DEFAULT_MS          5
#define MESSAGE_TIMEOUT_DEFAULT_MS 20000
/* A value, its headers and its key, all at their limits, and Kafka's framing. What the broker
 * takes may be less (1 MB by default): then it refuses the record. */
#define MESSAGE_BYTES_MAX (2 << 20)
/* How long a topic may be missing from the metadata before its records are refused. */
#define TOPIC_WAIT_MS 10000
/* A purge answers at once; this bounds the wait for its reports. */
#define PURGE_WAIT_MS 2000

_Static_assert(sizeof(void *) >= sizeof(uint64_t), "a cookie travels as librdkafka's opaque");

struct kafka_producer {
    struct kafka_base base; /* first: see kafka_conf.h */
    struct kafka_producer_handlers handlers;
    rd_kafka_t *rk;
    atomic_int outstanding;
};

static bool is_refusal(rd_kafka_resp_err_t err)
{
    static const rd_kafka_resp_err_t refusals[] = {
        RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
        RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE,
        RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE,
        RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION,
        RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
        RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED,
        RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP,
        RD_KAFKA_RESP_ERR_POLICY_VIOLATION,
        RD_KAFKA_RESP_ERR_INVALID_RECORD,
        RD_KAFKA_RESP_ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT,
        RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC,
        RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION,
        RD_KAFKA_RESP_ERR__INVALID_ARG,
    };
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        if (err == refusals[i]) {
            return true;
        }
    }
    return false;
}

/* A record for librdkafka, which copies all but the headers; those it takes on success. */
struct shipment {
    rd_kafka_vu_t topic; /* by name or by handle */
    const void *key;
    const void *value;
    size_t key_len;
    size_t value_len;
    int64_t timestamp_ms;
    void *cookie;
    rd_kafka_headers_t *headers;
};

static rd_kafka_resp_err_t ship(rd_kafka_t *rk, const struct shipment *shipment, int32_t partition)
{
    /* librdkafka takes pointers without const, and does not write there. */
    rd_kafka_vu_t parts[] = {
        shipment->topic,
        {.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = partition},
        {.vtype = RD_KAFKA_VTYPE_KEY,
         .u.mem = {.ptr = (void *)(uintptr_t)shipment->key, .size = shipment->key_len}},
        {.vtype = RD_KAFKA_VTYPE_VALUE,
         .u.mem = {.ptr = (void *)(uintptr_t)shipment->value, .size = shipment->value_len}},
        {.vtype = RD_KAFKA_VTYPE_TIMESTAMP, .u.i64 = shipment->timestamp_ms},
        {.vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = shipment->cookie},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
        {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = shipment->headers},
    };
    rd_kafka_error_t *error = rd_kafka_produceva(rk, parts, sizeof(parts) / sizeof(parts[0]));
    if (error == NULL) {
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    }
    rd_kafka_resp_err_t err = rd_kafka_error_code(error);
    rd_kafka_error_destroy(error);
    return err;
}

/* The partition does not exist: the same record once more, by its key, under the same cookie. */
static bool send_by_key(rd_kafka_t *rk, const rd_kafka_message_t *message)
{
    rd_kafka_headers_t *list = NULL;
    rd_kafka_timestamp_type_t type = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
    struct shipment shipment = {
        .topic = {.vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = message->rkt},
        .key = message->key,
        .key_len = message->key_len,
        .value = message->payload,
        .value_len = message->len,
        .timestamp_ms = rd_kafka_message_timestamp(message, &type),
        .cookie = message->_private,
    };
    if (rd_kafka_message_headers(message, &list) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        shipment.headers = rd_kafka_headers_copy(list);
    }
    if (ship(rk, &shipment, RD_KAFKA_PARTITION_UA) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        return true;
    }
    if (shipment.headers != NULL) {
        rd_kafka_headers_destroy(shipment.headers);
    }
    return false;
}

static void on_report(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
    struct kafka_producer *producer = opaque;
    if (message->err == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION && message->partition >= 0 &&
        send_by_key(rk, message)) {
        return;
    }
    enum kafka_delivery delivery = KAFKA_NO_VERDICT;
    bool may_be_there = rd_kafka_message_status(message) != RD_KAFKA_MSG_STATUS_NOT_PERSISTED;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        delivery = KAFKA_DELIVERED;
    } else if (is_refusal(message->err) && !may_be_there) {
        delivery = KAFKA_REFUSED;
    }
    bool delivered = delivery == KAFKA_DELIVERED;
    atomic_fetch_sub(&producer->outstanding, 1);
    producer->handlers.on_delivered(
        producer->handlers.context, (uint64_t)(uintptr_t)message->_private, delivery,
        delivered ? message->partition : -1, delivered ? message->offset : -1,
        delivered ? "" : rd_kafka_err2str(message->err));
}

static int32_t or_default(int32_t number, int32_t standard)
{
    return number == 0 ? standard : number;
}

static bool configure(rd_kafka_conf_t *conf, const struct kafka_producer_settings *settings,
                      char error[KAFKA_ERROR_TEXT_SIZE])
{
    int32_t linger_ms =
        settings->linger_ms < 0 ? 0 : or_default(settings->linger_ms, LINGER_DEFAULT_MS);
    int32_t timeout_ms = or_default(settings->message_timeout_ms, MESSAGE_TIMEOUT_DEFAULT_MS);
    return kafka_conf_set(conf, "enable.idempotence", "true", error) &&
           kafka_conf_set(conf, "acks", "all", error) &&
           kafka_conf_set(conf, "partitioner", "murmur2_random", error) &&
           kafka_conf_set_number(conf, "linger.ms", linger_ms, error) &&
           kafka_conf_set_number(conf, "message.timeout.ms", timeout_ms, error) &&
           kafka_conf_set_number(conf, "message.max.bytes", MESSAGE_BYTES_MAX, error) &&
           kafka_conf_set_number(conf, "topic.metadata.propagation.max.ms", TOPIC_WAIT_MS, error) &&
           kafka_conf_set_number(conf, "queue.buffering.max.messages",
                                 or_default(settings->queue_records_max, QUEUE_RECORDS_DEFAULT),
                                 error) &&
           kafka_conf_set_number(conf, "queue.buffering.max.kbytes",
                                 or_default(settings->queue_kib_max, QUEUE_KIB_DEFAULT), error);
}

static bool open_client(struct kafka_producer *producer,
                        const struct kafka_producer_settings *settings,
                        char error[KAFKA_ERROR_TEXT_SIZE])
{
    rd_kafka_conf_t *conf = kafka_conf_new(&settings->client, &producer->base, error);
    if (conf == NULL) {
        return false;
    }
    if (!configure(conf, settings, error)) {
        rd_kafka_conf_destroy(conf);
        return false;
    }
    rd_kafka_conf_set_dr_msg_cb(conf, on_report);
    producer->rk = kafka_conf_open(RD_KAFKA_PRODUCER, conf, error);
    return producer->rk != NULL;
}

struct kafka_producer *kafka_producer_open(const struct kafka_producer_settings *settings,
                                           const struct kafka_producer_handlers *handlers,
                                           char error[KAFKA_ERROR_TEXT_SIZE])
{
    struct kafka_producer *producer = calloc(1, sizeof(*producer));
    if (producer == NULL || !kafka_conf_base_init(&producer->base)) {
        (void)snprintf(error, KAFKA_ERROR_TEXT_SIZE, "out of memory");
        free(producer);
        return NULL;
    }
    producer->handlers = *handlers;
    if (!open_client(producer, settings, error)) {
        kafka_conf_base_clear(&producer->base);
        free(producer);
        return NULL;
    }
    return producer;
}

/* The headers in librdkafka's form; NULL for none. False: the bytes are no header list. */
static bool make_headers(const struct kafka_outgoing *record, rd_kafka_headers_t **list)
{
    struct kafka_header headers[KAFKA_HEADERS_MAX];
    size_t count = 0;
    *list = NULL;
    if (!record_headers_decode(record->headers, record->headers_len, headers, KAFKA_HEADERS_MAX,
                               &count)) {
        return false;
    }
    if (count == 0) {
        return true;
    }
    *list = rd_kafka_headers_new(count);
    for (size_t i = 0; i < count; i++) {
        const void *value = headers[i].has_value ? (const void *)headers[i].value : NULL;
        (void)rd_kafka_header_add(*list, headers[i].name, (ssize_t)headers[i].name_len, value,
                                  (ssize_t)headers[i].value_len);
    }
    return true;
}

static enum kafka_produce produce_result(struct kafka_producer *producer,
                                         const struct kafka_outgoing *record,
                                         rd_kafka_resp_err_t err)
{
    if (err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        return KAFKA_PRODUCE_QUEUED;
    }
    if (err == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
        return KAFKA_PRODUCE_FULL;
    }
    kafka_conf_log(&producer->base, KAFKA_LOG_ERROR, "PRODUCE",
                   "a record of %zu bytes for topic %s is refused: %s", record->value_len,
                   record->topic, rd_kafka_err2str(err));
    return err == RD_KAFKA_RESP_ERR__FATAL ? KAFKA_PRODUCE_FATAL : KAFKA_PRODUCE_REFUSED;
}

enum kafka_produce kafka_producer_produce(struct kafka_producer *producer,
                                          const struct kafka_outgoing *record)
{
    rd_kafka_headers_t *headers = NULL;
    if (record->topic[0] == '\0' || !make_headers(record, &headers)) {
        return produce_result(producer, record, RD_KAFKA_RESP_ERR__INVALID_ARG);
    }
    struct shipment shipment = {
        .topic = {.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = record->topic},
        .key = record->key,
        .key_len = record->key_len,
        .value = record->value,
        .value_len = record->value_len,
        .timestamp_ms = record->timestamp_ms,
        .cookie = (void *)(uintptr_t)record->cookie,
        .headers = headers,
    };
    int32_t partition = record->partition < 0 ? RD_KAFKA_PARTITION_UA : record->partition;
    atomic_fetch_add(&producer->outstanding, 1);
    rd_kafka_resp_err_t err = ship(producer->rk, &shipment, partition);
    if (err == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION) {
        err = ship(producer->rk, &shipment, RD_KAFKA_PARTITION_UA);
    }
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        atomic_fetch_sub(&producer->outstanding, 1);
        if (headers != NULL) {
            rd_kafka_headers_destroy(headers);
        }
    }
    return produce_result(producer, record, err);
}

int kafka_producer_poll(struct kafka_producer *producer, int timeout_ms)
{
    return rd_kafka_poll(producer->rk, timeout_ms);
}

int kafka_producer_outstanding(const struct kafka_producer *producer)
{
    return atomic_load(&producer->outstanding);
}

bool kafka_producer_flush(struct kafka_producer *producer, int timeout_ms)
{
    int64_t deadline_ms = kafka_conf_clock_ms() + timeout_ms;
    (void)rd_kafka_flush(producer->rk, timeout_ms);
    while (kafka_producer_outstanding(producer) > 0 && kafka_conf_clock_ms() < deadline_ms) {
        (void)rd_kafka_poll(producer->rk, kafka_conf_left_ms(deadline_ms, 50));
    }
    return kafka_producer_outstanding(producer) == 0;
}

bool kafka_producer_close(struct kafka_producer *producer, int timeout_ms)
{
    if (producer == NULL) {
        return true;
    }
    bool orderly = kafka_producer_flush(producer, timeout_ms);
    if (!orderly) {
        (void)rd_kafka_purge(producer->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        (void)kafka_producer_flush(producer, PURGE_WAIT_MS);
    }
    rd_kafka_destroy(producer->rk);
    kafka_conf_base_clear(&producer->base);
    free(producer);
    return orderly;
}
