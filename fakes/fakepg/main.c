/* main.c - the farebox-fakepg command: options, start, the address on stdout, wait, stop. */
#include "fakepg.h"
#include "fakepg_options.h"
#include "fakepg_server.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define MESSAGE_SIZE 512

static void signals_of_end(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGHUP);
}

/* Where it serves and for whom. False: nobody can read it. */
static bool print_address(const struct fakepg_options *options,
                          const struct fakepg_server_options *server, int port)
{
    (void)printf("http http://%s:%d\n", server->host, port);
    for (uint32_t i = 0; i < options->merchant_count; i++) {
        (void)printf("secret-key %s\n", options->merchants[i].secret);
    }
    return fflush(stdout) == 0 && !ferror(stdout);
}

static int serve(const struct fakepg_options *options, const struct fakepg_server_options *where)
{
    char message[MESSAGE_SIZE] = "";
    sigset_t set;
    int number;
    int status = EXIT_FAILURE;
    struct fakepg *fakepg = fakepg_open(options, message, sizeof message);
    if (fakepg == NULL) {
        (void)fprintf(stderr, "farebox-fakepg: not started: %s\n", message);
        return EXIT_FAILURE;
    }
    struct fakepg_server *server = fakepg_server_open(fakepg, where, message, sizeof message);
    if (server == NULL) {
        (void)fprintf(stderr, "farebox-fakepg: not started: %s\n", message);
        goto out;
    }
    if (print_address(options, where, fakepg_server_port(server))) {
        signals_of_end(&set);
        while (sigwait(&set, &number) != 0) {
        }
        status = EXIT_SUCCESS;
    }
    fakepg_server_close(server);
out:
    fakepg_close(fakepg);
    return status;
}

int main(int argc, char **argv)
{
    static struct fakepg_options options;
    struct fakepg_server_options server;
    sigset_t set;
    int status = EXIT_FAILURE;
    if (fakepg_options_read(argc, argv, &options, &server, stdout, stderr, &status) ==
        FAKEPG_EXIT) {
        return status;
    }
    signals_of_end(&set);
    if (pthread_sigmask(SIG_BLOCK, &set, NULL) != 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR) {
        (void)fprintf(stderr, "farebox-fakepg: not started: signals can't be set\n");
        return EXIT_FAILURE;
    }
    return serve(&options, &server);
}
