#include "lease.h"

static bool lease_is_held_by(const struct lease *lease, text_id holder, int64_t now_ms)
{
    invariant(holder != TEXT_NONE);
    invariant(now_ms >= 0);
    return lease->locked_by == holder && lease->lock_until_ms > now_ms;
}

bool lease_take(struct lease *lease, text_id holder, int64_t now_ms, int32_t lock_ms)
{
    invariant(holder != TEXT_NONE);
    invariant(now_ms >= 0);
    if (lease->locked_by != TEXT_NONE && lease->lock_until_ms > now_ms) {
        return false;
    }
    lease->locked_by = holder;
    lease->locked_at_ms = now_ms;
    lease->lock_until_ms = now_ms + lock_ms;
    return true;
}

bool lease_extend(struct lease *lease, text_id holder, int64_t now_ms, int32_t lock_ms)
{
    if (!lease_is_held_by(lease, holder, now_ms)) {
        return false;
    }
    lease->lock_until_ms = now_ms + lock_ms;
    return true;
}

bool lease_release(struct lease *lease, text_id holder, int64_t now_ms, int32_t at_least_ms)
{
    if (!lease_is_held_by(lease, holder, now_ms)) {
        return false;
    }
    int64_t earliest_ms = lease->locked_at_ms + at_least_ms;
    lease->lock_until_ms = earliest_ms > now_ms ? earliest_ms : now_ms;
    return true;
}

enum lease_action {
    LEASE_ACTION_BROKEN = 0, /* a result, and nothing was asked */
    LEASE_ACTION_IGNORE,
    LEASE_ACTION_WAIT, /* a unit is outstanding: its result comes first */
    LEASE_ACTION_ASK_TAKE,
    LEASE_ACTION_ASK_EXTEND_IF_DUE, /* or let go, where the time has run out */
    LEASE_ACTION_ASK_RELEASE,
    LEASE_ACTION_HOLD, /* or not, where the result came after the time had run out */
    LEASE_ACTION_LET_GO,
};

static const uint8_t lease_table[LEASE_HOLDER_STATE_COUNT][LEASE_EVENT_COUNT] = {
    [LEASE_HOLDER_FREE] =
        {
            [LEASE_EVENT_TAKE] = LEASE_ACTION_ASK_TAKE,
            [LEASE_EVENT_TICK] = LEASE_ACTION_IGNORE,
            [LEASE_EVENT_RELEASE] = LEASE_ACTION_IGNORE,
            [LEASE_EVENT_APPLIED] = LEASE_ACTION_BROKEN,
            [LEASE_EVENT_REFUSED] = LEASE_ACTION_BROKEN,
        },
    [LEASE_HOLDER_TAKING] =
        {
            [LEASE_EVENT_TAKE] = LEASE_ACTION_WAIT,
            [LEASE_EVENT_TICK] = LEASE_ACTION_WAIT,
            [LEASE_EVENT_RELEASE] = LEASE_ACTION_WAIT,
            [LEASE_EVENT_APPLIED] = LEASE_ACTION_HOLD,
            [LEASE_EVENT_REFUSED] = LEASE_ACTION_LET_GO,
        },
    [LEASE_HOLDER_HELD] =
        {
            [LEASE_EVENT_TAKE] = LEASE_ACTION_IGNORE,
            [LEASE_EVENT_TICK] = LEASE_ACTION_ASK_EXTEND_IF_DUE,
            [LEASE_EVENT_RELEASE] = LEASE_ACTION_ASK_RELEASE,
            [LEASE_EVENT_APPLIED] = LEASE_ACTION_BROKEN,
            [LEASE_EVENT_REFUSED] = LEASE_ACTION_BROKEN,
        },
    [LEASE_HOLDER_EXTENDING] =
        {
            [LEASE_EVENT_TAKE] = LEASE_ACTION_WAIT,
            [LEASE_EVENT_TICK] = LEASE_ACTION_WAIT,
            [LEASE_EVENT_RELEASE] = LEASE_ACTION_WAIT,
            [LEASE_EVENT_APPLIED] = LEASE_ACTION_HOLD,
            [LEASE_EVENT_REFUSED] = LEASE_ACTION_LET_GO,
        },
    [LEASE_HOLDER_RELEASING] =
        {
            [LEASE_EVENT_TAKE] = LEASE_ACTION_WAIT,
            [LEASE_EVENT_TICK] = LEASE_ACTION_WAIT,
            [LEASE_EVENT_RELEASE] = LEASE_ACTION_WAIT,
            [LEASE_EVENT_APPLIED] = LEASE_ACTION_LET_GO,
            [LEASE_EVENT_REFUSED] = LEASE_ACTION_LET_GO,
        },
};

