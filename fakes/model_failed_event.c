/* The model's failed_event table. */
#include "model_internal.h"

static uint64_t origin_hash(text_id topic, int32_t partition, int64_t offset, int64_t at_ms)
{
    uint64_t hash = model_hash(((uint64_t)topic << 32) ^ (uint32_t)partition);
    return model_hash(hash ^ model_hash((uint64_t)offset) ^ ((uint64_t)at_ms << 1));
}

static uint32_t find_by_origin(const struct model_store *store, text_id topic,
                               const struct failed_event_row *wanted)
{
    uint64_t hash =
        origin_hash(topic, wanted->origin_partition, wanted->origin_offset, wanted->origin_at_ms);
    uint32_t at = *model_head(store, INDEX_FAILED_EVENT_BY_ORIGIN, hash);
    while (at != 0) {
        const struct model_failed_event *row = &model_failed_events(store)[at - 1];
        if (row->topic == topic && row->origin_partition == wanted->origin_partition &&
            row->origin_offset == wanted->origin_offset &&
            row->origin_at_ms == wanted->origin_at_ms) {
            break;
        }
        at = row->next_by_origin;
    }
    return at - 1; /* UINT32_MAX: none */
}

static uint32_t find_by_row(const struct model_store *store, int64_t row_id)
{
    bool exists = row_id > 0 && row_id <= model_tables(store)->failed_events_count;
    return exists ? (uint32_t)(row_id - 1) : UINT32_MAX;
}

static enum model_judgement judge_move(const struct model_store *store, const struct unit *unit,
                                       uint32_t place)
{
    const struct unit_failed_event *event = &unit->as.failed_event;
    if (place == UINT32_MAX) {
        return JUDGE_REFUSED;
    }
    const struct model_failed_event *row = &model_failed_events(store)[place];
    if (row->status == FAILED_EVENT_PENDING && row->epoch == event->guard_epoch) {
        return JUDGE_WRITE; /* a retry's event id is its sender's care */
    }
    return token_equal(row->token, unit->token) ? JUDGE_APPLIED : JUDGE_REFUSED;
}

enum model_judgement model_failed_event_judge(const struct model_store *store,
                                              const struct texts *texts, const struct unit *unit,
                                              uint32_t *place)
{
    const struct failed_event_row *wanted = &unit->as.failed_event.row;
    if (unit->kind == UNIT_FAILED_EVENT_MOVE) {
        *place = find_by_row(store, wanted->row_id);
        return judge_move(store, unit, *place);
    }
    text_id topic;
    invariant(model_text(store->texts, texts, wanted->topic, &topic));
    *place = find_by_origin(store, topic, wanted);
    if (*place == UINT32_MAX) {
        return JUDGE_WRITE;
    }
    bool ours = token_equal(model_failed_events(store)[*place].token, unit->token);
    return ours ? JUDGE_APPLIED : JUDGE_DUPLICATE;
}

/* The record's texts as the store's. False: the pool is full. */
static bool texts_copy(struct texts *to, const struct texts *from,
                       const struct failed_event_row *row, struct model_failed_event *copy)
{
    text_id key = row->has_key ? row->key : TEXT_NONE;
    text_id body = row->has_body ? row->body : TEXT_NONE;
    return model_text(to, from, row->topic, &copy->topic) &&
           model_text(to, from, key, &copy->key) && model_text(to, from, body, &copy->body) &&
           model_text(to, from, row->headers, &copy->headers) &&
           model_text(to, from, row->error, &copy->error);
}

bool model_failed_event_intern(const struct model_store *store, const struct texts *texts,
                               const struct unit *unit)
{
    struct model_failed_event copy;
    return texts_copy(store->texts, texts, &unit->as.failed_event.row, &copy);
}

static void row_insert(struct model_store *store, const struct texts *texts,
                       const struct unit *unit, int64_t now_ms)
{
    const struct failed_event_row *wanted = &unit->as.failed_event.row;
    struct model_tables *tables = model_tables(store);
    invariant(tables->failed_events_count < tables->limits.failed_events);
    struct model_failed_event *row = &model_failed_events(store)[tables->failed_events_count++];
    *row = (struct model_failed_event){.token = unit->token,
                                       .origin_offset = wanted->origin_offset,
                                       .origin_at_ms = wanted->origin_at_ms,
                                       .created_at = now_ms,
                                       .origin_partition = wanted->origin_partition,
                                       .epoch = 1,
                                       .status = wanted->status};
    invariant(texts_copy(store->texts, texts, wanted, row));
    uint64_t hash =
        origin_hash(row->topic, row->origin_partition, row->origin_offset, row->origin_at_ms);
    uint32_t *head = model_head(store, INDEX_FAILED_EVENT_BY_ORIGIN, hash);
    row->next_by_origin = *head;
    *head = tables->failed_events_count;
}

