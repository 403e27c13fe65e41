/* engine_payments.c - the in-flight table, and what a payment's step asks of the engine. */
#include "engine_internal.h"

#include <string.h>

static uint32_t bucket_of(const struct engine *e, text_id trip_id)
{
    return (trip_id * 2654435761U >> 8) & e->bucket_mask;
}

void payments_init(struct engine *e)
{
    struct payment_link *links = engine_links(e);

    memset(engine_buckets(e), 0xFF, (e->bucket_mask + 1U) * sizeof(uint32_t));
    for (uint32_t i = 0; i < e->limits.payments; i++) {
        links[i].next = i + 1 < e->limits.payments ? i + 1 : NO_SLOT;
        links[i].waiters = NO_SLOT;
    }
    e->free_payment = 0;
}

uint32_t payments_find(const struct engine *e, text_id trip_id)
{
    uint32_t slot = engine_buckets(e)[bucket_of(e, trip_id)];

    while (slot != NO_SLOT && engine_payments(e)[slot].trip_id != trip_id) {
        slot = engine_links(e)[slot].next;
    }
    return slot;
}

/*
 * Records leave room for the rescue, so that a flood of trips can't starve it; and where the broker
 * takes outcome events more slowly than the store takes payments, they wait: an event that finds no
 * outbox slot is left to polling until its lease is over.
 */
bool payments_have_room(const struct engine *e)
{
    uint32_t records = e->payments_used - e->rescues_used;

    return e->outbox_used <= e->limits.outbox / 2 &&
           records < e->limits.payments - e->limits.rescues && e->free_payment != NO_SLOT;
}

static uint32_t slot_open(struct engine *e, text_id trip_id)
{
    uint32_t slot = e->free_payment;
    struct payment_link *link = &engine_links(e)[slot];
    uint32_t *bucket = &engine_buckets(e)[bucket_of(e, trip_id)];

    invariant(slot != NO_SLOT);
    e->free_payment = link->next;
    link->next = *bucket;
    link->waiters = NO_SLOT;
    link->request = 0;
    memset(&link->ref, 0, sizeof(link->ref));
    *bucket = slot;
    engine_payments(e)[slot].trip_id = trip_id;
    e->payments_used++;
    return slot;
}

static void bucket_remove(struct engine *e, uint32_t slot)
{
    struct payment_link *links = engine_links(e);
    uint32_t *at = &engine_buckets(e)[bucket_of(e, engine_payments(e)[slot].trip_id)];

    while (*at != slot) {
        invariant(*at != NO_SLOT);
        at = &links[*at].next;
    }
    *at = links[slot].next;
}

static bool is_rescue(const struct payment_link *link)
{
    return !link->ref.used;
}

/* Frees the slot; what waited for it arrives anew. */
static void slot_close(struct run *r, uint32_t slot)
{
    struct engine *e = r->e;
    struct payment *p = &engine_payments(e)[slot];
    struct payment_link *link = &engine_links(e)[slot];
    uint32_t waiters = link->waiters;

    gates_forget(r, p);
    timers_cancel(engine_timers(e), slot);
    bucket_remove(e, slot);
    if (is_rescue(link)) {
        e->rescues_used--;
    } else if ((p->flags & PAYMENT_ACKED) == 0) {
        e->unacked--;
    }
    payment_drop(p);
    link->next = e->free_payment;
    link->waiters = NO_SLOT;
    memset(&link->ref, 0, sizeof(link->ref));
    e->free_payment = slot;
    e->payments_used--;
    waiters_arrive_again(r, waiters);
}

static void emit_call(struct run *r, uint32_t slot, enum effect_kind kind)
{
    const struct payment *p = &engine_payments(r->e)[slot];
    struct effect *fx = engine_emit(r, kind);

    fx->slot = slot;
    fx->call_no = p->call_no;
    if (kind == FX_CHARGE) {
        fx->value = payment_send_by_ms(p, &r->e->config.payment);
    } else if (kind == FX_CANCEL) {
        fx->value = p->cancel_no;
        fx->text = p->refund_pg_id;
    } else if (kind == FX_LOOKUP && p->refund_state == REFUND_INTENDED) {
        fx->text = p->refund_pg_id;
    }
}

