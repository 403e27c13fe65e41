/*
 * fakepg_call.h - one HTTP request on its way through the fake PG, and its answer.
 *
 * Ownership: the answer owns its JSON; fakepg_server.c sends and frees it. Threads: a call is one
 * thread's. Endpoints lock the fake themselves, for as short as they can.
 */
#ifndef FAREBOX_FAKEPG_CALL_H
#define FAREBOX_FAKEPG_CALL_H

#include "fakepg.h"
#include "web_server.h"

#include <jansson.h>

#define FAKEPG_KEY_SIZE  512  /* of a key's text: more than the longest that is allowed */
#define FAKEPG_TEXT_SIZE 2048 /* of any other text */

struct fakepg_answer {
    int status;
    json_t *json; /* NULL: an empty body */
    int64_t delay_ms;
    uint8_t wire; /* enum fakepg_wire */
};

struct fakepg_call {
    struct fakepg *fakepg;
    const struct web_request *request;
    struct fakepg_merchant *merchant; /* whose credentials came */
    enum pg_fake_code test_code;      /* of TossPayments-Test-Code; PG_FAKE_NO_CODE: none */
    json_t *body;                     /* NULL: none, or no JSON object */
    char name[FAKEPG_KEY_SIZE];       /* the path's variable part, decoded */
    struct fakepg_answer answer;
};

/* Answers with an error of the protocol. */
void fakepg_call_refuse(struct fakepg_call *call, const char *code, enum fakepg_detail detail);

/* Endpoints; each fills the answer. */
void fakepg_charge(struct fakepg_call *call);
void fakepg_look_up_order(struct fakepg_call *call);
void fakepg_look_up_payment(struct fakepg_call *call);
void fakepg_cancel(struct fakepg_call *call);
void fakepg_issue_by_auth(struct fakepg_call *call);
void fakepg_issue_by_card(struct fakepg_call *call);
void fakepg_issue_by_path(struct fakepg_call *call);
void fakepg_remove_billing(struct fakepg_call *call);
void fakepg_transactions(struct fakepg_call *call);
void fakepg_settlements(struct fakepg_call *call);
void fakepg_pricing(struct fakepg_call *call);
void fakepg_users(struct fakepg_call *call);

#endif
