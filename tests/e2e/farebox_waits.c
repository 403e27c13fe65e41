#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "farebox_waits.h"

#include "trip_sender.h"

static void count_one(void *context, const struct kafka_record *record)
{
    (void)record;
    (*(size_t *)context)++;
}

void farebox_wait_for_records(const struct farebox_process *process, const char *bootstrap,
                              const char *topic, size_t least)
{
    int64_t deadline_ms = process_clock_ms() + PROCESS_PATIENCE_MS;
    size_t count = 0;
    while (count < least) {
        if (process_clock_ms() > deadline_ms) {
            farebox_process_show_log(process);
            fail_msg("%zu records in %s, not %zu", count, topic, least);
        }
        count = 0;
        (void)trip_sender_read(bootstrap, topic, count_one, &count);
    }
}

void farebox_wait_for_settled(const struct farebox_process *process,
                              const struct farebox_audit *audit)
{
    if (!farebox_audit_await_settled(audit, PROCESS_PATIENCE_MS)) {
        farebox_process_show_log(process);
        fail_msg("not all payments are settled");
    }
}
