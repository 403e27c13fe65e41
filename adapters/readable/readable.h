/*
 * readable.h - a copy of a record's bytes that a person can read in a TEXT column.
 *
 * Shared by the store adapters; the bytes themselves are kept in a BLOB column.
 */
#ifndef FAREBOX_READABLE_H
#define FAREBOX_READABLE_H

#include <stddef.h>

/* Room that a copy of `len` bytes may need: U+FFFD has three. */
#define READABLE_SIZE(len) ((len)*3)

/*
 * Copies UTF-8 from `bytes` to `copy` (READABLE_SIZE(len) bytes) and returns the copy's length.
 * NULs and bytes that are not UTF-8 (overlong forms, surrogates, above U+10FFFF) become U+FFFD.
 */
size_t readable_copy(const char *bytes, size_t len, char *copy);

#endif
