/* fakepg_billing.c - billing keys: issued by an authKey, a card or a customer key; removed. */
#include "fakepg_call.h"
#include "fakepg_json.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *text_of(const struct fakepg_call *call, const char *name)
{
    const char *text = json_string_value(json_object_get(call->body, name));
    return text != NULL ? text : "";
}

static bool is_digits(const char *text, size_t min, size_t max)
{
    size_t len = strlen(text);
    return len >= min && len <= max && strspn(text, "0123456789") == len;
}

/* 2 to 300 of letters, digits and a few others, as the service asks of new ones. */
static bool customer_key_ok(const char *text)
{
    for (const char *at = text; *at != '\0'; at++) {
        if (!isalnum((unsigned char)*at) && strchr("-_=.@", *at) == NULL) {
            return false;
        }
    }
    return fakepg_length_ok(text, 2, 300);
}

static void refuse_issue(struct fakepg_input *input, enum pg_fake_code code,
                         enum fakepg_detail detail)
{
    if (input->code == PG_FAKE_NO_CODE) {
        input->code = (uint8_t)code;
        input->detail = (uint8_t)detail;
    }
}

static void check_card(const struct fakepg_call *call, struct fakepg_input *input)
{
    const char *month = text_of(call, "cardExpirationMonth");
    if (!is_digits(text_of(call, "cardNumber"), 1, 20)) {
        refuse_issue(input, PG_FAKE_INVALID_REQUEST, FAKEPG_DETAIL_CARD_NUMBER);
    }
    if (!is_digits(text_of(call, "cardExpirationYear"), 2, 2) || !is_digits(month, 2, 2)) {
        refuse_issue(input, PG_FAKE_INVALID_REQUEST, FAKEPG_DETAIL_CARD_EXPIRATION);
    } else if (strcmp(month, "01") < 0 || strcmp(month, "12") > 0) {
        refuse_issue(input, PG_FAKE_INVALID_CARD_EXPIRATION, FAKEPG_DETAIL_NONE);
    }
    if (!is_digits(text_of(call, "cardNumber"), 15, 16)) {
        refuse_issue(input, PG_FAKE_INVALID_CARD_NUMBER, FAKEPG_DETAIL_NONE);
    }
    /* Older clients name the birthday so. */
    if (!is_digits(text_of(call, "customerIdentityNumber"), 6, 10) &&
        !is_digits(text_of(call, "customerBirthday"), 6, 6)) {
        refuse_issue(input, PG_FAKE_INVALID_REQUEST, FAKEPG_DETAIL_IDENTITY);
    }
}

static void answer_memo(struct fakepg_call *call, uint8_t code, uint8_t detail, uint32_t row)
{
    const struct fakepg *fakepg = call->fakepg;
    if (code != PG_FAKE_NO_CODE) {
        fakepg_call_refuse(call, pg_fake_code_name((enum pg_fake_code)code),
                           (enum fakepg_detail)detail);
        return;
    }
    call->answer.status = 200;
    call->answer.json = fakepg_json_billing(fakepg, &fakepg->records.billing[row]);
}

/* The lock is held, the request is checked. */
static void issue_locked(struct fakepg_call *call, struct fakepg_input *input)
{
    struct fakepg *fakepg = call->fakepg;
    char billing_key[64];
    input->at_ms = fakepg_now(fakepg);
    call->answer.delay_ms = fakepg_delay_draw(&fakepg->knobs.pg_delay, fakepg_random(fakepg));
    bool has_key = input->idempotency_key[0] != '\0';
    if (strlen(input->idempotency_key) > PG_LEDGER_KEY_MAX) {
        fakepg_call_refuse(call, "INVALID_IDEMPOTENCY_KEY", FAKEPG_DETAIL_NONE);
        return;
    }
    const struct fakepg_memo *memo =
        has_key ? fakepg_records_memo(&fakepg->records, fakepg_issue_hash(input), input->at_ms)
                : NULL;
    if (memo != NULL) {
        answer_memo(call, memo->code, memo->detail, memo->billing);
        return;
    }
    if (input->code != PG_FAKE_NO_CODE && !has_key) {
        answer_memo(call, input->code, input->detail, FAKEPG_NO_ROW);
        return;
    }
    (void)snprintf(billing_key, sizeof billing_key, "bkey_%016" PRIx64 "%016" PRIx64 "=",
                   fakepg_random(fakepg), fakepg_random(fakepg));
    input->billing_key = input->code == PG_FAKE_NO_CODE ? billing_key : "";
    if (!fakepg_change_billing(fakepg, input)) {
        call->answer.wire = FAKEPG_WIRE_CLOSE;
        return;
    }
    answer_memo(call, input->code, input->detail, fakepg->records.billing_count - 1);
}

