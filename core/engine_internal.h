/*
 * engine_internal.h - the engine's block, and what its files share. Not for other folders.
 *
 *   engine.c          sizes, init, dispatch, views      engine_lanes.c    batches of units
 *   engine_payments.c in-flight table, payment steps    engine_publish.c  outbox, relay
 *   engine_records.c  trackers, records, waiters        engine_letters.c  dead letters, admin
 *   engine_rescue.c   leases, rescue, cleanup           engine_gates.c    breakers
 *   engine_check.c    invariants                        engine_texts.c    marks for a sweep
 */
#ifndef FAREBOX_ENGINE_INTERNAL_H
#define FAREBOX_ENGINE_INTERNAL_H

#include "engine.h"
#include "lease.h"
#include "timers.h"
#include "tracker.h"

#define NO_SLOT UINT32_MAX

/* Where a record came from, and its place in its tracker. */
struct record_ref {
    uint64_t sequence;
    int64_t offset;
    int64_t timestamp_ms;
    int32_t partition;
    uint32_t assignment;
    uint16_t tracker;
    uint8_t topic;
    uint8_t used; /* 0: there is no record */
};

struct payment_link {
    struct record_ref ref;
    uint32_t request; /* an operator's */
    uint32_t next;    /* in its bucket, or in the free list */
    uint32_t waiters; /* first record that waits for this slot */
};

struct waiter {
    struct record_ref ref;
    struct payment_arrival arrival;
    uint32_t next;
};

/* What a dead letter's slot was opened for. */
enum letter_purpose { LETTER_RECORD = 1, LETTER_RETRY_ALL, LETTER_IGNORE };

struct letter_link {
    struct record_ref ref;
    uint32_t request;
    uint32_t next;
    uint8_t purpose;
};

struct partition {
    int64_t sent_offset; /* last offset that was asked to be committed; -1: none */
    uint32_t assignment; /* the driver's number */
    int32_t partition;
    uint8_t topic;
    uint8_t used;
    uint8_t paused;
};

enum lane_state { LANE_IDLE = 0, LANE_OUT, LANE_WAIT };

struct lane {
    int64_t first_ms; /* when the oldest waiting unit came */
    uint32_t head;    /* of the queue's ring */
    uint32_t waiting;
    uint32_t count; /* units of the batch */
    uint16_t attempt;
    uint8_t state;
};

/* Who a unit belongs to: kind in the high bits, slot in the low ones. */
enum owner_kind { OWNER_PAYMENT = 1, OWNER_OUTBOX, OWNER_LETTER, OWNER_LEASE };
#define OWNER_SHIFT       28
#define OWNER(kind, slot) (((uint32_t)(kind) << OWNER_SHIFT) | (slot))
#define OWNER_KIND(owner) ((owner) >> OWNER_SHIFT)
#define OWNER_SLOT(owner) ((owner) & ((1U << OWNER_SHIFT) - 1U))

/* One job that a lease guards. */
struct leased_job {
    int64_t next_ms;  /* when it starts again */
    int64_t asked_ms; /* when it last asked the store */
    uint64_t token_sequence;
    struct lease_holder holder;
    uint8_t asking;  /* a scan or purge is out */
    uint8_t more;    /* and the last one said that there is more */
    uint8_t working; /* between a lease and its release */
    uint8_t op;      /* the lease unit that is outstanding, enum lease_op; 0: none */
};

struct retry_all {
    int64_t after_id;
    int64_t since_ms; /* when it was asked for */
    int64_t asked_ms; /* when the last page was asked for */
    uint32_t request;
    uint32_t retried;
    uint32_t refused;
    uint32_t outstanding;
    text_id topic;
    uint8_t active;
    uint8_t asking;
    uint8_t more;
    uint8_t broken; /* the store did not answer */
};

enum { JOB_RESCUE = LEASE_RESCUE, JOB_CLEANUP = LEASE_CLEANUP, JOB_COUNT = 2 };

/* Timers after those of payments and dead letters. */
enum { TIMER_OFFSETS = 0, TIMER_PROBE, TIMER_JOB_0, TIMER_LANE_0 = TIMER_JOB_0 + JOB_COUNT };

struct engine {
    struct engine_limits limits;
    struct engine_config config;
    struct engine_identity identity;
    int64_t now_ms;
    int64_t wall_ms;
    uint64_t next_token;
    /* Byte offsets of the tables in the block. */
    uint32_t payments_at, links_at, buckets_at, waiters_at, outbox_at, letters_at, letter_links_at;
    uint32_t partitions_at, trackers_at, tracker_bytes, lanes_at, queues_at, batches_at, timers_at;
    uint32_t bucket_mask;
    uint32_t queue_max; /* units that can wait in one lane */
    uint32_t free_payment, free_waiter, free_letter;
    uint32_t taking; /* due rows whose takeover is not committed yet */
    uint32_t payments_used, rescues_used, waiters_used, outbox_used, letters_used;
    uint32_t unacked;     /* records that may still become a dead letter: each has a slot kept */
    uint32_t assignments; /* counter for the trackers' own numbers */
    /* One above the last partition that is used: every step looks at those below, and a table for
     * 128 has mostly a few. */
    uint32_t partitions_end;
    struct breaker breakers[GATE_COUNT];
    int64_t last_good_ms[UPSTREAM_COUNT];
    struct leased_job jobs[JOB_COUNT];
    struct retry_all retry;
    int64_t relay_next_ms;
    uint32_t relay_taking; /* due outbox rows whose takeover is not committed yet */
    uint32_t outbox_hint;  /* where to look for a free slot */
    uint32_t probe_round;
    uint16_t probe_call_no;
    uint8_t probe_out;
    uint8_t relay_asking;
    uint8_t relay_more;               /* the last page brought rows */
    uint8_t breaker_seen[GATE_COUNT]; /* states that notes have told of */
    uint8_t blocked[TOPIC_COUNT];
    uint8_t stopping;
    uint8_t stopped;
};

