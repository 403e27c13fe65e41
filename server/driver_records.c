/* driver_records.c - records that wait until the engine accepts them, each partition in order. */
#include "driver_internal.h"

#include "engine_settings.h"
#include "log.h"
#include "raw_record.h"

#include <stdlib.h>
#include <string.h>

/* Between two looks into the inbox. */
#define DELIVER_MAX 64
/* Texts of one record, and the bytes of all but its raw ones. */
#define RECORD_TEXTS 8
#define RECORD_BYTES 4096

static struct backlog *backlog_find(struct driver *d, uint8_t topic, int32_t partition,
                                    uint32_t assignment)
{
    for (uint32_t i = 0; i < d->backlog_count; i++) {
        struct backlog *b = &d->backlogs[i];

        if (b->topic == topic && b->partition == partition && b->assignment == assignment) {
            return b;
        }
    }
    return NULL;
}

void records_assign(struct driver *d, const struct assigned_message *message)
{
    struct engine_event event = {.type = EV_ASSIGNED};

    invariant(d->backlog_count < BACKLOGS_MAX);
    d->backlogs[d->backlog_count++] = (struct backlog){.partition = message->partition,
                                                       .assignment = message->assignment,
                                                       .topic = message->topic};
    log_write(LOG_LEVEL_INFO, "partition assigned",
              LOG_FIELDS(log_text("topic", message->topic == TOPIC_TRIPS ? d->settings->trip_topic
                                                                         : d->settings->dlt_topic),
                         log_int("partition", message->partition)));
    if (d->backlog_count > engine_settings_limits(d->settings).trackers) {
        log_write(LOG_LEVEL_ALERT, "more partitions than an instance takes: not consumed",
                  LOG_FIELDS(log_int("partition", message->partition),
                             log_int("partitions", d->backlog_count)));
    }
    event.as.partition.topic = message->topic;
    event.as.partition.partition = message->partition;
    event.as.partition.assignment = message->assignment;
    driver_step(d, &event);
}

static struct record_message *backlog_take(struct backlog *backlog)
{
    struct record_message *record = backlog->first;

    backlog->first = (struct record_message *)(void *)record->message.next;
    if (backlog->first == NULL) {
        backlog->last = NULL;
    }
    return record;
}

void records_revoke(struct driver *d, struct revoked_message *message)
{
    struct engine_event event = {.type = EV_REVOKED};
    struct backlog *backlog =
        backlog_find(d, message->topic, message->partition, message->assignment);

    if (backlog != NULL) {
        while (backlog->first != NULL) {
            bus_record_done(d->parts.bus, backlog_take(backlog));
        }
        *backlog = d->backlogs[--d->backlog_count];
    }
    event.as.partition.topic = message->topic;
    event.as.partition.partition = message->partition;
    event.as.partition.assignment = message->assignment;
    d->revoking = message;
    driver_step(d, &event);
    d->revoking = NULL;
    bus_revoked(d->parts.bus, message);
}

void records_add(struct driver *d, struct record_message *message)
{
    struct backlog *backlog =
        backlog_find(d, message->topic, message->partition, message->assignment);

    if (backlog == NULL) {
        bus_record_done(d->parts.bus, message);
        return;
    }
    message->message.next = NULL;
    if (backlog->last == NULL) {
        backlog->first = message;
    } else {
        backlog->last->message.next = &message->message;
    }
    backlog->last = message;
}

static text_id intern(struct driver *d, const void *bytes, size_t len)
{
    text_id id = texts_intern(d->texts, bytes, len);

    invariant(id != TEXT_NONE); /* driver_has_room() said so */
    return id;
}

static text_id intern_string(struct driver *d, const char *string)
{
    return intern(d, string, strlen(string));
}

static text_id intern_some(struct driver *d, const char *string)
{
    return string[0] == '\0' ? TEXT_NONE : intern_string(d, string);
}

static void fill_dead(struct driver *d, const struct record_message *message,
                      struct failed_event_row *row)
{
    const struct dead_letter_decoded *dead = &message->as.dead;
    struct raw_record raw;

    raw_record_decode(message->bytes, message->raw_len, &raw);
    row->origin_offset = dead->offset;
    row->origin_partition = dead->partition;
    row->origin_at_ms = dead->first_timestamp_ms;
    row->status = FAILED_EVENT_PENDING;
    row->has_key = raw.record.has_key;
    row->has_body = raw.record.has_value;
    row->topic = intern_string(d, dead->topic);
    row->error = intern_string(d, dead->error);
    if (raw.record.has_key) {
        row->key = intern(d, raw.record.key, raw.record.key_len);
    }
    if (raw.record.has_value) {
        row->body = intern(d, raw.record.value, raw.record.value_len);
    }
    if (message->headers_len > 0) {
        row->headers = intern(d, message->bytes + message->raw_len, message->headers_len);
    }
}

static void fill(struct driver *d, const struct record_message *message,
                 struct engine_record *record)
{
    record->kind = message->kind;
    record->topic = message->topic;
    record->partition = message->partition;
    record->assignment = message->assignment;
    record->offset = message->offset;
    record->timestamp_ms = message->timestamp_ms;
    switch ((enum engine_record_kind)message->kind) {
    case RECORD_TRIP:
        record->record = intern(d, message->bytes, message->raw_len);
        record->trip.payment_id = message->as.trip.payment_id;
        record->trip.trip_id = intern_string(d, message->as.trip.trip_id);
        record->trip.user_id = intern_string(d, message->as.trip.user_id);
        record->trip.traceparent = intern_some(d, message->as.trip.traceparent);
        record->trip.record = record->record;
        return;
    case RECORD_MALFORMED:
        record->record = intern(d, message->bytes, message->raw_len);
        record->error = intern_string(d, message->as.error);
        return;
    case RECORD_DEAD:
        fill_dead(d, message, &record->dead);
        return;
    case RECORD_IGNORED:
        return;
    }
    invariant(false && "a record of no known kind");
}

/* Delivers the partition's next record. False: it has none, or it has to wait. */
static bool deliver_one(struct driver *d, struct backlog *backlog)
{
    struct engine_event event = {.type = EV_RECORD};
    struct record_message *message = backlog->first;

    if (message == NULL || !engine_accepts(d->engine, (enum engine_topic)backlog->topic,
                                           backlog->partition, backlog->assignment)) {
        return false;
    }
    /* Twice: a dead letter's parts are texts of their own. */
    if (!driver_has_room(d, RECORD_TEXTS,
                         2 * message->raw_len + message->headers_len + RECORD_BYTES, 1)) {
        return false;
    }
    fill(d, message, &event.as.record);
    (void)backlog_take(backlog);
    counters_record(d->parts.counters, (enum engine_topic)message->topic,
                    (enum engine_record_kind)message->kind);
    driver_step(d, &event);
    bus_record_done(d->parts.bus, message);
    return true;
}

bool records_deliver(struct driver *d)
{
    uint32_t delivered = 0;
    uint32_t idle = 0;

    /* In turns, so that a long backlog delays no other partition. */
    while (delivered < DELIVER_MAX && idle < d->backlog_count) {
        d->backlog_next = (d->backlog_next + 1) % d->backlog_count;
        if (deliver_one(d, &d->backlogs[d->backlog_next])) {
            delivered++;
            idle = 0;
        } else {
            idle++;
        }
    }
    return delivered == DELIVER_MAX;
}

void records_drop_all(struct driver *d)
{
    for (uint32_t i = 0; i < d->backlog_count; i++) {
        while (d->backlogs[i].first != NULL) {
            free(backlog_take(&d->backlogs[i]));
        }
    }
    d->backlog_count = 0;
}
