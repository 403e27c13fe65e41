/* The fake PG's state file: what was written is read, whatever else happened to the file. */
#include "unit_support.h"

#include "fakepg_index.h"
#include "fakepg_journal.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define ACCOUNT UINT64_C(0x1234)

struct seen {
    int merchants;
    int inputs;
    int64_t amounts;
    char last_name[64];
};

static char path[64];

static int setup(void **state)
{
    (void)state;
    (void)snprintf(path, sizeof path, "/tmp/farebox-journal.XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    return close(fd);
}

static int teardown(void **state)
{
    (void)state;
    return unlink(path);
}

static bool see_merchant(void *ctx, uint64_t account)
{
    struct seen *seen = ctx;
    seen->merchants += account == ACCOUNT;
    return true;
}

static bool see_input(void *ctx, const struct fakepg_input *input)
{
    struct seen *seen = ctx;
    seen->inputs++;
    seen->amounts += input->amount_krw;
    (void)snprintf(seen->last_name, sizeof seen->last_name, "%s", input->order_name);
    return true;
}

static struct fakepg_journal *open_journal(struct seen *seen)
{
    char message[512] = "";
    const struct fakepg_journal_reader reader = {seen, see_merchant, see_input};
    memset(seen, 0, sizeof *seen);
    struct fakepg_journal *journal = fakepg_journal_open(path, &reader, message, sizeof message);
    if (journal == NULL) {
        assert_non_null(strstr(message, path)); /* it names the file */
    }
    return journal;
}

/* A file with a merchant and three charges. */
static void write_three(void)
{
    struct seen seen;
    struct fakepg_journal *journal = open_journal(&seen);
    assert_non_null(journal);
    assert_true(fakepg_journal_merchant(journal, ACCOUNT));
    for (int i = 1; i <= 3; i++) {
        struct fakepg_input input = fakepg_input_empty(FAKEPG_KIND_CHARGE);
        input.account = ACCOUNT;
        input.amount_krw = 1000 * i;
        input.order_name = "택시 \"요금\"\n";
        input.plan.due_ms = i;
        assert_true(fakepg_journal_input(journal, &input));
    }
    fakepg_journal_close(journal);
}

static void what_was_written_is_read_again(void **state)
{
    struct seen seen;
    (void)state;
    write_three();
    struct fakepg_journal *journal = open_journal(&seen);
    assert_non_null(journal);
    assert_int_equal(seen.merchants, 1);
    assert_int_equal(seen.inputs, 3);
    assert_int_equal(seen.amounts, 6000);
    assert_string_equal(seen.last_name, "택시 \"요금\"\n");
    assert_true(fakepg_journal_empty(journal));
    fakepg_journal_close(journal);
    journal = open_journal(&seen);
    assert_int_equal(seen.inputs, 0);
    fakepg_journal_close(journal);
}

/* A kill leaves any beginning of the file: all whole lines are there, and writing goes on. */
static void every_beginning_of_the_file_opens_with_its_whole_lines(void **state)
{
    struct stat whole;
    struct seen seen;
    int inputs_before = 0;
    (void)state;
    write_three();
    assert_int_equal(stat(path, &whole), 0);
    char *bytes = malloc((size_t)whole.st_size);
    int fd = open(path, O_RDWR);
    assert_int_equal(read(fd, bytes, (size_t)whole.st_size), whole.st_size);
    for (off_t size = 0; size <= whole.st_size; size += 1 + (size < whole.st_size - 40) * 6) {
        assert_int_equal(pwrite(fd, bytes, (size_t)whole.st_size, 0), whole.st_size);
        assert_int_equal(ftruncate(fd, size), 0);
        struct fakepg_journal *journal = open_journal(&seen);
        assert_non_null(journal);
        assert_true(seen.inputs >= inputs_before);
        inputs_before = seen.inputs;
        assert_true(fakepg_journal_merchant(journal, ACCOUNT));
        fakepg_journal_close(journal);
        journal = open_journal(&seen);
        assert_non_null(journal);
        fakepg_journal_close(journal);
    }
    assert_int_equal(inputs_before, 3);
    (void)close(fd);
    free(bytes);
}

/* But for the last line's end: without it that line was not written whole. */
static void a_changed_byte_is_told_and_the_file_is_left_as_it_is(void **state)
{
    struct stat whole;
    struct seen seen;
    (void)state;
    write_three();
    assert_int_equal(stat(path, &whole), 0);
    int fd = open(path, O_RDWR);
    for (off_t at = 0; at < whole.st_size - 1; at++) {
        char byte = 0;
        assert_int_equal(pread(fd, &byte, 1, at), 1);
        char changed = (char)(byte ^ 1);
        assert_int_equal(pwrite(fd, &changed, 1, at), 1);
        struct fakepg_journal *journal = open_journal(&seen);
        if (journal != NULL) {
            fail_msg("byte %ld was changed and nobody saw it", (long)at);
        }
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    }
    struct fakepg_journal *journal = open_journal(&seen);
    assert_int_equal(seen.inputs, 3);
    fakepg_journal_close(journal);
    (void)close(fd);
}

static void an_input_that_is_too_long_is_not_written(void **state)
{
    static char name[20000];
    struct seen seen;
    (void)state;
    struct fakepg_journal *journal = open_journal(&seen);
    struct fakepg_input input = fakepg_input_empty(FAKEPG_KIND_CHARGE);
    memset(name, 'n', sizeof name - 1);
    input.account = ACCOUNT;
    input.order_name = name;
    assert_false(fakepg_journal_input(journal, &input));
    fakepg_journal_close(journal);
    journal = open_journal(&seen);
    assert_int_equal(seen.inputs, 0);
    fakepg_journal_close(journal);
}

static void an_index_finds_every_row_while_it_grows(void **state)
{
    struct fakepg_index index = {0};
    (void)state;
    assert_int_equal(fakepg_index_find(&index, 1), FAKEPG_NO_ROW);
    for (uint32_t i = 0; i < 5000; i++) {
        assert_true(fakepg_index_set(&index, (uint64_t)i << 32, i)); /* hashes that lie alike */
    }
    assert_true(fakepg_index_set(&index, 0, 77));
    for (uint32_t i = 1; i < 5000; i++) {
        assert_int_equal(fakepg_index_find(&index, (uint64_t)i << 32), i);
    }
    assert_int_equal(fakepg_index_find(&index, 0), 77);
    assert_int_equal(fakepg_index_find(&index, UINT64_MAX), FAKEPG_NO_ROW);
    fakepg_index_clear(&index);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_was_written_is_read_again),
        TEST(every_beginning_of_the_file_opens_with_its_whole_lines),
        TEST(a_changed_byte_is_told_and_the_file_is_left_as_it_is),
        TEST(an_input_that_is_too_long_is_not_written),
        cmocka_unit_test(an_index_finds_every_row_while_it_grows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
