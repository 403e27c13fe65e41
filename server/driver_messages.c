/* driver_messages.c - the parts' messages, as events of the engine. */
#include "driver_internal.h"

#include "log.h"
#include "row_texts.h"

#include <stdlib.h>

static void take_batch(struct driver *d, const struct batch_message *message)
{
    struct engine_event event = {.type = EV_BATCH};
    bool ok = message->outcome == BATCH_COMMITTED;

    if (message->count > 0) {
        counters_batch(d->parts.counters, message->outcome, message->count, message->elapsed_us);
    }
    if (ok) {
        const struct row_texts_room room =
            row_texts_results_room(message->results, message->count, message->texts);

        ok = driver_has_room(d, room.entries, room.bytes, 2);
    }
    for (uint32_t i = 0; ok && i < message->count; i++) {
        if (message->results[i].has_row) {
            ok = row_texts_payment(&message->results[i].row, message->texts, d->texts);
        }
    }
    event.as.batch.lane = message->lane;
    event.as.batch.outcome = (uint8_t)message->outcome;
    event.as.batch.results = message->results;
    if (!ok && message->outcome == BATCH_COMMITTED) {
        /* Asking again is always safe, and by then there is room. */
        event.as.batch.outcome = BATCH_UNKNOWN;
    }
    if (event.as.batch.outcome == BATCH_COMMITTED) {
        d->committed = (struct committed_batch){
            .units = message->units, .texts = message->texts, .count = message->count};
    }
    driver_step(d, &event);
    d->committed = (struct committed_batch){0};
}

static void take_page(struct driver *d, const struct scan_message *message)
{
    struct engine_event event = {.type = EV_PAGE};
    uint32_t count = 0;
    /* Of a page its rows are all that the pool holds. */
    bool ok = message->ok &&
              driver_has_room(d, texts_count(message->texts), texts_bytes_used(message->texts), 2);

    while (ok && count < message->count &&
           row_texts_scanned(&message->rows[count], (enum scan_kind)message->kind, message->texts,
                             d->texts)) {
        count++;
    }
    event.as.page.kind = message->kind;
    event.as.page.ok = ok && count == message->count;
    event.as.page.count = event.as.page.ok ? count : 0;
    event.as.page.rows = message->rows;
    driver_step(d, &event);
}

static void take_scan(struct driver *d, const struct scan_message *message)
{
    struct engine_event event = {.type = EV_PURGED};

    if (message->kind != STORE_SCANS_PURGE) {
        take_page(d, message);
        return;
    }
    event.as.purged.ok = message->ok;
    event.as.purged.deleted = message->deleted;
    driver_step(d, &event);
}

/* "" is no text, but for a method id. */
static bool intern(struct driver *d, const char *string, bool is_some, text_id *id)
{
    *id = is_some ? texts_intern_string(d->texts, string) : TEXT_NONE;
    return !is_some || *id != TEXT_NONE;
}

static void take_upstream(struct driver *d, const struct gateway_call *call)
{
    struct engine_event event = {.type = EV_UPSTREAM};
    struct upstream_answer answer = call->upstream;
    const struct gateway_answer_texts *texts = call->texts;

    if (texts != NULL &&
        (!intern(d, texts->method_id, texts->has_method_id, &answer.method_id) ||
         !intern(d, texts->billing_key, texts->billing_key[0] != '\0', &answer.billing_key))) {
        answer = (struct upstream_answer){.kind = UPSTREAM_TROUBLE};
    }
    event.as.upstream.slot = call->slot;
    event.as.upstream.call_no = call->call_no;
    event.as.upstream.upstream = call->op == GATEWAY_FARE ? UPSTREAM_PRICING : UPSTREAM_USERS;
    event.as.upstream.answer = answer;
    driver_step(d, &event);
}

