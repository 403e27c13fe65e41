/*
 * store_scans.h - executes scans and purges on a connection of their own, one after the other.
 *
 * The engine has at most one of each kind outstanding, so each kind has its own job with its own
 * memory: asking never waits and never fails. When a job is done its thread posts MESSAGE_SCAN.
 *
 * Ownership: the store given at open belongs to the scans from then on.
 */
#ifndef FAREBOX_STORE_SCANS_H
#define FAREBOX_STORE_SCANS_H

#include "inbox.h"
#include "store.h"

#include <stdatomic.h>

/* The kinds of enum scan_kind, and one more. */
#define STORE_SCANS_PURGE (SCAN_FAILED_EVENTS + 1)
#define STORE_SCANS_KINDS STORE_SCANS_PURGE

/* What the thread posts. Rows and texts are valid until the same kind is asked for again. */
struct scan_message {
    struct message message;
    uint8_t kind; /* enum scan_kind, or STORE_SCANS_PURGE */
    bool ok;
    uint32_t count;
    union store_row *rows;
    const struct texts *texts;
    uint32_t deleted; /* purge */
};

struct store_scans;

/* Starts the thread. NULL: no memory or no thread; then the store is still the caller's. */
MUST_USE struct store_scans *store_scans_open(struct store *store, struct inbox *inbox);

/* Asks for a page; `topic` NULL: all topics. None of this kind may be outstanding. */
void store_scans_ask(struct store_scans *scans, enum scan_kind kind, uint32_t limit,
                     int64_t after_id, const char *topic);

/* Asks to delete published outbox rows. None may be outstanding. */
void store_scans_purge(struct store_scans *scans, int64_t older_than_ms, uint32_t limit);

/* True where the last answer of the store was a good one. Any thread. */
bool store_scans_are_well(const struct store_scans *scans);

/*
 * Waits for the job that runs, ends the thread, takes its answers out of the inbox, closes the
 * store. Nobody takes from the inbox any more. NULL is allowed.
 */
void store_scans_close(struct store_scans *scans);

#endif
