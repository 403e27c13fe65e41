/* The two statements that write payments, for one unit or many. */
#include "mysql_internal.h"

const char mysql_payment_columns[] =
    SQL_NOW ", payment_id, token_process, token_sequence, pg_account, claimed_at, cancel_first_at,"
            " due_at, amount, epoch, trip_id, user_id, payment_method_id, pg_transaction_id,"
            " refund_pg_id, traceparent, reason_code, cancel_no, attempts, status, refund_state,"
            " absent_count, recheck_no, needs_operator, reason, requested_ms, completed_ms,"
            " TIMESTAMPDIFF(MICROSECOND, '1970-01-01', requested_at) DIV 1000,"
            " TIMESTAMPDIFF(MICROSECOND, '1970-01-01', completed_at) DIV 1000";

static const char *const refund_state_names[] = {
    [REFUND_NONE] = "NONE", [REFUND_INTENDED] = "INTENDED", [REFUND_DONE] = "DONE"};

/* Values of one row, the n-th under the n-th name in the first row of a derived table. */
struct values {
    struct sql *sql;
    const char *const *names; /* NULL: none */
    uint32_t count;
};

static const char *const move_names[] = {
    "n_key",    "n_epoch",   "n_process", "n_sequence", "n_account", "n_due",      "n_amount",
    "n_user",   "n_method",  "n_pg",      "n_refund",   "n_trace",   "n_code",     "n_cancel",
    "n_tries",  "n_status",  "n_state",   "n_absent",   "n_recheck", "n_operator", "n_reason",
    "n_claims", "n_cancels", "n_guard",   "n_at"};

static void name_add(struct values *values)
{
    if (values->names != NULL && values->count > 0) {
        sql_add(values->sql, " AS ");
        sql_add(values->sql, values->names[values->count - 1]);
    }
}

/* Ends the value before, and begins the next one. */
static struct sql *next(struct values *values)
{
    name_add(values);
    if (values->count > 0) {
        sql_add(values->sql, ", ");
    }
    values->count++;
    return values->sql;
}

/* The first 21 values, which insert and update have in common. */
static void image_values(struct values *values, const struct texts *texts, const struct unit *unit,
                         uint32_t epoch, const char *due_from)
{
    const struct payment_row *row = &unit->as.payment.row;
    sql_uuid(next(values), &row->payment_id);
    sql_uint(next(values), epoch);
    sql_uint(next(values), unit->token.process);
    sql_uint(next(values), unit->token.sequence);
    sql_uint(next(values), row->pg_account);
    sql_add(next(values), due_from);
    sql_delay(values->sql, row->due_in_ms);
    sql_int(next(values), row->amount_krw);
    sql_text(next(values), texts, row->user_id);
    sql_text(next(values), texts, row->method_id);
    sql_text(next(values), texts, row->pg_id);
    sql_text(next(values), texts, row->refund_pg_id);
    sql_text(next(values), texts, row->traceparent);
    sql_text(next(values), texts, row->code);
    sql_uint(next(values), row->cancel_no);
    sql_uint(next(values), row->attempts);
    sql_name(next(values), payment_status_name(row->status));
    sql_name(next(values), refund_state_names[row->refund_state]);
    sql_uint(next(values), row->absent_count);
    sql_uint(next(values), row->recheck_no);
    sql_uint(next(values), row->needs_operator);
    sql_name(next(values), payment_reason_name(row->reason));
}

static const char *instant(bool now)
{
    return now ? SQL_NOW : "NULL";
}

/* Hibernate's date-times are for readers: the same instants, in the old service's zone. */
static void open_values(struct mysql_store *store, const struct texts *texts,
                        const struct unit *unit)
{
    struct sql *sql = &store->sql;
    const struct unit_payment *payment = &unit->as.payment;
    bool completed = payment->row.status == PAYMENT_COMPLETED;
    struct values values = {.sql = sql};
    image_values(&values, texts, unit, 1, SQL_NOW " + ");
    sql_add(next(&values), instant(payment->claimed_at == INSTANT_NOW));
    sql_add(next(&values), instant(payment->cancel_at == INSTANT_NOW));
    sql_key(next(&values), texts, payment->row.trip_id);
    sql_add(next(&values), SQL_NOW);
    sql_add(next(&values), instant(completed));
    sql_add(next(&values), store->local_now);
    sql_add(next(&values), store->local_now);
    sql_add(next(&values), store->local_now);
    sql_add(next(&values), completed ? store->local_now : "NULL");
}

