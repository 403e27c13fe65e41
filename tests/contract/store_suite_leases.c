/* Leases: ShedLock's semantics (CONTRACTS 7), by the store's clock alone. */
#include "store_suite.h"

static void expect(struct store_fixture *f, const char *holder, enum lease_op op, int32_t ms,
                   enum unit_verdict verdict)
{
    struct unit unit = suite_lease(f, holder, op, ms, ms);
    suite_expect(f, &unit, verdict);
}

static void lease_is_taken_by_one_until_it_runs_out(void **state)
{
    struct store_fixture *f = *state;
    expect(f, "a", LEASE_TAKE, 50000, UNIT_APPLIED);
    expect(f, "b", LEASE_TAKE, 50000, UNIT_REFUSED);
    expect(f, "a", LEASE_TAKE, 50000, UNIT_REFUSED); /* not even by its holder */
    f->now_ms += 49999;
    expect(f, "b", LEASE_TAKE, 50000, UNIT_REFUSED);
    f->now_ms += 1;
    expect(f, "b", LEASE_TAKE, 50000, UNIT_APPLIED);
    expect(f, "a", LEASE_EXTEND, 50000, UNIT_REFUSED);
}

static void leases_of_other_names_are_free(void **state)
{
    struct store_fixture *f = *state;
    expect(f, "a", LEASE_TAKE, 50000, UNIT_APPLIED);
    struct unit unit = suite_lease(f, "b", LEASE_TAKE, 50000, 0);
    unit.as.lease.name = LEASE_CLEANUP;
    suite_expect(f, &unit, UNIT_APPLIED);
}

static void holder_extends_while_it_holds(void **state)
{
    struct store_fixture *f = *state;
    expect(f, "a", LEASE_EXTEND, 50000, UNIT_REFUSED); /* no row yet */
    expect(f, "a", LEASE_TAKE, 50000, UNIT_APPLIED);
    expect(f, "b", LEASE_EXTEND, 50000, UNIT_REFUSED);
    f->now_ms += 40000;
    expect(f, "a", LEASE_EXTEND, 50000, UNIT_APPLIED);
    f->now_ms += 49999;
    expect(f, "b", LEASE_TAKE, 50000, UNIT_REFUSED);
    f->now_ms += 1;
    expect(f, "a", LEASE_EXTEND, 50000, UNIT_REFUSED);
    expect(f, "b", LEASE_TAKE, 50000, UNIT_APPLIED);
}

/* Trap 15: the holder wakes after a pause and is told. */
static void lease_that_ran_out_cannot_be_extended_or_released(void **state)
{
    struct store_fixture *f = *state;
    expect(f, "a", LEASE_TAKE, 50000, UNIT_APPLIED);
    f->now_ms += 50000;
    expect(f, "a", LEASE_EXTEND, 50000, UNIT_REFUSED);
    expect(f, "a", LEASE_RELEASE, 0, UNIT_REFUSED);
    expect(f, "b", LEASE_TAKE, 50000, UNIT_APPLIED);
    expect(f, "a", LEASE_RELEASE, 0, UNIT_REFUSED);
    expect(f, "c", LEASE_TAKE, 50000, UNIT_REFUSED); /* still b's */
}

static void release_frees_at_once_but_not_before_the_at_least_time(void **state)
{
    struct store_fixture *f = *state;
    expect(f, "a", LEASE_TAKE, 50000, UNIT_APPLIED);
    f->now_ms += 10000;
    expect(f, "b", LEASE_RELEASE, 0, UNIT_REFUSED);
    expect(f, "a", LEASE_RELEASE, 30000, UNIT_APPLIED);
    f->now_ms += 19999;
    expect(f, "b", LEASE_TAKE, 50000, UNIT_REFUSED);
    f->now_ms += 1;
    expect(f, "b", LEASE_TAKE, 50000, UNIT_APPLIED);
    f->now_ms += 40000;
    expect(f, "b", LEASE_RELEASE, 30000, UNIT_APPLIED);
    expect(f, "c", LEASE_TAKE, 50000, UNIT_APPLIED);
}

static void lease_unit_sent_again_is_applied(void **state)
{
    struct store_fixture *f = *state;
    struct unit take = suite_lease(f, "a", LEASE_TAKE, 50000, 0);
    suite_expect(f, &take, UNIT_APPLIED);
    f->now_ms += 100;
    suite_expect(f, &take, UNIT_APPLIED);
    f->now_ms += 49900; /* not counted from the second sending */
    struct unit other = suite_lease(f, "b", LEASE_TAKE, 50000, 0);
    suite_expect(f, &other, UNIT_APPLIED);
    suite_expect(f, &take, UNIT_REFUSED);
    struct unit release = suite_lease(f, "b", LEASE_RELEASE, 0, 0);
    suite_expect(f, &release, UNIT_APPLIED);
    suite_expect(f, &release, UNIT_APPLIED);
}

int store_suite_leases(void)
{
    const struct CMUnitTest tests[] = {
        SUITE_TEST(lease_is_taken_by_one_until_it_runs_out),
        SUITE_TEST(leases_of_other_names_are_free),
        SUITE_TEST(holder_extends_while_it_holds),
        SUITE_TEST(lease_that_ran_out_cannot_be_extended_or_released),
        SUITE_TEST(release_frees_at_once_but_not_before_the_at_least_time),
        SUITE_TEST(lease_unit_sent_again_is_applied),
    };
    return cmocka_run_group_tests_name("store: leases", tests, NULL, NULL);
}
