/* The fake PG on disk: what was answered outlives the process, torn and damaged files are told. */
#include "pg_file_test_world.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>

static void reopened_ledger_is_the_same(void **state)
{
    struct world *w = *state;
    must_open(w);
    struct pg_answer charged = ask(w, test_charge(w->texts, 1, 15200), 1000);
    (void)ask(w, test_charge(w->texts, 2, 900), 1001);
    (void)ask(w, test_cancel(w->texts, 2, 1), 1002);
    always(w, (struct pg_fake_rule){.fault = PG_FAULT_DECLINE, .code = PG_FAKE_PROVIDER_ERROR});
    (void)ask(w, test_charge(w->texts, 3, 700), 1003);
    char *before = dump(w);
    must_close(w);
    must_open(w);
    char *after = dump(w);
    assert_string_equal(after, before);
    struct pg_answer again = ask(w, test_charge(w->texts, 1, 15200), 2000);
    assert_memory_equal(&again, &charged, sizeof again);
    assert_code(w->texts, ask(w, test_charge(w->texts, 3, 700), 2000), "PROVIDER_ERROR");
    assert_code(w->texts, ask(w, test_cancel(w->texts, 2, 2), 2000), "ALREADY_CANCELED_PAYMENT");
    free(before);
    free(after);
}

static void dump_has_one_line_for_each_order(void **state)
{
    struct world *w = *state;
    must_open(w);
    (void)ask(w, test_charge(w->texts, 1, 15200), 1000);
    struct pg_ledger_request part = test_cancel(w->texts, 1, 1);
    part.amount_krw = 200;
    (void)ask(w, part, 1001);
    always(w, (struct pg_fake_rule){.fault = PG_FAULT_DECLINE});
    struct pg_ledger_request declined = test_charge(w->texts, 2, 900);
    struct pg_fake_rule scripted = {.fault = PG_FAULT_DECLINE, .code = PG_FAKE_NOT_FOUND_BILLING};
    pg_fake_rules_clear(pg_file_fake(w->file));
    always(w, scripted);
    (void)ask(w, declined, 1002);
    char *text = dump(w);
    assert_string_equal(text, "abcd0000-0000-0000-0000-000001000000\t"
                              "fakepay0_abcd0000-0000-0000-0000-000001000000\t15200\t200\t1\t"
                              "PARTIAL_CANCELED\n"
                              "abcd0000-0000-0000-0000-000002000000\t-\t0\t0\t0\tNONE\n");
    free(text);
}

static void late_charge_outlives_the_process_and_comes_when_due(void **state)
{
    struct world *w = *state;
    must_open(w);
    always(w, (struct pg_fake_rule){.fault = PG_FAULT_LATE, .value = 5000, .times = 1});
    assert_int_equal(ask(w, test_charge(w->texts, 1, 15200), 1000).kind, PG_ANSWER_TIMEOUT);
    must_close(w);
    must_open(w);
    assert_int_equal(totals(w, 1).pending, 1);
    assert_code(w->texts, ask(w, test_lookup(1), 5999), "NOT_FOUND_PAYMENT");
    assert_payment(ask(w, test_lookup(1), 6000), PG_DONE, 15200, 15200);
    must_close(w);
    must_open(w);
    pg_file_advance(w->file, 6000);
    assert_int_equal(totals(w, 1).captured_krw, 15200);
}

static void replay_sees_the_instants_that_the_first_run_saw(void **state)
{
    struct world *w = *state;
    must_open(w);
    always(w, (struct pg_fake_rule){.fault = PG_FAULT_LATE, .value = 5000, .times = 1});
    (void)ask(w, test_charge(w->texts, 1, 15200), 1000);
    (void)ask(w, test_lookup(1), 9000); /* approved at 6000 */
    struct pg_ledger_request other = test_charge(w->texts, 1, 15200);
    other.key = texts_intern_string(w->texts, "another-key");
    assert_code(w->texts, ask(w, other, 2000), "DUPLICATED_ORDER_ID"); /* the clock stepped back */
    must_close(w);
    must_open(w);
    assert_code(w->texts, ask(w, other, 9000), "DUPLICATED_ORDER_ID");
    assert_payment(ask(w, test_charge(w->texts, 1, 15200), 9000), PG_DONE, 15200, 15200);
}

