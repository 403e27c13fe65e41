/*
 * row_texts.h - moves rows and units from one pool of texts to another.
 *
 * The engine's pool is the engine thread's alone; each store thread has a pool of its own. Between
 * them texts are copied: every handle in the value is replaced by one of the other pool.
 *
 * Pure; one thread at a time for both pools. False: the other pool is full, and the value is of no
 * use any more.
 */
#ifndef FAREBOX_ROW_TEXTS_H
#define FAREBOX_ROW_TEXTS_H

#include "store.h"

/* Moves one text, or all of a row, to the other pool. False: that pool is full. */
MUST_USE bool row_texts_move(text_id *id, const struct texts *from, struct texts *to);
MUST_USE bool row_texts_payment(struct payment_row *row, const struct texts *from,
                                struct texts *to);
MUST_USE bool row_texts_outbox(struct outbox_row *row, const struct texts *from, struct texts *to);
MUST_USE bool row_texts_failed_event(struct failed_event_row *row, const struct texts *from,
                                     struct texts *to);
/* Whatever its kind. An outcome's record has none yet: it is rendered in the other pool. */
MUST_USE bool row_texts_unit(struct unit *unit, const struct texts *from, struct texts *to);

/* Room in a pool of texts. */
struct row_texts_room {
    uint32_t entries;
    size_t bytes;
};

/*
 * The room that the rows of a committed batch need at most in another pool. A result without a
 * row needs none, however many texts the batch itself had.
 */
struct row_texts_room row_texts_results_room(const struct unit_result *results, uint32_t count,
                                             const struct texts *from);

/* A row of a page of this kind (enum scan_kind). */
MUST_USE bool row_texts_scanned(union store_row *row, enum scan_kind kind, const struct texts *from,
                                struct texts *to);

/* Copies a text to a NUL-terminated string; false, nothing written: longer than the room. */
MUST_USE bool row_texts_string(const struct texts *texts, text_id id, char *string, size_t size);

#endif
