/*
 * mysql_internal.h - what the files of adapters/mysql share.
 *
 * The connection, the statement under construction, and the three ways in which one can end.
 */
#ifndef FAREBOX_MYSQL_INTERNAL_H
#define FAREBOX_MYSQL_INTERNAL_H

#include "mysql_columns.h"
#include "mysql_row_ids.h"
#include "mysql_rows.h"
#include "mysql_sql.h"
#include "mysql_store.h"

#include <mysql.h>

#define REASON_SIZE 400
/* A text of the session's options, and the NUL. */
#define OPTION_SIZE 512
#define KEY_SIZE    200
/* A character set or collation, and the NUL. */
#define NAME_SIZE 65
#define NOW_SIZE  24
/* The expression with its four numbers, and the NUL. */
#define LOCAL_NOW_SIZE 200

struct mysql_store {
    struct store base; /* first: the port's handle */
    MYSQL *db;         /* NULL: not connected */
    struct sql sql;
    uint64_t changed;                           /* rows that the last statement changed */
    int64_t used_ms;                            /* monotonic: when the last call began */
    int64_t retry_at_ms;                        /* monotonic: no connection before this */
    int32_t backoff_ms;                         /* 0: the last connection could be opened */
    char now[NOW_SIZE];                         /* the batch's instant, a number */
    char local_now[LOCAL_NOW_SIZE];             /* SQL: the same in the old service's zone */
    struct sql_rows rows;                       /* of the statement under construction */
    char *readable;                             /* READABLE_SIZE(STORE_BODY_MAX) bytes */
    struct unit_result staged[STORE_BATCH_MAX]; /* results until they are known to be durable */
    bool written[STORE_BATCH_MAX];  /* by this transaction; false: also what an earlier one wrote */
    int64_t found[STORE_BATCH_MAX]; /* row ids of its payments, see mysql_payment_rows.c; 0: none */
    struct row_ids row_ids;
    int64_t row_id_step;                /* between the row ids of one statement */
    char payment_key[KEY_SIZE];         /* u.n_key in the collation of payments.payment_id */
    char event_charset[NAME_SIZE];      /* of failed_event.payload; "": bytes */
    char outbox_charset[NAME_SIZE];     /* of payment_outbox.payload */
    struct mysql_store_options options; /* its texts point to the copies below */
    char host[OPTION_SIZE];
    char user[OPTION_SIZE];
    char password[OPTION_SIZE];
    char database[OPTION_SIZE];
    char tls_ca[OPTION_SIZE];
    char tls_cert[OPTION_SIZE];
    char tls_key[OPTION_SIZE];
};

/* How a statement or a unit ended. */
enum step {
    STEP_OK = 1,
    STEP_UNIT_ERROR, /* one of its units will never be written: a constraint, a value too long */
    STEP_ABORT,      /* the batch, or the read, cannot go on now */
};

/* mysql_notice.c: tells whoever listens; the second one of the error that the connection has. */
void mysql_notice(const struct mysql_store *store, enum mysql_notice what, const char *text);
void mysql_notice_error(const struct mysql_store *store, bool is_loss);

/* mysql_connect.c: a session that is the caller's to close, or NULL and the reason (REASON_SIZE);
 * checks the server. */
MUST_USE MYSQL *mysql_session_connect(const struct mysql_store *store, unsigned read_timeout_s,
                                      char *reason);
/* Opens store->db, or says why not; checks the server at each connect. */
MUST_USE bool mysql_session_open(struct mysql_store *store, char *reason);
/* Closes it, whatever its state; the server rolls back what is open. */
void mysql_session_drop(struct mysql_store *store);
/* For each call's begin: connects where there is no connection, or one that has been silent for so
 * long that the server will end it, and the back-off is over. */
MUST_USE bool mysql_session_ready(struct mysql_store *store);

/* mysql_schema.c: learns the collations of the tables; names the rights that are missing. */
MUST_USE bool mysql_schema_learn(struct mysql_store *store, char *reason);
MUST_USE bool mysql_rights_check(struct mysql_store *store, char *reason);

/* mysql_db.c: sends store->sql. A lost connection is dropped, so that store->db is NULL then. */
enum step mysql_run(struct mysql_store *store);
/* The same for a query; STEP_OK: `*result` is the caller's to free. */
enum step mysql_select(struct mysql_store *store, MYSQL_RES **result);
/*
 * Starts a transaction, or a read, on a connection that works: connects again once. The instants of
 * a transaction's payments and outcomes are all the server's now at its begin, read once: later
 * than whatever led to its units, and before its commit, so that nobody waits for too short.
 */
