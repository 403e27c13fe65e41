#include "bus_internal.h"

#include "clock.h"
#include "kafka_broker.h"
#include "log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct bus_partition *find(struct bus_consumer *consumer, int32_t partition,
                                  uint32_t assignment)
{
    for (uint32_t i = 0; i < consumer->count; i++) {
        if (consumer->partitions[i].partition == partition &&
            consumer->partitions[i].assignment == assignment) {
            return &consumer->partitions[i];
        }
    }
    return NULL;
}

static bool is_blocked(const struct bus_partition *partition)
{
    return partition->is_full || partition->is_held;
}

/* The mutex is held. */
static void pause_client(struct bus_consumer *consumer, struct bus_partition *partition,
                         bool is_paused)
{
    const struct kafka_partition where = {consumer->name, partition->partition,
                                          partition->assignment};
    struct kafka_consumer *client;

    if (is_paused == partition->is_paused || !consumer->bus->is_open) {
        return;
    }
    partition->is_paused = is_paused;
    client = kafka_bus_consumer(consumer->bus->kafka, consumer->topic);
    if (is_paused) {
        kafka_consumer_pause(client, &where);
    } else {
        kafka_consumer_resume(client, &where);
    }
}

/* After one of the two reasons to block a partition changed. The mutex is held. */
static void block_changed(struct bus_consumer *consumer, struct bus_partition *partition,
                          bool was_blocked)
{
    if (was_blocked == is_blocked(partition)) {
        return;
    }
    if (!was_blocked) {
        partition->blocked_ms = clock_boot_ms();
        return;
    }
    pause_client(consumer, partition, false);
    pthread_cond_broadcast(&consumer->bus->unblocked);
}

/* Every partition that has been blocked for long: the next one's record need not wait, too. */
static void pause_blocked(struct bus_consumer *consumer)
{
    int64_t before_ms = clock_boot_ms() - BUS_PAUSE_AFTER_MS;

    for (uint32_t i = 0; i < consumer->count; i++) {
        struct bus_partition *partition = &consumer->partitions[i];

        if (is_blocked(partition) && partition->blocked_ms <= before_ms) {
            pause_client(consumer, partition, true);
        }
    }
}

static void on_assigned(void *context, const struct kafka_partition *where)
{
    struct bus_consumer *consumer = context;
    struct bus *bus = consumer->bus;
    struct assigned_message *message = bus_alloc(sizeof(*message));

    message->message.type = MESSAGE_ASSIGNED;
    message->topic = consumer->topic;
    message->partition = where->partition;
    message->assignment = where->assignment;
    pthread_mutex_lock(&bus->mutex);
    invariant(consumer->count < KAFKA_CONSUMER_PARTITIONS_MAX);
    consumer->partitions[consumer->count++] =
        (struct bus_partition){.partition = where->partition, .assignment = where->assignment};
    bus->was_assigned = bus->was_assigned || consumer->topic == TOPIC_TRIPS;
    pthread_mutex_unlock(&bus->mutex);
    inbox_post(bus->inbox, &message->message);
}

static void forget(struct bus_consumer *consumer, const struct kafka_partition *where)
{
    struct bus_partition *partition;

    pthread_mutex_lock(&consumer->bus->mutex);
    partition = find(consumer, where->partition, where->assignment);
    if (partition != NULL) {
        *partition = consumer->partitions[--consumer->count];
    }
    pthread_mutex_unlock(&consumer->bus->mutex);
}

/* Waits for bus_revoked(). False: it took too long, and the message is the taker's to free. */
static bool await_revoked(struct bus *bus, struct revoked_message *message)
{
    const struct timespec deadline = clock_deadline(BUS_REVOKE_MS);
    bool is_done;

    pthread_mutex_lock(&bus->mutex);
    while (!message->is_done &&
           pthread_cond_timedwait(&bus->revoked, &bus->mutex, &deadline) == 0) {
    }
    is_done = message->is_done;
    message->is_left = !is_done;
    pthread_mutex_unlock(&bus->mutex);
    return is_done;
}

