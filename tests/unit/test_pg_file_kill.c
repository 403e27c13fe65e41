/* SIGKILL of a process that charges, thirty times: what was answered is in the ledger, once. So it
 * is where a process charges in groups and tells of each after its end. */
#include "pg_file_test_world.h"

#include <signal.h>
#include <sys/wait.h>

#define KILLS   30
#define LATE_MS 1000000
#define GROUP   4 /* trips that a child charges before it tells of them */

/* What the child tells through the pipe once a trip's call has returned. */
struct told {
    uint32_t trip;
    uint8_t kind; /* enum pg_answer_kind */
    uint8_t reserved[3];
};

/* Every third trip is charged late, every fourth is cancelled again. */
static bool is_late(uint32_t trip)
{
    return trip % 3 == 0;
}

static bool is_cancelled(uint32_t trip)
{
    return trip % 4 == 1 && !is_late(trip);
}

static int64_t amount_of(uint32_t trip)
{
    return 1000 + trip;
}

static struct told child_charge(struct world *w, uint32_t trip)
{
    struct pg_fake_rule late = {.fault = PG_FAULT_LATE, .value = LATE_MS};
    struct told told = {.trip = trip};
    (void)texts_init(w->texts, 4096, 1 << 18);
    pg_fake_rules_clear(pg_file_fake(w->file));
    if (is_late(trip) && !pg_fake_rule_add(pg_file_fake(w->file), &late)) {
        _exit(3);
    }
    told.kind = ask(w, test_charge(w->texts, trip, amount_of(trip)), trip).kind;
    if (is_cancelled(trip)) {
        told.kind = ask(w, test_cancel(w->texts, trip, 1), trip).kind;
    }
    return told;
}

static void child_tell(int out, const struct told *told)
{
    if (write(out, told, sizeof *told) != sizeof *told) {
        _exit(4);
    }
}

static void child_run(struct world *w, uint32_t trip, uint32_t group, int out)
{
    struct told told[GROUP];
    if (try_open(w) != PG_FILE_OK) {
        _exit(2);
    }
    for (;; trip += group) {
        if (group > 1) {
            pg_file_begin(w->file, trip);
        }
        for (uint32_t i = 0; i < group; i++) {
            told[i] = child_charge(w, trip + i);
        }
        if (group > 1 && !pg_file_end(w->file)) {
            _exit(5);
        }
        for (uint32_t i = 0; i < group; i++) {
            child_tell(out, &told[i]);
        }
    }
}

static void check_trip(struct world *w, uint32_t trip)
{
    struct pg_ledger_totals t = totals(w, trip);
    assert_int_equal(t.approvals, !is_late(trip));
    assert_int_equal(t.pending, is_late(trip));
    assert_int_equal(t.captured_krw, is_late(trip) ? 0 : amount_of(trip));
    assert_int_equal(t.refunded_krw, is_cancelled(trip) ? amount_of(trip) : 0);
}

/* The first trips of a child may have been asked by the last one: then their keys are still open.
 */
static bool is_expected(uint8_t kind, uint32_t trip, bool again)
{
    if (!is_late(trip)) {
        return kind == PG_ANSWER_PAYMENT;
    }
    return kind == PG_ANSWER_TIMEOUT || (again && kind == PG_ANSWER_ERROR);
}

/* Reads what the child tells until `enough`, kills it, reads the rest; the first untold trip. */
static uint32_t kill_after(pid_t child, int in, uint32_t next, uint32_t group, uint32_t enough)
{
    const uint32_t first = next;
    struct told told;
    bool killed = false;
    while (read(in, &told, sizeof told) == sizeof told) {
        assert_int_equal(told.trip, next);
        assert_true(is_expected(told.kind, next, next < first + group));
        next++;
        if (!killed && --enough == 0) {
            assert_int_equal(kill(child, SIGKILL), 0);
            killed = true;
        }
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    return next;
}

/* Starts a child that charges from `next` on, and kills it; the first untold trip. */
static uint32_t run_and_kill(struct world *w, uint32_t next, uint32_t group, uint32_t enough)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)close(ends[0]);
        child_run(w, next, group, ends[1]);
    }
    assert_int_equal(close(ends[1]), 0);
    next = kill_after(child, ends[0], next, group, enough);
    assert_int_equal(close(ends[0]), 0);
    return next;
}

static void expect_what_was_told_after_each_kill(struct world *w, uint32_t group)
{
    uint32_t next = 1;
    for (uint32_t round = 0; round < KILLS; round++) {
        next = run_and_kill(w, next, group, 1 + round * 7 % 11);
        must_open(w);
        const struct pg_ledger *ledger = pg_fake_ledger_view(pg_file_fake(w->file));
        for (uint32_t trip = 1; trip < next; trip++) {
            check_trip(w, trip);
        }
        /* Those that were under way are in the file or not; the next child asks them again. */
        assert_in_range(pg_ledger_order_count(ledger), next - 1, next - 1 + group);
        must_close(w);
    }
    must_open(w);
    pg_file_advance(w->file, next + LATE_MS);
    for (uint32_t trip = 1; trip < next; trip++) {
        assert_int_equal(totals(w, trip).approvals, 1);
        assert_int_equal(totals(w, trip).captured_krw, amount_of(trip));
    }
}

static void what_was_answered_outlives_thirty_kills(void **state)
{
    expect_what_was_told_after_each_kill(*state, 1);
}

static void what_was_told_after_the_end_of_its_group_outlives_thirty_kills(void **state)
{
    expect_what_was_told_after_each_kill(*state, GROUP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        rule(what_was_answered_outlives_thirty_kills),
        rule(what_was_told_after_the_end_of_its_group_outlives_thirty_kills),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
