/*
 * broker_model.h - a Kafka broker in plain memory: logs, one consumer group a topic, assignments.
 *
 * Two topics are consumed (the trips' and the dead letters'), each by one group whose members are
 * the same instances. Assignment is `range` and eager: each rebalance gives every partition a new
 * assignment number, never used twice. Offsets have gaps, as logs with transactions or compaction
 * have. What goes wrong (lost reports, refusals, rewinds) is its caller's to decide.
 *
 * Memory: one block that the caller gives, no pointers: a copy of it is a copy of the broker.
 * Texts of records are handles into the caller's pool. Threads: one at a time; nothing blocks.
 */
#ifndef FAREBOX_BROKER_MODEL_H
#define FAREBOX_BROKER_MODEL_H

#include "invariant.h"
#include "texts.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BROKER_TOPICS      2
#define BROKER_NO_RECORD   UINT32_MAX
#define BROKER_NO_OWNER    UINT8_MAX
#define BROKER_MEMBERS_MAX 32

struct broker_limits {
    uint32_t partitions; /* of each topic */
    uint32_t records;    /* of all logs together */
};

/* `key`, `value`: TEXT_NONE is null. */
struct broker_record {
    int64_t timestamp_ms;
    uint32_t offset;
    uint32_t next; /* in its partition */
    uint32_t tag;  /* the caller's */
    text_id key;
    text_id value;
    text_id headers;
    uint8_t topic;
    uint8_t partition;
    uint8_t dead_lettered; /* the caller's: a dead letter of it is in the log */
    uint8_t kind;          /* the caller's */
};

struct broker;

/* Bytes of a broker's block. */
size_t broker_size(const struct broker_limits *limits);

/* Empty logs and groups without members in `block` (8-byte aligned, broker_size() bytes). */
struct broker *broker_init(void *block, const struct broker_limits *limits);

/* Appends a copy of `record` (its offset and link are the broker's to set), leaving out `gap`
 * offsets before it. The record's number; BROKER_NO_RECORD: no room. */
uint32_t broker_append(struct broker *broker, const struct broker_record *record, uint32_t gap);

/* Records in all logs together; their numbers count from 0 in the order of appending. */
uint32_t broker_record_count(const struct broker *broker);
/* `number` is below the count (an invariant). */
struct broker_record *broker_record_at(const struct broker *broker, uint32_t number);
/* The first record of a partition at or after `offset`; BROKER_NO_RECORD: none yet. */
uint32_t broker_find(const struct broker *broker, uint8_t topic, uint32_t partition,
                     int64_t offset);

/* Membership changes what the next rebalance does, nothing else. */
void broker_join(struct broker *broker, uint8_t member);
void broker_leave(struct broker *broker, uint8_t member);
bool broker_is_member(const struct broker *broker, uint8_t member);
/* Deals all partitions of both topics anew. */
void broker_rebalance(struct broker *broker);
/* BROKER_NO_OWNER where nobody has it. */
uint8_t broker_owner(const struct broker *broker, uint8_t topic, uint32_t partition);
uint32_t broker_assignment(const struct broker *broker, uint8_t topic, uint32_t partition);

/* The group's offset: the first that is not done; 0 where it has committed none. */
int64_t broker_committed(const struct broker *broker, uint8_t topic, uint32_t partition);
void broker_commit(struct broker *broker, uint8_t topic, uint32_t partition, int64_t offset);
/* One past the last record; 0 where there is none. */
int64_t broker_end(const struct broker *broker, uint8_t topic, uint32_t partition);

#endif
