/*
 * mysql_factory.h - stores on a MariaDB server of the test program's own.
 */
#ifndef FAREBOX_MYSQL_FACTORY_H
#define FAREBOX_MYSQL_FACTORY_H

#include "mariadb_server.h"
#include "mysql_store.h"
#include "store_suite.h"

/* What its stores have noticed since the fixture's data were opened. */
extern _Atomic unsigned mysql_factory_notices[MYSQL_NOTICE_COUNT];

/* The server of the factory, running between start and stop. */
extern struct mariadb_server mysql_factory_server;

/* A new database for each data_open(), with the fixture's clock in every session. */
extern const struct store_factory store_factory_mysql;

/* Starts the server; see mariadb_server_open(). */
MUST_USE bool mysql_factory_start(bool durable);
/* Ends it and removes its folder. */
void mysql_factory_stop(void);

/* The name of a fixture's database. */
const char *mysql_factory_database(void *data);
/* Options for the server and this database, as the user farebox; texts are static or the caller's.
 */
struct mysql_store_options mysql_factory_options(const char *database);

#endif
