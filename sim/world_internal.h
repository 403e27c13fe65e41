/*
 * world_internal.h - the world's block, struct sim, and what sim/'s files share.
 *
 *   world.c        sizes, opening, start, snapshot     instance.c   start, crash, stop, events
 *   schedule.c     what happens next; virtual time     carry_out.c  an engine's effects
 *   answers.c      what comes back to an engine        records.c    raw records to events, DLT
 *   producer.c     trips and their records             operator.c   admin requests
 *   laws.c         the invariants                      history.c    hash and trace
 */
#ifndef FAREBOX_WORLD_INTERNAL_H
#define FAREBOX_WORLD_INTERNAL_H

#include "world.h"

#include "auditor.h"
#include "broker_model.h"
#include "engine.h"
#include "fault_store.h"
#include "model_store.h"
#include "outcome_codec.h"
#include "pg_fake.h"
#include "upstream_fake.h"

#define SECOND_MS INT64_C(1000)
#define MINUTE_MS (60 * SECOND_MS)
#define HOUR_MS   (60 * MINUTE_MS)
#define DAY_MS    (24 * HOUR_MS)
#define NEVER     INT64_MAX

#define WORLD_EPOCH_MS   INT64_C(1795338000000) /* a day in November 2026 */
#define WORLD_PG_ACCOUNT UINT64_C(0xA11CE)
#define WORLD_STEPS_MAX  UINT64_C(2000000)

#define TOPIC_OUTCOMES   "payment_events"
#define TOPIC_TRIPS_NAME "trip_events"
#define GROUP_TRIPS      "payment-service-reactive-group"

/* What a scheduled thing is. Those from ON_INSTANCE on need a running instance. */
enum pending_kind {
    PENDING_FREE = 0,
    PENDING_PRODUCE,
    PENDING_FAULTS_OFF,
    PENDING_JUDGE, /* the deadline for everything to be terminal */
    PENDING_END,

    PENDING_OPERATOR,
    PENDING_STORE_DOWN,
    PENDING_REBALANCE,
    PENDING_START,   /* an instance comes (back) up */
    PENDING_COMMIT,  /* a batch reaches the store */
    PENDING_PUBLISH, /* a record reaches the broker */
    PENDING_ON_INSTANCE,
    PENDING_SEND = PENDING_ON_INSTANCE, /* charge, cancel: the bytes go out */
    PENDING_UPSTREAM,
    PENDING_PG,
    PENDING_PROBE,
    PENDING_BATCH,
    PENDING_SCAN,
    PENDING_PURGE,
    PENDING_PUBLISHED,
    PENDING_OFFSET,
    PENDING_REVOKE,
    PENDING_JOIN,
    PENDING_STOP,
    PENDING_STOP_TIME,
};

struct pending {
    int64_t due_ms;
    uint32_t slot;
    uint16_t call_no;
    uint8_t kind;
    uint8_t instance;
    union {
        struct pg_answer pg;
        struct {
            struct upstream_answer answer;
            uint8_t upstream;
        } upstream;
        struct {
            int64_t value; /* charge: to leave before; scan: after_id; offset */
            int32_t partition;
            uint32_t assignment;
            text_id text;
            uint8_t kind; /* publish_kind, scan_kind, topic */
            uint8_t verdict;
            uint8_t outcome;
            uint8_t flag;
        } io;
    } as;
};

/* broker_record.kind: what must become of a record of trip_events. */
enum record_kind { IS_TRIP = 0, IS_MALFORMED, IS_OTHER_TYPE };

enum instance_state { INSTANCE_DOWN = 0, INSTANCE_UP, INSTANCE_STOPPING };

struct instance {
    uint64_t token_process;
    int64_t boot_base_ms; /* CLOCK_BOOTTIME = now - this */
    int64_t skew_ms;      /* wall clock = now + this */
    int64_t paused_until_ms;
    int64_t last_good_ms[UPSTREAM_COUNT]; /* an upstream's last good answer to this process */
    uint32_t starts;
    uint8_t state;         /* enum instance_state */
    uint8_t resent;        /* bit l: lane l's batch was sent before */
    uint8_t lane_units[2]; /* units of the batch that is out */
};

/* What one instance believes of one partition. */
struct believed {
    int64_t next_offset;
    uint32_t assignment;
    uint8_t assigned;
    uint8_t paused;
    uint8_t reserved[2];
};

