/* Units and reads of the payment_outbox table. */
#include "mysql_internal.h"
#include "readable.h"

static const char *const outbox_status_names[] = {
    [OUTBOX_READY] = "READY", [OUTBOX_PUBLISHING] = "PUBLISHING", [OUTBOX_DONE] = "DONE"};

static uint8_t outbox_status_parse(const char *name)
{
    switch (name[0]) {
    case 'R':
        return OUTBOX_READY;
    case 'P':
        return OUTBOX_PUBLISHING;
    default:
        return OUTBOX_DONE;
    }
}

static bool has_outcome(const struct mysql_store *store, const struct store_batch *batch,
                        uint32_t at)
{
    return store->written[at] && batch->units[at].as.payment.outcome.type != OUTCOME_NONE;
}

/* The record of a payment's outcome, leased to its writer, in the transition's transaction. */
static void outcome_values(struct mysql_store *store, const struct texts *texts,
                           const struct unit *unit, int64_t payment_row_id)
{
    const struct unit_outcome *outcome = &unit->as.payment.outcome;
    const struct outbox_row *record = &outcome->record;
    struct sql *sql = &store->sql;
    sql_add(sql, "(");
    sql_add(sql, store->local_now);
    sql_add(sql, ", ");
    sql_add(sql, store->local_now);
    sql_add(sql, ", ");
    sql_text(sql, texts, unit->as.payment.row.trip_id);
    sql_add(sql, ", ");
    size_t len = 0;
    const char *body = texts_get(texts, record->body, &len);
    if (record->has_body != 0) {
        sql_bytes(sql, store->readable,
                  body == NULL ? 0 : readable_copy(body, len, store->readable));
    } else {
        sql_add(sql, "NULL");
    }
    sql_add(sql, ", 'PUBLISHING', ");
    sql_text(sql, texts, record->topic);
    sql_add(sql, ", ");
    sql_uuid_bytes(sql, &record->event_id);
    sql_add(sql, ", ");
    sql_int(sql, payment_row_id);
    sql_add(sql, ", 1, ");
    sql_uint(sql, unit->token.process);
    sql_add(sql, ", ");
    sql_uint(sql, unit->token.sequence);
    sql_add(sql, ", ");
    sql_add(sql, store->now);
    sql_add(sql, " + ");
    sql_delay(sql, outcome->lease_ms);
    sql_add(sql, ", ");
    sql_record_part(sql, texts, record->has_key, record->key);
    sql_add(sql, ", ");
    sql_record_part(sql, texts, record->has_body, record->body);
    sql_add(sql, ", ");
    sql_text(sql, texts, record->headers);
    sql_add(sql, ", ");
    sql_int(sql, record->record_at_ms);
    sql_add(sql, ")");
}

/* One statement's worth of rows, from group->at[*i] on; `*rows` are in it. */
static void outcomes_sql(struct mysql_store *store, const struct store_batch *batch,
                         const struct unit_group *group, uint32_t *i, uint32_t *rows)
{
    struct sql *sql = &store->sql;
    *rows = 0;
    sql_clear(sql);
    sql_add(sql,
            "INSERT INTO payment_outbox (created_at, updated_at, aggregate_id, payload, status,"
            " topic, event_id, payment_row_id, epoch, token_process, token_sequence, due_at,"
            " record_key, body, headers, record_at) VALUES ");
    for (; *i < group->count && sql->len < SQL_CHUNK_LEN; ++*i) {
        if (!has_outcome(store, batch, group->at[*i])) {
            continue;
        }
        sql_add(sql, *rows == 0 ? "" : ", ");
        outcome_values(store, batch->texts, &batch->units[group->at[*i]],
                       store->found[group->at[*i]]);
        ++*rows;
    }
}

enum step mysql_outcomes_insert(struct mysql_store *store, const struct store_batch *batch,
                                const struct unit_group *group)
{
    uint32_t i = 0;
    if (mysql_payment_rows_find(store, batch, group) != STEP_OK) {
        return STEP_ABORT;
    }
    while (i < group->count) {
        uint32_t rows = 0;
        outcomes_sql(store, batch, group, &i, &rows);
        if (rows == 0) {
            break;
        }
        enum step step = mysql_run(store);
        if (step != STEP_OK) {
            return step;
        }
    }
    return STEP_OK;
}