static void look_ups_and_replays_write_nothing(void **state)
{
    struct world *w = *state;
    must_open(w);
    (void)ask(w, test_charge(w->texts, 1, 15200), 1000);
    uint64_t entries = pg_file_entries(w->file);
    (void)ask(w, test_charge(w->texts, 1, 15200), 1001);
    (void)ask(w, test_lookup(1), 1002);
    always(w, (struct pg_fake_rule){.fault = PG_FAULT_NOT_SENT});
    (void)ask(w, test_charge(w->texts, 2, 900), 1003);
    assert_int_equal(pg_file_entries(w->file), entries);
    assert_int_equal(entries, 3); /* two accounts, one charge */
}

static void torn_last_entry_is_cut_wherever_it_was_torn(void **state)
{
    struct world *w = *state;
    size_t whole = 0;
    size_t len = 0;
    must_open(w);
    (void)ask(w, test_charge(w->texts, 1, 15200), 1000);
    free(file_bytes(w, &whole));
    (void)ask(w, test_charge(w->texts, 2, 900), 2000);
    must_close(w);
    uint8_t *bytes = file_bytes(w, &len);
    assert_true(len > whole + 100);
    for (size_t torn = whole; torn < len; torn++) {
        file_replace(w, bytes, torn);
        must_open(w);
        assert_int_equal(pg_file_bytes_cut(w->file), torn - whole);
        assert_int_equal(totals(w, 1).captured_krw, 15200);
        assert_int_equal(totals(w, 2).captured_krw, 0);
        assert_payment(ask(w, test_charge(w->texts, 3, 500), 3000), PG_DONE, 500, 500);
        must_close(w);
        must_open(w);
        assert_int_equal(totals(w, 3).captured_krw, 500);
        assert_int_equal(pg_file_bytes_cut(w->file), 0);
        must_close(w);
    }
    free(bytes);
}

static void zeros_at_the_end_and_a_broken_last_entry_are_cut(void **state)
{
    struct world *w = *state;
    size_t len = 0;
    must_open(w);
    (void)ask(w, test_charge(w->texts, 1, 15200), 1000);
    must_close(w);
    uint8_t *bytes = file_bytes(w, &len);
    uint8_t *longer = calloc(1, len + 4096);
    memcpy(longer, bytes, len);
    file_replace(w, longer, len + 4096);
    must_open(w);
    assert_int_equal(pg_file_bytes_cut(w->file), 4096);
    assert_int_equal(totals(w, 1).captured_krw, 15200);
    must_close(w);
    bytes[len - 1] ^= 1;
    file_replace(w, bytes, len);
    must_open(w);
    assert_int_equal(totals(w, 1).captured_krw, 0);
    free(bytes);
    free(longer);
}

static void damage_before_the_end_is_an_error_that_changes_nothing(void **state)
{
    struct world *w = *state;
    size_t first = 0;
    size_t len = 0;
    size_t len_after = 0;
    must_open(w);
    free(file_bytes(w, &first));
    (void)ask(w, test_charge(w->texts, 1, 15200), 1000);
    (void)ask(w, test_charge(w->texts, 2, 900), 2000);
    must_close(w);
    uint8_t *bytes = file_bytes(w, &len);
    bytes[first + 60] ^= 0x40;
    file_replace(w, bytes, len);
    assert_int_equal(try_open(w), PG_FILE_DAMAGED);
    char expected[64];
    snprintf(expected, sizeof expected, "is damaged at byte %zu", first);
    assert_non_null(strstr(w->message, expected));
    assert_non_null(strstr(w->message, w->path));
    uint8_t *after = file_bytes(w, &len_after);
    assert_int_equal(len_after, len);
    assert_memory_equal(after, bytes, len);
    free(bytes);
    free(after);
}

