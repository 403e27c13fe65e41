/*
 * bench_request.h - HTTP requests to a program that a bench has started.
 *
 * One thread. Whatever goes wrong ends the bench.
 */
#ifndef FAREBOX_BENCH_REQUEST_H
#define FAREBOX_BENCH_REQUEST_H

#include "bench_child.h"

/* GET, or POST where there is a body. The answer's body, a string; valid until the next request. */
const char *bench_request(const struct bench_child *child, const char *url, const char *body);

/* The value of a line "<series> <value>" of Prometheus' text format; 0: there is no such line. */
double bench_request_metric(const char *text, const char *series);

#endif
