#include "sql_client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <mysql.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STATEMENT_SIZE 16384

void sql_client_open(struct sql_client *client, const struct mariadb_server *server,
                     const char *database)
{
    MYSQL *db = mysql_init(NULL);
    assert_non_null(db);
    mysql_options(db, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    if (mysql_real_connect(db, "127.0.0.1", MARIADB_ROOT, NULL, database, server->port, NULL,
                           CLIENT_FOUND_ROWS) == NULL) {
        fail_msg("no connection to %s: %s", database, mysql_error(db));
    }
    client->db = db;
}

void sql_client_close(struct sql_client *client)
{
    if (client->db != NULL) {
        mysql_close(client->db);
    }
    client->db = NULL;
}

static void statement_run(struct sql_client *client, const char *format, va_list values)
{
    char statement[STATEMENT_SIZE];
    int len = vsnprintf(statement, sizeof(statement), format, values);
    assert_in_range(len, 1, STATEMENT_SIZE - 1);
    if (mysql_real_query(client->db, statement, (unsigned long)len) != 0) {
        fail_msg("%s: %s", mysql_error(client->db), statement);
    }
}

uint64_t sql_client_run(struct sql_client *client, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    statement_run(client, format, values);
    va_end(values);
    mysql_free_result(mysql_store_result(client->db));
    return mysql_affected_rows(client->db);
}

/* One at a time: a program asks, looks, and asks again. */
static char answer[4096];

static const char *first_cell(struct sql_client *client)
{
    MYSQL_RES *result = mysql_store_result(client->db);
    assert_non_null(result);
    MYSQL_ROW row = mysql_fetch_row(result);
    (void)snprintf(answer, sizeof(answer), "%s",
                   row == NULL      ? ""
                   : row[0] == NULL ? "NULL"
                                    : row[0]);
    mysql_free_result(result);
    return answer;
}

int64_t sql_client_number(struct sql_client *client, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    statement_run(client, format, values);
    va_end(values);
    const char *text = first_cell(client);
    return text[0] == '\0' || strcmp(text, "NULL") == 0 ? INT64_MIN : strtoll(text, NULL, 10);
}

const char *sql_client_text(struct sql_client *client, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    statement_run(client, format, values);
    va_end(values);
    return first_cell(client);
}
