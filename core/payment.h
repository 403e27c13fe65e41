/*
 * payment.h - the life of one payment, as a step function.
 *
 *   payment_step(state, event) -> next state, at most one unit, at most one PG call
 *
 * The state is 128 bytes of plain memory: what decides. Texts are handles (texts.h). Time and
 * randomness come in with the event. The next state is installed at once, in a phase that says
 * "committing"; what the commit allows (a PG call, the outcome event, the acknowledgement) is put
 * out by the step that sees the unit applied. A unit is a pure function of the state
 * (payment_unit), so that sending it again needs no copy of it.
 *
 * The record's way (phase; what leads on, and the function that does it):
 *
 *   FREE --arrived--> LOOKING_UP <--timer-- LOOKUP_WAIT        payment_intake.c
 *                     LOOKING_UP --trouble--> LOOKUP_WAIT      intake_answered
 *                     LOOKING_UP --both good, PG breaker open--> GATED
 *   LOOKING_UP, GATED --claim, free ride, no method--> OPENING intake_open
 *   OPENING --duplicate, row REQUESTED--> CLAIMING             intake_duplicate
 *   CLAIMING --refused, row still REQUESTED--> CLAIMING        claim_refused
 *   OPENING, CLAIMING --applied--> CHARGING                    charge_claimed
 *   CHARGING --no verdict--> CHARGE_WAIT --timer--> CHARGING   charge_answered, charge_again
 *   CHARGING, CHARGE_WAIT --other answer, time over--> ASKING  charge_ask
 *   CHARGE_WAIT --time over, never sent--> CLAIMING            charge_reclaim
 *   ASKING --no answer--> ASK_WAIT --timer--> ASKING           charge_asked
 *   CHARGING, ASKING --verdict--> FINISHING --applied--> FREE  payment_finish
 *
 * Double fault on an approval, and every refund:
 *
 *   FINISHING --refused or unwritable, approved--> INTENDING   refund_reconcile
 *   INTENDING --applied--> CANCELLING                          refund_intended
 *   CANCELLING --no verdict--> CANCEL_WAIT --timer--> CANCELLING
 *   CANCELLING --answered error--> CANCEL_ASKING               refund_cancel_answered
 *   CANCEL_ASKING --balance left--> NUMBERING --applied--> CANCEL_WAIT
 *   CANCELLING, CANCEL_ASKING --balance 0--> REFUNDING --applied--> FREE
 *
 * Rescue and operator:
 *
 *   FREE --due, operator--> TAKING --applied--> INSPECTING     payment_rescue.c
 *   INSPECTING --verdict--> FINISHING | INTENDING | CANCELLING | NUMBERING | REFUNDING
 *   INSPECTING --absent, no answer, later--> PARKING --applied--> FREE
 *
 *   any unit that must not be lost --unwritable--> HOLDING --timer--> that unit again
 *
 * Threads and blocking: none; the caller serializes. Ownership: the caller owns all memory.
 */
#ifndef FAREBOX_PAYMENT_H
#define FAREBOX_PAYMENT_H

#include "gateway.h"
#include "store.h"

#include <stdbool.h>
#include <stdint.h>

enum payment_phase {
    PHASE_FREE = 0,
    PHASE_LOOKING_UP,    /* fare or payer asked */
    PHASE_LOOKUP_WAIT,   /* back-off, or an upstream's breaker is open */
    PHASE_GATED,         /* both known; the PG's breaker is open */
    PHASE_OPENING,       /* committing: insert and claim, or insert terminal */
    PHASE_CLAIMING,      /* committing: claim a REQUESTED row, or claim again */
    PHASE_CHARGING,      /* charge asked */
    PHASE_CHARGE_WAIT,   /* back-off before the same charge again */
    PHASE_ASKING,        /* the claimant's look-up asked */
    PHASE_ASK_WAIT,      /* back-off before it is asked again */
    PHASE_FINISHING,     /* committing: COMPLETED or FAILED, with the outcome event */
    PHASE_INTENDING,     /* committing: the refund intent */
    PHASE_CANCELLING,    /* cancel asked */
    PHASE_CANCEL_WAIT,   /* back-off before the next cancel */
    PHASE_CANCEL_ASKING, /* look-up after a cancel's answered error */
    PHASE_NUMBERING,     /* committing: the next cancel number */
    PHASE_REFUNDING,     /* committing: refund done */
    PHASE_TAKING,        /* committing: take over, epoch + 1 */
    PHASE_INSPECTING,    /* the rescue's or the operator's look-up asked */
    PHASE_PARKING,       /* committing: what the look-up told, and when to look again */
    PHASE_HOLDING,       /* a unit that must not be lost can't be written: wait, send again */
    PHASE_COUNT
};
/* For logs and traces; never NULL. */
const char *payment_phase_name(enum payment_phase phase);

