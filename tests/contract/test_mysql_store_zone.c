/* The date-times of the old service: written in its zone for readers, read where nothing else is.
 */
#include "mysql_factory.h"
#include "sql_client.h"

#include <stdio.h>
#include <string.h>

#define HOUR_S 3600
/* New York's clocks go back: 2026-11-01 06:00:00 UTC, 02:00 there, which becomes 01:00. */
#define BACK_S INT64_C(1793512800)
/* And forward: 2026-03-08 07:00:00 UTC, 02:00 there, which becomes 03:00. */
#define FORWARD_S INT64_C(1772953200)

static struct sql_client sql;

static int32_t seoul(int64_t unix_s)
{
    (void)unix_s;
    return 9 * HOUR_S;
}

static int32_t new_york(int64_t unix_s)
{
    return (unix_s >= FORWARD_S && unix_s < BACK_S ? -4 : -5) * HOUR_S;
}

/* A store whose server and whose process have the fixture's clock. */
static void open_in(struct store_fixture *f, int32_t (*zone_offset_s)(int64_t unix_s))
{
    struct mysql_store_options options = mysql_factory_options(mysql_factory_database(f->data));
    options.zone_offset_s = zone_offset_s;
    options.now_ms = store_fixture_now;
    options.clock_context = f;
    char error[700];
    f->store->ops->close(f->store);
    if (!mysql_store_open(&options, &f->store, error, sizeof(error))) {
        fail_msg("%s", error);
    }
    sql_client_close(&sql);
    sql_client_open(&sql, &mysql_factory_server, mysql_factory_database(f->data));
}

static int teardown(void **state)
{
    sql_client_close(&sql);
    return store_fixture_teardown(state);
}

#define ZONE_TEST(test) cmocka_unit_test_setup_teardown(test, store_fixture_setup, teardown)

static void expect_times(const char *what, const char *from, const char *when)
{
    const char *seen = sql_client_text(&sql, "SELECT %s FROM %s", what, from);
    if (strncmp(seen, when, strlen(when)) != 0) {
        fail_msg("%s of %s is %s instead of %s", what, from, seen, when);
    }
}

static void all_tables_have_local_times_of_the_zone(void **state)
{
    struct store_fixture *f = *state;
    open_in(f, seoul);
    f->now_ms = INT64_C(1793512800123); /* 15:00 in Seoul */
    struct payment_row image = suite_image(f, "trip-1", 1);
    struct unit unit = suite_open(f, &image);
    suite_expect(f, &unit, UNIT_APPLIED);
    expect_times("requested_at", "payments", "2026-11-01 15:00:00.123");
    expect_times("created_at", "payments", "2026-11-01 15:00:00.123");
    expect_times("completed_at", "payments", "NULL");
    f->now_ms += 60000;
    image.status = PAYMENT_COMPLETED;
    unit = suite_move(f, &image, PAYMENT_PROCESSING, 1);
    suite_outcome(f, &unit, OUTCOME_COMPLETED);
    suite_expect(f, &unit, UNIT_APPLIED);
    expect_times("requested_at", "payments", "2026-11-01 15:00:00.123");
    expect_times("completed_at", "payments", "2026-11-01 15:01:00.123");
    expect_times("updated_at", "payments", "2026-11-01 15:01:00.123");
    expect_times("created_at", "payment_outbox", "2026-11-01 15:01:00.123");
    f->now_ms += 60000;
    unit = suite_outbox_move(f, 1, OUTBOX_PUBLISHING, 1, OUTBOX_DONE, DUE_NEVER);
    suite_expect(f, &unit, UNIT_APPLIED);
    expect_times("updated_at", "payment_outbox", "2026-11-01 15:02:00.123");
    unit = suite_dead_letter(f, 7);
    suite_expect(f, &unit, UNIT_APPLIED);
    expect_times("created_at", "failed_event", "2026-11-01 15:02:00.123");
    f->now_ms += 60000;
    unit = suite_dead_letter_move(f, 1, 1, FAILED_EVENT_RESOLVED, 502);
    suite_expect(f, &unit, UNIT_APPLIED);
    expect_times("updated_at", "failed_event", "2026-11-01 15:03:00.123");
    expect_times("created_at", "payment_outbox WHERE status = 'READY'", "2026-11-01 15:03:00.123");
    image = suite_image(f, "trip-2", 2);
    image.status = PAYMENT_COMPLETED;
    unit = suite_open(f, &image);
    suite_expect(f, &unit, UNIT_APPLIED);
    expect_times("completed_at", "payments WHERE trip_id = 'trip-2'", "2026-11-01 15:03:00.123");
}

