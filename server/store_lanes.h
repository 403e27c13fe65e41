/*
 * store_lanes.h - executes batches: one thread and one store connection for each lane.
 *
 * The engine thread renders the units of a lane's outstanding batch into the lane's own memory and
 * hands it over; the lane's thread submits it and posts MESSAGE_BATCH; the engine thread reads the
 * results. Between handing over and the message that batch's memory is the thread's alone. There is
 * memory for two, so that a lane gets its next batch before all that the last one led to is done.
 *
 * Ownership: stores given at open belong to the lanes from then on.
 */
#ifndef FAREBOX_STORE_LANES_H
#define FAREBOX_STORE_LANES_H

#include "inbox.h"
#include "store.h"

struct store_lanes;

/* What a lane's thread posts. Units, results and texts are valid until the lane begins the batch
 * after its next one; the message itself until it submits or aborts the next one. */
struct batch_message {
    struct message message;
    uint32_t lane;
    enum batch_outcome outcome;
    uint32_t count;
    const struct unit *units;
    struct unit_result *results; /* COMMITTED only */
    const struct texts *texts;   /* of units and results; perhaps a plain pool */
    int64_t elapsed_us;          /* of the submit */
};

struct store_lanes_options {
    struct store *const *stores; /* one a lane */
    struct inbox *inbox;
    uint32_t lanes;
    uint32_t batch_max; /* units, <= STORE_BATCH_MAX */
    uint32_t bytes_max; /* of the units' texts and of the rows that come back */
};

/* Starts the threads. NULL: no memory or no threads; then the stores are still the caller's. */
MUST_USE struct store_lanes *store_lanes_open(const struct store_lanes_options *options);

/*
 * Begins a batch: gives the room for its units, and an empty plain pool. The lane must be idle.
 */
struct unit *store_lanes_begin(struct store_lanes *lanes, uint32_t lane, struct texts **texts);

/*
 * Begins the same batch once more, with an empty pool that interns, and so has room for whatever
 * the engine's pool holds: a plain one has not, where many units share large texts.
 */
struct unit *store_lanes_begin_again(struct store_lanes *lanes, uint32_t lane,
                                     struct texts **texts);

/* Hands over the `count` units that were written. Does not block. */
void store_lanes_submit(struct store_lanes *lanes, uint32_t lane, uint32_t count);

/* Posts the lane's message without a submit: nothing of the batch is in the store. */
void store_lanes_abort(struct store_lanes *lanes, uint32_t lane);

/*
 * Waits for the submits that run, ends the threads, takes their answers out of the inbox, closes
 * the stores. Nobody takes from the inbox any more. NULL is allowed.
 */
void store_lanes_close(struct store_lanes *lanes);

#endif