MUST_USE bool mysql_begin(struct mysql_store *store);
MUST_USE bool mysql_read_begin(struct mysql_store *store);
/* Ends a transaction without its changes; drops the connection where that fails. */
void mysql_undo(struct mysql_store *store);
enum batch_outcome mysql_end(struct mysql_store *store);

/*
 * mysql_local.c: the old service's date-times, which are local times of its zone. They are for
 * people and for GET; they decide nothing.
 */
/* Makes store->local_now for the statements of the next minutes, whatever the difference between
 * this machine's clock and the server's. */
void mysql_local_now(struct mysql_store *store, int64_t now_ms);
/* The instant of a local time, both Unix ms as if the one were UTC. The first of the two where the
 * clocks were set back; where they were set forward, the time that did not exist goes on from the
 * offset before. */
int64_t mysql_local_instant(const struct mysql_store *store, int64_t local_ms);

/* Places of units in the batch, in the order in which their rows are locked. */
struct unit_group {
    uint32_t count;
    uint32_t at[STORE_BATCH_MAX];
};

/*
 * The units of one kind, one file for each table. STEP_OK: each has its result in store->staged.
 * STEP_UNIT_ERROR: one of them is the reason; alone in its group, it is the one.
 */
enum step mysql_payments_open(struct mysql_store *store, const struct store_batch *batch,
                              const struct unit_group *group);
enum step mysql_payments_move(struct mysql_store *store, const struct store_batch *batch,
                              const struct unit_group *group);
enum step mysql_outcomes_insert(struct mysql_store *store, const struct store_batch *batch,
                                const struct unit_group *group);
enum step mysql_outbox_moves(struct mysql_store *store, const struct store_batch *batch,
                             const struct unit_group *group);
enum step mysql_failed_event_open(struct mysql_store *store, const struct texts *texts,
                                  const struct unit *unit, struct unit_result *result);
enum step mysql_failed_event_move(struct mysql_store *store, const struct unit *unit,
                                  struct unit_result *result);
enum step mysql_lease_write(struct mysql_store *store, const struct texts *texts,
                            const struct unit *unit, struct unit_result *result);

/*
 * After a guarded write that changed nothing: applied if the row that store->sql (a query of the
 * two token columns) finds carries the unit's token, else `otherwise`.
 */
enum step mysql_judge_by_token(struct mysql_store *store, struct token token,
                               enum unit_verdict otherwise, struct unit_result *result);

/*
 * mysql_payment_rows.c: where the rows of payments are. What is learned is a hint, and is kept for
 * as long as there is room (mysql_row_ids.h); what is in store->found is certain, once a statement
 * of this transaction has changed the row of that id and that payment.
 */
/* From the insert that ran just now, whose every row is new. */
void mysql_payment_rows_guess(struct mysql_store *store, const struct store_batch *batch,
                              const struct unit_group *group);
/* Fills store->found with what is known. False: some is not. */
MUST_USE bool mysql_payment_rows_recall(struct mysql_store *store, const struct store_batch *batch,
                                        const struct unit_group *group);
/* STEP_OK: store->found has the row id of each payment that was moved, or has an outcome. */
enum step mysql_payment_rows_find(struct mysql_store *store, const struct store_batch *batch,
                                  const struct unit_group *group);

/* mysql_payment_sql.c: the statements of payments. */
void mysql_payment_open_sql(struct mysql_store *store, const struct store_batch *batch,
                            const struct unit_group *group);
/* By the row ids in store->found, where `by_row`; by payment id otherwise. */
void mysql_payment_move_sql(struct mysql_store *store, const struct store_batch *batch,
                            const struct unit_group *group, bool by_row);
/* The columns of a payment that is read, as mysql_payment.c counts them. */
extern const char mysql_payment_columns[];

/* The operations of the port. */
enum batch_outcome mysql_store_submit(struct store *base, const struct store_batch *batch);
enum store_status mysql_payments_due(struct mysql_store *store, const struct store_scan *scan,
                                     struct store_page *page);
enum store_status mysql_outbox_due(struct mysql_store *store, const struct store_scan *scan,
                                   struct store_page *page);
enum store_status mysql_failed_events(struct mysql_store *store, const struct store_scan *scan,
                                      struct store_page *page);
enum store_status mysql_outbox_purge(struct mysql_store *store, int64_t older_than_ms,
                                     uint32_t limit, uint32_t *deleted);
enum store_status mysql_payment_read(struct mysql_store *store, const char *trip_id, size_t len,
                                     struct texts *texts, struct payment_view *view);
enum store_status mysql_failed_event_read(struct mysql_store *store, int64_t row_id,
                                          struct texts *texts, struct failed_event_row *row);

#endif
