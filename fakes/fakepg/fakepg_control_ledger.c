/* fakepg_control_ledger.c - what the PG knows of every order, for auditors. */
#include "fakepg_control.h"

#include <string.h>

#define LIMIT_DEFAULT 1000
#define LIMIT_MAX     10000

static json_t *order_json(const struct fakepg *fakepg, uint32_t index)
{
    struct pg_ledger_order_view view;
    pg_ledger_order_at(pg_fake_ledger_view(fakepg->pg), index, &view);
    const struct pg_ledger_totals *totals = &view.totals;
    const struct fakepg_order *order = &fakepg->records.orders[index];
    bool is_paid = view.status != PG_STATUS_OTHER;
    json_t *object =
        json_pack("{s:s,s:s,s:s,s:I,s:I,s:I,s:i,s:i,s:i,s:i,s:i,s:s}", "orderId", order->order_id,
                  "mId", fakepg_merchant_by_account(fakepg, view.account)->mid, "status",
                  pg_ledger_status_name((enum pg_status)view.status), "captured",
                  (json_int_t)totals->captured_krw, "refunded", (json_int_t)totals->refunded_krw,
                  "refunded_outside", (json_int_t)totals->refunded_outside_krw, "approvals",
                  (int)totals->approvals, "charges", (int)totals->charges_seen, "cancels",
                  (int)totals->cancels_seen, "lookups", (int)totals->lookups_seen, "pending",
                  (int)totals->pending, "currency", totals->not_krw > 0 ? "USD" : "KRW");
    (void)json_object_set_new(object, "paymentKey",
                              is_paid ? json_string(view.pg_id) : json_null());
    (void)json_object_set_new(object, "customerKey", json_string(order->customer_key));
    return object;
}

static json_t *totals_json(const struct fakepg *fakepg)
{
    const struct pg_ledger *ledger = pg_fake_ledger_view(fakepg->pg);
    int64_t captured = 0;
    int64_t refunded = 0;
    int64_t outside = 0;
    int64_t approvals = 0;
    int64_t twice = 0;
    for (uint32_t i = 0; i < pg_ledger_order_count(ledger); i++) {
        struct pg_ledger_order_view view;
        pg_ledger_order_at(ledger, i, &view);
        captured += view.totals.captured_krw;
        refunded += view.totals.refunded_krw;
        outside += view.totals.refunded_outside_krw;
        approvals += view.totals.approvals;
        twice += view.totals.approvals > 1;
    }
    return json_pack("{s:I,s:I,s:I,s:I,s:I,s:i}", "captured", (json_int_t)captured, "refunded",
                     (json_int_t)refunded, "refunded_outside", (json_int_t)outside, "approvals",
                     (json_int_t)approvals, "approved_twice", (json_int_t)twice, "overflows",
                     (int)pg_ledger_overflows(ledger));
}

/* All orders of this id; each merchant has one at most. */
static json_t *orders_named(const struct fakepg *fakepg, const char *order_id)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < fakepg->records.order_count; i++) {
        if (strcmp(fakepg->records.orders[i].order_id, order_id) == 0) {
            (void)json_array_append_new(list, order_json(fakepg, i));
        }
    }
    return list;
}

void fakepg_control_ledger(struct fakepg_control_call *call)
{
    const struct fakepg *fakepg = call->fakepg;
    char text[FAKEPG_ORDER_ID_MAX * 4];
    int64_t from = 0;
    int64_t limit = LIMIT_DEFAULT;
    if (call->name[0] != '\0') {
        if (fakepg_decode(call->name, strlen(call->name), false, text, sizeof text)) {
            call->answer = json_pack("{s:o}", "orders", orders_named(fakepg, text));
        }
        return;
    }
    if (fakepg_query(call->request->query, "from", text, sizeof text)) {
        (void)fakepg_number(text, &from);
    }
    if (fakepg_query(call->request->query, "limit", text, sizeof text)) {
        (void)fakepg_number(text, &limit);
    }
    limit = limit < 1 || limit > LIMIT_MAX ? LIMIT_DEFAULT : limit;
    json_t *orders = json_array();
    for (int64_t i = from < 0 ? 0 : from; i < fakepg->records.order_count && limit-- > 0; i++) {
        (void)json_array_append_new(orders, order_json(fakepg, (uint32_t)i));
    }
    call->answer = json_pack("{s:i,s:o,s:o}", "count", (int)fakepg->records.order_count, "totals",
                             totals_json(fakepg), "orders", orders);
}
