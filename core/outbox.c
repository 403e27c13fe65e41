/* outbox.c - the outbox row's transition table, its checker, its handlers and its unit. */
#include "outbox.h"

#include "backoff.h"

#include <string.h>

struct outbox_step {
    struct outbox *o;
    const struct outbox_config *config;
    const struct outbox_event *ev;
    struct outbox_output *out;
    int64_t now_ms;
    uint64_t next_token;
};

typedef void outbox_handler(struct outbox_step *s);

/* A cell without a handler: the event is late and means nothing, or it can't happen. */
static void ignored(struct outbox_step *s)
{
    (void)s;
}

static void impossible(struct outbox_step *s)
{
    (void)s;
    invariant_broken("an event that this phase cannot see");
}

static void outbox_close(struct outbox_step *s)
{
    s->o->phase = OUTBOX_PHASE_FREE;
    s->out->closed = true;
}

static void outbox_commit(struct outbox_step *s, enum outbox_phase phase)
{
    s->o->phase = (uint8_t)phase;
    s->o->token_sequence = s->next_token;
    s->out->submit = true;
}

/* Only while the lease lasts by our own clock: past it, whoever polls may be sending the row. */
static void outbox_publish(struct outbox_step *s)
{
    if (s->now_ms >= s->o->publish_by_ms) {
        outbox_close(s);
        return;
    }
    s->o->phase = OUTBOX_PHASE_PUBLISHING;
    s->o->call_no++;
    s->out->publish = true;
}

static void outbox_committed(struct outbox_step *s)
{
    struct outbox *o = s->o;
    uint16_t call_no = o->call_no;

    invariant(s->ev->own != NULL && s->ev->own->row_id == 0);
    *o = *s->ev->own;
    o->call_no = call_no;
    outbox_publish(s);
}

static void outbox_due(struct outbox_step *s)
{
    struct outbox *o = s->o;
    const struct outbox_row *row = s->ev->row;
    uint16_t call_no = o->call_no;

    invariant(row != NULL);
    memset(o, 0, sizeof(*o));
    o->call_no = call_no;
    o->event_id = row->event_id;
    o->row_id = row->row_id;
    o->at_ms = row->record_at_ms;
    o->topic = row->topic;
    o->key = row->key;
    o->body = row->body;
    o->headers = row->headers;
    o->epoch = row->epoch;
    o->attempts = row->attempts;
    o->guard_status = row->status;
    o->has_key = row->has_key;
    o->has_body = row->has_body;
    /* From the submission, not from the commit: ours ends no later than the store's. */
    o->publish_by_ms = s->now_ms + s->config->lease_ms;
    outbox_commit(s, OUTBOX_PHASE_TAKING);
}

static void outbox_taken(struct outbox_step *s)
{
    s->o->epoch++;
    s->o->guard_status = OUTBOX_PUBLISHING;
    outbox_publish(s);
}

/* Even where the lease is over: the guard decides whether the row is still ours. */
static void outbox_delivered(struct outbox_step *s)
{
    s->o->call_no++;
    outbox_commit(s, OUTBOX_PHASE_MARKING);
}

static void outbox_return(struct outbox_step *s)
{
    struct outbox *o = s->o;

    o->call_no++;
    if (o->attempts < UINT16_MAX) {
        o->attempts++;
    }
    outbox_commit(s, OUTBOX_PHASE_RETURNING);
}

static void outbox_rejected(struct outbox_step *s)
{
    s->out->alert = true;
    outbox_return(s);
}

static void outbox_no_verdict(struct outbox_step *s)
{
    outbox_return(s);
}

static void outbox_marked(struct outbox_step *s)
{
    outbox_close(s);
}

static void outbox_returned(struct outbox_step *s)
{
    outbox_close(s);
}

/* Someone else has the row, or it can't be written: its lease runs out and polling takes it. */
static void outbox_lost(struct outbox_step *s)
{
    outbox_close(s);
}

#define ___ impossible
#define ign ignored

/* clang-format off */
static outbox_handler *const table[OUTBOX_PHASE_COUNT][OUTBOX_EV_COUNT] = {
    /*  COMMITTED         DUE         APPLIED          REFUSED      UNWRITABLE
        DELIVERED         REJECTED         NO_VERDICT */
    [OUTBOX_PHASE_FREE] = {
        outbox_committed, outbox_due, ___,             ___,         ___,
        ign,              ign,             ign },
    [OUTBOX_PHASE_TAKING] = {
        ___,              ___,        outbox_taken,    outbox_lost, outbox_lost,
        ___,              ___,             ___ },
    [OUTBOX_PHASE_PUBLISHING] = {
        ___,              ___,        ___,             ___,         ___,
        outbox_delivered, outbox_rejected, outbox_no_verdict },
    [OUTBOX_PHASE_MARKING] = {
        ___,              ___,        outbox_marked,   outbox_lost, outbox_lost,
        ___,              ___,             ___ },
    [OUTBOX_PHASE_RETURNING] = {
        ___,              ___,        outbox_returned, outbox_lost, outbox_lost,
        ___,              ___,             ___ },
};
/* clang-format on */

