/* Statements, and what their errors mean. */
#include "mysql_internal.h"

#include <mysqld_error.h>
#include <stdio.h>
#include <time.h>

/* Client errors (2000 to 2999), and those after which the server has closed the connection, closes
 * it, or will not work on it: shutdown, killed, idle too long (MySQL 8), Galera's "not ready". */
static bool error_is_loss(unsigned code)
{
    switch (code) {
    case ER_SERVER_SHUTDOWN:
    case ER_UNKNOWN_COM_ERROR:
    case ER_NET_READ_ERROR:
    case ER_NET_READ_INTERRUPTED:
    case ER_NET_ERROR_ON_WRITE:
    case ER_NET_WRITE_INTERRUPTED:
    case 1927: /* MariaDB: connection killed */
    case 4031: /* MySQL: idle too long */
        return true;
    default:
        return code >= 2000 && code < 3000;
    }
}

/* The server works, but takes no writes: after a failover, the old primary. The way to the new one,
 * through a name or a proxy, begins with a new connection. */
static bool error_is_read_only(unsigned code)
{
    return code == ER_OPTION_PREVENTS_STATEMENT || code == ER_READ_ONLY_MODE;
}

/* Errors that the same statement meets for ever, whoever else is at work. */
static bool error_is_lasting(unsigned code)
{
    switch (code) {
    case ER_BAD_NULL_ERROR:
    case ER_DUP_ENTRY:
    case ER_WARN_DATA_OUT_OF_RANGE:
    case WARN_DATA_TRUNCATED:
    case ER_TRUNCATED_WRONG_VALUE:
    case ER_TRUNCATED_WRONG_VALUE_FOR_FIELD:
    case ER_DATA_TOO_LONG:
    case ER_DATA_OUT_OF_RANGE:
    case ER_NO_DEFAULT_FOR_FIELD:
    case ER_NO_REFERENCED_ROW_2:
    case 3819: /* MySQL: CHECK */
    case 3988: /* MySQL: not in the column's character set */
    case 4025: /* MariaDB: CHECK */
        return true;
    default:
        return false;
    }
}

static enum step error_step(struct mysql_store *store)
{
    unsigned code = mysql_errno(store->db);
    if (error_is_lasting(code)) {
        return STEP_UNIT_ERROR;
    }
    mysql_notice_error(store, error_is_loss(code));
    if (error_is_loss(code) || error_is_read_only(code)) {
        mysql_session_drop(store);
    }
    return STEP_ABORT;
}

/* Statements here are one each, and none but a query has a result. */
enum step mysql_run(struct mysql_store *store)
{
    store->changed = 0;
    if (store->db == NULL || store->sql.failed) {
        return STEP_ABORT;
    }
    if (mysql_real_query(store->db, store->sql.bytes, store->sql.len) != 0) {
        return error_step(store);
    }
    store->changed = mysql_affected_rows(store->db);
    return STEP_OK;
}

enum step mysql_select(struct mysql_store *store, MYSQL_RES **result)
{
    enum step step = mysql_run(store);
    if (step != STEP_OK) {
        return STEP_ABORT;
    }
    *result = mysql_store_result(store->db);
    if (*result == NULL) {
        (void)error_step(store);
        return STEP_ABORT;
    }
    return STEP_OK;
}

/* A statement that may be sent twice, for nothing has happened before it. */
static bool first_statement(struct mysql_store *store, const char *text)
{
    for (int i = 0; i < 2; i++) {
        if (!mysql_session_ready(store)) {
            return false;
        }
        sql_clear(&store->sql);
        sql_add(&store->sql, text);
        if (mysql_run(store) == STEP_OK) {
            return true;
        }
        if (store->db != NULL) {
            mysql_undo(store);
            return false;
        }
    }
    return false;
}

/* `timestamp` is a session variable of both servers that NOW() obeys. */
static void test_clock(const struct mysql_store *store, char text[64])
{
    int64_t now_ms = store->options.now_ms(store->options.clock_context);
    snprintf(text, 64, "SET timestamp = %lld.%03lld", (long long)(now_ms / 1000),
             (long long)(now_ms % 1000));
}

/* For the zone only: what decides is the server's clock. */
static int64_t now_ms(const struct mysql_store *store)
{
    return store->options.now_ms != NULL ? store->options.now_ms(store->options.clock_context)
                                         : (int64_t)time(NULL) * 1000;
}

bool mysql_read_begin(struct mysql_store *store)
{
    char text[64];
    if (store->options.now_ms == NULL) {
        return mysql_session_ready(store);
    }
    test_clock(store, text);
    return first_statement(store, text);
}

static bool instants_read(struct mysql_store *store)
{
    struct sql *sql = &store->sql;
    mysql_local_now(store, now_ms(store));
    sql_clear(sql);
    sql_add(sql, "SELECT " SQL_NOW ", ");
    sql_add(sql, store->local_now);
    sql_add(sql, ", @@auto_increment_increment");
    MYSQL_RES *result = NULL;
    if (mysql_select(store, &result) != STEP_OK) {
        return false;
    }
    struct columns row;
    bool read = columns_next(result, &row) && !cell_is_null(&row, 0) && !cell_is_null(&row, 1);
    if (read) {
        store->row_id_step = cell_int(&row, 2);
        (void)snprintf(store->now, sizeof(store->now), "%s", cell_name(&row, 0));
        (void)snprintf(store->local_now, sizeof(store->local_now), "'%s'", cell_name(&row, 1));
    }
    mysql_free_result(result);
    return read;
}

/* The test's clock is the second statement, for the first may be on a new connection. */
bool mysql_begin(struct mysql_store *store)
{
    char text[64];
    if (!first_statement(store, "START TRANSACTION")) {
        return false;
    }
    enum step step = STEP_OK;
    if (store->options.now_ms != NULL) {
        test_clock(store, text);
        sql_clear(&store->sql);
        sql_add(&store->sql, text);
        step = mysql_run(store);
    }
    if (step != STEP_OK || !instants_read(store)) {
        mysql_undo(store);
        return false;
    }
    return true;
}

void mysql_undo(struct mysql_store *store)
{
    if (store->db != NULL && mysql_rollback(store->db) != 0) {
        mysql_notice(store, MYSQL_NOTICE_LOST, mysql_error(store->db));
        mysql_session_drop(store);
    }
}

/* A deadlock at COMMIT is Galera's "another node was first": surely not committed. After any other
 * error the COMMIT may have happened, or may yet happen. */
enum batch_outcome mysql_end(struct mysql_store *store)
{
    if (mysql_commit(store->db) == 0) {
        return BATCH_COMMITTED;
    }
    if (mysql_errno(store->db) == ER_LOCK_DEADLOCK) {
        mysql_notice(store, MYSQL_NOTICE_CERTIFICATION, mysql_error(store->db));
        mysql_undo(store);
        return BATCH_ABORTED;
    }
    mysql_notice(store, MYSQL_NOTICE_UNKNOWN_COMMIT, mysql_error(store->db));
    mysql_session_drop(store);
    return BATCH_UNKNOWN;
}

enum step mysql_judge_by_token(struct mysql_store *store, struct token token,
                               enum unit_verdict otherwise, struct unit_result *result)
{
    MYSQL_RES *found = NULL;
    if (mysql_select(store, &found) != STEP_OK) {
        return STEP_ABORT;
    }
    struct columns row;
    bool applied = columns_next(found, &row) && token_equal(cell_token(&row, 0), token);
    mysql_free_result(found);
    result->verdict = (uint8_t)(applied ? UNIT_APPLIED : otherwise);
    return STEP_OK;
}