void lease_holder_init(struct lease_holder *holder)
{
    *holder = (struct lease_holder){.state = LEASE_HOLDER_FREE};
}

static void lease_holder_let_go(struct lease_holder *holder)
{
    lease_holder_init(holder);
}

static int lease_holder_ask(struct lease_holder *holder, enum lease_holder_state state,
                            int64_t now_ms, enum lease_op op)
{
    holder->state = (uint8_t)state;
    holder->asked_at_ms = now_ms;
    return (int)op;
}

static int lease_holder_tick(struct lease_holder *holder, int64_t now_ms, int32_t lock_ms)
{
    if (now_ms >= holder->held_until_ms) {
        lease_holder_let_go(holder);
        return 0;
    }
    if (now_ms < lease_holder_next_ms(holder, lock_ms)) {
        return 0;
    }
    return lease_holder_ask(holder, LEASE_HOLDER_EXTENDING, now_ms, LEASE_EXTEND);
}

/* The store's hold began at the earliest when the unit was asked for, so it lasts at least to
 * held_until_ms. */
static void lease_holder_hold(struct lease_holder *holder, int64_t now_ms, int32_t lock_ms)
{
    if (now_ms >= holder->asked_at_ms + lock_ms) {
        lease_holder_let_go(holder);
        return;
    }
    holder->state = LEASE_HOLDER_HELD;
    holder->held_until_ms = holder->asked_at_ms + lock_ms;
    holder->asked_at_ms = 0;
}

int lease_holder_step(struct lease_holder *holder, enum lease_holder_event event, int64_t now_ms,
                      int32_t lock_ms)
{
    invariant(lock_ms >= 2);
    switch ((enum lease_action)lease_table[holder->state][event]) {
    case LEASE_ACTION_BROKEN:
        invariant(false);
        return 0;
    case LEASE_ACTION_IGNORE:
    case LEASE_ACTION_WAIT:
        return 0;
    case LEASE_ACTION_ASK_TAKE:
        return lease_holder_ask(holder, LEASE_HOLDER_TAKING, now_ms, LEASE_TAKE);
    case LEASE_ACTION_ASK_EXTEND_IF_DUE:
        return lease_holder_tick(holder, now_ms, lock_ms);
    case LEASE_ACTION_ASK_RELEASE:
        return lease_holder_ask(holder, LEASE_HOLDER_RELEASING, now_ms, LEASE_RELEASE);
    case LEASE_ACTION_HOLD:
        lease_holder_hold(holder, now_ms, lock_ms);
        return 0;
    case LEASE_ACTION_LET_GO:
        lease_holder_let_go(holder);
        return 0;
    }
    invariant(false);
    return 0;
}

bool lease_holder_is_held(const struct lease_holder *holder, int64_t now_ms)
{
    return (holder->state == LEASE_HOLDER_HELD || holder->state == LEASE_HOLDER_EXTENDING) &&
           now_ms < holder->held_until_ms;
}

int64_t lease_holder_next_ms(const struct lease_holder *holder, int32_t lock_ms)
{
    return holder->state == LEASE_HOLDER_HELD ? holder->held_until_ms - lock_ms / 2 : INT64_MAX;
}

void lease_holder_check(const struct lease_holder *holder)
{
    invariant(holder->state < LEASE_HOLDER_STATE_COUNT);
    switch ((enum lease_holder_state)holder->state) {
    case LEASE_HOLDER_FREE:
        invariant(holder->asked_at_ms == 0 && holder->held_until_ms == 0);
        break;
    case LEASE_HOLDER_TAKING:
        invariant(holder->held_until_ms == 0);
        break;
    case LEASE_HOLDER_HELD:
        invariant(holder->asked_at_ms == 0);
        break;
    case LEASE_HOLDER_EXTENDING:
        invariant(holder->asked_at_ms < holder->held_until_ms);
        break;
    case LEASE_HOLDER_RELEASING:
    case LEASE_HOLDER_STATE_COUNT:
        break;
    }
}
