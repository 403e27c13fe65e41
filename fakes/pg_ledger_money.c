/* The ledger's money: charges and cancels, at once or late. */
#include "pg_ledger_state.h"

#include "invariant.h"

/* To be called before an order changes: what it was is what a stale look-up sees. */
static void order_touch(struct ledger_order *order, int64_t now_ms)
{
    order->before_status = order->status;
    order->before_refunded_krw = order->refunded_krw;
    order->changed_ms = now_ms;
}

static void order_approve(struct ledger_order *order, int32_t amount_krw, bool not_krw,
                          int64_t now_ms)
{
    invariant(order->approvals == 0 && order->captured_krw == 0);
    order_touch(order, now_ms);
    order->status = PG_DONE;
    order->asked_krw = amount_krw;
    order->captured_krw = amount_krw;
    order->approvals = 1;
    if (not_krw) {
        order->flags |= ORDER_NOT_KRW;
    }
}

/* What is left to refund. Nothing was captured, but something is asked for: that. */
static int32_t order_balance(const struct ledger_order *order, uint8_t status, int32_t refunded)
{
    bool unpaid = status == PG_IN_PROGRESS || status == PG_ABORTED;
    return unpaid ? order->asked_krw : order->captured_krw - refunded;
}

static void order_refund(struct ledger_order *order, int32_t amount_krw, int64_t now_ms)
{
    invariant(amount_krw > 0 && amount_krw <= order->captured_krw - order->refunded_krw);
    order_touch(order, now_ms);
    bool whole = order->refunded_krw == 0 && amount_krw == order->captured_krw;
    order->refunded_krw += amount_krw;
    order->status = whole ? PG_CANCELED : PG_PARTIAL_CANCELED;
}

struct ledger_reply ledger_reply_error(slot order, uint8_t code)
{
    invariant(code > 0 && code < PG_FAKE_CODE_COUNT);
    return (struct ledger_reply){.order = order, .kind = PG_ANSWER_ERROR, .code = code};
}

struct ledger_reply ledger_reply_payment(const struct pg_ledger *ledger, slot number, bool stale)
{
    const struct ledger_order *order = ledger_order(ledger, number);
    uint8_t status = stale ? order->before_status : order->status;
    int32_t refunded = stale ? order->before_refunded_krw : order->refunded_krw;
    if (status == 0) {
        return ledger_reply_error(number, PG_FAKE_NOT_FOUND_PAYMENT);
    }
    return (struct ledger_reply){
        .order = number,
        .kind = PG_ANSWER_PAYMENT,
        .status = status,
        .total_krw = order->asked_krw,
        .balance_krw = order_balance(order, status, refunded),
        .flags = order->flags & ORDER_NOT_KRW ? KEY_NOT_KRW : 0,
    };
}

static void key_record(struct pg_ledger *ledger, slot number, const struct ledger_reply *reply)
{
    if (number == 0) {
        return;
    }
    struct ledger_key *key = ledger_key(ledger, number);
    key->order = reply->order;
    key->kind = reply->kind;
    key->code = reply->code;
    key->status = reply->status;
    key->flags = reply->flags;
    key->total_krw = reply->total_krw;
    key->balance_krw = reply->balance_krw;
}

/* The request will be done later: its key stays open until then. */
static struct ledger_reply reply_late(struct pg_ledger *ledger, slot order, slot key)
{
    if (key != 0) {
        ledger_key(ledger, key)->flags = KEY_OPEN;
        ledger_key(ledger, key)->order = order;
    }
    return (struct ledger_reply){.order = order, .kind = PG_ANSWER_TIMEOUT};
}

/* Why the PG would refuse this charge whatever happens; 0: it would not. */
static uint8_t charge_refusal(const struct texts *texts, const struct pg_ledger_request *request)
{
    size_t billing_len = 0;
    size_t customer_len = 0;
    (void)texts_get(texts, request->billing_key, &billing_len);
    (void)texts_get(texts, request->customer, &customer_len);
    if (billing_len == 0 || billing_len > PG_LEDGER_BILLING_KEY_MAX) {
        return PG_FAKE_NOT_FOUND_BILLING;
    }
    if (customer_len < 2) {
        return PG_FAKE_INVALID_CUSTOMER_KEY;
    }
    if (customer_len > 300) {
        return PG_FAKE_FAILED_DB_PROCESSING;
    }
    if (request->amount_krw > PG_LEDGER_AMOUNT_MAX) {
        return PG_FAKE_INVALID_REQUEST;
    }
    return request->amount_krw < PG_LEDGER_AMOUNT_MIN ? PG_FAKE_BELOW_MINIMUM_AMOUNT : 0;
}

