/*
 * gateway_call.h - one call to the PG, pricing or users, with everything it needs by value.
 *
 * The engine thread makes it from the engine's state (texts are copied: the engine's pool is its
 * own), the gateway answers it and posts it to the inbox as MESSAGE_CALL. Many may be in flight, so
 * a call takes no more memory than its texts need, and an answer's texts come with the answer.
 *
 * Ownership: from the heap; the gateway's from gateway_ops.call until it is posted, then the
 * engine thread's, which frees it. Billing keys are secrets: never logged, wiped before freed.
 */
#ifndef FAREBOX_GATEWAY_CALL_H
#define FAREBOX_GATEWAY_CALL_H

#include "gateway.h"
#include "inbox.h"
#include "pg_http.h"
#include "store.h"

enum gateway_op {
    GATEWAY_FARE = 1,
    GATEWAY_PAYER,
    GATEWAY_CHARGE,
    GATEWAY_LOOKUP,
    GATEWAY_CANCEL,
    GATEWAY_PROBE,
};

/* The texts of an answer; "" is none. */
struct gateway_answer_texts {
    bool has_method_id; /* "" is a method id too */
    char pg_id[STORE_ID_MAX + 1];
    char code[STORE_CODE_MAX + 1];
    char method_id[STORE_ID_MAX + 1];
    char billing_key[STORE_ID_MAX + 1];
};

struct gateway_call {
    struct message message;
    uint32_t size; /* of the call with its texts */
    /* Request. */
    uint8_t op; /* enum gateway_op */
    uint16_t call_no;
    uint32_t slot;
    int64_t send_by_ms; /* CHARGE: by CLOCK_BOOTTIME; later no byte may leave */
    int64_t distance_meters;
    int64_t duration_seconds;
    struct uuid payment_id;
    int32_t amount_krw;
    uint16_t cancel_no;
    const char *trip_id; /* texts are in the call's memory; "" is none */
    const char *user_id;
    const char *billing_key; /* CHARGE */
    const char *pg_id;       /* LOOKUP: "": by order id. CANCEL: what is cancelled */
    const char *traceparent; /* of the trip */
    const char *ended_at;    /* FARE */
    /* Answer: its handles are 0, its texts are in `texts`, from the heap; NULL: it has none. */
    struct pg_answer pg;
    struct upstream_answer upstream;
    struct gateway_answer_texts *texts;
    /* The HTTP gateway's. */
    struct pg_http_call http;
    /* The fake's: when the answer is posted, the list of those that wait, and the group of calls in
     * which the PG answered; 0: it was not asked. */
    int64_t due_ms;
    uint64_t group;
    struct gateway_call *earlier;
    struct gateway_call *later;
};

/* A copy of `asked`, request and texts (NULL stands for ""), from the heap; or the process ends. */
struct gateway_call *gateway_call_new(const struct gateway_call *asked);

/* Room for the answer's texts, all "". */
struct gateway_answer_texts *gateway_call_texts(struct gateway_call *call);

/* The answer has no texts any more; they are wiped. */
void gateway_call_forget(struct gateway_call *call);

/* Wipes the secrets in a call and its answer, and frees it. */
void gateway_call_free(struct gateway_call *call);

#endif
