/*
 * driver_internal.h - what the driver's files share. Not for others.
 *
 *   driver.c          the thread
 *   driver_messages.c the parts' messages as events
 *   driver_records.c  records that wait for the engine
 *   driver_effects.c  effects: store, gateway, offsets, notes
 *   driver_publish.c  effects: outcome events and dead letters to the broker
 *   driver_admin.c    operators' requests and their replies
 */
#ifndef FAREBOX_DRIVER_INTERNAL_H
#define FAREBOX_DRIVER_INTERNAL_H

#include "driver.h"
#include "outcome_render.h"

#include <stdatomic.h>

/* Records of one partition that the engine has not accepted yet; bounded by the bus. */
struct backlog {
    struct record_message *first;
    struct record_message *last;
    int32_t partition;
    uint32_t assignment;
    uint8_t topic;
};

#define BACKLOGS_MAX  (TOPIC_COUNT * KAFKA_CONSUMER_PARTITIONS_MAX)
#define ADMIN_SLOTS   HTTP_API_THREADS
#define PUBLISH_TEXTS 16
#define PUBLISH_BYTES (32U << 10)

/* The batch whose commit the engine hears of in this step: its outcome events need not be rendered
 * once more to be published. */
struct committed_batch {
    const struct unit *units;
    const struct texts *texts;
    uint32_t count; /* 0: there is none */
    uint32_t next;  /* events are published in the order of their units */
};

/* An operator's request. Guarded by the driver's admin mutex. */
struct admin_slot {
    struct message message;
    pthread_cond_t answered;
    uint32_t request; /* slot number + ADMIN_SLOTS * how often it was used */
    bool is_used;
    bool is_done;
    bool is_left; /* nobody waits any more: the reply frees the slot */
    bool has_topic;
    uint8_t op; /* enum admin_op */
    uint8_t reply;
    uint64_t retried;
    uint64_t refused;
    char topic[STORE_ID_MAX + 1];
    struct failed_event_row row;
    struct payment_row payment;
    void *texts_block; /* the slot's while it is used; NULL: the request has no payment */
    const struct texts *texts;
};

struct driver {
    const struct farebox_settings *settings;
    struct driver_parts parts;
    struct inbox inbox;
    pthread_t thread;
    struct message stop_message;
    struct message quit_message;

    /* The engine thread's alone. */
    struct engine *engine;
    struct texts *texts;
    struct effect *effects;
    void *engine_block;
    void *texts_block;
    uint32_t effects_max;
    uint32_t texts_max;
    uint64_t random;
    int64_t unix_minus_boot_ms; /* for instants of outcome events: steady */
    int64_t sweep_next_ms;      /* a pool that stays full is not swept at every record */
    struct revoked_message *revoking;
    struct committed_batch committed;
    struct backlog backlogs[BACKLOGS_MAX];
    uint32_t backlog_count;
    uint32_t backlog_next; /* whose turn it is */
    struct texts *publish_texts;
    void *publish_block;
    uint8_t *header_bytes; /* KAFKA_HEADERS_BYTES_MAX */
    struct outcome_render_settings render;
    bool quit;

    /* For other threads. */
    atomic_int_fast64_t last_round_ms;
    atomic_bool is_stopping;
    atomic_uchar breakers[GATE_COUNT];
    pthread_mutex_t mutex; /* guards is_stopped and the admin slots */
    pthread_cond_t stopped;
    bool is_stopped;
    struct admin_slot admin[ADMIN_SLOTS];
};

/* driver.c: puts time and randomness into the event, steps, and carries out the effects. */
void driver_step(struct driver *driver, struct engine_event *event);

/*
 * driver.c: true where the pool has this much room below `share` of a half; sweeps it first where
 * that may help. `share` 1: half of the pool, for new work; 2: all of it, for answers.
 */
MUST_USE bool driver_has_room(struct driver *driver, uint32_t entries, size_t bytes,
                              uint32_t share);

/* driver.c: memory, or the end of the process. */
void *driver_alloc(size_t size);

/* driver.c: Unix time of an instant of CLOCK_BOOTTIME; the same instant gives the same time. */
int64_t driver_unix_ms(const struct driver *driver, int64_t boot_ms);

/* driver_messages.c: deals with a message, or frees it undone. */
void messages_take(struct driver *driver, struct message *message);
void messages_drop(struct message *message);

/* driver_records.c */
void records_assign(struct driver *driver, const struct assigned_message *message);
void records_revoke(struct driver *driver, struct revoked_message *message);
void records_add(struct driver *driver, struct record_message *message);
/* Delivers what the engine accepts, a bounded number. True: there is more that it accepts. */
bool records_deliver(struct driver *driver);
void records_drop_all(struct driver *driver);

/* driver_effects.c */
void effects_carry_out(struct driver *driver, const struct effect *effect);

/* driver_publish.c */
void publish_outbox(struct driver *driver, const struct effect *effect);
void publish_dead_letter(struct driver *driver, const struct effect *effect);
void publish_delivered(struct driver *driver, const struct delivered_message *message);

/* driver_admin.c */
void admin_ask(struct driver *driver, struct admin_slot *slot);
void admin_reply(struct driver *driver, const struct effect *effect);

#endif
