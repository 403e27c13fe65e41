#include "fault_store.h"

#include <string.h>

struct fault_store_state {
    struct fault_store_config config;
    int64_t held_until_ms;
    int64_t down_until_ms;
    uint32_t counts[STORE_FAULT_COUNT];
    uint32_t units_max;
    uint32_t held;
    uint32_t lands;
    struct unit units[];
};

static struct fault_store *handle_of(struct store *store)
{
    return (struct fault_store *)(void *)store;
}

const char *store_fault_name(enum store_fault fault)
{
    static const char *const names[STORE_FAULT_COUNT] = {
        "none",
        "commit_aborted",
        "commit_lost_landed",
        "commit_lost_later",
        "commit_lost_dead",
        "unit_error",
        "unit_collision",
        "store_down",
        "no_lease",
    };
    return (unsigned)fault < STORE_FAULT_COUNT ? names[fault] : "?";
}

size_t fault_store_state_size(uint32_t units_max)
{
    return sizeof(struct fault_store_state) + units_max * sizeof(struct unit);
}

struct fault_store_state *fault_store_state_init(void *block, uint32_t units_max,
                                                 const struct fault_store_config *config)
{
    struct fault_store_state *state = block;

    invariant(units_max >= 1 && units_max <= STORE_BATCH_MAX);
    memset(block, 0, fault_store_state_size(units_max));
    state->config = *config;
    state->units_max = units_max;
    state->held_until_ms = INT64_MAX;
    return state;
}

void fault_store_faults_off(struct fault_store_state *state)
{
    memset(state->config.permille, 0, sizeof(state->config.permille));
    state->config.no_lease = 0;
    state->down_until_ms = 0;
}

void fault_store_down(struct fault_store_state *state, int64_t until_ms)
{
    state->down_until_ms = until_ms;
    state->counts[STORE_FAULT_DOWN]++;
}

uint32_t fault_store_count(const struct fault_store_state *state, enum store_fault fault)
{
    return state->counts[fault];
}

static bool is_down(const struct fault_store *handle)
{
    return handle->now_ms < handle->state->down_until_ms;
}

static bool payments_conflict(const struct unit *a, const struct unit *b)
{
    return a->as.payment.row.trip_id == b->as.payment.row.trip_id;
}

/* One is known by its row, the other by its event: they may be the same, so the later one waits. */
static bool outboxes_conflict(const struct unit_outbox *a, const struct unit_outbox *b)
{
    if ((a->row_id == 0) != (b->row_id == 0)) {
        return true;
    }
    return a->row_id != 0 ? a->row_id == b->row_id : uuid_equal(&a->event_id, &b->event_id);
}

static bool is_payment(const struct unit *unit)
{
    return unit->kind == UNIT_PAYMENT_OPEN || unit->kind == UNIT_PAYMENT_MOVE;
}

static bool is_failed_event(const struct unit *unit)
{
    return unit->kind == UNIT_FAILED_EVENT_OPEN || unit->kind == UNIT_FAILED_EVENT_MOVE;
}

static bool units_conflict(const struct unit *a, const struct unit *b)
{
    if (is_payment(a) && is_payment(b)) {
        return payments_conflict(a, b);
    }
    if (a->kind == UNIT_OUTBOX_MOVE && b->kind == UNIT_OUTBOX_MOVE) {
        return outboxes_conflict(&a->as.outbox, &b->as.outbox);
    }
    if (a->kind == UNIT_LEASE && b->kind == UNIT_LEASE) {
        return a->as.lease.name == b->as.lease.name;
    }
    return is_failed_event(a) && is_failed_event(b);
}

bool fault_store_waits(const struct fault_store *handle, const struct store_batch *batch)
{
    const struct fault_store_state *state = handle->state;

    for (uint32_t i = 0; i < state->held; i++) {
        for (uint32_t j = 0; j < batch->count; j++) {
            if (units_conflict(&state->units[i], &batch->units[j])) {
                return true;
            }
        }
    }
    return false;
}

