/*
 * model_store.h - the store port (core/store.h) in plain memory: the simulator's store, and the
 * oracle of the others.
 *
 * All rows live in one block that the caller gives: indices, no pointers, nothing allocated. A
 * copy of the block (and of the pool beside it) is a copy of the store; handles are opened on it.
 *
 * Texts: rows hold handles into the pool given at open. A batch or page with that same pool costs
 * nothing; handles of another pool are translated. The owner of the pool sweeps it after
 * model_store_mark_texts().
 *
 * Threads and blocking: one thread at a time for the block, whatever the handles on it. Nothing
 * blocks. BATCH_ABORTED: a table or a pool is full; BATCH_UNKNOWN does not occur.
 */
#ifndef FAREBOX_MODEL_STORE_H
#define FAREBOX_MODEL_STORE_H

#include "store.h"

/* Rows of each table, at least 1 each. */
struct model_store_limits {
    uint32_t payments;
    uint32_t outbox;
    uint32_t failed_events;
};

/* An open store. The fields are the model's own. */
struct model_store {
    struct store base;
    void *block;
    struct texts *texts;
    int64_t (*now_ms)(void *context);
    void *clock_context;
};

/* Bytes that a block for these limits needs. */
size_t model_store_size(const struct model_store_limits *limits);

/* Makes empty tables in `block` (8-byte aligned, model_store_size() bytes). Cannot fail. */
void model_store_init(void *block, const struct model_store_limits *limits);

/*
 * Opens a store on an initialized block; `handle`, block, pool and clock (Unix ms, not negative)
 * outlive it. Several may be open on one block, with the same pool. The result is
 * `&handle->base`; its `close` operation frees nothing.
 */
struct store *model_store_open(struct model_store *handle, void *block, struct texts *texts,
                               int64_t (*now_ms)(void *context), void *clock_context);

/* Marks every text that a row holds, for texts_sweep(). */
void model_store_mark_texts(const struct model_store *handle);

/*
 * For auditors: every row, as it is now, texts as handles of the store's own pool. `at` counts
 * from 0. Payments and failed events are never deleted and keep their places; an outbox place
 * may be free: then false, and `row` is untouched. Ages and delays are by the store's clock.
 */
uint32_t model_store_payment_count(const struct model_store *handle);
void model_store_payment_at(const struct model_store *handle, uint32_t at,
                            struct payment_view *view);
uint32_t model_store_outbox_places(const struct model_store *handle);
MUST_USE bool model_store_outbox_at(const struct model_store *handle, uint32_t at,
                                    struct outbox_row *row);
uint32_t model_store_failed_event_count(const struct model_store *handle);
void model_store_failed_event_at(const struct model_store *handle, uint32_t at,
                                 struct failed_event_row *row);

/* A row of the lease table. Instants are Unix ms; all 0 and TEXT_NONE: never taken. */
struct model_store_lease {
    int64_t lock_until_ms;
    int64_t locked_at_ms;
    text_id holder;
};
/* The row of this lease, as it is now. */
struct model_store_lease model_store_lease_at(const struct model_store *handle,
                                              enum lease_name name);

#endif
