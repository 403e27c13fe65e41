/* main.c - the farebox command: settings, start, two lines on stdout, wait, stop. */
#include "cli.h"
#include "farebox.h"
#include "log.h"
#include "pg_http.h"
#include "stop_signal.h"
#include "store_open.h"
#include "time_zone.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SETTINGS_TEXT_BYTES 16384

/* One line with every setting that is in force; secrets show as "set" or "unset". */
static void log_settings(const struct farebox_settings *settings)
{
    char text[SETTINGS_TEXT_BYTES];
    FILE *out = fmemopen(text, sizeof(text), "w");
    char *line;
    char *rest = text;

    if (out == NULL) {
        return;
    }
    settings_print(settings, out);
    (void)fclose(out);
    text[sizeof(text) - 1] = '\0';
    while ((line = strsep(&rest, "\n")) != NULL) {
        if (line[0] != '\0') {
            log_write(LOG_LEVEL_INFO, "setting", LOG_FIELDS(log_text("setting", line)));
        }
    }
}

/* Where it serves, for whoever started it. False: nobody can read it. */
static bool print_addresses(const struct farebox_settings *settings, const struct farebox *farebox)
{
    return printf("http http://%s:%d\nkafka %s\n", settings->http_host, farebox_http_port(farebox),
                  farebox_kafka(farebox)) > 0 &&
           fflush(stdout) == 0;
}

static int serve(const struct farebox_settings *settings)
{
    char error[FAREBOX_ERROR_SIZE] = "";
    struct farebox *farebox;
    bool was_asked;

    log_settings(settings);
    farebox = farebox_start(settings, error);
    if (farebox == NULL) {
        (void)fprintf(stderr, "farebox: not started: %s\n", error);
        return EXIT_FAILURE;
    }
    log_write(LOG_LEVEL_INFO, "started",
              LOG_FIELDS(log_text("instance", settings->instance),
                         log_text("http_host", settings->http_host),
                         log_int("http_port", farebox_http_port(farebox)),
                         log_text("kafka", farebox_kafka(farebox)),
                         log_text("version", FAREBOX_VERSION)));
    if (!print_addresses(settings, farebox)) {
        log_write(LOG_LEVEL_WARN, "the addresses could not be written to stdout", NULL);
    }
    was_asked = stop_signal_wait();
    log_write(LOG_LEVEL_INFO, "stopping", NULL);
    (void)farebox_stop(farebox);
    log_write(LOG_LEVEL_INFO, "stopped", NULL);
    return was_asked ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int migrate(const struct farebox_settings *settings, bool dry_run)
{
    char error[FAREBOX_ERROR_SIZE] = "";

    if (!store_open_migrate(settings, dry_run, stdout, error)) {
        (void)fprintf(stderr, "farebox: not migrated: %s\n", error);
        return EXIT_FAILURE;
    }
    return fflush(stdout) == 0 && ferror(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    static struct farebox_settings settings;
    int status = EXIT_FAILURE;
    enum cli_action action = cli_start(argc, argv, environ, &settings, stdout, stderr, &status);

    if (action == CLI_EXIT) {
        return status;
    }
    log_set_level((enum log_level)settings.log_level);
    time_zone_use(settings.time_zone);
    if (action != CLI_RUN) {
        status = migrate(&settings, action == CLI_MIGRATE_DRY_RUN);
    } else if (!pg_http_global_init()) {
        (void)fprintf(stderr, "farebox: not started: no libcurl\n");
    } else if (stop_signal_init()) {
        status = serve(&settings);
    } else {
        (void)fprintf(stderr, "farebox: not started: no thread for signals\n");
    }
    settings_clear(&settings);
    return status;
}
