#include "mysql_statements.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH STORE_BATCH_MAX

/* Statements of transactions, sessions and start checks have no plan. */
static const char *const planned[] = {"SELECT", "INSERT", "UPDATE", "DELETE"};

/* Every literal becomes one question mark, and a list of alike ones the first of them: statements
 * that differ only in their values have one shape, whatever the count of rows. */
static void shape_of(const char *text, char *shape)
{
    size_t len = 0;
    for (const char *at = text; *at != '\0';) {
        bool word = len > 0 && (isalnum((unsigned char)shape[len - 1]) || shape[len - 1] == '_');
        if (*at == '\'') {
            for (at++; *at != '\0' && *at != '\''; at++) {
                at += *at == '\\' && at[1] != '\0';
            }
            at += *at == '\'';
            shape[len++] = '?';
        } else if (isdigit((unsigned char)*at) && !word) {
            while (isdigit((unsigned char)*at)) {
                at++;
            }
            shape[len++] = '?';
        } else {
            shape[len++] = *at++;
        }
    }
    shape[len] = '\0';
}

static bool is_planned(const char *text)
{
    for (size_t i = 0; i < sizeof(planned) / sizeof(planned[0]); i++) {
        if (strncmp(text, planned[i], strlen(planned[i])) == 0) {
            return true;
        }
    }
    return false;
}

static void statement_add(struct mysql_statements *statements, const char *text)
{
    char *shape = malloc(strlen(text) + 1);
    assert_non_null(shape);
    shape_of(text, shape);
    for (uint32_t i = 0; i < statements->count; i++) {
        if (strcmp(statements->shapes[i], shape) == 0) {
            free(shape);
            return;
        }
    }
    assert_true(statements->count < MYSQL_STATEMENTS_MAX);
    char *copy = malloc(strlen(text) + 1);
    assert_non_null(copy);
    memcpy(copy, text, strlen(text) + 1);
    statements->texts[statements->count] = copy;
    statements->shapes[statements->count++] = shape;
}

static struct unit_result results[BATCH];

static void payments(struct store_fixture *f, uint32_t first, uint32_t count)
{
    static struct unit units[BATCH];
    for (uint32_t i = 0; i < count; i++) {
        char trip_id[32];
        (void)snprintf(trip_id, sizeof(trip_id), "trip-%u", first + i);
        struct payment_row image = suite_image(f, trip_id, first + i);
        units[i] = suite_open(f, &image);
    }
    suite_submit(f, units, count, results);
    suite_submit(f, units, count, results); /* sent again */
    for (uint32_t i = 0; i < count; i++) {
        units[i].token = suite_token(f);
    }
    suite_submit(f, units, count, results); /* duplicates */
    for (uint32_t i = 0; i < count; i++) {
        struct payment_row image = units[i].as.payment.row;
        units[i] = suite_move(f, &image, PAYMENT_PROCESSING, 1);
        units[i].as.payment.row.status = PAYMENT_COMPLETED;
        suite_outcome(f, &units[i], OUTCOME_COMPLETED);
    }
    suite_submit(f, units, count, results);
    for (uint32_t i = 0; i < count; i++) {
        units[i].token = suite_token(f);
    }
    suite_submit(f, units, count, results); /* refused */
    /* Completed by its insert. */
    char ride[32];
    (void)snprintf(ride, sizeof(ride), "free ride %u", first);
    struct payment_row free_ride = suite_image(f, ride, 500000 + first);
    struct unit ridden = suite_open(f, &free_ride);
    suite_outcome(f, &ridden, OUTCOME_COMPLETED);
    suite_expect(f, &ridden, UNIT_APPLIED);
    /* A payment id of another trip. */
    struct payment_row image = suite_image(f, "another trip", first);
    struct unit unit = suite_open(f, &image);
    suite_expect(f, &unit, UNIT_ERROR);
}

static void outbox(struct store_fixture *f, uint32_t first, uint32_t count)
{
    static union store_row rows[STORE_PAGE_MAX];
    static struct unit units[BATCH];
    for (uint32_t i = 0; i < count; i++) {
        units[i] = suite_outbox_move(f, first + i, OUTBOX_PUBLISHING, 1, OUTBOX_READY, 0);
    }
    suite_submit(f, units, count, results);
    for (uint32_t i = 0; i < count; i++) {
        units[i].token = suite_token(f);
    }
    suite_submit(f, units, count, results); /* refused */
    uint32_t found = suite_scan(f, SCAN_OUTBOX_DUE, count, rows);
    assert_int_equal(found, count);
    for (uint32_t i = 0; i < count; i++) {
        units[i] = suite_outbox_move(f, 0, OUTBOX_READY, 2, OUTBOX_DONE, DUE_NEVER);
        units[i].as.outbox.row_id = rows[i].outbox.row_id;
    }
    suite_submit(f, units, count, results);
    for (uint32_t i = 0; i < count; i++) {
        units[i].token = suite_token(f);
    }
    suite_submit(f, units, count, results); /* refused */
}

