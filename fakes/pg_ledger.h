/*
 * pg_ledger.h - the fake payment gateway itself: orders, money, idempotency keys, late actions.
 *
 * Behaves as CONTRACTS 6 says of Toss Payments: one order id is approved once, the same key with
 * the same account, operation and URL gives the same answer again (errors too) for 15 days, a
 * cancel guards by the refundable amount, and after cancels in parts the status stays
 * PARTIAL_CANCELED. What goes wrong is not decided here: a pg_ledger_plan says it, and
 * pg_fake.h draws plans. The same requests, plans and instants give the same bytes of state.
 *
 * Memory: one block that the caller gives, without pointers and without text handles, so a copy of
 * the block is a copy of the ledger and every call may come with another pool of texts.
 * Threads and blocking: one thread at a time; nothing blocks, allocates or reads a clock.
 * Units: whole KRW; instants in ms of the caller's clock, which should not step back.
 */
#ifndef FAREBOX_PG_LEDGER_H
#define FAREBOX_PG_LEDGER_H

#include "gateway.h"
#include "ids.h"
#include "pg_fake_code.h"
#include "texts.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PG_LEDGER_KEY_MAX         300 /* characters of an idempotency key */
#define PG_LEDGER_BILLING_KEY_MAX 200 /* characters of a billing key */
#define PG_LEDGER_KEY_KEPT_MS     (INT64_C(15) * 24 * 3600 * 1000)
#define PG_LEDGER_AMOUNT_MIN      100 /* a card takes this or more */
#define PG_LEDGER_AMOUNT_MAX      1000000000
#define PG_LEDGER_ACCOUNTS        4
#define PG_LEDGER_PG_ID_SIZE      48 /* room for a paymentKey and its NUL */
#define PG_LEDGER_NEVER           INT64_MAX

/* A request that finds its table full is answered as an internal error, and nothing is done. */
struct pg_ledger_limits {
    uint32_t orders_max;
    uint32_t keys_max;    /* idempotency keys: a charge takes one, each cancel number another */
    uint32_t pending_max; /* late actions at one time */
};

enum pg_ledger_op {
    PG_LEDGER_CHARGE = 1,
    PG_LEDGER_LOOKUP,       /* by order id */
    PG_LEDGER_LOOKUP_PG_ID, /* by paymentKey */
    PG_LEDGER_CANCEL,
};

struct pg_ledger_request {
    uint64_t account; /* fingerprint of the caller's credentials */
    struct uuid order_id;
    int64_t amount_krw;     /* charge; cancel: -1 for all that is left */
    int64_t refundable_krw; /* cancel: the guard `refundableAmount`; -1: none */
    text_id key;            /* charge, cancel: Idempotency-Key; TEXT_NONE: unprotected */
    text_id billing_key;    /* charge: part of the URL, so part of what a key protects */
    text_id customer;       /* charge */
    text_id pg_id;          /* cancel, look-up by paymentKey */
    uint8_t op;             /* enum pg_ledger_op */
};

/* What the world does to one request inside the PG. All zero: nothing, it works. */
enum {
    PG_PLAN_NOT_DONE = 1 << 0,   /* `code` is answered and nothing is done */
    PG_PLAN_VISIBLE = 1 << 1,    /* late charge: answered, and looked up, as IN_PROGRESS */
    PG_PLAN_ABORTS = 1 << 2,     /* late charge: ends ABORTED instead of approved */
    PG_PLAN_NO_PG_ID = 1 << 3,   /* the answer has no paymentKey */
    PG_PLAN_NOT_KRW = 1 << 4,    /* charged in another currency */
    PG_PLAN_NO_CANCELS = 1 << 5, /* from now on every cancel of this order is refused for good */
    PG_PLAN_STALE = 1 << 6,      /* look-up: as it was before the order's last change */
    PG_PLAN_FIRST = 1 << 7,      /* with NOT_DONE: before what the ledger itself would refuse */
};

struct pg_ledger_plan {
    int64_t due_ms;         /* 0: done at once; else unanswered, and done at this instant */
    int64_t amount_krw;     /* charge: this is captured instead; 0: what was asked. NOT_DONE: a
                               number of the caller's that goes with the code; 0: none */
    int64_t outside_due_ms; /* charge done at once: when the merchant's operator cancels ... */
    int64_t outside_krw;    /* ... this much of it, outside Farebox; 0: never */
    uint8_t code;           /* enum pg_fake_code answered, done or not done; 0: the true answer */
    uint8_t flags;          /* PG_PLAN_... */
};

/* An order's money, and what was asked about it. Summed over all accounts that know the id. */
struct pg_ledger_totals {
    int64_t captured_krw;
    int64_t refunded_krw;         /* all of it, `refunded_outside_krw` included */
    int64_t refunded_outside_krw; /* by the merchant's operator, not by a request */
    uint32_t approvals;
    uint32_t charges_seen; /* requests that reached the order; 65,535 and more are one */
    uint32_t cancels_seen;
    uint32_t lookups_seen;
    uint32_t pending; /* late actions still to come */
    uint32_t not_krw; /* approvals in another currency */
};

/* No order: what functions answer that look for an order's index. */
#define PG_LEDGER_NO_ORDER UINT32_MAX

