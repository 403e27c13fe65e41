/*
 * store_open.h - opens the store that the settings name, and migrates it.
 *
 * Threads and blocking: as the store port; blocks for the network or the file. Errors are one line
 * that begins with the setting and its value, and hold no secret.
 */
#ifndef FAREBOX_STORE_OPEN_H
#define FAREBOX_STORE_OPEN_H

#include "counters.h"
#include "farebox.h"
#include "settings.h"
#include "mysql_store.h"

#include <stdio.h>

/* What a store on MySQL is opened with; the texts belong to the settings. */
struct mysql_store_options store_open_mysql_options(const struct farebox_settings *settings);

/* One more connection; migrates where the settings allow it. What it meets at the server is counted
 * in `counters`, which outlive it. NULL: `error` says why. The caller ends it with its `close`
 * operation. */
struct store *store_open(const struct farebox_settings *settings, struct counters *counters,
                         char error[FAREBOX_ERROR_SIZE]);

/*
 * farebox migrate: brings the schema up to this program's and prints the statements to `out` as
 * they run, or with `dry_run` those that would run; where there are none it says so. False:
 * `error`.
 */
bool store_open_migrate(const struct farebox_settings *settings, bool dry_run, FILE *out,
                        char error[FAREBOX_ERROR_SIZE]);

#endif
