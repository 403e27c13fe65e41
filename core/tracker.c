#include "tracker.h"

#include <string.h>

struct tracker_entry {
    int64_t limit; /* what is committable once this record and all before it are done */
    uint8_t done;
};

/*
 * A ring in order of delivery. `limit` of an entry: one past the highest offset delivered up to
 * it, but not past an offset that was delivered again after it; so limits never fall along the
 * ring. The first entry is open: done ones at the front go at once.
 */
struct tracker {
    int64_t highest;     /* offset delivered in this assignment; -1: none */
    int64_t committable; /* -1: nothing */
    int64_t committed;   /* -1: nothing */
    uint32_t assignment;
    uint32_t window;
    uint32_t first;  /* count of the delivery at the front; it may wrap round */
    uint32_t start;  /* the front's place in the ring */
    uint32_t length; /* entries in the ring */
    uint32_t open;   /* of which are not done */
    struct tracker_entry ring[];
};

size_t tracker_size(uint32_t window)
{
    return sizeof(struct tracker) + window * sizeof(struct tracker_entry);
}

struct tracker *tracker_init(void *block, uint32_t window)
{
    invariant(window >= 1);
    invariant(window <= UINT32_MAX / 2);
    memset(block, 0, tracker_size(window));
    struct tracker *tracker = block;
    tracker->window = window;
    tracker_reset(tracker, 0);
    return tracker;
}

void tracker_reset(struct tracker *tracker, uint32_t assignment)
{
    tracker->highest = -1;
    tracker->committable = -1;
    tracker->committed = -1;
    tracker->assignment = assignment;
    tracker->first = 0;
    tracker->start = 0;
    tracker->length = 0;
    tracker->open = 0;
}

uint32_t tracker_assignment(const struct tracker *tracker)
{
    return tracker->assignment;
}

/* The ring's place of the entry that is `distance` after the front. */
static uint32_t tracker_place(const struct tracker *tracker, uint32_t distance)
{
    uint32_t place = tracker->start + distance;
    return place < tracker->window ? place : place - tracker->window;
}

/* A rewind: what ends before this offset's new delivery may not be committed past it. */
static void tracker_lower_limits(struct tracker *tracker, int64_t offset)
{
    for (uint32_t distance = tracker->length; distance > 0; distance--) {
        struct tracker_entry *entry = &tracker->ring[tracker_place(tracker, distance - 1)];
        if (entry->limit <= offset) {
            return;
        }
        entry->limit = offset;
    }
}

bool tracker_deliver(struct tracker *tracker, int64_t offset, uint64_t *sequence)
{
    invariant(offset >= 0 && offset < INT64_MAX);
    if (tracker_is_full(tracker)) {
        return false;
    }
    tracker_lower_limits(tracker, offset);
    if (offset > tracker->highest) {
        tracker->highest = offset;
    }
    struct tracker_entry *entry = &tracker->ring[tracker_place(tracker, tracker->length)];
    *entry = (struct tracker_entry){.limit = tracker->highest + 1};
    uint32_t count = tracker->first + tracker->length;
    *sequence = (uint64_t)tracker->assignment << 32 | count;
    tracker->length++;
    tracker->open++;
    return true;
}

/* Lets the done entries at the front go. */
static void tracker_advance(struct tracker *tracker)
{
    while (tracker->length > 0 && tracker->ring[tracker->start].done) {
        if (tracker->ring[tracker->start].limit > tracker->committable) {
            tracker->committable = tracker->ring[tracker->start].limit;
        }
        tracker->start = tracker_place(tracker, 1);
        tracker->first++;
        tracker->length--;
    }
}

void tracker_done(struct tracker *tracker, uint64_t sequence)
{
    uint32_t distance = (uint32_t)sequence - tracker->first;
    if (sequence >> 32 != tracker->assignment || distance >= tracker->length) {
        return;
    }
    struct tracker_entry *entry = &tracker->ring[tracker_place(tracker, distance)];
    if (entry->done) {
        return;
    }
    entry->done = 1;
    tracker->open--;
    tracker_advance(tracker);
}

bool tracker_committable(const struct tracker *tracker, int64_t *offset)
{
    if (tracker->committable <= tracker->committed) {
        return false;
    }
    *offset = tracker->committable;
    return true;
}

void tracker_committed(struct tracker *tracker, uint32_t assignment, int64_t offset)
{
    if (assignment != tracker->assignment || offset <= tracker->committed ||
        offset > tracker->committable) {
        return;
    }
    tracker->committed = offset;
}

uint32_t tracker_in_window(const struct tracker *tracker)
{
    return tracker->length;
}

uint32_t tracker_in_flight(const struct tracker *tracker)
{
    return tracker->open;
}

bool tracker_is_full(const struct tracker *tracker)
{
    return tracker->length == tracker->window;
}

static void tracker_check_ring(const struct tracker *tracker)
{
    uint32_t open = 0;
    int64_t limit_before = 0;
    for (uint32_t distance = 0; distance < tracker->length; distance++) {
        const struct tracker_entry *entry = &tracker->ring[tracker_place(tracker, distance)];
        invariant(entry->limit >= limit_before);
        invariant(entry->limit <= tracker->highest + 1);
        invariant(distance > 0 || !entry->done);
        limit_before = entry->limit;
        open += entry->done ? 0 : 1;
    }
    invariant(open == tracker->open);
    invariant(tracker->length == 0 || limit_before == tracker->highest + 1);
}

void tracker_check(const struct tracker *tracker)
{
    invariant(tracker->window >= 1);
    invariant(tracker->start < tracker->window);
    invariant(tracker->length <= tracker->window);
    invariant(tracker->highest >= -1);
    invariant(tracker->committable <= tracker->highest + 1);
    invariant(tracker->committed <= tracker->committable);
    tracker_check_ring(tracker);
}
