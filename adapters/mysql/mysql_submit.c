/*
 * One batch: one transaction, which is tried in one of two ways.
 *
 *   all of a kind in one statement --- lasting error ---> ROLLBACK, then unit by unit, each behind
 *          |                |                             a savepoint: its owner alone fails
 *        COMMIT             | deadlock, lock wait, lost connection ...
 *       /   |   \           v
 *      v    |    v       ROLLBACK or close: ABORTED
 *  results  |  UNKNOWN (lost)
 *           v
 *        ABORTED (refused by Galera)
 */
#include "mysql_internal.h"

#include <stdlib.h>
#include <string.h>

enum kind_group {
    GROUP_OPENS,
    GROUP_MOVES,
    GROUP_OUTBOX,
    GROUP_OUTCOMES,
    GROUP_OTHERS,
    GROUP_COUNT
};

/* Keys first, then the place in the batch; qsort() has no context, so keys are copied. */
struct sort_key {
    uint32_t at;
    int64_t row_id;
    struct uuid id;
};

static int sort_order(const void *first, const void *second)
{
    const struct sort_key *a = first;
    const struct sort_key *b = second;
    if (a->row_id != b->row_id) {
        return a->row_id < b->row_id ? -1 : 1;
    }
    int order = uuid_order(&a->id, &b->id);
    if (order != 0) {
        return order;
    }
    return a->at < b->at ? -1 : a->at > b->at;
}

/* All connections lock rows in one order, or they would deadlock. */
static void group_sort(const struct store_batch *batch, struct unit_group *group)
{
    struct sort_key keys[STORE_BATCH_MAX];
    for (uint32_t i = 0; i < group->count; i++) {
        const struct unit *unit = &batch->units[group->at[i]];
        keys[i] = (struct sort_key){.at = group->at[i]};
        if (unit->kind == UNIT_PAYMENT_OPEN || unit->kind == UNIT_PAYMENT_MOVE) {
            keys[i].id = unit->as.payment.row.payment_id;
        } else if (unit->kind == UNIT_OUTBOX_MOVE) {
            keys[i].row_id = unit->as.outbox.row_id;
            keys[i].id = unit->as.outbox.event_id;
        }
    }
    qsort(keys, group->count, sizeof(keys[0]), sort_order);
    for (uint32_t i = 0; i < group->count; i++) {
        group->at[i] = keys[i].at;
    }
}

static enum kind_group group_of(const struct unit *unit)
{
    switch ((enum unit_kind)unit->kind) {
    case UNIT_PAYMENT_OPEN:
        return GROUP_OPENS;
    case UNIT_PAYMENT_MOVE:
        return GROUP_MOVES;
    case UNIT_OUTBOX_MOVE:
        return unit->as.outbox.row_id != 0 ? GROUP_OUTBOX : GROUP_OUTCOMES;
    case UNIT_FAILED_EVENT_OPEN:
    case UNIT_FAILED_EVENT_MOVE:
    case UNIT_LEASE:
        break;
    }
    return GROUP_OTHERS;
}

static enum step other_apply(struct mysql_store *store, const struct store_batch *batch,
                             uint32_t at)
{
    const struct unit *unit = &batch->units[at];
    struct unit_result *result = &store->staged[at];
    if (unit->kind == UNIT_FAILED_EVENT_OPEN) {
        return mysql_failed_event_open(store, batch->texts, unit, result);
    }
    if (unit->kind == UNIT_FAILED_EVENT_MOVE) {
        return mysql_failed_event_move(store, unit, result);
    }
    return mysql_lease_write(store, batch->texts, unit, result);
}

