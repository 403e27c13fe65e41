/*
 * bench_threads.h - the processor time of each thread of another process, by the thread's name.
 *
 * Of threads with the same name the sum. A thread that ends between two looks makes its name's sum
 * too small.
 */
#ifndef FAREBOX_BENCH_THREADS_H
#define FAREBOX_BENCH_THREADS_H

#include <stdint.h>
#include <sys/types.h>

#define BENCH_THREADS_MAX      32
#define BENCH_THREAD_NAME_SIZE 17

struct bench_threads {
    uint32_t count;
    struct {
        char name[BENCH_THREAD_NAME_SIZE];
        int64_t us;
    } of[BENCH_THREADS_MAX];
};

/* Adds microseconds to those of a name. */
void bench_threads_count(struct bench_threads *threads, const char *name, int64_t us);

/* Adds what each thread has used up to now; a negative `sign` takes it away. */
void bench_threads_add(struct bench_threads *threads, pid_t pid, int sign);

#endif
