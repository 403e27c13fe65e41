#include "bench_numbers.h"

#include "invariant.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint32_t bench_number(const char *text, uint32_t least, uint32_t most)
{
    char *end = NULL;
    unsigned long value = strtoul(text, &end, 10);
    if (end == text || *end != '\0' || value < least || value > most) {
        fprintf(stderr, "%s: %s: a number from %" PRIu32 " to %" PRIu32 " is allowed\n",
                program_invocation_short_name, text, least, most);
        exit(2);
    }
    return (uint32_t)value;
}

static int order(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void sort(const double *values, uint32_t count, double sorted[BENCH_ROUNDS_MAX])
{
    invariant(count > 0 && count <= BENCH_ROUNDS_MAX);
    memcpy(sorted, values, count * sizeof(sorted[0]));
    qsort(sorted, count, sizeof(sorted[0]), order);
}

double bench_median(const double *values, uint32_t count)
{
    double sorted[BENCH_ROUNDS_MAX];
    sort(values, count, sorted);
    return (sorted[(count - 1) / 2] + sorted[count / 2]) / 2;
}

void bench_quartiles(const double *values, uint32_t count, double *lower, double *upper)
{
    double sorted[BENCH_ROUNDS_MAX];
    sort(values, count, sorted);
    *lower = sorted[(count - 1) / 4];
    *upper = sorted[count - 1 - (count - 1) / 4];
}
