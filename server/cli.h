/*
 * cli.h - the farebox command's options, and its start up to valid settings.
 *
 * Threads: none; called once, by main, before anything else runs. Blocks for reading the files of
 * secrets only.
 */
#ifndef FAREBOX_CLI_H
#define FAREBOX_CLI_H

#include "settings.h"

#include <stdio.h>

/* Exit status of a command line or of settings that are not allowed. */
#define CLI_EXIT_USAGE 2

enum cli_action {
    CLI_RUN = 1,         /* serve, with the settings that were loaded */
    CLI_MIGRATE,         /* bring the store's schema up to date, with those settings */
    CLI_MIGRATE_DRY_RUN, /* print what that would run */
    CLI_EXIT,            /* everything asked for is done: leave with *exit_status */
};

/*
 * Reads the options and the settings from `environment`. --help, --version and --settings-page
 * print to `out`, --check-config too; what is wrong goes to `err`, every wrong setting a line.
 * CLI_RUN, CLI_MIGRATE...: `settings` are valid, *exit_status is untouched; the caller clears them
 * at the end. CLI_EXIT: *exit_status is set: 0, 2 for wrong options or settings, or 1 where `out`
 * could not be written; `settings` hold no secret.
 */
__attribute__((warn_unused_result)) enum cli_action
cli_start(int argc, char **argv, char *const *environment, struct farebox_settings *settings,
          FILE *out, FILE *err, int *exit_status);

#endif