/* A trip or payment id that is there already leaves its row as it is, and counts as no change.
 * Unlike INSERT IGNORE, this cuts nothing (CONTRACTS 7). */
void mysql_payment_open_sql(struct mysql_store *store, const struct store_batch *batch,
                            const struct unit_group *group)
{
    struct sql *sql = &store->sql;
    sql_clear(sql);
    sql_add(sql,
            "INSERT INTO payments (payment_id, epoch, token_process, token_sequence, pg_account,"
            " due_at, amount, user_id, payment_method_id, pg_transaction_id, refund_pg_id,"
            " traceparent, reason_code, cancel_no, attempts, status, refund_state, absent_count,"
            " recheck_no, needs_operator, reason, claimed_at, cancel_first_at, trip_id,"
            " requested_ms, completed_ms, created_at, updated_at, requested_at, completed_at)"
            " VALUES ");
    for (uint32_t i = 0; i < group->count; i++) {
        sql_add(sql, i == 0 ? "(" : ", (");
        open_values(store, batch->texts, &batch->units[group->at[i]]);
        sql_add(sql, ")");
    }
    sql_add(sql, " ON DUPLICATE KEY UPDATE trip_id = payments.trip_id");
}

static void move_values(struct sql *sql, const struct texts *texts, const struct unit *unit,
                        bool named)
{
    const struct unit_payment *payment = &unit->as.payment;
    struct values values = {.sql = sql, .names = named ? move_names : NULL};
    image_values(&values, texts, unit, payment->guard_epoch + 1, "");
    sql_uint(next(&values), payment->claimed_at);
    sql_uint(next(&values), payment->cancel_at);
    sql_name(next(&values), payment_status_name(payment->guard_status));
    sql_uint(next(&values), payment->guard_epoch);
    name_add(&values);
}

/*
 * The derived table drives the join, so that rows are met in its order, by their unique key. No
 * value depends on a column that the statement writes: the order of assignments is not defined.
 */
void mysql_payment_move_sql(struct mysql_store *store, const struct store_batch *batch,
                            const struct unit_group *group)
{
    struct sql *sql = &store->sql;
    sql_clear(sql);
    sql_add(sql, "UPDATE (");
    for (uint32_t i = 0; i < group->count; i++) {
        sql_add(sql, i == 0 ? "SELECT " : " UNION ALL SELECT ");
        move_values(sql, batch->texts, &batch->units[group->at[i]], i == 0);
    }
    sql_add(sql, ") AS u STRAIGHT_JOIN payments AS p ON p.payment_id = ");
    sql_add(sql, store->payment_key);
    sql_add(sql,
            " SET p.epoch = u.n_epoch, p.token_process = u.n_process,"
            " p.token_sequence = u.n_sequence,"
            " p.pg_account = CASE u.n_claims WHEN 1 THEN u.n_account ELSE p.pg_account END,"
            " p.due_at = " SQL_NOW " + u.n_due, p.amount = u.n_amount, p.user_id = u.n_user,"
            " p.payment_method_id = u.n_method, p.pg_transaction_id = u.n_pg,"
            " p.refund_pg_id = u.n_refund, p.traceparent = u.n_trace, p.reason_code = u.n_code,"
            " p.cancel_no = u.n_cancel, p.attempts = u.n_tries, p.status = u.n_status,"
            " p.refund_state = u.n_state, p.absent_count = u.n_absent,"
            " p.recheck_no = u.n_recheck, p.needs_operator = u.n_operator,"
            " p.reason = u.n_reason, p.updated_at = ");
    sql_add(sql, store->local_now);
    sql_add(sql, ", p.completed_at = CASE WHEN u.n_status = _binary'COMPLETED'"
                 " AND u.n_guard <> _binary'COMPLETED' THEN ");
    sql_add(sql, store->local_now);
    sql_add(sql,
            " ELSE p.completed_at END,"
            " p.completed_ms = CASE WHEN u.n_status = _binary'COMPLETED'"
            " AND u.n_guard <> _binary'COMPLETED' THEN " SQL_NOW " ELSE p.completed_ms END,"
            " p.claimed_at = CASE u.n_claims WHEN 0 THEN p.claimed_at WHEN 1 THEN " SQL_NOW " END,"
            " p.cancel_first_at = CASE u.n_cancels WHEN 0 THEN p.cancel_first_at"
            " WHEN 1 THEN " SQL_NOW " END"
            " WHERE CAST(p.status AS BINARY) = u.n_guard AND p.epoch = u.n_at");
}
