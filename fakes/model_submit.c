/*
 * One batch: judged as a whole for room and texts, then written unit by unit. Judging again
 * before each write lets units of one batch see one another, as in an SQL transaction.
 */
#include "model_internal.h"

#include <string.h>

/* Rows that the batch adds, by table. */
struct room {
    uint32_t payments;
    uint32_t outbox;
    uint32_t failed_events;
};

static bool unit_has_outcome(const struct unit *unit)
{
    return unit->as.payment.outcome.type != OUTCOME_NONE;
}

static enum model_judgement judge(const struct model_store *store, const struct texts *texts,
                                  const struct unit *unit, uint32_t *place)
{
    *place = UINT32_MAX;
    switch ((enum unit_kind)unit->kind) {
    case UNIT_PAYMENT_OPEN:
    case UNIT_PAYMENT_MOVE:
        return model_payment_judge(store, texts, unit, place);
    case UNIT_OUTBOX_MOVE:
        return model_outbox_judge(store, unit, place);
    case UNIT_FAILED_EVENT_OPEN:
    case UNIT_FAILED_EVENT_MOVE:
        return model_failed_event_judge(store, texts, unit, place);
    case UNIT_LEASE:
        return JUDGE_WRITE;
    }
    return JUDGE_ERROR;
}

static bool unit_intern(const struct model_store *store, const struct texts *texts,
                        const struct unit *unit)
{
    if (texts == store->texts) {
        return true;
    }
    switch ((enum unit_kind)unit->kind) {
    case UNIT_PAYMENT_OPEN:
    case UNIT_PAYMENT_MOVE:
        return model_payment_intern(store, texts, unit);
    case UNIT_FAILED_EVENT_OPEN:
        return model_failed_event_intern(store, texts, unit);
    case UNIT_LEASE: {
        text_id holder;
        return model_text(store->texts, texts, unit->as.lease.holder, &holder);
    }
    case UNIT_OUTBOX_MOVE:
    case UNIT_FAILED_EVENT_MOVE:
        break;
    }
    return true;
}

static void room_add(struct room *room, const struct unit *unit)
{
    bool payment = unit->kind == UNIT_PAYMENT_OPEN || unit->kind == UNIT_PAYMENT_MOVE;
    bool resolved = unit->kind == UNIT_FAILED_EVENT_MOVE &&
                    unit->as.failed_event.row.status == FAILED_EVENT_RESOLVED;
    room->payments += unit->kind == UNIT_PAYMENT_OPEN;
    room->outbox += (payment && unit_has_outcome(unit)) || resolved;
    room->failed_events += unit->kind == UNIT_FAILED_EVENT_OPEN;
}

static bool room_is_there(const struct model_tables *tables, const struct room *room)
{
    return room->payments <= tables->limits.payments - tables->payments_count &&
           room->outbox <= tables->limits.outbox - tables->outbox_count &&
           room->failed_events <= tables->limits.failed_events - tables->failed_events_count;
}

/* Interns what the unit brings and what its result will show. False: a pool is full. */
static bool unit_prepare(const struct model_store *store, const struct store_batch *batch,
                         const struct unit *unit, struct room *room)
{
    if (!store_unit_check(unit, batch->texts)) {
        return true;
    }
    if (!unit_intern(store, batch->texts, unit)) {
        return false;
    }
    uint32_t place;
    enum model_judgement judgement = judge(store, batch->texts, unit, &place);
    if (judgement == JUDGE_WRITE) {
        room_add(room, unit);
    }
    bool payment = unit->kind == UNIT_PAYMENT_OPEN || unit->kind == UNIT_PAYMENT_MOVE;
    bool shown = judgement == JUDGE_REFUSED || judgement == JUDGE_DUPLICATE;
    struct payment_row row;
    return !payment || !shown || place == UINT32_MAX ||
           model_payment_row(store, place, 0, batch->texts, &row);
}

