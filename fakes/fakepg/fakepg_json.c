#include "fakepg_json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define FEE_PER_MILLE 30 /* of the amount, before VAT */

static const char receipt_url[] = "https://dashboard.tosspayments.com/receipt/redirection";
static const char checkout_url[] = "https://api.tosspayments.com/v1/payments/%s/checkout";

/* The codes of eight card companies, as the service numbers them. */
static const char *const issuers[] = {"11", "21", "31", "41", "51", "61", "71", "91"};

static json_t *date(int64_t unix_ms)
{
    char text[FAKEPG_DATE_SIZE];
    fakepg_date_format(unix_ms, text);
    return json_string(text);
}

static void set(json_t *object, const char *name, json_t *value)
{
    (void)json_object_set_new(object, name, value);
}

/* How many of the order's cancels the answer knows: those that its balance tells. */
static uint32_t cancels_told(const struct fakepg_order *order, const struct pg_answer *answer)
{
    int64_t left = answer->total_krw - answer->balance_krw;
    uint32_t count = 0;
    if (answer->status != PG_CANCELED && answer->status != PG_PARTIAL_CANCELED) {
        return 0;
    }
    while (count < order->cancel_count && left > 0) {
        left -= order->cancels[count++].amount_krw;
    }
    return count;
}

static json_t *cancel_object(const struct fakepg_order *order, uint32_t index, int64_t left_krw)
{
    const struct fakepg_cancel *cancel = &order->cancels[index];
    char key[FAKEPG_TRANSACTION_KEY_SIZE];
    fakepg_transaction_key(order, index + 1, key);
    json_t *object = json_object();
    set(object, "transactionKey", json_string(key));
    set(object, "cancelReason", json_string(cancel->reason));
    set(object, "taxExemptionAmount", json_integer(0));
    set(object, "canceledAt", date(cancel->at_ms));
    set(object, "cardDiscountAmount", json_integer(0));
    set(object, "transferDiscountAmount", json_integer(0));
    set(object, "easyPayDiscountAmount", json_integer(0));
    set(object, "receiptKey", json_null());
    set(object, "cancelAmount", json_integer(cancel->amount_krw));
    set(object, "taxFreeAmount", json_integer(0));
    set(object, "refundableAmount", json_integer(left_krw));
    set(object, "cancelStatus", json_string("DONE"));
    set(object, "cancelRequestId", json_null());
    return object;
}

static json_t *cancels_array(const struct fakepg_order *order, uint32_t count, int64_t total_krw)
{
    if (count == 0) {
        return json_null();
    }
    json_t *array = json_array();
    for (uint32_t i = 0; i < count; i++) {
        total_krw -= order->cancels[i].amount_krw;
        (void)json_array_append_new(array, cancel_object(order, i, total_krw));
    }
    return array;
}

static json_t *card_object(const struct fakepg_order *order, int64_t total_krw)
{
    char number[20];
    char approval[9];
    const char *issuer = issuers[order->card % (sizeof issuers / sizeof issuers[0])];
    (void)snprintf(number, sizeof number, "%06" PRIu64 "******%03" PRIu64 "*",
                   (uint64_t)433000 + order->card % 1000, order->card / 1000 % 1000);
    (void)snprintf(approval, sizeof approval, "%08" PRIu64,
                   (order->card ^ (uint64_t)order->approved_ms) % 100000000);
    json_t *object = json_object();
    set(object, "issuerCode", json_string(issuer));
    set(object, "acquirerCode", json_string(issuer));
    set(object, "number", json_string(number));
    set(object, "installmentPlanMonths", json_integer(0));
    set(object, "isInterestFree", json_false());
    set(object, "interestPayer", json_null());
    set(object, "approveNo", json_string(approval));
    set(object, "useCardPoint", json_false());
    set(object, "cardType", json_string("신용"));
    set(object, "ownerType", json_string("개인"));
    set(object, "acquireStatus", json_string("READY"));
    set(object, "amount", json_integer(total_krw));
    return object;
}

/* What of the balance is tax, as the service splits it. */
static void set_taxes(json_t *object, const struct fakepg_order *order, int64_t balance_krw)
{
    int64_t tax_free = order->tax_free_krw < balance_krw ? order->tax_free_krw : balance_krw;
    int64_t vat = (balance_krw - tax_free + 5) / 11;
    set(object, "suppliedAmount", json_integer(balance_krw - tax_free - vat));
    set(object, "vat", json_integer(vat));
    set(object, "taxFreeAmount", json_integer(tax_free));
    set(object, "taxExemptionAmount", json_integer(0));
}

