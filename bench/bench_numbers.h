/*
 * bench_numbers.h - numbers of a command line, and the middle of those that were measured.
 */
#ifndef FAREBOX_BENCH_NUMBERS_H
#define FAREBOX_BENCH_NUMBERS_H

#include <stdint.h>

#define BENCH_ROUNDS_MAX 60

/* A whole number from `least` to `most`; anything else ends the program with a line that says so.
 */
uint32_t bench_number(const char *text, uint32_t least, uint32_t most);

/* Of 1 to BENCH_ROUNDS_MAX values; of an even count the mean of the two in the middle. */
double bench_median(const double *values, uint32_t count);
/* What a quarter of the values are not above, and what a quarter are not below. */
void bench_quartiles(const double *values, uint32_t count, double *lower, double *upper);

#endif