static void issue(struct fakepg_call *call, struct fakepg_input *input, const char *customer_key)
{
    const char *type = web_request_header(call->request, "Content-Type");
    const char *key = web_request_header(call->request, "Idempotency-Key");
    char kept_key[FAKEPG_KEY_SIZE];
    char kept_customer[FAKEPG_KEY_SIZE];
    (void)snprintf(kept_key, sizeof kept_key, "%s", key != NULL ? key : "");
    for (char *at = kept_key; *at != '\0'; at++) {
        *at = *at >= ' ' && *at <= '~' ? *at : '?';
    }
    (void)snprintf(kept_customer, sizeof kept_customer, "%s",
                   customer_key_ok(customer_key) ? customer_key : "");
    input->account = call->merchant->account;
    input->idempotency_key = kept_key;
    input->customer_key = kept_customer;
    if (kept_customer[0] == '\0') {
        refuse_issue(input, PG_FAKE_INVALID_CUSTOMER_KEY, FAKEPG_DETAIL_NONE);
    }
    if (call->test_code != PG_FAKE_NO_CODE) {
        input->code = (uint8_t)call->test_code;
        input->detail = FAKEPG_DETAIL_NONE;
    } else if (type == NULL || strncmp(type, "application/json", 16) != 0) {
        input->code = PG_FAKE_INVALID_REQUEST;
        input->detail = FAKEPG_DETAIL_CONTENT_TYPE;
    } else if (call->body == NULL) {
        input->code = PG_FAKE_INVALID_REQUEST;
        input->detail = FAKEPG_DETAIL_BODY;
    }
    fakepg_lock(call->fakepg);
    issue_locked(call, input);
    fakepg_unlock(call->fakepg);
}

void fakepg_issue_by_auth(struct fakepg_call *call)
{
    struct fakepg_input input = fakepg_input_empty(FAKEPG_KIND_ISSUE);
    input.url = "/v1/billing/authorizations/issue";
    if (text_of(call, "authKey")[0] == '\0') {
        refuse_issue(&input, PG_FAKE_INVALID_REQUEST, FAKEPG_DETAIL_AUTH_KEY);
    }
    issue(call, &input, text_of(call, "customerKey"));
}

void fakepg_issue_by_card(struct fakepg_call *call)
{
    struct fakepg_input input = fakepg_input_empty(FAKEPG_KIND_ISSUE);
    input.url = "/v1/billing/authorizations/card";
    check_card(call, &input);
    issue(call, &input, text_of(call, "customerKey"));
}

/*
 * The older form, which clients that others published still speak: POST .../{key} with a customer
 * key. A billing key that was issued shows its Billing object; any other text is an authKey.
 */
void fakepg_issue_by_path(struct fakepg_call *call)
{
    struct fakepg_input input = fakepg_input_empty(FAKEPG_KIND_ISSUE);
    struct fakepg *fakepg = call->fakepg;
    const char *customer_key = text_of(call, "customerKey");
    input.url = call->request->path;
    fakepg_lock(fakepg);
    uint32_t row =
        fakepg_records_find_billing(&fakepg->records, call->merchant->account, call->name);
    if (row != FAKEPG_NO_ROW) {
        const struct fakepg_billing_key *key = &fakepg->records.billing[row];
        bool is_theirs = strcmp(key->customer_key, customer_key) == 0;
        answer_memo(call, is_theirs ? PG_FAKE_NO_CODE : PG_FAKE_NOT_MATCHES_CUSTOMER_KEY,
                    FAKEPG_DETAIL_NONE, row);
    }
    fakepg_unlock(fakepg);
    if (row == FAKEPG_NO_ROW) {
        issue(call, &input, customer_key);
    }
}

void fakepg_remove_billing(struct fakepg_call *call)
{
    struct fakepg *fakepg = call->fakepg;
    struct fakepg_input input = fakepg_input_empty(FAKEPG_KIND_REMOVE);
    input.account = call->merchant->account;
    input.billing_key = call->name;
    fakepg_lock(fakepg);
    input.at_ms = fakepg_now(fakepg);
    call->answer.delay_ms = fakepg_delay_draw(&fakepg->knobs.pg_delay, fakepg_random(fakepg));
    uint32_t row = fakepg_records_find_billing(&fakepg->records, input.account, call->name);
    if (call->test_code != PG_FAKE_NO_CODE) {
        fakepg_call_refuse(call, pg_fake_code_name(call->test_code), FAKEPG_DETAIL_NONE);
    } else if (row == FAKEPG_NO_ROW) {
        fakepg_call_refuse(call, "NOT_FOUND_BILLING", FAKEPG_DETAIL_NONE);
    } else if (fakepg->records.billing[row].is_removed) {
        fakepg_call_refuse(call, "ALREADY_REMOVED_BILLING_KEY", FAKEPG_DETAIL_NONE);
    } else if (!fakepg_change_billing(fakepg, &input)) {
        call->answer.wire = FAKEPG_WIRE_CLOSE;
    } else {
        call->answer.status = 200;
        call->answer.json = fakepg_json_billing(fakepg, &fakepg->records.billing[row]);
    }
    fakepg_unlock(fakepg);
}
