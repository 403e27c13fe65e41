/*
 * pg_file_internal.h - what the files of the ledger file share. Not for others.
 *
 *   pg_file.c         open and close, calls and groups of them
 *   pg_file_replay.c  what is in the file, or has come to it, into the ledger
 */
#ifndef FAREBOX_PG_FILE_INTERNAL_H
#define FAREBOX_PG_FILE_INTERNAL_H

#include "pg_file.h"
#include "pg_file_entry.h"

/* What a group writes at once; a longer one writes in parts, and is forced to disk once all the
 * same. */
#define PENDING_SIZE (64U << 10)

_Static_assert(PENDING_SIZE >= PG_ENTRY_MAX, "an entry fits");

struct pg_file {
    struct pg_fake *fake;
    struct texts *scratch; /* the texts of one entry while it is replayed */
    char *path;
    int fd;
    int error; /* errno of the failure that brought it down */
    bool read_only;
    int64_t now_ms; /* never steps back: the replay sees what the first run saw */
    uint64_t size;  /* of the entries that this handle has seen */
    uint64_t entries;
    uint64_t cut;
    /* A group of calls: the lock is held, and what they wrote waits for its end. */
    bool in_group;
    bool is_unsynced; /* written, or waiting to be */
    size_t pending_len;
    uint8_t pending[PENDING_SIZE];
};

/* Writes a sentence for people, and gives the status that it goes with. */
enum pg_file_status pg_file_complain(char message[PG_FILE_MESSAGE_SIZE], const char *path,
                                     enum pg_file_status status, const char *what);
/* The same with what errno says. */
enum pg_file_status pg_file_complain_errno(char message[PG_FILE_MESSAGE_SIZE], const char *path,
                                           enum pg_file_status status, const char *what);

/* False, and errno: not all bytes were written. */
MUST_USE bool pg_file_write(int fd, const uint8_t *bytes, size_t len);

/* Replays what others have appended, or begins an empty file. The caller has the lock. */
MUST_USE enum pg_file_status pg_file_catch_up(struct pg_file *file,
                                              char message[PG_FILE_MESSAGE_SIZE]);

#endif
