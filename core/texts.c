#include "texts.h"

#include <string.h>

struct text_entry {
    uint32_t at; /* first byte in the arena; TEXT_FREE: not in use */
    uint32_t len;
    uint32_t hash;
    text_id next; /* in the order of interning, or in the free list */
};

#define TEXT_FREE UINT32_MAX

/*
 * One block: this header and its entries, the hash index, the marks, the bytes. The bytes stand in
 * the order in which they were interned; `next` links the entries in that same order, so a sweep
 * closes the gaps in one pass. A handle is the number of an entry + 1, and after a sweep the lowest
 * free one comes first: which handle a text gets never depends on its hash.
 *
 * Entries above `made` have never been written: a pool is made for the worst case, and what is not
 * needed of it shall be no memory that anyone pays for.
 */
struct texts {
    uint32_t entries_max;
    uint32_t bytes_max;
    uint32_t buckets; /* a power of two, at least twice entries_max; 0: a plain pool */
    uint32_t made;    /* entries that may be in use or in the free list: the lowest ones */
    uint32_t count;
    uint32_t bytes_used; /* without the NULs; with them it is bytes_used + count */
    text_id first;       /* the order of interning */
    text_id last;
    text_id free;
    struct text_entry entries[];
};

#define TEXTS_MARK_BITS 32u

static uint32_t texts_buckets(uint32_t entries_max)
{
    invariant(entries_max >= 1);
    invariant(entries_max <= UINT32_C(1) << 30);
    uint32_t buckets = 2;
    while (buckets < 2 * entries_max) {
        buckets *= 2;
    }
    return buckets;
}

static size_t texts_mark_words(uint32_t entries_max)
{
    return (entries_max + TEXTS_MARK_BITS - 1) / TEXTS_MARK_BITS;
}

static const text_id *texts_index(const struct texts *texts)
{
    return (const text_id *)(const void *)(texts->entries + texts->entries_max);
}

static text_id *texts_index_mutable(struct texts *texts)
{
    return (text_id *)(void *)(texts->entries + texts->entries_max);
}

static uint32_t *texts_marks(struct texts *texts)
{
    return texts_index_mutable(texts) + texts->buckets;
}

static const char *texts_arena(const struct texts *texts)
{
    const uint32_t *marks = texts_index(texts) + texts->buckets;
    return (const char *)(marks + texts_mark_words(texts->entries_max));
}

static char *texts_arena_mutable(struct texts *texts)
{
    return (char *)(texts_marks(texts) + texts_mark_words(texts->entries_max));
}

static size_t texts_block_size(uint32_t entries_max, uint32_t bytes_max, uint32_t buckets)
{
    size_t fixed = sizeof(struct texts) + entries_max * sizeof(struct text_entry) +
                   buckets * sizeof(text_id) + texts_mark_words(entries_max) * sizeof(uint32_t);
    size_t arena = (size_t)bytes_max + entries_max; /* a NUL for each */
    return (fixed + arena + 7) & ~(size_t)7;
}

size_t texts_size(uint32_t entries_max, uint32_t bytes_max)
{
    return texts_block_size(entries_max, bytes_max, texts_buckets(entries_max));
}

size_t texts_plain_size(uint32_t entries_max, uint32_t bytes_max)
{
    return texts_block_size(entries_max, bytes_max, 0);
}

/* Afterwards the highest entry of `made` is live, and the free list holds those below that are not,
 * in ascending order. */
static void texts_link_free(struct texts *texts)
{
    texts->free = TEXT_NONE;
    while (texts->made > 0 && texts->entries[texts->made - 1].at == TEXT_FREE) {
        texts->made--;
    }
    for (text_id id = texts->made; id != TEXT_NONE; id--) {
        struct text_entry *entry = &texts->entries[id - 1];
        if (entry->at == TEXT_FREE) {
            entry->next = texts->free;
            texts->free = id;
        }
    }
}

static struct texts *texts_make(void *block, uint32_t entries_max, uint32_t bytes_max,
                                uint32_t buckets)
{
    invariant(bytes_max < TEXT_FREE - entries_max);
    struct texts *texts = block;
    memset(texts, 0, sizeof(*texts));
    texts->entries_max = entries_max;
    texts->bytes_max = bytes_max;
    texts->buckets = buckets;
    memset(texts_index_mutable(texts), 0, buckets * sizeof(text_id));
    memset(texts_marks(texts), 0, texts_mark_words(entries_max) * sizeof(uint32_t));
    return texts;
}

