/* engine_texts.c - the texts that the engine holds, for whoever sweeps the pool. */
#include "engine_internal.h"

static void mark_all(struct texts *texts, const text_id *ids, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (ids[i] != TEXT_NONE) {
            texts_mark(texts, ids[i]);
        }
    }
}

static void mark_payment(const struct payment *p, struct texts *texts)
{
    const text_id ids[] = {p->trip_id,      p->user_id,     p->method_id, p->billing_key, p->pg_id,
                           p->refund_pg_id, p->traceparent, p->code,      p->record};

    mark_all(texts, ids, sizeof(ids) / sizeof(ids[0]));
}

static void mark_outbox(const struct outbox *o, struct texts *texts)
{
    const text_id ids[] = {o->topic,   o->key,     o->body,        o->headers,
                           o->trip_id, o->user_id, o->traceparent, o->code};

    mark_all(texts, ids, sizeof(ids) / sizeof(ids[0]));
}

static void mark_letter(const struct dead_letter *l, struct texts *texts)
{
    const text_id ids[] = {l->topic, l->key, l->body, l->headers, l->error, l->record};

    mark_all(texts, ids, sizeof(ids) / sizeof(ids[0]));
}

static void mark_waiter(const struct waiter *w, struct texts *texts)
{
    const struct payment_arrival *a = &w->arrival;
    const text_id ids[] = {a->trip_id, a->user_id, a->traceparent, a->record};

    mark_all(texts, ids, sizeof(ids) / sizeof(ids[0]));
}

void engine_mark(const struct engine *engine, struct texts *texts)
{
    const struct engine *e = engine;
    const text_id own[] = {e->identity.holder, e->retry.active ? e->retry.topic : TEXT_NONE};

    mark_all(texts, own, sizeof(own) / sizeof(own[0]));
    for (uint32_t i = 0; i < e->limits.payments; i++) {
        if (engine_payments(e)[i].phase != PHASE_FREE) {
            mark_payment(&engine_payments(e)[i], texts);
        }
    }
    for (uint32_t i = 0; i < e->limits.outbox; i++) {
        mark_outbox(&engine_outboxes(e)[i], texts);
    }
    for (uint32_t i = 0; i < e->limits.dead_letters; i++) {
        mark_letter(&engine_letters(e)[i], texts);
    }
    for (uint32_t i = 0; i < e->limits.waiters; i++) {
        mark_waiter(&engine_waiters(e)[i], texts);
    }
}
