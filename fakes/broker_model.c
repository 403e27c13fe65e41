#include "broker_model.h"

#include <string.h>

struct broker_partition {
    int64_t committed;
    uint32_t head;
    uint32_t tail;
    uint32_t next_offset;
    uint32_t assignment;
    uint8_t owner;
    uint8_t reserved[7];
};

/* One block: this, the partitions of topic 0, those of topic 1, the records. */
struct broker {
    struct broker_limits limits;
    uint32_t record_count;
    uint32_t members; /* bit i: member i */
    uint32_t assignments;
    uint32_t reserved;
};

static struct broker_partition *partition_at(const struct broker *broker, uint8_t topic,
                                             uint32_t partition)
{
    invariant(topic < BROKER_TOPICS && partition < broker->limits.partitions);
    struct broker_partition *first = (struct broker_partition *)(uintptr_t)(broker + 1);
    return first + topic * broker->limits.partitions + partition;
}

static struct broker_record *records(const struct broker *broker)
{
    struct broker_partition *first = (struct broker_partition *)(uintptr_t)(broker + 1);
    return (struct broker_record *)(void *)(first +
                                            (size_t)BROKER_TOPICS * broker->limits.partitions);
}

size_t broker_size(const struct broker_limits *limits)
{
    return sizeof(struct broker) +
           (size_t)BROKER_TOPICS * limits->partitions * sizeof(struct broker_partition) +
           limits->records * sizeof(struct broker_record);
}

struct broker *broker_init(void *block, const struct broker_limits *limits)
{
    struct broker *broker = block;

    invariant(limits->partitions >= 1 && limits->partitions <= UINT8_MAX);
    memset(block, 0, broker_size(limits));
    broker->limits = *limits;
    for (uint8_t topic = 0; topic < BROKER_TOPICS; topic++) {
        for (uint32_t p = 0; p < limits->partitions; p++) {
            struct broker_partition *partition = partition_at(broker, topic, p);
            partition->head = BROKER_NO_RECORD;
            partition->tail = BROKER_NO_RECORD;
            partition->owner = BROKER_NO_OWNER;
        }
    }
    return broker;
}

uint32_t broker_append(struct broker *broker, const struct broker_record *record, uint32_t gap)
{
    if (broker->record_count == broker->limits.records) {
        return BROKER_NO_RECORD;
    }
    struct broker_partition *partition = partition_at(broker, record->topic, record->partition);
    uint32_t number = broker->record_count++;
    struct broker_record *copy = records(broker) + number;

    *copy = *record;
    copy->offset = partition->next_offset + gap;
    copy->next = BROKER_NO_RECORD;
    partition->next_offset = copy->offset + 1;
    if (partition->tail == BROKER_NO_RECORD) {
        partition->head = number;
    } else {
        records(broker)[partition->tail].next = number;
    }
    partition->tail = number;
    return number;
}

uint32_t broker_record_count(const struct broker *broker)
{
    return broker->record_count;
}

struct broker_record *broker_record_at(const struct broker *broker, uint32_t number)
{
    invariant(number < broker->record_count);
    return records(broker) + number;
}

uint32_t broker_find(const struct broker *broker, uint8_t topic, uint32_t partition, int64_t offset)
{
    const struct broker_partition *p = partition_at(broker, topic, partition);

    if (offset >= p->next_offset) {
        return BROKER_NO_RECORD;
    }
    uint32_t number = p->head;
    while (number != BROKER_NO_RECORD && records(broker)[number].offset < offset) {
        number = records(broker)[number].next;
    }
    return number;
}

void broker_join(struct broker *broker, uint8_t member)
{
    invariant(member < BROKER_MEMBERS_MAX);
    broker->members |= UINT32_C(1) << member;
}

void broker_leave(struct broker *broker, uint8_t member)
{
    invariant(member < BROKER_MEMBERS_MAX);
    broker->members &= ~(UINT32_C(1) << member);
}

bool broker_is_member(const struct broker *broker, uint8_t member)
{
    return (broker->members >> member & 1) != 0;
}

/* The member of this rank among those that are there. */
static uint8_t member_of_rank(const struct broker *broker, uint32_t rank)
{
    for (uint8_t member = 0; member < BROKER_MEMBERS_MAX; member++) {
        if (broker_is_member(broker, member) && rank-- == 0) {
            return member;
        }
    }
    return BROKER_NO_OWNER;
}

/* Range: the first members get one more where the partitions don't divide. */
void broker_rebalance(struct broker *broker)
{
    uint32_t members = (uint32_t)__builtin_popcount(broker->members);
    uint32_t partitions = broker->limits.partitions;

    for (uint8_t topic = 0; topic < BROKER_TOPICS; topic++) {
        for (uint32_t p = 0; p < partitions; p++) {
            struct broker_partition *partition = partition_at(broker, topic, p);
            uint32_t rank = members == 0 ? 0 : p * members / partitions;
            partition->assignment = ++broker->assignments;
            partition->owner = member_of_rank(broker, rank);
        }
    }
}

uint8_t broker_owner(const struct broker *broker, uint8_t topic, uint32_t partition)
{
    return partition_at(broker, topic, partition)->owner;
}

uint32_t broker_assignment(const struct broker *broker, uint8_t topic, uint32_t partition)
{
    return partition_at(broker, topic, partition)->assignment;
}

int64_t broker_committed(const struct broker *broker, uint8_t topic, uint32_t partition)
{
    return partition_at(broker, topic, partition)->committed;
}

void broker_commit(struct broker *broker, uint8_t topic, uint32_t partition, int64_t offset)
{
    partition_at(broker, topic, partition)->committed = offset;
}

int64_t broker_end(const struct broker *broker, uint8_t topic, uint32_t partition)
{
    return partition_at(broker, topic, partition)->next_offset;
}