/* How the rows of a statement are found. The last way reads payments with shared locks; two
 * processes that have the same payment in work may deadlock by that, and send again. */
enum outbox_way {
    BY_ROW,         /* the outbox row's own id */
    BY_PAYMENT_ROW, /* an outcome's, by its payment's row id, a hint (mysql_row_ids.h) */
    BY_PAYMENT,     /* an outcome's, by its payment's id */
};

static const char *const move_names[] = {"n_key",      "n_status", "n_epoch", "n_process",
                                         "n_sequence", "n_tries",  "n_due",   "n_guard",
                                         "n_at",       "n_event"};
#define MOVE_COLUMNS (sizeof(move_names) / sizeof(move_names[0]))

/* In the order of the names. An outcome's event id is the payment's. */
static void move_cells(struct mysql_store *store, const struct unit *unit, enum outbox_way way)
{
    struct sql_rows *rows = &store->rows;
    const struct unit_outbox *outbox = &unit->as.outbox;
    struct sql *key = sql_rows_next(rows);
    if (way == BY_PAYMENT) {
        sql_uuid(key, &outbox->event_id);
    } else {
        sql_int(key,
                way == BY_ROW ? outbox->row_id : row_ids_find(&store->row_ids, &outbox->event_id));
    }
    sql_name(sql_rows_next(rows), outbox_status_names[outbox->status]);
    sql_uint(sql_rows_next(rows), outbox->guard_epoch + 1);
    sql_uint(sql_rows_next(rows), unit->token.process);
    sql_uint(sql_rows_next(rows), unit->token.sequence);
    sql_uint(sql_rows_next(rows), outbox->attempts);
    sql_delay(sql_rows_next(rows), outbox->due_in_ms);
    sql_name(sql_rows_next(rows), outbox_status_names[outbox->guard_status]);
    sql_uint(sql_rows_next(rows), outbox->guard_epoch);
    sql_uuid_bytes(sql_rows_next(rows), &outbox->event_id);
}

static const char move_set[] =
    " SET o.status = {n_status}, o.epoch = {n_epoch}, o.token_process = {n_process},"
    " o.token_sequence = {n_sequence}, o.attempts = {n_tries}, o.due_at = {now} + {n_due},"
    " o.updated_at = {local_now},"
    " o.done_at = CASE WHEN {n_status} = _binary'DONE' THEN {now} END"
    " WHERE CAST(o.status AS BINARY) = {n_guard} AND o.epoch = {n_at}";

static void moves_sql(struct mysql_store *store, const struct store_batch *batch,
                      const struct unit_group *group, enum outbox_way way)
{
    const struct sql_instants instants = {store->now, store->local_now};
    struct sql *sql = &store->sql;
    sql_clear(sql);
    sql_rows_clear(&store->rows, move_names, MOVE_COLUMNS);
    for (uint32_t i = 0; i < group->count; i++) {
        move_cells(store, &batch->units[group->at[i]], way);
    }
    sql_add(sql, "UPDATE (");
    sql_rows_table(&store->rows, sql);
    sql_add(sql, ") AS u ");
    if (way == BY_PAYMENT) {
        sql_add(sql, "STRAIGHT_JOIN payments AS p ON p.payment_id = ");
        sql_add(sql, store->payment_key);
    }
    sql_add(sql, " STRAIGHT_JOIN payment_outbox AS o ON ");
    static const char *const conditions[] = {
        [BY_ROW] = "o.id = {n_key}",
        [BY_PAYMENT_ROW] = "o.payment_row_id = {n_key} AND o.event_id = {n_event}",
        [BY_PAYMENT] = "o.payment_row_id = p.id AND o.event_id = {n_event}"};
    sql_rows_expand(&store->rows, &instants, conditions[way], sql);
    sql_rows_expand(&store->rows, &instants, move_set, sql);
}

