/*
 * store.h - the store port: batches of guarded units.
 *
 * A unit is one guarded transition of one row and what belongs to it in the same transaction (its
 * outbox row). The driver collects the units of many payments and commits them together.
 *
 * Implementations: adapters/sqlite, adapters/mysql, fakes/model_store. All of them pass one
 * contract suite (tests/contract/store_suite.h).
 *
 * Threads and blocking: an open store is one connection, used by one thread at a time; calls block
 * until the store has answered. Several stores may be open on the same data.
 *
 * Texts: units and rows hold handles into the pool of the batch or page, never pointers. A store
 * copies what it keeps, and interns what it returns into that same pool.
 *
 * Clocks: what instances compare with one another (claimed_at, due_at, leases) is written and
 * compared by the store's clock, in UTC. Units therefore carry delays, rows carry ages; core never
 * sees the store's time. SQLite and the model take their clock from the caller at open.
 */
#ifndef FAREBOX_STORE_H
#define FAREBOX_STORE_H

#include "ids.h"
#include "invariant.h"
#include "texts.h"

#include <stdbool.h>
#include <stdint.h>

/* Limits of fields, in bytes; the same for every implementation (store_unit_check). */
#define STORE_ID_MAX          255       /* trip, user, payment method, PG id, topic, outbox key */
#define STORE_CODE_MAX        100       /* a PG error code, or another short detail */
#define STORE_TRACEPARENT_MAX 55        /* W3C trace context */
#define STORE_ERROR_MAX       1000      /* error_message of a dead letter, UTF-8 */
#define STORE_BODY_MAX        (1 << 20) /* a record's value */
#define STORE_HEADERS_MAX     (1 << 18)
#define STORE_KEY_MAX         (1 << 16)

/* due_in_ms of a row that nobody may take. */
#define DUE_NEVER INT64_MAX
/* An age or instant that the row does not have. */
#define AGE_NONE INT64_MIN

enum payment_status {
    PAYMENT_ABSENT = 0, /* no row */
    PAYMENT_REQUESTED,
    PAYMENT_PROCESSING,
    PAYMENT_COMPLETED,
    PAYMENT_FAILED,
    PAYMENT_UNKNOWN,
};

enum refund_state {
    REFUND_NONE = 0,
    REFUND_INTENDED, /* durable intent: a cancel may have been sent; never withdrawn */
    REFUND_DONE,
};

/* Why a payment is where it is, for operators and for PaymentFailedEvent. Stored by name. */
enum payment_reason {
    REASON_NONE = 0,
    REASON_DECLINED,          /* the PG's closed list of declines, or ABORTED / EXPIRED */
    REASON_NO_PAYMENT_METHOD, /* users answered 404 */
    REASON_CANCELLED,         /* the PG says balance 0 */
    REASON_NEVER_CHARGED,     /* absent at the PG, twice, past every deadline */
    REASON_REFUNDED,          /* charged, and refunded by Farebox */
    REASON_WRONG_AMOUNT,      /* the PG charged another amount or currency; refunded */
    REASON_NO_ANSWER,         /* UNKNOWN: the PG gives no usable answer */
    REASON_OTHER_ACCOUNT,     /* UNKNOWN: claimed with another PG account */
    REASON_LEGACY_ABSENT,     /* UNKNOWN: old service's row that the PG does not know */
    REASON_CANCEL_REFUSED,    /* the PG refuses the cancel for good */
    REASON_PG_ID_MISMATCH,    /* the PG names another payment than the row */
    REASON_UNWRITABLE,        /* a result that the store refuses for good */
    REASON_COUNT
};

/* The name stored in the column and shown to people; never NULL. */
const char *payment_reason_name(enum payment_reason reason);
/* REASON_NONE for a name that this version does not know. */
enum payment_reason payment_reason_parse(const char *name);
const char *payment_status_name(enum payment_status status);
enum payment_status payment_status_parse(const char *name);