struct sim_trip {
    struct uuid payment_id;   /* the row's */
    int64_t fare_krw;         /* what pricing says; -1: no valid fare */
    int64_t due_ms;           /* the row's, as seen last; NEVER */
    int64_t failed_ms;        /* its record's last try that an upstream gave trouble; NEVER */
    int64_t failed_before_ms; /* the same record's try before that one; NEVER */
    uint32_t failed_slot;     /* where that record is */
    uint32_t distance_m;
    uint32_t duration_s;
    text_id trip_id;
    text_id user_id;
    text_id seen_event;   /* body of the last outcome event: judged already */
    uint16_t failed_call; /* its number in that try */
    uint16_t completed_events;
    uint16_t failed_events;
    uint16_t foreign_events;
    uint16_t wrong_events;
    uint16_t records;  /* completed-trip records in the log */
    uint16_t letters;  /* of them dead-lettered */
    uint8_t failed_by; /* the instance */
    uint8_t status;    /* as seen last */
    uint8_t refund_state;
    uint8_t fresh;      /* records of it that are not too old */
    uint8_t legacy;     /* the old service left its row */
    uint8_t absents;    /* look-ups that the PG answered with NOT_FOUND_PAYMENT */
    uint8_t answered;   /* look-ups with any usable answer since recheck_no was seen to change */
    uint8_t recheck_no; /* as seen last */
    uint8_t produced;
    uint8_t needs_operator;
    uint8_t late;     /* the PG still had something to do for it when faults ended */
    uint8_t troubled; /* pricing cannot answer for it while faults are on */
    uint8_t dirty;    /* to be judged after this step */
};

struct world {
    struct world_limits limits;
    uint32_t size;
    uint32_t instances_at, engines_at, engine_bytes, believed_at, lanes_at, pending_at, trips_at;
    uint32_t texts_at, store_at, faults_at, broker_at, pg_at, upstream_at;
    uint32_t pending_max;
    uint32_t pending_used;
    uint64_t rng;
    uint64_t chosen; /* a digest of all choices */
    uint64_t salt;
    uint64_t hash[2];
    int64_t now_ms;
    int64_t faults_off_ms;
    int64_t judge_ms;
    int64_t end_ms;
    int64_t outbox_horizon_ms; /* until then an outbox row may become due */
    int64_t row_due_ms;        /* when the store's next row is due, unless rows_changed */
    uint64_t steps;
    uint32_t trips_left;
    uint32_t trip_text_first; /* trip i's id is handle first + i */
    uint32_t operator_requests;
    uint16_t retry_alls;
    uint8_t faults_on;
    uint8_t judged;
    uint8_t ended;
    uint8_t rows_changed; /* since row_due_ms was looked up */
    uint8_t reserved[6];
    int64_t law6[2][8]; /* offsets up to which committed records were accounted for */
    struct world_faults faults;
    struct engine_limits engine_limits;
};

/* A record that was decoded already: the codec is a pure function of these two texts. */
struct decoded {
    text_id value;
    text_id headers;
    text_id trip_id;
    text_id user_id;
    text_id traceparent;
    text_id error;
    uint8_t kind; /* enum engine_record_kind; 0: not decoded yet */
};
#define DECODED_MAX 4096

struct sim {
    struct decoded decoded[DECODED_MAX]; /* by the record's number */
    struct world *w;
    struct texts *texts;
    struct pg_fake *pg;
    struct upstream_fake *upstream;
    struct broker *broker;
    struct fault_store_state *faults;
    struct model_store model;
    struct store *inner[WORLD_INSTANCES_MAX + 1]; /* the last one is the auditor's */
    struct fault_store stores[WORLD_INSTANCES_MAX];
    struct world_options options;
    struct choices choices;
    struct chooser chooser;
    struct engine_config config;
    struct world_stats stats;
    struct world_violation violation;
    struct effect *effects;
    struct unit *units;
    struct unit *scratch;
    struct unit_result *results;
    struct unit_result *scratch_results;
    union store_row *rows;
    FILE *trace;
    uint32_t trace_trip;
    uint32_t any_dirty;
    char sqlite_path[512];
};

static inline void *world_at(const struct sim *sim, uint32_t at)
{
    return (char *)sim->w + at;
}

static inline struct instance *instance_at(const struct sim *sim, uint32_t i)
{
    return (struct instance *)world_at(sim, sim->w->instances_at) + i;
}

static inline struct engine *engine_of(const struct sim *sim, uint32_t i)
{
    return world_at(sim, sim->w->engines_at + i * sim->w->engine_bytes);
}

static inline struct believed *believed_at(const struct sim *sim, uint32_t i, uint32_t topic,
                                           uint32_t partition)
{
    uint32_t partitions = sim->w->limits.partitions;
    return (struct believed *)world_at(sim, sim->w->believed_at) +
           ((size_t)i * TOPIC_COUNT + topic) * partitions + partition;
}

static inline uint8_t *lane_verdicts(const struct sim *sim, uint32_t i, uint32_t lane)
{
    const struct engine_limits *l = &sim->w->engine_limits;
    return (uint8_t *)world_at(sim, sim->w->lanes_at) +
           ((size_t)i * l->lanes + lane) * l->batch_max;
}

static inline struct pending *pendings(const struct sim *sim)
{
    return world_at(sim, sim->w->pending_at);
}

static inline struct sim_trip *trip_at(const struct sim *sim, uint32_t i)
{
    return (struct sim_trip *)world_at(sim, sim->w->trips_at) + i;
}