/* The offset is the one of the instant of writing, a second before and after the change too. */
static void clocks_that_change_are_followed_to_the_second(void **state)
{
    struct store_fixture *f = *state;
    static const struct {
        int64_t at_s;
        const char *local;
    } cases[] = {{BACK_S - 1, "2026-11-01 01:59:59"},
                 {BACK_S, "2026-11-01 01:00:00"},
                 {BACK_S + 2 * 24 * HOUR_S, "2026-11-03 01:00:00"},
                 {FORWARD_S - 1, "2026-03-08 01:59:59"},
                 {FORWARD_S, "2026-03-08 03:00:00"},
                 {FORWARD_S - 2 * 24 * HOUR_S, "2026-03-06 02:00:00"}};
    open_in(f, new_york);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char trip[20];
        char from[60];
        (void)snprintf(trip, sizeof(trip), "trip-%zu", i);
        (void)snprintf(from, sizeof(from), "payments WHERE trip_id = '%s'", trip);
        f->now_ms = cases[i].at_s * 1000;
        struct payment_row image = suite_image(f, trip, i + 1);
        struct unit unit = suite_open(f, &image);
        suite_expect(f, &unit, UNIT_APPLIED);
        expect_times("requested_at", from, cases[i].local);
        assert_int_equal(suite_read(f, trip).requested_at_ms, cases[i].at_s * 1000);
    }
}

static void old_row(const char *trip, unsigned number, const char *requested, const char *completed)
{
    sql_client_run(&sql,
                   "INSERT INTO payments (created_at, updated_at, amount, completed_at, payment_id,"
                   " payment_method_id, pg_transaction_id, requested_at, status, trip_id, user_id)"
                   " VALUES (%s, %s, 100, %s, '6f2d5f3c-0000-4000-8000-0000000000%02u', 'method',"
                   " 'tx_70f181ee', %s, 'COMPLETED', '%s', 'user')",
                   requested, requested, completed, number, requested, trip);
}

static void old_rows_are_read_in_the_zone(void **state)
{
    struct store_fixture *f = *state;
    open_in(f, new_york);
    old_row("usual", 1, "'2026-07-01 12:00:00.5'", "'2026-12-01 12:00:00.250'");
    old_row("twice", 2, "'2026-11-01 01:30:00'", "'2026-11-01 02:00:00'");
    old_row("never", 3, "'2026-03-08 02:30:00'", "'2026-03-08 03:00:00'");
    old_row("open", 4, "'1999-12-31 19:00:00'", "NULL");
    struct payment_view view = suite_read(f, "usual");
    assert_int_equal(view.requested_at_ms, INT64_C(1782921600500));
    assert_int_equal(view.completed_at_ms, INT64_C(1796144400250));
    view = suite_read(f, "twice");
    assert_int_equal(view.requested_at_ms, (BACK_S - HOUR_S / 2) * 1000);
    assert_int_equal(view.completed_at_ms, (BACK_S + HOUR_S) * 1000);
    view = suite_read(f, "never");
    assert_int_equal(view.requested_at_ms, (FORWARD_S + HOUR_S / 2) * 1000);
    assert_int_equal(view.completed_at_ms, FORWARD_S * 1000);
    view = suite_read(f, "open");
    assert_int_equal(view.requested_at_ms, INT64_C(946684800000));
    assert_int_equal(view.completed_at_ms, AGE_NONE);
}

int main(void)
{
    if (!mariadb_server_is_there()) {
        return 0;
    }
    if (!mysql_factory_start(true)) {
        return 1;
    }
    store_fixture_use(&store_factory_mysql);
    const struct CMUnitTest tests[] = {
        ZONE_TEST(all_tables_have_local_times_of_the_zone),
        ZONE_TEST(clocks_that_change_are_followed_to_the_second),
        ZONE_TEST(old_rows_are_read_in_the_zone),
    };
    int failed = cmocka_run_group_tests_name("mysql store: zone", tests, NULL, NULL);
    mysql_factory_stop();
    return failed;
}
