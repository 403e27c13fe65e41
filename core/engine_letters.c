/* engine_letters.c - dead letters in work, and what an operator does with them. */
#include "engine_internal.h"

#include <string.h>

void letters_init(struct engine *e)
{
    struct letter_link *links = engine_letter_links(e);

    for (uint32_t i = 0; i < e->limits.dead_letters; i++) {
        links[i].next = i + 1 < e->limits.dead_letters ? i + 1 : NO_SLOT;
    }
    e->free_letter = 0;
}

/* Each record that may still become a dead letter has a slot kept for it. */
bool letters_have_room(const struct engine *e)
{
    return e->letters_used + e->unacked < e->limits.dead_letters;
}

static uint32_t letter_open(struct engine *e, enum letter_purpose purpose)
{
    uint32_t slot = e->free_letter;
    struct letter_link *link = &engine_letter_links(e)[slot];

    invariant(slot != NO_SLOT);
    e->free_letter = link->next;
    memset(link, 0, sizeof(*link));
    link->purpose = (uint8_t)purpose;
    e->letters_used++;
    return slot;
}

static void letter_close(struct engine *e, uint32_t slot)
{
    struct letter_link *link = &engine_letter_links(e)[slot];

    timers_cancel(engine_timers(e), e->limits.payments + slot);
    dead_letter_drop(&engine_letters(e)[slot]);
    memset(link, 0, sizeof(*link));
    link->next = e->free_letter;
    e->free_letter = slot;
    e->letters_used--;
}

/* Nothing of them is out: their records are not acknowledged, and come again. */
void letters_drop_waiting(struct run *r)
{
    struct engine *e = r->e;

    for (uint32_t slot = 0; slot < e->limits.dead_letters; slot++) {
        if (dead_letter_is_waiting(&engine_letters(e)[slot])) {
            letter_close(e, slot);
        }
    }
}

static void reply_ignored(struct run *r, const struct letter_link *link, bool moved)
{
    struct effect *fx = engine_emit(r, FX_REPLY);

    fx->slot = link->request;
    fx->call_no = moved ? REPLY_DONE : REPLY_CONFLICT;
    fx->value = moved;
}

static void letter_ended(struct run *r, uint32_t slot, bool moved)
{
    struct engine *e = r->e;
    const struct letter_link *link = &engine_letter_links(e)[slot];

    if (link->purpose == LETTER_IGNORE) {
        reply_ignored(r, link, moved);
    } else if (link->purpose == LETTER_RETRY_ALL) {
        e->retry.outstanding--;
        if (moved) {
            e->retry.retried++;
        } else {
            e->retry.refused++;
        }
    }
    letter_close(e, slot);
}

static void carry_out(struct run *r, uint32_t slot, const struct dead_letter_output *out)
{
    struct engine *e = r->e;
    const struct letter_link *link = &engine_letter_links(e)[slot];
    struct effect *fx;

    if (out->wake_ms != DEAD_LETTER_WAKE_NONE) {
        timers_set(engine_timers(e), e->limits.payments + slot, out->wake_ms);
    }
    if (out->submit) {
        e->next_token++;
        lanes_enqueue(r, OWNER(OWNER_LETTER, slot), slot);
    }
    if (out->publish) {
        fx = engine_emit(r, FX_DEAD_LETTER);
        fx->slot = slot;
        fx->call_no = engine_letters(e)[slot].call_no;
    }
    if (out->alert) {
        fx = engine_emit(r, FX_ALERT);
        fx->call_no = ALERT_HOLDING;
    }
    if (out->acknowledge) {
        records_done(r, &link->ref);
    }
    if (out->closed) {
        letter_ended(r, slot, out->moved);
    }
}

static void drive(struct run *r, uint32_t slot, const struct dead_letter_event *event)
{
    struct engine *e = r->e;
    struct dead_letter_output out;

    dead_letter_step(&engine_letters(e)[slot], &e->config.dead_letter, e->now_ms, engine_random(r),
                     e->next_token, event, &out);
    carry_out(r, slot, &out);
}