void model_failed_event_write(struct model_store *store, const struct texts *texts,
                              const struct unit *unit, uint32_t place, int64_t now_ms)
{
    if (place == UINT32_MAX) {
        row_insert(store, texts, unit, now_ms);
        return;
    }
    const struct unit_failed_event *event = &unit->as.failed_event;
    struct model_failed_event *row = &model_failed_events(store)[place];
    row->status = event->row.status;
    row->epoch = event->guard_epoch + 1;
    row->token = unit->token;
    if (row->status != FAILED_EVENT_RESOLVED) {
        return;
    }
    /* A retry goes to the topic that the record came from. */
    model_outbox_insert(store, &(struct model_outbox){.event_id = event->event_id,
                                                      .token = unit->token,
                                                      .due_at = now_ms,
                                                      .record_at_ms = row->origin_at_ms,
                                                      .epoch = 1,
                                                      .status = OUTBOX_READY,
                                                      .topic = row->topic,
                                                      .key = row->key,
                                                      .body = row->body,
                                                      .headers = row->headers});
}

/* The columns that scans show. False: the pool is full. */
static bool row_read(const struct model_store *store, uint32_t place, struct texts *texts,
                     struct failed_event_row *row)
{
    const struct model_failed_event *kept = &model_failed_events(store)[place];
    *row = (struct failed_event_row){.row_id = (int64_t)place + 1,
                                     .token = kept->token,
                                     .origin_offset = kept->origin_offset,
                                     .origin_at_ms = kept->origin_at_ms,
                                     .created_age_ms = model_now(store) - kept->created_at,
                                     .origin_partition = kept->origin_partition,
                                     .epoch = kept->epoch,
                                     .status = kept->status,
                                     .has_key = kept->key != TEXT_NONE,
                                     .has_body = kept->body != TEXT_NONE};
    return model_text(texts, store->texts, kept->topic, &row->topic);
}

static bool row_read_all(const struct model_store *store, uint32_t place, struct texts *texts,
                         struct failed_event_row *row)
{
    const struct model_failed_event *kept = &model_failed_events(store)[place];
    return row_read(store, place, texts, row) &&
           model_text(texts, store->texts, kept->key, &row->key) &&
           model_text(texts, store->texts, kept->body, &row->body) &&
           model_text(texts, store->texts, kept->headers, &row->headers) &&
           model_text(texts, store->texts, kept->error, &row->error);
}

/* Whether a scan for `topic`, a handle of `texts`, wants this row. */
static bool topic_wanted(const struct model_store *store, const struct texts *texts, text_id topic,
                         text_id row_topic)
{
    if (topic == TEXT_NONE) {
        return true;
    }
    size_t len;
    const char *bytes = texts_get(texts, topic, &len);
    return texts_find(store->texts, bytes, len) == row_topic;
}

enum store_status model_failed_events_page(const struct model_store *store,
                                           const struct store_scan *scan, struct store_page *page)
{
    uint32_t count = model_tables(store)->failed_events_count;
    uint32_t first = 0;
    if (scan->after_id > 0) {
        first = scan->after_id < count ? (uint32_t)scan->after_id : count;
    }
    for (uint32_t i = first; i < count && page->count < scan->limit; i++) {
        const struct model_failed_event *row = &model_failed_events(store)[i];
        if (row->status != FAILED_EVENT_PENDING ||
            !topic_wanted(store, page->texts, scan->topic, row->topic)) {
            continue;
        }
        if (!row_read(store, i, page->texts, &page->rows[page->count].failed_event)) {
            return page->count > 0 ? STORE_OK : STORE_UNAVAILABLE;
        }
        page->count++;
    }
    return STORE_OK;
}

enum store_status model_read_failed_event(struct store *base, int64_t row_id, struct texts *texts,
                                          struct failed_event_row *row)
{
    const struct model_store *store = (const struct model_store *)base;
    uint32_t place = find_by_row(store, row_id);
    if (place == UINT32_MAX) {
        return STORE_NOT_FOUND;
    }
    struct failed_event_row read;
    if (!row_read_all(store, place, texts, &read)) {
        return STORE_UNAVAILABLE;
    }
    *row = read;
    return STORE_OK;
}

uint32_t model_store_failed_event_count(const struct model_store *handle)
{
    return model_tables(handle)->failed_events_count;
}

void model_store_failed_event_at(const struct model_store *handle, uint32_t at,
                                 struct failed_event_row *row)
{
    invariant(at < model_store_failed_event_count(handle));
    invariant(row_read_all(handle, at, handle->texts, row));
}
