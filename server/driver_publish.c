/* driver_publish.c - outcome events and dead letters to the broker, and its reports. */
#include "driver_internal.h"

#include "log.h"
#include "raw_record.h"
#include "row_texts.h"

#include <stdio.h>
#include <string.h>

#define EXCEPTION_CLASS "farebox.DeadLetter"

/* What a delivery report brings back. */
static uint64_t cookie_of(enum publish_kind kind, const struct effect *fx)
{
    return (uint64_t)kind << 48 | (uint64_t)fx->call_no << 32 | fx->slot;
}

/* A verdict of our own, through the inbox like the others: a step never nests. */
static void post_verdict(struct driver *d, uint64_t cookie, enum kafka_delivery delivery)
{
    struct delivered_message *message = driver_alloc(sizeof(*message));

    message->message.type = MESSAGE_DELIVERED;
    message->cookie = cookie;
    message->delivery = delivery;
    inbox_post(&d->inbox, &message->message);
}

static void produce(struct driver *d, const struct kafka_outgoing *record)
{
    switch (bus_produce(d->parts.bus, record)) {
    case KAFKA_PRODUCE_QUEUED:
        return;
    case KAFKA_PRODUCE_FULL:
        post_verdict(d, record->cookie, KAFKA_NO_VERDICT);
        return;
    case KAFKA_PRODUCE_REFUSED:
        log_write(LOG_LEVEL_ERROR, "a record can't be sent",
                  LOG_FIELDS(log_text("topic", record->topic)));
        post_verdict(d, record->cookie, KAFKA_REFUSED);
        return;
    case KAFKA_PRODUCE_FATAL:
        log_write(LOG_LEVEL_ERROR, "the Kafka producer is broken for good: stopping", NULL);
        post_verdict(d, record->cookie, KAFKA_NO_VERDICT);
        d->parts.broken(d->parts.context);
        return;
    }
    invariant(false && "a producer's answer of no known kind");
}

/* The row as it was rendered for the commit that this step is about. */
static bool find_committed(struct driver *d, const struct outbox *own, struct outbox_row *row)
{
    struct committed_batch *batch = &d->committed;

    for (uint32_t i = batch->next; i < batch->count; i++) {
        const struct unit *unit = &batch->units[i];
        bool is_payment = unit->kind == UNIT_PAYMENT_OPEN || unit->kind == UNIT_PAYMENT_MOVE;

        if (is_payment && unit->as.payment.outcome.type != OUTCOME_NONE &&
            uuid_equal(&unit->as.payment.outcome.record.event_id, &own->event_id)) {
            *row = unit->as.payment.outcome.record;
            batch->next = i + 1;
            return true;
        }
    }
    return false;
}

/* The row once more, from what it is made of: it was committed in an earlier step. */
static bool render_own(struct driver *d, const struct outbox *own, struct outbox_row *row)
{
    struct outbox made_of = *own;

    d->publish_texts = texts_init(d->publish_block, PUBLISH_TEXTS, PUBLISH_BYTES);
    return row_texts_move(&made_of.trip_id, d->texts, d->publish_texts) &&
           row_texts_move(&made_of.user_id, d->texts, d->publish_texts) &&
           row_texts_move(&made_of.traceparent, d->texts, d->publish_texts) &&
           row_texts_move(&made_of.code, d->texts, d->publish_texts) &&
           outcome_render(&made_of, &d->render, driver_unix_ms(d, made_of.at_ms), d->publish_texts,
                          row);
}

void publish_outbox(struct driver *d, const struct effect *fx)
{
    const struct outbox *o = engine_outbox(d->engine, fx->slot);
    const struct texts *texts = d->texts;
    struct outbox_row row = {.topic = o->topic,
                             .key = o->key,
                             .body = o->body,
                             .headers = o->headers,
                             .record_at_ms = o->at_ms,
                             .has_key = o->has_key,
                             .has_body = o->has_body};
    struct kafka_outgoing record = {.cookie = cookie_of(PUBLISH_OUTBOX, fx),
                                    .partition = KAFKA_PARTITION_BY_KEY};

    if (o->phase != OUTBOX_PHASE_PUBLISHING || o->call_no != fx->call_no) {
        return;
    }
    if (o->type != OUTCOME_NONE && find_committed(d, o, &row)) {
        texts = d->committed.texts;
    } else if (o->type != OUTCOME_NONE) {
        row = (struct outbox_row){0};
        if (!render_own(d, o, &row)) {
            post_verdict(d, record.cookie, KAFKA_REFUSED);
            return;
        }
        texts = d->publish_texts;
    }
    record.topic = texts_string(texts, row.topic);
    record.timestamp_ms = row.record_at_ms;
    if (row.has_key) {
        record.key = texts_get(texts, row.key, &record.key_len);
    }
    if (row.has_body) {
        record.value = texts_get(texts, row.body, &record.value_len);
    }
    record.headers = (const uint8_t *)texts_get(texts, row.headers, &record.headers_len);
    produce(d, &record);
}

void publish_dead_letter(struct driver *d, const struct effect *fx)
{
    const struct dead_letter *letter = engine_dead_letter(d->engine, fx->slot);
    struct raw_record raw;
    char message[DEAD_LETTER_TEXT_MAX + 1];
    const struct dead_letter_exception exception = {.fqcn = EXCEPTION_CLASS, .message = message};
    struct kafka_outgoing record = {.topic = d->settings->dlt_topic,
                                    .headers = d->header_bytes,
                                    .cookie = cookie_of(PUBLISH_DEAD_LETTER, fx)};
    const char *error;
    const char *bytes;
    size_t len;

    if (letter->phase != DEAD_LETTER_PUBLISHING || letter->call_no != fx->call_no) {
        return;
    }
    error = texts_string(d->texts, letter->error);
    (void)snprintf(message, sizeof(message), "%s%s%s",
                   dead_letter_reason_name((enum dead_letter_reason)letter->reason),
                   error[0] == '\0' ? "" : ": ", error);
    bytes = texts_get(d->texts, letter->record, &len);
    raw_record_decode((const uint8_t *)bytes, len, &raw);
    invariant(dead_letter_codec_headers(&raw.record, d->settings->kafka_group, &exception,
                                        d->header_bytes, KAFKA_HEADERS_BYTES_MAX,
                                        &record.headers_len));
    record.partition = raw.record.partition;
    record.key = raw.record.has_key ? raw.record.key : NULL;
    record.key_len = raw.record.key_len;
    record.value = raw.record.has_value ? raw.record.value : NULL;
    record.value_len = raw.record.value_len;
    produce(d, &record);
}

void publish_delivered(struct driver *d, const struct delivered_message *message)
{
    struct engine_event event = {.type = EV_PUBLISHED};

    event.as.published.kind = (uint8_t)(message->cookie >> 48);
    event.as.published.call_no = (uint16_t)(message->cookie >> 32);
    event.as.published.slot = (uint32_t)message->cookie;
    switch (message->delivery) {
    case KAFKA_DELIVERED:
        event.as.published.verdict = PUBLISH_DELIVERED;
        break;
    case KAFKA_REFUSED:
        event.as.published.verdict = PUBLISH_REJECTED;
        break;
    case KAFKA_NO_VERDICT:
        event.as.published.verdict = PUBLISH_NO_VERDICT;
        break;
    }
    driver_step(d, &event);
}
