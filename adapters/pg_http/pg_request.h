/*
 * pg_request.h - one call to the PG, pricing or users as the parts of an HTTP request.
 *
 * Pure: no libcurl, no allocation that outlives a call, no clock. Source: CONTRACTS 5 and 6.
 *
 * Secrets: the target of a charge holds the billing key. Never log a target; wipe a request after
 * its use.
 */
#ifndef FAREBOX_PG_REQUEST_H
#define FAREBOX_PG_REQUEST_H

#include "ids.h"
#include "invariant.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum pg_request_op {
    PG_REQUEST_FARE = 1,
    PG_REQUEST_PAYER,
    PG_REQUEST_CHARGE,
    PG_REQUEST_LOOKUP,
    PG_REQUEST_CANCEL,
};

/* What is asked. Texts are the caller's; "" is none, NULL is not allowed. */
struct pg_request_call {
    uint8_t op;             /* enum pg_request_op */
    uint16_t cancel_no;     /* CANCEL: n of the idempotency key */
    int32_t amount_krw;     /* CHARGE */
    struct uuid payment_id; /* CHARGE, LOOKUP, CANCEL: the order id */
    int64_t distance_meters;
    int64_t duration_seconds;
    const char *trip_id;     /* FARE, CHARGE (for the order's name) */
    const char *user_id;     /* PAYER, CHARGE */
    const char *billing_key; /* CHARGE */
    const char *pg_id;       /* LOOKUP: "": by order id; CANCEL */
    const char *ended_at;    /* FARE: local date-time */
};

/* Limits of CONTRACTS 6, in characters. */
#define PG_REQUEST_CUSTOMER_KEY_MIN 2
#define PG_REQUEST_CUSTOMER_KEY_MAX 300
#define PG_REQUEST_ORDER_NAME_MAX   100
#define PG_REQUEST_BILLING_KEY_MAX  200

/* Templates: text in which {userId}, or {tripId}, is replaced once. */
struct pg_request_texts {
    const char *customer_key; /* "{userId}": the user id as it is */
    const char *order_name;   /* UTF-8; the trip id is cut so that the name is not too long */
};

#define PG_REQUEST_TARGET_SIZE 1280
#define PG_REQUEST_BODY_SIZE   2560
#define PG_REQUEST_KEY_SIZE    64

struct pg_request {
    bool is_post;
    size_t body_len;
    char target[PG_REQUEST_TARGET_SIZE]; /* path and query, percent-encoded */
    char body[PG_REQUEST_BODY_SIZE];
    char key[PG_REQUEST_KEY_SIZE]; /* Idempotency-Key; "": none */
};

/* True where the customerKey of this user has a length that the PG takes. */
bool pg_request_customer_fits(const struct pg_request_texts *texts, const char *user_id);

/*
 * Renders the call. A charge's key is the payment id for ever; a cancel's is that, ":cancel:" and
 * the number. False: a text is longer than the limits above or is not UTF-8, or there is no
 * memory; `request` then holds nothing of use.
 */
MUST_USE bool pg_request_render(const struct pg_request_call *call,
                                const struct pg_request_texts *texts, struct pg_request *request);

#endif
