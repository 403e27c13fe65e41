/*
 * farebox_audit.h - holds what a real farebox left behind against one another: the tables (SQLite's
 * or a server's), the fake PG's ledger, payment_events and the dead letters, trip by trip, through
 * the auditor of fakes/auditor.h.
 *
 * The subjects are the trips that a test sent and that must become payments. Whatever else is in
 * the files (a payment, an order, an event of another trip) is a violation too.
 *
 * Whatever can't be read fails the running test. One thread.
 */
#ifndef FAREBOX_TEST_FAREBOX_AUDIT_H
#define FAREBOX_TEST_FAREBOX_AUDIT_H

#include "auditor.h"
#include "farebox_audit_source.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AUDIT_EVENTS_MAX 4 /* distinct events of one trip that are kept apart; one is right */

struct audit_event {
    struct uuid id;
    enum outcome_type type;
};

struct audit_subject {
    char trip_id[STORE_ID_MAX + 1];
    char user_id[STORE_ID_MAX + 1];
    struct uuid payment_id;
    struct audit_trip trip;
    struct audit_event events[AUDIT_EVENTS_MAX];
    enum audit_verdict verdict;
    bool is_dead; /* there is a dead letter with its key */
};

struct farebox_audit {
    const struct audit_source *source; /* reads the tables ... */
    const void *where;                 /* ... which are here */
    const struct audit_ledger *ledger; /* reads the PG's ledger ... */
    const void *ledger_where;          /* ... which is here */
    const char *bootstrap;
    struct audit_subject *subjects;
    size_t count;
    size_t room;
};

/* What an audit found. */
struct audit_findings {
    uint32_t completed;
    uint32_t failed;
    uint32_t unfinished; /* rows in another status */
    uint32_t operator;   /* left to an operator */
    uint32_t violations;
    uint32_t strangers;   /* payments, orders and events of trips that are no subjects */
    uint32_t events;      /* records in payment_events */
    uint32_t dead;        /* records in the DLT */
    int64_t captured_krw; /* by the ledger, all trips */
    int64_t refunded_krw;
    char first[600]; /* the first violation, for people */
};

/* The store is a SQLite file, or a database of MySQL or MariaDB; the ledger is the fake PG's file.
 * Paths, texts and options are borrowed. */
void farebox_audit_init(struct farebox_audit *audit, const char *store, const char *ledger,
                        const char *bootstrap);
void farebox_audit_init_mysql(struct farebox_audit *audit,
                              const struct mysql_store_options *database, const char *ledger,
                              const char *bootstrap);
/* The ledger of another PG, which is borrowed. */
void farebox_audit_set_ledger(struct farebox_audit *audit, const struct audit_ledger *ledger,
                              const void *where);
void farebox_audit_clear(struct farebox_audit *audit);

/* Adds a trip that must become a payment; the fare is what the fake pricing says of it. */
void farebox_audit_add(struct farebox_audit *audit, const char *trip_id, const char *user_id,
                       int32_t distance_meters, int32_t duration_seconds);

/* Judges every subject; `settled`: final states too. No farebox is in the middle of anything: it
 * has been killed, or all is settled. */
void farebox_audit_judge(struct farebox_audit *audit, bool settled,
                         struct audit_findings *findings);
/* The same, and fails the test where a law does not hold. */
void farebox_audit_expect(struct farebox_audit *audit, bool settled,
                          struct audit_findings *findings);

/* Rows that a query of the store counts; a cheap look between two audits. */
int64_t farebox_audit_count(const struct farebox_audit *audit, const char *query);
/* Waits until that many rows or more are there; false after timeout_ms. */
bool farebox_audit_await(const struct farebox_audit *audit, const char *query, int64_t least,
                         int64_t timeout_ms);
/* True when every subject's row is terminal or an operator's, its re-checks are done and its
 * event is published; false after timeout_ms. */
bool farebox_audit_await_settled(const struct farebox_audit *audit, int64_t timeout_ms);

#endif