static void dead_letters(struct store_fixture *f)
{
    static union store_row rows[STORE_PAGE_MAX];
    struct store_page page = {.rows = rows, .texts = f->texts};
    struct store_scan scan = {.kind = SCAN_FAILED_EVENTS, .limit = 100};
    struct failed_event_row row;
    for (int64_t offset = 1; offset <= 3; offset++) {
        struct unit unit = suite_dead_letter(f, offset);
        suite_expect(f, &unit, UNIT_APPLIED);
        unit.token = suite_token(f);
        suite_expect(f, &unit, UNIT_DUPLICATE);
    }
    assert_int_equal(f->store->ops->scan(f->store, &scan, &page), STORE_OK);
    assert_int_equal(page.count, 3);
    int64_t row_id = rows[0].failed_event.row_id;
    scan.topic = rows[0].failed_event.topic;
    scan.after_id = row_id;
    assert_int_equal(f->store->ops->scan(f->store, &scan, &page), STORE_OK);
    assert_int_equal(page.count, 2);
    assert_int_equal(f->store->ops->read_failed_event(f->store, row_id, f->texts, &row), STORE_OK);
    struct unit unit = suite_dead_letter_move(f, row_id, 1, FAILED_EVENT_RESOLVED, 900000);
    suite_expect(f, &unit, UNIT_APPLIED);
    unit.token = suite_token(f);
    suite_expect(f, &unit, UNIT_REFUSED);
}

static void leases(struct store_fixture *f)
{
    struct unit unit = suite_lease(f, "a", LEASE_TAKE, 1000, 0);
    suite_expect(f, &unit, UNIT_APPLIED);
    unit = suite_lease(f, "b", LEASE_TAKE, 1000, 0);
    suite_expect(f, &unit, UNIT_REFUSED);
    unit = suite_lease(f, "a", LEASE_EXTEND, 1000, 0);
    suite_expect(f, &unit, UNIT_APPLIED);
    unit = suite_lease(f, "a", LEASE_RELEASE, 0, 0);
    suite_expect(f, &unit, UNIT_APPLIED);
}

static void every_call(struct store_fixture *f)
{
    static union store_row rows[STORE_PAGE_MAX];
    uint32_t deleted = 0;
    payments(f, 1, 1);
    payments(f, 1000, BATCH);
    outbox(f, 1, 1);
    outbox(f, 1000, BATCH);
    (void)suite_scan(f, SCAN_PAYMENTS_DUE, STORE_PAGE_MAX, rows);
    assert_true(suite_trip_exists(f, "trip-1"));
    dead_letters(f);
    leases(f);
    f->now_ms += 1000;
    assert_int_equal(f->store->ops->purge(f->store, PURGE_OUTBOX_DONE, 0, 10, &deleted), STORE_OK);
    assert_int_equal(deleted, 10);
}

void mysql_statements_record(struct store_fixture *f, struct mysql_statements *statements)
{
    MYSQL *root = mysql_kit_root(f);
    memset(statements, 0, sizeof(*statements));
    mysql_kit_run(root, "SET GLOBAL log_output = 'TABLE'");
    mysql_kit_run(root, "TRUNCATE TABLE mysql.general_log");
    mysql_kit_run(root, "SET GLOBAL general_log = 1");
    every_call(f);
    mysql_kit_run(root, "SET GLOBAL general_log = 0");
    assert_int_equal(mysql_query(root, "SELECT argument FROM mysql.general_log WHERE"
                                       " command_type = 'Query' AND user_host LIKE '%" MARIADB_USER
                                       "%' ORDER BY event_time"),
                     0);
    MYSQL_RES *result = mysql_store_result(root);
    assert_non_null(result);
    for (MYSQL_ROW row = mysql_fetch_row(result); row != NULL; row = mysql_fetch_row(result)) {
        if (is_planned(row[0])) {
            statement_add(statements, row[0]);
        }
    }
    mysql_free_result(result);
    mysql_close(root);
}

void mysql_statements_clear(struct mysql_statements *statements)
{
    for (uint32_t i = 0; i < statements->count; i++) {
        free(statements->texts[i]);
        free(statements->shapes[i]);
    }
    statements->count = 0;
}

#define NOW "UNIX_TIMESTAMP(NOW(3)) * 1000"

void mysql_statements_fill(struct store_fixture *f, MYSQL *root)
{
    char limit[80];
    (void)snprintf(limit, sizeof(limit), "SET timestamp = %lld", (long long)(f->now_ms / 1000));
    mysql_kit_run(root, limit);
    /* One of 200 is at work, half of those are due. */
    mysql_kit_run(root, "INSERT INTO payments (amount, payment_id, payment_method_id, requested_at,"
                        " status, trip_id, user_id, epoch, requested_ms, due_at)"
                        " SELECT 15200, UUID(), 'm', NOW(6),"
                        " IF(seq % 200 = 0, 'PROCESSING', 'COMPLETED'), CONCAT('old-', seq),"
                        " CONCAT('user-', seq % 5000), 2, " NOW ","
                        " IF(seq % 200 = 0, " NOW " + IF(seq % 400 = 0, 0.0 - seq, 60000), NULL)"
                        " FROM seq_1_to_100000");
    mysql_kit_run(root,
                  "INSERT INTO payment_outbox (aggregate_id, payload, status, topic, event_id,"
                  " epoch, due_at, done_at, body)"
                  " SELECT CONCAT('old-', seq), '{}', IF(seq % 300 = 0, 'READY', 'DONE'),"
                  " 'payment_events', UNHEX(MD5(seq)), 2,"
                  " IF(seq % 300 = 0, " NOW " - seq, NULL),"
                  " IF(seq % 300 = 0, NULL, " NOW " - seq * 3000), '{}'"
                  " FROM seq_1_to_100000");
    mysql_kit_run(root, "INSERT INTO failed_event (payload, status, topic, origin_topic,"
                        " origin_partition, origin_offset, origin_at, stored_at, epoch)"
                        " SELECT '{}', IF(seq % 400 = 0, 'PENDING', 'RESOLVED'), 'trip_events',"
                        " 'trip_events', seq % 12, 1000000 + seq, seq, " NOW ", 1"
                        " FROM seq_1_to_100000");
    mysql_kit_run(root, "ANALYZE TABLE payments, payment_outbox, failed_event, shedlock");
}