/* Tokens by key, where the count says that some units changed nothing. */
static enum step moves_judge(struct mysql_store *store, const struct store_batch *batch,
                             const struct unit_group *group)
{
    enum step step = STEP_OK;
    for (uint32_t i = 0; i < group->count && step == STEP_OK; i++) {
        uint32_t at = group->at[i];
        const struct unit *unit = &batch->units[at];
        struct sql *sql = &store->sql;
        sql_clear(sql);
        sql_add(sql, "SELECT o.token_process, o.token_sequence FROM payment_outbox AS o");
        if (unit->as.outbox.row_id != 0) {
            sql_add(sql, " WHERE o.id = ");
            sql_int(sql, unit->as.outbox.row_id);
        } else {
            sql_add(sql, " JOIN payments AS p ON o.payment_row_id = p.id WHERE p.payment_id = ");
            sql_uuid(sql, &unit->as.outbox.event_id);
            sql_add(sql, " AND o.event_id = ");
            sql_uuid_bytes(sql, &unit->as.outbox.event_id);
        }
        step = mysql_judge_by_token(store, unit->token, UNIT_REFUSED, &store->staged[at]);
    }
    return step;
}

static bool rows_known(const struct mysql_store *store, const struct store_batch *batch,
                       const struct unit_group *group)
{
    for (uint32_t i = 0; i < group->count; i++) {
        if (row_ids_find(&store->row_ids, &batch->units[group->at[i]].as.outbox.event_id) == 0) {
            return false;
        }
    }
    return true;
}

/* Outcomes go by the payments' row ids where all are known, and if that changes too few, all of
 * them by payment id: a unit that is written already is not written again. */
static enum step moves_run(struct mysql_store *store, const struct store_batch *batch,
                           const struct unit_group *group, uint64_t *changed)
{
    bool outcomes = batch->units[group->at[0]].as.outbox.row_id == 0;
    enum step step = STEP_OK;
    *changed = 0;
    if (!outcomes || rows_known(store, batch, group)) {
        moves_sql(store, batch, group, outcomes ? BY_PAYMENT_ROW : BY_ROW);
        step = mysql_run(store);
        *changed = store->changed;
    }
    if (outcomes && step == STEP_OK && *changed < group->count) {
        moves_sql(store, batch, group, BY_PAYMENT);
        step = mysql_run(store);
        *changed += store->changed;
    }
    return step;
}

enum step mysql_outbox_moves(struct mysql_store *store, const struct store_batch *batch,
                             const struct unit_group *group)
{
    uint64_t changed = 0;
    enum step step = moves_run(store, batch, group, &changed);
    if (step != STEP_OK) {
        return step;
    }
    if (changed != group->count) {
        return moves_judge(store, batch, group);
    }
    for (uint32_t i = 0; i < group->count; i++) {
        store->staged[group->at[i]].verdict = UNIT_APPLIED;
    }
    return STEP_OK;
}

/* Places in the scan's columns. */
enum outbox_column {
    COLUMN_NOW,
    COLUMN_ROW_ID,
    COLUMN_EVENT_ID,
    COLUMN_TOKEN,
    COLUMN_DUE_AT = 5,
    COLUMN_RECORD_AT,
    COLUMN_EPOCH,
    COLUMN_ATTEMPTS,
    COLUMN_STATUS,
    COLUMN_TOPIC,
    COLUMN_KEY,
    COLUMN_BODY,
    COLUMN_HEADERS,
};

/* False: the pool is full, or the event id is not a UUID. */
static bool row_read(const struct columns *from, struct texts *texts, struct outbox_row *row)
{
    *row = (struct outbox_row){0};
    if (!cell_uuid_bytes(from, COLUMN_EVENT_ID, &row->event_id) ||
        !cell_text(from, COLUMN_TOPIC, texts, &row->topic) ||
        !cell_text(from, COLUMN_KEY, texts, &row->key) ||
        !cell_text(from, COLUMN_BODY, texts, &row->body) ||
        !cell_text(from, COLUMN_HEADERS, texts, &row->headers)) {
        return false;
    }
    row->row_id = cell_int(from, COLUMN_ROW_ID);
    row->token = cell_token(from, COLUMN_TOKEN);
    row->due_in_ms = cell_due_in(from, COLUMN_DUE_AT, cell_int(from, COLUMN_NOW));
    row->record_at_ms = cell_int(from, COLUMN_RECORD_AT);
    row->epoch = (uint32_t)cell_uint(from, COLUMN_EPOCH);
    row->attempts = (uint16_t)cell_uint(from, COLUMN_ATTEMPTS);
    row->status = outbox_status_parse(cell_name(from, COLUMN_STATUS));
    row->has_key = row->key != TEXT_NONE;
    row->has_body = row->body != TEXT_NONE;
    return true;
}

