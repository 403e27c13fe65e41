/*
 * engine.h - runs many payments at once: in-flight table, timers, batches, trackers, breakers.
 *
 *   engine_step(engine, event, effects) -> next state, effects
 *
 * The driver (server/ with real adapters, sim/ with virtual time) feeds events and carries out
 * effects, in their order. Everything the engine knows is in one block of plain memory without
 * pointers that the driver gives at init, sized from the limits: a copy of the block is a
 * snapshot. Texts are handles into one pool of the driver's (texts.h).
 *
 * What holds for every effect: it is released by the commit of what records its intent (law 1).
 * A driver that dies between two effects, or loses the rest of them, loses nothing that another
 * instance can't finish.
 *
 * Batches: the engine keeps `lanes` batches, and a lane is one store connection. A payment's units
 * always take the same lane, and so does what marks its outcome DONE. FX_SUBMIT names a lane; the
 * driver renders its units (engine_batch_unit), submits them, and answers EV_BATCH. A batch that
 * was aborted, or whose COMMIT's answer was lost, is asked for again, the same units with the same
 * tokens.
 *
 * Records: the driver delivers a record only when engine_accepts() says so, and keeps it
 * otherwise; FX_PAUSE and FX_RESUME tell it when to stop fetching.
 *
 * Threads: one. Nothing blocks, allocates, reads a clock or draws a number.
 */
#ifndef FAREBOX_ENGINE_H
#define FAREBOX_ENGINE_H

#include "breaker.h"
#include "dead_letter.h"
#include "outbox.h"
#include "payment.h"
#include "texts.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct engine;

/* Sizes of the tables: every bound of the engine. All are at least 1. */
struct engine_limits {
    uint32_t payments;     /* payments in flight */
    uint32_t rescues;      /* of them at most so many for rescue and operator */
    uint32_t waiters;      /* records that wait for a payment of the same trip */
    uint32_t outbox;       /* outbox rows in work */
    uint32_t dead_letters; /* dead letters in work */
    uint32_t trackers;     /* partitions assigned at a time */
    uint32_t window;       /* records of one partition that are not committable yet */
    uint32_t lanes;        /* batches, one store connection each */
    uint32_t batch_max;    /* units of a batch, <= STORE_BATCH_MAX */
    uint32_t page_max;     /* rows of a scan, <= STORE_PAGE_MAX */
};

struct engine_config {
    struct payment_config payment;
    struct outbox_config outbox;
    struct dead_letter_config dead_letter;
    struct breaker_config breakers[GATE_COUNT];
    int64_t max_trip_age_ms; /* records older than this are dead letters */
    int64_t batch_linger_ms; /* how long a unit waits for others; 0: not at all */
    int64_t resend_ms;       /* base of the back-off before a batch is sent again */
    int64_t resend_max_ms;
    int64_t rescue_interval_ms;
    int64_t outbox_poll_ms;
    int64_t outbox_keep_ms;     /* DONE rows older than this are deleted */
    int64_t commit_interval_ms; /* offsets are committed at most this often */
    int64_t gate_poll_ms;       /* how soon a waiting payment asks a breaker again */
    int32_t lease_most_ms;
    int32_t lease_least_ms;
    int32_t cleanup_at_ms;  /* local time of day of the cleanup: 03:00 */
    int32_t zone_offset_ms; /* local time - UTC */
    uint32_t purge_limit;
};

/* What DESIGN, LIFE and CONTRACTS give. */
struct engine_config engine_config_default(void);

enum engine_topic { TOPIC_TRIPS = 0, TOPIC_DLT, TOPIC_COUNT };

enum engine_record_kind {
    RECORD_TRIP = 1,  /* a completed trip */
    RECORD_IGNORED,   /* another event type */
    RECORD_MALFORMED, /* `error` says why */
    RECORD_DEAD,      /* from the DLT */
};

struct engine_record {
    uint8_t kind;  /* enum engine_record_kind */
    uint8_t topic; /* enum engine_topic */
    int32_t partition;
    uint32_t assignment; /* of the partition, as in EV_ASSIGNED */
    int64_t offset;
    int64_t timestamp_ms;         /* the record's FIRST timestamp, Unix ms: a retry keeps it */
    struct payment_arrival trip;  /* TRIP */
    text_id record;               /* TRIP, MALFORMED: the raw record, for the DLT */
    text_id error;                /* MALFORMED */
    struct failed_event_row dead; /* DEAD */
};

enum publish_verdict { PUBLISH_DELIVERED = 1, PUBLISH_REJECTED, PUBLISH_NO_VERDICT };
enum publish_kind { PUBLISH_OUTBOX = 1, PUBLISH_DEAD_LETTER };

