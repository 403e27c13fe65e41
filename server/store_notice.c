#include "store_notice.h"

#include "clock.h"
#include "counters.h"
#include "log.h"

#include <stdatomic.h>

#define QUIET_MS 10000

/* True for one caller in QUIET_MS. */
static bool is_time(_Atomic int64_t *next_ms)
{
    int64_t now_ms = clock_boot_ms();
    int64_t next = atomic_load(next_ms);

    return now_ms >= next && atomic_compare_exchange_strong(next_ms, &next, now_ms + QUIET_MS);
}

void store_notice(void *context, enum mysql_notice what, const char *text)
{
    static _Atomic int64_t no_connection_ms;
    static _Atomic int64_t other_ms;

    counters_store_notice(context, what);
    if (what == MYSQL_NOTICE_NO_CONNECTION && is_time(&no_connection_ms)) {
        log_write(LOG_LEVEL_WARN, "the store's server can't be reached or used; trying again",
                  LOG_FIELDS(log_text("error", text)));
    }
    if (what == MYSQL_NOTICE_OTHER && is_time(&other_ms)) {
        log_write(LOG_LEVEL_WARN, "the store's server refuses a statement; trying again",
                  LOG_FIELDS(log_text("error", text)));
    }
}
