#include "timers.h"

#include <string.h>

struct timer {
    int64_t deadline_ms;
    uint32_t slot;  /* of the heap's element at this place */
    uint32_t place; /* of the slot with this number, + 1; 0: not armed */
};

/* at[0 .. count) is the heap by deadline_ms and slot; `place` is indexed by slot instead. */
struct timers {
    uint32_t slots_max;
    uint32_t count;
    struct timer at[];
};

size_t timers_size(uint32_t slots_max)
{
    return sizeof(struct timers) + slots_max * sizeof(struct timer);
}

struct timers *timers_init(void *block, uint32_t slots_max)
{
    invariant(slots_max < UINT32_MAX);
    memset(block, 0, timers_size(slots_max));
    struct timers *timers = block;
    timers->slots_max = slots_max;
    return timers;
}

static void timers_put(struct timers *timers, uint32_t place, int64_t deadline_ms, uint32_t slot)
{
    timers->at[place].deadline_ms = deadline_ms;
    timers->at[place].slot = slot;
    timers->at[slot].place = place + 1;
}

/* Whether the deadline and slot come before the heap's element at `place`. */
static bool timers_before(const struct timers *timers, int64_t deadline_ms, uint32_t slot,
                          uint32_t place)
{
    const struct timer *other = &timers->at[place];
    if (deadline_ms != other->deadline_ms) {
        return deadline_ms < other->deadline_ms;
    }
    return slot < other->slot;
}

/* Fills the hole at `place`, moving it towards the root as far as the element needs. */
static void timers_rise(struct timers *timers, uint32_t place, int64_t deadline_ms, uint32_t slot)
{
    while (place > 0) {
        uint32_t parent = (place - 1) / 2;
        if (!timers_before(timers, deadline_ms, slot, parent)) {
            break;
        }
        timers_put(timers, place, timers->at[parent].deadline_ms, timers->at[parent].slot);
        place = parent;
    }
    timers_put(timers, place, deadline_ms, slot);
}

/* Fills the hole at `place`, moving it towards the leaves as far as the element needs. */
static void timers_sink(struct timers *timers, uint32_t place, int64_t deadline_ms, uint32_t slot)
{
    /* place < count / 2 has a child; written so that nothing overflows. */
    while (place < timers->count / 2) {
        uint32_t child = 2 * place + 1;
        const struct timer *right = &timers->at[child + 1];
        if (child + 1 < timers->count &&
            timers_before(timers, right->deadline_ms, right->slot, child)) {
            child++;
        }
        if (timers_before(timers, deadline_ms, slot, child)) {
            break;
        }
        timers_put(timers, place, timers->at[child].deadline_ms, timers->at[child].slot);
        place = child;
    }
    timers_put(timers, place, deadline_ms, slot);
}

/* Fills the hole at `place` in whichever direction the element belongs. */
static void timers_fill(struct timers *timers, uint32_t place, int64_t deadline_ms, uint32_t slot)
{
    if (place > 0 && timers_before(timers, deadline_ms, slot, (place - 1) / 2)) {
        timers_rise(timers, place, deadline_ms, slot);
    } else {
        timers_sink(timers, place, deadline_ms, slot);
    }
}

void timers_set(struct timers *timers, uint32_t slot, int64_t deadline_ms)
{
    invariant(slot < timers->slots_max);
    if (timers->at[slot].place != 0) {
        timers_fill(timers, timers->at[slot].place - 1, deadline_ms, slot);
        return;
    }
    timers->count++;
    timers_rise(timers, timers->count - 1, deadline_ms, slot);
}

void timers_cancel(struct timers *timers, uint32_t slot)
{
    invariant(slot < timers->slots_max);
    if (timers->at[slot].place == 0) {
        return;
    }
    uint32_t hole = timers->at[slot].place - 1;
    timers->at[slot].place = 0;
    timers->count--;
    const struct timer *last = &timers->at[timers->count];
    if (hole != timers->count) {
        timers_fill(timers, hole, last->deadline_ms, last->slot);
    }
}

bool timers_armed(const struct timers *timers, uint32_t slot)
{
    invariant(slot < timers->slots_max);
    return timers->at[slot].place != 0;
}

int64_t timers_deadline_ms(const struct timers *timers, uint32_t slot)
{
    if (!timers_armed(timers, slot)) {
        return INT64_MAX;
    }
    return timers->at[timers->at[slot].place - 1].deadline_ms;
}

uint32_t timers_count(const struct timers *timers)
{
    return timers->count;
}

bool timers_next(const struct timers *timers, uint32_t *slot, int64_t *deadline_ms)
{
    if (timers->count == 0) {
        return false;
    }
    *slot = timers->at[0].slot;
    *deadline_ms = timers->at[0].deadline_ms;
    return true;
}

void timers_check(const struct timers *timers)
{
    invariant(timers->count <= timers->slots_max);
    for (uint32_t place = 0; place < timers->count; place++) {
        const struct timer *timer = &timers->at[place];
        invariant(timer->slot < timers->slots_max);
        invariant(timers->at[timer->slot].place == place + 1);
        if (place > 0) {
            invariant(!timers_before(timers, timer->deadline_ms, timer->slot, (place - 1) / 2));
        }
    }
    uint32_t armed = 0;
    for (uint32_t slot = 0; slot < timers->slots_max; slot++) {
        armed += timers->at[slot].place != 0;
    }
    invariant(armed == timers->count);
}
