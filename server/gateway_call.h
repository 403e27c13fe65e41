/*
 * gateway_call.h - one call to the PG, pricing or users, with everything it needs by value.
 *
 * The engine thread fills it in from the engine's state (texts are copied: the engine's pool is
 * its own), the gateway answers it and posts it to the inbox as MESSAGE_CALL.
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
#include "trip_codec.h"

enum gateway_op {
    GATEWAY_FARE = 1,
    GATEWAY_PAYER,
    GATEWAY_CHARGE,
    GATEWAY_LOOKUP,
    GATEWAY_CANCEL,
    GATEWAY_PROBE,
};

struct gateway_call {
    struct message message;
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
    char trip_id[STORE_ID_MAX + 1];
    char user_id[STORE_ID_MAX + 1];
    char billing_key[STORE_ID_MAX + 1];
    char traceparent[STORE_TRACEPARENT_MAX + 1]; /* of the trip; "": none */
    char ended_at[TRIP_ENDED_AT_SIZE];           /* FARE */
    char pg_id[STORE_ID_MAX + 1]; /* LOOKUP: ""; by order id. CANCEL: what is cancelled */
    /* Answer: its handles are 0, its texts are here; "" is none. */
    struct pg_answer pg;
    struct upstream_answer upstream;
    char answer_pg_id[STORE_ID_MAX + 1];
    char answer_code[STORE_CODE_MAX + 1];
    char answer_method_id[STORE_ID_MAX + 1];
    char answer_billing_key[STORE_ID_MAX + 1];
    bool has_method_id; /* "" is a method id too */
    /* The HTTP gateway's. */
    struct pg_http_call http;
    /* The fake's: when the answer is posted, and the list of those that wait. */
    int64_t due_ms;
    struct gateway_call *earlier;
    struct gateway_call *later;
};

/* Wipes the secrets in a call, and frees it. */
void gateway_call_free(struct gateway_call *call);

#endif
