/*
 * mysql_statements.h - the text of every statement that the store sends, as the server's own log
 * has it, from calls of every kind; and tables that are filled like those of a service at work.
 *
 * For tests with a fixture of mysql_factory.h. Fails the running test where it cannot.
 */
#ifndef FAREBOX_MYSQL_STATEMENTS_H
#define FAREBOX_MYSQL_STATEMENTS_H

#include "mysql_kit.h"

#define MYSQL_STATEMENTS_MAX 256

struct mysql_statements {
    uint32_t count;
    char *texts[MYSQL_STATEMENTS_MAX];
    char *shapes[MYSQL_STATEMENTS_MAX]; /* the same with every literal as ? */
};

/*
 * Makes calls of every kind, alone and in full batches, with every verdict, while the server logs
 * them. One of each shape is kept. The caller clears `statements`.
 */
void mysql_statements_record(struct store_fixture *f, struct mysql_statements *statements);
void mysql_statements_clear(struct mysql_statements *statements);

/* 100,000 rows in each table, nearly all of them done, with the server's statistics up to date. */
void mysql_statements_fill(struct store_fixture *f, MYSQL *root);

#endif