/* A late action that has been done. */
struct pg_ledger_landed {
    int64_t at_ms;
    int64_t refunded_krw; /* 0: none */
    uint32_t order;       /* its index, as pg_ledger_order_at() counts */
    uint8_t approved;
    uint8_t outside; /* the refund is the operator's */
};

struct pg_ledger_order_view {
    struct uuid order_id;
    uint64_t account;
    struct pg_ledger_totals totals;
    uint8_t status; /* enum pg_status; PG_STATUS_OTHER: asked for, but no payment exists */
    char pg_id[PG_LEDGER_PG_ID_SIZE];
};

struct pg_ledger;

/* Bytes that a ledger of these limits needs. Each limit is 1 to 16 million (an invariant). */
size_t pg_ledger_size(const struct pg_ledger_limits *limits);

/* Makes an empty ledger without accounts in `block` (8-byte aligned). Cannot fail. */
struct pg_ledger *pg_ledger_init(void *block, const struct pg_ledger_limits *limits);

/*
 * Makes credentials known (0 is none). Each account is a merchant of its own: it sees its own
 * orders only, so another account's order is NOT_FOUND_PAYMENT to it. False: no room.
 */
MUST_USE bool pg_ledger_account_add(struct pg_ledger *ledger, uint64_t account);
bool pg_ledger_knows_account(const struct pg_ledger *ledger, uint64_t account);

/*
 * Does what is due, then one request as `plan` (NULL: nothing goes wrong) says, and writes the
 * answer, its texts in `texts`. Unknown account: UNAUTHORIZED_KEY, nothing recorded. A key that
 * protects this request decides before the plan does: its first answer again, or
 * IDEMPOTENT_REQUEST_PROCESSING while the first request is late. An error's number (see the plan)
 * is told in `total_krw`. A pool without room makes the
 * answer PG_ANSWER_BROKEN; the ledger has acted all the same.
 */
void pg_ledger_execute(struct pg_ledger *ledger, struct texts *texts,
                       const struct pg_ledger_request *request, const struct pg_ledger_plan *plan,
                       int64_t now_ms, struct pg_answer *answer);

/* An error answer that does not come from the ledger: a proxy or a limiter in front of it. */
void pg_ledger_error_answer(struct texts *texts, enum pg_fake_code code, struct pg_answer *answer);

/* True where a key decides the request (see above): no plan has a say, nothing will change. */
bool pg_ledger_replays(const struct pg_ledger *ledger, const struct texts *texts,
                       const struct pg_ledger_request *request, int64_t now_ms);

/* The index of the order that the replayed answer is about, whatever the request names now;
 * PG_LEDGER_NO_ORDER: none, or no key decides the request. */
uint32_t pg_ledger_replay_order(const struct pg_ledger *ledger, const struct texts *texts,
                                const struct pg_ledger_request *request, int64_t now_ms);

/* True where the request would change more than counters: what a durable ledger must log. */
bool pg_ledger_writes(const struct pg_ledger *ledger, const struct texts *texts,
                      const struct pg_ledger_request *request, int64_t now_ms);

/* Does every late action that is due, in order of (due, when it was asked for). */
void pg_ledger_advance(struct pg_ledger *ledger, int64_t now_ms);

/* Does the first late action that is due and tells what came of it; false: none is due. */
MUST_USE bool pg_ledger_land(struct pg_ledger *ledger, int64_t now_ms,
                             struct pg_ledger_landed *landed);

/* When the next late action is due; PG_LEDGER_NEVER: none. */
int64_t pg_ledger_next_due(const struct pg_ledger *ledger);

/* True where another late action has room. */
bool pg_ledger_has_pending_room(const struct pg_ledger *ledger);

/* When the payment that a look-up of this account would find changed last; PG_LEDGER_NEVER: there
 * is none. */
int64_t pg_ledger_changed_at(const struct pg_ledger *ledger, const struct texts *texts,
                             const struct pg_ledger_request *request);

/* What the PG has left of the payment that a cancel or look-up names; -1: there is none. */
int64_t pg_ledger_balance(const struct pg_ledger *ledger, const struct texts *texts,
                          const struct pg_ledger_request *request);

/* For auditors: all zero where no account has seen the order. */
struct pg_ledger_totals pg_ledger_totals(const struct pg_ledger *ledger,
                                         const struct uuid *order_id);

/* The index of the order that the request names to its account; PG_LEDGER_NO_ORDER: none. */
uint32_t pg_ledger_order_index(const struct pg_ledger *ledger, const struct texts *texts,
                               const struct pg_ledger_request *request);

/* Iterates the orders in the order in which they came; `index` is below the count. */
uint32_t pg_ledger_order_count(const struct pg_ledger *ledger);
void pg_ledger_order_at(const struct pg_ledger *ledger, uint32_t index,
                        struct pg_ledger_order_view *view);

/* Requests that were turned away because a table was full. A simulator should see 0. */
uint32_t pg_ledger_overflows(const struct pg_ledger *ledger);

/* The protocol's name of a status; "NONE" for PG_STATUS_OTHER. */
const char *pg_ledger_status_name(enum pg_status status);

#endif
