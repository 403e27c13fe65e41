/*
 * store_oracle.h - one stream of random units for stores that must agree about it: the model,
 * SQLite and, where there is a server, MySQL.
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

struct oracle_mysql;

struct oracle {
    uint64_t random;
    uint64_t sequence;
    int64_t now_ms;
    uint32_t trips;
    struct texts *texts; /* of both stores' batches and pages, and the model's own */
    void *block;
    struct model_store model;
    struct store *sqlite;
    struct oracle_mysql *mysql;        /* NULL: no server here */
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
/*
 * A batch of random units. `*meets` false: as the port asks, no two are on the same row, nor on
 * one that is not there yet; and they are in the order in which MySQL's statements write them, so
 * that rows get their ids in one order everywhere. True: nothing of that.
 */
uint32_t oracle_batch(struct oracle *oracle, struct unit *units, bool *meets);

/* Each fails the test at the first field that differs. */
void oracle_compare_payments(const struct payment_row *a, const struct payment_row *b);
void oracle_compare_outbox_rows(const struct outbox_row *a, const struct outbox_row *b);
void oracle_compare_failed_events(const struct failed_event_row *a,
                                  const struct failed_event_row *b);
void oracle_compare_results(const struct unit_result *a, const struct unit_result *model,
                            uint32_t count);
/* A random scan, purge or read of all. */
void oracle_compare_reads(struct oracle *oracle);
/* Every row, every column. */
void oracle_compare_tables(struct oracle *oracle);

/*
 * store_oracle_mysql.c: MySQL's side. Its row ids have gaps where the others' have none, so they
 * are translated, by the order in which rows came to be.
 */
enum oracle_fault { ORACLE_FAULT_NONE, ORACLE_FAULT_ANSWER_LOST, ORACLE_FAULT_CUT };
/* Starts a server. False: there is none here; the reason was printed. */
bool oracle_mysql_open(struct oracle *oracle, uint64_t units);
void oracle_mysql_close(struct oracle *oracle);
/*
 * Submits once. ORACLE_FAULT_ANSWER_LOST: COMMIT's answer is lost, or the connection is cut before
 * the server sees it; ORACLE_FAULT_CUT: it is cut before statement `nth`.
 */
enum batch_outcome oracle_mysql_submit(struct oracle *oracle, const struct unit *units,
                                       struct unit_result *results, uint32_t count, bool meets,
                                       enum oracle_fault fault, uint32_t nth);
/* The same as the model's, which has given this already. */
void oracle_mysql_compare_scan(struct oracle *oracle, const struct store_scan *scan,
                               const union store_row *rows, uint32_t count);
void oracle_mysql_compare_purge(struct oracle *oracle, int64_t older_than_ms, uint32_t limit,
                                uint32_t deleted);
void oracle_mysql_compare_payment(struct oracle *oracle, text_id trip, enum store_status status,
                                  const struct payment_view *view);
void oracle_mysql_compare_failed_event(struct oracle *oracle, int64_t row_id,
                                       enum store_status status,
                                       const struct failed_event_row *row);
/* Outbox, leases and the counts of rows; the rest was compared by reads. */
void oracle_mysql_compare_tables(struct oracle *oracle);

#endif
