/* The model's payments table. */
#include "model_internal.h"

static uint32_t find_by_trip(const struct model_store *store, text_id trip_id)
{
    uint32_t at = *model_head(store, INDEX_PAYMENT_BY_TRIP, model_hash(trip_id));
    while (at != 0 && model_payments(store)[at - 1].trip_id != trip_id) {
        at = model_payments(store)[at - 1].next_by_trip;
    }
    return at - 1; /* UINT32_MAX: none */
}

static uint32_t find_by_id(const struct model_store *store, const struct uuid *id)
{
    uint32_t at = *model_head(store, INDEX_PAYMENT_BY_ID, model_hash_uuid(id));
    while (at != 0 && !uuid_equal(&model_payments(store)[at - 1].payment_id, id)) {
        at = model_payments(store)[at - 1].next_by_id;
    }
    return at - 1;
}

/* The guard holds; the outbox must not have the payment's outcome yet, known by its event id. */
static enum model_judgement judge_outcome(const struct model_store *store, const struct unit *unit)
{
    const struct unit_outcome *outcome = &unit->as.payment.outcome;
    bool taken =
        outcome->type != OUTCOME_NONE && model_outbox_has_event(store, &outcome->record.event_id);
    return taken ? JUDGE_ERROR : JUDGE_WRITE;
}

static enum model_judgement judge_open(const struct model_store *store, const struct texts *texts,
                                       const struct unit *unit, uint32_t *place)
{
    const struct payment_row *row = &unit->as.payment.row;
    if (uuid_is_nil(&row->payment_id)) {
        return JUDGE_ERROR;
    }
    text_id trip_id;
    invariant(model_text(store->texts, texts, row->trip_id, &trip_id));
    *place = find_by_trip(store, trip_id);
    if (*place != UINT32_MAX) {
        bool ours = token_equal(model_payments(store)[*place].token, unit->token);
        return ours ? JUDGE_APPLIED : JUDGE_DUPLICATE;
    }
    if (find_by_id(store, &row->payment_id) != UINT32_MAX) {
        return JUDGE_ERROR; /* another trip's row has this payment id */
    }
    return judge_outcome(store, unit);
}

enum model_judgement model_payment_judge(const struct model_store *store, const struct texts *texts,
                                         const struct unit *unit, uint32_t *place)
{
    if (unit->kind == UNIT_PAYMENT_OPEN) {
        return judge_open(store, texts, unit, place);
    }
    const struct unit_payment *payment = &unit->as.payment;
    *place = find_by_id(store, &payment->row.payment_id);
    if (*place == UINT32_MAX) {
        return JUDGE_REFUSED;
    }
    const struct model_payment *row = &model_payments(store)[*place];
    if (row->status == payment->guard_status && row->epoch == payment->guard_epoch) {
        return judge_outcome(store, unit);
    }
    return token_equal(row->token, unit->token) ? JUDGE_APPLIED : JUDGE_REFUSED;
}

/* The image's texts as the store's. False: the pool is full. */
static bool texts_copy(struct texts *to, const struct texts *from, const struct payment_row *row,
                       struct model_payment *copy)
{
    return model_text(to, from, row->trip_id, &copy->trip_id) &&
           model_text(to, from, row->user_id, &copy->user_id) &&
           model_text(to, from, row->method_id, &copy->method_id) &&
           model_text(to, from, row->pg_id, &copy->pg_id) &&
           model_text(to, from, row->refund_pg_id, &copy->refund_pg_id) &&
           model_text(to, from, row->traceparent, &copy->traceparent) &&
           model_text(to, from, row->code, &copy->code);
}

bool model_payment_intern(const struct model_store *store, const struct texts *texts,
                          const struct unit *unit)
{
    const struct unit_payment *payment = &unit->as.payment;
    struct model_payment copy;
    return texts_copy(store->texts, texts, &payment->row, &copy) &&
           (payment->outcome.type == OUTCOME_NONE ||
            model_outbox_intern(store, texts, &payment->outcome.record));
}

static int64_t instant_write(int64_t before, uint8_t write, int64_t now_ms)
{
    switch ((enum instant_write)write) {
    case INSTANT_KEEP:
        return before;
    case INSTANT_NOW:
        return now_ms;
    case INSTANT_CLEAR:
        break;
    }
    return AGE_NONE;
}