bool fault_store_hold(struct fault_store *handle, const struct store_batch *batch, bool lands)
{
    struct fault_store_state *state = handle->state;

    if (state->held > 0 || batch->count > state->units_max) {
        return false;
    }
    uint32_t seconds = (uint32_t)(state->config.hold_max_ms / 1000);
    memcpy(state->units, batch->units, batch->count * sizeof(struct unit));
    state->held = batch->count;
    state->lands = lands;
    state->held_until_ms =
        handle->now_ms + 1 + (int64_t)chooser_pick(handle->chooser, seconds + 1, "hold") * 1000;
    return true;
}

int64_t fault_store_next_due(const struct fault_store_state *state)
{
    return state->held_until_ms;
}

bool fault_store_advance(struct fault_store *handle)
{
    struct fault_store_state *state = handle->state;

    if (state->held == 0 || handle->now_ms < state->held_until_ms) {
        return false;
    }
    if (state->lands) {
        const struct store_batch batch = {state->units, handle->scratch_results, state->held,
                                          handle->texts};
        (void)handle->inner->ops->submit(handle->inner, &batch);
    }
    state->held = 0;
    state->held_until_ms = INT64_MAX;
    return state->lands != 0;
}

/* A unit that is answered here instead of by the inner store; 0: by the inner store. */
static uint8_t verdict_of(const struct fault_store *handle, const struct unit *unit, bool chosen,
                          enum store_fault fault)
{
    if (unit->kind == UNIT_LEASE && handle->state->config.no_lease != 0) {
        return UNIT_APPLIED;
    }
    if (!chosen) {
        return 0;
    }
    bool collides = fault == STORE_FAULT_UNIT_COLLISION && unit->kind == UNIT_PAYMENT_OPEN;
    return collides ? UNIT_COLLISION : UNIT_ERROR;
}

/* Leaves `chosen` (and leases, where they mean nothing) out, and commits the others. */
static enum batch_outcome submit_some(struct fault_store *handle, const struct store_batch *batch,
                                      uint32_t chosen, enum store_fault fault)
{
    struct store_batch rest = {handle->scratch, handle->scratch_results, 0, batch->texts};

    for (uint32_t i = 0; i < batch->count; i++) {
        if (verdict_of(handle, &batch->units[i], i == chosen, fault) == 0) {
            handle->scratch[rest.count++] = batch->units[i];
        }
    }
    if (rest.count > 0) {
        enum batch_outcome outcome = handle->inner->ops->submit(handle->inner, &rest);
        if (outcome != BATCH_COMMITTED) {
            return outcome;
        }
    }
    for (uint32_t i = 0, at = 0; i < batch->count; i++) {
        uint8_t verdict = verdict_of(handle, &batch->units[i], i == chosen, fault);
        if (verdict == 0) {
            batch->results[i] = rest.results[at++];
        } else {
            memset(&batch->results[i], 0, sizeof(batch->results[i]));
            batch->results[i].verdict = verdict;
        }
    }
    return BATCH_COMMITTED;
}

/*
 * A batch that was sent before may be in the store already, so none of its units can be found to
 * fail now: the row would carry its token.
 */
static enum store_fault draw_fault(const struct fault_store *handle)
{
    const uint16_t *permille = handle->state->config.permille;
    uint32_t sum = 0;
    uint32_t last = handle->resent ? STORE_FAULT_LOST_DEAD : STORE_FAULT_UNIT_COLLISION;

    for (uint32_t fault = STORE_FAULT_ABORTED; fault <= last; fault++) {
        sum += permille[fault];
    }
    if (sum == 0) {
        return STORE_FAULT_NONE;
    }
    uint32_t drawn = 999 - chooser_pick(handle->chooser, 1000, "commit");
    for (uint32_t fault = STORE_FAULT_ABORTED; fault <= last; fault++) {
        if (drawn < permille[fault]) {
            return (enum store_fault)fault;
        }
        drawn -= permille[fault];
    }
    return STORE_FAULT_NONE;
}

/* Commits, and loses the answer. */
static enum batch_outcome submit_lost(struct fault_store *handle, const struct store_batch *batch)
{
    enum batch_outcome outcome = submit_some(handle, batch, UINT32_MAX, STORE_FAULT_NONE);
    return outcome == BATCH_COMMITTED ? BATCH_UNKNOWN : outcome;
}

