/*
 * farebox_audit_source.h - where an audit reads the tables, and where it reads the PG's ledger: one
 * judge, two kinds of database, two kinds of ledger (the other one: farebox_audit_http.h).
 *
 * One thread.
 */
#ifndef FAREBOX_TEST_FAREBOX_AUDIT_SOURCE_H
#define FAREBOX_TEST_FAREBOX_AUDIT_SOURCE_H

#include "mysql_store.h"
#include "pg_ledger.h"
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

/* What the PG knows of one order. */
struct audit_order {
    struct uuid order_id; /* nil: no payment's */
    struct pg_ledger_totals totals;
};

typedef void audit_order_fn(void *context, const struct audit_order *order);

struct audit_ledger {
    /* Hands over every order, once for each merchant that has it. Fails the test where the ledger
     * can't be read. */
    void (*read)(const void *where, audit_order_fn *on_order, void *context);
};

/* `where` is the path of the in-process fake PG's file. */
extern const struct audit_ledger audit_ledger_file;

#endif
