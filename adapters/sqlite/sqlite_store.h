/*
 * sqlite_store.h - the store port (core/store.h) on a SQLite file.
 *
 * The embedded default, and the backend of tests. The file runs in WAL mode with
 * synchronous = FULL: what submit() reports as committed outlives a kill and a power cut.
 *
 * Threads and blocking: as the port says, one thread at a time for each open store; several
 * stores, also of several processes, may be open on one file. Every call blocks: for the file
 * system, and up to busy_timeout_ms for another connection's transaction.
 */
#ifndef FAREBOX_SQLITE_STORE_H
#define FAREBOX_SQLITE_STORE_H

#include "store.h"

struct sqlite_store_options {
    /* The store's clock, Unix ms in UTC. All stores on one file need the same one. */
    int64_t (*now_ms)(void *context);
    void *clock_context; /* outlives the store */
    int32_t busy_timeout_ms;
    /* Create the file where there is none, and bring its schema up to this version. Where false,
     * a missing file or an older schema is an error. */
    bool migrate;
    /* A VFS registered with SQLite; NULL: the default one. */
    const char *vfs;
};

/* The version of the schema that this program writes. */
int sqlite_store_schema_version(void);

/*
 * Opens `path`. True: `*store` is the caller's, to be ended with its `close` operation. False:
 * `*store` is untouched, nothing is open, and `error` names the path and the reason: not to be
 * opened or created (and why), a directory, not a database, read-only, without WAL, another
 * program's database, a schema that is too new (its min_reader is above this program's version)
 * or, without `migrate`, too old. Text longer than `error_size` is cut.
 */
MUST_USE bool sqlite_store_open(const char *path, const struct sqlite_store_options *options,
                                struct store **store, char *error, size_t error_size);

#endif
