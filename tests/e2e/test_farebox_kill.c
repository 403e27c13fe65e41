/*
 * A farebox that is killed again and again in the middle of its work, with a PG that loses calls,
 * and the audit of what it leaves. The broker lives in this process and outlives the kills.
 *
 * FAREBOX_E2E_KILLS=1000 kills more often; FAREBOX_E2E_SEED=N at other instants.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "farebox_audit.h"
#include "farebox_process.h"
#include "trip_sender.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define WORLDS         5  /* at once: after a kill the group waits for seconds, not the processor */
#define KILLS          50 /* in all worlds together */
#define TRIPS_PER_KILL 30
#define AUDITED_KILL   5 /* of each world: the audit looks into the middle, too */
#define SETTLE_MS      150000

enum step { STEP_STARTING, STEP_WORKING, STEP_DYING, STEP_DONE };

/* A farebox with its own broker, store and PG; the test goes from one to the next. */
struct world {
    struct kafka_broker *broker;
    struct farebox_process process;
    struct trip_sender sender;
    struct farebox_audit audit;
    enum step step;
    int32_t kills;
    int64_t rows_wanted; /* STEP_WORKING: payments that must have begun */
    int64_t deadline_ms; /* STEP_STARTING, STEP_WORKING: it has failed; STEP_DYING: the kill */
    int64_t unfinished;  /* payments that kills met in the middle */
};

static struct world worlds[WORLDS];
static uint64_t random_state;

static int64_t setting_or(const char *name, int64_t value)
{
    const char *text = getenv(name);
    return text == NULL ? value : strtoll(text, NULL, 10);
}

/* splitmix64: a number below n. */
static uint32_t draw(uint32_t n)
{
    uint64_t z = random_state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return (uint32_t)((z ^ (z >> 31)) % n);
}

static void world_open(struct world *world)
{
    world->broker = trip_sender_broker(TRIP_SENDER_PARTITIONS);
    const char *bootstrap = kafka_broker_bootstrap(world->broker);
    farebox_process_init(&world->process, bootstrap);
    farebox_process_hurry(&world->process);
    farebox_process_set(&world->process, "FAREBOX_FAKE_PG_DELAY_MAX_MS", "100");
    farebox_process_set(&world->process, "FAREBOX_FAKE_PG_FAULT_PERMILLE", "150");
    trip_sender_open(&world->sender, bootstrap);
    farebox_audit_init(&world->audit, world->process.store, world->process.ledger, bootstrap);
}

static int open_all(void **state)
{
    (void)state;
    random_state = (uint64_t)setting_or("FAREBOX_E2E_SEED", 1);
    for (size_t i = 0; i < WORLDS; i++) {
        world_open(&worlds[i]);
    }
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    for (size_t i = 0; i < WORLDS; i++) {
        trip_sender_close(&worlds[i].sender);
        farebox_process_clear(&worlds[i].process);
        farebox_audit_clear(&worlds[i].audit);
        kafka_broker_close(worlds[i].broker);
    }
    return 0;
}

/* New trips, and again some of those that were sent before, to any partition. */
static void send_some(struct world *world)
{
    uint32_t round = (uint32_t)world->kills;
    for (uint32_t i = 0; i < TRIPS_PER_KILL; i++) {
        char id[40];
        (void)snprintf(id, sizeof(id), "kill-%04u-%02u", round, i);
        trip_sender_trip(&world->sender, id, "user-k", 1000 + (int32_t)i, 600,
                         (int32_t)draw(TRIP_SENDER_PARTITIONS));
        farebox_audit_add(&world->audit, id, "user-k", 1000 + (int32_t)i, 600);
        if (draw(3) == 0) {
            uint32_t earlier = draw(round + 1);
            uint32_t again = draw(earlier == round ? i + 1 : TRIPS_PER_KILL);
            (void)snprintf(id, sizeof(id), "kill-%04u-%02u", earlier, again);
            trip_sender_trip(&world->sender, id, "user-k", 1000 + (int32_t)again, 600,
                             (int32_t)draw(TRIP_SENDER_PARTITIONS));
        }
    }
    trip_sender_flush(&world->sender);
}

static int64_t rows_of(const struct world *world)
{
    return farebox_audit_count(&world->audit, "SELECT count(*) FROM payments");
}

static void world_fail(struct world *world, const char *what)
{
    farebox_process_show_log(&world->process);
    fail_msg("%s after %d kills", what, (int)world->kills);
}

/* Every fifth kill comes in the middle of the start. */
static void world_begin(struct world *world)
{
    send_some(world);
    world->rows_wanted = rows_of(world) + 1 + draw(TRIPS_PER_KILL);
    farebox_process_spawn(&world->process);
    bool is_in_start = world->kills % 5 == 4;
    world->step = is_in_start ? STEP_DYING : STEP_STARTING;
    world->deadline_ms = process_clock_ms() + (is_in_start ? draw(400) : PROCESS_PATIENCE_MS);
}