enum payment_event_type {
    PAYMENT_EV_ARRIVED = 0, /* a trip event, decoded */
    PAYMENT_EV_DUE,         /* the scan found the row */
    PAYMENT_EV_OPERATOR,    /* refund or adopt, with the row as it was read */
    PAYMENT_EV_FARE,        /* pricing answered */
    PAYMENT_EV_PAYER,       /* users answered */
    PAYMENT_EV_APPLIED,     /* the outstanding unit is durable */
    PAYMENT_EV_REFUSED,     /* its guard did not hold; the row as it is, if any */
    PAYMENT_EV_DUPLICATE,   /* OPEN met a row of this trip */
    PAYMENT_EV_UNWRITABLE,  /* a lasting error of this unit alone */
    PAYMENT_EV_ANSWER,      /* the PG answered the outstanding call */
    PAYMENT_EV_TIMER,       /* the time asked for by the last step has come */
    PAYMENT_EV_COUNT
};

/* Who works on the row: decides what happens when a unit is refused. */
enum payment_origin {
    ORIGIN_RECORD = 1,
    ORIGIN_RESCUE,
    ORIGIN_OPERATOR_REFUND,
    ORIGIN_OPERATOR_ADOPT
};

/* The row's PG account against this process's. */
enum payment_account { ACCOUNT_NONE = 0, ACCOUNT_OURS, ACCOUNT_OTHER };

/* Why a record becomes a dead letter. */
enum dead_letter_reason {
    DEAD_LETTER_NONE = 0,
    DEAD_LETTER_MALFORMED,
    DEAD_LETTER_TOO_OLD,
    DEAD_LETTER_FARE_REFUSED,    /* pricing refused, or an impossible fare */
    DEAD_LETTER_PAYER_REFUSED,   /* users refused */
    DEAD_LETTER_PRICING_TROUBLE, /* pricing answers others, but not this one */
    DEAD_LETTER_USERS_TROUBLE,
    DEAD_LETTER_ID_COLLISION, /* the store takes another trip's id for this one */
    DEAD_LETTER_UNWRITABLE,   /* the store refuses the row for good */
    DEAD_LETTER_REASON_COUNT
};
/* For the DLT's exception message and metrics; never NULL. */
const char *dead_letter_reason_name(enum dead_letter_reason reason);

/* What an operator should hear of. Counted and logged by the driver. */
enum payment_alert {
    ALERT_NONE = 0,
    ALERT_UNKNOWN, /* a payment became UNKNOWN */
    ALERT_NEEDS_OPERATOR,
    ALERT_WRONG_AMOUNT,
    ALERT_CREDENTIALS, /* the PG refuses our key */
    ALERT_REQUEST,     /* the PG calls our request wrong */
    ALERT_HOLDING,     /* a unit that must not be lost can't be written */
    ALERT_LATE_CHARGE, /* a re-check found a charge */
    ALERT_COUNT
};
/* For logs and metrics; never NULL. */
const char *payment_alert_name(enum payment_alert alert);

/* What became of an operator's request. */
enum operator_reply {
    REPLY_NONE = 0,
    REPLY_DONE,
    REPLY_BUSY,     /* a unit or call is outstanding, or somebody else took the row */
    REPLY_CONFLICT, /* not UNKNOWN, or the PG's state forbids it */
    REPLY_NO_ANSWER /* the PG did not answer; nothing was changed */
};

#define PAYMENT_RECHECKS 3

/* LIFE's waits and bounds. Milliseconds; checked against one another by payment_config_ok. */
struct payment_config {
    int64_t claim_due_ms;    /* claim -> anybody may take the row */
    int64_t takeover_due_ms; /* takeover -> the same */
    int64_t send_limit_ms;   /* a charge leaves within this of its claim's submission */
    int64_t pg_longest_ms;   /* the PG's longest processing time */
    int64_t absence_margin_ms;
    int64_t absent_again_ms;              /* between the two absent look-ups that count */
    int64_t recheck_ms[PAYMENT_RECHECKS]; /* after FAILED by absence, ascending */
    int64_t upstream_backoff_ms;          /* base; the cap is 8 x */
    int64_t pg_backoff_ms;                /* base */
    int64_t pg_backoff_max_ms;
    int64_t cancel_key_age_ms; /* a cancel number older than this is replaced */
    int64_t lookup_fresh_ms;   /* fare and payer are asked again when older at the claim */
    int64_t outbox_lease_ms;
    int32_t max_fare_krw;
    uint16_t unknown_after; /* look-ups without usable answer until UNKNOWN */
    uint8_t upstream_retries;
    uint8_t ask_tries;     /* claimant's look-ups before the rest is the rescue's */
    uint8_t cancel_tries;  /* cancels before the rest is the rescue's */
    uint8_t absent_needed; /* absent look-ups that make FAILED: 2 */
    uint8_t adopt;         /* rescue policy: 0 refund, 1 adopt */
};