/* The record's kept slot becomes a used one: the caller has given back its `unacked`, or will. */
void letters_raise(struct run *r, enum dead_letter_reason reason, text_id record, text_id error,
                   const struct record_ref *ref)
{
    struct dead_letter_event event = {
        .type = DEAD_LETTER_EV_RAISED, .reason = (uint8_t)reason, .record = record, .error = error};
    uint32_t slot = letter_open(r->e, LETTER_RECORD);

    engine_letter_links(r->e)[slot].ref = *ref;
    engine_note(r, NOTE_DEAD_LETTER, TEXT_NONE, reason);
    drive(r, slot, &event);
}

void letters_store(struct run *r, const struct failed_event_row *row, const struct record_ref *ref)
{
    struct dead_letter_event event = {.type = DEAD_LETTER_EV_STORE, .row = row};
    uint32_t slot = letter_open(r->e, LETTER_RECORD);

    engine_letter_links(r->e)[slot].ref = *ref;
    drive(r, slot, &event);
}

void letters_result(struct run *r, uint32_t slot, const struct unit_result *result)
{
    struct dead_letter_event event = {0};

    switch ((enum unit_verdict)result->verdict) {
    case UNIT_APPLIED:
        event.type = DEAD_LETTER_EV_APPLIED;
        if (engine_letters(r->e)[slot].phase == DEAD_LETTER_STORING) {
            engine_note(r, NOTE_STORED_DEAD_LETTER, TEXT_NONE, 0);
        }
        break;
    case UNIT_REFUSED:
        event.type = DEAD_LETTER_EV_REFUSED;
        break;
    case UNIT_DUPLICATE:
        event.type = DEAD_LETTER_EV_DUPLICATE;
        break;
    case UNIT_COLLISION:
    case UNIT_ERROR:
        event.type = DEAD_LETTER_EV_UNWRITABLE;
        break;
    default:
        invariant_broken("a result of no known verdict");
    }
    drive(r, slot, &event);
}

void letters_published(struct run *r)
{
    uint32_t slot = r->ev->as.published.slot;
    struct dead_letter_event event = {.call_no = r->ev->as.published.call_no};

    if (slot >= r->e->limits.dead_letters || engine_letters(r->e)[slot].call_no != event.call_no ||
        engine_letters(r->e)[slot].phase != DEAD_LETTER_PUBLISHING) {
        return;
    }
    switch ((enum publish_verdict)r->ev->as.published.verdict) {
    case PUBLISH_DELIVERED:
        event.type = DEAD_LETTER_EV_DELIVERED;
        break;
    case PUBLISH_REJECTED:
        event.type = DEAD_LETTER_EV_REJECTED;
        break;
    case PUBLISH_NO_VERDICT:
        event.type = DEAD_LETTER_EV_NO_VERDICT;
        break;
    default:
        invariant_broken("a delivery report of no known verdict");
    }
    drive(r, slot, &event);
}

void letters_timer(struct run *r, uint32_t slot)
{
    struct dead_letter_event event = {.type = DEAD_LETTER_EV_TIMER};

    drive(r, slot, &event);
}

bool engine_dead_letter_origin(const struct engine *engine, uint32_t slot,
                               struct record_origin *origin)
{
    const struct record_ref *ref;

    invariant(slot < engine->limits.dead_letters);
    ref = &engine_letter_links(engine)[slot].ref;
    if (!ref->used) {
        return false;
    }
    origin->topic = ref->topic;
    origin->partition = ref->partition;
    origin->assignment = ref->assignment;
    origin->offset = ref->offset;
    origin->timestamp_ms = ref->timestamp_ms;
    return true;
}

static void reply(struct run *r, uint32_t request, enum operator_reply what)
{
    struct effect *fx = engine_emit(r, FX_REPLY);

    fx->slot = request;
    fx->call_no = (uint16_t)what;
}

static void admin_retry_all(struct run *r, const struct engine_admin *admin)
{
    struct retry_all *retry = &r->e->retry;

    if (retry->active) {
        reply(r, admin->request, REPLY_BUSY);
        return;
    }
    memset(retry, 0, sizeof(*retry));
    retry->active = 1;
    retry->more = 1;
    retry->request = admin->request;
    retry->since_ms = r->e->now_ms;
    retry->topic = admin->topic;
}

