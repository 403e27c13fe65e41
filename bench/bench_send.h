/*
 * bench_send.h - trip events into a broker, over all partitions in turn.
 */
#ifndef FAREBOX_BENCH_SEND_H
#define FAREBOX_BENCH_SEND_H

#include "bench_units.h"

/* Returns when the broker has them all; ends the program where it does not take them. */
void bench_send(const char *bootstrap, uint32_t partitions, const struct bench_trips *trips);

#endif
