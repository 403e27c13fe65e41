/* Units and reads of the payments table. */
#include "mysql_internal.h"

static uint8_t refund_state_parse(const char *name)
{
    switch (name[0]) {
    case 'I':
        return REFUND_INTENDED;
    case 'D':
        return REFUND_DONE;
    default:
        return REFUND_NONE;
    }
}

/* Places in mysql_payment_columns. */
enum payment_column {
    COLUMN_NOW,
    COLUMN_PAYMENT_ID,
    COLUMN_TOKEN,
    COLUMN_PG_ACCOUNT = 4,
    COLUMN_CLAIMED_AT,
    COLUMN_CANCEL_AT,
    COLUMN_DUE_AT,
    COLUMN_AMOUNT,
    COLUMN_EPOCH,
    COLUMN_TRIP_ID,
    COLUMN_USER_ID,
    COLUMN_METHOD_ID,
    COLUMN_PG_ID,
    COLUMN_REFUND_PG_ID,
    COLUMN_TRACEPARENT,
    COLUMN_CODE,
    COLUMN_CANCEL_NO,
    COLUMN_ATTEMPTS,
    COLUMN_STATUS,
    COLUMN_REFUND_STATE,
    COLUMN_ABSENT_COUNT,
    COLUMN_RECHECK_NO,
    COLUMN_NEEDS_OPERATOR,
    COLUMN_REASON,
    COLUMN_REQUESTED,
    COLUMN_COMPLETED,
    COLUMN_LOCAL_REQUESTED,
    COLUMN_LOCAL_COMPLETED,
    COLUMN_ROW_ID,
};

static bool texts_read(const struct columns *from, struct texts *texts, struct payment_row *row)
{
    return cell_text(from, COLUMN_TRIP_ID, texts, &row->trip_id) &&
           cell_text(from, COLUMN_USER_ID, texts, &row->user_id) &&
           cell_text(from, COLUMN_METHOD_ID, texts, &row->method_id) &&
           cell_text(from, COLUMN_PG_ID, texts, &row->pg_id) &&
           cell_text(from, COLUMN_REFUND_PG_ID, texts, &row->refund_pg_id) &&
           cell_text(from, COLUMN_TRACEPARENT, texts, &row->traceparent) &&
           cell_text(from, COLUMN_CODE, texts, &row->code);
}

/* False: the pool is full, or the payment id is not a UUID. */
static bool row_read(const struct columns *from, struct texts *texts, struct payment_row *row)
{
    *row = (struct payment_row){0};
    if (!cell_uuid(from, COLUMN_PAYMENT_ID, &row->payment_id) || !texts_read(from, texts, row)) {
        return false;
    }
    int64_t now_ms = cell_int(from, COLUMN_NOW);
    row->token = cell_token(from, COLUMN_TOKEN);
    row->pg_account = cell_uint(from, COLUMN_PG_ACCOUNT);
    row->claimed_age_ms = cell_age(from, COLUMN_CLAIMED_AT, now_ms);
    row->cancel_age_ms = cell_age(from, COLUMN_CANCEL_AT, now_ms);
    row->due_in_ms = cell_due_in(from, COLUMN_DUE_AT, now_ms);
    row->amount_krw = (int32_t)cell_int(from, COLUMN_AMOUNT);
    row->epoch = (uint32_t)cell_uint(from, COLUMN_EPOCH);
    row->cancel_no = (uint16_t)cell_uint(from, COLUMN_CANCEL_NO);
    row->attempts = (uint16_t)cell_uint(from, COLUMN_ATTEMPTS);
    row->status = (uint8_t)payment_status_parse(cell_name(from, COLUMN_STATUS));
    row->refund_state = refund_state_parse(cell_name(from, COLUMN_REFUND_STATE));
    row->absent_count = (uint8_t)cell_uint(from, COLUMN_ABSENT_COUNT);
    row->recheck_no = (uint8_t)cell_uint(from, COLUMN_RECHECK_NO);
    row->needs_operator = (uint8_t)cell_uint(from, COLUMN_NEEDS_OPERATOR);
    row->reason = (uint8_t)payment_reason_parse(cell_name(from, COLUMN_REASON));
    return true;
}

/* The row is the unit's by the bytes of its key: a collation may have found another one. */
static bool row_is_of(const struct columns *from, const struct texts *texts,
                      const struct unit *unit)
{
    if (unit->kind == UNIT_PAYMENT_OPEN) {
        size_t len = 0;
        const char *trip_id = texts_get(texts, unit->as.payment.row.trip_id, &len);
        return cell_equals(from, COLUMN_TRIP_ID, trip_id, len);
    }
    struct uuid id;
    return cell_uuid(from, COLUMN_PAYMENT_ID, &id) &&
           uuid_equal(&id, &unit->as.payment.row.payment_id);
}

