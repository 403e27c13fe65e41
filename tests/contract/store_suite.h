/*
 * store_suite.h - the contract of core/store.h as tests, run for each implementation.
 *
 * A program gives a factory and calls store_suite_run(); everything else here is for the suite's
 * own files (store_suite_*.c) and for tests of one implementation that use the same fixture.
 */
#ifndef FAREBOX_STORE_SUITE_H
#define FAREBOX_STORE_SUITE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store.h"

struct store_fixture;

/* How one implementation makes stores. */
struct store_factory {
    const char *name;
    bool has_threads; /* connections may work at the same time */
    /* Fresh, empty data for the fixture; NULL fails the test. */
    void *(*data_open)(struct store_fixture *fixture);
    void (*data_close)(void *data);
    /* A connection to the data, with the fixture's clock and, where it matters, `texts`. */
    struct store *(*connect)(void *data, struct store_fixture *fixture, struct texts *texts);
};

/* One store, one connection and one pool for each test. */
struct store_fixture {
    const struct store_factory *factory;
    void *data;
    struct store *store;
    struct texts *texts;
    int64_t now_ms; /* the store's clock */
    uint64_t sequence;
};

/* Runs the whole suite; the number of failed tests. */
int store_suite_run(const struct store_factory *factory);

/* cmocka's setup and teardown of one test; `*state` is a struct store_fixture. */
int store_fixture_setup(void **state);
int store_fixture_teardown(void **state);
/* The factory of the fixtures that follow. */
void store_fixture_use(const struct store_factory *factory);
int64_t store_fixture_now(void *fixture);

#define SUITE_TEST(test)                                                                           \
    cmocka_unit_test_setup_teardown(test, store_fixture_setup, store_fixture_teardown)

/* Groups of tests, by file. */
int store_suite_payments(void);
int store_suite_scans(void);
int store_suite_outbox(void);
int store_suite_failed_events(void);
int store_suite_leases(void);
int store_suite_batches(void);
int store_suite_limits(void);
int store_suite_races(void);

/* Values. */
text_id suite_text(struct store_fixture *fixture, const char *string);
text_id suite_bytes(struct store_fixture *fixture, const void *bytes, size_t len);
struct uuid suite_uuid(uint64_t number);
struct token suite_token(struct store_fixture *fixture); /* never the same twice */

/* Units with a new token. The image is a claim: PROCESSING, due in ten minutes. */
struct payment_row suite_image(struct store_fixture *fixture, const char *trip_id, uint64_t number);
struct unit suite_open(struct store_fixture *fixture, const struct payment_row *image);
struct unit suite_move(struct store_fixture *fixture, const struct payment_row *image,
                       enum payment_status guard_status, uint32_t guard_epoch);
/* Adds the payment's outcome, leased for 30 s. Its event id is the image's payment id as it is. */
void suite_outcome(struct store_fixture *fixture, struct unit *unit, enum outcome_type type);
/* Moves the outcome of the payment with this number. */
struct unit suite_outbox_move(struct store_fixture *fixture, uint64_t payment_number,
                              enum outbox_status guard_status, uint32_t guard_epoch,
                              enum outbox_status status, int64_t due_in_ms);
/* A dead letter of trip_events, partition 0, at this offset. */
struct unit suite_dead_letter(struct store_fixture *fixture, int64_t offset);
struct unit suite_dead_letter_move(struct store_fixture *fixture, int64_t row_id,
                                   uint32_t guard_epoch, enum failed_event_status status,
                                   uint64_t event_number);
struct unit suite_lease(struct store_fixture *fixture, const char *holder, enum lease_op op,
                        int32_t lock_ms, int32_t at_least_ms);

/* Submits; the batch must be committed. */
void suite_submit(struct store_fixture *fixture, const struct unit *units, uint32_t count,
                  struct unit_result *results);
struct unit_result suite_submit_one(struct store_fixture *fixture, const struct unit *unit);
/* The same, and the verdict must be this one. */
void suite_expect(struct store_fixture *fixture, const struct unit *unit,
                  enum unit_verdict verdict);

/* Reads that must succeed. */
struct payment_view suite_read(struct store_fixture *fixture, const char *trip_id);
bool suite_trip_exists(struct store_fixture *fixture, const char *trip_id);
uint32_t suite_scan(struct store_fixture *fixture, enum scan_kind kind, uint32_t limit,
                    union store_row *rows);
/* Every outbox row that is not DONE, whenever it is due; the clock is put back. */
uint32_t suite_outbox_all(struct store_fixture *fixture, union store_row *rows);

/* The stored row is the image, with this epoch and token. Ages are left out. */
void suite_assert_row(const struct payment_row *row, const struct payment_row *image,
                      uint32_t epoch, struct token token);

#endif
