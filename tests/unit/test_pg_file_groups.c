/*
 * Groups of calls of the fake PG's file: one lock, one write, and nothing told before it is
 * durable.
 */
#include "pg_file_test_world.h"
#include "unit_support.h"

#include <errno.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>

/* So many charges are more than a group keeps back at once. */
#define MANY       600
#define KEPT_BYTES (64U << 10)

/* Another handle on the same file. */
static struct world second_of(const struct world *w)
{
    struct world other = *w;
    other.file = NULL;
    must_open(&other);
    return other;
}

static size_t size_of_file(struct world *w)
{
    size_t len = 0;
    free(file_bytes(w, &len));
    return len;
}

/* Whether another descriptor gets the lock at once. */
static bool is_unlocked(const struct world *w)
{
    int fd = open(w->path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    bool is_free = flock(fd, LOCK_EX | LOCK_NB) == 0;
    assert_true(is_free || errno == EWOULDBLOCK);
    assert_int_equal(close(fd), 0);
    return is_free;
}

/* A group whose end keeps the others out would leave the test waiting. */
static void must_end(struct world *w)
{
    assert_true(pg_file_end(w->file));
    assert_true(is_unlocked(w));
}

/* A handle that has only read the file says of it what this one says. */
static void expect_replayed(struct world *w)
{
    struct world fresh = second_of(w);
    char *lived = dump(w);
    char *replayed = dump(&fresh);
    assert_string_equal(lived, replayed);
    assert_int_equal(pg_file_entries(fresh.file), pg_file_entries(w->file));
    assert_int_equal(pg_file_bytes_cut(fresh.file), 0);
    free(lived);
    free(replayed);
    must_close(&fresh);
}

static void nothing_of_a_group_is_in_the_file_before_its_end_and_all_after(void **state)
{
    struct world *w = *state;
    must_open(w);
    struct world other = second_of(w);
    size_t before = size_of_file(w);
    pg_file_begin(w->file, 1000);
    assert_payment(ask(w, test_charge(w->texts, 1, 15200), 1000), PG_DONE, 15200, 15200);
    assert_payment(ask(w, test_charge(w->texts, 2, 900), 1001), PG_DONE, 900, 900);
    assert_payment(ask(w, test_cancel(w->texts, 1, 1), 1002), PG_CANCELED, 15200, 0);
    assert_int_equal(size_of_file(w), before);
    must_end(w);
    assert_true(size_of_file(w) > before + 200);
    pg_file_advance(other.file, 1003);
    assert_int_equal(totals(&other, 1).refunded_krw, 15200);
    assert_int_equal(totals(&other, 2).captured_krw, 900);
    assert_payment(ask(&other, test_charge(w->texts, 2, 900), 1003), PG_DONE, 900, 900);
    expect_replayed(w);
    must_close(&other);
}

static void calls_of_a_group_see_one_another_and_what_was_before(void **state)
{
    struct world *w = *state;
    must_open(w);
    struct world other = second_of(w);
    (void)ask(&other, test_charge(w->texts, 1, 15200), 1000);
    pg_file_begin(w->file, 1001);
    assert_payment(ask(w, test_lookup(1), 1001), PG_DONE, 15200, 15200);
    struct pg_ledger_request twice = test_charge(w->texts, 1, 15200);
    twice.key = texts_intern_string(w->texts, "another-key");
    assert_code(w->texts, ask(w, twice, 1001), "DUPLICATED_ORDER_ID");
    assert_payment(ask(w, test_charge(w->texts, 2, 900), 1001), PG_DONE, 900, 900);
    assert_payment(ask(w, test_charge(w->texts, 2, 900), 1002), PG_DONE, 900, 900);
    must_end(w);
    assert_int_equal(totals(w, 2).approvals, 1);
    assert_int_equal(pg_file_entries(w->file), 5); /* two accounts, three keys */
    expect_replayed(w);
    must_close(&other);
}

static void the_others_wait_from_its_begin_to_its_end(void **state)
{
    struct world *w = *state;
    must_open(w);
    assert_true(is_unlocked(w));
    pg_file_begin(w->file, 1000);
    assert_false(is_unlocked(w));
    (void)ask(w, test_charge(w->texts, 1, 15200), 1000);
    assert_false(is_unlocked(w));
    (void)ask(w, test_lookup(1), 1001);
    assert_false(is_unlocked(w));
    must_end(w);
    (void)ask(w, test_charge(w->texts, 2, 900), 1002);
    assert_true(is_unlocked(w));
}

static void an_empty_group_and_one_of_look_ups_write_nothing(void **state)
{
    struct world *w = *state;
    must_open(w);
    (void)ask(w, test_charge(w->texts, 1, 15200), 1000);
    size_t before = size_of_file(w);
    pg_file_begin(w->file, 1001);
    must_end(w);
    pg_file_begin(w->file, 1002);
    assert_payment(ask(w, test_lookup(1), 1002), PG_DONE, 15200, 15200);
    must_end(w);
    assert_int_equal(size_of_file(w), before);
    assert_true(is_unlocked(w));
}

static void a_group_longer_than_what_it_keeps_back_is_whole(void **state)
{
    struct world *w = *state;
    must_open(w);
    struct world other = second_of(w);
    size_t before = size_of_file(w);
    pg_file_begin(w->file, 1000);
    for (uint32_t trip = 0; trip < MANY; trip++) {
        assert_payment(ask(w, test_charge(w->texts, trip, 1000 + trip), 1000 + trip), PG_DONE,
                       1000 + trip, 1000 + trip);
    }
    assert_false(is_unlocked(w));
    must_end(w);
    assert_true(size_of_file(w) > before + KEPT_BYTES + KEPT_BYTES / 4);
    pg_file_advance(other.file, 9000);
    for (uint32_t trip = 0; trip < MANY; trip++) {
        assert_int_equal(totals(&other, trip).captured_krw, 1000 + trip);
    }
    expect_replayed(w);
    must_close(&other);
}

/* Files may grow no further than `len`. */
static struct rlimit tighten(size_t len)
{
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    struct rlimit tight = {.rlim_cur = len, .rlim_max = before.rlim_max};
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    return before;
}

static void loosen(const struct rlimit *before)
{
    assert_int_equal(setrlimit(RLIMIT_FSIZE, before), 0);
    (void)signal(SIGXFSZ, SIG_DFL);
}

static void expect_down(struct world *w)
{
    assert_true(pg_file_is_down(w->file));
    assert_int_equal(pg_file_errno(w->file), EFBIG);
    assert_true(is_unlocked(w));
    assert_int_equal(ask(w, test_lookup(1), 1002).kind, PG_ANSWER_NOT_SENT);
    pg_file_begin(w->file, 1003);
    assert_true(is_unlocked(w));
    assert_int_equal(ask(w, test_charge(w->texts, 1, 15200), 1003).kind, PG_ANSWER_NOT_SENT);
    /* Nothing was done, so nothing can be lost. */
    assert_true(pg_file_end(w->file));
    assert_true(is_unlocked(w));
}

static void a_full_disk_at_the_end_of_a_group_brings_it_down(void **state)
{
    struct world *w = *state;
    must_open(w);
    (void)ask(w, test_charge(w->texts, 1, 15200), 1000);
    struct rlimit before = tighten(size_of_file(w) + 50);
    pg_file_begin(w->file, 1001);
    (void)ask(w, test_charge(w->texts, 2, 900), 1001);
    (void)ask(w, test_charge(w->texts, 3, 700), 1001);
    bool is_durable = pg_file_end(w->file);
    loosen(&before);
    assert_false(is_durable);
    expect_down(w);
    must_close(w);
    must_open(w);
    assert_int_equal(pg_file_bytes_cut(w->file), 50);
    assert_int_equal(totals(w, 1).captured_krw, 15200);
    assert_int_equal(totals(w, 2).captured_krw, 0);
    assert_payment(ask(w, test_charge(w->texts, 3, 700), 1004), PG_DONE, 700, 700);
}

static void a_disk_that_fills_up_within_a_group_fails_the_rest_and_its_end(void **state)
{
    struct world *w = *state;
    uint32_t trip = 0;
    must_open(w);
    struct rlimit before = tighten(size_of_file(w) + KEPT_BYTES / 2);
    pg_file_begin(w->file, 1000);
    while (trip < MANY && !pg_file_is_down(w->file)) {
        (void)ask(w, test_charge(w->texts, trip++, 900), 1000);
    }
    struct pg_answer after = ask(w, test_charge(w->texts, trip, 900), 1001);
    bool was_locked = !is_unlocked(w);
    bool is_durable = pg_file_end(w->file);
    loosen(&before);
    assert_in_range(trip, 2, MANY - 1);
    assert_int_equal(after.kind, PG_ANSWER_NOT_SENT);
    assert_true(was_locked);
    assert_false(is_durable);
    expect_down(w);
    must_close(w);
    must_open(w);
    assert_true(pg_file_bytes_cut(w->file) > 0);
    assert_int_equal(totals(w, 0).approvals, 1);
    assert_int_equal(totals(w, trip - 1).approvals, 0);
}

static void a_reader_has_no_groups(void **state)
{
    struct world *w = *state;
    must_open(w);
    (void)ask(w, test_charge(w->texts, 1, 15200), 1000);
    size_t before = size_of_file(w);
    struct world reader = *w;
    reader.options.read_only = true;
    must_open(&reader);
    pg_file_begin(reader.file, 1001);
    assert_true(is_unlocked(w));
    assert_int_equal(ask(&reader, test_charge(w->texts, 2, 900), 1001).kind, PG_ANSWER_NOT_SENT);
    assert_true(pg_file_end(reader.file));
    assert_false(pg_file_is_down(reader.file));
    assert_int_equal(size_of_file(w), before);
    must_close(&reader);
}

/* As outside a group, what has been seen of it comes before what a clock that is behind does. */
static void late_actions_come_when_due_within_a_group(void **state)
{
    struct world *w = *state;
    must_open(w);
    struct world other = second_of(w);
    always(w, (struct pg_fake_rule){.fault = PG_FAULT_LATE, .value = 5000, .times = 1});
    pg_file_begin(w->file, 1000);
    assert_int_equal(ask(w, test_charge(w->texts, 1, 15200), 1000).kind, PG_ANSWER_TIMEOUT);
    assert_code(w->texts, ask(w, test_lookup(1), 5999), "NOT_FOUND_PAYMENT");
    assert_payment(ask(w, test_lookup(1), 6000), PG_DONE, 15200, 15200);
    assert_payment(ask(w, test_charge(w->texts, 2, 900), 6001), PG_DONE, 900, 900);
    must_end(w);
    assert_payment(ask(&other, test_cancel(w->texts, 1, 1), 2000), PG_CANCELED, 15200, 0);
    pg_file_advance(w->file, 6001);
    expect_replayed(w);
    must_close(&other);
}

static void what_is_due_at_its_begin_has_happened_for_its_calls(void **state)
{
    struct world *w = *state;
    must_open(w);
    always(w, (struct pg_fake_rule){.fault = PG_FAULT_LATE, .value = 5000, .times = 1});
    (void)ask(w, test_charge(w->texts, 1, 15200), 1000);
    pg_file_begin(w->file, 6000);
    assert_payment(ask(w, test_lookup(1), 1000), PG_DONE, 15200, 15200);
    must_end(w);
    expect_replayed(w);
}

static void begin_twice(void *context)
{
    struct world *w = context;
    pg_file_begin(w->file, 1000);
    pg_file_begin(w->file, 1000);
}

static void a_group_within_a_group_is_a_broken_invariant(void **state)
{
    struct world *w = *state;
    must_open(w);
    assert_true(ends_the_process(begin_twice, w));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        rule(nothing_of_a_group_is_in_the_file_before_its_end_and_all_after),
        rule(calls_of_a_group_see_one_another_and_what_was_before),
        rule(the_others_wait_from_its_begin_to_its_end),
        rule(an_empty_group_and_one_of_look_ups_write_nothing),
        rule(a_group_longer_than_what_it_keeps_back_is_whole),
        rule(a_full_disk_at_the_end_of_a_group_brings_it_down),
        rule(a_disk_that_fills_up_within_a_group_fails_the_rest_and_its_end),
        rule(a_reader_has_no_groups),
        rule(late_actions_come_when_due_within_a_group),
        rule(what_is_due_at_its_begin_has_happened_for_its_calls),
        rule(a_group_within_a_group_is_a_broken_invariant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