/* A payments row. In a unit it is the image to write; in a result the row as it is. */
struct payment_row {
    struct uuid payment_id; /* also the PG's order id and the charge's idempotency key */
    struct token token;     /* who wrote it last; {0,0}: the old service */
    uint64_t pg_account;    /* fingerprint of the PG account of the claim; 0: none */
    int64_t claimed_age_ms; /* results only: store's now - claimed_at; AGE_NONE where unset */
    int64_t cancel_age_ms;  /* results only: store's now - cancel_first_at */
    int64_t due_in_ms;      /* due_at - store's now; DUE_NEVER for NULL */
    int32_t amount_krw;
    uint32_t epoch;
    text_id trip_id;
    text_id user_id;
    text_id method_id; /* the user's payment method; "" for a free ride */
    text_id pg_id;     /* the PG's paymentKey; TEXT_NONE: not known */
    text_id refund_pg_id;
    text_id traceparent; /* TEXT_NONE: the trip event had none */
    text_id code;        /* detail of the reason: the PG's error code */
    uint16_t cancel_no;  /* n of the cancel's idempotency key; 0: none sent yet */
    uint16_t attempts;   /* look-ups in a row without a usable answer */
    uint8_t status;      /* enum payment_status */
    uint8_t refund_state;
    uint8_t absent_count;
    uint8_t recheck_no;
    uint8_t needs_operator; /* 0 or 1 */
    uint8_t reason;         /* enum payment_reason */
};

enum outcome_type {
    OUTCOME_NONE = 0,
    OUTCOME_COMPLETED, /* PaymentCompletedEvent */
    OUTCOME_FAILED,    /* PaymentFailedEvent */
};

enum outbox_status { OUTBOX_READY = 1, OUTBOX_PUBLISHING, OUTBOX_DONE };

/* A payment_outbox row: a record to publish, rendered. */
struct outbox_row {
    int64_t row_id;       /* 0: not known yet (the writer publishes from memory) */
    struct uuid event_id; /* the `id` header; nil on rows of the old service */
    struct token token;
    int64_t due_in_ms;    /* end of the lease or of the back-off */
    int64_t record_at_ms; /* timestamp for the record, Unix ms; 0: the broker's */
    uint32_t epoch;
    uint16_t attempts;
    uint8_t status;   /* enum outbox_status */
    uint8_t has_key;  /* 0: the record has a null key */
    uint8_t has_body; /* 0: the record has a null value */
    text_id topic;
    text_id key;
    text_id body;
    text_id headers; /* record_headers encoding (adapters/kafka); TEXT_NONE: none */
};

enum failed_event_status { FAILED_EVENT_PENDING = 1, FAILED_EVENT_RESOLVED, FAILED_EVENT_IGNORED };

/* A failed_event row: a dead letter as it was read, with its origin. */
struct failed_event_row {
    int64_t row_id;
    struct token token;
    int64_t origin_offset;
    int64_t origin_at_ms;   /* first timestamp of the record, Unix ms */
    int64_t created_age_ms; /* results only: store's now - created_at */
    int32_t origin_partition;
    uint32_t epoch;
    uint8_t status; /* enum failed_event_status */
    uint8_t has_key;
    uint8_t has_body;
    text_id topic; /* the ORIGIN topic, where a retry goes; never the DLT's own name */
    text_id key;
    text_id body;
    text_id headers;
    text_id error;
};

/* Leases, ShedLock's names and semantics (CONTRACTS 7). */
enum lease_name { LEASE_RESCUE, LEASE_CLEANUP, LEASE_MIGRATE, LEASE_COUNT };
/* ShedLock's `name`; never NULL. */
const char *lease_name_text(enum lease_name name);
enum lease_op { LEASE_TAKE = 1, LEASE_EXTEND, LEASE_RELEASE };

enum unit_kind {
    UNIT_PAYMENT_OPEN = 1,  /* insert; duplicate (with the row) where the trip has one */
    UNIT_PAYMENT_MOVE,      /* guarded by payment_id, status, epoch */
    UNIT_OUTBOX_MOVE,       /* guarded by row_id or payment, status, epoch */
    UNIT_FAILED_EVENT_OPEN, /* insert; duplicate where the origin is stored already */
    UNIT_FAILED_EVENT_MOVE, /* guarded by row_id, PENDING, epoch */
    UNIT_LEASE,
};

