/* The model's payment_outbox table. */
#include "model_internal.h"

#include <string.h>

static uint32_t find_by_row(const struct model_store *store, int64_t row_id)
{
    uint32_t at = *model_head(store, INDEX_OUTBOX_BY_ROW, model_hash((uint64_t)row_id));
    while (at != 0 && model_outbox(store)[at - 1].row_id != row_id) {
        at = model_outbox(store)[at - 1].next_by_row;
    }
    return at - 1; /* UINT32_MAX: none */
}

/* A nil id names no row. */
static uint32_t find_by_event(const struct model_store *store, const struct uuid *event_id)
{
    uint32_t at = *model_head(store, INDEX_OUTBOX_BY_EVENT, model_hash_uuid(event_id));
    while (at != 0 && !uuid_equal(&model_outbox(store)[at - 1].event_id, event_id)) {
        at = model_outbox(store)[at - 1].next_by_event;
    }
    return at - 1;
}

bool model_outbox_has_event(const struct model_store *store, const struct uuid *event_id)
{
    return !uuid_is_nil(event_id) && find_by_event(store, event_id) != UINT32_MAX;
}

enum model_judgement model_outbox_judge(const struct model_store *store, const struct unit *unit,
                                        uint32_t *place)
{
    const struct unit_outbox *outbox = &unit->as.outbox;
    *place = outbox->row_id != 0 ? find_by_row(store, outbox->row_id)
                                 : find_by_event(store, &outbox->event_id);
    if (*place == UINT32_MAX) {
        return JUDGE_REFUSED;
    }
    const struct model_outbox *row = &model_outbox(store)[*place];
    if (row->status == outbox->guard_status && row->epoch == outbox->guard_epoch) {
        return JUDGE_WRITE;
    }
    return token_equal(row->token, unit->token) ? JUDGE_APPLIED : JUDGE_REFUSED;
}

void model_outbox_write(struct model_store *store, const struct unit *unit, uint32_t place,
                        int64_t now_ms)
{
    const struct unit_outbox *outbox = &unit->as.outbox;
    struct model_outbox *row = &model_outbox(store)[place];
    row->token = unit->token;
    row->epoch = outbox->guard_epoch + 1;
    row->status = outbox->status;
    row->attempts = outbox->attempts;
    row->due_at = model_instant_after(now_ms, outbox->due_in_ms);
    row->done_at = outbox->status == OUTBOX_DONE ? now_ms : AGE_NONE;
}

bool model_outbox_intern(const struct model_store *store, const struct texts *texts,
                         const struct outbox_row *record)
{
    text_id ignored;
    return model_text(store->texts, texts, record->topic, &ignored) &&
           (!record->has_key || model_text(store->texts, texts, record->key, &ignored)) &&
           (!record->has_body || model_text(store->texts, texts, record->body, &ignored)) &&
           model_text(store->texts, texts, record->headers, &ignored);
}

/* A free place, or the next one that was never used. */
static uint32_t place_take(struct model_store *store)
{
    struct model_tables *tables = model_tables(store);
    invariant(tables->outbox_count < tables->limits.outbox);
    tables->outbox_count++;
    if (tables->outbox_free == 0) {
        return tables->outbox_places++;
    }
    uint32_t place = tables->outbox_free - 1;
    tables->outbox_free = model_outbox(store)[place].next_by_row;
    return place;
}

void model_outbox_insert(struct model_store *store, const struct model_outbox *row)
{
    uint32_t place = place_take(store);
    struct model_outbox *kept = &model_outbox(store)[place];
    *kept = *row;
    kept->row_id = ++model_tables(store)->outbox_last_id;
    kept->done_at = AGE_NONE;
    uint64_t hash = model_hash((uint64_t)kept->row_id);
    uint32_t *by_row = model_head(store, INDEX_OUTBOX_BY_ROW, hash);
    kept->next_by_row = *by_row;
    *by_row = place + 1;
    kept->next_by_event = 0;
    if (!uuid_is_nil(&kept->event_id)) {
        hash = model_hash_uuid(&kept->event_id);
        uint32_t *by_event = model_head(store, INDEX_OUTBOX_BY_EVENT, hash);
        kept->next_by_event = *by_event;
        *by_event = place + 1;
    }
}