bool outbox_cell_is_impossible(enum outbox_phase phase, enum outbox_event_type type)
{
    return table[phase][type] == impossible;
}

static bool outbox_is_report(uint8_t type)
{
    return type == OUTBOX_EV_DELIVERED || type == OUTBOX_EV_REJECTED ||
           type == OUTBOX_EV_NO_VERDICT;
}

void outbox_step(struct outbox *outbox, const struct outbox_config *config, int64_t now_ms,
                 uint64_t next_token, const struct outbox_event *event, struct outbox_output *out)
{
    struct outbox_step s = {outbox, config, event, out, now_ms, next_token};

    invariant(event->type < OUTBOX_EV_COUNT);
    outbox_check(outbox);
    memset(out, 0, sizeof(*out));
    if (outbox_is_report(event->type) && event->call_no != outbox->call_no) {
        return;
    }
    table[outbox->phase][event->type](&s);
    outbox_check(outbox);
}

/* The phases' new status, and when anybody may take the row. */
static void outbox_unit_image(const struct outbox *o, const struct outbox_config *config,
                              struct unit_outbox *u)
{
    if (o->phase == OUTBOX_PHASE_TAKING) {
        u->status = OUTBOX_PUBLISHING;
        u->due_in_ms = config->lease_ms;
    } else if (o->phase == OUTBOX_PHASE_MARKING) {
        u->status = OUTBOX_DONE;
        u->due_in_ms = DUE_NEVER;
    } else {
        u->status = OUTBOX_READY;
        u->due_in_ms =
            backoff_delay_ms(o->attempts - 1U, config->backoff_ms, config->backoff_max_ms,
                             o->token_sequence * 0x9E3779B97F4A7C15U);
    }
}

void outbox_unit(const struct outbox *outbox, const struct outbox_config *config,
                 uint64_t token_process, struct unit *unit)
{
    struct unit_outbox *u = &unit->as.outbox;

    invariant(outbox_is_committing(outbox));
    memset(unit, 0, sizeof(*unit));
    unit->token.process = token_process;
    unit->token.sequence = outbox->token_sequence;
    unit->kind = UNIT_OUTBOX_MOVE;
    u->row_id = outbox->row_id;
    u->event_id = outbox->event_id;
    u->guard_epoch = outbox->epoch;
    u->guard_status = outbox->guard_status;
    u->attempts = outbox->attempts;
    outbox_unit_image(outbox, config, u);
}

bool outbox_is_committing(const struct outbox *outbox)
{
    return outbox->phase == OUTBOX_PHASE_TAKING || outbox->phase == OUTBOX_PHASE_MARKING ||
           outbox->phase == OUTBOX_PHASE_RETURNING;
}

/* The call number outlives the row, so that a late report about it stays stale. */
void outbox_drop(struct outbox *outbox)
{
    uint16_t call_no = outbox->call_no;

    memset(outbox, 0, sizeof(*outbox));
    outbox->call_no = (uint16_t)(call_no + 1);
}

void outbox_check(const struct outbox *o)
{
    invariant(o->phase < OUTBOX_PHASE_COUNT);
    if (o->phase == OUTBOX_PHASE_FREE) {
        return;
    }
    /* A row is known by its number, or it is our own, known by its payment's id. */
    invariant(o->row_id > 0 || (o->row_id == 0 && !uuid_is_nil(&o->event_id)));
    invariant((o->row_id == 0) == (o->type != OUTCOME_NONE));
    invariant(!outbox_is_committing(o) || o->token_sequence > 0);
    if (o->phase == OUTBOX_PHASE_TAKING) {
        invariant(o->row_id > 0);
        invariant(o->guard_status == OUTBOX_READY || o->guard_status == OUTBOX_PUBLISHING);
        return;
    }
    /* Nothing is published but a row that is durably leased to us. */
    invariant(o->guard_status == OUTBOX_PUBLISHING && o->epoch > 0);
    invariant(o->phase != OUTBOX_PHASE_RETURNING || o->attempts > 0);
}
