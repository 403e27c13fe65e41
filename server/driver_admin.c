/* driver_admin.c - operators' requests: an HTTP thread waits, the engine thread replies. */
#include "driver_internal.h"

#include "clock.h"
#include "row_texts.h"

#include <stdlib.h>
#include <string.h>

/* What a request brings into the engine's pool at most: a payment's texts. */
#define ADMIN_TEXTS 7

static struct admin_slot *slot_take(struct driver *d)
{
    struct admin_slot *slot = NULL;

    pthread_mutex_lock(&d->mutex);
    for (uint32_t i = 0; i < ADMIN_SLOTS && slot == NULL; i++) {
        if (!d->admin[i].is_used) {
            slot = &d->admin[i];
            slot->is_used = true;
            slot->is_done = false;
            slot->is_left = false;
            slot->has_topic = false;
            slot->request += ADMIN_SLOTS;
            slot->message.type = MESSAGE_ADMIN;
        }
    }
    pthread_mutex_unlock(&d->mutex);
    return slot;
}

static enum driver_admin_status status_of(const struct admin_slot *slot)
{
    switch ((enum operator_reply)slot->reply) {
    case REPLY_DONE:
        return DRIVER_ADMIN_DONE;
    case REPLY_CONFLICT:
        return DRIVER_ADMIN_CONFLICT;
    case REPLY_BUSY:
        return DRIVER_ADMIN_BUSY;
    case REPLY_NONE:
    case REPLY_NO_ANSWER:
        break;
    }
    return DRIVER_ADMIN_NO_ANSWER;
}

/* With the mutex held. */
static void slot_free(struct admin_slot *slot)
{
    free(slot->texts_block);
    slot->texts_block = NULL;
    slot->is_used = false;
}

/* Posts the request and waits for its reply. A slot that nobody waits for is freed by the reply. */
static enum driver_admin_status ask(struct driver *d, struct admin_slot *slot,
                                    struct http_retry_result *result)
{
    enum driver_admin_status status = DRIVER_ADMIN_NO_ANSWER;
    const struct timespec deadline = clock_deadline(DRIVER_ADMIN_MS);

    inbox_post(&d->inbox, &slot->message);
    pthread_mutex_lock(&d->mutex);
    while (!slot->is_done && pthread_cond_timedwait(&slot->answered, &d->mutex, &deadline) == 0) {
    }
    if (slot->is_done) {
        status = status_of(slot);
        *result = (struct http_retry_result){slot->retried, slot->refused};
        slot_free(slot);
    } else {
        slot->is_left = true;
    }
    pthread_mutex_unlock(&d->mutex);
    return status;
}

enum driver_admin_status driver_retry_all(struct driver *d, const char *topic,
                                          struct http_retry_result *result)
{
    struct admin_slot *slot = slot_take(d);
    size_t len = topic == NULL ? 0 : strlen(topic);

    invariant(len <= STORE_ID_MAX);
    if (slot == NULL) {
        return DRIVER_ADMIN_BUSY;
    }
    slot->op = ADMIN_RETRY_ALL;
    if (topic != NULL) {
        slot->has_topic = true;
        memcpy(slot->topic, topic, len + 1);
    }
    return ask(d, slot, result);
}

enum driver_admin_status driver_ignore(struct driver *d, const struct failed_event_row *row)
{
    struct admin_slot *slot = slot_take(d);
    struct http_retry_result ignored;

    if (slot == NULL) {
        return DRIVER_ADMIN_BUSY;
    }
    slot->op = ADMIN_IGNORE;
    /* What guards the change; its texts are in the reader's pool, and not needed. */
    slot->row = (struct failed_event_row){
        .row_id = row->row_id, .status = row->status, .epoch = row->epoch};
    return ask(d, slot, &ignored);
}

enum driver_admin_status driver_operate(struct driver *d, enum admin_op op,
                                        const struct payment_row *row, void *block,
                                        const struct texts *texts)
{
    struct admin_slot *slot = slot_take(d);
    struct http_retry_result ignored;

    if (slot == NULL) {
        free(block);
        return DRIVER_ADMIN_BUSY;
    }
    slot->op = (uint8_t)op;
    slot->payment = *row;
    slot->texts_block = block;
    slot->texts = texts;
    return ask(d, slot, &ignored);
}

static void answer(struct driver *d, struct admin_slot *slot, enum operator_reply reply,
                   uint64_t retried, uint64_t refused)
{
    pthread_mutex_lock(&d->mutex);
    slot->reply = (uint8_t)reply;
    slot->retried = retried;
    slot->refused = refused;
    slot->is_done = true;
    if (slot->is_left) {
        slot_free(slot);
    }
    pthread_cond_signal(&slot->answered);
    pthread_mutex_unlock(&d->mutex);
}

void admin_ask(struct driver *d, struct admin_slot *slot)
{
    struct engine_event event = {.type = EV_ADMIN};

    event.as.admin.op = slot->op;
    event.as.admin.request = slot->request;
    event.as.admin.failed = slot->row;
    if (!driver_has_room(d, ADMIN_TEXTS, (size_t)ADMIN_TEXTS * STORE_ID_MAX, 2)) {
        answer(d, slot, REPLY_BUSY, 0, 0);
        return;
    }
    if (slot->has_topic) {
        event.as.admin.topic = texts_intern_string(d->texts, slot->topic);
    }
    if (slot->texts_block != NULL) {
        event.as.admin.payment = slot->payment;
        invariant(row_texts_payment(&event.as.admin.payment, slot->texts, d->texts));
    }
    driver_step(d, &event);
}

void admin_reply(struct driver *d, const struct effect *fx)
{
    struct admin_slot *slot = &d->admin[fx->slot % ADMIN_SLOTS];

    invariant(slot->request == fx->slot && !slot->is_done);
    answer(d, slot, (enum operator_reply)fx->call_no, (uint64_t)fx->value, fx->count);
}
