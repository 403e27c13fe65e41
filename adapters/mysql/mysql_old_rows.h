/*
 * mysql_old_rows.h - rows that the old service left, or wrote when it came back for a while.
 *
 * The store port does not know of them: they are made into rows like Farebox's own, once, before a
 * start takes on work. Several instances may do so at the same time: every write is guarded, and
 * what another one did is left as it is. While the old service writes, nobody calls this.
 *
 * Threads and blocking: as the port; the stores are those of mysql_store_open().
 */
#ifndef FAREBOX_MYSQL_OLD_ROWS_H
#define FAREBOX_MYSQL_OLD_ROWS_H

#include "store.h"

/* When the rescue may take a payment that has no end, from the store's now. */
struct mysql_old_waits {
    int64_t requested_ms; /* REQUESTED: later than its record could still claim it */
    int64_t unsettled_ms; /* PROCESSING, UNKNOWN: later than a charge of it could still act */
};

/*
 * Gives such payments their due_at. One that holds what a unit could not write back, or whose
 * payment id is no UUID, by which the PG could be asked, goes to an operator instead. `*adopted`
 * counts them. Found without reading the whole table, but once after the migration. STORE_OK or
 * STORE_UNAVAILABLE (done in part; to be repeated).
 */
MUST_USE enum store_status
mysql_old_payments(struct store *store, const struct mysql_old_waits *waits, uint64_t *adopted);

enum mysql_old_kind { MYSQL_OLD_OUTBOX = 1, MYSQL_OLD_FAILED_EVENTS };

/* A row that is not DONE, or PENDING, and has none of Farebox's columns. */
struct mysql_old_row {
    int64_t row_id;
    int64_t created_at_ms; /* Unix ms; AGE_NONE: it does not say */
    text_id topic;         /* TEXT_NONE: none, or no text that a topic could have */
    text_id payload;       /* TEXT_NONE: none, or more than STORE_BODY_MAX bytes */
};

#define MYSQL_OLD_PAGE_MAX 64

/* At most MYSQL_OLD_PAGE_MAX rows after `after_id`, in id order, with at most STORE_PAGE_BYTES_MAX
 * bytes (or one row). STORE_OK or STORE_UNAVAILABLE. */
MUST_USE enum store_status mysql_old_page(struct store *store, enum mysql_old_kind kind,
                                          int64_t after_id, struct texts *texts,
                                          struct mysql_old_row *rows, uint32_t *count);

/* What such a row becomes. */
struct mysql_old_record {
    int64_t row_id;
    struct uuid event_id; /* outbox: as the `id` header */
    bool is_parked; /* outbox: never sent; it has an event id, so that no start finds it again */
    int64_t origin_at_ms; /* dead letter: the record's first timestamp, as far as is known */
    text_id topic;        /* dead letter: where a retry goes; outbox: where it is published */
    text_id key;          /* TEXT_NONE: null */
    text_id body;
    text_id headers; /* TEXT_NONE: none */
};

/* Writes them in one transaction. An outbox row is due before any other, in id order. STORE_OK or
 * STORE_UNAVAILABLE (nothing was written, or perhaps all: to be repeated). */
MUST_USE enum store_status mysql_old_adopt(struct store *store, enum mysql_old_kind kind,
                                           const struct mysql_old_record *records, uint32_t count,
                                           const struct texts *texts);

#endif