/* In the consumer's own thread, so it works while that closes, too. What is not sent, or refused,
 * only comes again. */
static void commit_last(struct bus_consumer *consumer, const struct kafka_partition *where,
                        int64_t next_offset)
{
    struct kafka_bus *kafka;

    pthread_mutex_lock(&consumer->bus->mutex);
    kafka = consumer->bus->kafka;
    pthread_mutex_unlock(&consumer->bus->mutex);
    if (kafka == NULL || kafka_consumer_commit(kafka_bus_consumer(kafka, consumer->topic), where,
                                               next_offset) != KAFKA_COMMIT_SENT) {
        log_write(LOG_LEVEL_DEBUG, "a last commit was not sent", NULL);
    }
}

static void on_revoked(void *context, const struct kafka_partition *where, bool lost)
{
    struct bus_consumer *consumer = context;
    struct revoked_message *message = bus_alloc(sizeof(*message));

    forget(consumer, where);
    message->message.type = MESSAGE_REVOKED;
    message->topic = consumer->topic;
    message->partition = where->partition;
    message->assignment = where->assignment;
    inbox_post(consumer->bus->inbox, &message->message);
    if (!await_revoked(consumer->bus, message)) {
        log_write(
            LOG_LEVEL_WARN, "a revoked partition was not given up in time",
            LOG_FIELDS(log_text("topic", consumer->name), log_int("partition", where->partition)));
        return;
    }
    if (message->has_offset && !lost) {
        commit_last(consumer, where, message->next_offset);
    }
    free(message);
}

/*
 * A full partition's next record may come soon: the engine takes many in a millisecond. Waiting for
 * that is cheaper than a pause, which throws away what the client has fetched ahead, and whose end
 * it may notice a second later. Only what stays blocked pauses. The mutex is held; none but this
 * thread changes the table of partitions.
 */
static void await_room(struct bus_consumer *consumer, const struct bus_partition *partition)
{
    struct bus *bus = consumer->bus;
    const struct timespec deadline = clock_deadline(BUS_PAUSE_AFTER_MS);

    while (partition->is_full && bus->is_open &&
           pthread_cond_timedwait(&bus->unblocked, &bus->mutex, &deadline) == 0) {
    }
    pause_blocked(consumer);
}

static void on_record(void *context, const struct kafka_partition *where,
                      const struct kafka_record *record)
{
    struct bus_consumer *consumer = context;
    struct bus *bus = consumer->bus;
    struct record_message *message = bus_record_read(consumer, where, record);
    struct bus_partition *partition;

    pthread_mutex_lock(&bus->mutex);
    partition = find(consumer, where->partition, where->assignment);
    bus->ahead_bytes += message->raw_len + message->headers_len;
    if (partition != NULL) {
        bool was_blocked = is_blocked(partition);

        partition->ahead++;
        partition->is_full =
            partition->ahead >= BUS_AHEAD_MAX || bus->ahead_bytes >= BUS_AHEAD_BYTES;
        block_changed(consumer, partition, was_blocked);
    }
    inbox_post(bus->inbox, &message->message);
    if (partition != NULL && is_blocked(partition)) {
        await_room(consumer, partition);
    }
    pthread_mutex_unlock(&bus->mutex);
}

static void on_committed(void *context, const struct kafka_partition *where, int64_t next_offset,
                         bool ok)
{
    struct bus_consumer *consumer = context;
    struct committed_message *message = bus_alloc(sizeof(*message));

    message->message.type = MESSAGE_COMMITTED;
    message->topic = consumer->topic;
    message->partition = where->partition;
    message->assignment = where->assignment;
    message->next_offset = next_offset;
    message->ok = ok;
    inbox_post(consumer->bus->inbox, &message->message);
}