enum admin_op { ADMIN_REFUND = 1, ADMIN_ADOPT, ADMIN_RETRY_ALL, ADMIN_IGNORE };

struct engine_admin {
    uint8_t op;                     /* enum admin_op */
    uint32_t request;               /* the driver's number, comes back in FX_REPLY */
    text_id topic;                  /* RETRY_ALL; TEXT_NONE: all */
    struct payment_row payment;     /* REFUND, ADOPT: the row as it was read */
    struct failed_event_row failed; /* IGNORE: row_id, status and epoch as read */
};

enum engine_event_type {
    EV_TIME = 1, /* engine_next_ms() is due, or just so */
    EV_ASSIGNED,
    EV_REVOKED,
    EV_RECORD,
    EV_UPSTREAM, /* pricing or users answered */
    EV_PG,       /* the PG answered a payment's call */
    EV_PROBE,    /* the PG answered FX_PROBE */
    EV_BATCH,
    EV_PAGE,
    EV_PURGED,
    EV_PUBLISHED,
    EV_OFFSET, /* an offset commit's answer */
    EV_ADMIN,
    EV_STOP, /* claim nothing new, finish what is claimed; FX_STOPPED when done */
};

struct engine_event {
    uint8_t type;
    uint16_t batch_max; /* a batch formed now takes at most so many units; 0: the limit */
    int64_t now_ms;     /* CLOCK_BOOTTIME; never goes back */
    int64_t wall_ms;    /* Unix time; may jump */
    uint64_t random;
    union {
        struct {
            uint8_t topic;
            int32_t partition;
            uint32_t assignment; /* never used twice for a partition */
        } partition;             /* ASSIGNED, REVOKED */
        struct engine_record record;
        struct {
            uint32_t slot;
            uint16_t call_no;
            uint8_t upstream; /* enum upstream */
            struct upstream_answer answer;
        } upstream;
        struct {
            uint32_t slot;
            uint16_t call_no;
            struct pg_answer answer;
        } pg; /* PG, PROBE (slot 0) */
        struct {
            uint32_t lane;
            uint8_t outcome;                   /* enum batch_outcome */
            const struct unit_result *results; /* in the order of the units; COMMITTED only */
        } batch;
        struct {
            uint8_t kind; /* enum scan_kind */
            bool ok;
            uint32_t count;
            const union store_row *rows;
        } page;
        struct {
            bool ok;
            uint32_t deleted;
        } purged;
        struct {
            uint8_t kind; /* enum publish_kind */
            uint8_t verdict;
            uint16_t call_no;
            uint32_t slot;
        } published;
        struct {
            uint8_t topic;
            bool ok;
            int32_t partition;
            uint32_t assignment;
            int64_t offset;
        } offset;
        struct engine_admin admin;
    } as;
};

enum effect_kind {
    FX_FARE = 1,    /* slot, call_no: ask pricing about engine_payment(slot)'s record */
    FX_PAYER,       /* slot, call_no: ask users about engine_payment(slot)->user_id */
    FX_CHARGE,      /* slot, call_no; value: CLOCK_BOOTTIME by which the bytes must leave */
    FX_LOOKUP,      /* slot, call_no; text: PG id, TEXT_NONE: by order id */
    FX_CANCEL,      /* slot, call_no; text: PG id; value: n of the idempotency key */
    FX_PROBE,       /* call_no: any look-up at the PG */
    FX_SUBMIT,      /* slot: lane; value: how many units */
    FX_SCAN,        /* value: after_id; slot: limit; call_no: enum scan_kind; text: topic */
    FX_PURGE,       /* value: older_than_ms; slot: limit */
    FX_PUBLISH,     /* slot, call_no: engine_outbox(slot) to the broker */
    FX_DEAD_LETTER, /* slot, call_no: engine_dead_letter(slot)'s record to the DLT */
    FX_OFFSET,      /* partition, assignment, value: offset to commit; slot: topic */
    FX_PAUSE,       /* partition, assignment; slot: topic */
    FX_RESUME,
    FX_REPLY,   /* slot: request; call_no: enum operator_reply; value, count: retried, refused */
    FX_ALERT,   /* call_no: enum payment_alert; text: trip id; slot: payment slot */
    FX_NOTE,    /* call_no: enum engine_note; text: trip id: for counters and logs */
    FX_STOPPED, /* after EV_STOP: nothing is in flight any more */
};

