/*
 * pg_code.h - what an error code of the payment gateway means.
 *
 * The closed list of CONTRACTS 6 (toss-codes.tsv), compiled in. Judge by the code, never by the
 * HTTP status. tests/unit/test_pg_code.c compares this table with the list, row by row.
 */
#ifndef FAREBOX_PG_CODE_H
#define FAREBOX_PG_CODE_H

#include "gateway.h"

#include <stddef.h>

/*
 * The class of a code, compared byte by byte. PG_CODE_UNKNOWN for every code outside the list and
 * for whatever bytes come in: only a listed decline proves that nothing was charged. `code` may be
 * NULL where len is 0.
 */
enum pg_code_class pg_code_classify(const char *code, size_t len);

/* The list itself, sorted: how many, and the code at `index` (an invariant: below the count). */
size_t pg_code_count(void);
const char *pg_code_at(size_t index);

#endif