struct texts *texts_init(void *block, uint32_t entries_max, uint32_t bytes_max)
{
    return texts_make(block, entries_max, bytes_max, texts_buckets(entries_max));
}

struct texts *texts_plain_init(void *block, uint32_t entries_max, uint32_t bytes_max)
{
    invariant(entries_max >= 1);
    return texts_make(block, entries_max, bytes_max, 0);
}

static uint64_t texts_load64(const unsigned char *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof(word));
    return word;
}

static uint64_t texts_mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 32;
}

/* Eight bytes at a time; the last eight may overlap those before. */
static uint32_t texts_hash(const unsigned char *bytes, size_t len)
{
    uint64_t hash = len;
    if (len >= 8) {
        for (size_t at = 0; at + 8 < len; at += 8) {
            hash = texts_mix(hash, texts_load64(bytes + at));
        }
        return (uint32_t)texts_mix(hash, texts_load64(bytes + len - 8));
    }
    uint64_t word = 0;
    for (size_t at = 0; at < len; at++) {
        word = word << 8 | bytes[at];
    }
    return (uint32_t)texts_mix(hash, word);
}

/* The bucket that holds these bytes, or the empty one where they belong. */
static uint32_t texts_bucket(const struct texts *texts, const void *bytes, size_t len,
                             uint32_t hash)
{
    const text_id *index = texts_index(texts);
    const char *arena = texts_arena(texts);
    uint32_t mask = texts->buckets - 1;
    uint32_t bucket = hash & mask;
    for (; index[bucket] != TEXT_NONE; bucket = (bucket + 1) & mask) {
        const struct text_entry *entry = &texts->entries[index[bucket] - 1];
        if (entry->hash == hash && entry->len == len &&
            (len == 0 || memcmp(arena + entry->at, bytes, len) == 0)) {
            break;
        }
    }
    return bucket;
}

/* The lowest entry that is not in use; there must be one. */
static text_id texts_take_free(struct texts *texts)
{
    text_id id = texts->free;
    if (id == TEXT_NONE) {
        return ++texts->made;
    }
    texts->free = texts->entries[id - 1].next;
    return id;
}

/* Appends a text that is not there yet; there must be room for it. */
static text_id texts_append(struct texts *texts, const void *bytes, size_t len, uint32_t hash)
{
    text_id id = texts_take_free(texts);
    struct text_entry *entry = &texts->entries[id - 1];
    *entry = (struct text_entry){
        .at = texts->bytes_used + texts->count, .len = (uint32_t)len, .hash = hash};
    char *to = texts_arena_mutable(texts) + entry->at;
    if (len > 0) {
        memcpy(to, bytes, len);
    }
    to[len] = '\0';
    if (texts->last == TEXT_NONE) {
        texts->first = id;
    } else {
        texts->entries[texts->last - 1].next = id;
    }
    texts->last = id;
    texts->count++;
    texts->bytes_used += (uint32_t)len;
    return id;
}

static bool texts_has_room(const struct texts *texts, size_t len)
{
    return texts->count < texts->entries_max && len <= texts->bytes_max - texts->bytes_used;
}

text_id texts_intern(struct texts *texts, const void *bytes, size_t len)
{
    if (texts->buckets == 0) {
        return texts_has_room(texts, len) ? texts_append(texts, bytes, len, 0) : TEXT_NONE;
    }
    uint32_t hash = texts_hash(bytes, len);
    uint32_t bucket = texts_bucket(texts, bytes, len, hash);
    text_id *index = texts_index_mutable(texts);
    if (index[bucket] == TEXT_NONE && texts_has_room(texts, len)) {
        index[bucket] = texts_append(texts, bytes, len, hash);
    }
    return index[bucket];
}

text_id texts_intern_string(struct texts *texts, const char *string)
{
    if (string == NULL) {
        return TEXT_NONE;
    }
    return texts_intern(texts, string, strlen(string));
}

static const struct text_entry *texts_entry(const struct texts *texts, text_id id)
{
    invariant(id != TEXT_NONE);
    invariant(id <= texts->made);
    const struct text_entry *entry = &texts->entries[id - 1];
    invariant(entry->at != TEXT_FREE);
    return entry;
}

const char *texts_get(const struct texts *texts, text_id id, size_t *len)
{
    if (id == TEXT_NONE) {
        *len = 0;
        return NULL;
    }
    const struct text_entry *entry = texts_entry(texts, id);
    *len = entry->len;
    return texts_arena(texts) + entry->at;
}

