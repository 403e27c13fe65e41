/*
 * mysql_store.h - the store port (core/store.h) on MySQL 8 or MariaDB 10.6 and later.
 *
 * One connection for each open store. The clock is the server's (UTC), whatever the time zones of
 * server and client are. What submit() reports as committed is as durable as the server's
 * innodb_flush_log_at_trx_commit makes it, which is checked at each connect.
 *
 * Threads and blocking: as the port says, one thread at a time for each open store; several
 * stores, also of several processes, may be open on one database. Every call blocks for the
 * network, within the timeouts. A lost connection is opened again by the next call, once in a
 * call, and not before a back-off of 0.1 s to 5 s has passed since the last failure; a call within
 * that time fails at once (BATCH_ABORTED, STORE_UNAVAILABLE).
 */
#ifndef FAREBOX_MYSQL_STORE_H
#define FAREBOX_MYSQL_STORE_H

#include "store.h"

/* Between two statements of a transaction there are microseconds; a process that is silent for as
 * long as this is stopped. Less than the 180 s for which a takeover lasts, so that a payment whose
 * row it has locked is not taken over twice in vain. */
#define MYSQL_STORE_IDLE_S 30

/* What calls meet at the server, for whoever counts and watches. It decides nothing. */
enum mysql_notice {
    MYSQL_NOTICE_DEADLOCK = 0,    /* 1213 at a statement */
    MYSQL_NOTICE_CERTIFICATION,   /* 1213 at COMMIT: another Galera node was first */
    MYSQL_NOTICE_LOCK_WAIT,       /* 1205 */
    MYSQL_NOTICE_NOT_READY,       /* 1047: a Galera node that is no part of its cluster now */
    MYSQL_NOTICE_LOST,            /* the connection, at a statement or ROLLBACK */
    MYSQL_NOTICE_UNKNOWN_COMMIT,  /* COMMIT was not answered: it may have happened, or may yet */
    MYSQL_NOTICE_NO_CONNECTION,   /* a try to connect again failed */
    MYSQL_NOTICE_OTHER,           /* any other error that ended a batch or a read */
    MYSQL_NOTICE_CONNECTED_AGAIN, /* after a loss; the only one that is no error */
    MYSQL_NOTICE_COUNT
};

/* A word of lower-case ASCII and underscores; never NULL. */
const char *mysql_notice_name(enum mysql_notice what);

/* Texts are copied. TLS paths and passwords that are NULL are not used. */
struct mysql_store_options {
    const char *host;
    const char *user;
    const char *password; /* NULL: none */
    const char *database;
    const char *tls_ca;   /* file of PEM certificates; given: the server must prove its name */
    const char *tls_cert; /* of this client, with tls_key */
    const char *tls_key;
    uint16_t port;
    uint16_t connect_timeout_s; /* all of them at least 1 */
    uint16_t read_timeout_s;    /* longer than lock_wait_timeout_s, or a wait looks like a loss */
    uint16_t write_timeout_s;
    uint16_t lock_wait_timeout_s;
    /* How long the server keeps a connection that is silent, and the locks of the transaction that
     * a stopped process has open on it. 0: MYSQL_STORE_IDLE_S */
    uint16_t idle_timeout_s;
    bool tls;                /* refuse a connection without TLS */
    bool migrate;            /* at open: make the tables where they are missing, and what they lack;
                              * false: refuse them */
    bool allow_lost_commits; /* work on a server that may lose commits when it crashes */
    /* The zone of the old service's date-time columns: local time - UTC at an instant, in seconds.
     * Any thread. NULL: UTC. */
    int32_t (*zone_offset_s)(int64_t unix_s);
    /* Called within the store's calls, by their thread; NULL: nobody. `text` is the server's, for
     * people, and is gone after the call; never the password. */
    void (*notice)(void *context, enum mysql_notice what, const char *text);
    void *notice_context; /* outlives the store */
    /* Tests only: the clock of this store's sessions instead of the server's, Unix ms. NULL in
     * production. */
    int64_t (*now_ms)(void *context);
    void *clock_context; /* outlives the store */
};

/* The version of the schema that this program writes. */
int mysql_store_schema_version(void);

/* Is told of each statement of a migration before it runs; the text has no semicolon at its end. */
struct mysql_migration_watch {
    void (*statement)(void *context, const char *sql, size_t len);
    void *context;
};

/*
 * Brings the database's schema up to this program's, one process at a time: another one that
 * migrates is waited for. `dry_run`: changes nothing and only tells what would run. True: done, and
 * `*before` is the version that was there (0: none). False: as mysql_store_open().
 */
MUST_USE bool mysql_store_migrate(const struct mysql_store_options *options, bool dry_run,
                                  const struct mysql_migration_watch *watch, int *before,
                                  char *error, size_t error_size);

/*
 * Connects, checks the server and its schema, and migrates where told to. True: `*store` is the
 * caller's, to be ended with its `close` operation. False: `*store` is untouched, nothing is open,
 * and `error` names user, host, port, database and the reason (never the password): unreachable,
 * refused, no such database, a server that is too old or may lose commits or takes too short
 * statements, a schema that is too new (its min_reader is above this program's version), or,
 * without `migrate`, missing or too old. Text longer than `error_size` is cut.
 */
MUST_USE bool mysql_store_open(const struct mysql_store_options *options, struct store **store,
                               char *error, size_t error_size);

#endif
