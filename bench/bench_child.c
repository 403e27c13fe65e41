#include "bench_child.h"

#include "bench_cpu.h"
#include "invariant.h"

#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LISTEN_MS 50

void bench_nap(int ms)
{
    const struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
    (void)nanosleep(&time, NULL);
}

/* Also what a bench that gave up has left. */
static void paths_remove(void)
{
    char pattern[100];
    glob_t found;
    (void)snprintf(pattern, sizeof(pattern), "/dev/shm/farebox-bench-%d-*", (int)getpid());
    if (glob(pattern, 0, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc; i++) {
            (void)unlink(found.gl_pathv[i]);
        }
        globfree(&found);
    }
}

void bench_child_path(char path[100], const char *suffix)
{
    static unsigned count;
    if (count == 0) {
        invariant(atexit(paths_remove) == 0);
    }
    (void)snprintf(path, 100, "/dev/shm/farebox-bench-%d-%u.%s", (int)getpid(), ++count, suffix);
}

static void become(const struct bench_child *child, char *const *arguments,
                   char *const *environment)
{
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    int null = open("/dev/null", O_RDONLY);
    int log = open(child->log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    int out = open(child->out, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && dup2(null, 0) == 0 && dup2(out, 1) == 1 &&
        dup2(log, 2) == 2) {
        (void)execve(arguments[0], arguments, environment);
    }
    _exit(127);
}

void bench_child_start(struct bench_child *child, const char *name, char *const *arguments,
                       char *const *environment)
{
    child->name = name;
    bench_child_path(child->log, "log");
    bench_child_path(child->out, "out");
    child->pid = fork();
    if (child->pid == 0) {
        become(child, arguments, environment);
    }
    if (child->pid < 0) {
        fprintf(stderr, "bench: no process\n");
        exit(1);
    }
}

void bench_child_fail(const struct bench_child *child, const char *what)
{
    char line[500];
    FILE *file = fopen(child->log, "r");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        fputs(line, stderr);
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    fprintf(stderr, "bench: %s %s\n", child->name, what);
    exit(1);
}

void bench_child_check(const struct bench_child *child)
{
    if (waitpid(child->pid, NULL, WNOHANG) != 0) {
        bench_child_fail(child, "has ended");
    }
}

static bool has_said(const struct bench_child *child, const char *name,
                     char word[BENCH_CHILD_WORD_SIZE])
{
    FILE *file = fopen(child->out, "r");
    char line[200];
    bool has = false;
    size_t len = strlen(name);
    while (file != NULL && !has && fgets(line, sizeof(line), file) != NULL) {
        has = strchr(line, '\n') != NULL && strncmp(line, name, len) == 0 && line[len] == ' ' &&
              sscanf(line + len, " %127s", word) == 1;
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return has;
}

void bench_child_await_word(const struct bench_child *child, const char *name,
                            char word[BENCH_CHILD_WORD_SIZE])
{
    int64_t end_us = bench_clock_us() + (int64_t)BENCH_PATIENCE_MS * 1000;
    while (!has_said(child, name, word)) {
        bench_child_check(child);
        if (bench_clock_us() > end_us) {
            bench_child_fail(child, "does not say its addresses");
        }
        bench_nap(LISTEN_MS);
    }
}

void bench_child_stop(struct bench_child *child)
{
    int status = 0;
    (void)kill(child->pid, SIGTERM);
    (void)waitpid(child->pid, &status, 0);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        bench_child_fail(child, "did not stop in order");
    }
    (void)unlink(child->out);
    (void)unlink(child->log);
    child->pid = 0;
}
