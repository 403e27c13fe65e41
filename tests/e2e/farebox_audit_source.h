/*
 * farebox_audit_source.h - where an audit reads the tables: one judge, two kinds of database.
 *
 * One thread.
 */
#ifndef FAREBOX_TEST_FAREBOX_AUDIT_SOURCE_H
#define FAREBOX_TEST_FAREBOX_AUDIT_SOURCE_H

#include "mysql_store.h"
#include "store.h"

struct audit_source {
    /* A store to read from, the caller's to close. Fails the test where there is none. */
    struct store *(*open)(const void *where);
    /* The number that a query answers; -1: not now. Does not fail the test. */
    int64_t (*count)(const void *where, const char *query);
};

/* `where` is the path of the file. */
extern const struct audit_source audit_source_sqlite;
/* `where` is a struct mysql_store_options. */
extern const struct audit_source audit_source_mysql;

#endif
