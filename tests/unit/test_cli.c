/*
 * test_cli.c - options, exit statuses, and where output goes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli.h"

#include <stdlib.h>
#include <string.h>

struct run {
    enum cli_action action;
    int exit_status;
    struct farebox_settings settings;
    char out[65536];
    char err[4096];
};

static void run_words(struct run *run, const char *option, const char *second, const char *variable)
{
    char name[] = "farebox";
    char *argv[] = {name, (char *)(uintptr_t)option, (char *)(uintptr_t)second, NULL};
    char *environment[] = {(char *)(uintptr_t)variable, NULL};
    memset(run, 0, sizeof(*run));
    run->exit_status = -1;
    FILE *out = fmemopen(run->out, sizeof(run->out) - 1, "w");
    FILE *err = fmemopen(run->err, sizeof(run->err) - 1, "w");
    assert_non_null(out);
    assert_non_null(err);
    run->action = cli_start((option != NULL) + (second != NULL) + 1, argv, environment,
                            &run->settings, out, err, &run->exit_status);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(fclose(err), 0);
}

static void run_cli(struct run *run, const char *option, const char *variable)
{
    run_words(run, option, NULL, variable);
}

static struct run run;

static void migrate_is_a_word_that_may_be_a_dry_run(void **state)
{
    static const char *const wrong[][2] = {{"--dry-run", NULL},
                                           {"--dry-run", "serve"},
                                           {"migrate", "migrate"},
                                           {"migrate", "--check-config"},
                                           {"migration", NULL}};
    (void)state;
    run_words(&run, "migrate", NULL, "FAREBOX_STORE=mysql://u@h:1/d");
    assert_int_equal(run.action, CLI_MIGRATE);
    assert_true(run.settings.store_is_mysql);
    settings_clear(&run.settings);
    run_words(&run, "migrate", "--dry-run", NULL);
    assert_int_equal(run.action, CLI_MIGRATE_DRY_RUN);
    settings_clear(&run.settings);
    run_words(&run, "--dry-run", "migrate", NULL);
    assert_int_equal(run.action, CLI_MIGRATE_DRY_RUN);
    settings_clear(&run.settings);
    run_words(&run, "migrate", NULL, "FAREBOX_POLICY=wrong");
    assert_int_equal(run.exit_status, CLI_EXIT_USAGE);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        run_words(&run, wrong[i][0], wrong[i][1], NULL);
        assert_int_equal(run.action, CLI_EXIT);
        assert_int_equal(run.exit_status, CLI_EXIT_USAGE);
        assert_string_not_equal(run.err, "");
    }
}

static void without_options_it_runs(void **state)
{
    (void)state;
    run_cli(&run, NULL, "FAREBOX_POLICY=adopt");
    assert_int_equal(run.action, CLI_RUN);
    assert_int_equal(run.settings.policy, SETTINGS_POLICY_ADOPT);
    assert_string_equal(run.out, "");
    assert_string_equal(run.err, "");
    settings_clear(&run.settings);
}

static void help_and_version_go_to_standard_output(void **state)
{
    (void)state;
    /* Settings that are wrong do not keep anyone from reading the help. */
    run_cli(&run, "--help", "FAREBOX_POLICY=wrong");
    assert_int_equal(run.action, CLI_EXIT);
    assert_int_equal(run.exit_status, 0);
    assert_non_null(strstr(run.out, "--check-config"));
    assert_non_null(strstr(run.out, "FAREBOX_HTTP_ADDRESS (default: 127.0.0.1:8086)"));
    assert_non_null(strstr(run.out, "FAREBOX_ADMIN_TOKEN_FILE"));
    assert_string_equal(run.err, "");
    run_cli(&run, "--version", NULL);
    assert_int_equal(run.exit_status, 0);
    assert_memory_equal(run.out, "farebox 0.", 10);
    run_cli(&run, "--settings-page", NULL);
    assert_int_equal(run.exit_status, 0);
    assert_non_null(strstr(run.out, "| variable |"));
}

static void check_config_prints_what_is_effective(void **state)
{
    (void)state;
    run_cli(&run, "--check-config", "FAREBOX_ADMIN_TOKEN=hunter2hunter2hunter2");
    assert_int_equal(run.action, CLI_EXIT);
    assert_int_equal(run.exit_status, 0);
    assert_non_null(strstr(run.out, "FAREBOX_ADMIN_TOKEN=set\n"));
    assert_non_null(strstr(run.out, "FAREBOX_CLAIM_DUE_S=600\n"));
    assert_null(strstr(run.out, "hunter2"));
    assert_null(memmem(&run.settings, sizeof(run.settings), "hunter2", 7));
}

static void wrong_settings_end_it_with_2(void **state)
{
    static const char *const options[] = {NULL, "--check-config"};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        run_cli(&run, options[i], "FAREBOX_POLICY=wrong");
        assert_int_equal(run.action, CLI_EXIT);
        assert_int_equal(run.exit_status, CLI_EXIT_USAGE);
        assert_non_null(strstr(run.err, "FAREBOX_POLICY=wrong is not allowed"));
        assert_string_equal(run.out, "");
    }
}

static void a_wrong_option_shows_the_usage_and_ends_it_with_2(void **state)
{
    static const char *const wrong[] = {"--nonsense", "-x", "serve", "--help=x", "--v e"};
    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        run_cli(&run, wrong[i], NULL);
        assert_int_equal(run.action, CLI_EXIT);
        assert_int_equal(run.exit_status, CLI_EXIT_USAGE);
        assert_non_null(strstr(run.err, wrong[i]));
        assert_non_null(strstr(run.err, "Usage: farebox"));
        assert_string_equal(run.out, "");
    }
}

static void output_that_cannot_be_written_is_a_failure(void **state)
{
    char name[] = "farebox";
    char option[] = "--help";
    char *argv[] = {name, option, NULL};
    char *environment[] = {NULL};
    int exit_status = -1;
    (void)state;
    FILE *full = fopen("/dev/full", "w");
    assert_non_null(full);
    assert_int_equal(cli_start(2, argv, environment, &run.settings, full, stderr, &exit_status),
                     CLI_EXIT);
    assert_int_equal(exit_status, 1);
    (void)fclose(full);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(migrate_is_a_word_that_may_be_a_dry_run),
        cmocka_unit_test(without_options_it_runs),
        cmocka_unit_test(help_and_version_go_to_standard_output),
        cmocka_unit_test(check_config_prints_what_is_effective),
        cmocka_unit_test(wrong_settings_end_it_with_2),
        cmocka_unit_test(a_wrong_option_shows_the_usage_and_ends_it_with_2),
        cmocka_unit_test(output_that_cannot_be_written_is_a_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