/* Whose the row is. False: the pool is full. */
static bool row_judge(const struct columns *from, struct texts *texts, const struct unit *unit,
                      struct unit_result *result)
{
    if (token_equal(cell_token(from, COLUMN_TOKEN), unit->token)) {
        result->verdict = UNIT_APPLIED;
        return true;
    }
    bool open = unit->kind == UNIT_PAYMENT_OPEN;
    struct uuid id;
    if (open && !cell_uuid(from, COLUMN_PAYMENT_ID, &id)) {
        result->verdict = UNIT_COLLISION; /* no row of ours, nor one that can be gone on with */
        return true;
    }
    result->verdict = (uint8_t)(open ? UNIT_DUPLICATE : UNIT_REFUSED);
    result->has_row = 1;
    return row_read(from, texts, &result->row);
}

static void row_learn(struct mysql_store *store, const struct columns *from)
{
    struct uuid id;
    if (cell_uuid(from, COLUMN_PAYMENT_ID, &id)) {
        row_ids_learn(&store->row_ids, &id, cell_int(from, COLUMN_ROW_ID));
    }
}

static bool rows_judge(struct mysql_store *store, const struct store_batch *batch,
                       const struct unit_group *group, MYSQL_RES *rows)
{
    struct columns from;
    while (columns_next(rows, &from)) {
        row_learn(store, &from);
        for (uint32_t i = 0; i < group->count; i++) {
            uint32_t at = group->at[i];
            const struct unit *unit = &batch->units[at];
            if (store->staged[at].verdict == 0 && row_is_of(&from, batch->texts, unit) &&
                !row_judge(&from, batch->texts, unit, &store->staged[at])) {
                return false;
            }
        }
    }
    return true;
}

static void keys_add(struct sql *sql, const struct store_batch *batch,
                     const struct unit_group *group)
{
    for (uint32_t i = 0; i < group->count; i++) {
        const struct unit *unit = &batch->units[group->at[i]];
        sql_add(sql, i == 0 ? "" : ", ");
        if (unit->kind == UNIT_PAYMENT_OPEN) {
            sql_key(sql, batch->texts, unit->as.payment.row.trip_id);
        } else {
            sql_uuid(sql, &unit->as.payment.row.payment_id);
        }
    }
}

/* Some units changed nothing: read the rows of all and see whose they are. */
static enum step payments_judge(struct mysql_store *store, const struct store_batch *batch,
                                const struct unit_group *group, const char *key_column)
{
    struct sql *sql = &store->sql;
    sql_clear(sql);
    sql_add(sql, "SELECT ");
    sql_add(sql, mysql_payment_columns);
    sql_add(sql, " FROM payments WHERE ");
    sql_add(sql, key_column);
    sql_add(sql, " IN (");
    keys_add(sql, batch, group);
    sql_add(sql, ")");
    MYSQL_RES *rows = NULL;
    if (mysql_select(store, &rows) != STEP_OK) {
        return STEP_ABORT;
    }
    bool judged = rows_judge(store, batch, group, rows);
    mysql_free_result(rows);
    return judged ? STEP_OK : STEP_ABORT;
}

static void all_applied(struct mysql_store *store, const struct unit_group *group)
{
    for (uint32_t i = 0; i < group->count; i++) {
        store->staged[group->at[i]].verdict = UNIT_APPLIED;
        store->written[group->at[i]] = true;
    }
}

/*
 * A row that carries its unit's token was written just now, or by an earlier transaction whose
 * answer was lost; then its outcome was in that transaction too, and may have been taken and
 * deleted since. The count of changed rows tells which, except where it is for some of several
 * units: those are tried one by one.
 */
static enum step outcomes_settle(const struct mysql_store *store, const struct store_batch *batch,
                                 const struct unit_group *group, uint64_t changed)
{
    for (uint32_t i = 0; i < group->count && changed > 0; i++) {
        uint32_t at = group->at[i];
        if (store->staged[at].verdict == UNIT_APPLIED &&
            batch->units[at].as.payment.outcome.type != OUTCOME_NONE) {
            return STEP_UNIT_ERROR;
        }
    }
    return STEP_OK;
}

/* No row has this very trip id: the collation found another trip's (trap 22), or another trip's
 * row has this payment id. */
static enum step stranger_judge(struct mysql_store *store, const struct texts *texts,
                                const struct unit *unit, struct unit_result *result)
{
    sql_clear(&store->sql);
    sql_add(&store->sql, "SELECT 1 FROM payments WHERE trip_id = ");
    sql_key(&store->sql, texts, unit->as.payment.row.trip_id);
    MYSQL_RES *found = NULL;
    if (mysql_select(store, &found) != STEP_OK) {
        return STEP_ABORT;
    }
    bool collides = mysql_num_rows(found) > 0;
    mysql_free_result(found);
    result->verdict = (uint8_t)(collides ? UNIT_COLLISION : UNIT_ERROR);
    return STEP_OK;
}

