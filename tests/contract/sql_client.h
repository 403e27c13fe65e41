/*
 * sql_client.h - plain SQL on a test's own MariaDB server, as root: rows made, looked at, counted.
 *
 * What the server refuses fails the running test. One thread for each client.
 */
#ifndef FAREBOX_TEST_SQL_CLIENT_H
#define FAREBOX_TEST_SQL_CLIENT_H

#include "mariadb_server.h"

#include <stddef.h>
#include <stdint.h>

struct sql_client {
    void *db; /* MYSQL; NULL: not open */
};

/* Connects. */
void sql_client_open(struct sql_client *client, const struct mariadb_server *server,
                     const char *database);
/* Harmless on one that is all zero. */
void sql_client_close(struct sql_client *client);

/* One statement; the rows that it changed, or found and matched. */
__attribute__((format(printf, 2, 3))) uint64_t sql_client_run(struct sql_client *client,
                                                              const char *format, ...);
/* The first row's first column; INT64_MIN for NULL or no row. */
__attribute__((format(printf, 2, 3))) int64_t sql_client_number(struct sql_client *client,
                                                                const char *format, ...);
/* The same as text, "NULL" and "" then; valid until the next call. */
__attribute__((format(printf, 2, 3))) const char *sql_client_text(struct sql_client *client,
                                                                  const char *format, ...);

#endif
