/*
 * counters.h - what Farebox counts, as Prometheus shows it.
 *
 * Threads: any, after open.
 */
#ifndef FAREBOX_COUNTERS_H
#define FAREBOX_COUNTERS_H

#include "engine.h"
#include "gateway_call.h"
#include "http_api.h"
#include "mysql_store.h"

#include <stdio.h>

struct counters;

/* NULL: no memory. */
MUST_USE struct counters *counters_open(void);
void counters_close(struct counters *counters);

/* An engine's note or alert. `value`: the note's. */
void counters_note(struct counters *counters, enum engine_note note, int64_t value);
void counters_alert(struct counters *counters, enum payment_alert alert);

/* A record that the engine has taken. */
void counters_record(struct counters *counters, enum engine_topic topic,
                     enum engine_record_kind kind);

/* A batch that was answered. */
void counters_batch(struct counters *counters, enum batch_outcome outcome, uint32_t units,
                    int64_t elapsed_us);

/* What the MySQL store met. */
void counters_store_notice(struct counters *counters, enum mysql_notice what);

/* A call that was answered; `answer` is of the PG's or the upstreams' kinds. */
void counters_call(struct counters *counters, enum gateway_op op, uint8_t answer);

/* How things are now. */
void counters_state(struct counters *counters, const struct engine *engine,
                    const struct texts *texts);

/* An answered HTTP request. */
void counters_request(struct counters *counters, enum http_endpoint endpoint, int http_status,
                      int64_t elapsed_us);

/* Prometheus text; any thread. */
void counters_render(struct counters *counters, FILE *out);

#endif
