/*
 * outbox.h - one outbox row on its way to the broker, as a step function.
 *
 * A row is inserted already leased to its writer, which publishes it from memory after the commit
 * while the lease lasts by its own clock, and marks it DONE in a later batch. What others left
 * (READY, or a lease that ran out) is taken by polling. Delivery is at least once.
 *
 *   FREE --committed (lease lasts)--> PUBLISHING               outbox_committed
 *   FREE --due--> TAKING --applied--> PUBLISHING               outbox_due, outbox_taken
 *   PUBLISHING --delivered--> MARKING --applied--> FREE        outbox_delivered
 *   PUBLISHING --rejected, no verdict--> RETURNING --applied--> FREE   outbox_rejected
 *   TAKING, MARKING, RETURNING --refused, unwritable--> FREE   (someone else has it)
 *
 * A row that the broker refuses for good backs off and blocks no other.
 * Threads and blocking: none. Ownership: the caller's memory.
 */
#ifndef FAREBOX_OUTBOX_H
#define FAREBOX_OUTBOX_H

#include "store.h"

#include <stdbool.h>
#include <stdint.h>

enum outbox_phase {
    OUTBOX_PHASE_FREE = 0,
    OUTBOX_PHASE_TAKING,     /* committing: lease a row that is due */
    OUTBOX_PHASE_PUBLISHING, /* on its way to the broker */
    OUTBOX_PHASE_MARKING,    /* committing: DONE */
    OUTBOX_PHASE_RETURNING,  /* committing: READY again, later */
    OUTBOX_PHASE_COUNT
};

enum outbox_event_type {
    OUTBOX_EV_COMMITTED = 0, /* this engine's own row is durable, leased to it */
    OUTBOX_EV_DUE,           /* the scan found the row */
    OUTBOX_EV_APPLIED,
    OUTBOX_EV_REFUSED,
    OUTBOX_EV_UNWRITABLE,
    OUTBOX_EV_DELIVERED,  /* the broker has it */
    OUTBOX_EV_REJECTED,   /* the broker refuses this record for good */
    OUTBOX_EV_NO_VERDICT, /* it may or may not have it */
    OUTBOX_EV_COUNT
};

/*
 * A row in work. The writer's own row is known by what it is made of (type, trip, fare ...), which
 * the driver renders as it did for the commit; a taken row by its bytes.
 */
struct outbox {
    struct uuid event_id;
    uint64_t token_sequence;
    int64_t row_id;        /* 0: the writer's own row */
    int64_t publish_by_ms; /* end of the lease by this engine's clock */
    int64_t at_ms;         /* own row: when it was decided, engine clock; taken: record timestamp */
    text_id topic;         /* taken row */
    text_id key;
    text_id body;
    text_id headers;
    text_id trip_id; /* own row */
    text_id user_id;
    text_id traceparent;
    text_id code;
    int32_t amount_krw;
    uint32_t epoch;
    uint16_t attempts;
    uint16_t call_no;
    uint8_t phase;
    uint8_t type;   /* own row: enum outcome_type; 0: taken */
    uint8_t reason; /* own row: enum payment_reason */
    uint8_t guard_status;
    uint8_t has_key;
    uint8_t has_body;
};
_Static_assert(sizeof(struct outbox) <= 128, "what decides fits in two cache lines");

struct outbox_config {
    int64_t lease_ms;
    int64_t backoff_ms;
    int64_t backoff_max_ms;
};

struct outbox_event {
    uint8_t type;
    uint16_t call_no;             /* DELIVERED, REJECTED, NO_VERDICT: others are stale, ignored */
    const struct outbox *own;     /* COMMITTED: made of; epoch 1, PUBLISHING, publish_by_ms set */
    const struct outbox_row *row; /* DUE */
};

struct outbox_output {
    bool submit;  /* outbox_unit() is to be committed */
    bool publish; /* hand the record to the broker */
    bool alert;   /* the broker refused the record for good */
    bool closed;  /* the slot is free; call outbox_drop() */
};

/* One step; the same rules as payment_step(). `now_ms` is CLOCK_BOOTTIME. */
void outbox_step(struct outbox *outbox, const struct outbox_config *config, int64_t now_ms,
                 uint64_t next_token, const struct outbox_event *event, struct outbox_output *out);

/* The unit of a committing phase; its token draws the jitter of a back-off. */
void outbox_unit(const struct outbox *outbox, const struct outbox_config *config,
                 uint64_t token_process, struct unit *unit);

/* True while a unit is outstanding: TAKING, MARKING, RETURNING. */
bool outbox_is_committing(const struct outbox *outbox);
/* Frees the slot; a late delivery report for it is stale from now on. */
void outbox_drop(struct outbox *outbox);
/* Each invariant of the machine; ends the process where one is broken. */
void outbox_check(const struct outbox *outbox);

/* For tests: true where the table's cell is impossible; see payment_cell(). */
bool outbox_cell_is_impossible(enum outbox_phase phase, enum outbox_event_type type);

#endif
