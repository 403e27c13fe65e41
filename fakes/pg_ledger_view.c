/* What auditors and fault drawers read of the ledger; changes nothing. */
#include "pg_ledger_state.h"

#include "invariant.h"

#include <string.h>

slot ledger_order_named(const struct pg_ledger *ledger, const struct texts *texts,
                        const struct pg_ledger_request *request, uint8_t account)
{
    if (account == PG_LEDGER_ACCOUNTS) {
        return 0;
    }
    if (request->op == PG_LEDGER_LOOKUP || request->op == PG_LEDGER_CHARGE) {
        return ledger_order_find(ledger, &request->order_id, account);
    }
    return ledger_order_by_pg_id(ledger, texts, request->pg_id, account);
}

/* The order of the payment that the request names; 0: it names none. */
static slot named_payment(const struct pg_ledger *ledger, const struct texts *texts,
                          const struct pg_ledger_request *request)
{
    uint8_t account = ledger_account(ledger, request->account);
    slot order = ledger_order_named(ledger, texts, request, account);
    return order != 0 && ledger_order(ledger, order)->status != 0 ? order : 0;
}

int64_t pg_ledger_changed_at(const struct pg_ledger *ledger, const struct texts *texts,
                             const struct pg_ledger_request *request)
{
    slot order = named_payment(ledger, texts, request);
    return order == 0 ? PG_LEDGER_NEVER : ledger_order(ledger, order)->changed_ms;
}

int64_t pg_ledger_balance(const struct pg_ledger *ledger, const struct texts *texts,
                          const struct pg_ledger_request *request)
{
    slot number = named_payment(ledger, texts, request);
    if (number == 0) {
        return -1;
    }
    const struct ledger_order *order = ledger_order(ledger, number);
    return order->captured_krw - order->refunded_krw;
}

static void totals_add(const struct pg_ledger *ledger, slot number, struct pg_ledger_totals *totals)
{
    const struct ledger_order *order = ledger_order(ledger, number);
    totals->captured_krw += order->captured_krw;
    totals->refunded_krw += order->refunded_krw;
    totals->refunded_outside_krw += order->outside_krw;
    totals->approvals += order->approvals;
    totals->charges_seen += order->charges;
    totals->cancels_seen += order->cancels;
    totals->lookups_seen += order->lookups;
    totals->not_krw += (order->flags & ORDER_NOT_KRW) != 0;
    for (uint32_t i = 0; i < ledger->pending_count; i++) {
        totals->pending += ledger_pending_at(ledger, i)->order == number;
    }
}

struct pg_ledger_totals pg_ledger_totals(const struct pg_ledger *ledger,
                                         const struct uuid *order_id)
{
    struct pg_ledger_totals totals = {0};
    for (uint8_t account = 0; account < PG_LEDGER_ACCOUNTS; account++) {
        slot order = ledger_order_find(ledger, order_id, account);
        if (order != 0) {
            totals_add(ledger, order, &totals);
        }
    }
    return totals;
}

uint32_t pg_ledger_order_index(const struct pg_ledger *ledger, const struct texts *texts,
                               const struct pg_ledger_request *request)
{
    uint8_t account = ledger_account(ledger, request->account);
    slot order = ledger_order_named(ledger, texts, request, account);
    return order == 0 ? PG_LEDGER_NO_ORDER : order - 1;
}

uint32_t pg_ledger_order_count(const struct pg_ledger *ledger)
{
    return ledger->order_count;
}

void pg_ledger_order_at(const struct pg_ledger *ledger, uint32_t index,
                        struct pg_ledger_order_view *view)
{
    const struct ledger_order *order = ledger_order(ledger, index + 1);
    memset(view, 0, sizeof *view);
    view->order_id = order->id;
    view->account = ledger->accounts[order->account];
    view->status = order->status;
    totals_add(ledger, index + 1, &view->totals);
    ledger_pg_id(order, view->pg_id);
}

const char *pg_ledger_status_name(enum pg_status status)
{
    static const char *const names[] = {
        [PG_STATUS_OTHER] = "NONE",
        [PG_READY] = "READY",
        [PG_IN_PROGRESS] = "IN_PROGRESS",
        [PG_WAITING_FOR_DEPOSIT] = "WAITING_FOR_DEPOSIT",
        [PG_DONE] = "DONE",
        [PG_CANCELED] = "CANCELED",
        [PG_PARTIAL_CANCELED] = "PARTIAL_CANCELED",
        [PG_ABORTED] = "ABORTED",
        [PG_EXPIRED] = "EXPIRED",
    };
    invariant(status <= PG_EXPIRED);
    return names[status];
}
