#include "cli.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#ifndef FAREBOX_VERSION
#error "FAREBOX_VERSION comes from CMake's project()"
#endif

enum cli_request {
    CLI_REQUEST_RUN,
    CLI_REQUEST_HELP,
    CLI_REQUEST_VERSION,
    CLI_REQUEST_CHECK,
    CLI_REQUEST_PAGE,
    CLI_REQUEST_MIGRATE,
    CLI_REQUEST_DRY_RUN, /* of migrate */
    CLI_REQUEST_WRONG,
};

static void cli_print_usage(FILE *out)
{
    (void)fprintf(out, "Usage: farebox [--help | --version | --check-config | --settings-page]\n"
                       "       farebox migrate [--dry-run]\n");
}

static void cli_print_help(FILE *out)
{
    cli_print_usage(out);
    (void)fprintf(out,
                  "\nFarebox turns each completed taxi trip into exactly one payment. Without an\n"
                  "option it serves until SIGTERM or SIGINT; a second signal ends it at once.\n\n"
                  "  -h, --help           print this and exit\n"
                  "  -V, --version        print the version and exit\n"
                  "      --check-config   print the effective settings and exit: 0, or 2 where\n"
                  "                       one is wrong\n"
                  "      --settings-page  print the settings as the Markdown of docs/ and exit\n"
                  "\nfarebox migrate brings the store's schema up to date and exits; with\n"
                  "--dry-run it changes nothing and prints the SQL that would run.\n"
                  "\nSettings are environment variables:\n\n");
    settings_print_help(out);
}

static enum cli_request cli_read_options(int argc, char **argv, FILE *err)
{
    static const struct option options[] = {
        {"help", no_argument, NULL, 'h'},         {"version", no_argument, NULL, 'V'},
        {"check-config", no_argument, NULL, 'c'}, {"settings-page", no_argument, NULL, 'p'},
        {"dry-run", no_argument, NULL, 'd'},      {NULL, 0, NULL, 0},
    };
    enum cli_request request = CLI_REQUEST_RUN;
    int option;

    optind = 0; /* glibc: start anew, so that tests can call this often */
    opterr = 0; /* messages are ours */
    while ((option = getopt_long(argc, argv, ":hV", options, NULL)) != -1) {
        switch (option) {
        case 'h':
            return CLI_REQUEST_HELP;
        case 'V':
            return CLI_REQUEST_VERSION;
        case 'c':
            request = CLI_REQUEST_CHECK;
            break;
        case 'p':
            request = CLI_REQUEST_PAGE;
            break;
        case 'd':
            request = CLI_REQUEST_DRY_RUN;
            break;
        default:
            (void)fprintf(err, "farebox: wrong option: %s\n", argv[optind - 1]);
            return CLI_REQUEST_WRONG;
        }
    }
    bool is_migrate = optind < argc && strcmp(argv[optind], "migrate") == 0;
    bool may_migrate = request == CLI_REQUEST_RUN || request == CLI_REQUEST_DRY_RUN;
    if (is_migrate && may_migrate && optind + 1 == argc) {
        return request == CLI_REQUEST_RUN ? CLI_REQUEST_MIGRATE : CLI_REQUEST_DRY_RUN;
    }
    if (request == CLI_REQUEST_DRY_RUN && !is_migrate) {
        (void)fprintf(err, "farebox: --dry-run is for farebox migrate\n");
        return CLI_REQUEST_WRONG;
    }
    if (optind < argc) {
        (void)fprintf(err, "farebox: unexpected argument: %s\n", argv[optind]);
        return CLI_REQUEST_WRONG;
    }
    return request;
}

static void cli_print_error(void *ctx, const char *message)
{
    (void)fprintf(ctx, "farebox: %s\n", message);
}

/* A full disk or a closed pipe must not look like success. */
static int cli_written(FILE *out)
{
    return fflush(out) == 0 && ferror(out) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static enum cli_action cli_load(enum cli_request request, char *const *environment,
                                struct farebox_settings *settings, FILE *out, FILE *err,
                                int *exit_status)
{
    struct settings_report report = {cli_print_error, err};
    if (settings_load(settings, environment, report) != SETTINGS_OK) {
        settings_clear(settings);
        (void)fprintf(err, "farebox: not started; farebox --help describes every setting\n");
        *exit_status = CLI_EXIT_USAGE;
        return CLI_EXIT;
    }
    if (request != CLI_REQUEST_CHECK) {
        return request == CLI_REQUEST_RUN       ? CLI_RUN
               : request == CLI_REQUEST_MIGRATE ? CLI_MIGRATE
                                                : CLI_MIGRATE_DRY_RUN;
    }
    settings_print(settings, out);
    settings_clear(settings);
    *exit_status = cli_written(out);
    return CLI_EXIT;
}

enum cli_action cli_start(int argc, char **argv, char *const *environment,
                          struct farebox_settings *settings, FILE *out, FILE *err, int *exit_status)
{
    enum cli_request request = cli_read_options(argc, argv, err);
    switch (request) {
    case CLI_REQUEST_HELP:
        cli_print_help(out);
        break;
    case CLI_REQUEST_VERSION:
        (void)fprintf(out, "farebox %s\n", FAREBOX_VERSION);
        break;
    case CLI_REQUEST_PAGE:
        settings_print_markdown(out);
        break;
    case CLI_REQUEST_WRONG:
        cli_print_usage(err);
        *exit_status = CLI_EXIT_USAGE;
        return CLI_EXIT;
    case CLI_REQUEST_RUN:
    case CLI_REQUEST_CHECK:
    case CLI_REQUEST_MIGRATE:
    case CLI_REQUEST_DRY_RUN:
        return cli_load(request, environment, settings, out, err, exit_status);
    }
    *exit_status = cli_written(out);
    return CLI_EXIT;
}
