#include "bench_threads.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* The first line of a file of /proc about a thread. */
static bool line_read(pid_t pid, const char *thread, const char *file, char line[100])
{
    char path[100];
    (void)snprintf(path, sizeof(path), "/proc/%d/task/%.20s/%s", (int)pid, thread, file);
    FILE *stream = fopen(path, "r");
    bool is_read = stream != NULL && fgets(line, 100, stream) != NULL;
    if (stream != NULL) {
        (void)fclose(stream);
    }
    line[is_read ? strcspn(line, "\n") : 0] = '\0';
    return is_read;
}

void bench_threads_count(struct bench_threads *threads, const char *name, int64_t us)
{
    uint32_t i = 0;
    while (i < threads->count && strcmp(threads->of[i].name, name) != 0) {
        i++;
    }
    if (i == BENCH_THREADS_MAX) {
        return;
    }
    if (i == threads->count) {
        threads->count++;
        (void)snprintf(threads->of[i].name, sizeof(threads->of[i].name), "%.16s", name);
    }
    threads->of[i].us += us;
}

void bench_threads_add(struct bench_threads *threads, pid_t pid, int sign)
{
    char path[40];
    (void)snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        char name[100];
        char times[100];
        int64_t ns = 0;
        /* The first number of schedstat is the time on a processor. */
        if (entry->d_name[0] != '.' && line_read(pid, entry->d_name, "comm", name) &&
            line_read(pid, entry->d_name, "schedstat", times) &&
            sscanf(times, "%" SCNd64, &ns) == 1) {
            bench_threads_count(threads, name, sign < 0 ? -ns / 1000 : ns / 1000);
        }
    }
    if (folder != NULL) {
        (void)closedir(folder);
    }
}
