/*
 * fakepg_records.h - what the protocol shows and the ledger need not know: names, reasons, dates,
 * the list of transactions, billing keys.
 *
 * The ledger (pg_ledger.h) is the one judge of money, keys and replays. A row here goes with an
 * order there, by the order's index. The same inputs in the same order make the same rows, so the
 * journal rebuilds both.
 *
 * Ownership: the records own their rows and texts. Threads: one at a time; nothing blocks. Memory
 * that runs out ends the process: a PG that forgets a payment's name is of no use in a test.
 */
#ifndef FAREBOX_FAKEPG_RECORDS_H
#define FAREBOX_FAKEPG_RECORDS_H

#include "fakepg_index.h"
#include "fakepg_input.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fakepg_cancel {
    int64_t amount_krw;
    int64_t at_ms;
    char *reason;
    bool outside; /* by the merchant's operator */
};

/* One order of the ledger. Texts are never NULL. */
struct fakepg_order {
    char *order_id;
    char *order_name;
    char *customer_key;
    char *late_reason; /* of a cancel that is still to come */
    uint64_t account;
    uint64_t card; /* which card paid: a hash of the billing key */
    int64_t tax_free_krw;
    int64_t requested_ms;
    int64_t approved_ms; /* 0: not approved */
    int64_t total_krw;   /* captured; 0: not approved */
    struct fakepg_cancel *cancels;
    uint32_t cancel_count;
};

/* A line of GET /v1/transactions. Number 0 is the payment, n its n-th cancel. */
struct fakepg_transaction {
    uint32_t order;
    uint32_t number;
    int64_t at_ms;
};

struct fakepg_billing_key {
    char *billing_key;
    char *customer_key;
    uint64_t account;
    int64_t issued_ms;
    bool is_removed;
};

/* The answer to a POST that issues a billing key, kept under its Idempotency-Key. */
struct fakepg_memo {
    int64_t first_ms;
    uint32_t billing; /* row; FAKEPG_NO_ROW: refused */
    uint8_t code;     /* enum pg_fake_code; 0: issued */
    uint8_t detail;   /* enum fakepg_detail */
};

struct fakepg_records {
    struct fakepg_order *orders;
    uint32_t order_count;
    uint32_t orders_room;
    struct fakepg_transaction *transactions;
    uint32_t transaction_count;
    uint32_t transactions_room;
    struct fakepg_billing_key *billing;
    uint32_t billing_count;
    uint32_t billing_room;
    struct fakepg_memo *memos;
    uint32_t memo_count;
    uint32_t memos_room;
    struct fakepg_index transaction_index;
    struct fakepg_index billing_index;
    struct fakepg_index memo_index;
};

/* Frees everything; the records are empty again. */
void fakepg_records_clear(struct fakepg_records *records);

/* The row of an order, made where it is new; `order_id` is the text that a new row gets. */
struct fakepg_order *fakepg_records_order(struct fakepg_records *records, uint32_t index,
                                          uint64_t account, const char *order_id);

/* A payment was asked for: its texts, from now on. */
void fakepg_records_requested(struct fakepg_records *records, uint32_t index,
                              const struct fakepg_input *input);

/* It was approved, or part of it was cancelled, at this instant. */
void fakepg_records_approved(struct fakepg_records *records, uint32_t index, int64_t total_krw,
                             int64_t at_ms);
void fakepg_records_cancelled(struct fakepg_records *records, uint32_t index, int64_t amount_krw,
                              int64_t at_ms, const char *reason, bool outside);

/* Keeps the reason of a cancel that will be done later. */
void fakepg_records_cancel_later(struct fakepg_records *records, uint32_t index,
                                 const char *reason);

/* 32 characters and the NUL. */
#define FAKEPG_TRANSACTION_KEY_SIZE 33

/* The key of the n-th transaction of an order; 0: the payment. */
void fakepg_transaction_key(const struct fakepg_order *order, uint32_t number,
                            char text[FAKEPG_TRANSACTION_KEY_SIZE]);

/* The place of a transaction in the list; FAKEPG_NO_ROW: no such key. */
uint32_t fakepg_records_find_transaction(const struct fakepg_records *records, const char *key);

/* FAKEPG_NO_ROW: this account was never issued that key. */
uint32_t fakepg_records_find_billing(const struct fakepg_records *records, uint64_t account,
                                     const char *billing_key);

/* Issues a key; returns its row. */
uint32_t fakepg_records_issue(struct fakepg_records *records, const struct fakepg_input *input);

/* What was answered under this hash of an Idempotency-Key in the last 15 days; NULL: nothing. */
const struct fakepg_memo *fakepg_records_memo(const struct fakepg_records *records, uint64_t hash,
                                              int64_t now_ms);
void fakepg_records_remember(struct fakepg_records *records, uint64_t hash,
                             const struct fakepg_memo *memo);

#endif
