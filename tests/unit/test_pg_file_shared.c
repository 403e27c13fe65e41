/*
 * One ledger file in several hands: whoever asks is told what all have done, whatever the clocks
 * of the others say and wherever one of them was killed.
 */
#include "pg_file_test_world.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#define WRITERS 3
#define KILLS   40
#define TRIPS   60

/* Another handle on the same file. */
static struct world second_of(const struct world *w)
{
    struct world other = *w;
    other.file = NULL;
    must_open(&other);
    return other;
}

static void key_used_by_one_writer_is_honoured_by_another(void **state)
{
    struct world *w = *state;
    must_open(w);
    struct world other = second_of(w);
    const struct pg_fake_rule failing = {
        .fault = PG_FAULT_ERROR_AFTER, .code = PG_FAKE_PROVIDER_ERROR, .times = 1};
    always(w, failing);
    struct pg_answer first = ask(w, test_charge(w->texts, 1, 15200), 1000);
    struct pg_answer again = ask(&other, test_charge(w->texts, 1, 15200), 1001);
    assert_int_equal(first.kind, PG_ANSWER_ERROR);
    assert_int_equal(again.kind, PG_ANSWER_ERROR);
    assert_string_equal(texts_string(w->texts, again.code), texts_string(w->texts, first.code));
    assert_int_equal(totals(&other, 1).approvals, 1);
    assert_int_equal(pg_file_entries(other.file), 3); /* two accounts, one charge */
    must_close(&other);
}

static void each_writer_sees_what_the_others_have_done(void **state)
{
    struct world *w = *state;
    must_open(w);
    struct world other = second_of(w);
    (void)ask(w, test_charge(w->texts, 1, 15200), 1000);
    assert_payment(ask(&other, test_lookup(1), 1001), PG_DONE, 15200, 15200);
    assert_payment(ask(&other, test_cancel(w->texts, 1, 1), 1002), PG_CANCELED, 15200, 0);
    assert_payment(ask(w, test_lookup(1), 1003), PG_CANCELED, 15200, 0);
    struct pg_ledger_request twice = test_charge(w->texts, 1, 15200);
    twice.key = texts_intern_string(w->texts, "another-key");
    assert_code(w->texts, ask(&other, twice, 1004), "DUPLICATED_ORDER_ID");
    must_close(&other);
}

/* A cancel at 2000 by a clock that is behind does not come before the approval at 6000 that the
 * other one has been told of. */
static void late_action_that_one_has_seen_has_happened_for_all(void **state)
{
    struct world *w = *state;
    must_open(w);
    struct world other = second_of(w);
    always(w, (struct pg_fake_rule){.fault = PG_FAULT_LATE, .value = 5000, .times = 1});
    (void)ask(w, test_charge(w->texts, 1, 15200), 1000);
    assert_payment(ask(w, test_lookup(1), 9000), PG_DONE, 15200, 15200);
    assert_payment(ask(&other, test_cancel(w->texts, 1, 1), 2000), PG_CANCELED, 15200, 0);
    struct world fresh = second_of(w);
    char *seen = dump(&other);
    char *replayed = dump(&fresh);
    assert_string_equal(seen, replayed);
    free(seen);
    free(replayed);
    must_close(&fresh);
    must_close(&other);
}

static void file_append(const struct world *w, const uint8_t *bytes, size_t len)
{
    FILE *out = fopen(w->path, "ab");
    assert_non_null(out);
    assert_int_equal(fwrite(bytes, 1, len, out), len);
    assert_int_equal(fclose(out), 0);
}

static void half_an_entry_of_a_killed_writer_stops_nobody(void **state)
{
    struct world *w = *state;
    size_t before = 0;
    size_t after = 0;
    must_open(w);
    struct world other = second_of(w);
    free(file_bytes(w, &before));
    (void)ask(w, test_charge(w->texts, 1, 15200), 1000);
    uint8_t *bytes = file_bytes(w, &after);
    for (size_t torn = 1; torn < after - before; torn += 13) {
        uint32_t trip = (uint32_t)torn + 1;
        file_append(w, bytes + before, torn);
        assert_payment(ask(&other, test_charge(w->texts, trip, 900), 1001), PG_DONE, 900, 900);
        assert_payment(ask(w, test_lookup(trip), 1002), PG_DONE, 900, 900);
    }
    assert_true(pg_file_bytes_cut(other.file) > 0);
    assert_int_equal(pg_file_bytes_cut(w->file), 0);
    free(bytes);
    must_close(&other);
}

static void damage_and_cuts_by_others_bring_a_writer_down(void **state)
{
    struct world *w = *state;
    static const uint8_t rubbish[64] = {1, 2, 3, 4, 5, 6, 7, 8};
    size_t len = 0;
    must_open(w);
    struct world other = second_of(w);
    (void)ask(w, test_charge(w->texts, 1, 15200), 1000);
    file_append(w, rubbish, sizeof rubbish);
    assert_int_equal(ask(&other, test_lookup(1), 1001).kind, PG_ANSWER_NOT_SENT);
    assert_true(pg_file_is_down(other.file));
    assert_int_equal(pg_file_errno(other.file), EBADMSG);
    free(file_bytes(w, &len));
    assert_int_equal(truncate(w->path, (off_t)len - (off_t)sizeof rubbish - 20), 0);
    assert_int_equal(ask(w, test_lookup(1), 1002).kind, PG_ANSWER_NOT_SENT);
    assert_int_equal(pg_file_errno(w->file), EBADMSG);
    must_close(&other);
}

