#include "mysql_old_rows.h"

#include "mysql_internal.h"

/* Rows that one statement locks at most. */
#define BATCH_ROWS "1000"
#define SWEEP_IDS  10000
/* Before every row of Farebox's own; among themselves in id order. */
#define OUTBOX_DUE_FIRST "1"

/* What the port can write back (store_unit_check); the payment id is also what the PG is asked by.
 */
#define CAN_BE_WRITTEN                                                                             \
    "(payment_id REGEXP '^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$'"                    \
    " AND trip_id REGEXP '^[ -~]+$' AND user_id REGEXP '^[ -~]+$'"                                 \
    " AND payment_method_id REGEXP '^[ -~]*$'"                                                     \
    " AND COALESCE(pg_transaction_id, '-') REGEXP '^[ -~]+$' AND amount >= 0)"

/* The assignments for an old payment; what has ended is due never. */
static void adopt_assignments(struct sql *sql, const struct mysql_old_waits *waits)
{
    sql_add(sql, " SET needs_operator = IF(status IN ('REQUESTED', 'PROCESSING', 'UNKNOWN')"
                 " AND NOT " CAN_BE_WRITTEN ", 1, needs_operator),"
                 " due_at = CASE WHEN NOT " CAN_BE_WRITTEN " THEN NULL"
                 " WHEN status = 'REQUESTED' THEN " SQL_NOW " + ");
    sql_delay(sql, waits->requested_ms);
    sql_add(sql, " WHEN status IN ('PROCESSING', 'UNKNOWN') THEN " SQL_NOW " + ");
    sql_delay(sql, waits->unsettled_ms);
    sql_add(sql, " END");
}

/* Rows that the old service wrote after the migration have due_at 0, its default. */
static enum step adopt_new(struct mysql_store *store, const struct mysql_old_waits *waits,
                           uint64_t *adopted)
{
    do {
        sql_clear(&store->sql);
        sql_add(&store->sql, "UPDATE payments");
        adopt_assignments(&store->sql, waits);
        sql_add(&store->sql, " WHERE due_at = 0 ORDER BY id LIMIT " BATCH_ROWS);
        if (mysql_run(store) != STEP_OK) {
            return STEP_ABORT;
        }
        *adopted += store->changed;
    } while (store->changed > 0);
    return STEP_OK;
}

#define IS_COMPLETED_BY_OLD                                                                        \
    "due_at > 0 AND pg_account = 0 AND status = 'COMPLETED' AND refund_state = 'NONE'"

/* The statement for the next of them, in store->sql; `*is_last`: there is none. They are read
 * first, without locks: an UPDATE along the due times would lock what others are at work on. */
static enum step completed_sql(struct mysql_store *store, bool *is_last)
{
    struct sql *sql = &store->sql;
    sql_clear(sql);
    sql_add(sql, "SELECT id FROM payments WHERE " IS_COMPLETED_BY_OLD " LIMIT " BATCH_ROWS);
    MYSQL_RES *found = NULL;
    if (mysql_select(store, &found) != STEP_OK) {
        return STEP_ABORT;
    }
    struct columns row;
    *is_last = true;
    sql_clear(sql);
    sql_add(sql, "UPDATE payments SET due_at = NULL WHERE " IS_COMPLETED_BY_OLD " AND id IN (");
    while (columns_next(found, &row)) {
        sql_add(sql, *is_last ? "" : ", ");
        sql_int(sql, cell_int(&row, 0));
        *is_last = false;
    }
    sql_add(sql, ")");
    mysql_free_result(found);
    return STEP_OK;
}

/* The old service came back after a takeover and completed the payment: there is nothing left to
 * ask the PG about, which may not know it by its payment id. */
static enum step release_completed(struct mysql_store *store, uint64_t *adopted)
{
    for (;;) {
        bool is_last = false;
        if (completed_sql(store, &is_last) != STEP_OK) {
            return STEP_ABORT;
        }
        if (is_last) {
            return STEP_OK;
        }
        if (mysql_run(store) != STEP_OK) {
            return STEP_ABORT;
        }
        *adopted += store->changed;
    }
}

