/*
 * pg_file_entry.h - the bytes of one entry of the fake PG's log. Private to pg_file*.c.
 *
 * Pure functions over buffers. Reading trusts nothing: any bytes give a result, never a crash.
 */
#ifndef FAREBOX_PG_FILE_ENTRY_H
#define FAREBOX_PG_FILE_ENTRY_H

#include "pg_file.h"

#define PG_FILE_HEADER_SIZE 16
#define PG_FILE_VERSION     1
#define PG_ENTRY_PREFIX     16 /* length, its complement, checksum */
#define PG_ENTRY_MAX        (PG_ENTRY_PREFIX + 128 + 4 * (PG_FILE_TEXT_MAX + 4))

enum pg_entry_kind {
    PG_ENTRY_ACCOUNT = 1,
    PG_ENTRY_REQUEST,
    PG_ENTRY_ADVANCE, /* late actions were due and have been done */
};

/* One input of the ledger. The request's texts are handles of the pool given beside it. */
struct pg_entry {
    uint8_t kind;
    uint64_t account; /* PG_ENTRY_ACCOUNT */
    int64_t now_ms;   /* not PG_ENTRY_ACCOUNT */
    struct pg_ledger_request request;
    struct pg_ledger_plan plan;
};

enum pg_entry_read {
    PG_ENTRY_READ = 1,
    PG_ENTRY_TORN,    /* not written whole: nothing readable follows */
    PG_ENTRY_DAMAGED, /* wrong, though something follows it */
};

/* What a file begins with: magic and version. */
void pg_file_header_make(uint8_t header[PG_FILE_HEADER_SIZE]);

/* Writes the entry that begins at `offset` of the file; its size, 0: a text is too long. */
size_t pg_entry_encode(const struct pg_entry *entry, const struct texts *texts, uint64_t offset,
                       uint8_t bytes[PG_ENTRY_MAX]);

/*
 * Reads the entry at the start of `bytes`, of which `len` are left until the end of the file.
 * PG_ENTRY_READ: `entry` and `size` are set, its texts are in `texts`, which is emptied first.
 */
enum pg_entry_read pg_entry_decode(const uint8_t *bytes, size_t len, uint64_t offset,
                                   struct texts *texts, struct pg_entry *entry, size_t *size);

/* A pool with room for one entry and its answer. */
#define PG_ENTRY_TEXTS_ENTRIES 8
#define PG_ENTRY_TEXTS_BYTES   8192

#endif
