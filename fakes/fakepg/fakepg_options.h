/*
 * fakepg_options.h - the farebox-fakepg command's options.
 *
 * Threads: none; called once, by main. Blocks for nothing.
 */
#ifndef FAREBOX_FAKEPG_OPTIONS_H
#define FAREBOX_FAKEPG_OPTIONS_H

#include "fakepg.h"
#include "fakepg_server.h"

#include <stdio.h>

#define FAKEPG_EXIT_USAGE 2

enum fakepg_action {
    FAKEPG_RUN = 1,
    FAKEPG_EXIT, /* leave with *exit_status */
};

/*
 * Reads the options. --help and --version print to `out`; what is wrong goes to `err`.
 * FAKEPG_RUN: `fakepg` and `server` are filled; their texts live as long as `argv`.
 */
__attribute__((warn_unused_result)) enum fakepg_action
fakepg_options_read(int argc, char **argv, struct fakepg_options *fakepg,
                    struct fakepg_server_options *server, FILE *out, FILE *err, int *exit_status);

#endif
