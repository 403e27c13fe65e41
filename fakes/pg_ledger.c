#include "pg_ledger.h"
#include "pg_ledger_state.h"

#include "invariant.h"
#include "pg_code.h"

#include <string.h>

static const struct pg_ledger_plan nothing_wrong;

static void count_up(uint16_t *counter)
{
    if (*counter < UINT16_MAX) {
        (*counter)++;
    }
}

static void answer_clear(struct pg_answer *answer, uint8_t kind)
{
    memset(answer, 0, sizeof *answer);
    answer->kind = kind;
    answer->total_krw = -1;
    answer->balance_krw = -1;
}

void pg_ledger_error_answer(struct texts *texts, enum pg_fake_code code, struct pg_answer *answer)
{
    const char *name = pg_fake_code_name(code);
    answer_clear(answer, PG_ANSWER_ERROR);
    answer->code = texts_intern_string(texts, name);
    if (answer->code == TEXT_NONE) {
        answer->kind = PG_ANSWER_BROKEN;
        return;
    }
    answer->code_class = (uint8_t)pg_code_classify(name, strlen(name));
}

/* The answer as the caller sees it. */
static void reply_render(const struct pg_ledger *ledger, struct texts *texts,
                         const struct ledger_reply *reply, struct pg_answer *answer)
{
    if (reply->kind == PG_ANSWER_ERROR) {
        pg_ledger_error_answer(texts, reply->code, answer);
        answer->total_krw = reply->total_krw > 0 ? reply->total_krw : -1;
        return;
    }
    answer_clear(answer, reply->kind);
    if (reply->kind != PG_ANSWER_PAYMENT) {
        return;
    }
    if (!(reply->flags & KEY_NO_PG_ID)) {
        char pg_id[PG_LEDGER_PG_ID_SIZE];
        ledger_pg_id(ledger_order(ledger, reply->order), pg_id);
        answer->pg_id = texts_intern_string(texts, pg_id);
        if (answer->pg_id == TEXT_NONE) {
            answer->kind = PG_ANSWER_BROKEN;
            return;
        }
    }
    answer->status = reply->status;
    answer->order_matches = 1;
    answer->currency_krw = !(reply->flags & KEY_NOT_KRW);
    answer->total_krw = reply->total_krw;
    answer->balance_krw = reply->balance_krw;
}

static struct ledger_reply key_replay(const struct ledger_key *key)
{
    if (key->flags & KEY_OPEN) {
        return ledger_reply_error(key->order, PG_FAKE_IDEMPOTENT_REQUEST_PROCESSING);
    }
    return (struct ledger_reply){
        .order = key->order,
        .kind = key->kind,
        .code = key->code,
        .status = key->status,
        .flags = key->flags,
        .total_krw = key->total_krw,
        .balance_krw = key->balance_krw,
    };
}

static struct ledger_reply look_up(struct pg_ledger *ledger, slot number,
                                   const struct pg_ledger_plan *plan)
{
    if (number == 0) {
        return ledger_reply_error(0, PG_FAKE_NOT_FOUND_PAYMENT);
    }
    count_up(&ledger_order(ledger, number)->lookups);
    if (plan->flags & PG_PLAN_NOT_DONE) {
        return ledger_reply_error(number, plan->code);
    }
    struct ledger_reply reply = ledger_reply_payment(ledger, number, plan->flags & PG_PLAN_STALE);
    if (plan->flags & PG_PLAN_NO_PG_ID) {
        reply.flags |= KEY_NO_PG_ID;
    }
    return reply;
}

static void count_post(struct pg_ledger *ledger, slot number, uint8_t op)
{
    if (number != 0) {
        struct ledger_order *order = ledger_order(ledger, number);
        count_up(op == PG_LEDGER_CHARGE ? &order->charges : &order->cancels);
    }
}

/* True where the request finds room for all that it may leave behind. */
static bool post_has_room(const struct pg_ledger *ledger, const struct texts *texts,
                          const struct pg_ledger_request *request, uint8_t account, int64_t now_ms)
{
    if (request->key != TEXT_NONE && !ledger_key_has_room(ledger, now_ms)) {
        return false;
    }
    return request->op != PG_LEDGER_CHARGE || ledger->order_count < ledger->limits.orders_max ||
           ledger_order_named(ledger, texts, request, account) != 0;
}

static bool key_is_too_long(const struct texts *texts, text_id key)
{
    size_t len = 0;
    (void)texts_get(texts, key, &len);
    return len > PG_LEDGER_KEY_MAX;
}

