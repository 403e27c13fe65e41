/* The ledger's memory: finding and adding orders, keys and pending actions. */
#include "pg_ledger_state.h"

#include "invariant.h"

#include <string.h>

#define LIMIT_MAX (16u << 20)

static const char pg_id_prefix[] = "fakepay";

static uint32_t buckets_for(uint32_t entries)
{
    uint32_t buckets = 1;
    while (buckets < entries) {
        buckets *= 2;
    }
    return buckets;
}

/* Where each table begins: the wide ones first, so that all are aligned. */
struct layout {
    size_t orders, keys, pending, order_index, key_index, end;
};

static struct layout layout_of(const struct pg_ledger_limits *limits)
{
    struct layout at;
    at.orders = sizeof(struct pg_ledger);
    at.keys = at.orders + limits->orders_max * sizeof(struct ledger_order);
    at.pending = at.keys + limits->keys_max * sizeof(struct ledger_key);
    at.order_index = at.pending + limits->pending_max * sizeof(struct ledger_pending);
    at.key_index = at.order_index + buckets_for(limits->orders_max) * sizeof(slot);
    at.end = at.key_index + buckets_for(limits->keys_max) * sizeof(slot);
    at.end = (at.end + 7) & ~(size_t)7;
    return at;
}

size_t pg_ledger_size(const struct pg_ledger_limits *limits)
{
    invariant(limits->orders_max >= 1 && limits->orders_max <= LIMIT_MAX);
    invariant(limits->keys_max >= 1 && limits->keys_max <= LIMIT_MAX);
    invariant(limits->pending_max >= 1 && limits->pending_max <= LIMIT_MAX);
    return layout_of(limits).end;
}

struct pg_ledger *pg_ledger_init(void *block, const struct pg_ledger_limits *limits)
{
    memset(block, 0, pg_ledger_size(limits));
    struct pg_ledger *ledger = block;
    ledger->limits = *limits;
    ledger->order_buckets = buckets_for(limits->orders_max);
    ledger->key_buckets = buckets_for(limits->keys_max);
    return ledger;
}

bool pg_ledger_account_add(struct pg_ledger *ledger, uint64_t account)
{
    invariant(account != 0);
    for (int i = 0; i < PG_LEDGER_ACCOUNTS; i++) {
        if (ledger->accounts[i] == account) {
            return true;
        }
        if (ledger->accounts[i] == 0) {
            ledger->accounts[i] = account;
            return true;
        }
    }
    return false;
}

uint8_t ledger_account(const struct pg_ledger *ledger, uint64_t account)
{
    uint8_t index = 0;
    while (index < PG_LEDGER_ACCOUNTS && (account == 0 || ledger->accounts[index] != account)) {
        index++;
    }
    return index;
}

bool pg_ledger_knows_account(const struct pg_ledger *ledger, uint64_t account)
{
    return ledger_account(ledger, account) < PG_LEDGER_ACCOUNTS;
}

/* The tables belong to the block, which the caller may write; const is about this header only. */
static void *table_at(const struct pg_ledger *ledger, size_t offset)
{
    return (unsigned char *)(uintptr_t)ledger + offset;
}

struct ledger_order *ledger_order(const struct pg_ledger *ledger, slot order)
{
    invariant(order >= 1 && order <= ledger->order_count);
    struct ledger_order *orders = table_at(ledger, layout_of(&ledger->limits).orders);
    return &orders[order - 1];
}

struct ledger_key *ledger_key(const struct pg_ledger *ledger, slot key)
{
    invariant(key >= 1 && key <= ledger->key_count);
    struct ledger_key *keys = table_at(ledger, layout_of(&ledger->limits).keys);
    return &keys[key - 1];
}

struct ledger_pending *ledger_pending_at(const struct pg_ledger *ledger, uint32_t index)
{
    invariant(index < ledger->pending_count);
    struct ledger_pending *pending = table_at(ledger, layout_of(&ledger->limits).pending);
    return &pending[index];
}

