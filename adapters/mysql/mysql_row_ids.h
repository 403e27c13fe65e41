/*
 * mysql_row_ids.h - the row ids of the payments that one connection has in work.
 *
 * Private to adapters/mysql. Payment ids are random, so that each search for one ends on a page of
 * its own, which in a large table no processor cache has; rows that were inserted one after the
 * other lie side by side. So a connection remembers, for a while, where the rows are that it
 * inserted.
 *
 * A row id is a hint: it was computed from the first of its statement, its row may be gone, and a
 * replica that took over may have given it to another payment. A statement that goes by it
 * compares the payment's id as well, and where it finds less than it should, the search is by that
 * id. Bounded: what is learned pushes out what was learned long ago. A few hundred nanoseconds at
 * most; one thread.
 */
#ifndef FAREBOX_MYSQL_ROW_IDS_H
#define FAREBOX_MYSQL_ROW_IDS_H

#include "ids.h"

#include <stdint.h>

/*
 * With 22,000 payments in flight on two connections, three of 10,000 are pushed out too early; with
 * the usual 4,096 none. 1 MiB, of which only what is used is ever touched.
 */
#define ROW_IDS_SETS 8192
#define ROW_IDS_WAYS 8

struct row_ids {
    struct {
        uint64_t key; /* made of the payment's id; two ids may share one: a hint */
        int64_t row_id;
    } sets[ROW_IDS_SETS][ROW_IDS_WAYS];
};

/* All zero bytes are an empty table. A row id below 1 is not learned. */
void row_ids_learn(struct row_ids *ids, const struct uuid *payment_id, int64_t row_id);
/* 0: not known. */
int64_t row_ids_find(const struct row_ids *ids, const struct uuid *payment_id);

#endif