static void any_damage_gives_a_ledger_or_an_error_and_never_a_crash(void **state)
{
    struct world *w = *state;
    size_t len = 0;
    must_open(w);
    for (uint32_t trip = 0; trip < 4; trip++) {
        (void)ask(w, test_charge(w->texts, trip, 1000), trip);
        (void)ask(w, test_cancel(w->texts, trip, 1), trip);
    }
    must_close(w);
    uint8_t *bytes = file_bytes(w, &len);
    uint8_t *bad = malloc(len);
    uint64_t seed = 1;
    for (int round = 0; round < 1500; round++) {
        memcpy(bad, bytes, len);
        for (int i = 0; i < 1 + round % 4; i++) {
            seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
            bad[(seed >> 33) % len] ^= (uint8_t)(1u << ((seed >> 60) & 7));
        }
        file_replace(w, bad, len - (size_t)(round % 3 == 0 ? seed >> 58 : 0));
        if (try_open(w) == PG_FILE_OK) {
            must_close(w);
        } else {
            assert_true(strlen(w->message) > strlen(w->path));
        }
    }
    free(bytes);
    free(bad);
}

static void file_that_was_only_begun_is_begun_again(void **state)
{
    struct world *w = *state;
    for (size_t len = 0; len < 16; len++) {
        file_replace(w, "FBXPGLOG\1\0\0\0\0\0\0\0", len);
        must_open(w);
        assert_payment(ask(w, test_charge(w->texts, 1, 15200), 1000), PG_DONE, 15200, 15200);
        must_close(w);
        must_open(w);
        assert_int_equal(totals(w, 1).captured_krw, 15200);
        must_close(w);
    }
}

static void foreign_newer_and_unopenable_files_are_told_apart(void **state)
{
    struct world *w = *state;
    file_replace(w, "SQLite format 3", 15);
    assert_int_equal(try_open(w), PG_FILE_FOREIGN);
    file_replace(w, "FBXPGLOG\2\0\0\0\0\0\0\0", 16);
    assert_int_equal(try_open(w), PG_FILE_NEWER);
    w->options.path = w->folder;
    assert_int_equal(try_open(w), PG_FILE_NOT_OPENED);
    assert_non_null(strstr(w->message, w->folder));
    w->options.path = "/nowhere/ledger";
    assert_int_equal(try_open(w), PG_FILE_NOT_OPENED);
    assert_non_null(strstr(w->message, strerror(ENOENT)));
}

static void reader_may_change_nothing(void **state)
{
    struct world *w = *state;
    must_open(w);
    (void)ask(w, test_charge(w->texts, 1, 15200), 1000);
    struct world other = *w;
    other.options.read_only = true;
    must_open(&other);
    assert_int_equal(totals(&other, 1).captured_krw, 15200);
    assert_int_equal(ask(&other, test_charge(w->texts, 2, 900), 1000).kind, PG_ANSWER_NOT_SENT);
    must_close(&other);
    assert_payment(ask(w, test_charge(w->texts, 2, 900), 1001), PG_DONE, 900, 900);
}

static void reader_cuts_nothing(void **state)
{
    struct world *w = *state;
    size_t len = 0;
    size_t len_after = 0;
    must_open(w);
    (void)ask(w, test_charge(w->texts, 1, 15200), 1000);
    must_close(w);
    uint8_t *bytes = file_bytes(w, &len);
    file_replace(w, bytes, len - 3);
    w->options.read_only = true;
    must_open(w);
    assert_int_equal(totals(w, 1).captured_krw, 0);
    free(bytes);
    free(file_bytes(w, &len_after));
    assert_int_equal(len_after, len - 3);
}

static void ledger_beyond_the_limits_is_not_opened(void **state)
{
    struct world *w = *state;
    must_open(w);
    for (uint32_t trip = 0; trip < 4; trip++) {
        (void)ask(w, test_charge(w->texts, trip, 1000), trip);
    }
    must_close(w);
    w->options.limits.ledger.orders_max = 3;
    assert_int_equal(try_open(w), PG_FILE_TOO_BIG);
    w->options.limits.ledger.orders_max = 4;
    must_open(w);
    assert_code(w->texts, ask(w, test_charge(w->texts, 5, 1000), 9),
                "FAILED_INTERNAL_SYSTEM_PROCESSING");
    must_close(w);
    must_open(w); /* what was turned away is not in the file */
}

