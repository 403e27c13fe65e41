#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "farebox_audit_http.h"

#include "fakepg_kit.h"

#include <stdio.h>
#include <string.h>

#define PAGE 1000

static void hand_over(const json_t *object, audit_order_fn *on_order, void *context)
{
    const char *id = kit_text(object, "orderId");
    bool is_krw = strcmp(kit_text(object, "currency"), "KRW") == 0;
    struct audit_order order = {
        .totals = {.captured_krw = kit_number(object, "captured"),
                   .refunded_krw = kit_number(object, "refunded"),
                   .refunded_outside_krw = kit_number(object, "refunded_outside"),
                   .approvals = (uint32_t)kit_number(object, "approvals"),
                   .charges_seen = (uint32_t)kit_number(object, "charges"),
                   .cancels_seen = (uint32_t)kit_number(object, "cancels"),
                   .lookups_seen = (uint32_t)kit_number(object, "lookups"),
                   .pending = (uint32_t)kit_number(object, "pending"),
                   .not_krw = is_krw ? 0 : 1}};
    assert_true(order.totals.captured_krw >= 0 && order.totals.refunded_krw >= 0);
    if (!uuid_from_text(id, strlen(id), &order.order_id)) {
        memset(&order.order_id, 0, sizeof(order.order_id));
    }
    on_order(context, &order);
}

static void http_read(const void *where, audit_order_fn *on_order, void *context)
{
    int64_t count = 1;
    for (int64_t from = 0; from < count; from += PAGE) {
        char path[64];
        const json_t *order;
        size_t i;
        (void)snprintf(path, sizeof(path), "ledger?from=%d&limit=%d", (int)from, PAGE);
        json_t *page = fakepg_kit_control(where, path, NULL);
        count = kit_number(page, "count");
        assert_int_equal(kit_number(json_object_get(page, "totals"), "overflows"), 0);
        json_array_foreach(json_object_get(page, "orders"), i, order)
        {
            hand_over(order, on_order, context);
        }
        json_decref(page);
    }
}

const struct audit_ledger audit_ledger_http = {http_read};