/* A new row, linked into both indexes. */
static struct model_payment *row_insert(struct model_store *store, const struct payment_row *image,
                                        text_id trip_id, int64_t now_ms)
{
    struct model_tables *tables = model_tables(store);
    invariant(tables->payments_count < tables->limits.payments);
    struct model_payment *row = &model_payments(store)[tables->payments_count++];
    *row = (struct model_payment){.payment_id = image->payment_id,
                                  .trip_id = trip_id,
                                  .claimed_at = AGE_NONE,
                                  .cancel_first_at = AGE_NONE,
                                  .requested_at = now_ms,
                                  .completed_at = AGE_NONE};
    uint32_t *by_trip = model_head(store, INDEX_PAYMENT_BY_TRIP, model_hash(trip_id));
    row->next_by_trip = *by_trip;
    *by_trip = tables->payments_count;
    uint32_t *by_id = model_head(store, INDEX_PAYMENT_BY_ID, model_hash_uuid(&row->payment_id));
    row->next_by_id = *by_id;
    *by_id = tables->payments_count;
    return row;
}

/* The row takes the image; its trip and payment id are its own for ever. */
static void row_write(struct model_payment *row, const struct model_payment *texts,
                      const struct unit *unit, int64_t now_ms)
{
    const struct unit_payment *payment = &unit->as.payment;
    const struct payment_row *image = &payment->row;
    if (image->status == PAYMENT_COMPLETED && row->status != PAYMENT_COMPLETED) {
        row->completed_at = now_ms;
    }
    row->token = unit->token;
    row->epoch = unit->kind == UNIT_PAYMENT_OPEN ? 1 : payment->guard_epoch + 1;
    if (unit->kind == UNIT_PAYMENT_OPEN || payment->claimed_at == INSTANT_NOW) {
        row->pg_account = image->pg_account;
    }
    row->claimed_at = instant_write(row->claimed_at, payment->claimed_at, now_ms);
    row->cancel_first_at = instant_write(row->cancel_first_at, payment->cancel_at, now_ms);
    row->due_at = model_instant_after(now_ms, image->due_in_ms);
    row->amount_krw = image->amount_krw;
    row->user_id = texts->user_id;
    row->method_id = texts->method_id;
    row->pg_id = texts->pg_id;
    row->refund_pg_id = texts->refund_pg_id;
    row->traceparent = texts->traceparent;
    row->code = texts->code;
    row->cancel_no = image->cancel_no;
    row->attempts = image->attempts;
    row->status = image->status;
    row->refund_state = image->refund_state;
    row->absent_count = image->absent_count;
    row->recheck_no = image->recheck_no;
    row->needs_operator = image->needs_operator;
    row->reason = image->reason;
}

static void outcome_write(struct model_store *store, const struct texts *texts,
                          const struct unit *unit, int64_t now_ms)
{
    const struct unit_outcome *outcome = &unit->as.payment.outcome;
    const struct outbox_row *record = &outcome->record;
    struct model_outbox row = {.event_id = record->event_id,
                               .token = unit->token,
                               .due_at = model_instant_after(now_ms, outcome->lease_ms),
                               .record_at_ms = record->record_at_ms,
                               .epoch = 1,
                               .status = OUTBOX_PUBLISHING};
    text_id key = record->has_key ? record->key : TEXT_NONE;
    text_id body = record->has_body ? record->body : TEXT_NONE;
    invariant(model_text(store->texts, texts, record->topic, &row.topic));
    invariant(model_text(store->texts, texts, key, &row.key));
    invariant(model_text(store->texts, texts, body, &row.body));
    invariant(model_text(store->texts, texts, record->headers, &row.headers));
    model_outbox_insert(store, &row);
}

void model_payment_write(struct model_store *store, const struct texts *texts,
                         const struct unit *unit, uint32_t place, int64_t now_ms)
{
    const struct payment_row *image = &unit->as.payment.row;
    struct model_payment copy;
    invariant(texts_copy(store->texts, texts, image, &copy));
    struct model_payment *row = place == UINT32_MAX ? row_insert(store, image, copy.trip_id, now_ms)
                                                    : &model_payments(store)[place];
    row_write(row, &copy, unit, now_ms);
    if (unit->as.payment.outcome.type != OUTCOME_NONE) {
        outcome_write(store, texts, unit, now_ms);
    }
}

