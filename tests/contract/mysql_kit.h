/*
 * mysql_kit.h - what the tests of the MySQL store's faults share: the other side of a lock, units
 * at work in a thread of their own, waits for what the server says.
 *
 * For tests with a fixture of mysql_factory.h. Each fails the running test where it cannot do what
 * it says.
 */
#ifndef FAREBOX_MYSQL_KIT_H
#define FAREBOX_MYSQL_KIT_H

#include "mysql_factory.h"

#include <mysql.h>
#include <pthread.h>

/* Of 150 ms: InnoDB renews its tables for a reader that paused 100 ms. */
#define MYSQL_KIT_TRIES_MAX 100

/* At least 1 where a transaction waits for a lock. */
#define MYSQL_KIT_LOCK_WAITS                                                                       \
    "SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'"

/* A connection of the test's own, as root, to the fixture's database; the caller closes it. */
MYSQL *mysql_kit_root(struct store_fixture *f);
/* One statement. */
void mysql_kit_run(MYSQL *db, const char *statement);
/* The first column of the first row; NULL is -1. */
long mysql_kit_number(MYSQL *db, const char *query);
void mysql_kit_nap(void);
/* Until the query says at least 1. */
void mysql_kit_wait_for(MYSQL *db, const char *query);
/* Ends every session of the user farebox, and waits until they are gone. */
void mysql_kit_sessions_kill(MYSQL *root);

/* The fixture's store again, with other options. */
void mysql_kit_reopen_with(struct store_fixture *f, const struct mysql_store_options *options);
void mysql_kit_reopen_at(struct store_fixture *f, uint16_t lock_wait_s, uint16_t read_s,
                         uint16_t port);
void mysql_kit_reopen(struct store_fixture *f, uint16_t lock_wait_s, uint16_t read_s);
/* The options of mysql_kit_reopen(). */
struct mysql_store_options mysql_kit_options(struct store_fixture *f, uint16_t lock_wait_s,
                                             uint16_t read_s);

/* A claim that is in the store. */
struct payment_row mysql_kit_opened(struct store_fixture *f, const char *trip_id, uint64_t number);
/* Its COMPLETED, with an outcome. */
struct unit mysql_kit_completion(struct store_fixture *f, const struct payment_row *image);
enum batch_outcome mysql_kit_submit(struct store_fixture *f, const struct unit *units,
                                    uint32_t count, struct unit_result *results);
void mysql_kit_assert_outbox_count(struct store_fixture *f, uint32_t count);

/* Row ids that the store remembers are hints, which must do no harm where they are wrong: one call
 * in five makes some wrong, by little or by much; `draw` says which. How many. */
uint32_t mysql_kit_hints_spoil(struct store *store, uint64_t draw);

/* A submit in a thread of its own; the units are filled in by the test. */
struct mysql_kit_submission {
    struct store_fixture *fixture;
    struct unit units[2];
    struct unit_result results[2];
    uint32_t count;
    enum batch_outcome outcome;
    pthread_t thread;
};

/* Hands the units over; returns at once. */
void mysql_kit_start(struct mysql_kit_submission *submission);
/* Waits for it. */
enum batch_outcome mysql_kit_end(struct mysql_kit_submission *submission);

#endif