static int64_t unix_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static uint32_t draw(uint64_t *seed, uint32_t n)
{
    *seed = *seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (uint32_t)((*seed >> 33) % n);
}

/* Charges, cancels and asks about the same trips as the others, by a clock of its own. */
static void writer_step(struct world *w, uint64_t *seed, int64_t skew_ms)
{
    const struct pg_fake_rule late = {.fault = PG_FAULT_LATE, .value = 30, .times = 1};
    uint32_t trip = draw(seed, TRIPS);
    (void)texts_init(w->texts, 4096, 1 << 18);
    pg_fake_rules_clear(pg_file_fake(w->file));
    if (draw(seed, 3) == 0) {
        always(w, late);
    }
    switch (draw(seed, 4)) {
    case 0:
        (void)ask(w, test_lookup(trip), unix_ms() + skew_ms);
        break;
    case 1:
        (void)ask(w, test_cancel(w->texts, trip, 1), unix_ms() + skew_ms);
        break;
    default:
        (void)ask(w, test_charge(w->texts, trip, 1000 + trip), unix_ms() + skew_ms);
        break;
    }
}

static pid_t writer_start(struct world *w, uint32_t number, uint64_t seed)
{
    pid_t pid = fork();
    if (pid != 0) {
        return pid;
    }
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves nobody behind */
    if (try_open(w) != PG_FILE_OK) {
        _exit(2);
    }
    for (;;) {
        writer_step(w, &seed, (int64_t)number * 40);
    }
}

static void writer_kill(pid_t pid)
{
    int status = 0;
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void expect_equal_views(struct world *w, struct world *fresh, int64_t now_ms)
{
    pg_file_advance(w->file, now_ms);
    pg_file_advance(fresh->file, now_ms);
    char *lived = dump(w);
    char *replayed = dump(fresh);
    assert_string_equal(lived, replayed);
    free(lived);
    free(replayed);
}

static void writers_that_are_killed_leave_one_history(void **state)
{
    struct world *w = *state;
    pid_t writers[WRITERS];
    uint64_t seed = 1;
    must_open(w);
    struct world unopened = *w;
    unopened.file = NULL;
    for (uint32_t i = 0; i < WRITERS; i++) {
        writers[i] = writer_start(&unopened, i, i);
    }
    for (uint32_t round = 0; round < KILLS; round++) {
        uint32_t victim = draw(&seed, WRITERS);
        const struct timespec pause = {.tv_nsec = 1000000L * (1 + draw(&seed, 30))};
        (void)nanosleep(&pause, NULL);
        writer_step(w, &seed, 0);
        writer_kill(writers[victim]);
        writers[victim] = writer_start(&unopened, victim, seed);
    }
    for (uint32_t i = 0; i < WRITERS; i++) {
        writer_kill(writers[i]);
    }
    assert_false(pg_file_is_down(w->file));
    struct world fresh = second_of(w);
    expect_equal_views(w, &fresh, unix_ms());
    expect_equal_views(w, &fresh, unix_ms() + 60000);
    uint32_t approved = 0;
    for (uint32_t trip = 0; trip < TRIPS; trip++) {
        assert_true(totals(&fresh, trip).approvals <= 1);
        assert_int_equal(totals(&fresh, trip).pending, 0);
        approved += totals(&fresh, trip).approvals;
    }
    assert_true(approved > 0);
    must_close(&fresh);
}

static void reader_sees_what_is_there_beside_writers(void **state)
{
    struct world *w = *state;
    must_open(w);
    struct world other = second_of(w);
    (void)ask(w, test_charge(w->texts, 1, 15200), 1000);
    (void)ask(&other, test_charge(w->texts, 2, 900), 1000);
    struct world reader = *w;
    reader.options.read_only = true;
    must_open(&reader);
    assert_int_equal(totals(&reader, 1).captured_krw, 15200);
    assert_int_equal(totals(&reader, 2).captured_krw, 900);
    assert_payment(ask(&other, test_charge(w->texts, 3, 700), 1001), PG_DONE, 700, 700);
    must_close(&reader);
    must_close(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        rule(key_used_by_one_writer_is_honoured_by_another),
        rule(each_writer_sees_what_the_others_have_done),
        rule(late_action_that_one_has_seen_has_happened_for_all),
        rule(half_an_entry_of_a_killed_writer_stops_nobody),
        rule(damage_and_cuts_by_others_bring_a_writer_down),
        rule(writers_that_are_killed_leave_one_history),
        rule(reader_sees_what_is_there_beside_writers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