/* Members that a card payment by billing key does not have. */
static void set_absent(json_t *object)
{
    static const char *const names[] = {
        "virtualAccount", "transfer", "mobilePhone", "giftCertificate", "cashReceipt",
        "cashReceipts",   "discount", "easyPay",     "failure",         "metadata",
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        set(object, names[i], json_null());
    }
}

static void set_texts(json_t *object, const struct fakepg_order *order, const char *payment_key)
{
    char text[128];
    char key[FAKEPG_TRANSACTION_KEY_SIZE];
    (void)snprintf(text, sizeof text, checkout_url, payment_key);
    set(object, "checkout", json_pack("{s:s}", "url", text));
    set(object, "receipt", json_pack("{s:s}", "url", receipt_url));
    fakepg_transaction_key(order, UINT32_MAX, key);
    (void)snprintf(text, sizeof text, "ps_%s", key);
    set(object, "secret", json_string(text));
}

json_t *fakepg_json_payment(const struct fakepg *fakepg, const struct fakepg_order *order,
                            const struct pg_answer *answer)
{
    const char *payment_key = texts_string(fakepg->texts, answer->pg_id);
    uint32_t cancels = cancels_told(order, answer);
    bool is_approved = answer->status == PG_DONE || answer->status == PG_CANCELED ||
                       answer->status == PG_PARTIAL_CANCELED;
    char last[FAKEPG_TRANSACTION_KEY_SIZE];
    json_t *object = json_object();
    fakepg_transaction_key(order, cancels, last);
    set(object, "mId", json_string(fakepg_merchant_by_account(fakepg, order->account)->mid));
    set(object, "lastTransactionKey", is_approved ? json_string(last) : json_null());
    set(object, "paymentKey", answer->pg_id != TEXT_NONE ? json_string(payment_key) : json_null());
    set(object, "orderId",
        json_string(answer->order_matches ? order->order_id : "another-order-of-somebody"));
    set(object, "orderName", json_string(order->order_name));
    set(object, "status", json_string(pg_ledger_status_name((enum pg_status)answer->status)));
    set(object, "requestedAt", date(order->requested_ms));
    set(object, "approvedAt", is_approved ? date(order->approved_ms) : json_null());
    set(object, "useEscrow", json_false());
    set(object, "cultureExpense", json_false());
    set(object, "card", card_object(order, answer->total_krw));
    set(object, "cancels", cancels_array(order, cancels, answer->total_krw));
    set(object, "type", json_string("BILLING"));
    set(object, "country", json_string("KR"));
    set(object, "isPartialCancelable", json_true());
    set(object, "currency", json_string(answer->currency_krw ? "KRW" : "USD"));
    set(object, "totalAmount", json_integer(answer->total_krw));
    set(object, "balanceAmount", json_integer(answer->balance_krw));
    set_taxes(object, order, answer->balance_krw);
    set(object, "method", json_string("카드"));
    set(object, "version", json_string("2022-11-16"));
    set_texts(object, order, payment_key);
    set_absent(object);
    return object;
}

static int64_t amount_of(const struct fakepg_order *order, uint32_t number)
{
    return number == 0 ? order->total_krw : order->cancels[number - 1].amount_krw;
}

/* PARTIAL_CANCELED: but for one cancel of all, as the payment itself has it. */
static const char *status_of(const struct fakepg_order *order, uint32_t number)
{
    if (number == 0) {
        return "DONE";
    }
    return order->cancels[number - 1].amount_krw == order->total_krw ? "CANCELED"
                                                                     : "PARTIAL_CANCELED";
}

static void payment_key_of(const struct fakepg *fakepg, uint32_t order,
                           char text[PG_LEDGER_PG_ID_SIZE])
{
    struct pg_ledger_order_view view;
    pg_ledger_order_at(pg_fake_ledger_view(fakepg->pg), order, &view);
    memcpy(text, view.pg_id, sizeof view.pg_id);
}

/* What transactions and settlements have in common. */
static json_t *line(const struct fakepg *fakepg, const struct fakepg_transaction *transaction)
{
    const struct fakepg_order *order = &fakepg->records.orders[transaction->order];
    char key[FAKEPG_TRANSACTION_KEY_SIZE];
    char payment_key[PG_LEDGER_PG_ID_SIZE];
    fakepg_transaction_key(order, transaction->number, key);
    payment_key_of(fakepg, transaction->order, payment_key);
    json_t *object = json_object();
    set(object, "mId", json_string(fakepg_merchant_by_account(fakepg, order->account)->mid));
    set(object, "transactionKey", json_string(key));
    set(object, "paymentKey", json_string(payment_key));
    set(object, "orderId", json_string(order->order_id));
    set(object, "method", json_string("카드"));
    set(object, "currency", json_string("KRW"));
    return object;
}

