#include "fakepg_index.h"

#include <stdlib.h>
#include <string.h>

void fakepg_index_clear(struct fakepg_index *index)
{
    free(index->entries);
    memset(index, 0, sizeof *index);
}

/* The entry of the hash, or the free one where it would be. */
static struct fakepg_index_entry *entry_of(const struct fakepg_index *index, uint64_t hash)
{
    uint32_t at = (uint32_t)(hash ^ hash >> 32) & (index->size - 1);
    while (index->entries[at].row != FAKEPG_NO_ROW && index->entries[at].hash != hash) {
        at = (at + 1) & (index->size - 1);
    }
    return &index->entries[at];
}

uint32_t fakepg_index_find(const struct fakepg_index *index, uint64_t hash)
{
    return index->size == 0 ? FAKEPG_NO_ROW : entry_of(index, hash)->row;
}

static bool grow(struct fakepg_index *index)
{
    struct fakepg_index wider = {.size = index->size == 0 ? 64 : index->size * 2,
                                 .count = index->count};
    wider.entries = malloc(wider.size * sizeof wider.entries[0]);
    if (wider.entries == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < wider.size; i++) {
        wider.entries[i] = (struct fakepg_index_entry){0, FAKEPG_NO_ROW};
    }
    for (uint32_t i = 0; i < index->size; i++) {
        if (index->entries[i].row != FAKEPG_NO_ROW) {
            *entry_of(&wider, index->entries[i].hash) = index->entries[i];
        }
    }
    free(index->entries);
    *index = wider;
    return true;
}

bool fakepg_index_set(struct fakepg_index *index, uint64_t hash, uint32_t row)
{
    if (index->count * 2 >= index->size && !grow(index)) {
        return false;
    }
    struct fakepg_index_entry *entry = entry_of(index, hash);
    index->count += entry->row == FAKEPG_NO_ROW;
    *entry = (struct fakepg_index_entry){hash, row};
    return true;
}
