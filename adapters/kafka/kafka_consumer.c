#define _POSIX_C_SOURCE 200809L

#include "kafka_consumer.h"

#include "kafka_conf.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FETCH_WAIT_DEFAULT_MS      500
#define SESSION_TIMEOUT_DEFAULT_MS 45000
#define PREFETCH_DEFAULT_KIB       16384
#define HEARTBEAT_DEFAULT_MS       3000
#define CLOSE_POLL_MS              20

/* An assigned partition. */
struct slot {
    struct kafka_partition where;
    bool commit_pending;
};

struct kafka_consumer {
    struct kafka_base base; /* first: see kafka_conf.h */
    struct kafka_consumer_handlers handlers;
    rd_kafka_t *rk;
    rd_kafka_queue_t *queue; /* commits are answered here, so poll hands the answers over */
    char topics[KAFKA_CONSUMER_TOPICS_MAX][KAFKA_TOPIC_MAX + 1];
    size_t topic_count;
    /*
     * Guards the slots, and that a pause, resume or commit goes to the assignment that it was
     * meant for: held while librdkafka changes the assignment. Never held in a handler.
     */
    pthread_mutex_t mutex;
    struct slot slots[KAFKA_CONSUMER_PARTITIONS_MAX];
    size_t slot_count;
    uint32_t last_assignment;
    struct kafka_header headers[KAFKA_HEADERS_MAX]; /* of the record in the handler's hands */
};

static const char *own_topic(const struct kafka_consumer *consumer, const char *topic)
{
    for (size_t i = 0; i < consumer->topic_count; i++) {
        if (strcmp(consumer->topics[i], topic) == 0) {
            return consumer->topics[i];
        }
    }
    return NULL;
}

static struct slot *find_slot(struct kafka_consumer *consumer, const char *topic, int32_t partition)
{
    for (size_t i = 0; i < consumer->slot_count; i++) {
        struct slot *slot = &consumer->slots[i];
        if (slot->where.partition == partition && strcmp(slot->where.topic, topic) == 0) {
            return slot;
        }
    }
    return NULL;
}

/* The slot of this very assignment; NULL where it is stale. The mutex is held. */
static struct slot *find_current(struct kafka_consumer *consumer,
                                 const struct kafka_partition *where)
{
    struct slot *slot = find_slot(consumer, where->topic, where->partition);
    return slot != NULL && slot->where.assignment == where->assignment ? slot : NULL;
}

static rd_kafka_topic_partition_list_t *list_of(const struct kafka_partition *where)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    (void)rd_kafka_topic_partition_list_add(list, where->topic, where->partition);
    return list;
}

/* Fills the slots and drops from the list what has no room. The mutex is held. */
static void take_slots(struct kafka_consumer *consumer, rd_kafka_topic_partition_list_t *list)
{
    consumer->slot_count = 0;
    for (int i = list->cnt - 1; i >= 0; i--) {
        const char *topic = own_topic(consumer, list->elems[i].topic);
        if (topic == NULL || consumer->slot_count == KAFKA_CONSUMER_PARTITIONS_MAX) {
            kafka_conf_log(&consumer->base, KAFKA_LOG_ERROR, "ASSIGN",
                           "partition %d of %s is not consumed: at most %d partitions",
                           (int)list->elems[i].partition, list->elems[i].topic,
                           KAFKA_CONSUMER_PARTITIONS_MAX);
            (void)rd_kafka_topic_partition_list_del_by_idx(list, i);
            continue;
        }
        consumer->slots[consumer->slot_count++] =
            (struct slot){.where = {.topic = topic,
                                    .partition = list->elems[i].partition,
                                    .assignment = ++consumer->last_assignment}};
    }
}

static void assign(struct kafka_consumer *consumer, rd_kafka_topic_partition_list_t *list)
{
    (void)pthread_mutex_lock(&consumer->mutex);
    take_slots(consumer, list);
    rd_kafka_resp_err_t err = rd_kafka_assign(consumer->rk, list);
    /* A pause ends with its assignment, whatever librdkafka remembers of the partition. */
    (void)rd_kafka_resume_partitions(consumer->rk, list);
    (void)pthread_mutex_unlock(&consumer->mutex);
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        kafka_conf_log(&consumer->base, KAFKA_LOG_ERROR, "ASSIGN", "%s", rd_kafka_err2str(err));
    }
    for (size_t i = 0; i < consumer->slot_count; i++) {
        consumer->handlers.on_assigned(consumer->handlers.context, &consumer->slots[i].where);
    }
}

