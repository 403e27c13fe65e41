/*
 * texts.h - a bounded pool of write-once byte strings, known by handle.
 *
 * Core decides by small numbers; ids, codes and record bytes live here, outside its state. A
 * string is interned: equal bytes have equal handles, so core compares texts by comparing
 * handles. The pool is one block of plain memory without pointers, given by its owner: a copy of
 * the block is a copy of the pool.
 *
 * Ownership: the driver owns the block; the pool copies the bytes that it is given. Handles stay
 * valid until texts_sweep() drops them; pointers from texts_get() until the next texts_intern()
 * or texts_sweep().
 * Threads: one thread at a time. Nothing blocks, nothing allocates.
 */
#ifndef FAREBOX_TEXTS_H
#define FAREBOX_TEXTS_H

#include "invariant.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A handle. TEXT_NONE means "no text"; the empty string is a text of its own. */
typedef uint32_t text_id;
#define TEXT_NONE ((text_id)0)

struct texts;

/* Bytes that a pool for up to `entries_max` texts and `bytes_max` bytes in all needs. */
size_t texts_size(uint32_t entries_max, uint32_t bytes_max);

/* Makes an empty pool in `block` (8-byte aligned, texts_size() bytes). Cannot fail. */
struct texts *texts_init(void *block, uint32_t entries_max, uint32_t bytes_max);

/*
 * The same for a plain pool, which interns nothing: each text is a new one, so equal bytes may have
 * several handles, and no handles of it are compared. It is cheaper to fill, and to empty by a new
 * init: for texts on their way, such as those of one batch.
 */
size_t texts_plain_size(uint32_t entries_max, uint32_t bytes_max);
struct texts *texts_plain_init(void *block, uint32_t entries_max, uint32_t bytes_max);

/*
 * Returns the handle of these bytes, which are copied unless an equal text is there already (a
 * plain pool does not look).
 * TEXT_NONE: the pool is full (sweep, or take no more work); nothing has changed.
 */
MUST_USE text_id texts_intern(struct texts *texts, const void *bytes, size_t len);

/* The same for a NUL-terminated string; NULL gives TEXT_NONE. */
MUST_USE text_id texts_intern_string(struct texts *texts, const char *string);

/*
 * The bytes of a text, followed by a NUL that is not counted. `id` must be a live handle
 * (an invariant: handles never come from outside). For TEXT_NONE: NULL and 0.
 */
const char *texts_get(const struct texts *texts, text_id id, size_t *len);

/* The bytes as a C string; "" for TEXT_NONE. For ids, which hold no NUL. */
const char *texts_string(const struct texts *texts, text_id id);

/* The handle that these bytes have in the pool already, or TEXT_NONE. Changes nothing. Not for a
 * plain pool. */
text_id texts_find(const struct texts *texts, const void *bytes, size_t len);

/* How full the pool is. */
uint32_t texts_count(const struct texts *texts);
uint32_t texts_bytes_used(const struct texts *texts);
uint32_t texts_bytes_max(const struct texts *texts);

/*
 * Drops every text that was not marked since the last sweep and closes the gaps. Handles of
 * marked texts stay as they are. Use: mark all handles that state still holds, then sweep.
 */
void texts_mark(struct texts *texts, text_id id);
void texts_sweep(struct texts *texts);

/* Ends the process where the pool contradicts itself. O(entries). */
void texts_check(const struct texts *texts);

#endif