#define OUTBOX_DUE_WHERE " FROM payment_outbox WHERE status <> 'DONE' AND due_at <= " SQL_NOW
#define OUTBOX_DUE_ORDER " ORDER BY due_at, id"

/* Ids of the rows that fit into a page, for their bytes may be many times what a page may hold. */
static enum step page_ids(struct mysql_store *store, uint32_t limit, int64_t *ids, uint32_t *count)
{
    struct sql *sql = &store->sql;
    sql_clear(sql);
    sql_add(sql, "SELECT id, COALESCE(LENGTH(record_key), 0) + COALESCE(LENGTH(body), 0)"
                 " + COALESCE(LENGTH(headers), 0)" OUTBOX_DUE_WHERE OUTBOX_DUE_ORDER " LIMIT ");
    sql_uint(sql, limit);
    sql_add(sql, SQL_SKIP_LOCKED);
    MYSQL_RES *rows = NULL;
    if (mysql_select(store, &rows) != STEP_OK) {
        return STEP_ABORT;
    }
    struct columns from;
    int64_t bytes = 0;
    *count = 0;
    while (*count < limit && columns_next(rows, &from)) {
        bytes += cell_int(&from, 1);
        if (*count > 0 && bytes > STORE_PAGE_BYTES_MAX) {
            break;
        }
        ids[(*count)++] = cell_int(&from, 0);
    }
    mysql_free_result(rows);
    return STEP_OK;
}

enum store_status mysql_outbox_due(struct mysql_store *store, const struct store_scan *scan,
                                   struct store_page *page)
{
    int64_t ids[STORE_PAGE_MAX];
    uint32_t count = 0;
    if (page_ids(store, scan->limit, ids, &count) != STEP_OK) {
        return STORE_UNAVAILABLE;
    }
    if (count == 0) {
        return STORE_OK;
    }
    struct sql *sql = &store->sql;
    sql_clear(sql);
    sql_add(sql, "SELECT " SQL_NOW ", id, event_id, token_process, token_sequence, due_at,"
                 " record_at, epoch, attempts, status, topic, record_key, body,"
                 " headers" OUTBOX_DUE_WHERE " AND id IN (");
    for (uint32_t i = 0; i < count; i++) {
        sql_add(sql, i == 0 ? "" : ", ");
        sql_int(sql, ids[i]);
    }
    sql_add(sql, ")" OUTBOX_DUE_ORDER SQL_SKIP_LOCKED);
    MYSQL_RES *rows = NULL;
    if (mysql_select(store, &rows) != STEP_OK) {
        return STORE_UNAVAILABLE;
    }
    struct columns from;
    bool full = false;
    while (!full && columns_next(rows, &from)) {
        full = !row_read(&from, page->texts, &page->rows[page->count].outbox);
        page->count += full ? 0 : 1;
    }
    mysql_free_result(rows);
    return full && page->count == 0 ? STORE_UNAVAILABLE : STORE_OK;
}

enum store_status mysql_outbox_purge(struct mysql_store *store, int64_t older_than_ms,
                                     uint32_t limit, uint32_t *deleted)
{
    struct sql *sql = &store->sql;
    sql_clear(sql);
    sql_add(sql, "DELETE FROM payment_outbox WHERE done_at < " SQL_NOW " - ");
    sql_delay(sql, older_than_ms == DUE_NEVER ? DUE_NEVER - 1 : older_than_ms);
    sql_add(sql, " AND status = 'DONE' ORDER BY done_at, id LIMIT ");
    sql_uint(sql, limit);
    if (mysql_run(store) != STEP_OK) {
        mysql_undo(store);
        return STORE_UNAVAILABLE;
    }
    *deleted = (uint32_t)store->changed;
    return STORE_OK;
}
