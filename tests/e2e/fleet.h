/*
 * fleet.h - several farebox processes on one database, one broker and one PG, with a supervisor
 * that starts again what has ended, as an operator's would.
 *
 * A process that ends by itself fails the running test, unless it says at its start that the
 * database can't be reached while a test has taken that away. Whatever else goes wrong fails the
 * test, too, with the logs. One thread.
 */
#ifndef FAREBOX_TEST_FLEET_H
#define FAREBOX_TEST_FLEET_H

#include "farebox_audit.h"
#include "farebox_process.h"
#include "trip_sender.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FLEET_SIZE       3
#define FLEET_PARTITIONS 6
/* What the processes count, in the order of fleet_metric_names. */
#define FLEET_METRICS 26

struct fleet_member {
    struct farebox_process process;
    bool has_started;       /* it serves */
    int64_t restart_at_ms;  /* while it does not run */
    int32_t kills;          /* by SIGKILL */
    int32_t starts_in_vain; /* without a database */
};

struct fleet {
    struct kafka_broker *broker;
    struct fleet_member members[FLEET_SIZE];
    struct trip_sender sender;
    struct farebox_audit audit;
    uint64_t random_state;
    int32_t trips;      /* sent */
    int32_t duplicates; /* sent besides */
    int32_t freezes;
    int32_t outages;             /* of the database, or of one of its nodes */
    int64_t unfinished;          /* payments that kills and outages met in the middle */
    int64_t sums[FLEET_METRICS]; /* of lifetimes that have ended; see fleet_kill() */
    bool (*database_stop)(int32_t outage, bool is_kill);
    bool (*database_start)(int32_t outage);
};

extern const char *const fleet_metric_names[FLEET_METRICS];

/* A broker, and processes that share the first one's ledger file; nothing runs. `seed`: of the
 * test's choices. The caller sets each member's FAREBOX_STORE, and opens the audit. */
void fleet_open(struct fleet *fleet, uint64_t seed);
/* Ends whatever runs. Harmless on one that is all zero. */
void fleet_close(struct fleet *fleet);

/* A setting of all members, for their next start. */
void fleet_set(struct fleet *fleet, const char *name, const char *value);
/* A number below n. */
uint32_t fleet_draw(struct fleet *fleet, uint32_t n);
/* A whole number from the environment. */
int64_t fleet_number(const char *name, int64_t otherwise);

/* Sends new trips to any partitions, and for each ten of them a copy of one, at once or of an
 * earlier one, to any partition. */
void fleet_send(struct fleet *fleet, int32_t trips);

/* Sends the first trips once more. */
void fleet_send_again(struct fleet *fleet, int32_t trips);

/* Starts all, and waits until they serve and have partitions. */
void fleet_start(struct fleet *fleet);
/* SIGTERM to all, one after the other, exit status 0. */
void fleet_stop(struct fleet *fleet);
/* The supervisor's round: starts what is to be started, and looks who serves. */
void fleet_look(struct fleet *fleet);
/* Looks for so long. */
void fleet_pause(struct fleet *fleet, int64_t ms);
/* Looks until all serve, and have partitions. */
void fleet_await(struct fleet *fleet);
/* Looks until that many rows or more are there (farebox_audit_count), for up to timeout_ms. */
bool fleet_await_count(struct fleet *fleet, const char *query, int64_t least, int64_t timeout_ms);
/* Fails the test, with the ends of all logs. */
void fleet_fail(struct fleet *fleet, const char *what);

/* SIGKILL. What the process has counted is read just before and added to the sums; what it counts
 * between that and its end is lost. Its supervisor waits for restart_ms. */
void fleet_kill(struct fleet *fleet, uint32_t member, int64_t restart_ms);

/* Sends new trips, and waits until some of them have begun. */
void fleet_load(struct fleet *fleet, int32_t trips);
/* Puts numbers into an order that is drawn. */
void fleet_shuffle(struct fleet *fleet, uint32_t *order, uint32_t count);

/*
 * Rounds of trouble under load. In each, every process is killed once, one is frozen until others
 * have taken over its payments, and the database is taken away once (by SIGKILL or SIGTERM in turn;
 * every other time a process is killed meanwhile), in any order; before each of that some of the
 * trips are sent, and some of their payments have begun.
 */
void fleet_trouble(struct fleet *fleet, int32_t rounds, int32_t trips);

/*
 * Waits until every trip has a payment; then the PG is well, all is started again in order, and
 * everything must end by itself: no row is due, every outbox row is DONE, both groups have
 * committed all. The processes are stopped then.
 */
void fleet_settle(struct fleet *fleet, int64_t timeout_ms);

/* Looks until both groups have committed all that was sent. */
void fleet_await_offsets(struct fleet *fleet);

/* Holds everything against everything, settled, and prints what happened: no trip is lost or left
 * but to an operator, and no record became a dead letter. */
void fleet_expect(struct fleet *fleet, struct audit_findings *findings);

#endif
