/*
 * upstream_codec.h - the answers of pricing and users, from status and body to what core judges.
 *
 *   200          OK, or what its body makes of it, see below
 *   404          NOT_FOUND
 *   other 4xx    REFUSED, for good; but 429: TROUBLE
 *   all else     TROUBLE: tried again, and never a dead letter in an outage
 *
 * Pure: nothing is kept, nothing is logged. Any thread. Source: CONTRACTS 5.
 */
#ifndef FAREBOX_UPSTREAM_CODEC_H
#define FAREBOX_UPSTREAM_CODEC_H

#include "gateway.h"
#include "store.h"

#include <stddef.h>

/*
 * {"fare":12345}: a number without fraction and exponent. Another number (1.5, 1e3, -1, more than
 * 64 bits hold) is an invalid fare: REFUSED. No number at all ("12", null, missing) and a body
 * that is broken (no JSON object, a member twice) is TROUBLE: it may be whole the next time.
 */
void upstream_decode_fare(int http_status, const char *body, size_t len,
                          struct upstream_answer *answer);

/* The texts of a payer; the billing key is a secret. */
struct upstream_texts {
    bool has_method_id; /* "" is a method id too, that of NOT_FOUND */
    char method_id[STORE_ID_MAX + 1];
    char billing_key[STORE_ID_MAX + 1];
};

/*
 * The payer of `user_id`. OK needs the same userId, a paymentMethodId of 1 to 255 characters and a
 * billingKey of 1 to 200, all printable ASCII; ids may be whole numbers. Without them TROUBLE. The
 * handles in `answer` are 0.
 */
void upstream_decode_payer(int http_status, const char *body, size_t len, const char *user_id,
                           struct upstream_answer *answer, struct upstream_texts *texts);

#endif