enum step mysql_payments_open(struct mysql_store *store, const struct store_batch *batch,
                              const struct unit_group *group)
{
    mysql_payment_open_sql(store, batch, group);
    enum step step = mysql_run(store);
    if (step == STEP_OK && store->changed == group->count) {
        mysql_payment_rows_guess(store, batch, group);
        all_applied(store, group);
        return STEP_OK;
    }
    uint64_t changed = store->changed;
    if (step == STEP_OK) {
        step = payments_judge(store, batch, group, "trip_id");
    }
    if (step == STEP_OK) {
        step = outcomes_settle(store, batch, group, changed);
    }
    for (uint32_t i = 0; i < group->count && step == STEP_OK; i++) {
        uint32_t at = group->at[i];
        if (store->staged[at].verdict == 0) {
            step = stranger_judge(store, batch->texts, &batch->units[at], &store->staged[at]);
        }
    }
    return step;
}

/* By row id where all are known, and if that changes too few, all of them by payment id: a unit
 * that is written already is not written again. */
static enum step moves_run(struct mysql_store *store, const struct store_batch *batch,
                           const struct unit_group *group, uint64_t *changed)
{
    enum step step = STEP_OK;
    *changed = 0;
    if (mysql_payment_rows_recall(store, batch, group)) {
        mysql_payment_move_sql(store, batch, group, true);
        step = mysql_run(store);
        *changed = store->changed;
    }
    if (step == STEP_OK && *changed < group->count) {
        for (uint32_t i = 0; i < group->count; i++) {
            store->found[group->at[i]] = 0; /* they need not have led to the right rows */
        }
        mysql_payment_move_sql(store, batch, group, false);
        step = mysql_run(store);
        *changed += store->changed;
    }
    return step;
}

enum step mysql_payments_move(struct mysql_store *store, const struct store_batch *batch,
                              const struct unit_group *group)
{
    uint64_t changed = 0;
    enum step step = moves_run(store, batch, group, &changed);
    if (step == STEP_OK && changed == group->count) {
        all_applied(store, group);
        return STEP_OK;
    }
    if (step == STEP_OK) {
        step = payments_judge(store, batch, group, "payment_id");
    }
    if (step == STEP_OK) {
        step = outcomes_settle(store, batch, group, changed);
    }
    for (uint32_t i = 0; i < group->count; i++) {
        struct unit_result *result = &store->staged[group->at[i]];
        if (result->verdict == 0) {
            result->verdict = UNIT_REFUSED; /* no such payment */
        }
    }
    return step;
}

enum store_status mysql_payments_due(struct mysql_store *store, const struct store_scan *scan,
                                     struct store_page *page)
{
    struct sql *sql = &store->sql;
    sql_clear(sql);
    sql_add(sql, "SELECT ");
    sql_add(sql, mysql_payment_columns);
    sql_add(sql, " FROM payments WHERE due_at <= " SQL_NOW " ORDER BY due_at, id LIMIT ");
    sql_uint(sql, scan->limit);
    sql_add(sql, SQL_SKIP_LOCKED);
    MYSQL_RES *rows = NULL;
    if (mysql_select(store, &rows) != STEP_OK) {
        return STORE_UNAVAILABLE;
    }
    struct columns from;
    bool full = false;
    while (!full && columns_next(rows, &from)) {
        full = !row_read(&from, page->texts, &page->rows[page->count].payment);
        page->count += full ? 0 : 1;
    }
    mysql_free_result(rows);
    return full && page->count == 0 ? STORE_UNAVAILABLE : STORE_OK;
}

/* The old service wrote only the local time. */
static int64_t instant_read(const struct mysql_store *store, const struct columns *from, int at,
                            int local_at)
{
    if (!cell_is_null(from, at) || cell_is_null(from, local_at)) {
        return cell_instant(from, at);
    }
    return mysql_local_instant(store, cell_int(from, local_at));
}

enum store_status mysql_payment_read(struct mysql_store *store, const char *trip_id, size_t len,
                                     struct texts *texts, struct payment_view *view)
{
    struct sql *sql = &store->sql;
    /* What is not ASCII is no trip id, and might not be text in the connection's character set. */
    for (size_t i = 0; i < len; i++) {
        if (len > STORE_ID_MAX || (unsigned char)trip_id[i] > 0x7F) {
            return STORE_NOT_FOUND;
        }
    }
    sql_clear(sql);
    sql_add(sql, "SELECT ");
    sql_add(sql, mysql_payment_columns);
    sql_add(sql, " FROM payments WHERE trip_id = ");
    sql_quoted(sql, trip_id, len);
    MYSQL_RES *rows = NULL;
    if (mysql_select(store, &rows) != STEP_OK) {
        return STORE_UNAVAILABLE;
    }
    struct columns from;
    struct payment_view read;
    enum store_status status = STORE_NOT_FOUND;
    if (columns_next(rows, &from) && cell_equals(&from, COLUMN_TRIP_ID, trip_id, len)) {
        status = row_read(&from, texts, &read.row) ? STORE_OK : STORE_UNAVAILABLE;
    }
    if (status == STORE_OK) {
        read.requested_at_ms = instant_read(store, &from, COLUMN_REQUESTED, COLUMN_LOCAL_REQUESTED);
        read.completed_at_ms = instant_read(store, &from, COLUMN_COMPLETED, COLUMN_LOCAL_COMPLETED);
        *view = read;
    }
    mysql_free_result(rows);
    return status;
}
