/* The two statements that write payments, for one unit or many. */
#include "mysql_internal.h"

const char mysql_payment_columns[] =
    SQL_NOW ", payment_id, token_process, token_sequence, pg_account, claimed_at, cancel_first_at,"
            " due_at, amount, epoch, trip_id, user_id, payment_method_id, pg_transaction_id,"
            " refund_pg_id, traceparent, reason_code, cancel_no, attempts, status, refund_state,"
            " absent_count, recheck_no, needs_operator, reason, requested_ms, completed_ms,"
            " TIMESTAMPDIFF(MICROSECOND, '1970-01-01', requested_at) DIV 1000,"
            " TIMESTAMPDIFF(MICROSECOND, '1970-01-01', completed_at) DIV 1000, id";

static const char *const refund_state_names[] = {
    [REFUND_NONE] = "NONE", [REFUND_INTENDED] = "INTENDED", [REFUND_DONE] = "DONE"};

/* In the order in which image_cells() and move_cells() write. */
static const char *const move_names[] = {
    "n_key",    "n_epoch",   "n_process", "n_sequence", "n_account", "n_due",      "n_amount",
    "n_user",   "n_method",  "n_pg",      "n_refund",   "n_trace",   "n_code",     "n_cancel",
    "n_tries",  "n_status",  "n_state",   "n_absent",   "n_recheck", "n_operator", "n_reason",
    "n_claims", "n_cancels", "n_guard",   "n_at",       "n_row"};
#define MOVE_COLUMNS (sizeof(move_names) / sizeof(move_names[0]))

/* The columns that an insert writes, in the order of image_cells() and open_cells(), and the
 * defaults of those that it need not name where no row has anything else. */
static const char *const open_names[] = {
    "payment_id",   "epoch",        "token_process",   "token_sequence",    "pg_account",
    "due_at",       "amount",       "user_id",         "payment_method_id", "pg_transaction_id",
    "refund_pg_id", "traceparent",  "reason_code",     "cancel_no",         "attempts",
    "status",       "refund_state", "absent_count",    "recheck_no",        "needs_operator",
    "reason",       "claimed_at",   "cancel_first_at", "trip_id",           "requested_ms",
    "completed_ms", "created_at",   "updated_at",      "requested_at",      "completed_at"};
#define OPEN_COLUMNS (sizeof(open_names) / sizeof(open_names[0]))
static const char *const open_defaults[OPEN_COLUMNS] = {
    [9] = "NULL",  [10] = "NULL",          [11] = "NULL", [12] = "NULL", [13] = "0",
    [14] = "0",    [16] = "_binary'NONE'", [17] = "0",    [18] = "0",    [19] = "0",
    [21] = "NULL", [22] = "NULL",          [25] = "NULL", [29] = "NULL"};

/* A due instant, from an instant's number; NULL stays NULL. */
static void due_add(struct sql *sql, const char *now, int64_t due_in_ms)
{
    if (due_in_ms != DUE_NEVER) {
        sql_add(sql, now);
        sql_add(sql, " + ");
    }
    sql_delay(sql, due_in_ms);
}