static enum batch_outcome fault_store_submit(struct store *store, const struct store_batch *batch)
{
    struct fault_store *handle = handle_of(store);
    struct fault_store_state *state = handle->state;

    invariant(!fault_store_waits(handle, batch));
    if (is_down(handle)) {
        return BATCH_ABORTED;
    }
    enum store_fault fault = draw_fault(handle);
    switch (fault) {
    case STORE_FAULT_ABORTED:
        state->counts[fault]++;
        return BATCH_ABORTED;
    case STORE_FAULT_LOST_LANDED:
        state->counts[fault]++;
        return submit_lost(handle, batch);
    case STORE_FAULT_LOST_LATER:
    case STORE_FAULT_LOST_DEAD:
        if (fault_store_hold(handle, batch, fault == STORE_FAULT_LOST_LATER)) {
            state->counts[fault]++;
            return BATCH_UNKNOWN;
        }
        return BATCH_ABORTED;
    case STORE_FAULT_UNIT_ERROR:
    case STORE_FAULT_UNIT_COLLISION:
        state->counts[fault]++;
        return submit_some(handle, batch, chooser_pick(handle->chooser, batch->count, "bad unit"),
                           fault);
    case STORE_FAULT_NONE:
    case STORE_FAULT_DOWN:
    case STORE_FAULT_NO_LEASE:
    case STORE_FAULT_COUNT:
        break;
    }
    if (state->config.no_lease != 0) {
        state->counts[STORE_FAULT_NO_LEASE]++;
    }
    return submit_some(handle, batch, UINT32_MAX, STORE_FAULT_NONE);
}

static enum store_status fault_store_scan(struct store *store, const struct store_scan *scan,
                                          struct store_page *page)
{
    struct fault_store *handle = handle_of(store);

    return is_down(handle) ? STORE_UNAVAILABLE
                           : handle->inner->ops->scan(handle->inner, scan, page);
}

static enum store_status fault_store_purge(struct store *store, enum purge_kind kind,
                                           int64_t older_than_ms, uint32_t limit, uint32_t *deleted)
{
    struct fault_store *handle = handle_of(store);

    return is_down(handle)
               ? STORE_UNAVAILABLE
               : handle->inner->ops->purge(handle->inner, kind, older_than_ms, limit, deleted);
}

static enum store_status fault_store_read_payment(struct store *store, const char *trip_id,
                                                  size_t len, struct texts *texts,
                                                  struct payment_view *view)
{
    struct fault_store *handle = handle_of(store);

    return is_down(handle)
               ? STORE_UNAVAILABLE
               : handle->inner->ops->read_payment(handle->inner, trip_id, len, texts, view);
}

static enum store_status fault_store_read_failed_event(struct store *store, int64_t row_id,
                                                       struct texts *texts,
                                                       struct failed_event_row *row)
{
    struct fault_store *handle = handle_of(store);

    return is_down(handle)
               ? STORE_UNAVAILABLE
               : handle->inner->ops->read_failed_event(handle->inner, row_id, texts, row);
}

static void fault_store_close(struct store *store)
{
    struct fault_store *handle = handle_of(store);

    handle->inner->ops->close(handle->inner);
}

struct store *fault_store_open(struct fault_store *handle, struct store *inner,
                               struct fault_store_state *state, struct texts *texts,
                               const struct chooser *chooser, struct unit *scratch,
                               struct unit_result *scratch_results)
{
    static const struct store_ops ops = {
        .submit = fault_store_submit,
        .scan = fault_store_scan,
        .purge = fault_store_purge,
        .read_payment = fault_store_read_payment,
        .read_failed_event = fault_store_read_failed_event,
        .close = fault_store_close,
    };
    *handle = (struct fault_store){
        .base = {&ops},
        .inner = inner,
        .state = state,
        .texts = texts,
        .chooser = chooser,
        .scratch = scratch,
        .scratch_results = scratch_results,
    };
    return &handle->base;
}