static struct ledger_reply charge_late(struct pg_ledger *ledger, slot number, slot key,
                                       const struct pg_ledger_plan *plan, int32_t amount_krw,
                                       int64_t now_ms)
{
    struct ledger_order *order = ledger_order(ledger, number);
    struct ledger_pending *pending = ledger_pending_add(ledger, plan->due_ms);
    pending->order = number;
    pending->kind = plan->flags & PG_PLAN_ABORTS ? PENDING_ABORT : PENDING_CHARGE;
    pending->amount_krw = amount_krw;
    pending->not_krw = (plan->flags & PG_PLAN_NOT_KRW) != 0;
    if (!(plan->flags & PG_PLAN_VISIBLE)) {
        pending->key = key;
        return reply_late(ledger, number, key);
    }
    order_touch(order, now_ms);
    order->status = PG_IN_PROGRESS;
    order->asked_krw = amount_krw;
    struct ledger_reply reply = ledger_reply_payment(ledger, number, false);
    key_record(ledger, key, &reply);
    return reply;
}

static void schedule_outside(struct pg_ledger *ledger, slot number,
                             const struct pg_ledger_plan *plan)
{
    if (plan->outside_krw <= 0 || !pg_ledger_has_pending_room(ledger)) {
        return;
    }
    struct ledger_pending *pending = ledger_pending_add(ledger, plan->outside_due_ms);
    pending->order = number;
    pending->kind = PENDING_OUTSIDE;
    pending->amount_krw = (int32_t)plan->outside_krw;
}

struct ledger_reply ledger_charge(struct pg_ledger *ledger, const struct texts *texts,
                                  const struct pg_ledger_request *request,
                                  const struct pg_ledger_plan *plan, slot number, slot key,
                                  int64_t now_ms)
{
    struct ledger_order *order = ledger_order(ledger, number);
    const uint8_t refused_first = PG_PLAN_NOT_DONE | PG_PLAN_FIRST;
    bool is_first = (plan->flags & refused_first) == refused_first;
    uint8_t refusal = is_first ? 0 : charge_refusal(texts, request);
    if (refusal == 0 && order->status != 0 && !is_first) {
        refusal = PG_FAKE_DUPLICATED_ORDER_ID;
    }
    bool planned = refusal == 0 && (plan->flags & PG_PLAN_NOT_DONE);
    if (planned) {
        refusal = plan->code;
    }
    struct ledger_reply reply;
    if (refusal != 0) {
        reply = ledger_reply_error(number, refusal);
        reply.total_krw = planned ? (int32_t)plan->amount_krw : 0;
        key_record(ledger, key, &reply);
        return reply;
    }
    int64_t amount = plan->amount_krw != 0 ? plan->amount_krw : request->amount_krw;
    invariant(amount > 0 && amount <= PG_LEDGER_AMOUNT_MAX);
    if (plan->due_ms > 0) {
        return charge_late(ledger, number, key, plan, (int32_t)amount, now_ms);
    }
    order_approve(order, (int32_t)amount, (plan->flags & PG_PLAN_NOT_KRW) != 0, now_ms);
    schedule_outside(ledger, number, plan);
    reply = plan->code != 0 ? ledger_reply_error(number, plan->code)
                            : ledger_reply_payment(ledger, number, false);
    if (plan->flags & PG_PLAN_NO_PG_ID) {
        reply.flags |= KEY_NO_PG_ID;
    }
    key_record(ledger, key, &reply);
    return reply;
}

/* Why the PG refuses to cancel now; 0: it does not. `amount_krw` -1: all that is left. */
static uint8_t cancel_refusal(const struct ledger_order *order, int64_t amount_krw,
                              int64_t refundable_krw)
{
    int32_t balance = order->captured_krw - order->refunded_krw;
    if (order->status == PG_CANCELED) {
        return PG_FAKE_ALREADY_CANCELED_PAYMENT;
    }
    if ((order->flags & ORDER_NO_CANCELS) || order->approvals == 0) {
        return PG_FAKE_NOT_CANCELABLE_PAYMENT;
    }
    if (balance == 0) {
        return PG_FAKE_NOT_CANCELABLE_AMOUNT;
    }
    if (refundable_krw >= 0 && refundable_krw != balance) {
        return PG_FAKE_NOT_MATCHES_REFUNDABLE_AMOUNT;
    }
    if (amount_krw >= 0 && (amount_krw == 0 || amount_krw > balance)) {
        return PG_FAKE_NOT_CANCELABLE_AMOUNT;
    }
    return 0;
}

/* Cancels as far as the PG lets it. */
static struct ledger_reply cancel_now(struct pg_ledger *ledger, slot number, int64_t amount_krw,
                                      int64_t refundable_krw, int64_t now_ms)
{
    struct ledger_order *order = ledger_order(ledger, number);
    uint8_t refusal = cancel_refusal(order, amount_krw, refundable_krw);
    if (refusal != 0) {
        return ledger_reply_error(number, refusal);
    }
    int32_t balance = order->captured_krw - order->refunded_krw;
    order_refund(order, amount_krw < 0 ? balance : (int32_t)amount_krw, now_ms);
    return ledger_reply_payment(ledger, number, false);
}

