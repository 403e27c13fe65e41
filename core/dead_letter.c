/* dead_letter.c - the dead letter's transition table, its checker, its handlers and its unit. */
#include "dead_letter.h"

#include "backoff.h"

#include <string.h>

struct letter_step {
    struct dead_letter *d;
    const struct dead_letter_config *config;
    const struct dead_letter_event *ev;
    struct dead_letter_output *out;
    int64_t now_ms;
    uint64_t random;
    uint64_t next_token;
};

typedef void letter_handler(struct letter_step *s);

/* A cell without a handler: the event is late and means nothing, or it can't happen. */
static void ignored(struct letter_step *s)
{
    (void)s;
}

static void impossible(struct letter_step *s)
{
    (void)s;
    invariant_broken("an event that this phase cannot see");
}

static void dead_letter_close(struct letter_step *s)
{
    s->d->phase = DEAD_LETTER_FREE;
    s->out->closed = true;
}

static void dead_letter_commit(struct letter_step *s, enum dead_letter_phase phase)
{
    s->d->phase = (uint8_t)phase;
    s->d->token_sequence = s->next_token;
    s->out->submit = true;
}

static void dead_letter_publish(struct letter_step *s)
{
    s->d->phase = DEAD_LETTER_PUBLISHING;
    s->d->call_no++;
    s->out->publish = true;
}

/* Its offset stays uncommitted meanwhile, so nothing is lost however long this takes. */
static void dead_letter_wait(struct letter_step *s, enum dead_letter_phase phase)
{
    struct dead_letter *d = s->d;

    s->out->wake_ms = s->now_ms + backoff_delay_ms(d->attempts, s->config->backoff_ms,
                                                   s->config->backoff_max_ms, s->random);
    if (d->attempts < UINT16_MAX) {
        d->attempts++;
    }
    d->phase = (uint8_t)phase;
    s->out->alert = true;
}

static void dead_letter_raised(struct letter_step *s)
{
    s->d->record = s->ev->record;
    s->d->error = s->ev->error;
    s->d->reason = s->ev->reason;
    s->d->attempts = 0;
    dead_letter_publish(s);
}

static void dead_letter_done(struct letter_step *s)
{
    s->d->call_no++;
    s->out->acknowledge = true;
    dead_letter_close(s);
}

/* The broker's "no" and its silence are one here: the record may not be lost. */
static void dead_letter_later(struct letter_step *s)
{
    s->d->call_no++;
    dead_letter_wait(s, DEAD_LETTER_WAITING);
}

static void dead_letter_again(struct letter_step *s)
{
    dead_letter_publish(s);
}

static void dead_letter_store(struct letter_step *s)
{
    struct dead_letter *d = s->d;
    const struct failed_event_row *row = s->ev->row;

    invariant(row != NULL);
    d->origin_offset = row->origin_offset;
    d->origin_at_ms = row->origin_at_ms;
    d->origin_partition = row->origin_partition;
    d->topic = row->topic;
    d->key = row->key;
    d->body = row->body;
    d->headers = row->headers;
    d->error = row->error;
    d->has_key = row->has_key;
    d->has_body = row->has_body;
    d->attempts = 0;
    dead_letter_commit(s, DEAD_LETTER_STORING);
}

/* Stored by us or, as a duplicate, by whoever read the record before. */
static void dead_letter_stored(struct letter_step *s)
{
    s->out->acknowledge = true;
    dead_letter_close(s);
}

static void dead_letter_unstored(struct letter_step *s)
{
    dead_letter_wait(s, DEAD_LETTER_STORE_WAIT);
}

static void dead_letter_store_again(struct letter_step *s)
{
    dead_letter_commit(s, DEAD_LETTER_STORING);
}

static void dead_letter_move(struct letter_step *s, enum failed_event_status target)
{
    invariant(s->ev->row != NULL);
    s->d->row_id = s->ev->row->row_id;
    s->d->epoch = s->ev->row->epoch;
    s->d->target = (uint8_t)target;
    dead_letter_commit(s, DEAD_LETTER_MOVING);
}

static void dead_letter_retry(struct letter_step *s)
{
    dead_letter_move(s, FAILED_EVENT_RESOLVED);
}

static void dead_letter_ignore(struct letter_step *s)
{
    dead_letter_move(s, FAILED_EVENT_IGNORED);
}

static void dead_letter_moved(struct letter_step *s)
{
    s->out->moved = true;
    dead_letter_close(s);
}

/* Not PENDING any more, or not writable: the row is as it was. */
static void dead_letter_unmoved(struct letter_step *s)
{
    dead_letter_close(s);
}

#define ___ impossible
#define ign ignored

