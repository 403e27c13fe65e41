/*
 * dead_letter.h - dead letters: a record on its way to the DLT, and a failed_event row, as step
 * functions.
 *
 * A record that can't become a payment goes to the dead letter topic; its offset waits for the
 * broker's delivery report, and if it can't be delivered the partition stops: it is tried again
 * for ever (law 1, trap 10).
 *
 *   FREE --raised--> PUBLISHING --delivered--> FREE (acknowledge)
 *                    PUBLISHING --rejected, no verdict--> WAITING --timer--> PUBLISHING
 *
 * What the DLT holds is stored as failed_event rows; an operator retries or ignores them.
 *
 *   FREE --store--> STORING --applied, duplicate--> FREE (acknowledge)
 *                   STORING --unwritable--> STORE_WAIT --timer--> STORING
 *   FREE --retry, ignore--> MOVING --applied, refused, unwritable--> FREE (reply)
 *
 * Both share one slot type, because a slot is one dead letter being worked on.
 */
#ifndef FAREBOX_DEAD_LETTER_H
#define FAREBOX_DEAD_LETTER_H

#include "store.h"

#include <stdbool.h>
#include <stdint.h>

enum dead_letter_phase {
    DEAD_LETTER_FREE = 0,
    DEAD_LETTER_PUBLISHING,
    DEAD_LETTER_WAITING,
    DEAD_LETTER_STORING, /* committing: the failed_event row */
    DEAD_LETTER_STORE_WAIT,
    DEAD_LETTER_MOVING, /* committing: RESOLVED with its outbox row, or IGNORED */
    DEAD_LETTER_PHASE_COUNT
};

enum dead_letter_event_type {
    DEAD_LETTER_EV_RAISED = 0,
    DEAD_LETTER_EV_STORE,
    DEAD_LETTER_EV_RETRY,
    DEAD_LETTER_EV_IGNORE,
    DEAD_LETTER_EV_APPLIED,
    DEAD_LETTER_EV_REFUSED,
    DEAD_LETTER_EV_DUPLICATE,
    DEAD_LETTER_EV_UNWRITABLE,
    DEAD_LETTER_EV_DELIVERED,
    DEAD_LETTER_EV_REJECTED,
    DEAD_LETTER_EV_NO_VERDICT,
    DEAD_LETTER_EV_TIMER,
    DEAD_LETTER_EV_COUNT
};

struct dead_letter {
    uint64_t token_sequence;
    int64_t row_id;        /* MOVING */
    int64_t origin_offset; /* STORING: the record's last origin */
    int64_t origin_at_ms;
    int32_t origin_partition;
    text_id topic;
    text_id key;
    text_id body;
    text_id headers;
    text_id error;  /* what people read: the reason, or the DLT's exception message */
    text_id record; /* PUBLISHING: the raw record */
    uint32_t epoch;
    uint16_t attempts;
    uint16_t call_no;
    uint8_t phase;
    uint8_t reason; /* enum dead_letter_reason (payment.h) */
    uint8_t target; /* MOVING: enum failed_event_status */
    uint8_t has_key;
    uint8_t has_body;
};
_Static_assert(sizeof(struct dead_letter) <= 128, "what decides fits in two cache lines");

struct dead_letter_config {
    int64_t backoff_ms;
    int64_t backoff_max_ms;
};

struct dead_letter_event {
    uint8_t type;
    uint8_t reason;                     /* RAISED */
    uint16_t call_no;                   /* DELIVERED, REJECTED, NO_VERDICT */
    text_id record;                     /* RAISED */
    text_id error;                      /* RAISED */
    const struct failed_event_row *row; /* STORE: the row; RETRY, IGNORE: row_id and epoch */
};

#define DEAD_LETTER_WAKE_NONE INT64_MAX

struct dead_letter_output {
    int64_t wake_ms;  /* when to send TIMER; DEAD_LETTER_WAKE_NONE: not */
    bool submit;      /* dead_letter_unit() is to be committed */
    bool publish;     /* hand the record to the DLT */
    bool acknowledge; /* the record's offset may be committed */
    bool alert;       /* it could not be published or stored; it will be tried again */
    bool closed;      /* the slot is free; call dead_letter_drop() */
    bool moved;       /* closed: the row is RESOLVED or IGNORED now */
};

/* One step; the same rules as payment_step(). `random` draws the jitter of a back-off. */
void dead_letter_step(struct dead_letter *letter, const struct dead_letter_config *config,
                      int64_t now_ms, uint64_t random, uint64_t next_token,
                      const struct dead_letter_event *event, struct dead_letter_output *out);

/* The unit of STORING and MOVING. */
void dead_letter_unit(const struct dead_letter *letter, uint64_t token_process, struct unit *unit);

/* True while a unit is outstanding: STORING and MOVING. */
bool dead_letter_is_committing(const struct dead_letter *letter);
/* True while it only waits for its timer: nothing is outstanding, nothing acknowledged. */
bool dead_letter_is_waiting(const struct dead_letter *letter);
/* Frees the slot; a late delivery report for it is stale from now on. */
void dead_letter_drop(struct dead_letter *letter);
/* Each invariant of the machine; ends the process where one is broken. */
void dead_letter_check(const struct dead_letter *letter);

/* For tests: see payment_cell(). */
bool dead_letter_cell_is_impossible(enum dead_letter_phase phase, enum dead_letter_event_type type);

#endif