/* One step: the engine, its event, and where effects go. */
struct run {
    struct engine *e;
    const struct engine_event *ev;
    struct effect *effects;
    uint32_t count;
    uint32_t max;
    uint64_t random;
};

static inline void *engine_at(const struct engine *e, uint32_t at)
{
    return (char *)(uintptr_t)e + at;
}

struct payment *engine_payments(const struct engine *e);
struct payment_link *engine_links(const struct engine *e);
uint32_t *engine_buckets(const struct engine *e);
struct waiter *engine_waiters(const struct engine *e);
struct outbox *engine_outboxes(const struct engine *e);
struct dead_letter *engine_letters(const struct engine *e);
struct letter_link *engine_letter_links(const struct engine *e);
struct partition *engine_partitions(const struct engine *e);
struct tracker *engine_tracker(const struct engine *e, uint32_t index);
struct lane *engine_lanes(const struct engine *e);
uint32_t *engine_queue(const struct engine *e, uint32_t lane);
uint32_t *engine_batch(const struct engine *e, uint32_t lane);
struct timers *engine_timers(const struct engine *e);
uint32_t engine_system_timer(const struct engine *e, uint32_t timer);

/* engine.c */
struct effect *engine_emit(struct run *r, enum effect_kind kind);
void engine_note(struct run *r, enum engine_note note, text_id text, int64_t value);
uint64_t engine_random(struct run *r);
uint64_t engine_take_token(struct run *r);

/* engine_payments.c */
uint32_t payments_find(const struct engine *e, text_id trip_id);
void payments_init(struct engine *e);
void payments_arrive(struct run *r, const struct payment_arrival *a, const struct record_ref *ref);
bool payments_open_row(struct run *r, uint8_t type, const struct payment_row *row, uint8_t op,
                       uint32_t request);
void payments_result(struct run *r, uint32_t slot, const struct unit_result *result);
void payments_timer(struct run *r, uint32_t slot);
void payments_upstream(struct run *r);
void payments_pg(struct run *r);
void payments_drop_partition(struct run *r, uint32_t tracker);
void payments_drop_all(struct run *r);
bool payments_have_room(const struct engine *e);

/* engine_records.c */
void records_init(struct engine *e);
void records_assigned(struct run *r);
void records_revoked(struct run *r);
void records_record(struct run *r);
void records_offset(struct run *r);
void records_done(struct run *r, const struct record_ref *ref);
void records_commit_offsets(struct run *r);
void records_pause(struct run *r);
void waiters_add(struct run *r, uint32_t slot, const struct payment_arrival *a,
                 const struct record_ref *ref);
void waiters_are_duplicates(struct run *r, uint32_t slot);
void waiters_arrive_again(struct run *r, uint32_t first);
void waiters_drop_partition(struct run *r, uint32_t tracker);
void waiters_drop_all(struct run *r);

/* engine_letters.c */
void letters_init(struct engine *e);
bool letters_have_room(const struct engine *e);
void letters_raise(struct run *r, enum dead_letter_reason reason, text_id record, text_id error,
                   const struct record_ref *ref);
void letters_store(struct run *r, const struct failed_event_row *row, const struct record_ref *ref);
void letters_result(struct run *r, uint32_t slot, const struct unit_result *result);
void letters_published(struct run *r);
void letters_timer(struct run *r, uint32_t slot);
void letters_drop_waiting(struct run *r);
void admin_event(struct run *r);
void admin_page(struct run *r);
void admin_settle(struct run *r);

/* engine_publish.c */
void publish_committed(struct run *r, const struct payment *p, uint8_t type);
void publish_made_of(const struct payment *p, const struct engine_config *config, uint8_t type,
                     struct outbox *own);
void publish_result(struct run *r, uint32_t slot, const struct unit_result *result);
void publish_report(struct run *r);
void publish_page(struct run *r);
void publish_poll(struct run *r);

/* engine_lanes.c */
void lanes_init(struct engine *e);
void lanes_enqueue(struct run *r, uint32_t owner, uint32_t hash);
void lanes_form(struct run *r);
void lanes_batch(struct run *r);
void lanes_timer(struct run *r, uint32_t lane);
bool lanes_idle(const struct engine *e);

/* engine_rescue.c */
void jobs_init(struct engine *e);
void jobs_tick(struct run *r);
void jobs_timer(struct run *r, uint32_t job);
void jobs_lease_result(struct run *r, uint32_t job, const struct unit_result *result);
void jobs_lease_unit(const struct engine *e, uint32_t job, struct unit *unit);
void jobs_page(struct run *r);
void jobs_purged(struct run *r);
void jobs_settle(struct run *r);
bool jobs_idle(const struct engine *e);
int64_t jobs_next_ms(const struct engine *e);

/* engine_gates.c */
void gates_init(struct engine *e);
void gates_context(struct run *r, const struct payment *p, struct payment_context *ctx);
void gates_admit(struct run *r, struct payment *p, enum payment_gate gate);
void gates_admit_if_closed(struct run *r, struct payment *p, enum payment_gate gate);
void gates_upstream(struct run *r, struct payment *p, enum upstream upstream, uint8_t kind);
void gates_pg(struct run *r, struct payment *p, const struct pg_answer *answer);
void gates_forget(struct run *r, struct payment *p);
void gates_trip(struct run *r, uint8_t bits);
void gates_probe(struct run *r);
void gates_probed(struct run *r);
bool gates_any_open(const struct engine *e);
void gates_settle(struct run *r);

#endif