/* When the row's instant is set to the store's now. */
enum instant_write { INSTANT_KEEP = 0, INSTANT_NOW, INSTANT_CLEAR };

/*
 * The outcome event that a terminal transition inserts in the same transaction. Its event id is
 * the payment's id. The outbox has at most one of a payment: a unit that brings a second one,
 * before the first is purged, is UNIT_ERROR, and nothing of it is written.
 */
struct unit_outcome {
    uint8_t type;             /* enum outcome_type; OUTCOME_NONE: no outbox row */
    int32_t lease_ms;         /* the row is inserted PUBLISHING and due after this */
    struct outbox_row record; /* event_id, topic, key, body, headers: filled in by the driver */
};

/*
 * MOVE writes every column of the image but trip_id and payment_id, which never change, and
 * pg_account, which is written only together with claimed_at = INSTANT_NOW (a claim).
 * claimed_at and cancel_first_at are written as told, due_at as the store's now + due_in_ms.
 */
struct unit_payment {
    struct payment_row row; /* the image after the transition, epoch and ages excepted */
    uint8_t guard_status;   /* MOVE: the status that the row must have */
    uint8_t claimed_at;     /* enum instant_write */
    uint8_t cancel_at;      /* enum instant_write, for cancel_first_at */
    uint32_t guard_epoch;   /* MOVE: the epoch that the row must have; the image has it + 1 */
    struct unit_outcome outcome;
};

struct unit_outbox {
    int64_t row_id; /* guard; 0: the outcome event of the payment whose id `event_id` is */
    struct uuid event_id;
    uint32_t guard_epoch;
    uint8_t guard_status;
    uint8_t status;    /* new */
    uint16_t attempts; /* new */
    int64_t due_in_ms; /* new */
};

struct unit_failed_event {
    struct failed_event_row row; /* OPEN: the row; MOVE: row_id and the new status */
    uint32_t guard_epoch;
    /* MOVE to RESOLVED: the store copies the row's record into an outbox row for its origin
     * topic, READY and due at once, with this event id. That it is new is the caller's care: a
     * store need not look. A record like this is moved by its row id only. */
    struct uuid event_id;
};

struct unit_lease {
    uint8_t name;        /* enum lease_name */
    uint8_t op;          /* enum lease_op */
    int32_t lock_ms;     /* TAKE, EXTEND: how long from the store's now */
    int32_t at_least_ms; /* RELEASE: lock_until = max(now, locked_at + this) */
    text_id holder;
};

/*
 * One guarded transition. Applied: the row now has the image, epoch = guard + 1 (OPEN: 1) and
 * this token, and the outbox row is there, with epoch 1. A unit whose token the row carries
 * already is applied. A payment id of another trip, or a second outcome of a payment, is
 * UNIT_ERROR. Delays beyond a hundred years are cut to that.
 */
struct unit {
    struct token token;
    uint8_t kind; /* enum unit_kind */
    union {
        struct unit_payment payment;
        struct unit_outbox outbox;
        struct unit_failed_event failed_event;
        struct unit_lease lease;
    } as;
};

enum unit_verdict {
    UNIT_APPLIED = 1,
    UNIT_REFUSED,   /* the guard does not hold; the row as it is, if there is one */
    UNIT_DUPLICATE, /* OPEN: another unit's row has this key; the row as it is */
    UNIT_COLLISION, /* OPEN: the store's collation calls two different ids one key */
    UNIT_ERROR,     /* a lasting error of this unit alone: too long, constraint */
};

struct unit_result {
    uint8_t verdict; /* enum unit_verdict */
    uint8_t has_row; /* payment units that were REFUSED or DUPLICATE */
    struct payment_row row;
};

enum batch_outcome {
    BATCH_COMMITTED = 1, /* every result is valid and durable */
    BATCH_ABORTED,       /* nothing of the batch is in the store; no result is valid */
    BATCH_UNKNOWN,       /* COMMIT's answer was lost: send the same units again */
};

/*
 * At most STORE_BATCH_MAX units; no two on the same row. `texts` has room for the rows that come
 * back (results whose texts do not fit end the batch as BATCH_ABORTED). It may be a plain pool, in
 * which equal texts have several handles: a store compares bytes.
 */