/* history.c */
void history_add(struct sim *sim, const char *what, uint64_t a, uint64_t b, uint64_t c);
bool history_traces(const struct sim *sim, uint32_t trip);
void history_say(struct sim *sim, uint32_t trip, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

void history_say_work(struct sim *sim);

/* world.c */
uint32_t world_choose(struct sim *sim, uint32_t n, const char *label);
/* True where this seed's weight says so, while faults are on; counts it. */
bool world_fault(struct sim *sim, enum world_fault fault);
uint32_t world_trip_of(const struct sim *sim, text_id trip_id);
void world_touch(struct sim *sim, uint32_t trip);
void world_break(struct sim *sim, const char *law, uint32_t trip);
int64_t world_boot_ms(const struct sim *sim, uint32_t instance);
int64_t world_wall_ms(const struct sim *sim, uint32_t instance);
struct engine_config world_engine_config(const struct sim *sim);

/* Faults end: nothing new goes wrong, what was paused or away comes back. */
void world_faults_end(struct sim *sim);
void world_store_down(struct sim *sim);

/* schedule.c */
struct pending *schedule_add(struct sim *sim, enum pending_kind kind, uint32_t instance,
                             int64_t delay_ms);
void schedule_drop_instance(struct sim *sim, uint32_t instance);
int64_t schedule_latency_ms(struct sim *sim);

/* instance.c */
void instance_start(struct sim *sim, uint32_t instance);
/* The process is gone: its memory, what it had in flight, its place in the group. */
void instance_crash(struct sim *sim, uint32_t instance, const char *when);
void instance_pause(struct sim *sim, uint32_t instance, int64_t for_ms);
bool instance_runs(const struct sim *sim, uint32_t instance);
/* Feeds one event and carries out what comes of it. */
void instance_feed(struct sim *sim, uint32_t instance, struct engine_event *event);
void instance_rebalance(struct sim *sim);
void instance_sync(struct sim *sim, uint32_t instance);
void instance_stop(struct sim *sim, uint32_t instance);
void instance_ended(struct sim *sim, uint32_t instance);

/* carry_out.c */
void carry_out(struct sim *sim, uint32_t instance, const struct effect *effect);
/* The bytes of a charge or a cancel leave the process, if they still may. */
void carry_out_send(struct sim *sim, const struct pending *p);
uint32_t carry_out_units(struct sim *sim, uint32_t instance, uint32_t lane);

/* answers.c */
void answers_deliver(struct sim *sim, struct pending p);
void answers_crash_commits(struct sim *sim, uint32_t instance);

/* records.c */
void records_deliver(struct sim *sim, uint32_t instance, uint32_t topic, uint32_t partition);
bool records_can_deliver(const struct sim *sim, uint32_t instance, uint32_t topic,
                         uint32_t partition);
/* Appends the dead letter of a record (by the handle that the engine has of it). */
void records_dead_letter(struct sim *sim, const struct dead_letter *letter);
/* The trip of the record that a handle stands for. */
uint32_t records_trip(const struct sim *sim, text_id handle);
/* Appends what an operator sent back to its origin. */
void records_append_retry(struct sim *sim, const struct outbox_row *row);
/* The number of a record from the handle's text, and the other way round. */
text_id records_handle(struct sim *sim, uint32_t number);
/* producer.c */
void producer_start(struct sim *sim);
void producer_next(struct sim *sim);

/* operator.c */
void operator_act(struct sim *sim);

/* laws.c */
void laws_charge(struct sim *sim, uint32_t instance, const struct payment *p);
void laws_cancel(struct sim *sim, uint32_t instance, const struct payment *p, text_id pg_id);
/* Law 3 and LIFE: what the PG and the upstreams really told, against what is made of it. */
void laws_looked_up(struct sim *sim, uint32_t trip, const struct pg_answer *answer);
/* An upstream gave trouble; before the engine hears of it. */
void laws_trouble(struct sim *sim, uint32_t instance, uint32_t slot, uint16_t call_no);
void laws_dead_letter(struct sim *sim, uint32_t instance, const struct dead_letter *letter);
/* Its own outbox row is published from memory only while the lease lasts by its own clock. */
void laws_publish(struct sim *sim, uint32_t instance, const struct outbox *outbox);
void laws_event(struct sim *sim, text_id key, text_id body, text_id headers);
void laws_commit_offset(struct sim *sim, uint32_t topic, uint32_t partition, int64_t offset);
/* Every record of the partition has been accounted for by a commit. A late commit of an assignment
 * that is over may rewind the group's offset afterwards, which is harmless. */
bool laws_is_drained(const struct sim *sim, uint32_t topic, uint32_t partition);
void laws_after_step(struct sim *sim);
void laws_at_deadline(struct sim *sim);
void laws_at_end(struct sim *sim);
/* The trip's row as it is; false: none. */
bool laws_row(struct sim *sim, uint32_t trip, struct payment_row *row);

#endif