static void on_delivered(void *context, uint64_t cookie, enum kafka_delivery delivery,
                         int32_t partition, int64_t offset, const char *error)
{
    struct bus *bus = context;
    struct delivered_message *message = bus_alloc(sizeof(*message));

    (void)partition;
    (void)offset;
    if (delivery != KAFKA_DELIVERED) {
        log_write(LOG_LEVEL_WARN, "a record was not delivered",
                  LOG_FIELDS(log_text("error", error),
                             log_bool("is_refused", delivery == KAFKA_REFUSED)));
    }
    message->message.type = MESSAGE_DELIVERED;
    message->cookie = cookie;
    message->delivery = delivery;
    inbox_post(bus->inbox, &message->message);
}

static void write_log(void *context, enum kafka_log_level level, const char *facility,
                      const char *text)
{
    enum log_level to = LOG_LEVEL_DEBUG;

    (void)context;
    if (level == KAFKA_LOG_ERROR || level == KAFKA_LOG_WARNING) {
        to = LOG_LEVEL_WARN; /* it reconnects by itself */
    }
    log_write(to, "kafka", LOG_FIELDS(log_text("facility", facility), log_text("text", text)));
}

static struct kafka_consumer_settings consumer_of(const struct bus_options *options,
                                                  const char *group, const char *const *topics)
{
    const struct farebox_settings *settings = options->settings;

    return (struct kafka_consumer_settings){
        .client = {.bootstrap = options->bootstrap,
                   .client_id = settings->instance,
                   .log = {NULL, write_log}},
        .group = group,
        .topics = topics,
        .fetch_wait_max_ms = settings->kafka_is_embedded ? KAFKA_BROKER_FETCH_WAIT_MAX_MS : 0,
        .session_timeout_ms = (int32_t)settings->kafka_session_ms,
    };
}

static struct kafka_bus *open_clients(struct bus *bus, const struct bus_options *options,
                                      char error[KAFKA_ERROR_TEXT_SIZE])
{
    const struct farebox_settings *settings = options->settings;
    const char *const trips[] = {settings->trip_topic, NULL};
    const char *const dead[] = {settings->dlt_topic, NULL};
    const char *const groups[] = {settings->kafka_group, settings->kafka_dlt_group};
    struct kafka_bus_settings clients = {
        .producer = {.client = {.bootstrap = options->bootstrap,
                                .client_id = settings->instance,
                                .log = {NULL, write_log}},
                     /* A commit releases many records at once, which make one request; nothing
                      * waits for longer than that where all is in one process. */
                     .linger_ms = settings->kafka_is_embedded ? 1 : 0},
        .producer_handlers = {bus, on_delivered},
        .consumer_count = TOPIC_COUNT,
    };

    for (uint8_t t = 0; t < TOPIC_COUNT; t++) {
        bus->consumers[t].bus = bus;
        bus->consumers[t].topic = t;
        bus->consumers[t].name = t == TOPIC_TRIPS ? settings->trip_topic : settings->dlt_topic;
        clients.consumers[t] = consumer_of(options, groups[t], t == TOPIC_TRIPS ? trips : dead);
        clients.consumer_handlers[t] = (struct kafka_consumer_handlers){
            &bus->consumers[t], on_assigned, on_revoked, on_record, on_committed};
    }
    return kafka_bus_open(&clients, error);
}

struct bus *bus_open(const struct bus_options *options, char error[KAFKA_ERROR_TEXT_SIZE])
{
    struct bus *bus = calloc(1, sizeof(*bus));
    struct kafka_bus *kafka;

    if (bus == NULL || pthread_mutex_init(&bus->mutex, NULL) != 0) {
        (void)snprintf(error, KAFKA_ERROR_TEXT_SIZE, "out of memory");
        free(bus);
        return NULL;
    }
    clock_condition_init(&bus->revoked);
    clock_condition_init(&bus->unblocked);
    bus->inbox = options->inbox;
    bus->trip_topic = options->settings->trip_topic;
    kafka = open_clients(bus, options, error);
    if (kafka == NULL) {
        pthread_cond_destroy(&bus->unblocked);
        pthread_cond_destroy(&bus->revoked);
        pthread_mutex_destroy(&bus->mutex);
        free(bus);
        return NULL;
    }
    /* Until now handlers could run, but not pause: the next record does. */
    pthread_mutex_lock(&bus->mutex);
    bus->kafka = kafka;
    bus->is_open = true;
    pthread_mutex_unlock(&bus->mutex);
    return bus;
}

