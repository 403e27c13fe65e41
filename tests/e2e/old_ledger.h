/*
 * old_ledger.h - what the old service did at the PG, and what became of it: the fake PG's file,
 * written before a farebox runs and read after.
 *
 * Orders are named by the text of their id. Whatever goes wrong fails the running test.
 */
#ifndef FAREBOX_TEST_OLD_LEDGER_H
#define FAREBOX_TEST_OLD_LEDGER_H

#include "pg_ledger.h"

/* Charges the order; `pg_id`, if not NULL, takes the PG's id. */
void old_ledger_charge(const char *path, const char *order, int64_t amount_krw,
                       char pg_id[PG_LEDGER_PG_ID_SIZE]);
/* Cancels all of it. */
void old_ledger_cancel(const char *path, const char *pg_id);
/* All zero: the PG was never asked to do anything for the order. */
struct pg_ledger_totals old_ledger_totals(const char *path, const char *order);

#endif
