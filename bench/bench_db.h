/*
 * bench_db.h - the bench's own MariaDB server, and databases that hold payments already.
 *
 * Whatever goes wrong ends the program with a line that says what; the server goes with it.
 * One thread.
 */
#ifndef FAREBOX_BENCH_DB_H
#define FAREBOX_BENCH_DB_H

#include "mariadb_server.h"
#include "mysql_store.h"

#include <stdbool.h>
#include <stdint.h>

#define BENCH_DATABASE_SIZE 40

struct bench_db_how {
    uint32_t pool_mib; /* of the buffer pool; the redo log has a third of it; 0: 6144 */
    bool large_pages;  /* the pool is in huge pages; ends the program where too few are free */
};

/* Starts a durable server with the settings of a production database, small ones apart. */
void bench_db_open(struct mariadb_server *server, const struct bench_db_how *how);
/* Prints the settings that decide about speed, and the file system of its folder. */
void bench_db_print(const struct mariadb_server *server);

/* A database with Farebox's tables and `rows` payments and outbox rows in the states of a service
 * that has run for long. `name` is made here. */
void bench_db_fill(const struct mariadb_server *server, uint32_t rows,
                   char name[BENCH_DATABASE_SIZE]);
void bench_db_drop(const struct mariadb_server *server, const char *name);
/* Waits until the server has written what it keeps back, so that nobody pays for what was before:
 * it puts that off until its redo log is nearly full, and then makes haste. */
void bench_db_settle(const struct mariadb_server *server);

/* Options for, and a store on, this database; `name` outlives the options. */
struct mysql_store_options bench_db_options(const struct mariadb_server *server, const char *name);
/* Migrates where that is needed; the caller closes it. */
struct store *bench_db_connect(const struct mariadb_server *server, const char *name);

/* The one number that a query gives, on a connection of its own; NULL counts as 0. */
int64_t bench_db_number(const struct mariadb_server *server, const char *name, const char *query);

#endif