json_t *fakepg_json_transaction(const struct fakepg *fakepg,
                                const struct fakepg_transaction *transaction)
{
    const struct fakepg_order *order = &fakepg->records.orders[transaction->order];
    json_t *object = line(fakepg, transaction);
    set(object, "customerKey", json_string(order->customer_key));
    set(object, "useEscrow", json_false());
    set(object, "receiptUrl", json_string(receipt_url));
    set(object, "status", json_string(status_of(order, transaction->number)));
    set(object, "transactionAt", date(transaction->at_ms));
    set(object, "amount", json_integer(amount_of(order, transaction->number)));
    return object;
}

json_t *fakepg_json_settlement(const struct fakepg *fakepg,
                               const struct fakepg_transaction *transaction)
{
    const struct fakepg_order *order = &fakepg->records.orders[transaction->order];
    int64_t sign = transaction->number == 0 ? 1 : -1;
    int64_t amount = sign * amount_of(order, transaction->number);
    int64_t supply = amount * FEE_PER_MILLE / 1000;
    int64_t vat = supply / 10;
    char sold[FAKEPG_DATE_SIZE];
    char paid_out[FAKEPG_DATE_SIZE];
    fakepg_day_format(transaction->at_ms, sold);
    fakepg_day_format(transaction->at_ms + FAKEPG_PAYOUT_MS, paid_out);
    json_t *object = line(fakepg, transaction);
    set(object, "amount", json_integer(amount));
    set(object, "interestFee", json_integer(0));
    set(object, "fee", json_integer(supply + vat));
    set(object, "fees",
        json_pack("[{s:s,s:I}]", "type", "BASE", "fee", (json_int_t)(supply + vat)));
    set(object, "supplyAmount", json_integer(supply));
    set(object, "vat", json_integer(vat));
    set(object, "payOutAmount", json_integer(amount - supply - vat));
    set(object, "approvedAt", date(order->approved_ms));
    set(object, "soldDate", json_string(sold));
    set(object, "paidOutDate", json_string(paid_out));
    set(object, "card", card_object(order, order->total_krw));
    set(object, "easyPay", json_null());
    set(object, "giftCertificate", json_null());
    set(object, "mobilePhone", json_null());
    set(object, "transfer", json_null());
    set(object, "virtualAccount", json_null());
    uint32_t number = transaction->number;
    set(object, "cancel", number == 0 ? json_null() : cancel_object(order, number - 1, 0));
    return object;
}

json_t *fakepg_json_billing(const struct fakepg *fakepg, const struct fakepg_billing_key *key)
{
    const struct fakepg_order row = {.card = fakepg_hash(key->billing_key, 0)};
    json_t *card = card_object(&row, 0);
    json_t *object = json_object();
    set(object, "mId", json_string(fakepg_merchant_by_account(fakepg, key->account)->mid));
    set(object, "customerKey", json_string(key->customer_key));
    set(object, "authenticatedAt", date(key->issued_ms));
    set(object, "method", json_string("카드"));
    set(object, "billingKey", json_string(key->billing_key));
    set(object, "cardCompany", json_string("현대"));
    set(object, "cardNumber", json_incref(json_object_get(card, "number")));
    set(object, "card",
        json_pack("{s:O,s:O,s:O,s:O,s:O}", "issuerCode", json_object_get(card, "issuerCode"),
                  "acquirerCode", json_object_get(card, "acquirerCode"), "number",
                  json_object_get(card, "number"), "cardType", json_object_get(card, "cardType"),
                  "ownerType", json_object_get(card, "ownerType")));
    json_decref(card);
    return object;
}

json_t *fakepg_json_read(const char *body, size_t len, size_t flags)
{
    int depth = 0;
    bool is_text = false;
    for (size_t i = 0; i < len; i++) {
        if (is_text && body[i] == '\\') {
            i++;
        } else if (body[i] == '"') {
            is_text = !is_text;
        } else if (!is_text && (body[i] == '{' || body[i] == '[')) {
            depth++;
        } else if (!is_text && (body[i] == '}' || body[i] == ']')) {
            depth--;
        }
        if (depth > FAKEPG_JSON_DEPTH) {
            return NULL;
        }
    }
    return json_loadb(body, len, flags, NULL);
}

json_t *fakepg_json_error(const char *code, enum fakepg_detail detail)
{
    char text[512];
    fakepg_code_text(code, detail, text, sizeof text);
    return json_pack("{s:s,s:s}", "code", code, "message", text);
}
