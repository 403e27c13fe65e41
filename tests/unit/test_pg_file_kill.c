/* SIGKILL of a process that charges, thirty times: what was answered is in the ledger, once. */
#include "pg_file_test_world.h"

#include <signal.h>
#include <sys/wait.h>

#define KILLS   30
#define LATE_MS 1000000

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

static void child_charge(struct world *w, uint32_t trip, int out)
{
    struct pg_fake_rule late = {.fault = PG_FAULT_LATE, .value = LATE_MS};
    (void)texts_init(w->texts, 4096, 1 << 18);
    pg_fake_rules_clear(pg_file_fake(w->file));
    if (is_late(trip) && !pg_fake_rule_add(pg_file_fake(w->file), &late)) {
        _exit(3);
    }
    struct told told = {.trip = trip};
    told.kind = ask(w, test_charge(w->texts, trip, amount_of(trip)), trip).kind;
    if (is_cancelled(trip)) {
        told.kind = ask(w, test_cancel(w->texts, trip, 1), trip).kind;
    }
    if (write(out, &told, sizeof told) != sizeof told) {
        _exit(4);
    }
}

static void child_run(struct world *w, uint32_t trip, int out)
{
    if (try_open(w) != PG_FILE_OK) {
        _exit(2);
    }
    for (;;) {
        child_charge(w, trip++, out);
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

/* The first trip of a child may have been asked by the last one: then its key is still open. */
static bool is_expected(uint8_t kind, uint32_t trip, bool again)
{
    if (!is_late(trip)) {
        return kind == PG_ANSWER_PAYMENT;
    }
    return kind == PG_ANSWER_TIMEOUT || (again && kind == PG_ANSWER_ERROR);
}

/* Reads what the child tells until `enough`, kills it, reads the rest; the first untold trip. */
static uint32_t kill_after(pid_t child, int in, uint32_t next, uint32_t enough)
{
    const uint32_t first = next;
    struct told told;
    bool killed = false;
    while (read(in, &told, sizeof told) == sizeof told) {
        assert_int_equal(told.trip, next);
        assert_true(is_expected(told.kind, next, next == first));
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

static void what_was_answered_outlives_thirty_kills(void **state)
{
    struct world *w = *state;
    uint32_t next = 1;
    for (uint32_t round = 0; round < KILLS; round++) {
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            (void)close(ends[0]);
            child_run(w, next, ends[1]);
        }
        assert_int_equal(close(ends[1]), 0);
        next = kill_after(child, ends[0], next, 1 + round * 7 % 11);
        assert_int_equal(close(ends[0]), 0);
        must_open(w);
        const struct pg_ledger *ledger = pg_fake_ledger_view(pg_file_fake(w->file));
        for (uint32_t trip = 1; trip < next; trip++) {
            check_trip(w, trip);
        }
        /* The one that was under way is in the file or not; the next child asks it again. */
        assert_in_range(pg_ledger_order_count(ledger), next - 1, next);
        must_close(w);
    }
    must_open(w);
    pg_file_advance(w->file, next + LATE_MS);
    for (uint32_t trip = 1; trip < next; trip++) {
        assert_int_equal(totals(w, trip).approvals, 1);
        assert_int_equal(totals(w, trip).captured_krw, amount_of(trip));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        rule(what_was_answered_outlives_thirty_kills),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