static void take_pg(struct driver *d, const struct gateway_call *call)
{
    struct engine_event event = {.type = call->op == GATEWAY_PROBE ? EV_PROBE : EV_PG};
    struct pg_answer answer = call->pg;
    const struct gateway_answer_texts *texts = call->texts;

    if (texts != NULL && (!intern(d, texts->pg_id, texts->pg_id[0] != '\0', &answer.pg_id) ||
                          !intern(d, texts->code, texts->code[0] != '\0', &answer.code))) {
        answer = (struct pg_answer){.kind = PG_ANSWER_TIMEOUT};
    }
    event.as.pg.slot = call->slot;
    event.as.pg.call_no = call->call_no;
    event.as.pg.answer = answer;
    driver_step(d, &event);
}

static void take_call(struct driver *d, struct gateway_call *call)
{
    bool is_upstream = call->op == GATEWAY_FARE || call->op == GATEWAY_PAYER;

    counters_call(d->parts.counters, (enum gateway_op)call->op,
                  is_upstream ? call->upstream.kind : call->pg.kind);
    if (!driver_has_room(d, 2, sizeof(*call->texts), 2)) {
        log_write(LOG_LEVEL_ERROR, "no memory for an answer's texts", NULL);
    }
    if (is_upstream) {
        take_upstream(d, call);
    } else {
        take_pg(d, call);
    }
    gateway_call_free(call);
}

static void take_committed(struct driver *d, struct committed_message *message)
{
    struct engine_event event = {.type = EV_OFFSET};

    event.as.offset.topic = message->topic;
    event.as.offset.ok = message->ok;
    event.as.offset.partition = message->partition;
    event.as.offset.assignment = message->assignment;
    event.as.offset.offset = message->next_offset;
    driver_step(d, &event);
    free(message);
}

static void take_stop(struct driver *d)
{
    struct engine_event event = {.type = EV_STOP};

    atomic_store(&d->is_stopping, true);
    driver_step(d, &event);
}

void messages_take(struct driver *d, struct message *message)
{
    switch ((enum message_type)message->type) {
    case MESSAGE_ASSIGNED:
        records_assign(d, (struct assigned_message *)(void *)message);
        free(message);
        return;
    case MESSAGE_REVOKED:
        records_revoke(d, (struct revoked_message *)(void *)message);
        return;
    case MESSAGE_RECORD:
        records_add(d, (struct record_message *)(void *)message);
        return;
    case MESSAGE_COMMITTED:
        take_committed(d, (struct committed_message *)(void *)message);
        return;
    case MESSAGE_DELIVERED:
        publish_delivered(d, (struct delivered_message *)(void *)message);
        free(message);
        return;
    case MESSAGE_CALL:
        take_call(d, (struct gateway_call *)(void *)message);
        return;
    case MESSAGE_BATCH:
        take_batch(d, (struct batch_message *)(void *)message);
        return;
    case MESSAGE_SCAN:
        take_scan(d, (struct scan_message *)(void *)message);
        return;
    case MESSAGE_ADMIN:
        admin_ask(d, (struct admin_slot *)(void *)message);
        return;
    case MESSAGE_STOP:
        take_stop(d);
        return;
    case MESSAGE_QUIT:
        d->quit = true;
        return;
    }
    invariant(false && "a message of no known type");
}

void messages_drop(struct message *message)
{
    switch ((enum message_type)message->type) {
    case MESSAGE_ASSIGNED:
    case MESSAGE_RECORD:
    case MESSAGE_COMMITTED:
    case MESSAGE_DELIVERED:
    case MESSAGE_REVOKED:
        free(message);
        return;
    case MESSAGE_CALL:
        gateway_call_free((struct gateway_call *)(void *)message);
        return;
    case MESSAGE_BATCH:
    case MESSAGE_SCAN:
    case MESSAGE_ADMIN:
    case MESSAGE_STOP:
    case MESSAGE_QUIT:
        return; /* part of something larger */
    }
    invariant(false && "a message of no known type");
}