/* The defaults of LIFE. */
struct payment_config payment_config_default(void);

/*
 * True where the waits fit one another: a claim's charge has been answered before anybody may
 * take the row, a takeover outlives a call, re-checks ascend, all are positive.
 */
bool payment_config_ok(const struct payment_config *config, int64_t pg_timeout_ms);

/* Bits of payment.flags. */
enum {
    PAYMENT_LEFT = 1 << 0, /* a charge of this claim left, or may have */
    PAYMENT_FARE_KNOWN = 1 << 1,
    PAYMENT_PAYER_KNOWN = 1 << 2,
    PAYMENT_NO_METHOD = 1 << 3,      /* users answered 404 */
    PAYMENT_FARE_OUT = 1 << 4,       /* pricing is asked */
    PAYMENT_PAYER_OUT = 1 << 5,      /* users is asked */
    PAYMENT_APPROVED = 1 << 6,       /* refund_pg_id is an approval that this worker must settle */
    PAYMENT_ACKED = 1 << 7,          /* the record is acknowledged, or there is none */
    PAYMENT_CANCEL_REFUSED = 1 << 8, /* the last cancel was refused for good */
    PAYMENT_CLAIM_NOW = 1 << 9,      /* the unit writes claimed_at */
    PAYMENT_CANCEL_NOW = 1 << 10,    /* the unit writes cancel_first_at */
    PAYMENT_FARE_REFUSED = 1 << 11,  /* pricing refused for good, or an impossible fare */
    PAYMENT_PAYER_REFUSED = 1 << 12, /* users refused for good */
};

/*
 * One payment that some worker of this engine holds. `status` and the columns are the image that
 * the outstanding unit writes (or that is durable, when none is); `guard_status` and `epoch` are
 * what the row must have for it.
 */
struct payment {
    struct uuid payment_id;
    uint64_t token_sequence; /* of the outstanding or last unit */
    int64_t since_ms;   /* first look-up, or last failed one; then the last unit's submission */
    int64_t claimed_ms; /* claimed_at on this engine's clock; AGE_NONE: not claimed */
    int64_t cancel_ms;  /* cancel_first_at, likewise */
    text_id trip_id;
    text_id user_id;
    text_id method_id;
    text_id billing_key;
    text_id pg_id;
    text_id refund_pg_id;
    text_id traceparent;
    text_id code;
    text_id record; /* the raw record, until it is acknowledged */
    int32_t amount_krw;
    uint32_t epoch;
    uint16_t call_no; /* of the outstanding or last call */
    uint16_t attempts;
    uint16_t cancel_no;
    uint16_t flags; /* PAYMENT_... */
    /* The engine's: admissions held, 0x8000 | low bits of the breaker's round. A call or
     * a unit may be out for longer than a hundred rounds. */
    uint16_t rounds[3];
    uint8_t phase; /* enum payment_phase */
    uint8_t held_phase;
    uint8_t origin;  /* enum payment_origin */
    uint8_t account; /* enum payment_account */
    uint8_t due;     /* enum payment_due: what due_at the unit writes */
    uint8_t status;
    uint8_t guard_status;
    uint8_t refund_state;
    uint8_t absent_count;
    uint8_t recheck_no;
    uint8_t needs_operator;
    uint8_t reason;
    uint8_t tries[2]; /* look-ups of fare and payer that count against the record; tries[0] counts
                         PG calls after the claim */
    uint8_t silences[2]; /* in a row, while the upstream answered nobody */
};
_Static_assert(sizeof(struct payment) <= 128, "what decides fits in two cache lines");

/* What due_at the outstanding unit writes. */
enum payment_due {
    PAYMENT_DUE_NEVER = 0,
    PAYMENT_DUE_CLAIM,
    PAYMENT_DUE_TAKEOVER,
    PAYMENT_DUE_BACKOFF, /* by attempts */
    PAYMENT_DUE_ABSENT,  /* when absence counts next */
    PAYMENT_DUE_RECHECK, /* by recheck_no */
};