static enum step sweep_read(struct mysql_store *store, int64_t *done, int64_t *to)
{
    sql_clear(&store->sql);
    sql_add(&store->sql, "SELECT old_rows_done, old_rows_to FROM farebox_schema");
    MYSQL_RES *found = NULL;
    if (mysql_select(store, &found) != STEP_OK) {
        return STEP_ABORT;
    }
    struct columns row;
    bool read = columns_next(found, &row);
    *done = read ? cell_int(&row, 0) : 0;
    *to = read ? cell_int(&row, 1) : 0;
    mysql_free_result(found);
    return STEP_OK;
}

/* Rows that were there before the migration have due_at NULL, like millions that have ended: one
 * walk along the primary key finds them, and is remembered. */
static enum step sweep(struct mysql_store *store, const struct mysql_old_waits *waits,
                       uint64_t *adopted)
{
    struct sql *sql = &store->sql;
    int64_t done = 0;
    int64_t to = 0;
    if (sweep_read(store, &done, &to) != STEP_OK) {
        return STEP_ABORT;
    }
    while (done < to) {
        sql_clear(sql);
        sql_add(sql, "UPDATE payments");
        adopt_assignments(sql, waits);
        sql_add(sql, " WHERE due_at IS NULL AND epoch = 0 AND needs_operator = 0 AND status IN"
                     " ('REQUESTED', 'PROCESSING', 'UNKNOWN') AND id > ");
        sql_int(sql, done);
        done = to - done > SWEEP_IDS ? done + SWEEP_IDS : to;
        sql_add(sql, " AND id <= ");
        sql_int(sql, done);
        if (mysql_run(store) != STEP_OK) {
            return STEP_ABORT;
        }
        *adopted += store->changed;
        sql_clear(sql);
        sql_add(sql, "UPDATE farebox_schema SET old_rows_done = GREATEST(old_rows_done, ");
        sql_int(sql, done);
        sql_add(sql, ")");
        if (mysql_run(store) != STEP_OK) {
            return STEP_ABORT;
        }
    }
    return STEP_OK;
}

enum store_status mysql_old_payments(struct store *base, const struct mysql_old_waits *waits,
                                     uint64_t *adopted)
{
    struct mysql_store *store = (struct mysql_store *)base;
    *adopted = 0;
    if (!mysql_read_begin(store) || sweep(store, waits, adopted) != STEP_OK ||
        adopt_new(store, waits, adopted) != STEP_OK ||
        release_completed(store, adopted) != STEP_OK) {
        mysql_undo(store);
        return STORE_UNAVAILABLE;
    }
    return STORE_OK;
}

/* Where the walk along the primary key begins. The index of the status finds the few that are not
 * DONE; INT64_MAX: there is none. */
static enum step outbox_first(struct mysql_store *store, int64_t *first)
{
    sql_clear(&store->sql);
    sql_add(&store->sql, "SELECT MIN(id) FROM payment_outbox WHERE status IN ('READY',"
                         " 'PUBLISHING') AND event_id IS NULL");
    MYSQL_RES *found = NULL;
    if (mysql_select(store, &found) != STEP_OK) {
        return STEP_ABORT;
    }
    struct columns row;
    *first = columns_next(found, &row) && !cell_is_null(&row, 0) ? cell_int(&row, 0) : INT64_MAX;
    mysql_free_result(found);
    return STEP_OK;
}

#define OLD_COLUMNS                                                                                \
    "SELECT id, TIMESTAMPDIFF(MICROSECOND, '1970-01-01', created_at) DIV 1000,"                    \
    " IF(LENGTH(topic) <= 255, topic, NULL), IF(LENGTH(payload) <= 1048576, payload, NULL) FROM "

static enum step page_sql(struct mysql_store *store, enum mysql_old_kind kind, int64_t after_id)
{
    struct sql *sql = &store->sql;
    int64_t first = INT64_MAX;
    if (kind == MYSQL_OLD_OUTBOX && outbox_first(store, &first) != STEP_OK) {
        return STEP_ABORT;
    }
    sql_clear(sql);
    if (kind == MYSQL_OLD_OUTBOX) {
        sql_add(sql, OLD_COLUMNS "payment_outbox FORCE INDEX (PRIMARY) WHERE status IN ('READY',"
                                 " 'PUBLISHING') AND event_id IS NULL AND id >= ");
        sql_int(sql, first);
    } else {
        sql_add(sql, OLD_COLUMNS "failed_event WHERE status = 'PENDING' AND origin_topic IS NULL");
    }
    sql_add(sql, " AND id > ");
    sql_int(sql, after_id);
    sql_add(sql, " ORDER BY id LIMIT ");
    sql_uint(sql, MYSQL_OLD_PAGE_MAX);
    return STEP_OK;
}