static void revoke(struct kafka_consumer *consumer, bool lost)
{
    for (size_t i = 0; i < consumer->slot_count; i++) {
        consumer->handlers.on_revoked(consumer->handlers.context, &consumer->slots[i].where, lost);
    }
    (void)pthread_mutex_lock(&consumer->mutex);
    consumer->slot_count = 0;
    (void)rd_kafka_assign(consumer->rk, NULL);
    (void)pthread_mutex_unlock(&consumer->mutex);
}

static void on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t err,
                         rd_kafka_topic_partition_list_t *list, void *opaque)
{
    struct kafka_consumer *consumer = opaque;
    if (err == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
        assign(consumer, list);
        return;
    }
    revoke(consumer, rd_kafka_assignment_lost(rk) != 0);
}

static int32_t or_default(int32_t number, int32_t standard)
{
    return number == 0 ? standard : number;
}

static bool configure(rd_kafka_conf_t *conf, const struct kafka_consumer_settings *settings,
                      char error[KAFKA_ERROR_TEXT_SIZE])
{
    if (settings->group == NULL || settings->group[0] == '\0') {
        (void)snprintf(error, KAFKA_ERROR_TEXT_SIZE, "no consumer group");
        return false;
    }
    int32_t session_ms = or_default(settings->session_timeout_ms, SESSION_TIMEOUT_DEFAULT_MS);
    int32_t third_ms = session_ms / 3;
    int32_t heartbeat_ms = third_ms < HEARTBEAT_DEFAULT_MS ? third_ms : HEARTBEAT_DEFAULT_MS;
    return kafka_conf_set(conf, "group.id", settings->group, error) &&
           kafka_conf_set(conf, "enable.auto.commit", "false", error) &&
           kafka_conf_set(conf, "enable.auto.offset.store", "false", error) &&
           kafka_conf_set(conf, "auto.offset.reset", "earliest", error) &&
           kafka_conf_set(conf, "partition.assignment.strategy", "range", error) &&
           kafka_conf_set(conf, "check.crcs", "true", error) &&
           kafka_conf_set_number(conf, "fetch.wait.max.ms",
                                 or_default(settings->fetch_wait_max_ms, FETCH_WAIT_DEFAULT_MS),
                                 error) &&
           kafka_conf_set_number(conf, "session.timeout.ms", session_ms, error) &&
           kafka_conf_set_number(conf, "heartbeat.interval.ms", heartbeat_ms, error) &&
           kafka_conf_set_number(conf, "queued.max.messages.kbytes",
                                 or_default(settings->prefetch_kib, PREFETCH_DEFAULT_KIB), error);
}

/* Copies the names and asks for the topics. */
static bool subscribe(struct kafka_consumer *consumer, const char *const *topics,
                      char error[KAFKA_ERROR_TEXT_SIZE])
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    for (; topics[consumer->topic_count] != NULL; consumer->topic_count++) {
        const char *topic = topics[consumer->topic_count];
        size_t len = strlen(topic);
        if (consumer->topic_count == KAFKA_CONSUMER_TOPICS_MAX || len > KAFKA_TOPIC_MAX) {
            (void)snprintf(error, KAFKA_ERROR_TEXT_SIZE,
                           "topic '%.50s'; allowed: up to %d topics, names of up to %d characters",
                           topic, KAFKA_CONSUMER_TOPICS_MAX, KAFKA_TOPIC_MAX);
            rd_kafka_topic_partition_list_destroy(list);
            return false;
        }
        memcpy(consumer->topics[consumer->topic_count], topic, len + 1);
        (void)rd_kafka_topic_partition_list_add(list, topic, RD_KAFKA_PARTITION_UA);
    }
    rd_kafka_resp_err_t err = rd_kafka_subscribe(consumer->rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        (void)snprintf(error, KAFKA_ERROR_TEXT_SIZE, "can't subscribe: %s", rd_kafka_err2str(err));
        return false;
    }
    return true;
}