static void admin_ignore(struct run *r, const struct engine_admin *admin)
{
    struct dead_letter_event event = {.type = DEAD_LETTER_EV_IGNORE, .row = &admin->failed};
    uint32_t slot;

    if (admin->failed.status != FAILED_EVENT_PENDING) {
        reply(r, admin->request, REPLY_CONFLICT);
        return;
    }
    if (!letters_have_room(r->e)) {
        reply(r, admin->request, REPLY_BUSY);
        return;
    }
    slot = letter_open(r->e, LETTER_IGNORE);
    engine_letter_links(r->e)[slot].request = admin->request;
    drive(r, slot, &event);
}

void admin_event(struct run *r)
{
    const struct engine_admin *admin = &r->ev->as.admin;

    if (r->e->stopping) {
        reply(r, admin->request, REPLY_BUSY);
        return;
    }
    switch ((enum admin_op)admin->op) {
    case ADMIN_REFUND:
    case ADMIN_ADOPT:
        if (!payments_open_row(r, PAYMENT_EV_OPERATOR, &admin->payment,
                               admin->op == ADMIN_REFUND ? ORIGIN_OPERATOR_REFUND
                                                         : ORIGIN_OPERATOR_ADOPT,
                               admin->request)) {
            reply(r, admin->request, REPLY_BUSY);
        }
        return;
    case ADMIN_RETRY_ALL:
        admin_retry_all(r, admin);
        return;
    case ADMIN_IGNORE:
        admin_ignore(r, admin);
        return;
    }
    invariant_broken("an operation that the driver cannot ask for");
}

/* The same row can be in work for an ignore: its guard then refuses one of the two. */
static bool letter_in_work(const struct engine *e, int64_t row_id)
{
    for (uint32_t i = 0; i < e->limits.dead_letters; i++) {
        if (engine_letters(e)[i].phase == DEAD_LETTER_MOVING &&
            engine_letters(e)[i].row_id == row_id) {
            return true;
        }
    }
    return false;
}

void admin_page(struct run *r)
{
    struct engine *e = r->e;
    struct retry_all *retry = &e->retry;
    uint32_t count = r->ev->as.page.count;

    invariant(retry->active && retry->asking);
    retry->asking = 0;
    retry->more = r->ev->as.page.ok && count > 0;
    retry->broken = !r->ev->as.page.ok;
    for (uint32_t i = 0; i < count; i++) {
        const struct failed_event_row *row = &r->ev->as.page.rows[i].failed_event;
        struct dead_letter_event event = {.type = DEAD_LETTER_EV_RETRY, .row = row};
        uint32_t slot;

        /* Rows that came after the request are not its business: else it might never end. */
        if (row->created_age_ms < retry->asked_ms - retry->since_ms) {
            retry->more = 0;
            return;
        }
        if (!letters_have_room(e)) {
            return; /* asked again from after_id on */
        }
        retry->after_id = row->row_id;
        if (letter_in_work(e, row->row_id)) {
            retry->refused++;
            continue;
        }
        slot = letter_open(e, LETTER_RETRY_ALL);
        retry->outstanding++;
        drive(r, slot, &event);
    }
}

void admin_settle(struct run *r)
{
    struct engine *e = r->e;
    struct retry_all *retry = &e->retry;
    struct effect *fx;

    if (!retry->active || retry->asking || retry->outstanding > 0) {
        return;
    }
    if (retry->more && letters_have_room(e) && !e->stopping) {
        retry->asking = 1;
        retry->asked_ms = e->now_ms;
        fx = engine_emit(r, FX_SCAN);
        fx->call_no = SCAN_FAILED_EVENTS;
        fx->value = retry->after_id;
        fx->text = retry->topic;
        fx->slot = e->limits.page_max;
        return;
    }
    if (retry->more && !e->stopping) {
        return;
    }
    fx = engine_emit(r, FX_REPLY);
    fx->slot = retry->request;
    fx->call_no = retry->broken || retry->more ? REPLY_NO_ANSWER : REPLY_DONE;
    fx->value = retry->retried;
    fx->count = retry->refused;
    retry->active = 0;
}