static int64_t age_of(int64_t now_ms, int64_t instant_ms)
{
    return instant_ms == AGE_NONE ? AGE_NONE : now_ms - instant_ms;
}

bool model_payment_row(const struct model_store *store, uint32_t place, int64_t now_ms,
                       struct texts *texts, struct payment_row *row)
{
    const struct model_payment *kept = &model_payments(store)[place];
    *row = (struct payment_row){.payment_id = kept->payment_id,
                                .token = kept->token,
                                .pg_account = kept->pg_account,
                                .claimed_age_ms = age_of(now_ms, kept->claimed_at),
                                .cancel_age_ms = age_of(now_ms, kept->cancel_first_at),
                                .due_in_ms = model_delay_until(now_ms, kept->due_at),
                                .amount_krw = kept->amount_krw,
                                .epoch = kept->epoch,
                                .cancel_no = kept->cancel_no,
                                .attempts = kept->attempts,
                                .status = kept->status,
                                .refund_state = kept->refund_state,
                                .absent_count = kept->absent_count,
                                .recheck_no = kept->recheck_no,
                                .needs_operator = kept->needs_operator,
                                .reason = kept->reason};
    return model_text(texts, store->texts, kept->trip_id, &row->trip_id) &&
           model_text(texts, store->texts, kept->user_id, &row->user_id) &&
           model_text(texts, store->texts, kept->method_id, &row->method_id) &&
           model_text(texts, store->texts, kept->pg_id, &row->pg_id) &&
           model_text(texts, store->texts, kept->refund_pg_id, &row->refund_pg_id) &&
           model_text(texts, store->texts, kept->traceparent, &row->traceparent) &&
           model_text(texts, store->texts, kept->code, &row->code);
}

enum store_status model_payments_due(const struct model_store *store, const struct store_scan *scan,
                                     struct store_page *page)
{
    int64_t now_ms = model_now(store);
    const struct model_payment *rows = model_payments(store);
    struct model_picks picks;
    picks.count = 0;
    picks.limit = scan->limit;
    for (uint32_t i = 0; i < model_tables(store)->payments_count; i++) {
        if (rows[i].due_at <= now_ms) {
            model_picks_offer(&picks, rows[i].due_at, i, i);
        }
    }
    for (uint32_t i = 0; i < picks.count; i++) {
        struct payment_row *row = &page->rows[i].payment;
        if (!model_payment_row(store, picks.picks[i].place, now_ms, page->texts, row)) {
            break;
        }
        page->count++;
    }
    return page->count == 0 && picks.count > 0 ? STORE_UNAVAILABLE : STORE_OK;
}

static bool view_read(const struct model_store *store, uint32_t place, struct texts *texts,
                      struct payment_view *view)
{
    view->requested_at_ms = model_payments(store)[place].requested_at;
    view->completed_at_ms = model_payments(store)[place].completed_at;
    return model_payment_row(store, place, model_now(store), texts, &view->row);
}

enum store_status model_read_payment(struct store *base, const char *trip_id, size_t len,
                                     struct texts *texts, struct payment_view *view)
{
    const struct model_store *store = (const struct model_store *)base;
    text_id id = texts_find(store->texts, trip_id, len);
    uint32_t place = id == TEXT_NONE ? UINT32_MAX : find_by_trip(store, id);
    if (place == UINT32_MAX) {
        return STORE_NOT_FOUND;
    }
    struct payment_view read;
    if (!view_read(store, place, texts, &read)) {
        return STORE_UNAVAILABLE;
    }
    *view = read;
    return STORE_OK;
}

uint32_t model_store_payment_count(const struct model_store *handle)
{
    return model_tables(handle)->payments_count;
}

void model_store_payment_at(const struct model_store *handle, uint32_t at,
                            struct payment_view *view)
{
    invariant(at < model_store_payment_count(handle));
    invariant(view_read(handle, at, handle->texts, view));
}
