/* Units of the shedlock table: ShedLock's semantics on the store's clock (CONTRACTS 7). */
#include "sqlite_columns.h"
#include "sqlite_internal.h"

enum step sqlite_lease_write(struct sqlite_store *store, const struct texts *texts,
                             const struct unit *unit, struct unit_result *result)
{
    const struct unit_lease *lease = &unit->as.lease;
    enum sqlite_sql sql = SQL_LEASE_TAKE;
    int64_t second = store->now_ms + lease->lock_ms;
    if (lease->op == LEASE_EXTEND) {
        sql = SQL_LEASE_EXTEND;
    } else if (lease->op == LEASE_RELEASE) {
        sql = SQL_LEASE_RELEASE;
        second = lease->at_least_ms;
    }
    sqlite3_stmt *statement = store->statements[sql];
    bind_name(statement, 1, lease_name_text(lease->name));
    bind_int(statement, 2, second);
    bind_int(statement, 3, store->now_ms);
    bind_text(statement, 4, texts, lease->holder);
    bind_token(statement, 5, unit->token);
    enum step step = sqlite_run(store, sql);
    if (step == STEP_OK && sqlite_changed(store) == 0) {
        bind_name(store->statements[SQL_LEASE_TOKEN], 1, lease_name_text(lease->name));
        return sqlite_judge_by_token(store, SQL_LEASE_TOKEN, unit->token, UNIT_REFUSED, result);
    }
    result->verdict = UNIT_APPLIED;
    return step;
}