/* clang-format off */
static letter_handler *const table[DEAD_LETTER_PHASE_COUNT][DEAD_LETTER_EV_COUNT] = {
    /*  RAISED              STORE              RETRY              IGNORE
        APPLIED             REFUSED              DUPLICATE           UNWRITABLE
        DELIVERED         REJECTED           NO_VERDICT         TIMER */
    [DEAD_LETTER_FREE] = {
        dead_letter_raised, dead_letter_store, dead_letter_retry, dead_letter_ignore,
        ___,                ___,                 ___,                ___,
        ign,              ign,               ign,               ign },
    [DEAD_LETTER_PUBLISHING] = {
        ___,                ___,               ___,               ___,
        ___,                ___,                 ___,                ___,
        dead_letter_done, dead_letter_later, dead_letter_later, ign },
    [DEAD_LETTER_WAITING] = {
        ___,                ___,               ___,               ___,
        ___,                ___,                 ___,                ___,
        ___,              ___,               ___,               dead_letter_again },
    [DEAD_LETTER_STORING] = {
        ___,                ___,               ___,               ___,
        dead_letter_stored, ___,                 dead_letter_stored, dead_letter_unstored,
        ___,              ___,               ___,               ign },
    [DEAD_LETTER_STORE_WAIT] = {
        ___,                ___,               ___,               ___,
        ___,                ___,                 ___,                ___,
        ___,              ___,               ___,               dead_letter_store_again },
    [DEAD_LETTER_MOVING] = {
        ___,                ___,               ___,               ___,
        dead_letter_moved,  dead_letter_unmoved, ___,                dead_letter_unmoved,
        ___,              ___,               ___,               ign },
};
/* clang-format on */

bool dead_letter_cell_is_impossible(enum dead_letter_phase phase, enum dead_letter_event_type type)
{
    return table[phase][type] == impossible;
}

static bool dead_letter_is_report(uint8_t type)
{
    return type == DEAD_LETTER_EV_DELIVERED || type == DEAD_LETTER_EV_REJECTED ||
           type == DEAD_LETTER_EV_NO_VERDICT;
}

void dead_letter_step(struct dead_letter *letter, const struct dead_letter_config *config,
                      int64_t now_ms, uint64_t random, uint64_t next_token,
                      const struct dead_letter_event *event, struct dead_letter_output *out)
{
    struct letter_step s = {letter, config, event, out, now_ms, random, next_token};

    invariant(event->type < DEAD_LETTER_EV_COUNT);
    dead_letter_check(letter);
    memset(out, 0, sizeof(*out));
    out->wake_ms = DEAD_LETTER_WAKE_NONE;
    if (dead_letter_is_report(event->type) && event->call_no != letter->call_no) {
        return;
    }
    table[letter->phase][event->type](&s);
    dead_letter_check(letter);
}

/* The retried record's event id: the unit's token, which is no other unit's, and which sending the
 * unit again keeps. */
static struct uuid dead_letter_event_id(struct token token)
{
    struct uuid id;

    for (unsigned i = 0; i < 8; i++) {
        id.bytes[i] = (uint8_t)(token.process >> (56 - 8 * i));
        id.bytes[8 + i] = (uint8_t)(token.sequence >> (56 - 8 * i));
    }
    return id;
}

static void dead_letter_unit_open(const struct dead_letter *d, struct failed_event_row *row)
{
    row->origin_offset = d->origin_offset;
    row->origin_at_ms = d->origin_at_ms;
    row->origin_partition = d->origin_partition;
    row->epoch = 1;
    row->status = FAILED_EVENT_PENDING;
    row->has_key = d->has_key;
    row->has_body = d->has_body;
    row->topic = d->topic;
    row->key = d->key;
    row->body = d->body;
    row->headers = d->headers;
    row->error = d->error;
}

void dead_letter_unit(const struct dead_letter *letter, uint64_t token_process, struct unit *unit)
{
    struct unit_failed_event *u = &unit->as.failed_event;

    invariant(dead_letter_is_committing(letter));
    memset(unit, 0, sizeof(*unit));
    unit->token.process = token_process;
    unit->token.sequence = letter->token_sequence;
    u->row.token = unit->token;
    if (letter->phase == DEAD_LETTER_STORING) {
        unit->kind = UNIT_FAILED_EVENT_OPEN;
        dead_letter_unit_open(letter, &u->row);
        return;
    }
    unit->kind = UNIT_FAILED_EVENT_MOVE;
    u->row.row_id = letter->row_id;
    u->row.epoch = letter->epoch + 1;
    u->row.status = letter->target;
    u->guard_epoch = letter->epoch;
    if (letter->target == FAILED_EVENT_RESOLVED) {
        u->event_id = dead_letter_event_id(unit->token);
    }
}

bool dead_letter_is_committing(const struct dead_letter *letter)
{
    return letter->phase == DEAD_LETTER_STORING || letter->phase == DEAD_LETTER_MOVING;
}

bool dead_letter_is_waiting(const struct dead_letter *letter)
{
    return letter->phase == DEAD_LETTER_WAITING || letter->phase == DEAD_LETTER_STORE_WAIT;
}

/* The call number outlives the letter, so that a late report about it stays stale. */
void dead_letter_drop(struct dead_letter *letter)
{
    uint16_t call_no = letter->call_no;

    memset(letter, 0, sizeof(*letter));
    letter->call_no = (uint16_t)(call_no + 1);
}

void dead_letter_check(const struct dead_letter *d)
{
    invariant(d->phase < DEAD_LETTER_PHASE_COUNT);
    invariant(!dead_letter_is_committing(d) || d->token_sequence > 0);
    if (d->phase == DEAD_LETTER_PUBLISHING || d->phase == DEAD_LETTER_WAITING) {
        invariant(d->record != TEXT_NONE && d->reason != 0);
    }
    if (d->phase == DEAD_LETTER_WAITING || d->phase == DEAD_LETTER_STORE_WAIT) {
        invariant(d->attempts > 0);
    }
    if (d->phase == DEAD_LETTER_MOVING) {
        invariant(d->row_id > 0);
        invariant(d->target == FAILED_EVENT_RESOLVED || d->target == FAILED_EVENT_IGNORED);
    }
}
