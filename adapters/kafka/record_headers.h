/*
 * record_headers.h - a header list as bytes, and back.
 *
 * The bytes are the `headers` column of payment_outbox and failed_event, and what memory keeps of
 * a record that waits. Format, ours, version 1: one byte 1, then for each header the length of
 * its name (2 bytes, big-endian), the name, the length of its value (4 bytes, big-endian;
 * 0xFFFFFFFF: null, no bytes follow), the value. No header at all: no bytes at all.
 *
 * Pure functions: no allocation, any thread, nothing blocks.
 */
#ifndef FAREBOX_RECORD_HEADERS_H
#define FAREBOX_RECORD_HEADERS_H

#include "invariant.h"
#include "record.h"

/*
 * The bytes that record_headers_encode() will write for these headers, or SIZE_MAX where the list
 * cannot be encoded: a name over 65535 bytes, more than KAFKA_HEADERS_MAX headers, or more than
 * KAFKA_HEADERS_BYTES_MAX bytes in all.
 */
size_t record_headers_size(const struct kafka_header *headers, size_t count);

/*
 * Writes the headers to `out` and their size to `len`. False, nothing written, where
 * record_headers_size() is above `capacity`.
 */
MUST_USE bool record_headers_encode(const struct kafka_header *headers, size_t count, uint8_t *out,
                                    size_t capacity, size_t *len);

/*
 * Reads bytes of any origin. The headers point into `bytes`. False, `headers` in an unspecified
 * state and `count` untouched, unless the bytes are exactly one encoded list of at most `max`
 * headers, within the bounds of record.h.
 */
MUST_USE bool record_headers_decode(const uint8_t *bytes, size_t len, struct kafka_header *headers,
                                    size_t max, size_t *count);

/* The first or last header of this name, or NULL. Names are compared byte by byte. */
const struct kafka_header *record_headers_first(const struct kafka_header *headers, size_t count,
                                                const char *name);
const struct kafka_header *record_headers_last(const struct kafka_header *headers, size_t count,
                                               const char *name);

/* True where the header has this name, or a name that begins so. */
bool record_headers_is(const struct kafka_header *header, const char *name);
bool record_headers_begins(const struct kafka_header *header, const char *prefix);

#endif