void bus_revoked(struct bus *bus, struct revoked_message *message)
{
    bool is_left;

    pthread_mutex_lock(&bus->mutex);
    message->is_done = true;
    is_left = message->is_left;
    pthread_cond_broadcast(&bus->revoked);
    pthread_mutex_unlock(&bus->mutex);
    if (is_left) {
        free(message);
    }
}

void bus_record_done(struct bus *bus, struct record_message *message)
{
    struct bus_consumer *consumer = &bus->consumers[message->topic];
    struct bus_partition *partition;

    pthread_mutex_lock(&bus->mutex);
    bus->ahead_bytes -= message->raw_len + message->headers_len;
    partition = find(consumer, message->partition, message->assignment);
    if (partition != NULL) {
        bool was_blocked = is_blocked(partition);

        partition->ahead--;
        if (partition->ahead <= BUS_AHEAD_MAX / 2 &&
            (bus->ahead_bytes < BUS_AHEAD_BYTES / 2 || partition->ahead == 0)) {
            partition->is_full = false;
        }
        block_changed(consumer, partition, was_blocked);
    }
    pthread_mutex_unlock(&bus->mutex);
    free(message);
}

bool bus_commit(struct bus *bus, const struct committed_message *what)
{
    struct bus_consumer *consumer = &bus->consumers[what->topic];
    const struct kafka_partition where = {consumer->name, what->partition, what->assignment};
    enum kafka_commit_result result = KAFKA_COMMIT_STALE;

    pthread_mutex_lock(&bus->mutex);
    if (bus->is_open) {
        result = kafka_consumer_commit(kafka_bus_consumer(bus->kafka, consumer->topic), &where,
                                       what->next_offset);
    }
    pthread_mutex_unlock(&bus->mutex);
    return result == KAFKA_COMMIT_SENT;
}

void bus_pause(struct bus *bus, uint8_t topic, int32_t number, uint32_t assignment, bool is_paused)
{
    struct bus_consumer *consumer = &bus->consumers[topic];
    struct bus_partition *partition;

    pthread_mutex_lock(&bus->mutex);
    partition = find(consumer, number, assignment);
    if (partition != NULL) {
        bool was_blocked = is_blocked(partition);

        partition->is_held = is_paused;
        block_changed(consumer, partition, was_blocked);
    }
    pthread_mutex_unlock(&bus->mutex);
}

enum kafka_produce bus_produce(struct bus *bus, const struct kafka_outgoing *record)
{
    return kafka_producer_produce(kafka_bus_producer(bus->kafka), record);
}

uint32_t bus_assigned(struct bus *bus, bool *ever)
{
    uint32_t count;

    pthread_mutex_lock(&bus->mutex);
    count = bus->consumers[TOPIC_TRIPS].count;
    *ever = bus->was_assigned;
    pthread_mutex_unlock(&bus->mutex);
    return count;
}

void bus_stop_consumers(struct bus *bus, int timeout_ms)
{
    pthread_mutex_lock(&bus->mutex);
    bus->is_open = false;
    pthread_cond_broadcast(&bus->unblocked);
    pthread_mutex_unlock(&bus->mutex);
    if (!kafka_bus_stop_consumers(bus->kafka, timeout_ms)) {
        log_write(LOG_LEVEL_WARN, "the consumer groups were not left in time", NULL);
    }
}

void bus_close(struct bus *bus, int timeout_ms)
{
    if (!kafka_bus_close(bus->kafka, timeout_ms)) {
        log_write(LOG_LEVEL_WARN, "some records have no delivery report", NULL);
    }
    pthread_cond_destroy(&bus->unblocked);
    pthread_cond_destroy(&bus->revoked);
    pthread_mutex_destroy(&bus->mutex);
    free(bus);
}