static bool open_client(struct kafka_consumer *consumer,
                        const struct kafka_consumer_settings *settings,
                        char error[KAFKA_ERROR_TEXT_SIZE])
{
    rd_kafka_conf_t *conf = kafka_conf_new(&settings->client, &consumer->base, error);
    if (conf == NULL) {
        return false;
    }
    if (!configure(conf, settings, error)) {
        rd_kafka_conf_destroy(conf);
        return false;
    }
    rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
    consumer->rk = kafka_conf_open(RD_KAFKA_CONSUMER, conf, error);
    if (consumer->rk == NULL) {
        return false;
    }
    (void)rd_kafka_poll_set_consumer(consumer->rk);
    consumer->queue = rd_kafka_queue_get_consumer(consumer->rk);
    return subscribe(consumer, settings->topics, error);
}

/* Frees what is there; the group is not left in order. */
static void free_consumer(struct kafka_consumer *consumer)
{
    if (consumer->queue != NULL) {
        rd_kafka_queue_destroy(consumer->queue);
    }
    if (consumer->rk != NULL) {
        rd_kafka_destroy_flags(consumer->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    }
    (void)pthread_mutex_destroy(&consumer->mutex);
    kafka_conf_base_clear(&consumer->base);
    free(consumer);
}

struct kafka_consumer *kafka_consumer_open(const struct kafka_consumer_settings *settings,
                                           const struct kafka_consumer_handlers *handlers,
                                           char error[KAFKA_ERROR_TEXT_SIZE])
{
    struct kafka_consumer *consumer = calloc(1, sizeof(*consumer));
    if (consumer == NULL || !kafka_conf_base_init(&consumer->base) ||
        pthread_mutex_init(&consumer->mutex, NULL) != 0) {
        (void)snprintf(error, KAFKA_ERROR_TEXT_SIZE, "out of memory");
        free(consumer);
        return NULL;
    }
    consumer->handlers = *handlers;
    if (!open_client(consumer, settings, error)) {
        free_consumer(consumer);
        return NULL;
    }
    return consumer;
}

static bool deliver(struct kafka_consumer *consumer, const rd_kafka_message_t *message)
{
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        kafka_conf_log(&consumer->base, KAFKA_LOG_WARNING, "CONSUME", "%s: %s",
                       rd_kafka_err2name(message->err), rd_kafka_message_errstr(message));
        return false;
    }
    /* Only this thread changes the slots' keys, so it may read them without the mutex. */
    const struct slot *slot =
        find_slot(consumer, rd_kafka_topic_name(message->rkt), message->partition);
    if (slot == NULL) {
        return false;
    }
    struct kafka_partition where = slot->where;
    struct kafka_record record = kafka_conf_view(message, consumer->headers);
    consumer->handlers.on_record(consumer->handlers.context, &where, &record);
    return true;
}

int kafka_consumer_poll(struct kafka_consumer *consumer, int timeout_ms)
{
    int delivered = 0;
    for (int i = 0; i < KAFKA_CONSUMER_POLL_MAX; i++) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer->rk, i == 0 ? timeout_ms : 0);
        if (message == NULL) {
            break;
        }
        delivered += deliver(consumer, message) ? 1 : 0;
        rd_kafka_message_destroy(message);
    }
    return delivered;
}

void kafka_consumer_pause(struct kafka_consumer *consumer, const struct kafka_partition *where)
{
    rd_kafka_topic_partition_list_t *list = list_of(where);
    (void)pthread_mutex_lock(&consumer->mutex);
    if (find_current(consumer, where) != NULL) {
        (void)rd_kafka_pause_partitions(consumer->rk, list);
    }
    (void)pthread_mutex_unlock(&consumer->mutex);
    rd_kafka_topic_partition_list_destroy(list);
}

void kafka_consumer_resume(struct kafka_consumer *consumer, const struct kafka_partition *where)
{
    rd_kafka_topic_partition_list_t *list = list_of(where);
    (void)pthread_mutex_lock(&consumer->mutex);
    if (find_current(consumer, where) != NULL) {
        (void)rd_kafka_resume_partitions(consumer->rk, list);
    }
    (void)pthread_mutex_unlock(&consumer->mutex);
    rd_kafka_topic_partition_list_destroy(list);
}