/* A payment's outcome is written once it is known whose the payment is. */
static enum step group_apply(struct mysql_store *store, const struct store_batch *batch,
                             enum kind_group kind, const struct unit_group *group)
{
    enum step step = STEP_OK;
    switch (kind) {
    case GROUP_OPENS:
    case GROUP_MOVES:
        step = kind == GROUP_OPENS ? mysql_payments_open(store, batch, group)
                                   : mysql_payments_move(store, batch, group);
        return step == STEP_OK ? mysql_outcomes_insert(store, batch, group) : step;
    case GROUP_OUTBOX:
    case GROUP_OUTCOMES:
        return mysql_outbox_moves(store, batch, group);
    case GROUP_OTHERS:
    case GROUP_COUNT:
        break;
    }
    for (uint32_t i = 0; i < group->count && step == STEP_OK; i++) {
        step = other_apply(store, batch, group->at[i]);
    }
    return step;
}

/* Verdict 0: to be written. */
static void units_check(struct mysql_store *store, const struct store_batch *batch)
{
    memset(store->staged, 0, batch->count * sizeof(store->staged[0]));
    memset(store->written, 0, batch->count * sizeof(store->written[0]));
    memset(store->found, 0, batch->count * sizeof(store->found[0]));
    for (uint32_t i = 0; i < batch->count; i++) {
        if (!store_unit_check(&batch->units[i], batch->texts)) {
            store->staged[i].verdict = UNIT_ERROR;
        }
    }
}

static enum step apply_together(struct mysql_store *store, const struct store_batch *batch)
{
    struct unit_group groups[GROUP_COUNT];
    for (int i = 0; i < GROUP_COUNT; i++) {
        groups[i].count = 0;
    }
    for (uint32_t i = 0; i < batch->count; i++) {
        if (store->staged[i].verdict == 0) {
            struct unit_group *group = &groups[group_of(&batch->units[i])];
            group->at[group->count++] = i;
        }
    }
    for (int i = 0; i < GROUP_COUNT; i++) {
        if (groups[i].count == 0) {
            continue;
        }
        group_sort(batch, &groups[i]);
        enum step step = group_apply(store, batch, (enum kind_group)i, &groups[i]);
        if (step != STEP_OK) {
            return step;
        }
    }
    return STEP_OK;
}

static enum step statement(struct mysql_store *store, const char *text)
{
    sql_clear(&store->sql);
    sql_add(&store->sql, text);
    return mysql_run(store);
}

static enum step apply_alone(struct mysql_store *store, const struct store_batch *batch,
                             uint32_t at)
{
    const struct unit_group group = {.count = 1, .at = {at}};
    if (statement(store, "SAVEPOINT unit") != STEP_OK) {
        return STEP_ABORT;
    }
    enum step step = group_apply(store, batch, group_of(&batch->units[at]), &group);
    if (step == STEP_UNIT_ERROR) {
        store->staged[at] = (struct unit_result){.verdict = UNIT_ERROR};
        step = statement(store, "ROLLBACK TO SAVEPOINT unit");
    }
    return step == STEP_OK ? STEP_OK : STEP_ABORT;
}

static enum step apply_each(struct mysql_store *store, const struct store_batch *batch)
{
    for (uint32_t i = 0; i < batch->count; i++) {
        if (store->staged[i].verdict == 0 && apply_alone(store, batch, i) != STEP_OK) {
            return STEP_ABORT;
        }
    }
    return STEP_OK;
}

enum batch_outcome mysql_store_submit(struct store *base, const struct store_batch *batch)
{
    struct mysql_store *store = (struct mysql_store *)base;
    invariant(batch->count <= STORE_BATCH_MAX);
    if (batch->count == 0) {
        return BATCH_COMMITTED;
    }
    units_check(store, batch);
    if (!mysql_begin(store)) {
        return BATCH_ABORTED;
    }
    enum step step = apply_together(store, batch);
    if (step == STEP_UNIT_ERROR) {
        mysql_undo(store);
        units_check(store, batch);
        step = mysql_begin(store) ? apply_each(store, batch) : STEP_ABORT;
    }
    if (step != STEP_OK) {
        mysql_undo(store);
        return BATCH_ABORTED;
    }
    enum batch_outcome outcome = mysql_end(store);
    if (outcome == BATCH_COMMITTED) {
        memcpy(batch->results, store->staged, batch->count * sizeof(store->staged[0]));
    }
    return outcome;
}