static void emit_calls(struct run *r, uint32_t slot, uint8_t calls)
{
    struct payment *p = &engine_payments(r->e)[slot];

    if ((calls & CALL_FARE) != 0) {
        gates_admit(r, p, GATE_PRICING);
        emit_call(r, slot, FX_FARE);
    }
    if ((calls & CALL_PAYER) != 0) {
        gates_admit(r, p, GATE_USERS);
        emit_call(r, slot, FX_PAYER);
    }
    if ((calls & CALL_CHARGE) != 0) {
        gates_admit(r, p, GATE_PG);
        emit_call(r, slot, FX_CHARGE);
    }
    if ((calls & (CALL_LOOKUP | CALL_CANCEL)) != 0) {
        gates_admit_if_closed(r, p, GATE_PG);
        emit_call(r, slot, (calls & CALL_LOOKUP) != 0 ? FX_LOOKUP : FX_CANCEL);
    }
}

static void emit_alert(struct run *r, uint32_t slot, uint8_t alert)
{
    struct effect *fx = engine_emit(r, FX_ALERT);

    fx->call_no = alert;
    fx->slot = slot;
    fx->text = engine_payments(r->e)[slot].trip_id;
}

static void acknowledge(struct run *r, uint32_t slot)
{
    const struct payment *p = &engine_payments(r->e)[slot];

    if (p->phase != PHASE_FREE) {
        engine_note(r, NOTE_CLAIMED, p->trip_id, 0);
    } else if (p->guard_status != p->status) {
        engine_note(r, NOTE_DUPLICATE, p->trip_id, 0);
    }
    r->e->unacked--;
    records_done(r, &engine_links(r->e)[slot].ref);
    waiters_are_duplicates(r, slot);
}

static void bury(struct run *r, uint32_t slot, enum dead_letter_reason reason)
{
    struct payment *p = &engine_payments(r->e)[slot];

    letters_raise(r, reason, p->record, TEXT_NONE, &engine_links(r->e)[slot].ref);
}

static void note_published(struct run *r, const struct payment *p, uint8_t type)
{
    engine_note(r, type == OUTCOME_COMPLETED ? NOTE_COMPLETED : NOTE_FAILED, p->trip_id, p->reason);
}

/* Carries out what the step asks. The slot may be closed, and even in use again, afterwards. */
static void carry_out(struct run *r, uint32_t slot, const struct payment_output *out)
{
    struct engine *e = r->e;
    struct payment *p = &engine_payments(e)[slot];

    gates_trip(r, out->trip_breaker);
    if (out->wake_ms != WAKE_NONE) {
        timers_set(engine_timers(e), slot, out->wake_ms);
    }
    if (out->admit) {
        gates_admit(r, p, GATE_PG);
    }
    if (out->submit) {
        e->next_token++;
        lanes_enqueue(r, OWNER(OWNER_PAYMENT, slot), p->trip_id);
    }
    if (out->acknowledge) {
        acknowledge(r, slot);
    }
    emit_calls(r, slot, out->calls);
    if (out->publish != OUTCOME_NONE) {
        note_published(r, p, out->publish);
        publish_committed(r, p, out->publish);
    }
    if (out->alert != ALERT_NONE) {
        emit_alert(r, slot, out->alert);
    }
    if (out->reply != REPLY_NONE) {
        struct effect *fx = engine_emit(r, FX_REPLY);

        fx->slot = engine_links(e)[slot].request;
        fx->call_no = out->reply;
    }
    if (out->dead_letter != DEAD_LETTER_NONE) {
        bury(r, slot, (enum dead_letter_reason)out->dead_letter);
    }
    if (out->closed) {
        slot_close(r, slot);
    }
}

static void drive(struct run *r, uint32_t slot, const struct payment_event *event)
{
    struct engine *e = r->e;
    struct payment_context ctx;
    struct payment_output out;
    struct payment *p = &engine_payments(e)[slot];
    bool was_refunding = p->phase == PHASE_REFUNDING;

    memset(&ctx, 0, sizeof(ctx));
    ctx.config = &e->config.payment;
    ctx.now_ms = e->now_ms;
    ctx.random = engine_random(r);
    ctx.pg_account = e->identity.pg_account;
    ctx.next_token = e->next_token;
    ctx.stopping = e->stopping != 0;
    gates_context(r, p, &ctx);
    payment_step(p, &ctx, event, &out);
    if (was_refunding && event->type == PAYMENT_EV_APPLIED) {
        engine_note(r, NOTE_REFUNDED, p->trip_id, p->reason);
    }
    if (out.alert == ALERT_UNKNOWN) {
        engine_note(r, NOTE_UNKNOWN, p->trip_id, p->reason);
    }
    carry_out(r, slot, &out);
}