static void world_kill(struct world *world, int32_t kills)
{
    struct audit_findings findings;
    farebox_process_kill(&world->process);
    world->kills++;
    world->unfinished += farebox_audit_count(
        &world->audit, "SELECT count(*) FROM payments WHERE status NOT IN ('COMPLETED', 'FAILED')");
    if (world->kills == AUDITED_KILL) {
        farebox_audit_expect(&world->audit, false, &findings);
    }
    if (world->kills < kills) {
        world_begin(world);
    } else {
        world->step = STEP_DONE;
    }
}

/* Looks at one world once; does what it is time for. */
static void world_look(struct world *world, int32_t kills)
{
    bool is_late = process_clock_ms() >= world->deadline_ms;
    if (world->step == STEP_STARTING && farebox_process_has_started(&world->process)) {
        world->step = STEP_WORKING;
    } else if (world->step == STEP_WORKING && rows_of(world) >= world->rows_wanted) {
        world->step = STEP_DYING;
        /* Mostly among charges, now and then among re-sends, rescues and refunds. */
        world->deadline_ms = process_clock_ms() + draw(draw(4) == 0 ? 3000 : 400);
    } else if (world->step == STEP_DYING && is_late) {
        world_kill(world, kills);
    } else if (world->step != STEP_DYING && world->step != STEP_DONE && is_late) {
        world_fail(world, "farebox begins no payment");
    }
}

static bool all_done(void)
{
    for (size_t i = 0; i < WORLDS; i++) {
        if (worlds[i].step != STEP_DONE) {
            return false;
        }
    }
    return true;
}

static void kill_all(int32_t kills_each)
{
    for (size_t i = 0; i < WORLDS; i++) {
        world_begin(&worlds[i]);
    }
    while (!all_done()) {
        for (size_t i = 0; i < WORLDS; i++) {
            world_look(&worlds[i], kills_each);
        }
        process_pause(2);
    }
}

/* What is left of the records meets the faults, too; then the PG is well, and all must end. */
static void settle_all(void)
{
    for (size_t i = 0; i < WORLDS; i++) {
        farebox_process_start(&worlds[i].process);
    }
    for (size_t i = 0; i < WORLDS; i++) {
        if (!farebox_audit_await(&worlds[i].audit, "SELECT count(*) FROM payments",
                                 (int64_t)worlds[i].audit.count, PROCESS_PATIENCE_MS)) {
            world_fail(&worlds[i], "not every trip has a payment");
        }
        farebox_process_stop(&worlds[i].process);
        farebox_process_set(&worlds[i].process, "FAREBOX_FAKE_PG_FAULT_PERMILLE", "0");
    }
    for (size_t i = 0; i < WORLDS; i++) {
        farebox_process_start(&worlds[i].process);
    }
    for (size_t i = 0; i < WORLDS; i++) {
        if (!farebox_audit_await_settled(&worlds[i].audit, SETTLE_MS)) {
            world_fail(&worlds[i], "not settled");
        }
        farebox_process_stop(&worlds[i].process);
    }
}

static void audit_world(struct world *world, struct audit_findings *sum)
{
    struct audit_findings findings;
    farebox_audit_expect(&world->audit, true, &findings);
    print_message("%d kills met %" PRId64 " payments in mid-flight; %" PRIu32 " COMPLETED, %" PRIu32
                  " FAILED, %" PRIu32 " for an operator; %" PRId64 " KRW captured, %" PRId64
                  " refunded; %" PRIu32 " events\n",
                  (int)world->kills, world->unfinished, findings.completed, findings.failed,
                  findings.operator, findings.captured_krw, findings.refunded_krw, findings.events);
    assert_int_equal(findings.completed + findings.failed + findings.operator, world->audit.count);
    assert_int_equal(findings.dead, 0);
    sum->completed += findings.completed;
    sum->failed += findings.failed;
    sum->refunded_krw += findings.refunded_krw;
}

static void fifty_kills_lose_nothing_and_charge_nothing_twice(void **state)
{
    const int32_t kills_each = (int32_t)setting_or("FAREBOX_E2E_KILLS", KILLS) / WORLDS;
    struct audit_findings sum = {.completed = 0};
    int64_t unfinished = 0;
    (void)state;
    kill_all(kills_each);
    settle_all();
    for (size_t i = 0; i < WORLDS; i++) {
        audit_world(&worlds[i], &sum);
        unfinished += worlds[i].unfinished;
    }
    /* Or the kills came when nothing was going on. */
    assert_true(unfinished > (int64_t)kills_each * WORLDS);
    assert_true(sum.completed > 0 && sum.failed > 0 && sum.refunded_krw > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fifty_kills_lose_nothing_and_charge_nothing_twice),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