/* False: the pool is full. */
static bool old_row_read(const struct mysql_store *store, const struct columns *from,
                         struct texts *texts, struct mysql_old_row *row)
{
    row->row_id = cell_int(from, 0);
    row->created_at_ms =
        cell_is_null(from, 1) ? AGE_NONE : mysql_local_instant(store, cell_int(from, 1));
    return cell_text(from, 2, texts, &row->topic) && cell_text(from, 3, texts, &row->payload);
}

enum store_status mysql_old_page(struct store *base, enum mysql_old_kind kind, int64_t after_id,
                                 struct texts *texts, struct mysql_old_row *rows, uint32_t *count)
{
    struct mysql_store *store = (struct mysql_store *)base;
    MYSQL_RES *found = NULL;
    if (!mysql_read_begin(store) || page_sql(store, kind, after_id) != STEP_OK ||
        mysql_select(store, &found) != STEP_OK) {
        return STORE_UNAVAILABLE;
    }
    struct columns from;
    uint64_t bytes = 0;
    uint32_t read = 0;
    bool full = false;
    while (!full && columns_next(found, &from)) {
        bytes += from.lens[3];
        full = (read > 0 && bytes > STORE_PAGE_BYTES_MAX) ||
               !old_row_read(store, &from, texts, &rows[read]);
        read += full ? 0 : 1;
    }
    mysql_free_result(found);
    *count = read;
    return full && read == 0 ? STORE_UNAVAILABLE : STORE_OK;
}

static void record_parts(struct sql *sql, const struct texts *texts,
                         const struct mysql_old_record *record)
{
    sql_add(sql, ", record_key = ");
    sql_text(sql, texts, record->key);
    sql_add(sql, ", body = ");
    sql_text(sql, texts, record->body);
    sql_add(sql, ", headers = ");
    sql_text(sql, texts, record->headers);
}

/* Parked: only the id. Otherwise the status stays, so that the old service finds its row again. */
static void outbox_sql(struct sql *sql, const struct texts *texts,
                       const struct mysql_old_record *record)
{
    sql_clear(sql);
    sql_add(sql, "UPDATE payment_outbox SET event_id = ");
    sql_uuid_bytes(sql, &record->event_id);
    if (!record->is_parked) {
        record_parts(sql, texts, record);
        sql_add(sql, ", topic = ");
        sql_key(sql, texts, record->topic);
        sql_add(sql, ", due_at = " OUTBOX_DUE_FIRST);
    }
    sql_add(sql, " WHERE status IN ('READY', 'PUBLISHING') AND event_id IS NULL AND id = ");
    sql_int(sql, record->row_id);
}

static void failed_event_sql(struct sql *sql, const struct texts *texts,
                             const struct mysql_old_record *record)
{
    sql_clear(sql);
    sql_add(sql, "UPDATE failed_event SET origin_topic = ");
    sql_text(sql, texts, record->topic);
    record_parts(sql, texts, record);
    sql_add(sql, ", origin_at = ");
    sql_int(sql, record->origin_at_ms);
    sql_add(sql, ", stored_at = ");
    sql_int(sql, record->origin_at_ms);
    sql_add(sql, " WHERE status = 'PENDING' AND origin_topic IS NULL AND epoch = 0 AND id = ");
    sql_int(sql, record->row_id);
}

enum store_status mysql_old_adopt(struct store *base, enum mysql_old_kind kind,
                                  const struct mysql_old_record *records, uint32_t count,
                                  const struct texts *texts)
{
    struct mysql_store *store = (struct mysql_store *)base;
    if (!mysql_begin(store)) {
        return STORE_UNAVAILABLE;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (kind == MYSQL_OLD_OUTBOX) {
            outbox_sql(&store->sql, texts, &records[i]);
        } else {
            failed_event_sql(&store->sql, texts, &records[i]);
        }
        if (mysql_run(store) != STEP_OK) {
            mysql_undo(store);
            return STORE_UNAVAILABLE;
        }
    }
    return mysql_end(store) == BATCH_COMMITTED ? STORE_OK : STORE_UNAVAILABLE;
}