static void lease_write(struct model_store *store, const struct texts *texts,
                        const struct unit *unit, int64_t now_ms, struct unit_result *result)
{
    const struct unit_lease *wish = &unit->as.lease;
    struct lease *lease = &model_tables(store)->leases[wish->name];
    struct token *token = &model_tables(store)->lease_tokens[wish->name];
    text_id holder;
    invariant(model_text(store->texts, texts, wish->holder, &holder));
    bool applied = false;
    switch ((enum lease_op)wish->op) {
    case LEASE_TAKE:
        applied = lease_take(lease, holder, now_ms, wish->lock_ms);
        break;
    case LEASE_EXTEND:
        applied = lease_extend(lease, holder, now_ms, wish->lock_ms);
        break;
    case LEASE_RELEASE:
        applied = lease_release(lease, holder, now_ms, wish->at_least_ms);
        break;
    }
    if (applied) {
        *token = unit->token;
    }
    bool ours = lease->locked_by != TEXT_NONE && token_equal(*token, unit->token);
    result->verdict = ours ? UNIT_APPLIED : UNIT_REFUSED;
}

static void unit_write(struct model_store *store, const struct texts *texts,
                       const struct unit *unit, uint32_t place, int64_t now_ms)
{
    switch ((enum unit_kind)unit->kind) {
    case UNIT_PAYMENT_OPEN:
    case UNIT_PAYMENT_MOVE:
        model_payment_write(store, texts, unit, place, now_ms);
        return;
    case UNIT_OUTBOX_MOVE:
        model_outbox_write(store, unit, place, now_ms);
        return;
    case UNIT_FAILED_EVENT_OPEN:
    case UNIT_FAILED_EVENT_MOVE:
        model_failed_event_write(store, texts, unit, place, now_ms);
        return;
    case UNIT_LEASE:
        break;
    }
    invariant(false);
}

static enum unit_verdict verdict_of(enum model_judgement judgement)
{
    switch (judgement) {
    case JUDGE_WRITE:
    case JUDGE_APPLIED:
        return UNIT_APPLIED;
    case JUDGE_REFUSED:
        return UNIT_REFUSED;
    case JUDGE_DUPLICATE:
        return UNIT_DUPLICATE;
    case JUDGE_ERROR:
        break;
    }
    return UNIT_ERROR;
}

static void unit_apply(struct model_store *store, const struct store_batch *batch,
                       const struct unit *unit, int64_t now_ms, struct unit_result *result)
{
    memset(result, 0, sizeof(*result));
    if (!store_unit_check(unit, batch->texts)) {
        result->verdict = UNIT_ERROR;
        return;
    }
    if (unit->kind == UNIT_LEASE) {
        lease_write(store, batch->texts, unit, now_ms, result);
        return;
    }
    uint32_t place;
    enum model_judgement judgement = judge(store, batch->texts, unit, &place);
    result->verdict = (uint8_t)verdict_of(judgement);
    if (judgement == JUDGE_WRITE) {
        unit_write(store, batch->texts, unit, place, now_ms);
        return;
    }
    bool payment = unit->kind == UNIT_PAYMENT_OPEN || unit->kind == UNIT_PAYMENT_MOVE;
    bool shown = judgement == JUDGE_REFUSED || judgement == JUDGE_DUPLICATE;
    if (payment && shown && place != UINT32_MAX) {
        invariant(model_payment_row(store, place, now_ms, batch->texts, &result->row));
        result->has_row = 1;
    }
}

enum batch_outcome model_store_submit(struct store *base, const struct store_batch *batch)
{
    struct model_store *store = (struct model_store *)base;
    invariant(batch->count <= STORE_BATCH_MAX);
    struct room room = {0};
    for (uint32_t i = 0; i < batch->count; i++) {
        if (!unit_prepare(store, batch, &batch->units[i], &room)) {
            return BATCH_ABORTED;
        }
    }
    if (!room_is_there(model_tables(store), &room)) {
        return BATCH_ABORTED;
    }
    int64_t now_ms = model_now(store);
    for (uint32_t i = 0; i < batch->count; i++) {
        unit_apply(store, batch, &batch->units[i], now_ms, &batch->results[i]);
    }
    return BATCH_COMMITTED;
}