const char *texts_string(const struct texts *texts, text_id id)
{
    return id == TEXT_NONE ? "" : texts_arena(texts) + texts_entry(texts, id)->at;
}

text_id texts_find(const struct texts *texts, const void *bytes, size_t len)
{
    invariant(texts->buckets > 0);
    return texts_index(texts)[texts_bucket(texts, bytes, len, texts_hash(bytes, len))];
}

uint32_t texts_count(const struct texts *texts)
{
    return texts->count;
}

uint32_t texts_bytes_used(const struct texts *texts)
{
    return texts->bytes_used;
}

uint32_t texts_bytes_max(const struct texts *texts)
{
    return texts->bytes_max;
}

void texts_mark(struct texts *texts, text_id id)
{
    if (id == TEXT_NONE) {
        return;
    }
    (void)texts_entry(texts, id);
    texts_marks(texts)[(id - 1) / TEXTS_MARK_BITS] |= UINT32_C(1) << (id - 1) % TEXTS_MARK_BITS;
}

static bool texts_is_marked(struct texts *texts, text_id id)
{
    uint32_t word = texts_marks(texts)[(id - 1) / TEXTS_MARK_BITS];
    return (word >> (id - 1) % TEXTS_MARK_BITS & 1) != 0;
}

/* Appends an entry, whose bytes stand at or after the end, to what the sweep keeps. */
static void texts_keep(struct texts *texts, text_id id)
{
    struct text_entry *entry = &texts->entries[id - 1];
    char *arena = texts_arena_mutable(texts);
    uint32_t end = texts->bytes_used + texts->count;
    if (entry->at != end) {
        memmove(arena + end, arena + entry->at, (size_t)entry->len + 1);
        entry->at = end;
    }
    entry->next = TEXT_NONE;
    if (texts->last == TEXT_NONE) {
        texts->first = id;
    } else {
        texts->entries[texts->last - 1].next = id;
    }
    texts->last = id;
    texts->count++;
    texts->bytes_used += entry->len;
}

static void texts_rebuild_index(struct texts *texts)
{
    text_id *index = texts_index_mutable(texts);
    uint32_t mask = texts->buckets - 1;
    memset(index, 0, texts->buckets * sizeof(text_id));
    for (text_id id = texts->first; id != TEXT_NONE; id = texts->entries[id - 1].next) {
        uint32_t bucket = texts->entries[id - 1].hash & mask;
        while (index[bucket] != TEXT_NONE) {
            bucket = (bucket + 1) & mask;
        }
        index[bucket] = id;
    }
}

void texts_sweep(struct texts *texts)
{
    uint32_t count_before = texts->count;
    text_id next = texts->first;
    texts->first = TEXT_NONE;
    texts->last = TEXT_NONE;
    texts->count = 0;
    texts->bytes_used = 0;
    while (next != TEXT_NONE) {
        text_id id = next;
        next = texts->entries[id - 1].next;
        if (texts_is_marked(texts, id)) {
            texts_keep(texts, id);
        } else {
            texts->entries[id - 1] = (struct text_entry){.at = TEXT_FREE};
        }
    }
    memset(texts_marks(texts), 0, texts_mark_words(texts->entries_max) * sizeof(uint32_t));
    if (texts->count != count_before) {
        texts_link_free(texts);
    }
    if (texts->count != count_before && texts->buckets > 0) {
        texts_rebuild_index(texts);
    }
}

void texts_check(const struct texts *texts)
{
    const char *arena = texts_arena(texts);
    uint32_t count = 0;
    uint32_t end = 0;
    text_id last = TEXT_NONE;
    for (text_id id = texts->first; id != TEXT_NONE; id = texts->entries[id - 1].next) {
        const struct text_entry *entry = texts_entry(texts, id);
        invariant(entry->at == end);
        invariant(arena[end + entry->len] == '\0');
        invariant(texts->buckets == 0 || texts_find(texts, arena + end, entry->len) == id);
        end += entry->len + 1;
        count++;
        last = id;
    }
    invariant(last == texts->last);
    invariant(count == texts->count);
    invariant(end == texts->bytes_used + count);
    invariant(texts->bytes_used <= texts->bytes_max);
    for (text_id id = texts->free; id != TEXT_NONE; id = texts->entries[id - 1].next) {
        invariant(texts->entries[id - 1].at == TEXT_FREE);
        count++;
    }
    invariant(texts->made <= texts->entries_max);
    invariant(count == texts->made);
}
