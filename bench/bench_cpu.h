/*
 * bench_cpu.h - clocks: the time that passes, and the processor time that a process has used.
 */
#ifndef FAREBOX_BENCH_CPU_H
#define FAREBOX_BENCH_CPU_H

#include <stdint.h>
#include <sys/types.h>

/* CLOCK_MONOTONIC. */
int64_t bench_clock_us(void);
/* User and system time of all threads of a process, also another one's; 0: this one. */
int64_t bench_cpu_us(pid_t pid);
/* The memory that a process has resident, and the most it has had, KiB; -1: not known. */
int64_t bench_rss_kib(pid_t pid);
int64_t bench_rss_peak_kib(pid_t pid);

#endif
