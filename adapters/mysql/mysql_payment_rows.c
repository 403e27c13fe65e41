/* Where the rows of payments are: what is remembered of that, and what is looked up. */
#include "mysql_internal.h"

/* A statement that inserts a known number of rows takes their ids at once (a hint, see
 * mysql_row_ids.h). */
void mysql_payment_rows_guess(struct mysql_store *store, const struct store_batch *batch,
                              const struct unit_group *group)
{
    int64_t row_id = (int64_t)mysql_insert_id(store->db);
    for (uint32_t i = 0; i < group->count && row_id > 0; i++, row_id += store->row_id_step) {
        row_ids_learn(&store->row_ids, &batch->units[group->at[i]].as.payment.row.payment_id,
                      row_id);
    }
}

bool mysql_payment_rows_recall(struct mysql_store *store, const struct store_batch *batch,
                               const struct unit_group *group)
{
    for (uint32_t i = 0; i < group->count; i++) {
        uint32_t at = group->at[i];
        store->found[at] =
            row_ids_find(&store->row_ids, &batch->units[at].as.payment.row.payment_id);
        if (store->found[at] == 0) {
            return false;
        }
    }
    return true;
}

/* One that was moved by its id comes again by its row, as soon as that is known. */
static bool wants_row(const struct mysql_store *store, const struct store_batch *batch, uint32_t at)
{
    const struct unit *unit = &batch->units[at];
    return store->written[at] && store->found[at] == 0 &&
           (unit->kind == UNIT_PAYMENT_MOVE || unit->as.payment.outcome.type != OUTCOME_NONE);
}

/* False: there is nobody to be looked for. */
static bool find_sql(struct mysql_store *store, const struct store_batch *batch,
                     const struct unit_group *group)
{
    struct sql *sql = &store->sql;
    bool some = false;
    sql_clear(sql);
    sql_add(sql, "SELECT id, payment_id FROM payments WHERE payment_id IN (");
    for (uint32_t i = 0; i < group->count; i++) {
        if (wants_row(store, batch, group->at[i])) {
            sql_add(sql, some ? ", " : "");
            sql_uuid(sql, &batch->units[group->at[i]].as.payment.row.payment_id);
            some = true;
        }
    }
    sql_add(sql, ")");
    return some;
}

/* Those that were inserted, or moved by payment id: their row ids are not known for sure. */
enum step mysql_payment_rows_find(struct mysql_store *store, const struct store_batch *batch,
                                  const struct unit_group *group)
{
    MYSQL_RES *rows = NULL;
    if (!find_sql(store, batch, group)) {
        return STEP_OK;
    }
    if (mysql_select(store, &rows) != STEP_OK) {
        return STEP_ABORT;
    }
    struct columns from;
    while (columns_next(rows, &from)) {
        struct uuid id;
        if (!cell_uuid(&from, 1, &id)) {
            continue;
        }
        row_ids_learn(&store->row_ids, &id, cell_int(&from, 0));
        for (uint32_t i = 0; i < group->count; i++) {
            uint32_t at = group->at[i];
            if (uuid_equal(&id, &batch->units[at].as.payment.row.payment_id)) {
                store->found[at] = cell_int(&from, 0);
            }
        }
    }
    mysql_free_result(rows);
    for (uint32_t i = 0; i < group->count; i++) {
        if (wants_row(store, batch, group->at[i])) {
            return STEP_ABORT; /* a row that this transaction wrote is not there */
        }
    }
    return STEP_OK;
}
