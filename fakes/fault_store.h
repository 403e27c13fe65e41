/*
 * fault_store.h - the store port's bad days, as a wrapper round any store.
 *
 * What it does to a batch is drawn through a chooser: COMMIT fails and nothing happened; COMMIT's
 * answer is lost, and the transaction has landed, lands later, or never does; one unit fails for
 * good inside a good batch; the store is away for a while; or leases do not exclude anybody.
 *
 * A transaction that lands later is held: its units are kept as they are, reads see the old rows,
 * and whoever wants to write one of its rows has to wait until it has landed or died
 * (fault_store_waits). A thread would block there; a simulator asks first and submits later.
 *
 * Memory: what is held lives in a block that the caller gives, without pointers, shared by all
 * handles on the same data. Threads: one at a time.
 */
#ifndef FAREBOX_FAULT_STORE_H
#define FAREBOX_FAULT_STORE_H

#include "chooser.h"
#include "store.h"

enum store_fault {
    STORE_FAULT_NONE = 0,
    STORE_FAULT_ABORTED,     /* BATCH_ABORTED, nothing happened */
    STORE_FAULT_LOST_LANDED, /* BATCH_UNKNOWN, and it is there */
    STORE_FAULT_LOST_LATER,  /* BATCH_UNKNOWN, and it lands later */
    STORE_FAULT_LOST_DEAD,   /* BATCH_UNKNOWN, held for a while, then rolled back */
    STORE_FAULT_UNIT_ERROR,
    STORE_FAULT_UNIT_COLLISION,
    STORE_FAULT_DOWN,
    STORE_FAULT_NO_LEASE,
    STORE_FAULT_COUNT
};

/* Never NULL. */
const char *store_fault_name(enum store_fault fault);

struct fault_store_config {
    uint16_t permille[STORE_FAULT_COUNT]; /* ABORTED to UNIT_COLLISION: 1,000 in all at most */
    uint16_t no_lease;                    /* 1: every lease unit is applied for everybody */
    int64_t hold_max_ms;
};

struct fault_store_state;
/* Bytes of the shared block. `units_max`: units of the one batch that can be held, >= 1. */
size_t fault_store_state_size(uint32_t units_max);
/* Holds nothing; `config` is copied. */
struct fault_store_state *fault_store_state_init(void *block, uint32_t units_max,
                                                 const struct fault_store_config *config);

/* From now on nothing goes wrong; what is held still lands or dies. */
void fault_store_faults_off(struct fault_store_state *state);
/* The store does not answer before `until_ms`: reads are UNAVAILABLE, batches ABORTED. */
void fault_store_down(struct fault_store_state *state, int64_t until_ms);
/* How often a fault really took effect. */
uint32_t fault_store_count(const struct fault_store_state *state, enum store_fault fault);

/* A handle: as store.h says of any store. The fields are its own. */
struct fault_store {
    struct store base;
    struct store *inner;
    struct fault_store_state *state;
    struct texts *texts; /* of held batches */
    const struct chooser *chooser;
    struct unit *scratch; /* room for STORE_BATCH_MAX units, may be shared */
    struct unit_result *scratch_results;
    int64_t now_ms; /* set before each use: the store's clock */
    bool resent;    /* set before submit(): the batch was sent before, so its units may be there */
};

/* Opens a wrapper; everything given outlives it. `close` closes the inner store. */
struct store *fault_store_open(struct fault_store *handle, struct store *inner,
                               struct fault_store_state *state, struct texts *texts,
                               const struct chooser *chooser, struct unit *scratch,
                               struct unit_result *scratch_results);

/* True where the batch writes a row that a held transaction has locked. */
bool fault_store_waits(const struct fault_store *handle, const struct store_batch *batch);

/* Holds a batch whose sender is gone, as STORE_FAULT_LOST_LATER does. False: no room. */
MUST_USE bool fault_store_hold(struct fault_store *handle, const struct store_batch *batch,
                               bool lands);

/* When what is held lands or dies; INT64_MAX: nothing is held. */
int64_t fault_store_next_due(const struct fault_store_state *state);
/* Lets it land or die. True: rows may have changed. */
bool fault_store_advance(struct fault_store *handle);

#endif
