/*
 * world_fault.h - what can go wrong in a world.
 *
 * Swarm testing: each seed draws which faults are on and how strong (world_fault_draw). The PG's
 * and the store's own kinds are counted under their names in fakes/ and appear here so that one
 * list says whether a fault was ever really exercised.
 */
#ifndef FAREBOX_WORLD_FAULT_H
#define FAREBOX_WORLD_FAULT_H

#include "fault_store.h"
#include "pg_fake.h"
#include "upstream_fake.h"

#include <stdint.h>

enum world_fault {
    WF_CRASH_EFFECT = 0, /* before an effect: the rest of the step's effects is lost */
    WF_CRASH_BEFORE_COMMIT,
    WF_CRASH_AFTER_COMMIT, /* durable, and nobody is told */
    WF_CRASH_AFTER_PUBLISH,
    WF_CRASH_COMMIT_LATER, /* crashed, and its transaction lands later */
    WF_PAUSE_SHORT,        /* seconds */
    WF_PAUSE_LONG,         /* longer than rescue and absence wait together */
    WF_SLOW_COMMIT,        /* minutes between a commit and its answer */
    WF_STOP,               /* SIGTERM, and a restart */
    WF_REBALANCE,
    WF_CLOCK_SKEW,
    WF_STORE_DOWN,
    WF_PUBLISH_REJECTED,
    WF_PUBLISH_LOST,       /* no verdict, not in the log */
    WF_PUBLISH_NO_VERDICT, /* no verdict, but in the log */
    WF_PUBLISH_TWICE,
    WF_DLT_REFUSED,
    WF_OFFSET_REFUSED,
    WF_OFFSET_STALE, /* the broker takes the commit of an assignment that is over */
    WF_RECORD_AGAIN, /* the producer sends a trip again */
    WF_RECORD_REORDERED,
    WF_RECORD_ELSEWHERE, /* a duplicate in another partition */
    WF_RECORD_MALFORMED,
    WF_RECORD_OTHER_TYPE,
    WF_RECORD_OLD,
    WF_FARE_ZERO,
    WF_FARE_REFUSED,
    WF_NO_METHOD,
    WF_PRICING_TROUBLE, /* for one trip alone */
    WF_UPSTREAM_OUTAGE,
    WF_CARD_CHANGE,
    WF_OPERATOR_REFUND,
    WF_OPERATOR_ADOPT,
    WF_RETRY_ALL,
    WF_IGNORE,
    WF_LEGACY_ROW,     /* the old service left a row */
    WF_BATCH_BOUNDARY, /* a batch takes fewer units than it could */
    WF_OWN_COUNT,
    WF_STORE_FIRST = WF_OWN_COUNT,                    /* + enum store_fault */
    WF_PG_FIRST = WF_STORE_FIRST + STORE_FAULT_COUNT, /* + enum pg_fault */
    WF_UPSTREAM_FIRST = WF_PG_FIRST + PG_FAULT_COUNT, /* + upstream * kinds + enum upstream_fault */
    WORLD_FAULT_COUNT = WF_UPSTREAM_FIRST + UPSTREAM_COUNT * UPSTREAM_FAULT_COUNT
};

/* Never NULL. */
const char *world_fault_name(uint32_t fault);
/* False for kinds that no seed can show (a fault named "none"). */
bool world_fault_exists(uint32_t fault);

/* What a seed drew. */
struct world_faults {
    uint16_t permille[WF_OWN_COUNT];
    uint16_t adopt;         /* the rescue's policy */
    uint16_t unknown_after; /* payment_config.unknown_after */
    struct fault_store_config store;
    struct pg_fake_config pg;
    struct upstream_fake_config upstream;
    int64_t window_ms;      /* faults happen within this */
    int64_t backoff_max_ms; /* payment_config.pg_backoff_max_ms */
    int64_t outbox_poll_ms;
    int64_t linger_ms;    /* engine_config.batch_linger_ms */
    int64_t gate_poll_ms; /* engine_config.gate_poll_ms */
};

/* No fault, quick answers. */
void world_faults_none(struct world_faults *faults);
/* Draws which faults are on (`all`: every one is), and how strong; `tight`: without those that
 * make dead letters. */
void world_faults_draw(struct world_faults *faults, bool all, bool tight,
                       const struct chooser *chooser);

#endif
