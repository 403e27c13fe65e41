/*
 * pg_ledger_state.h - the ledger's memory: private to pg_ledger*.c.
 *
 * One block: this header, then orders, keys, pending actions and the two hash indexes. References
 * are slot numbers + 1, so that 0 means none and a zeroed block is an empty ledger. No structure
 * has hidden padding: equal histories give equal bytes.
 */
#ifndef FAREBOX_PG_LEDGER_STATE_H
#define FAREBOX_PG_LEDGER_STATE_H

#include "pg_ledger.h"

typedef uint32_t slot; /* number + 1; 0: none */

enum { ORDER_NOT_KRW = 1 << 0, ORDER_NO_CANCELS = 1 << 1 };

struct ledger_order {
    struct uuid id;
    int64_t changed_ms;
    int32_t asked_krw;
    int32_t captured_krw;
    int32_t refunded_krw;
    int32_t outside_krw;
    int32_t before_refunded_krw; /* as it was before the last change, for stale look-ups */
    slot next;                   /* in the bucket */
    uint16_t charges;
    uint16_t cancels;
    uint16_t lookups;
    uint8_t approvals;
    uint8_t account; /* index in accounts */
    uint8_t status;  /* enum pg_status; 0: no payment */
    uint8_t before_status;
    uint8_t flags;
    uint8_t reserved[5];
};
_Static_assert(sizeof(struct ledger_order) == 64, "one cache line, no padding");

enum { KEY_OPEN = 1 << 0, KEY_NO_PG_ID = 1 << 1, KEY_NOT_KRW = 1 << 2 };

/* An idempotency key with its first answer. KEY_OPEN: the first request is still being done. */
struct ledger_key {
    uint64_t hash; /* of account, operation, URL and key */
    int64_t first_ms;
    int32_t total_krw;
    int32_t balance_krw;
    slot order;
    slot next;    /* in the bucket, or in the free list */
    uint8_t kind; /* enum pg_answer_kind */
    uint8_t code; /* enum pg_fake_code */
    uint8_t status;
    uint8_t flags;
    uint8_t reserved[4];
};
_Static_assert(sizeof(struct ledger_key) == 40, "no padding");

enum pending_kind { PENDING_CHARGE = 1, PENDING_ABORT, PENDING_CANCEL, PENDING_OUTSIDE };

struct ledger_pending {
    int64_t due_ms;
    uint32_t sequence;
    slot order; /* 0: a cancel of a payment that does not exist */
    slot key;   /* gets the answer when it is done; 0: none */
    int32_t amount_krw;
    int32_t refundable_krw;
    uint8_t kind;
    uint8_t not_krw;
    uint8_t reserved[2];
};
_Static_assert(sizeof(struct ledger_pending) == 32, "no padding");

struct pg_ledger {
    uint64_t accounts[PG_LEDGER_ACCOUNTS];
    struct pg_ledger_limits limits;
    uint32_t order_buckets; /* powers of two */
    uint32_t key_buckets;
    uint32_t order_count;
    uint32_t key_count; /* slots ever used */
    slot key_free;
    uint32_t pending_count;
    uint32_t sequence;
    uint32_t overflows;
    uint32_t reserved;
};
_Static_assert(sizeof(struct pg_ledger) == 80, "no padding");

/* What the ledger answers, before texts are made of it. */
struct ledger_reply {
    slot order;
    int32_t total_krw;
    int32_t balance_krw;
    uint8_t kind;
    uint8_t code;
    uint8_t status;
    uint8_t flags; /* KEY_NO_PG_ID, KEY_NOT_KRW */
};

/* The row of a slot or place that is in use. */
struct ledger_order *ledger_order(const struct pg_ledger *ledger, slot order);
struct ledger_key *ledger_key(const struct pg_ledger *ledger, slot key);
struct ledger_pending *ledger_pending_at(const struct pg_ledger *ledger, uint32_t index);

/* Index of the account; PG_LEDGER_ACCOUNTS: unknown. */
uint8_t ledger_account(const struct pg_ledger *ledger, uint64_t account);

/* 0: this account has no such order. */
slot ledger_order_find(const struct pg_ledger *ledger, const struct uuid *id, uint8_t account);
/* 0: no room. */
slot ledger_order_add(struct pg_ledger *ledger, const struct uuid *id, uint8_t account);
/* The order that a paymentKey names to this account, if it has a payment. */
slot ledger_order_by_pg_id(const struct pg_ledger *ledger, const struct texts *texts, text_id pg_id,
                           uint8_t account);
void ledger_pg_id(const struct ledger_order *order, char text[PG_LEDGER_PG_ID_SIZE]);

/* The order that a request names to this account, whether or not it has a payment. */
slot ledger_order_named(const struct pg_ledger *ledger, const struct texts *texts,
                        const struct pg_ledger_request *request, uint8_t account);

/* Of idempotency key, URL and account: what the PG replays by. */
uint64_t ledger_key_hash(const struct texts *texts, const struct pg_ledger_request *request);
/* 0: unknown, or kept long enough. */
slot ledger_key_find(const struct pg_ledger *ledger, uint64_t hash, int64_t now_ms);
/* 0: no room, even after dropping what was kept long enough. */
slot ledger_key_add(struct pg_ledger *ledger, uint64_t hash, int64_t now_ms);
bool ledger_key_has_room(const struct pg_ledger *ledger, int64_t now_ms);

/* The caller has checked that there is room. */
struct ledger_pending *ledger_pending_add(struct pg_ledger *ledger, int64_t due_ms);
void ledger_pending_remove(struct pg_ledger *ledger, uint32_t index);
/* Index of the next one to do; pending_count: none. */
uint32_t ledger_pending_first(const struct pg_ledger *ledger);

/* The order may be 0. */
struct ledger_reply ledger_reply_error(slot order, uint8_t code);
/* The payment of an order as it is, or as it was before its last change; NOT_FOUND_PAYMENT. */
struct ledger_reply ledger_reply_payment(const struct pg_ledger *ledger, slot number, bool stale);

/* Do the request as the plan says and record the answer under `key` (0: none). */
struct ledger_reply ledger_charge(struct pg_ledger *ledger, const struct texts *texts,
                                  const struct pg_ledger_request *request,
                                  const struct pg_ledger_plan *plan, slot number, slot key,
                                  int64_t now_ms);
struct ledger_reply ledger_cancel(struct pg_ledger *ledger, const struct pg_ledger_request *request,
                                  const struct pg_ledger_plan *plan, slot number, slot key,
                                  int64_t now_ms);

#endif
