/*
 * test_secret.c - secrets: what is taken, from where, and that comparing is exact.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "secret.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct folder {
    char path[64];
    char file[96];
};

static int folder_open(void **state)
{
    struct folder *folder = calloc(1, sizeof(*folder));
    (void)snprintf(folder->path, sizeof(folder->path), "/tmp/farebox-secret-XXXXXX");
    if (mkdtemp(folder->path) == NULL) {
        return -1;
    }
    (void)snprintf(folder->file, sizeof(folder->file), "%s/secret", folder->path);
    *state = folder;
    return 0;
}

static int folder_close(void **state)
{
    struct folder *folder = *state;
    (void)unlink(folder->file);
    (void)rmdir(folder->path);
    free(folder);
    return 0;
}

static void folder_write(const struct folder *folder, const char *bytes, size_t len)
{
    FILE *file = fopen(folder->file, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

static enum secret_status take(const struct secret_rule *rule, const char *bytes, size_t len)
{
    struct secret secret;
    secret_init(&secret);
    enum secret_status status = secret_from_bytes(&secret, rule, bytes, len);
    assert_int_equal(secret.is_set, status == SECRET_OK);
    return status;
}

static void a_token_is_printable_text_of_a_sensible_length(void **state)
{
    const struct secret_rule *rule = &secret_rule_token;
    char bytes[SECRET_MAX + 1];
    (void)state;
    memset(bytes, 'x', sizeof(bytes));
    assert_int_equal(take(rule, bytes, 0), SECRET_EMPTY);
    assert_int_equal(take(rule, bytes, 15), SECRET_TOO_SHORT);
    assert_int_equal(take(rule, bytes, 16), SECRET_OK);
    assert_int_equal(take(rule, bytes, SECRET_MAX), SECRET_OK);
    assert_int_equal(take(rule, bytes, SECRET_MAX + 1), SECRET_TOO_LONG);
    static const char wrong[] = {' ', '\n', '\0', 0x7F, (char)0xC3};
    for (size_t i = 0; i < sizeof(wrong); i++) {
        bytes[7] = wrong[i];
        assert_int_equal(take(rule, bytes, 20), SECRET_BAD_BYTE);
    }
}

/* It was chosen by others: short, with spaces, in any alphabet. */
static void a_password_is_any_line_of_text(void **state)
{
    const struct secret_rule *rule = &secret_rule_password;
    char bytes[SECRET_MAX + 1];
    (void)state;
    memset(bytes, 'x', sizeof(bytes));
    assert_int_equal(take(rule, bytes, 0), SECRET_EMPTY);
    assert_int_equal(take(rule, bytes, 1), SECRET_OK);
    assert_int_equal(take(rule, " ", 1), SECRET_OK);
    assert_int_equal(take(rule, "two words\t\xC3\xA4\x7F\xFF", 14), SECRET_OK);
    assert_int_equal(take(rule, bytes, SECRET_MAX), SECRET_OK);
    assert_int_equal(take(rule, bytes, SECRET_MAX + 1), SECRET_TOO_LONG);
    static const char wrong[] = {'\n', '\r', '\0'};
    for (size_t i = 0; i < sizeof(wrong); i++) {
        bytes[7] = wrong[i];
        assert_int_equal(take(rule, bytes, 20), SECRET_BAD_BYTE);
    }
}

static void a_secret_matches_itself_only(void **state)
{
    struct secret secret;
    (void)state;
    secret_init(&secret);
    assert_false(secret_matches(&secret, "", 0));
    assert_int_equal(secret_from_bytes(&secret, &secret_rule_token, "0123456789abcdef", 16),
                     SECRET_OK);
    assert_true(secret_matches(&secret, "0123456789abcdef", 16));
    assert_false(secret_matches(&secret, "0123456789abcdeg", 16));
    assert_false(secret_matches(&secret, "0123456789abcde", 15));
    assert_false(secret_matches(&secret, "0123456789abcdef\0", 17));
    assert_false(secret_matches(&secret, "", 0));
    secret_clear(&secret);
    assert_false(secret_matches(&secret, "0123456789abcdef", 16));
    assert_null(memmem(&secret, sizeof(secret), "0123", 4));
}

static void one_newline_at_the_end_of_the_file_is_left_out(void **state)
{
    const struct folder *folder = *state;
    static const char *const endings[] = {"", "\n", "\r\n"};
    struct secret secret;
    char text[64];
    for (size_t i = 0; i < 3; i++) {
        int len = snprintf(text, sizeof(text), "0123456789abcdef%s", endings[i]);
        folder_write(folder, text, (size_t)len);
        secret_init(&secret);
        assert_int_equal(secret_from_file(&secret, &secret_rule_token, folder->file), SECRET_OK);
        assert_true(secret_matches(&secret, "0123456789abcdef", 16));
    }
    folder_write(folder, "0123456789abcdef\n\n", 18);
    assert_int_equal(secret_from_file(&secret, &secret_rule_token, folder->file), SECRET_BAD_BYTE);
}

static void a_secret_as_long_as_allowed_fits_with_its_newline(void **state)
{
    const struct folder *folder = *state;
    struct secret secret;
    char bytes[SECRET_MAX + 4];
    memset(bytes, 'x', sizeof(bytes));
    bytes[SECRET_MAX] = '\r';
    bytes[SECRET_MAX + 1] = '\n';
    folder_write(folder, bytes, SECRET_MAX + 2);
    secret_init(&secret);
    assert_int_equal(secret_from_file(&secret, &secret_rule_token, folder->file), SECRET_OK);
    assert_int_equal(secret.len, SECRET_MAX);
    bytes[SECRET_MAX] = 'x';
    bytes[SECRET_MAX + 1] = 'x';
    folder_write(folder, bytes, SECRET_MAX + 1);
    assert_int_equal(secret_from_file(&secret, &secret_rule_token, folder->file), SECRET_TOO_LONG);
    folder_write(folder, bytes, SECRET_MAX + 4);
    assert_int_equal(secret_from_file(&secret, &secret_rule_token, folder->file), SECRET_TOO_LONG);
}

static void what_is_not_a_plain_file_is_refused_at_once(void **state)
{
    const struct folder *folder = *state;
    struct secret secret;
    secret_init(&secret);
    assert_int_equal(secret_from_file(&secret, &secret_rule_token, folder->file),
                     SECRET_FILE_MISSING);
    assert_int_equal(secret_from_file(&secret, &secret_rule_token, folder->path),
                     SECRET_FILE_NOT_PLAIN);
    assert_int_equal(mkfifo(folder->file, 0600), 0);
    assert_int_equal(secret_from_file(&secret, &secret_rule_token, folder->file),
                     SECRET_FILE_NOT_PLAIN);
    assert_false(secret.is_set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_is_printable_text_of_a_sensible_length),
        cmocka_unit_test(a_password_is_any_line_of_text),
        cmocka_unit_test(a_secret_matches_itself_only),
        cmocka_unit_test_setup_teardown(one_newline_at_the_end_of_the_file_is_left_out, folder_open,
                                        folder_close),
        cmocka_unit_test_setup_teardown(a_secret_as_long_as_allowed_fits_with_its_newline,
                                        folder_open, folder_close),
        cmocka_unit_test_setup_teardown(what_is_not_a_plain_file_is_refused_at_once, folder_open,
                                        folder_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