/* The first 21 cells, which insert and update have in common. */
static void image_cells(struct mysql_store *store, const struct texts *texts,
                        const struct unit *unit, uint32_t epoch)
{
    struct sql_rows *rows = &store->rows;
    const struct payment_row *row = &unit->as.payment.row;
    sql_uuid(sql_rows_next(rows), &row->payment_id);
    sql_uint(sql_rows_next(rows), epoch);
    sql_uint(sql_rows_next(rows), unit->token.process);
    sql_uint(sql_rows_next(rows), unit->token.sequence);
    sql_uint(sql_rows_next(rows), row->pg_account);
    due_add(sql_rows_next(rows), store->now, row->due_in_ms);
    sql_int(sql_rows_next(rows), row->amount_krw);
    sql_text(sql_rows_next(rows), texts, row->user_id);
    sql_text(sql_rows_next(rows), texts, row->method_id);
    sql_text(sql_rows_next(rows), texts, row->pg_id);
    sql_text(sql_rows_next(rows), texts, row->refund_pg_id);
    sql_text(sql_rows_next(rows), texts, row->traceparent);
    sql_text(sql_rows_next(rows), texts, row->code);
    sql_uint(sql_rows_next(rows), row->cancel_no);
    sql_uint(sql_rows_next(rows), row->attempts);
    sql_name(sql_rows_next(rows), payment_status_name(row->status));
    sql_name(sql_rows_next(rows), refund_state_names[row->refund_state]);
    sql_uint(sql_rows_next(rows), row->absent_count);
    sql_uint(sql_rows_next(rows), row->recheck_no);
    sql_uint(sql_rows_next(rows), row->needs_operator);
    sql_name(sql_rows_next(rows), payment_reason_name(row->reason));
}

/* Hibernate's date-times are for readers: the same instants, in the old service's zone. */
static void open_cells(struct mysql_store *store, const struct texts *texts,
                       const struct unit *unit)
{
    struct sql_rows *rows = &store->rows;
    const struct unit_payment *payment = &unit->as.payment;
    bool completed = payment->row.status == PAYMENT_COMPLETED;
    image_cells(store, texts, unit, 1);
    sql_add(sql_rows_next(rows), payment->claimed_at == INSTANT_NOW ? store->now : "NULL");
    sql_add(sql_rows_next(rows), payment->cancel_at == INSTANT_NOW ? store->now : "NULL");
    sql_key(sql_rows_next(rows), texts, payment->row.trip_id);
    sql_add(sql_rows_next(rows), store->now);
    sql_add(sql_rows_next(rows), completed ? store->now : "NULL");
    sql_add(sql_rows_next(rows), store->local_now);
    sql_add(sql_rows_next(rows), store->local_now);
    sql_add(sql_rows_next(rows), store->local_now);
    sql_add(sql_rows_next(rows), completed ? store->local_now : "NULL");
}

/* The columns that are named; returns how many. */
static uint32_t open_columns(const struct sql_rows *rows, uint32_t columns[OPEN_COLUMNS])
{
    uint32_t count = 0;
    for (uint32_t c = 0; c < OPEN_COLUMNS; c++) {
        if (open_defaults[c] == NULL || !sql_rows_same(rows, c, open_defaults[c])) {
            columns[count++] = c;
        }
    }
    return count;
}

/* A trip or payment id that is there already leaves its row as it is, and counts as no change.
 * Unlike INSERT IGNORE, this cuts nothing (CONTRACTS 7). */
void mysql_payment_open_sql(struct mysql_store *store, const struct store_batch *batch,
                            const struct unit_group *group)
{
    struct sql *sql = &store->sql;
    struct sql_rows *rows = &store->rows;
    uint32_t columns[OPEN_COLUMNS];
    sql_clear(sql);
    sql_rows_clear(rows, open_names, OPEN_COLUMNS);
    for (uint32_t i = 0; i < group->count; i++) {
        open_cells(store, batch->texts, &batch->units[group->at[i]]);
    }
    sql->failed = rows->cells.failed;
    if (sql->failed) {
        return;
    }
    uint32_t count = open_columns(rows, columns);
    sql_add(sql, "INSERT INTO payments (");
    for (uint32_t c = 0; c < count; c++) {
        sql_add(sql, c == 0 ? "" : ", ");
        sql_add(sql, open_names[columns[c]]);
    }
    sql_add(sql, ") VALUES ");
    for (uint32_t i = 0; i < group->count; i++) {
        sql_add(sql, i == 0 ? "(" : ", (");
        for (uint32_t c = 0; c < count; c++) {
            sql_add(sql, c == 0 ? "" : ", ");
            sql_rows_cell(rows, i, columns[c], sql);
        }
        sql_add(sql, ")");
    }
    sql_add(sql, " ON DUPLICATE KEY UPDATE trip_id = payments.trip_id");
}