/* What happened, for metrics; nothing depends on it. */
enum engine_note {
    NOTE_CLAIMED = 1,
    NOTE_COMPLETED,
    NOTE_FAILED,
    NOTE_UNKNOWN,
    NOTE_REFUNDED,
    NOTE_DUPLICATE,
    NOTE_IGNORED,
    NOTE_DEAD_LETTER, /* value: enum dead_letter_reason */
    NOTE_PUBLISHED,
    NOTE_PUBLISH_REJECTED,
    NOTE_STORED_DEAD_LETTER,
    NOTE_RESENT_BATCH,
    NOTE_RESCUED,
    NOTE_BREAKER_OPEN, /* value: enum payment_gate */
    NOTE_BREAKER_CLOSED,
};

struct effect {
    uint8_t kind; /* enum effect_kind */
    uint16_t call_no;
    uint32_t slot;
    int64_t value;
    text_id text;
    int32_t partition;
    uint32_t assignment;
    uint32_t count;
};

/* Bytes of an engine's block; 0 where a limit is 0 or beyond its maximum. */
size_t engine_size(const struct engine_limits *limits);

/* How many effects one step can have at most. */
uint32_t engine_effects_max(const struct engine_limits *limits);

struct engine_identity {
    uint64_t token_process; /* 64 random bits, drawn at each start of the process */
    uint64_t pg_account;    /* fingerprint of the PG account, never 0 */
    text_id holder;         /* this instance's name in leases */
};

/* Makes an idle engine in `block` (8-byte aligned, engine_size() bytes). */
struct engine *engine_init(void *block, const struct engine_limits *limits,
                           const struct engine_config *config,
                           const struct engine_identity *identity, int64_t now_ms, int64_t wall_ms);

/*
 * One step. Writes at most engine_effects_max() effects and returns how many. Stale answers (a
 * slot or call number that is no longer outstanding) are ignored; EV_BATCH and EV_PAGE must
 * answer an effect that is outstanding. Handles in the event stay live at least until the step
 * returns, and those that engine_mark() then marks as long as it does.
 */
MUST_USE uint32_t engine_step(struct engine *engine, const struct engine_event *event,
                              struct effect *effects);

/* True where a record of this topic may be delivered now. */
bool engine_accepts(const struct engine *engine, enum engine_topic topic, int32_t partition,
                    uint32_t assignment);

/* When EV_TIME is due (CLOCK_BOOTTIME); INT64_MAX: nothing waits for time. */
int64_t engine_next_ms(const struct engine *engine);

/* The same without what only recurs (rescue, relay poll, cleanup): INT64_MAX when idle. */
int64_t engine_next_work_ms(const struct engine *engine);

/* Renders unit `index` of a lane's outstanding batch. The outcome's record is the driver's. */
void engine_batch_unit(const struct engine *engine, uint32_t lane, uint32_t index, int64_t now_ms,
                       struct unit *unit);

/*
 * What the outcome event of a unit is made of: type, trip, user, amount, reason, code and
 * traceparent as engine_outbox() will show them after the commit. False: the unit has none.
 */
bool engine_batch_outcome(const struct engine *engine, uint32_t lane, uint32_t index,
                          struct outbox *made_of);

/* Read-only views of slots, for carrying out effects. */
const struct payment *engine_payment(const struct engine *engine, uint32_t slot);
const struct outbox *engine_outbox(const struct engine *engine, uint32_t slot);
const struct dead_letter *engine_dead_letter(const struct engine *engine, uint32_t slot);

/* Where a dead letter's record came from. */
struct record_origin {
    uint8_t topic;
    int32_t partition;
    uint32_t assignment;
    int64_t offset;
    int64_t timestamp_ms;
};
/* Fills `origin`. False, and `origin` untouched, where no record is behind the dead letter. */
bool engine_dead_letter_origin(const struct engine *engine, uint32_t slot,
                               struct record_origin *origin);

/* A breaker as it is, for health and metrics. */
const struct breaker *engine_breaker(const struct engine *engine, enum payment_gate gate);

struct engine_counts {
    uint32_t payments;
    uint32_t waiters;
    uint32_t outbox;
    uint32_t dead_letters;
    uint32_t units_waiting;
    uint32_t batches_outstanding;
};
/* How much is in flight, for metrics and tests. */
struct engine_counts engine_counts(const struct engine *engine);

/* Marks every text that state still holds (texts_mark): call before texts_sweep(). */
void engine_mark(const struct engine *engine, struct texts *texts);

/* Every invariant of the engine and of its slots; ends the process where one is broken. O(n). */
void engine_check(const struct engine *engine);

#endif
