/*
 * pg_answer_codec.h - the PG's answer, from status and body to what core judges.
 *
 * A Payment object counts only with status 200, an error code only with 4xx or 5xx; the code's
 * meaning is its class in the closed list (core/pg_code.h), never the status'. Everything else,
 * whatever its bytes, is PG_ANSWER_BROKEN: no verdict.
 *
 * Pure: nothing is kept, nothing is logged. Any thread.
 */
#ifndef FAREBOX_PG_ANSWER_CODEC_H
#define FAREBOX_PG_ANSWER_CODEC_H

#include "gateway.h"
#include "ids.h"
#include "store.h"

#include <stddef.h>

#define PG_ACCOUNT_MAX 64 /* bytes of a merchant's id (mId) */

/* The texts of an answer; "" is none. Not secret. */
struct pg_answer_texts {
    char pg_id[STORE_ID_MAX + 1];
    char code[STORE_CODE_MAX + 1];
    char account[PG_ACCOUNT_MAX + 1]; /* mId of a Payment object */
};

/*
 * Decodes any bytes. A Payment object needs orderId, status, currency, totalAmount and
 * balanceAmount, the amounts whole and not negative; a paymentKey may be missing. A code is 1 to
 * 100 upper-case letters, digits and underscores: it is shown to people. The handles in `answer`
 * are 0; its texts are in `texts`.
 */
void pg_answer_decode(int http_status, const char *body, size_t len, const struct uuid *order_id,
                      struct pg_answer *answer, struct pg_answer_texts *texts);

#endif