static void move_cells(struct mysql_store *store, const struct texts *texts,
                       const struct unit *unit, int64_t row_id)
{
    struct sql_rows *rows = &store->rows;
    const struct unit_payment *payment = &unit->as.payment;
    image_cells(store, texts, unit, payment->guard_epoch + 1);
    sql_uint(sql_rows_next(rows), payment->claimed_at);
    sql_uint(sql_rows_next(rows), payment->cancel_at);
    sql_name(sql_rows_next(rows), payment_status_name(payment->guard_status));
    sql_uint(sql_rows_next(rows), payment->guard_epoch);
    sql_int(sql_rows_next(rows), row_id);
}

/* No value depends on a column that the statement writes: the order of assignments is not
 * defined. */
static const char move_set[] =
    " SET p.epoch = {n_epoch}, p.token_process = {n_process}, p.token_sequence = {n_sequence},"
    " p.pg_account = CASE {n_claims} WHEN 1 THEN {n_account} ELSE p.pg_account END,"
    " p.due_at = {n_due}, p.amount = {n_amount}, p.user_id = {n_user},"
    " p.payment_method_id = {n_method}, p.pg_transaction_id = {n_pg},"
    " p.refund_pg_id = {n_refund}, p.traceparent = {n_trace}, p.reason_code = {n_code},"
    " p.cancel_no = {n_cancel}, p.attempts = {n_tries}, p.status = {n_status},"
    " p.refund_state = {n_state}, p.absent_count = {n_absent}, p.recheck_no = {n_recheck},"
    " p.needs_operator = {n_operator}, p.reason = {n_reason}, p.updated_at = {local_now},"
    " p.completed_at = CASE WHEN {n_status} = _binary'COMPLETED'"
    " AND {n_guard} <> _binary'COMPLETED' THEN {local_now} ELSE p.completed_at END,"
    " p.completed_ms = CASE WHEN {n_status} = _binary'COMPLETED'"
    " AND {n_guard} <> _binary'COMPLETED' THEN {now} ELSE p.completed_ms END,"
    " p.claimed_at = CASE {n_claims} WHEN 0 THEN p.claimed_at WHEN 1 THEN {now} END,"
    " p.cancel_first_at = CASE {n_cancels} WHEN 0 THEN p.cancel_first_at WHEN 1 THEN {now} END"
    " WHERE CAST(p.status AS BINARY) = {n_guard} AND p.epoch = {n_at}";

/* The derived table drives the join, so that rows are met in its order, by their unique key. The
 * cast keeps the server from going by the payment's id where it has the row's. */
void mysql_payment_move_sql(struct mysql_store *store, const struct store_batch *batch,
                            const struct unit_group *group, bool by_row)
{
    const struct sql_instants instants = {store->now, store->local_now};
    struct sql *sql = &store->sql;
    sql_clear(sql);
    sql_rows_clear(&store->rows, move_names, MOVE_COLUMNS);
    for (uint32_t i = 0; i < group->count; i++) {
        uint32_t at = group->at[i];
        move_cells(store, batch->texts, &batch->units[at], by_row ? store->found[at] : 0);
    }
    sql_add(sql, "UPDATE (");
    sql_rows_table(&store->rows, sql);
    sql_add(sql, ") AS u STRAIGHT_JOIN payments AS p ON ");
    if (by_row) {
        sql_rows_expand(&store->rows, &instants,
                        "p.id = {n_row} AND CAST(p.payment_id AS BINARY) = {n_key}", sql);
    } else {
        sql_add(sql, "p.payment_id = ");
        sql_add(sql, store->payment_key);
    }
    sql_rows_expand(&store->rows, &instants, move_set, sql);
}
