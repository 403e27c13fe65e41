/* fakepg_payments.c - the endpoints of payments: charge, look-up, cancel. */
#include "fakepg_call.h"
#include "fakepg_json.h"

#include <stdio.h>
#include <string.h>

#define ORDER_NAME_MAX    100
#define CANCEL_REASON_MAX 200
#define CUSTOMER_KEY_MAX  1000 /* of what is kept of one that is too long */

/* What is wrong with a request, so far nothing. */
struct fault {
    enum pg_fake_code code;
    enum fakepg_detail detail;
};

static void blame(struct fault *fault, enum pg_fake_code code, enum fakepg_detail detail)
{
    if (fault->code == PG_FAKE_NO_CODE) {
        *fault = (struct fault){code, detail};
    }
}

void fakepg_call_refuse(struct fakepg_call *call, const char *code, enum fakepg_detail detail)
{
    json_decref(call->answer.json);
    call->answer.status = fakepg_code_status(code);
    call->answer.json = fakepg_json_error(code, detail);
}

/* Printable ASCII: what a header or a key of ours holds. */
static bool is_plain(const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text < ' ' || *text > '~') {
            return false;
        }
    }
    return true;
}

/* The header, cut where it is longer than allowed by far. */
static void idempotency_key(const struct fakepg_call *call, char key[FAKEPG_KEY_SIZE],
                            struct fault *fault)
{
    const char *header = web_request_header(call->request, "Idempotency-Key");
    key[0] = '\0';
    if (header == NULL) {
        return;
    }
    if (!is_plain(header)) {
        blame(fault, PG_FAKE_INVALID_IDEMPOTENCY_KEY, FAKEPG_DETAIL_NONE);
        return;
    }
    (void)snprintf(key, FAKEPG_KEY_SIZE, "%s", header);
}

/* A text member, "" where there is none. */
static const char *text_member(const struct fakepg_call *call, const char *name)
{
    const char *text = json_string_value(json_object_get(call->body, name));
    return text != NULL ? text : "";
}

/* An optional whole number of 0 or more. */
static int64_t number_member(const struct fakepg_call *call, const char *name, int64_t absent,
                             enum fakepg_detail detail, struct fault *fault)
{
    const json_t *member = json_object_get(call->body, name);
    if (member == NULL || json_is_null(member)) {
        return absent;
    }
    double real = json_number_value(member);
    if (!json_is_number(member) || real < 0 || real > 1e15 || real != (double)(int64_t)real) {
        blame(fault, PG_FAKE_INVALID_REQUEST, detail);
        return absent;
    }
    return (int64_t)real;
}

static void check_body(const struct fakepg_call *call, struct fault *fault)
{
    const char *type = web_request_header(call->request, "Content-Type");
    if (type == NULL || strncmp(type, "application/json", 16) != 0) {
        blame(fault, PG_FAKE_INVALID_REQUEST, FAKEPG_DETAIL_CONTENT_TYPE);
    } else if (call->body == NULL) {
        blame(fault, PG_FAKE_INVALID_REQUEST, FAKEPG_DETAIL_BODY);
    }
}

/* The payment as it is: what is broken on its way must have been something. */
static json_t *payment_now(const struct fakepg *fakepg, uint32_t order)
{
    struct pg_ledger_order_view view = {0};
    if (order != PG_LEDGER_NO_ORDER) {
        pg_ledger_order_at(pg_fake_ledger_view(fakepg->pg), order, &view);
    }
    if (view.status == PG_STATUS_OTHER) {
        return fakepg_json_error("NOT_FOUND_PAYMENT", FAKEPG_DETAIL_NONE);
    }
    const struct pg_answer answer = {
        .kind = PG_ANSWER_PAYMENT,
        .status = view.status,
        .order_matches = 1,
        .currency_krw = view.totals.not_krw == 0,
        .pg_id = texts_intern_string(fakepg->texts, view.pg_id),
        .total_krw = view.totals.captured_krw,
        .balance_krw = view.totals.captured_krw - view.totals.refunded_krw,
    };
    return fakepg_json_payment(fakepg, &fakepg->records.orders[order], &answer);
}