#define STORE_BATCH_MAX 256
struct store_batch {
    const struct unit *units;
    struct unit_result *results; /* as many as units; written only when committed */
    uint32_t count;
    struct texts *texts;
};

enum scan_kind {
    SCAN_PAYMENTS_DUE = 1, /* due_at <= now, any status, in (due_at, id) order */
    SCAN_OUTBOX_DUE,       /* not DONE, due_at <= now, in (due_at, id) order */
    SCAN_FAILED_EVENTS,    /* PENDING, row_id > after_id, topic if given; in id order */
};

/* At most `limit` rows of one kind; bodies add up to at most STORE_PAGE_BYTES_MAX (or one row). */
#define STORE_PAGE_MAX       256
#define STORE_PAGE_BYTES_MAX (2 << 20)
struct store_scan {
    uint8_t kind; /* enum scan_kind */
    uint32_t limit;
    int64_t after_id; /* SCAN_FAILED_EVENTS */
    text_id topic;    /* SCAN_FAILED_EVENTS; TEXT_NONE: all */
};

union store_row {
    struct payment_row payment;
    struct outbox_row outbox;
    struct failed_event_row failed_event; /* key, body, headers, error: TEXT_NONE in scans */
};

struct store_page {
    union store_row *rows; /* given by the caller: room for the scan's limit */
    uint32_t count;        /* set by the store */
    struct texts *texts;
};

enum store_status {
    STORE_OK = 0,
    STORE_NOT_FOUND,
    STORE_UNAVAILABLE, /* did not happen or may not have happened; nothing was changed by a read */
};

/* A payment as GET shows it. Instants are Unix ms by the store's clock, AGE_NONE where unset. */
struct payment_view {
    struct payment_row row;
    int64_t requested_at_ms;
    int64_t completed_at_ms;
};

enum purge_kind { PURGE_OUTBOX_DONE = 1 };

struct store;
struct store_ops {
    /*
     * Applies the units in one transaction, each by its guard, and says what became of each one.
     * A unit that fails for good is left out and reported as UNIT_ERROR; the others commit.
     * Sending the same units again is always safe (idempotent by token).
     */
    enum batch_outcome (*submit)(struct store *store, const struct store_batch *batch);
    /* Reads a page; decides and changes nothing. Due rows that another connection is writing at
     * this moment may be left out. STORE_OK or STORE_UNAVAILABLE. */
    enum store_status (*scan)(struct store *store, const struct store_scan *scan,
                              struct store_page *page);
    /*
     * Deletes at most `limit` rows that ended more than `older_than_ms` ago by the store's clock.
     * Not idempotent as to `deleted`; safe to repeat.
     */
    enum store_status (*purge)(struct store *store, enum purge_kind kind, int64_t older_than_ms,
                               uint32_t limit, uint32_t *deleted);
    /* The payment of a trip. STORE_OK, STORE_NOT_FOUND (`view` untouched), STORE_UNAVAILABLE. */
    enum store_status (*read_payment)(struct store *store, const char *trip_id, size_t len,
                                      struct texts *texts, struct payment_view *view);
    /* A dead letter with all its texts, by id. The same results. */
    enum store_status (*read_failed_event)(struct store *store, int64_t row_id, struct texts *texts,
                                           struct failed_event_row *row);
    /* Ends the connection and frees the handle. */
    void (*close)(struct store *store);
};

/* Implementations embed this as their first member. */
struct store {
    const struct store_ops *ops;
};

/*
 * The limits of fields, checked alike by every implementation before it writes: trip, user and
 * method ids, topics, PG ids are 1 to STORE_ID_MAX printable ASCII characters (method id may be
 * empty), the others at most their maximum, amounts and durations not negative, enums in range; a
 * payment has an id, and its outcome has that id for its event id; a key or body that is said to be
 * there is a text; an outbox move names its row, or a payment; a failed event opens PENDING and
 * moves to RESOLVED or IGNORED. True: the unit may be written. False: its verdict is UNIT_ERROR.
 */
bool store_unit_check(const struct unit *unit, const struct texts *texts);

#endif