struct payment_arrival {
    struct uuid payment_id;
    text_id trip_id;
    text_id user_id;
    text_id traceparent;
    text_id record;
};

struct payment_event {
    uint8_t type;      /* enum payment_event_type */
    uint8_t op;        /* OPERATOR: enum payment_origin */
    uint8_t has_row;   /* REFUSED: `row` is valid */
    uint8_t collision; /* UNWRITABLE: an id that the store can't tell from another */
    uint16_t call_no;  /* FARE, PAYER, ANSWER */
    union {
        struct payment_arrival arrival;
        struct payment_row row; /* DUE, OPERATOR, REFUSED, DUPLICATE */
        struct upstream_answer upstream;
        struct pg_answer pg;
    } as;
};

enum payment_gate { GATE_PRICING = 0, GATE_USERS, GATE_PG, GATE_COUNT };

/* What a step may look at besides the payment. */
struct payment_context {
    const struct payment_config *config;
    int64_t now_ms; /* CLOCK_BOOTTIME of this process */
    uint64_t random;
    uint64_t pg_account;                  /* fingerprint of this process's PG account, never 0 */
    uint64_t next_token;                  /* the sequence number that a new unit takes */
    bool stopping;                        /* nothing new is claimed */
    bool gate_open[GATE_COUNT];           /* the breaker would admit a call now */
    int64_t gate_next_ms[GATE_COUNT];     /* when it is worth asking again */
    int64_t last_good_ms[UPSTREAM_COUNT]; /* the upstream's last good answer to anybody */
};

/* Bits of payment_output.calls. */
enum {
    CALL_FARE = 1 << 0,
    CALL_PAYER = 1 << 1,
    CALL_CHARGE = 1 << 2,
    CALL_LOOKUP = 1 << 3,
    CALL_CANCEL = 1 << 4,
};

#define WAKE_NONE INT64_MAX

/* What the caller must do now. All zero but wake_ms: nothing. */
struct payment_output {
    int64_t wake_ms;      /* when to send TIMER; replaces an earlier wish; WAKE_NONE: not */
    uint8_t calls;        /* at most one PG call; fare and payer may go together */
    uint8_t dead_letter;  /* enum dead_letter_reason: the record goes there; closed */
    uint8_t publish;      /* enum outcome_type: its outbox row is durable and leased to us */
    uint8_t alert;        /* enum payment_alert */
    uint8_t reply;        /* enum operator_reply */
    uint8_t trip_breaker; /* bits of 1 << enum payment_gate */
    bool submit;          /* payment_unit() is to be committed */
    bool acknowledge;     /* the record is a payment or a known duplicate */
    bool admit;           /* takes an admission of the PG's breaker before its claim */
    bool closed;          /* phase FREE: the slot may be reused */
};

/* A free slot. */
void payment_init(struct payment *payment);

/*
 * One step. An answer whose call_no is not the outstanding one is ignored, and so is an event
 * that the phase's row of the transition table says so of; one that cannot happen breaks an
 * invariant. `out` is written whole. Checks payment_check() before and after.
 */
void payment_step(struct payment *payment, const struct payment_context *context,
                  const struct payment_event *event, struct payment_output *out);

/*
 * The unit that a committing phase has outstanding: the same one each time it is asked for,
 * whatever `now_ms` is, but for due and claim instants, which the store counts from its own now.
 * The outcome's record is left empty, but for its event id: the driver renders it.
 */
void payment_unit(const struct payment *payment, const struct payment_config *config,
                  uint64_t token_process, uint64_t pg_account, int64_t now_ms, struct unit *unit);

/* True while nothing durable exists and no unit is out: a revoke or a stop may drop it. */
bool payment_is_droppable(const struct payment *payment);

/* Forgets the payment; its slot is free, and a late answer to its calls is stale. */
void payment_drop(struct payment *payment);

/* True in a phase that has a unit outstanding; in one that has calls outstanding. */
bool payment_is_committing(const struct payment *payment);
bool payment_is_calling(const struct payment *payment);

/* CLOCK_BOOTTIME by which a charge's bytes must have left. */
int64_t payment_send_by_ms(const struct payment *payment, const struct payment_config *config);

/* Each invariant of the machine, written once; ends the process where one is broken. */
void payment_check(const struct payment *payment);

/* For tests: what the transition table says of a cell. */
enum payment_cell { CELL_HANDLED, CELL_IGNORED, CELL_IMPOSSIBLE };
/* The cell of this phase and event. */
enum payment_cell payment_cell(enum payment_phase phase, enum payment_event_type type);

#endif