/* Amounts beyond what any order holds are as good as the largest that a slot can keep. */
static int32_t clamp_krw(int64_t amount_krw)
{
    if (amount_krw < 0) {
        return -1;
    }
    return amount_krw > INT32_MAX ? INT32_MAX : (int32_t)amount_krw;
}

struct ledger_reply ledger_cancel(struct pg_ledger *ledger, const struct pg_ledger_request *request,
                                  const struct pg_ledger_plan *plan, slot number, slot key,
                                  int64_t now_ms)
{
    struct ledger_reply reply;
    const uint8_t refused_first = PG_PLAN_NOT_DONE | PG_PLAN_FIRST;
    if (number == 0 && (plan->flags & refused_first) != refused_first) {
        reply = ledger_reply_error(0, PG_FAKE_NOT_FOUND_PAYMENT);
    } else if (plan->flags & PG_PLAN_NOT_DONE) {
        if (number != 0 && (plan->flags & PG_PLAN_NO_CANCELS)) {
            ledger_order(ledger, number)->flags |= ORDER_NO_CANCELS;
        }
        reply = ledger_reply_error(number, plan->code);
        reply.total_krw = (int32_t)plan->amount_krw;
    } else if (plan->due_ms > 0) {
        struct ledger_pending *pending = ledger_pending_add(ledger, plan->due_ms);
        pending->kind = PENDING_CANCEL;
        pending->order = number;
        pending->key = key;
        pending->amount_krw = clamp_krw(request->amount_krw);
        pending->refundable_krw = clamp_krw(request->refundable_krw);
        return reply_late(ledger, number, key);
    } else {
        reply = cancel_now(ledger, number, request->amount_krw, request->refundable_krw, now_ms);
        if (plan->code != 0) {
            reply = ledger_reply_error(number, plan->code);
        } else if (plan->flags & PG_PLAN_NO_PG_ID) {
            reply.flags |= KEY_NO_PG_ID;
        }
    }
    key_record(ledger, key, &reply);
    return reply;
}

static struct ledger_reply land_charge(struct pg_ledger *ledger,
                                       const struct ledger_pending *pending)
{
    struct ledger_order *order = ledger_order(ledger, pending->order);
    if (order->status != 0 && order->status != PG_IN_PROGRESS) {
        return ledger_reply_error(pending->order, PG_FAKE_DUPLICATED_ORDER_ID);
    }
    if (pending->kind == PENDING_CHARGE) {
        order_approve(order, pending->amount_krw, pending->not_krw != 0, pending->due_ms);
    } else {
        order_touch(order, pending->due_ms);
        order->status = PG_ABORTED;
        order->asked_krw = pending->amount_krw;
    }
    return ledger_reply_payment(ledger, pending->order, false);
}

/* The merchant's operator takes what is left at most. */
static void land_outside(struct pg_ledger *ledger, const struct ledger_pending *pending)
{
    struct ledger_order *order = ledger_order(ledger, pending->order);
    int32_t left = order->captured_krw - order->refunded_krw;
    int32_t amount = pending->amount_krw < left ? pending->amount_krw : left;
    if (amount > 0) {
        order_refund(order, amount, pending->due_ms);
        order->outside_krw += amount;
    }
}

static void land(struct pg_ledger *ledger, const struct ledger_pending *pending)
{
    struct ledger_reply reply;
    if (pending->kind == PENDING_OUTSIDE) {
        land_outside(ledger, pending);
        return;
    }
    if (pending->kind == PENDING_CANCEL) {
        reply = cancel_now(ledger, pending->order, pending->amount_krw, pending->refundable_krw,
                           pending->due_ms);
    } else {
        reply = land_charge(ledger, pending);
    }
    key_record(ledger, pending->key, &reply);
}

bool pg_ledger_land(struct pg_ledger *ledger, int64_t now_ms, struct pg_ledger_landed *landed)
{
    if (pg_ledger_next_due(ledger) > now_ms) {
        return false;
    }
    uint32_t index = ledger_pending_first(ledger);
    struct ledger_pending due = *ledger_pending_at(ledger, index);
    struct ledger_order before = *ledger_order(ledger, due.order);
    ledger_pending_remove(ledger, index);
    land(ledger, &due);
    const struct ledger_order *after = ledger_order(ledger, due.order);
    *landed = (struct pg_ledger_landed){
        .at_ms = due.due_ms,
        .refunded_krw = after->refunded_krw - before.refunded_krw,
        .order = due.order - 1,
        .approved = after->approvals != before.approvals,
        .outside = due.kind == PENDING_OUTSIDE,
    };
    return true;
}

void pg_ledger_advance(struct pg_ledger *ledger, int64_t now_ms)
{
    struct pg_ledger_landed landed;
    while (pg_ledger_land(ledger, now_ms, &landed)) {
    }
}