/* The answer to one commit; its list has the one partition, its opaque is the assignment. */
static void on_commit(rd_kafka_t *rk, rd_kafka_resp_err_t err,
                      rd_kafka_topic_partition_list_t *list, void *opaque)
{
    struct kafka_consumer *consumer = rd_kafka_opaque(rk);
    if (list == NULL || list->cnt != 1) {
        return;
    }
    const rd_kafka_topic_partition_t *answer = &list->elems[0];
    struct kafka_partition where = {.topic = own_topic(consumer, answer->topic),
                                    .partition = answer->partition,
                                    .assignment = (uint32_t)(uintptr_t)opaque};
    if (where.topic == NULL) {
        return;
    }
    rd_kafka_resp_err_t what = err != RD_KAFKA_RESP_ERR_NO_ERROR ? err : answer->err;
    if (what != RD_KAFKA_RESP_ERR_NO_ERROR) {
        kafka_conf_log(&consumer->base, KAFKA_LOG_WARNING, "COMMIT", "partition %d of %s: %s",
                       (int)where.partition, where.topic, rd_kafka_err2str(what));
    }
    (void)pthread_mutex_lock(&consumer->mutex);
    struct slot *slot = find_current(consumer, &where);
    if (slot != NULL) {
        slot->commit_pending = false;
    }
    (void)pthread_mutex_unlock(&consumer->mutex);
    consumer->handlers.on_committed(consumer->handlers.context, &where, answer->offset,
                                    what == RD_KAFKA_RESP_ERR_NO_ERROR);
}

enum kafka_commit_result kafka_consumer_commit(struct kafka_consumer *consumer,
                                               const struct kafka_partition *where,
                                               int64_t next_offset)
{
    rd_kafka_topic_partition_list_t *list = list_of(where);
    list->elems[0].offset = next_offset;
    enum kafka_commit_result result = KAFKA_COMMIT_SENT;
    (void)pthread_mutex_lock(&consumer->mutex);
    struct slot *slot = find_current(consumer, where);
    if (slot == NULL) {
        result = KAFKA_COMMIT_STALE;
    } else if (slot->commit_pending) {
        result = KAFKA_COMMIT_BUSY;
    } else {
        rd_kafka_resp_err_t err = rd_kafka_commit_queue(
            consumer->rk, list, consumer->queue, on_commit, (void *)(uintptr_t)where->assignment);
        result = err == RD_KAFKA_RESP_ERR_NO_ERROR ? KAFKA_COMMIT_SENT : KAFKA_COMMIT_ERROR;
        slot->commit_pending = result == KAFKA_COMMIT_SENT;
    }
    (void)pthread_mutex_unlock(&consumer->mutex);
    rd_kafka_topic_partition_list_destroy(list);
    return result;
}

/* Serves callbacks until librdkafka has left the group; records that still come are dropped: they
 * are not committed, the next owner gets them. */
static bool leave(struct kafka_consumer *consumer, int timeout_ms)
{
    int64_t deadline_ms = kafka_conf_clock_ms() + timeout_ms;
    rd_kafka_queue_t *queue = rd_kafka_queue_new(consumer->rk);
    rd_kafka_error_t *error = rd_kafka_consumer_close_queue(consumer->rk, queue);
    if (error != NULL) {
        kafka_conf_log(&consumer->base, KAFKA_LOG_WARNING, "CLOSE", "%s",
                       rd_kafka_error_string(error));
        rd_kafka_error_destroy(error);
    }
    bool closed = false;
    while (!closed && kafka_conf_clock_ms() < deadline_ms) {
        rd_kafka_message_t *message =
            rd_kafka_consume_queue(queue, kafka_conf_left_ms(deadline_ms, CLOSE_POLL_MS));
        if (message != NULL) {
            rd_kafka_message_destroy(message);
        }
        closed = rd_kafka_consumer_closed(consumer->rk) != 0;
    }
    rd_kafka_queue_destroy(queue);
    return closed;
}

static void *free_in_thread(void *argument)
{
    free_consumer(argument);
    return NULL;
}

/*
 * librdkafka's destroy waits up to the session timeout for a commit that finds no coordinator
 * (seen with 2.0.2), which a caller whose time is over must not have to do.
 */
static void abandon(struct kafka_consumer *consumer)
{
    pthread_t thread;
    kafka_conf_base_silence(&consumer->base);
    if (pthread_create(&thread, NULL, free_in_thread, consumer) == 0) {
        (void)pthread_detach(thread);
        return;
    }
    free_consumer(consumer);
}

bool kafka_consumer_close(struct kafka_consumer *consumer, int timeout_ms)
{
    if (consumer == NULL) {
        return true;
    }
    bool closed = leave(consumer, timeout_ms);
    if (closed) {
        free_consumer(consumer);
    } else {
        abandon(consumer);
    }
    return closed;
}
