/*
 * gateway.h - what the payment gateway and the upstreams are asked, and how they answer.
 *
 * Values only. adapters/pg_http and fakes/ turn calls into requests and bytes into answers; core
 * judges. Codes are judged by the closed list in pg_code.h, never by an HTTP status. Source:
 * CONTRACTS 5 and 6.
 */
#ifndef FAREBOX_GATEWAY_H
#define FAREBOX_GATEWAY_H

#include "ids.h"
#include "texts.h"

#include <stdbool.h>
#include <stdint.h>

/* Status of a Payment object at the PG. PG_STATUS_OTHER: a text that the protocol doesn't list. */
enum pg_status {
    PG_STATUS_OTHER = 0,
    PG_READY,
    PG_IN_PROGRESS,
    PG_WAITING_FOR_DEPOSIT,
    PG_DONE,
    PG_CANCELED,
    PG_PARTIAL_CANCELED,
    PG_ABORTED,
    PG_EXPIRED,
};

enum pg_answer_kind {
    PG_ANSWER_NOT_SENT = 1, /* proof that no byte of the request left (refused connection) */
    PG_ANSWER_TIMEOUT,      /* sent, or perhaps sent; no answer */
    PG_ANSWER_BROKEN,       /* an answer that isn't the protocol's: broken or foreign body */
    PG_ANSWER_ERROR,        /* {"code","message"}: `code`, `code_class` */
    PG_ANSWER_PAYMENT,      /* a Payment object */
};

/* The class of an error code: contracts/toss-codes.tsv, compiled into pg_code.c. */
enum pg_code_class {
    PG_CODE_UNKNOWN = 0,       /* also every code outside the list: look up */
    PG_CODE_DECLINED,          /* proof that nothing was charged */
    PG_CODE_RETRY,             /* no verdict, ask again later: TOO_MANY_REQUESTS,
                                  IDEMPOTENT_REQUEST_PROCESSING */
    PG_CODE_REQUEST,           /* unknown; alert; the breaker does not count it */
    PG_CODE_CREDENTIALS,       /* opens the breaker at once, alert */
    PG_CODE_CANCELLED_ALREADY, /* read the balance */
    PG_CODE_CANCEL_REFUSED,    /* read the balance, then hand to an operator */
    PG_CODE_NOT_FOUND,         /* absent: NOT_FOUND_PAYMENT only */
};

struct pg_answer {
    uint8_t kind;          /* enum pg_answer_kind */
    uint8_t code_class;    /* enum pg_code_class, of PG_ANSWER_ERROR */
    uint8_t status;        /* enum pg_status, of PG_ANSWER_PAYMENT */
    uint8_t order_matches; /* the object's orderId is the one that was asked */
    uint8_t currency_krw;
    text_id pg_id;       /* paymentKey; TEXT_NONE where missing */
    text_id code;        /* the error code, for people */
    int64_t total_krw;   /* totalAmount; -1 where missing */
    int64_t balance_krw; /* balanceAmount; -1 where missing */
};

enum upstream { UPSTREAM_PRICING, UPSTREAM_USERS, UPSTREAM_COUNT };

enum upstream_answer_kind {
    UPSTREAM_OK = 1,
    UPSTREAM_NOT_FOUND, /* 404: from users final (no user, no payment method) */
    UPSTREAM_REFUSED,   /* another 4xx than 404 and 429, or an invalid fare: for good */
    UPSTREAM_TROUBLE,   /* no connection, timeout, 5xx, 429, broken body: try again */
};

struct upstream_answer {
    uint8_t kind;        /* enum upstream_answer_kind */
    int64_t fare_krw;    /* pricing */
    text_id method_id;   /* users: paymentMethodId; the empty text with NOT_FOUND */
    text_id billing_key; /* users: secret, never logged */
};

#endif
