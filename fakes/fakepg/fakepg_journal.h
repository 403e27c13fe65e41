/*
 * fakepg_journal.h - the fake PG's state in a file: a log of inputs, a JSON object a line.
 *
 * Each line begins with 16 hexadecimal digits, the XXH3 of the rest seeded with the line's offset.
 * An input is forced to disk before its answer goes out, so a kill loses nothing that was answered.
 * A last line that was not written whole is cut at the next open; damage before it is an error.
 * Rules, weights, delays and overrides are the process's, not the file's.
 *
 * Ownership: the handle owns the file and locks it. Threads: one at a time; adding waits for the
 * disk.
 */
#ifndef FAREBOX_FAKEPG_JOURNAL_H
#define FAREBOX_FAKEPG_JOURNAL_H

#include "fakepg_input.h"

#include <stdbool.h>
#include <stddef.h>

#define FAKEPG_JOURNAL_LINE_MAX 16384

struct fakepg_journal;

/* What reading gives, line by line. False: the line makes no sense. */
struct fakepg_journal_reader {
    void *ctx;
    bool (*merchant)(void *ctx, uint64_t account);
    bool (*input)(void *ctx, const struct fakepg_input *input);
};

/*
 * Opens or creates the file and reads it through `reader`. NULL: `message` says in one line what is
 * wrong with which file.
 */
struct fakepg_journal *fakepg_journal_open(const char *path,
                                           const struct fakepg_journal_reader *reader,
                                           char *message, size_t size);
void fakepg_journal_close(struct fakepg_journal *journal);

/* Writes and forces to disk. False: the disk failed, and nothing may be answered from now on. */
bool fakepg_journal_merchant(struct fakepg_journal *journal, uint64_t account);
bool fakepg_journal_input(struct fakepg_journal *journal, const struct fakepg_input *input);

/* Empties it durably, for a reset. */
bool fakepg_journal_empty(struct fakepg_journal *journal);

#endif
