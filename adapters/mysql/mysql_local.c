/*
 * The old service's date-times.
 *
 * The server's own zones are of no use: its tables of them are often empty. So this process knows
 * the zone's rules and tells the server the offset; and where it changes within a day of now, which
 * offset before that instant and which after, so that the statement's own instant decides.
 */
#include "mysql_internal.h"

#include <inttypes.h>
#include <stdio.h>

#define DAY_S 86400

static int32_t offset_at(const struct mysql_store *store, int64_t unix_s)
{
    return store->options.zone_offset_s == NULL ? 0 : store->options.zone_offset_s(unix_s);
}

/* The first second with another offset than `from_s` has. */
static int64_t change_find(const struct mysql_store *store, int64_t from_s, int64_t to_s)
{
    int32_t before_s = offset_at(store, from_s);
    while (to_s - from_s > 1) {
        int64_t middle_s = from_s + (to_s - from_s) / 2;
        if (offset_at(store, middle_s) == before_s) {
            from_s = middle_s;
        } else {
            to_s = middle_s;
        }
    }
    return to_s;
}

void mysql_local_now(struct mysql_store *store, int64_t now_ms)
{
    int64_t now_s = now_ms / 1000;
    int32_t before_s = offset_at(store, now_s - DAY_S);
    int32_t after_s = offset_at(store, now_s + DAY_S);
    if (before_s == after_s) {
        (void)snprintf(store->local_now, sizeof(store->local_now),
                       "NOW(6) + INTERVAL %" PRId32 " SECOND", after_s);
        return;
    }
    (void)snprintf(store->local_now, sizeof(store->local_now),
                   "NOW(6) + INTERVAL IF(" SQL_NOW " < %" PRId64 ", %" PRId32 ", %" PRId32
                   ") SECOND",
                   change_find(store, now_s - DAY_S, now_s + DAY_S) * 1000, before_s, after_s);
}

int64_t mysql_local_instant(const struct mysql_store *store, int64_t local_ms)
{
    int64_t local_s = local_ms / 1000;
    int32_t before_s = offset_at(store, local_s - DAY_S);
    int32_t after_s = offset_at(store, local_s + DAY_S);
    if (offset_at(store, local_s - before_s) != before_s &&
        offset_at(store, local_s - after_s) == after_s) {
        return local_ms - (int64_t)after_s * 1000;
    }
    return local_ms - (int64_t)before_s * 1000;
}
