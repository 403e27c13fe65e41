#include "model_internal.h"

#include <string.h>

/* As in the SQL stores: delays beyond a century are cut to it. */
#define MODEL_DELAY_MAX_MS INT64_C(3155760000000)

static uint32_t head_count(uint32_t rows)
{
    uint32_t heads = 1;
    while (heads < rows) {
        heads *= 2;
    }
    return heads;
}

static uint32_t index_rows(const struct model_store_limits *limits, enum model_index index)
{
    switch (index) {
    case INDEX_PAYMENT_BY_TRIP:
    case INDEX_PAYMENT_BY_ID:
        return limits->payments;
    case INDEX_OUTBOX_BY_ROW:
    case INDEX_OUTBOX_BY_EVENT:
        return limits->outbox;
    case INDEX_FAILED_EVENT_BY_ORIGIN:
    case INDEX_COUNT:
        break;
    }
    return limits->failed_events;
}

static size_t outbox_offset(const struct model_store_limits *limits)
{
    return sizeof(struct model_tables) + limits->payments * sizeof(struct model_payment);
}

static size_t failed_events_offset(const struct model_store_limits *limits)
{
    return outbox_offset(limits) + limits->outbox * sizeof(struct model_outbox);
}

static size_t heads_offset(const struct model_store_limits *limits, enum model_index index)
{
    size_t offset =
        failed_events_offset(limits) + limits->failed_events * sizeof(struct model_failed_event);
    for (enum model_index i = 0; i < index; i++) {
        offset += head_count(index_rows(limits, i)) * sizeof(uint32_t);
    }
    return offset;
}

size_t model_store_size(const struct model_store_limits *limits)
{
    return (heads_offset(limits, INDEX_COUNT) + 7) / 8 * 8;
}

void model_store_init(void *block, const struct model_store_limits *limits)
{
    invariant(limits->payments > 0 && limits->outbox > 0 && limits->failed_events > 0);
    memset(block, 0, model_store_size(limits));
    struct model_tables *tables = block;
    tables->limits = *limits;
    for (enum model_index i = 0; i < INDEX_COUNT; i++) {
        tables->index_offsets[i] = heads_offset(limits, i);
        tables->index_masks[i] = head_count(index_rows(limits, i)) - 1;
    }
}

struct model_tables *model_tables(const struct model_store *store)
{
    return store->block;
}

static char *block_at(const struct model_store *store, size_t offset)
{
    return (char *)store->block + offset;
}

struct model_payment *model_payments(const struct model_store *store)
{
    return (void *)block_at(store, sizeof(struct model_tables));
}

struct model_outbox *model_outbox(const struct model_store *store)
{
    return (void *)block_at(store, outbox_offset(&model_tables(store)->limits));
}

struct model_failed_event *model_failed_events(const struct model_store *store)
{
    return (void *)block_at(store, failed_events_offset(&model_tables(store)->limits));
}

uint32_t *model_head(const struct model_store *store, enum model_index index, uint64_t hash)
{
    const struct model_tables *tables = model_tables(store);
    uint32_t *heads = (void *)block_at(store, tables->index_offsets[index]);
    return &heads[hash & tables->index_masks[index]];
}

/* The finalizer of SplitMix64. */
uint64_t model_hash(uint64_t value)
{
    value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
    return value ^ (value >> 31);
}

uint64_t model_hash_uuid(const struct uuid *id)
{
    uint64_t halves[2];
    memcpy(halves, id->bytes, sizeof(halves));
    return model_hash(halves[0] ^ model_hash(halves[1]));
}

int64_t model_now(const struct model_store *store)
{
    return store->now_ms(store->clock_context);
}

int64_t model_instant_after(int64_t now_ms, int64_t delay_ms)
{
    if (delay_ms == DUE_NEVER) {
        return DUE_NEVER;
    }
    if (delay_ms > MODEL_DELAY_MAX_MS) {
        return now_ms + MODEL_DELAY_MAX_MS;
    }
    return now_ms + (delay_ms < -MODEL_DELAY_MAX_MS ? -MODEL_DELAY_MAX_MS : delay_ms);
}

int64_t model_delay_until(int64_t now_ms, int64_t instant_ms)
{
    return instant_ms == DUE_NEVER ? DUE_NEVER : instant_ms - now_ms;
}