static slot request_key(const struct pg_ledger *ledger, const struct texts *texts,
                        const struct pg_ledger_request *request, int64_t now_ms)
{
    bool post = request->op == PG_LEDGER_CHARGE || request->op == PG_LEDGER_CANCEL;
    if (!post || request->key == TEXT_NONE) {
        return 0;
    }
    return ledger_key_find(ledger, ledger_key_hash(texts, request), now_ms);
}

static struct ledger_reply post(struct pg_ledger *ledger, const struct texts *texts,
                                const struct pg_ledger_request *request,
                                const struct pg_ledger_plan *plan, uint8_t account, int64_t now_ms)
{
    if (key_is_too_long(texts, request->key)) {
        return ledger_reply_error(0, PG_FAKE_INVALID_IDEMPOTENCY_KEY);
    }
    slot key = request_key(ledger, texts, request, now_ms);
    if (key != 0) {
        count_post(ledger, ledger_key(ledger, key)->order, request->op);
        return key_replay(ledger_key(ledger, key));
    }
    bool late = plan->due_ms > 0;
    if (!post_has_room(ledger, texts, request, account, now_ms) ||
        (late && !pg_ledger_has_pending_room(ledger))) {
        ledger->overflows++;
        return ledger_reply_error(0, PG_FAKE_FAILED_INTERNAL_SYSTEM_PROCESSING);
    }
    if (request->key != TEXT_NONE) {
        key = ledger_key_add(ledger, ledger_key_hash(texts, request), now_ms);
        invariant(key != 0);
    }
    slot order = ledger_order_named(ledger, texts, request, account);
    if (order == 0 && request->op == PG_LEDGER_CHARGE) {
        order = ledger_order_add(ledger, &request->order_id, account);
        invariant(order != 0);
    }
    count_post(ledger, order, request->op);
    return request->op == PG_LEDGER_CHARGE
               ? ledger_charge(ledger, texts, request, plan, order, key, now_ms)
               : ledger_cancel(ledger, request, plan, order, key, now_ms);
}

void pg_ledger_execute(struct pg_ledger *ledger, struct texts *texts,
                       const struct pg_ledger_request *request, const struct pg_ledger_plan *plan,
                       int64_t now_ms, struct pg_answer *answer)
{
    invariant(request->op >= PG_LEDGER_CHARGE && request->op <= PG_LEDGER_CANCEL);
    const struct pg_ledger_plan *done = plan != NULL ? plan : &nothing_wrong;
    pg_ledger_advance(ledger, now_ms);
    uint8_t account = ledger_account(ledger, request->account);
    struct ledger_reply reply;
    if (account == PG_LEDGER_ACCOUNTS) {
        reply = ledger_reply_error(0, PG_FAKE_UNAUTHORIZED_KEY);
    } else if (request->op == PG_LEDGER_CHARGE || request->op == PG_LEDGER_CANCEL) {
        reply = post(ledger, texts, request, done, account, now_ms);
    } else {
        reply = look_up(ledger, ledger_order_named(ledger, texts, request, account), done);
    }
    reply_render(ledger, texts, &reply, answer);
}

bool pg_ledger_replays(const struct pg_ledger *ledger, const struct texts *texts,
                       const struct pg_ledger_request *request, int64_t now_ms)
{
    return ledger_account(ledger, request->account) < PG_LEDGER_ACCOUNTS &&
           request_key(ledger, texts, request, now_ms) != 0;
}

uint32_t pg_ledger_replay_order(const struct pg_ledger *ledger, const struct texts *texts,
                                const struct pg_ledger_request *request, int64_t now_ms)
{
    slot key = request_key(ledger, texts, request, now_ms);
    slot order = key != 0 ? ledger_key(ledger, key)->order : 0;
    return order == 0 ? PG_LEDGER_NO_ORDER : order - 1;
}

bool pg_ledger_writes(const struct pg_ledger *ledger, const struct texts *texts,
                      const struct pg_ledger_request *request, int64_t now_ms)
{
    uint8_t account = ledger_account(ledger, request->account);
    if (account == PG_LEDGER_ACCOUNTS ||
        (request->op != PG_LEDGER_CHARGE && request->op != PG_LEDGER_CANCEL)) {
        return false;
    }
    return !key_is_too_long(texts, request->key) &&
           request_key(ledger, texts, request, now_ms) == 0 &&
           post_has_room(ledger, texts, request, account, now_ms);
}
