/*
 * fakepg_json.h - the protocol's objects: Payment, transaction, settlement, billing, as version
 * 2022-11-16 has them.
 *
 * Each object is a function of the order's row and of what the ledger answered, so a replay gives
 * the same bytes again, also after a restart. The caller owns what is returned.
 */
#ifndef FAREBOX_FAKEPG_JSON_H
#define FAREBOX_FAKEPG_JSON_H

#include "fakepg.h"

#include <jansson.h>

/* The Payment object that an answer of kind PG_ANSWER_PAYMENT tells. `texts`: of the answer. */
json_t *fakepg_json_payment(const struct fakepg *fakepg, const struct fakepg_order *order,
                            const struct pg_answer *answer);

/* One line of GET /v1/transactions. */
json_t *fakepg_json_transaction(const struct fakepg *fakepg,
                                const struct fakepg_transaction *transaction);

/* One line of GET /v1/settlements. */
json_t *fakepg_json_settlement(const struct fakepg *fakepg,
                               const struct fakepg_transaction *transaction);

/* The Billing object. */
json_t *fakepg_json_billing(const struct fakepg *fakepg, const struct fakepg_billing_key *key);

/* Levels of a body that are read: the parser calls itself for each, and stacks are small here. */
#define FAKEPG_JSON_DEPTH 32

/* Reads a body. NULL: not JSON, or nested deeper. */
json_t *fakepg_json_read(const char *body, size_t len, size_t flags);

/* {"code","message"} */
json_t *fakepg_json_error(const char *code, enum fakepg_detail detail);

/* When the money of a transaction is paid out: two days later. */
#define FAKEPG_PAYOUT_MS (INT64_C(2) * 24 * 3600 * 1000)

#endif
