/*
 * kafka_broker.h - a Kafka-protocol broker in this process, on 127.0.0.1, for trying out and tests.
 *
 * It is librdkafka's mock cluster. Outside clients (kcat, a Spring service on this machine) can
 * produce, consume and join groups. Its limits, seen with 2.0.2:
 * - nothing is on disk: records and offsets end with the process;
 * - at most 5 MiB or 100,000 records a partition; beyond that the oldest are dropped silently;
 * - it picks its own free port: a fixed one cannot be asked for;
 * - a topic that nobody created appears with 4 partitions when a client asks for it;
 * - the first rebalance of an empty group takes 3 s, a later one up to the session timeout of its
 *   members (also after a member has left or was killed), and a member whose session timeout is
 *   below 3 s, or below what another member makes the group wait, never gets in: all consumers of a
 *   group should set KAFKA_BROKER_SESSION_TIMEOUT_MS (kcat: -X session.timeout.ms=4000);
 * - it waits fetch.wait.max.ms for new records even where some are there soon: consumers should
 *   set KAFKA_BROKER_FETCH_WAIT_MAX_MS (364 ms idle latency by default, 2.7 ms with 5).
 *
 * Threads: one of its own. Calls come from one thread at a time; nothing blocks but close.
 */
#ifndef FAREBOX_KAFKA_BROKER_H
#define FAREBOX_KAFKA_BROKER_H

#include "kafka_client.h"

#define KAFKA_BROKER_FETCH_WAIT_MAX_MS  5
#define KAFKA_BROKER_SESSION_TIMEOUT_MS 4000

struct kafka_broker_topic {
    const char *name;
    int32_t partitions; /* 1 to 1024 */
};

struct kafka_broker;

/* Starts it with these topics. NULL, and why in `error`: a name or number is refused, no port. */
MUST_USE struct kafka_broker *kafka_broker_open(const struct kafka_broker_topic *topics,
                                                size_t count, char error[KAFKA_ERROR_TEXT_SIZE]);

/* "127.0.0.1:PORT", the address for clients; lives as long as the broker. */
const char *kafka_broker_bootstrap(const struct kafka_broker *broker);

/* For tests: cuts all connections and accepts none / accepts them again. Records stay. */
void kafka_broker_set_down(struct kafka_broker *broker, bool down);

/* Stops it; its records are gone. Clients see a broker that is down. NULL is allowed. */
void kafka_broker_close(struct kafka_broker *broker);

#endif
