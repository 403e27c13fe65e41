/*
 * stop_signal.h - SIGTERM, SIGINT and SIGHUP, as one request to stop.
 *
 * A thread of its own waits for them, because main may be busy starting or stopping. The first
 * one asks for an orderly stop; the second one ends the process at once, with status 130.
 *
 * Threads: stop_signal_init() before any other thread starts, because those inherit its mask; the
 * other functions from any thread.
 */
#ifndef FAREBOX_STOP_SIGNAL_H
#define FAREBOX_STOP_SIGNAL_H

#include <stdbool.h>

/* Blocks the signals in this and all later threads, and starts the thread. False: no thread. */
__attribute__((warn_unused_result)) bool stop_signal_init(void);

/* The process can't go on: the same as a first signal, but it was not asked for. */
void stop_signal_broken(void *context);

/* Waits for the first request. True: somebody asked for it. False: the process is broken. */
bool stop_signal_wait(void);

#endif
