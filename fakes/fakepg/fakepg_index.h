/*
 * fakepg_index.h - finds a row by the 64-bit hash of its name.
 *
 * Ownership: the index owns its table, and no row. Threads: one at a time; nothing blocks.
 * Two names with one hash are taken for one: 64 bits are enough for a world of tests.
 */
#ifndef FAREBOX_FAKEPG_INDEX_H
#define FAREBOX_FAKEPG_INDEX_H

#include <stdbool.h>
#include <stdint.h>

#define FAKEPG_NO_ROW UINT32_MAX

struct fakepg_index_entry {
    uint64_t hash;
    uint32_t row; /* FAKEPG_NO_ROW: free */
};

/* All zero: empty. */
struct fakepg_index {
    struct fakepg_index_entry *entries;
    uint32_t size; /* a power of two */
    uint32_t count;
};

/* Frees it; it is empty again. */
void fakepg_index_clear(struct fakepg_index *index);

/* FAKEPG_NO_ROW: there is none. */
uint32_t fakepg_index_find(const struct fakepg_index *index, uint64_t hash);

/* Adds it, or gives the hash another row. False: memory ran out. */
__attribute__((warn_unused_result)) bool fakepg_index_set(struct fakepg_index *index, uint64_t hash,
                                                          uint32_t row);

#endif