/* The answer as the protocol has it; the lock is held. */
static void answer_with(struct fakepg_call *call, const struct fakepg_reply *reply)
{
    const struct fakepg *fakepg = call->fakepg;
    struct fakepg_answer *answer = &call->answer;
    answer->delay_ms = reply->delay_ms;
    answer->wire = reply->wire;
    switch ((enum pg_answer_kind)reply->answer.kind) {
    case PG_ANSWER_PAYMENT:
        answer->status = 200;
        answer->json =
            fakepg_json_payment(fakepg, &fakepg->records.orders[reply->order], &reply->answer);
        return;
    case PG_ANSWER_ERROR:
        fakepg_call_refuse(call, texts_string(fakepg->texts, reply->answer.code),
                           reply->answer.total_krw > 0 ? (enum fakepg_detail)reply->answer.total_krw
                                                       : FAKEPG_DETAIL_NONE);
        return;
    case PG_ANSWER_NOT_SENT:
        answer->wire = FAKEPG_WIRE_CLOSE;
        return;
    case PG_ANSWER_TIMEOUT:
        answer->wire = reply->wire != FAKEPG_WIRE_USUAL ? reply->wire : fakepg->knobs.lost_wire;
        return;
    case PG_ANSWER_BROKEN:
        break;
    }
    if (answer->wire == FAKEPG_WIRE_USUAL) {
        static const uint8_t broken[] = {FAKEPG_WIRE_HTML, FAKEPG_WIRE_HALF, FAKEPG_WIRE_CHUNK_CUT,
                                         FAKEPG_WIRE_EMPTY, FAKEPG_WIRE_GARBAGE};
        answer->wire = broken[fakepg_random(call->fakepg) % sizeof broken];
    }
    answer->status = 200;
    answer->json = payment_now(fakepg, reply->order);
}

/* What the billing key itself has against the charge. */
static void check_billing(const struct fakepg_call *call, const struct fakepg_input *input,
                          struct fault *fault)
{
    const struct fakepg *fakepg = call->fakepg;
    uint32_t row =
        fakepg_records_find_billing(&fakepg->records, input->account, input->billing_key);
    if (row == FAKEPG_NO_ROW) {
        if (!fakepg->options.knows_all_keys) {
            blame(fault, PG_FAKE_NOT_FOUND_BILLING, FAKEPG_DETAIL_NONE);
        }
        return;
    }
    const struct fakepg_billing_key *key = &fakepg->records.billing[row];
    if (key->is_removed) {
        blame(fault, PG_FAKE_ALREADY_REMOVED_BILLING_KEY, FAKEPG_DETAIL_NONE);
    } else if (strcmp(key->customer_key, input->customer_key) != 0) {
        blame(fault, PG_FAKE_NOT_MATCHES_CUSTOMER_KEY, FAKEPG_DETAIL_NONE);
    }
}

static void check_charge(const struct fakepg_call *call, const struct fakepg_input *input,
                         struct fault *fault)
{
    const json_t *amount = json_object_get(call->body, "amount");
    check_body(call, fault);
    if (!json_is_number(amount)) {
        blame(fault, PG_FAKE_INVALID_REQUEST, FAKEPG_DETAIL_AMOUNT);
    }
    if (!json_is_string(json_object_get(call->body, "orderId"))) {
        blame(fault, PG_FAKE_INVALID_REQUEST, FAKEPG_DETAIL_ORDER_ID);
    }
    if (!json_is_string(json_object_get(call->body, "customerKey"))) {
        blame(fault, PG_FAKE_INVALID_REQUEST, FAKEPG_DETAIL_CUSTOMER_KEY);
    }
    if (!fakepg_order_id_ok(input->order_id)) {
        blame(fault, PG_FAKE_INVALID_ORDER_ID, FAKEPG_DETAIL_NONE);
    }
    if (!fakepg_length_ok(text_member(call, "orderName"), 1, ORDER_NAME_MAX)) {
        blame(fault, PG_FAKE_INVALID_ORDER_NAME, FAKEPG_DETAIL_NONE);
    }
    if (input->tax_free_krw > input->amount_krw) {
        blame(fault, PG_FAKE_INVALID_REQUEST, FAKEPG_DETAIL_TAX_FREE_AMOUNT);
    }
}

/* Cuts a text at a whole character of UTF-8. */
static void cut(char *text, const char *from, size_t size)
{
    size_t len = strlen(from) < size ? strlen(from) : size - 1;
    while (len > 0 && len < strlen(from) && ((unsigned char)from[len] & 0xc0) == 0x80) {
        len--;
    }
    memcpy(text, from, len);
    text[len] = '\0';
}