static void row_delete(struct model_store *store, uint32_t place)
{
    struct model_tables *tables = model_tables(store);
    struct model_outbox *rows = model_outbox(store);
    struct model_outbox *row = &rows[place];
    uint32_t *link = model_head(store, INDEX_OUTBOX_BY_ROW, model_hash((uint64_t)row->row_id));
    while (*link != place + 1) {
        link = &rows[*link - 1].next_by_row;
    }
    *link = row->next_by_row;
    if (!uuid_is_nil(&row->event_id)) {
        link = model_head(store, INDEX_OUTBOX_BY_EVENT, model_hash_uuid(&row->event_id));
        while (*link != place + 1) {
            link = &rows[*link - 1].next_by_event;
        }
        *link = row->next_by_event;
    }
    memset(row, 0, sizeof(*row));
    row->next_by_row = tables->outbox_free;
    tables->outbox_free = place + 1;
    tables->outbox_count--;
}

uint32_t model_outbox_purge(struct model_store *store, int64_t before_ms, uint32_t limit)
{
    uint32_t deleted = 0;
    struct model_picks picks = {.count = STORE_PAGE_MAX};
    while (deleted < limit && picks.count == STORE_PAGE_MAX) {
        picks.count = 0;
        picks.limit = limit - deleted < STORE_PAGE_MAX ? limit - deleted : STORE_PAGE_MAX;
        for (uint32_t i = 0; i < model_tables(store)->outbox_places; i++) {
            const struct model_outbox *row = &model_outbox(store)[i];
            if (row->status == OUTBOX_DONE && row->done_at < before_ms) {
                model_picks_offer(&picks, row->done_at, row->row_id, i);
            }
        }
        for (uint32_t i = 0; i < picks.count; i++) {
            row_delete(store, picks.picks[i].place);
        }
        deleted += picks.count;
    }
    return deleted;
}

static bool row_read(const struct model_store *store, uint32_t place, int64_t now_ms,
                     struct texts *texts, struct outbox_row *row)
{
    const struct model_outbox *kept = &model_outbox(store)[place];
    *row = (struct outbox_row){.row_id = kept->row_id,
                               .event_id = kept->event_id,
                               .token = kept->token,
                               .due_in_ms = model_delay_until(now_ms, kept->due_at),
                               .record_at_ms = kept->record_at_ms,
                               .epoch = kept->epoch,
                               .attempts = kept->attempts,
                               .status = kept->status,
                               .has_key = kept->key != TEXT_NONE,
                               .has_body = kept->body != TEXT_NONE};
    return model_text(texts, store->texts, kept->topic, &row->topic) &&
           model_text(texts, store->texts, kept->key, &row->key) &&
           model_text(texts, store->texts, kept->body, &row->body) &&
           model_text(texts, store->texts, kept->headers, &row->headers);
}

/* Key, body and headers: what a page's bound counts. */
static size_t row_bytes(const struct model_store *store, uint32_t place)
{
    const struct model_outbox *row = &model_outbox(store)[place];
    size_t key_len;
    size_t body_len;
    size_t headers_len;
    (void)texts_get(store->texts, row->key, &key_len);
    (void)texts_get(store->texts, row->body, &body_len);
    (void)texts_get(store->texts, row->headers, &headers_len);
    return key_len + body_len + headers_len;
}

enum store_status model_outbox_due(const struct model_store *store, const struct store_scan *scan,
                                   struct store_page *page)
{
    int64_t now_ms = model_now(store);
    struct model_picks picks;
    picks.count = 0;
    picks.limit = scan->limit;
    for (uint32_t i = 0; i < model_tables(store)->outbox_places; i++) {
        const struct model_outbox *row = &model_outbox(store)[i];
        bool open = row->status == OUTBOX_READY || row->status == OUTBOX_PUBLISHING;
        if (open && row->due_at <= now_ms) {
            model_picks_offer(&picks, row->due_at, row->row_id, i);
        }
    }
    size_t bytes = 0;
    for (uint32_t i = 0; i < picks.count; i++) {
        uint32_t place = picks.picks[i].place;
        bytes += row_bytes(store, place);
        if ((i > 0 && bytes > STORE_PAGE_BYTES_MAX) ||
            !row_read(store, place, now_ms, page->texts, &page->rows[i].outbox)) {
            break;
        }
        page->count++;
    }
    return page->count == 0 && picks.count > 0 ? STORE_UNAVAILABLE : STORE_OK;
}

uint32_t model_store_outbox_places(const struct model_store *handle)
{
    return model_tables(handle)->outbox_places;
}

bool model_store_outbox_at(const struct model_store *handle, uint32_t at, struct outbox_row *row)
{
    invariant(at < model_store_outbox_places(handle));
    if (model_outbox(handle)[at].status == 0) {
        return false;
    }
    return row_read(handle, at, model_now(handle), handle->texts, row);
}
