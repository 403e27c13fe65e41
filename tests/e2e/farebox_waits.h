/*
 * farebox_waits.h - waits of the end-to-end tests: until something is so, or the test fails.
 *
 * Each polls from outside for up to PROCESS_PATIENCE_MS; a test that fails shows the log of the
 * process. One thread.
 */
#ifndef FAREBOX_E2E_WAITS_H
#define FAREBOX_E2E_WAITS_H

#include "farebox_audit.h"
#include "farebox_process.h"

#include <stddef.h>

/* At least that many records are in the topic. */
void farebox_wait_for_records(const struct farebox_process *process, const char *bootstrap,
                              const char *topic, size_t least);

/* farebox_audit_await_settled() says so. */
void farebox_wait_for_settled(const struct farebox_process *process,
                              const struct farebox_audit *audit);

#endif