/* The record's payment starts; the caller has checked that there is room and no other slot. */
void payments_arrive(struct run *r, const struct payment_arrival *a, const struct record_ref *ref)
{
    struct payment_event event = {.type = PAYMENT_EV_ARRIVED};
    uint32_t slot = slot_open(r->e, a->trip_id);

    engine_links(r->e)[slot].ref = *ref;
    event.as.arrival = *a;
    drive(r, slot, &event);
}

/* False where the trip is in flight here already, or there is no room. */
bool payments_open_row(struct run *r, uint8_t type, const struct payment_row *row, uint8_t op,
                       uint32_t request)
{
    struct engine *e = r->e;
    struct payment_event event = {.type = type, .op = op};
    uint32_t slot;

    if (e->rescues_used >= e->limits.rescues || e->free_payment == NO_SLOT ||
        payments_find(e, row->trip_id) != NO_SLOT) {
        return false;
    }
    slot = slot_open(e, row->trip_id);
    engine_links(e)[slot].request = request;
    e->rescues_used++;
    event.as.row = *row;
    drive(r, slot, &event);
    e->taking += engine_payments(e)[slot].phase == PHASE_TAKING;
    return true;
}

void payments_result(struct run *r, uint32_t slot, const struct unit_result *result)
{
    struct payment_event event = {.has_row = result->has_row};

    r->e->taking -= engine_payments(r->e)[slot].phase == PHASE_TAKING;
    event.as.row = result->row;
    switch ((enum unit_verdict)result->verdict) {
    case UNIT_APPLIED:
        event.type = PAYMENT_EV_APPLIED;
        break;
    case UNIT_REFUSED:
        event.type = PAYMENT_EV_REFUSED;
        break;
    case UNIT_DUPLICATE:
        event.type = PAYMENT_EV_DUPLICATE;
        break;
    case UNIT_COLLISION:
        event.type = PAYMENT_EV_UNWRITABLE;
        event.collision = 1;
        break;
    case UNIT_ERROR:
        event.type = PAYMENT_EV_UNWRITABLE;
        break;
    default:
        invariant_broken("a result of no known verdict");
    }
    drive(r, slot, &event);
}

void payments_timer(struct run *r, uint32_t slot)
{
    struct payment_event event = {.type = PAYMENT_EV_TIMER};

    drive(r, slot, &event);
}

/* True where the answer is to a call that is outstanding. */
static bool is_current(const struct engine *e, uint32_t slot, uint16_t call_no)
{
    return slot < e->limits.payments && engine_payments(e)[slot].call_no == call_no &&
           payment_is_calling(&engine_payments(e)[slot]);
}

void payments_upstream(struct run *r)
{
    uint32_t slot = r->ev->as.upstream.slot;
    struct payment_event event = {.call_no = r->ev->as.upstream.call_no};
    enum upstream upstream = (enum upstream)r->ev->as.upstream.upstream;
    struct payment *p;

    if (!is_current(r->e, slot, event.call_no)) {
        return;
    }
    p = &engine_payments(r->e)[slot];
    if ((p->flags & (upstream == UPSTREAM_PRICING ? PAYMENT_FARE_OUT : PAYMENT_PAYER_OUT)) == 0) {
        return;
    }
    gates_upstream(r, p, upstream, r->ev->as.upstream.answer.kind);
    event.type = upstream == UPSTREAM_PRICING ? PAYMENT_EV_FARE : PAYMENT_EV_PAYER;
    event.as.upstream = r->ev->as.upstream.answer;
    drive(r, slot, &event);
}

void payments_pg(struct run *r)
{
    uint32_t slot = r->ev->as.pg.slot;
    struct payment_event event = {.type = PAYMENT_EV_ANSWER, .call_no = r->ev->as.pg.call_no};

    if (!is_current(r->e, slot, event.call_no)) {
        return;
    }
    gates_pg(r, &engine_payments(r->e)[slot], &r->ev->as.pg.answer);
    event.as.pg = r->ev->as.pg.answer;
    drive(r, slot, &event);
}

/* Nothing durable exists of these: the record comes again, here or elsewhere. */
void payments_drop_partition(struct run *r, uint32_t tracker)
{
    struct engine *e = r->e;

    for (uint32_t slot = 0; slot < e->limits.payments; slot++) {
        const struct payment_link *link = &engine_links(e)[slot];

        if (link->ref.used && link->ref.tracker == tracker &&
            payment_is_droppable(&engine_payments(e)[slot])) {
            slot_close(r, slot);
        }
    }
}

void payments_drop_all(struct run *r)
{
    for (uint32_t tracker = 0; tracker < r->e->limits.trackers; tracker++) {
        payments_drop_partition(r, tracker);
    }
}
