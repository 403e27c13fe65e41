/*
 * bench_child.h - a program that a bench starts, listens to, and ends.
 *
 * What it prints goes to files in memory (/dev/shm), so that nothing but a database waits for a
 * disk; they are removed with it, or at the bench's exit. It dies with the bench. Whatever goes
 * wrong ends the bench, after what the child wrote to its standard error was shown. One thread.
 */
#ifndef FAREBOX_BENCH_CHILD_H
#define FAREBOX_BENCH_CHILD_H

#include <sys/types.h>

#define BENCH_CHILD_WORD_SIZE 128
#define BENCH_PATIENCE_MS     180000

struct bench_child {
    const char *name; /* in messages; outlives the child */
    pid_t pid;
    char log[100];
    char out[100];
};

/* A path in /dev/shm that no other run uses; its file is removed at exit. */
void bench_child_path(char path[100], const char *suffix);

/* `arguments` begins with the program's path; both lists end with NULL. */
void bench_child_start(struct bench_child *child, const char *name, char *const *arguments,
                       char *const *environment);

/* Waits until it has printed a line "<name> <word>" and gives the word. */
void bench_child_await_word(const struct bench_child *child, const char *name,
                            char word[BENCH_CHILD_WORD_SIZE]);

/* Ends the bench where the child has ended. */
void bench_child_check(const struct bench_child *child);
void bench_child_fail(const struct bench_child *child, const char *what);

/* SIGTERM; waits for exit status 0. */
void bench_child_stop(struct bench_child *child);

/* Sleeps, perhaps for less. */
void bench_nap(int ms);

#endif