/*
 * A refusal before the ledger leaves a trace only where a key must replay it: orders that were
 * never charged shall not fill the ledger.
 */
static void post(struct fakepg_call *call, struct fakepg_input *input, struct fault *fault)
{
    struct fakepg_reply reply;
    if (call->test_code != PG_FAKE_NO_CODE) {
        *fault = (struct fault){call->test_code, FAKEPG_DETAIL_NONE};
    }
    if (fault->code != PG_FAKE_NO_CODE && input->idempotency_key[0] == '\0') {
        fakepg_call_refuse(call, pg_fake_code_name(fault->code), fault->detail);
        call->answer.delay_ms =
            fakepg_delay_draw(&call->fakepg->knobs.pg_delay, fakepg_random(call->fakepg));
        return;
    }
    fakepg_post(call->fakepg, input, fault->code, fault->detail, &reply);
    answer_with(call, &reply);
}

void fakepg_charge(struct fakepg_call *call)
{
    struct fakepg_input input = fakepg_input_empty(FAKEPG_KIND_CHARGE);
    struct fault fault = {PG_FAKE_NO_CODE, FAKEPG_DETAIL_NONE};
    char key[FAKEPG_KEY_SIZE];
    char order_id[FAKEPG_ORDER_ID_MAX * 2];
    char order_name[FAKEPG_TEXT_SIZE / 4];
    char customer[CUSTOMER_KEY_MAX + 1];
    idempotency_key(call, key, &fault);
    cut(order_id, text_member(call, "orderId"), sizeof order_id);
    cut(order_name, text_member(call, "orderName"), sizeof order_name);
    cut(customer, text_member(call, "customerKey"), sizeof customer);
    input.account = call->merchant->account;
    input.idempotency_key = key;
    input.order_id = order_id;
    input.order_name = order_name;
    input.customer_key = customer;
    input.billing_key = is_plain(call->name) ? call->name : "";
    input.amount_krw = number_member(call, "amount", 0, FAKEPG_DETAIL_AMOUNT, &fault);
    input.tax_free_krw =
        number_member(call, "taxFreeAmount", 0, FAKEPG_DETAIL_TAX_FREE_AMOUNT, &fault);
    check_charge(call, &input, &fault);
    fakepg_lock(call->fakepg);
    check_billing(call, &input, &fault);
    post(call, &input, &fault);
    fakepg_unlock(call->fakepg);
}

void fakepg_cancel(struct fakepg_call *call)
{
    struct fakepg_input input = fakepg_input_empty(FAKEPG_KIND_CANCEL);
    struct fault fault = {PG_FAKE_NO_CODE, FAKEPG_DETAIL_NONE};
    char key[FAKEPG_KEY_SIZE];
    char reason[FAKEPG_TEXT_SIZE / 2];
    idempotency_key(call, key, &fault);
    cut(reason, text_member(call, "cancelReason"), sizeof reason);
    input.account = call->merchant->account;
    input.idempotency_key = key;
    input.payment_key = is_plain(call->name) ? call->name : "?";
    input.cancel_reason = reason;
    check_body(call, &fault);
    input.amount_krw = number_member(call, "cancelAmount", -1, FAKEPG_DETAIL_CANCEL_AMOUNT, &fault);
    input.refundable_krw =
        number_member(call, "refundableAmount", -1, FAKEPG_DETAIL_REFUNDABLE_AMOUNT, &fault);
    if (!fakepg_length_ok(text_member(call, "cancelReason"), 1, CANCEL_REASON_MAX)) {
        blame(&fault, PG_FAKE_INVALID_REQUEST, FAKEPG_DETAIL_CANCEL_REASON);
    }
    fakepg_lock(call->fakepg);
    post(call, &input, &fault);
    fakepg_unlock(call->fakepg);
}

static void look_up(struct fakepg_call *call, const char *payment_key, const char *order_id)
{
    struct fakepg_reply reply;
    fakepg_lock(call->fakepg);
    fakepg_look_up(call->fakepg, call->merchant->account, payment_key, order_id, call->test_code,
                   &reply);
    answer_with(call, &reply);
    fakepg_unlock(call->fakepg);
}

void fakepg_look_up_order(struct fakepg_call *call)
{
    look_up(call, "", is_plain(call->name) ? call->name : "?");
}

void fakepg_look_up_payment(struct fakepg_call *call)
{
    look_up(call, is_plain(call->name) ? call->name : "?", "");
}
