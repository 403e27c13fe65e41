/*
 * fakepg_input.h - one thing that changes the fake PG: what was asked, what was decided, when.
 *
 * The journal keeps these; doing them again in order makes the same state. Plain values; the texts
 * belong to whoever made the input and are never NULL ("" where there is none).
 */
#ifndef FAREBOX_FAKEPG_INPUT_H
#define FAREBOX_FAKEPG_INPUT_H

#include "pg_ledger.h"

#include <stdint.h>

enum fakepg_kind {
    FAKEPG_KIND_CHARGE = 1,
    FAKEPG_KIND_CANCEL,
    FAKEPG_KIND_ISSUE,  /* a billing key, or a refusal that an Idempotency-Key replays */
    FAKEPG_KIND_REMOVE, /* a billing key */
};

struct fakepg_input {
    uint8_t kind;   /* enum fakepg_kind */
    uint8_t code;   /* ISSUE: enum pg_fake_code of the refusal; 0: none */
    uint8_t detail; /* ISSUE: enum fakepg_detail */
    int64_t at_ms;
    uint64_t account;
    int64_t amount_krw;     /* CHARGE; CANCEL: -1 for all that is left */
    int64_t refundable_krw; /* CANCEL: -1 none */
    int64_t tax_free_krw;
    const char *url; /* ISSUE: part of what an Idempotency-Key protects */
    const char *idempotency_key;
    const char *order_id;
    const char *order_name;
    const char *customer_key;
    const char *billing_key;
    const char *payment_key;
    const char *cancel_reason;
    struct pg_ledger_plan plan; /* CHARGE, CANCEL */
};

/* An input without texts, of this kind. */
static inline struct fakepg_input fakepg_input_empty(enum fakepg_kind kind)
{
    return (struct fakepg_input){.kind = (uint8_t)kind,
                                 .amount_krw = -1,
                                 .refundable_krw = -1,
                                 .url = "",
                                 .idempotency_key = "",
                                 .order_id = "",
                                 .order_name = "",
                                 .customer_key = "",
                                 .billing_key = "",
                                 .payment_key = "",
                                 .cancel_reason = ""};
}

#endif
