/*
 * time_zone.h - the zone of local date-times: the one in which the old service wrote its own.
 *
 * The system's zone information is what knows a zone's rules; the process uses one zone.
 */
#ifndef FAREBOX_TIME_ZONE_H
#define FAREBOX_TIME_ZONE_H

#include <stdbool.h>
#include <stdint.h>

/* True: an IANA name, like Asia/Seoul, whose rules are installed here. Reads one file. */
__attribute__((warn_unused_result)) bool time_zone_is_known(const char *name);

/* Makes the zone, a known one, the process's. Before the process has threads. */
void time_zone_use(const char *name);

/* Local time - UTC at that instant (Unix seconds), in seconds; 0 where the instant is beyond what a
 * calendar of the system can show. Any thread. */
int32_t time_zone_offset_s(int64_t unix_s);

#endif
