/* Units of the shedlock table: ShedLock's semantics on the server's clock (CONTRACTS 7). */
#include "mysql_internal.h"

static void token_set(struct sql *sql, struct token token)
{
    sql_add(sql, ", token_process = ");
    sql_uint(sql, token.process);
    sql_add(sql, ", token_sequence = ");
    sql_uint(sql, token.sequence);
}

static void after_add(struct sql *sql, const char *from, int32_t ms)
{
    sql_add(sql, from);
    sql_add(sql, " + INTERVAL ");
    sql_int(sql, (int64_t)ms * 1000);
    sql_add(sql, " MICROSECOND");
}

/* The first lease of this name. A row that is there stays as it is. */
static enum step lease_insert(struct mysql_store *store, const struct texts *texts,
                              const struct unit *unit)
{
    const struct unit_lease *lease = &unit->as.lease;
    struct sql *sql = &store->sql;
    sql_clear(sql);
    sql_add(sql, "INSERT INTO shedlock (name, locked_at, locked_by, lock_until, token_process,"
                 " token_sequence) VALUES (");
    sql_name(sql, lease_name_text(lease->name));
    sql_add(sql, ", NOW(3), ");
    sql_text(sql, texts, lease->holder);
    after_add(sql, ", NOW(3)", lease->lock_ms);
    sql_add(sql, ", ");
    sql_uint(sql, unit->token.process);
    sql_add(sql, ", ");
    sql_uint(sql, unit->token.sequence);
    sql_add(sql, ") ON DUPLICATE KEY UPDATE name = shedlock.name");
    return mysql_run(store);
}

static void update_sql(struct sql *sql, const struct texts *texts, const struct unit *unit)
{
    const struct unit_lease *lease = &unit->as.lease;
    sql_clear(sql);
    sql_add(sql, "UPDATE shedlock SET lock_until = ");
    if (lease->op == LEASE_RELEASE) {
        after_add(sql, "GREATEST(NOW(3), locked_at", lease->at_least_ms);
        sql_add(sql, ")");
    } else {
        after_add(sql, "NOW(3)", lease->lock_ms);
    }
    if (lease->op == LEASE_TAKE) {
        sql_add(sql, ", locked_at = NOW(3), locked_by = ");
        sql_text(sql, texts, lease->holder);
    }
    token_set(sql, unit->token);
    sql_add(sql, " WHERE name = '");
    sql_add(sql, lease_name_text(lease->name));
    if (lease->op == LEASE_TAKE) {
        sql_add(sql, "' AND lock_until <= NOW(3)");
        return;
    }
    sql_add(sql, "' AND lock_until > NOW(3) AND CAST(locked_by AS BINARY) = ");
    sql_text(sql, texts, lease->holder);
}

enum step mysql_lease_write(struct mysql_store *store, const struct texts *texts,
                            const struct unit *unit, struct unit_result *result)
{
    const struct unit_lease *lease = &unit->as.lease;
    result->verdict = UNIT_APPLIED;
    if (lease->op == LEASE_TAKE) {
        enum step step = lease_insert(store, texts, unit);
        if (step != STEP_OK || store->changed == 1) {
            return step;
        }
    }
    update_sql(&store->sql, texts, unit);
    enum step step = mysql_run(store);
    if (step != STEP_OK || store->changed == 1) {
        return step;
    }
    sql_clear(&store->sql);
    sql_add(&store->sql, "SELECT token_process, token_sequence FROM shedlock WHERE name = '");
    sql_add(&store->sql, lease_name_text(lease->name));
    sql_add(&store->sql, "'");
    return mysql_judge_by_token(store, unit->token, UNIT_REFUSED, result);
}