bool model_text(struct texts *to, const struct texts *from, text_id id, text_id *out)
{
    *out = id;
    if (to == from || id == TEXT_NONE) {
        return true;
    }
    size_t len;
    const char *bytes = texts_get(from, id, &len);
    *out = texts_intern(to, bytes, len);
    return *out != TEXT_NONE;
}

static bool pick_before(const struct model_pick *pick, int64_t at_ms, int64_t id)
{
    return pick->at_ms < at_ms || (pick->at_ms == at_ms && pick->id < id);
}

void model_picks_offer(struct model_picks *picks, int64_t at_ms, int64_t id, uint32_t place)
{
    uint32_t at = picks->count;
    if (at == picks->limit) {
        if (at == 0 || pick_before(&picks->picks[at - 1], at_ms, id)) {
            return;
        }
        at--; /* the last one falls out */
    } else {
        picks->count++;
    }
    while (at > 0 && !pick_before(&picks->picks[at - 1], at_ms, id)) {
        picks->picks[at] = picks->picks[at - 1];
        at--;
    }
    picks->picks[at] = (struct model_pick){at_ms, id, place};
}

static enum store_status scan(struct store *base, const struct store_scan *scan,
                              struct store_page *page)
{
    const struct model_store *store = (const struct model_store *)base;
    invariant(scan->limit <= STORE_PAGE_MAX);
    page->count = 0;
    switch ((enum scan_kind)scan->kind) {
    case SCAN_PAYMENTS_DUE:
        return model_payments_due(store, scan, page);
    case SCAN_OUTBOX_DUE:
        return model_outbox_due(store, scan, page);
    case SCAN_FAILED_EVENTS:
        return model_failed_events_page(store, scan, page);
    }
    invariant(false);
    return STORE_UNAVAILABLE;
}

static enum store_status purge(struct store *base, enum purge_kind kind, int64_t older_than_ms,
                               uint32_t limit, uint32_t *deleted)
{
    struct model_store *store = (struct model_store *)base;
    invariant(kind == PURGE_OUTBOX_DONE && older_than_ms >= 0);
    int64_t before_ms = model_instant_after(model_now(store), -older_than_ms);
    *deleted = model_outbox_purge(store, before_ms, limit);
    return STORE_OK;
}

static void store_close(struct store *base)
{
    ((struct model_store *)base)->block = NULL;
}

static const struct store_ops operations = {
    .submit = model_store_submit,
    .scan = scan,
    .purge = purge,
    .read_payment = model_read_payment,
    .read_failed_event = model_read_failed_event,
    .close = store_close,
};

struct store *model_store_open(struct model_store *handle, void *block, struct texts *texts,
                               int64_t (*now_ms)(void *context), void *clock_context)
{
    *handle = (struct model_store){.base.ops = &operations,
                                   .block = block,
                                   .texts = texts,
                                   .now_ms = now_ms,
                                   .clock_context = clock_context};
    return &handle->base;
}

struct model_store_lease model_store_lease_at(const struct model_store *handle,
                                              enum lease_name name)
{
    const struct lease *lease = &model_tables(handle)->leases[name];
    return (struct model_store_lease){lease->lock_until_ms, lease->locked_at_ms, lease->locked_by};
}

static void mark(const struct model_store *handle, const text_id *ids, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (ids[i] != TEXT_NONE) {
            texts_mark(handle->texts, ids[i]);
        }
    }
}

void model_store_mark_texts(const struct model_store *handle)
{
    const struct model_tables *tables = model_tables(handle);
    for (uint32_t i = 0; i < tables->payments_count; i++) {
        const struct model_payment *row = &model_payments(handle)[i];
        mark(handle,
             (text_id[]){row->trip_id, row->user_id, row->method_id, row->pg_id, row->refund_pg_id,
                         row->traceparent, row->code},
             7);
    }
    for (uint32_t i = 0; i < tables->outbox_places; i++) {
        const struct model_outbox *row = &model_outbox(handle)[i];
        if (row->status != 0) {
            mark(handle, (text_id[]){row->topic, row->key, row->body, row->headers}, 4);
        }
    }
    for (uint32_t i = 0; i < tables->failed_events_count; i++) {
        const struct model_failed_event *row = &model_failed_events(handle)[i];
        mark(handle, (text_id[]){row->topic, row->key, row->body, row->headers, row->error}, 5);
    }
    for (int i = 0; i < LEASE_COUNT; i++) {
        mark(handle, &tables->leases[i].locked_by, 1);
    }
}
