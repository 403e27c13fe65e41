/*
 * store_oracle.h - one stream of random units for two stores that must agree about it.
 *
 * The model is the oracle: it also tells the generator which guards would hold.
 */
#ifndef FAREBOX_STORE_ORACLE_H
#define FAREBOX_STORE_ORACLE_H

#include "model_store.h"
#include "sqlite_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define ORACLE_RECENT   512u
#define ORACLE_OFFSETS  2000u
#define ORACLE_VERDICTS (UNIT_ERROR + 1)

struct oracle {
    uint64_t random;
    uint64_t sequence;
    int64_t now_ms;
    uint32_t trips;
    struct texts *texts; /* of both stores' batches and pages, and the model's own */
    void *block;
    struct model_store model;
    struct store *sqlite;
    struct unit recent[ORACLE_RECENT]; /* units to send again */
    uint32_t recent_count;
    uint64_t verdicts[ORACLE_VERDICTS];
};

/* A number below `bound` (not 0). */
uint32_t oracle_draw(struct oracle *oracle, uint32_t bound);
/* True in so many cases of a hundred. */
bool oracle_chance(struct oracle *oracle, uint32_t percent);
/* Also interned: the trip with this number. */
text_id oracle_trip(struct oracle *oracle, uint32_t trip);
text_id oracle_text(struct oracle *oracle, const char *format, uint32_t number);

/* A random unit: guards right, stale or wrong; new, or one of the recent ones again. */
void oracle_unit(struct oracle *oracle, struct unit *unit);

/* Each fails the test at the first field that differs. */
void oracle_compare_results(struct oracle *oracle, const struct unit_result *sqlite,
                            const struct unit_result *model, uint32_t count);
/* A random scan, purge or read of both. */
void oracle_compare_reads(struct oracle *oracle);
/* Every row, every column. */
void oracle_compare_tables(struct oracle *oracle);

#endif