static void accounts_keep_their_orders_whatever_their_order_in_the_settings(void **state)
{
    struct world *w = *state;
    static const uint64_t swapped[] = {OTHER_ACCOUNT, 0xacc2, OUR_ACCOUNT};
    must_open(w);
    struct pg_answer charged = ask(w, test_charge(w->texts, 1, 15200), 1000);
    must_close(w);
    w->options.accounts = swapped;
    w->options.account_count = 3;
    must_open(w);
    struct pg_answer found = ask(w, test_lookup(1), 2000);
    assert_memory_equal(&found, &charged, sizeof found);
    must_close(w);
    static const uint64_t many[] = {1, 2};
    w->options.accounts = many;
    w->options.account_count = 2;
    assert_int_equal(try_open(w), PG_FILE_TOO_BIG);
}

static void text_that_fits_no_entry_is_refused(void **state)
{
    struct world *w = *state;
    char text[PG_FILE_TEXT_MAX + 1];
    memset(text, 'x', sizeof text);
    must_open(w);
    struct pg_ledger_request request = test_charge(w->texts, 1, 15200);
    request.customer = texts_intern(w->texts, text, sizeof text);
    assert_code(w->texts, ask(w, request, 1000), "INVALID_REQUEST");
    assert_int_equal(totals(w, 1).captured_krw, 0);
    request.customer = texts_intern(w->texts, text, sizeof text - 1);
    assert_code(w->texts, ask(w, request, 1000), "FAILED_DB_PROCESSING");
    must_close(w);
    must_open(w);
}

static void full_disk_brings_it_down_without_a_charge(void **state)
{
    struct world *w = *state;
    struct rlimit before;
    size_t len = 0;
    must_open(w);
    (void)ask(w, test_charge(w->texts, 1, 15200), 1000);
    free(file_bytes(w, &len));
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    struct rlimit tight = {.rlim_cur = len + 50, .rlim_max = before.rlim_max};
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    struct pg_answer answer = ask(w, test_charge(w->texts, 2, 900), 1001);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    (void)signal(SIGXFSZ, handler);
    assert_int_equal(answer.kind, PG_ANSWER_TIMEOUT);
    assert_true(pg_file_is_down(w->file));
    assert_int_equal(pg_file_errno(w->file), EFBIG);
    assert_int_equal(totals(w, 2).captured_krw, 0);
    assert_int_equal(ask(w, test_lookup(1), 1002).kind, PG_ANSWER_NOT_SENT);
    must_close(w);
    must_open(w);
    assert_int_equal(pg_file_bytes_cut(w->file), 50);
    assert_payment(ask(w, test_charge(w->texts, 2, 900), 1003), PG_DONE, 900, 900);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        rule(reopened_ledger_is_the_same),
        rule(dump_has_one_line_for_each_order),
        rule(late_charge_outlives_the_process_and_comes_when_due),
        rule(replay_sees_the_instants_that_the_first_run_saw),
        rule(look_ups_and_replays_write_nothing),
        rule(torn_last_entry_is_cut_wherever_it_was_torn),
        rule(zeros_at_the_end_and_a_broken_last_entry_are_cut),
        rule(damage_before_the_end_is_an_error_that_changes_nothing),
        rule(any_damage_gives_a_ledger_or_an_error_and_never_a_crash),
        rule(file_that_was_only_begun_is_begun_again),
        rule(foreign_newer_and_unopenable_files_are_told_apart),
        rule(reader_may_change_nothing),
        rule(reader_cuts_nothing),
        rule(ledger_beyond_the_limits_is_not_opened),
        rule(accounts_keep_their_orders_whatever_their_order_in_the_settings),
        rule(text_that_fits_no_entry_is_refused),
        rule(full_disk_brings_it_down_without_a_charge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
