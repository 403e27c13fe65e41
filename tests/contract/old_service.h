/*
 * old_service.h - the Spring service, as its database sees it: Hibernate's DDL (CONTRACTS 7, names
 * of keys included) and the statements that it sends, which know nothing of Farebox's columns.
 *
 * What the server refuses fails the running test.
 */
#ifndef FAREBOX_TEST_OLD_SERVICE_H
#define FAREBOX_TEST_OLD_SERVICE_H

#include "sql_client.h"

/* Makes a database whose tables get this character set and collation where they name none, and
 * connects to it as the service does: strict mode, local times of Seoul. */
void old_service_open(struct sql_client *client, const struct mariadb_server *server,
                      const char *database, const char *charset, const char *collation);
/* The tables, as Hibernate makes them. */
void old_service_make_tables(struct sql_client *client);

/* Inserts. A payment was requested `hours` ago; `pg_id` NULL: none. */
void old_service_payment(struct sql_client *client, const char *trip_id, const char *payment_id,
                         const char *status, const char *pg_id, int hours);
/* `payload` is JSON without quotes that SQL would have to be told of; its row's id. */
int64_t old_service_outbox(struct sql_client *client, const char *trip_id, const char *payload,
                           const char *status);
int64_t old_service_failed_event(struct sql_client *client, const char *payload,
                                 const char *status);

/*
 * One of everything that the service does, on rows of its own, whose trips begin with `prefix`: a
 * payment from its request to its end, the claim of many, its relay, its dead letters. Each
 * statement must find what it expects.
 */
void old_service_work(struct sql_client *client, const char *prefix);

#endif