static uint64_t mix(uint64_t x)
{
    x ^= x >> 30;
    x *= UINT64_C(0xbf58476d1ce4e5b9);
    x ^= x >> 27;
    x *= UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static slot *order_bucket(const struct pg_ledger *ledger, const struct uuid *id)
{
    uint64_t words[2];
    memcpy(words, id->bytes, sizeof words);
    uint64_t hash = mix(words[0] ^ mix(words[1]));
    slot *index = table_at(ledger, layout_of(&ledger->limits).order_index);
    return &index[hash & (ledger->order_buckets - 1)];
}

slot ledger_order_find(const struct pg_ledger *ledger, const struct uuid *id, uint8_t account)
{
    slot order = *order_bucket(ledger, id);
    while (order != 0) {
        const struct ledger_order *found = ledger_order(ledger, order);
        if (found->account == account && uuid_equal(&found->id, id)) {
            return order;
        }
        order = found->next;
    }
    return 0;
}

slot ledger_order_add(struct pg_ledger *ledger, const struct uuid *id, uint8_t account)
{
    if (ledger->order_count == ledger->limits.orders_max) {
        return 0;
    }
    slot added = ++ledger->order_count;
    struct ledger_order *order = ledger_order(ledger, added);
    slot *bucket = order_bucket(ledger, id);
    order->id = *id;
    order->account = account;
    order->next = *bucket;
    *bucket = added;
    return added;
}

void ledger_pg_id(const struct ledger_order *order, char text[PG_LEDGER_PG_ID_SIZE])
{
    size_t at = sizeof pg_id_prefix - 1;
    memcpy(text, pg_id_prefix, at);
    text[at++] = (char)('0' + order->account);
    text[at++] = '_';
    char id[UUID_TEXT_SIZE];
    uuid_format(&order->id, id);
    memcpy(text + at, id, sizeof id);
}

slot ledger_order_by_pg_id(const struct pg_ledger *ledger, const struct texts *texts, text_id pg_id,
                           uint8_t account)
{
    size_t len = 0;
    const char *text = texts_get(texts, pg_id, &len);
    const size_t lead = sizeof pg_id_prefix - 1 + 2;
    struct uuid id;
    if (len <= lead || memcmp(text, pg_id_prefix, sizeof pg_id_prefix - 1) != 0 ||
        !uuid_from_text(text + lead, len - lead, &id)) {
        return 0;
    }
    slot order = ledger_order_find(ledger, &id, account);
    if (order == 0 || ledger_order(ledger, order)->status == 0) {
        return 0;
    }
    char expected[PG_LEDGER_PG_ID_SIZE];
    ledger_pg_id(ledger_order(ledger, order), expected);
    return memcmp(text, expected, len) == 0 ? order : 0;
}

/* FNV-1a over the length and the bytes, so that no two lists of texts read alike. */
static uint64_t hash_bytes(uint64_t hash, const char *bytes, size_t len)
{
    hash = (hash ^ len) * UINT64_C(0x100000001b3);
    for (size_t i = 0; i < len; i++) {
        hash = (hash ^ (unsigned char)bytes[i]) * UINT64_C(0x100000001b3);
    }
    return hash;
}

uint64_t ledger_key_hash(const struct texts *texts, const struct pg_ledger_request *request)
{
    text_id url = request->op == PG_LEDGER_CHARGE ? request->billing_key : request->pg_id;
    size_t url_len = 0;
    size_t key_len = 0;
    const char *url_text = texts_get(texts, url, &url_len);
    const char *key_text = texts_get(texts, request->key, &key_len);
    uint64_t hash = mix(request->account + request->op);
    hash = hash_bytes(hash, url_text, url_len);
    hash = hash_bytes(hash, key_text, key_len);
    return mix(hash);
}

static slot *key_bucket(const struct pg_ledger *ledger, uint64_t hash)
{
    slot *index = table_at(ledger, layout_of(&ledger->limits).key_index);
    return &index[hash & (ledger->key_buckets - 1)];
}

static bool key_expired(const struct ledger_key *key, int64_t now_ms)
{
    return !(key->flags & KEY_OPEN) && now_ms - key->first_ms >= PG_LEDGER_KEY_KEPT_MS;
}

slot ledger_key_find(const struct pg_ledger *ledger, uint64_t hash, int64_t now_ms)
{
    slot key = *key_bucket(ledger, hash);
    while (key != 0) {
        const struct ledger_key *found = ledger_key(ledger, key);
        if (found->hash == hash && !key_expired(found, now_ms)) {
            return key;
        }
        key = found->next;
    }
    return 0;
}

static void keys_drop_expired(struct pg_ledger *ledger, int64_t now_ms)
{
    slot *index = key_bucket(ledger, 0);
    for (uint32_t i = 0; i < ledger->key_buckets; i++) {
        slot *link = &index[i];
        while (*link != 0) {
            slot key = *link;
            struct ledger_key *entry = ledger_key(ledger, key);
            if (!key_expired(entry, now_ms)) {
                link = &entry->next;
                continue;
            }
            *link = entry->next;
            memset(entry, 0, sizeof *entry);
            entry->next = ledger->key_free;
            ledger->key_free = key;
        }
    }
}

bool ledger_key_has_room(const struct pg_ledger *ledger, int64_t now_ms)
{
    if (ledger->key_free != 0 || ledger->key_count < ledger->limits.keys_max) {
        return true;
    }
    for (slot key = 1; key <= ledger->key_count; key++) {
        if (key_expired(ledger_key(ledger, key), now_ms)) {
            return true;
        }
    }
    return false;
}

slot ledger_key_add(struct pg_ledger *ledger, uint64_t hash, int64_t now_ms)
{
    if (ledger->key_free == 0 && ledger->key_count == ledger->limits.keys_max) {
        keys_drop_expired(ledger, now_ms);
    }
    slot added = ledger->key_free;
    if (added != 0) {
        ledger->key_free = ledger_key(ledger, added)->next;
    } else if (ledger->key_count < ledger->limits.keys_max) {
        added = ++ledger->key_count;
    } else {
        return 0;
    }
    struct ledger_key *key = ledger_key(ledger, added);
    slot *bucket = key_bucket(ledger, hash);
    key->hash = hash;
    key->first_ms = now_ms;
    key->next = *bucket;
    *bucket = added;
    return added;
}

bool pg_ledger_has_pending_room(const struct pg_ledger *ledger)
{
    return ledger->pending_count < ledger->limits.pending_max;
}

struct ledger_pending *ledger_pending_add(struct pg_ledger *ledger, int64_t due_ms)
{
    invariant(pg_ledger_has_pending_room(ledger));
    struct ledger_pending *pending = ledger_pending_at(ledger, ledger->pending_count++);
    memset(pending, 0, sizeof *pending);
    pending->due_ms = due_ms;
    pending->sequence = ledger->sequence++;
    return pending;
}

void ledger_pending_remove(struct pg_ledger *ledger, uint32_t index)
{
    struct ledger_pending *last = ledger_pending_at(ledger, ledger->pending_count - 1);
    *ledger_pending_at(ledger, index) = *last;
    memset(last, 0, sizeof *last);
    ledger->pending_count--;
}

uint32_t ledger_pending_first(const struct pg_ledger *ledger)
{
    uint32_t first = 0;
    for (uint32_t i = 1; i < ledger->pending_count; i++) {
        const struct ledger_pending *a = ledger_pending_at(ledger, i);
        const struct ledger_pending *b = ledger_pending_at(ledger, first);
        if (a->due_ms < b->due_ms || (a->due_ms == b->due_ms && a->sequence < b->sequence)) {
            first = i;
        }
    }
    return ledger->pending_count == 0 ? 0 : first;
}

int64_t pg_ledger_next_due(const struct pg_ledger *ledger)
{
    if (ledger->pending_count == 0) {
        return PG_LEDGER_NEVER;
    }
    return ledger_pending_at(ledger, ledger_pending_first(ledger))->due_ms;
}

uint32_t pg_ledger_overflows(const struct pg_ledger *ledger)
{
    return ledger->overflows;
}
