/* engine_publish.c - outbox rows in work: the writer's own, and the relay's. */
#include "engine_internal.h"

#include <string.h>

/* A free slot, searched from where the last one was found. */
static uint32_t outbox_open(struct engine *e)
{
    for (uint32_t n = 0; e->outbox_used < e->limits.outbox && n < e->limits.outbox; n++) {
        uint32_t i = (e->outbox_hint + n) % e->limits.outbox;

        if (engine_outboxes(e)[i].phase == OUTBOX_PHASE_FREE) {
            e->outbox_hint = i;
            return i;
        }
    }
    return NO_SLOT;
}

/* A writer's own row goes through the lane of its payment's units: the connection that wrote the
 * payment knows its row, and finds the outcome by that. The relay's records of one key go through
 * one lane, so that they leave in the order of their rows; a batch is in that order too. */
static uint32_t lane_hash(const struct outbox *o, uint32_t slot)
{
    if (o->row_id == 0) {
        return o->trip_id;
    }
    return o->key != TEXT_NONE ? o->key : slot;
}

static void drive(struct run *r, uint32_t slot, const struct outbox_event *event)
{
    struct engine *e = r->e;
    struct outbox *o = &engine_outboxes(e)[slot];
    struct outbox_output out;
    struct effect *fx;

    e->outbox_used += o->phase == OUTBOX_PHASE_FREE;
    e->relay_taking -= o->phase == OUTBOX_PHASE_TAKING;
    outbox_step(o, &e->config.outbox, e->now_ms, e->next_token, event, &out);
    e->relay_taking += o->phase == OUTBOX_PHASE_TAKING;
    if (out.submit) {
        e->next_token++;
        lanes_enqueue(r, OWNER(OWNER_OUTBOX, slot), lane_hash(o, slot));
    }
    if (out.publish) {
        fx = engine_emit(r, FX_PUBLISH);
        fx->slot = slot;
        fx->call_no = o->call_no;
    }
    if (out.alert) {
        engine_note(r, NOTE_PUBLISH_REJECTED, o->trip_id, o->row_id);
    }
    if (out.closed) {
        outbox_drop(o);
        e->outbox_used--;
    }
}

/* What the outcome of a payment's terminal unit is made of, before and after its commit. */
void publish_made_of(const struct payment *p, const struct engine_config *config, uint8_t type,
                     struct outbox *own)
{
    memset(own, 0, sizeof(*own));
    own->event_id = p->payment_id;
    own->type = type;
    own->trip_id = p->trip_id;
    own->user_id = p->user_id;
    own->traceparent = p->traceparent;
    own->code = p->code;
    own->amount_krw = p->amount_krw;
    own->reason = p->reason;
    own->at_ms = p->since_ms;
    own->publish_by_ms = p->since_ms + config->outbox.lease_ms;
    own->epoch = 1;
    own->guard_status = OUTBOX_PUBLISHING;
    own->has_key = 1;
    own->has_body = 1;
}

/* The row is durable and leased to us: publish it from memory. No room: polling finds it. */
void publish_committed(struct run *r, const struct payment *p, uint8_t type)
{
    struct outbox own;
    struct outbox_event event = {.type = OUTBOX_EV_COMMITTED, .own = &own};
    uint32_t slot = outbox_open(r->e);

    if (slot == NO_SLOT) {
        return;
    }
    publish_made_of(p, &r->e->config, type, &own);
    drive(r, slot, &event);
}

void publish_result(struct run *r, uint32_t slot, const struct unit_result *result)
{
    struct outbox_event event = {.type = OUTBOX_EV_UNWRITABLE};

    if (result->verdict == UNIT_APPLIED) {
        event.type = OUTBOX_EV_APPLIED;
    } else if (result->verdict == UNIT_REFUSED) {
        event.type = OUTBOX_EV_REFUSED;
    }
    drive(r, slot, &event);
}

void publish_report(struct run *r)
{
    struct engine *e = r->e;
    uint32_t slot = r->ev->as.published.slot;
    struct outbox_event event = {.call_no = r->ev->as.published.call_no};

    if (slot >= e->limits.outbox || engine_outboxes(e)[slot].call_no != event.call_no ||
        engine_outboxes(e)[slot].phase != OUTBOX_PHASE_PUBLISHING) {
        return;
    }
    switch ((enum publish_verdict)r->ev->as.published.verdict) {
    case PUBLISH_DELIVERED:
        event.type = OUTBOX_EV_DELIVERED;
        engine_note(r, NOTE_PUBLISHED, engine_outboxes(e)[slot].trip_id, 0);
        break;
    case PUBLISH_REJECTED:
        event.type = OUTBOX_EV_REJECTED;
        break;
    case PUBLISH_NO_VERDICT:
        event.type = OUTBOX_EV_NO_VERDICT;
        break;
    default:
        invariant_broken("a delivery report of no known verdict");
    }
    drive(r, slot, &event);
}

/* A row whose lease ran out may still be in work here: one unit a row. */
static bool in_work(const struct engine *e, const struct outbox_row *row)
{
    for (uint32_t i = 0; i < e->limits.outbox; i++) {
        const struct outbox *o = &engine_outboxes(e)[i];

        if (o->phase == OUTBOX_PHASE_FREE) {
            continue;
        }
        if ((o->row_id > 0 && o->row_id == row->row_id) ||
            (!uuid_is_nil(&o->event_id) && uuid_equal(&o->event_id, &row->event_id))) {
            return true;
        }
    }
    return false;
}

void publish_page(struct run *r)
{
    struct engine *e = r->e;
    uint32_t count = r->ev->as.page.count;
    uint32_t taken = 0;

    invariant(e->relay_asking);
    e->relay_asking = 0;
    for (uint32_t i = 0; i < count && !e->stopping; i++) {
        struct outbox_event event = {.type = OUTBOX_EV_DUE, .row = &r->ev->as.page.rows[i].outbox};
        uint32_t slot = in_work(e, event.row) ? NO_SLOT : outbox_open(e);

        if (slot != NO_SLOT) {
            drive(r, slot, &event);
            taken++;
        }
    }
    /* A page that brought something may not have been the last one. */
    e->relay_more = taken > 0;
}

/* Taken rows are no longer due only after their commit; half a table makes a page worth asking. */
static bool relay_goes_on(const struct engine *e)
{
    return e->relay_more && e->relay_taking == 0 && e->outbox_used <= e->limits.outbox / 2;
}

/* Polls for what others left, and asks again at once while there is more. */
void publish_poll(struct run *r)
{
    struct engine *e = r->e;
    uint32_t room = e->limits.outbox - e->outbox_used;
    struct effect *fx;

    if (e->now_ms < e->relay_next_ms && !relay_goes_on(e)) {
        return;
    }
    e->relay_next_ms = e->now_ms + e->config.outbox_poll_ms;
    if (e->relay_asking || room == 0 || e->stopping) {
        return;
    }
    e->relay_more = 0;
    e->relay_asking = 1;
    fx = engine_emit(r, FX_SCAN);
    fx->call_no = SCAN_OUTBOX_DUE;
    fx->slot = room < e->limits.page_max ? room : e->limits.page_max;
}
