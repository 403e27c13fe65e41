#include "bench_cpu.h"

#include "invariant.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t clock_us(clockid_t clock)
{
    struct timespec now;
    invariant(clock_gettime(clock, &now) == 0);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t bench_clock_us(void)
{
    return clock_us(CLOCK_MONOTONIC);
}

int64_t bench_cpu_us(pid_t pid)
{
    clockid_t clock;
    invariant(clock_getcpuclockid(pid, &clock) == 0);
    return clock_us(clock);
}

/* A line "<name>: <number> kB" of what the kernel says about a process. */
static int64_t status_kib(pid_t pid, const char *name)
{
    char path[40];
    char line[200];
    int64_t kib = -1;
    size_t len = strlen(name);
    (void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "r");
    while (file != NULL && kib < 0 && fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, name, len) == 0 && line[len] == ':') {
            (void)sscanf(line + len + 1, "%" SCNd64, &kib);
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return kib;
}

int64_t bench_rss_kib(pid_t pid)
{
    return status_kib(pid, "VmRSS");
}

int64_t bench_rss_peak_kib(pid_t pid)
{
    return status_kib(pid, "VmHWM");
}
