/*
 * fakepg_process.h - a real farebox-fakepg, started and ended by a test, and its controls.
 *
 * Failure fails the running test. The process dies with the test program. Threads: the test's.
 */
#ifndef FAREBOX_TEST_FAKEPG_PROCESS_H
#define FAREBOX_TEST_FAKEPG_PROCESS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define FAKEPG_KEY "test_sk_farebox0fake0pg0secret0key0"

struct fakepg_process {
    pid_t pid; /* 0: none */
    uint16_t port;
    char state[256]; /* "": nothing survives it */
};

/* Starts it on `port` (0: any free one) and waits until it serves. */
void fakepg_process_start(struct fakepg_process *process, uint16_t port);
/* SIGKILL, and waits. Harmless where none runs. */
void fakepg_process_kill(struct fakepg_process *process);

/*
 * Asks a control, "POST" with a body or "GET" without; the answer must have status 200. The caller
 * frees what is returned, NUL-terminated.
 */
char *fakepg_process_control(const struct fakepg_process *process, const char *path,
                             const char *body);
/* The same, without the answer. */
void fakepg_process_set(const struct fakepg_process *process, const char *path, const char *body);

#endif
