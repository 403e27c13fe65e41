/* What a store learns of its database when it is opened: collations and rights. */
#include "mysql_internal.h"

#include <mysqld_error.h>
#include <stdio.h>
#include <string.h>

static bool is_plain_name(const char *name)
{
    return strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(name);
}

/* Character set and collation of a column; "" for one of bytes. False: it is not there, or the
 * server does not answer. */
static bool column_learn(struct mysql_store *store, const char *table, const char *column,
                         char charset[NAME_SIZE], char collation[NAME_SIZE])
{
    sql_clear(&store->sql);
    sql_add(&store->sql, "SELECT character_set_name, collation_name FROM information_schema.columns"
                         " WHERE table_schema = DATABASE() AND table_name = '");
    sql_add(&store->sql, table);
    sql_add(&store->sql, "' AND column_name = '");
    sql_add(&store->sql, column);
    sql_add(&store->sql, "'");
    MYSQL_RES *result = NULL;
    if (mysql_select(store, &result) != STEP_OK) {
        return false;
    }
    struct columns row;
    bool found = columns_next(result, &row) && is_plain_name(cell_name(&row, 0)) &&
                 is_plain_name(cell_name(&row, 1));
    if (found) {
        snprintf(charset, NAME_SIZE, "%s", cell_name(&row, 0));
        snprintf(collation, NAME_SIZE, "%s", cell_name(&row, 1));
    }
    mysql_free_result(result);
    return found;
}

/* A join finds a payment by its unique index only if the key has the column's own collation, which
 * Hibernate left to the server's default; so are the character sets of what people read. */
bool mysql_schema_learn(struct mysql_store *store, char *reason)
{
    char charset[NAME_SIZE];
    char collation[NAME_SIZE];
    if (!column_learn(store, "failed_event", "payload", store->event_charset, collation) ||
        !column_learn(store, "payment_outbox", "payload", store->outbox_charset, collation) ||
        !column_learn(store, "payments", "payment_id", charset, collation)) {
        snprintf(reason, REASON_SIZE, "its schema cannot be read: a column is missing");
        return false;
    }
    if (charset[0] == '\0') {
        snprintf(store->payment_key, sizeof(store->payment_key), "u.n_key");
    } else {
        snprintf(store->payment_key, sizeof(store->payment_key),
                 "CONVERT(u.n_key USING %s) COLLATE %s", charset, collation);
    }
    return true;
}

/* Statements that change nothing; the server judges the right before it looks at a row. */
static const struct {
    const char *right;
    const char *table;
    const char *sql;
} probes[] = {
    {"SELECT", "payments", "SELECT 1 FROM payments WHERE 1 = 0"},
    {"INSERT", "payments", "INSERT INTO payments SELECT * FROM payments WHERE 1 = 0"},
    {"UPDATE", "payments", "UPDATE payments SET id = id WHERE 1 = 0"},
    {"SELECT", "payment_outbox", "SELECT 1 FROM payment_outbox WHERE 1 = 0"},
    {"INSERT", "payment_outbox",
     "INSERT INTO payment_outbox SELECT * FROM payment_outbox WHERE 1 = 0"},
    {"UPDATE", "payment_outbox", "UPDATE payment_outbox SET id = id WHERE 1 = 0"},
    {"DELETE", "payment_outbox", "DELETE FROM payment_outbox WHERE 1 = 0"},
    {"SELECT", "failed_event", "SELECT 1 FROM failed_event WHERE 1 = 0"},
    {"INSERT", "failed_event", "INSERT INTO failed_event SELECT * FROM failed_event WHERE 1 = 0"},
    {"UPDATE", "failed_event", "UPDATE failed_event SET id = id WHERE 1 = 0"},
    {"SELECT", "shedlock", "SELECT 1 FROM shedlock WHERE 1 = 0"},
    {"INSERT", "shedlock", "INSERT INTO shedlock SELECT * FROM shedlock WHERE 1 = 0"},
    {"UPDATE", "shedlock", "UPDATE shedlock SET name = name WHERE 1 = 0"},
    {"UPDATE", "farebox_schema", "UPDATE farebox_schema SET id = id WHERE 1 = 0"},
};

static bool error_is_denial(unsigned code)
{
    return code == ER_TABLEACCESS_DENIED_ERROR || code == ER_COLUMNACCESS_DENIED_ERROR ||
           code == ER_DBACCESS_DENIED_ERROR;
}

bool mysql_rights_check(struct mysql_store *store, char *reason)
{
    static const char lacks[] = "does not give its user every right that is needed; missing: ";
    size_t len = 0;
    for (size_t i = 0; i < sizeof(probes) / sizeof(probes[0]); i++) {
        if (mysql_query(store->db, probes[i].sql) == 0) {
            mysql_free_result(mysql_store_result(store->db));
            continue;
        }
        if (!error_is_denial(mysql_errno(store->db))) {
            snprintf(reason, REASON_SIZE, "cannot be worked on: %s", mysql_error(store->db));
            return false;
        }
        /* INSERT ... SELECT is denied for want of SELECT too: that one is named before it. */
        if (strcmp(probes[i].right, "INSERT") == 0 &&
            strstr(mysql_error(store->db), "SELECT command") != NULL) {
            continue;
        }
        size_t room = REASON_SIZE - len;
        int added = snprintf(reason + len, room, "%s%s on %s", len == 0 ? lacks : ", ",
                             probes[i].right, probes[i].table);
        len = (size_t)added >= room ? REASON_SIZE - 1 : len + (size_t)added;
    }
    return len == 0;
}
