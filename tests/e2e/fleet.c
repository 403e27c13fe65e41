#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fleet.h"

#include "http_client.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#define SUPERVISOR_MS 500 /* between an end and the next start */
#define LOOK_MS       5
/* A load that is over before it is disturbed is no test, but must not stop it either. */
#define LOAD_WAIT_MS 4000

/* Of a round; before them one for each member: its kill. */
enum { STEP_OUTAGE = FLEET_SIZE, STEP_FREEZE, STEPS };

static const char payments[] = "SELECT count(*) FROM payments";
static const char unfinished[] =
    "SELECT count(*) FROM payments WHERE status NOT IN ('COMPLETED', 'FAILED')";

const char *const fleet_metric_names[FLEET_METRICS] = {
    "farebox_store_errors_total{error=\"deadlock\"}",
    "farebox_store_errors_total{error=\"certification\"}",
    "farebox_store_errors_total{error=\"lock_wait\"}",
    "farebox_store_errors_total{error=\"not_ready\"}",
    "farebox_store_errors_total{error=\"lost_connection\"}",
    "farebox_store_errors_total{error=\"unknown_commit\"}",
    "farebox_store_errors_total{error=\"no_connection\"}",
    "farebox_store_errors_total{error=\"other\"}",
    "farebox_store_reconnects_total",
    "farebox_store_batches_total{outcome=\"committed\"}",
    "farebox_store_batches_total{outcome=\"aborted\"}",
    "farebox_store_batches_total{outcome=\"unknown\"}",
    "farebox_events_total{what=\"rescued\"}",
    "farebox_events_total{what=\"refunded\"}",
    "farebox_events_total{what=\"duplicate\"}",
    "farebox_events_total{what=\"claimed\"}",
    "farebox_events_total{what=\"unknown\"}",
    "farebox_events_total{what=\"batch_resent\"}",
    "farebox_events_total{what=\"breaker_opened\"}",
    "farebox_pg_calls_total{call=\"charge\",answer=\"not_sent\"}",
    "farebox_pg_calls_total{call=\"charge\",answer=\"timeout\"}",
    "farebox_pg_calls_total{call=\"charge\",answer=\"broken\"}",
    "farebox_pg_calls_total{call=\"charge\",answer=\"error\"}",
    "farebox_pg_calls_total{call=\"charge\",answer=\"payment\"}",
    "farebox_upstream_calls_total{upstream=\"pricing\",answer=\"trouble\"}",
    "farebox_upstream_calls_total{upstream=\"users\",answer=\"trouble\"}",
};

int64_t fleet_number(const char *name, int64_t otherwise)
{
    const char *text = getenv(name);
    return text == NULL ? otherwise : strtoll(text, NULL, 10);
}

/* splitmix64 */
uint32_t fleet_draw(struct fleet *fleet, uint32_t n)
{
    uint64_t z = fleet->random_state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return (uint32_t)((z ^ (z >> 31)) % n);
}

void fleet_open(struct fleet *fleet, uint64_t seed)
{
    memset(fleet, 0, sizeof(*fleet));
    fleet->random_state = seed;
    fleet->broker = trip_sender_broker(FLEET_PARTITIONS);
    const char *bootstrap = kafka_broker_bootstrap(fleet->broker);
    for (uint32_t i = 0; i < FLEET_SIZE; i++) {
        struct farebox_process *process = &fleet->members[i].process;
        farebox_process_init(process, bootstrap);
        farebox_process_set(process, "FAREBOX_INSTANCE", "member-%u", (unsigned)i);
        farebox_process_set(process, "FAREBOX_FAKE_PG_FILE", "%s",
                            fleet->members[0].process.ledger);
    }
    trip_sender_open(&fleet->sender, bootstrap);
}

void fleet_close(struct fleet *fleet)
{
    trip_sender_close(&fleet->sender);
    for (uint32_t i = FLEET_SIZE; i > 0; i--) {
        farebox_process_clear(&fleet->members[i - 1].process);
    }
    farebox_audit_clear(&fleet->audit);
    kafka_broker_close(fleet->broker);
    memset(fleet, 0, sizeof(*fleet));
}

void fleet_set(struct fleet *fleet, const char *name, const char *value)
{
    for (uint32_t i = 0; i < FLEET_SIZE; i++) {
        farebox_process_set(&fleet->members[i].process, name, "%s", value);
    }
}

void fleet_fail(struct fleet *fleet, const char *what)
{
    for (uint32_t i = 0; i < FLEET_SIZE; i++) {
        farebox_process_show_log(&fleet->members[i].process);
    }
    fail_msg("%s", what);
}

static void send_one(struct fleet *fleet, int32_t number)
{
    char id[40];
    (void)snprintf(id, sizeof(id), "fleet-%06d", (int)number);
    trip_sender_trip(&fleet->sender, id, "user-f", 1000 + number % 5000, 600,
                     (int32_t)fleet_draw(fleet, FLEET_PARTITIONS));
}

void fleet_send(struct fleet *fleet, int32_t trips)
{
    for (int32_t i = 0; i < trips; i++) {
        int32_t number = fleet->trips++;
        char id[40];
        (void)snprintf(id, sizeof(id), "fleet-%06d", (int)number);
        farebox_audit_add(&fleet->audit, id, "user-f", 1000 + number % 5000, 600);
        send_one(fleet, number);
        if (number % 10 == 9) {
            bool is_same = fleet_draw(fleet, 2) == 0;
            send_one(fleet, is_same ? number : (int32_t)fleet_draw(fleet, (uint32_t)number));
            fleet->duplicates++;
        }
    }
    trip_sender_flush(&fleet->sender);
}

void fleet_send_again(struct fleet *fleet, int32_t trips)
{
    for (int32_t i = 0; i < trips; i++) {
        send_one(fleet, i);
    }
    trip_sender_flush(&fleet->sender);
}

/* The value in a line "name value"; 0 where there is none. */
static int64_t metric_of(const char *text, const char *name)
{
    size_t len = strlen(name);
    for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, len) == 0 && line[len] == ' ') {
            return strtoll(line + len, NULL, 10);
        }
    }
    return 0;
}

static void member_scrape(struct fleet *fleet, struct fleet_member *member)
{
    struct reply reply;
    if (!member->has_started) {
        return;
    }
    http_client_ask(member->process.http_port, "GET /metrics", "", &reply);
    for (size_t i = 0; reply.status == 200 && i < FLEET_METRICS; i++) {
        fleet->sums[i] += metric_of(reply.body, fleet_metric_names[i]);
    }
    reply_clear(&reply);
}

static void member_spawn(struct fleet_member *member)
{
    member->has_started = false;
    farebox_process_spawn(&member->process);
}

/* Only a start without a database may fail. */
static void member_look(struct fleet *fleet, struct fleet_member *member)
{
    int status = 0;
    if (member->process.pid == 0) {
        if (process_clock_ms() >= member->restart_at_ms) {
            member_spawn(member);
        }
        return;
    }
    if (farebox_process_has_ended(&member->process, &status)) {
        if (member->has_started || !WIFEXITED(status) || WEXITSTATUS(status) != 1 ||
            fleet->outages == 0) {
            (void)fprintf(stderr, "a farebox ended by itself, status %#x\n", (unsigned)status);
            fleet_fail(fleet, "a farebox ended by itself");
        }
        member->starts_in_vain++;
        member->restart_at_ms = process_clock_ms() + SUPERVISOR_MS;
        return;
    }
    member->has_started = member->has_started || farebox_process_has_started(&member->process);
}

void fleet_look(struct fleet *fleet)
{
    for (uint32_t i = 0; i < FLEET_SIZE; i++) {
        member_look(fleet, &fleet->members[i]);
    }
}

void fleet_pause(struct fleet *fleet, int64_t ms)
{
    int64_t until_ms = process_clock_ms() + ms;
    while (process_clock_ms() < until_ms) {
        fleet_look(fleet);
        process_pause(LOOK_MS);
    }
}

static bool member_is_ready(const struct fleet_member *member)
{
    struct reply reply;
    if (member->process.pid == 0 || !member->has_started) {
        return false;
    }
    http_client_ask(member->process.http_port, "GET /actuator/health/readiness", "", &reply);
    bool is_ready = reply.status == 200;
    reply_clear(&reply);
    return is_ready;
}

static bool all_are_ready(const struct fleet *fleet)
{
    for (uint32_t i = 0; i < FLEET_SIZE; i++) {
        if (!member_is_ready(&fleet->members[i])) {
            return false;
        }
    }
    return true;
}

void fleet_await(struct fleet *fleet)
{
    int64_t deadline_ms = process_clock_ms() + 2 * PROCESS_PATIENCE_MS;
    while (!all_are_ready(fleet)) {
        if (process_clock_ms() > deadline_ms) {
            fleet_fail(fleet, "not every farebox is ready");
        }
        fleet_pause(fleet, 20);
    }
}

void fleet_start(struct fleet *fleet)
{
    fleet_look(fleet);
    fleet_await(fleet);
}

void fleet_stop(struct fleet *fleet)
{
    for (uint32_t i = 0; i < FLEET_SIZE; i++) {
        struct fleet_member *member = &fleet->members[i];
        member_scrape(fleet, member);
        farebox_process_stop(&member->process);
        member->has_started = false;
        member->restart_at_ms = 0;
    }
}

bool fleet_await_count(struct fleet *fleet, const char *query, int64_t least, int64_t timeout_ms)
{
    int64_t deadline_ms = process_clock_ms() + timeout_ms;
    while (farebox_audit_count(&fleet->audit, query) < least) {
        if (process_clock_ms() > deadline_ms) {
            return false;
        }
        fleet_pause(fleet, 20);
    }
    return true;
}

static void count_unfinished(struct fleet *fleet)
{
    int64_t found = farebox_audit_count(&fleet->audit, unfinished);
    fleet->unfinished += found > 0 ? found : 0;
}

void fleet_kill(struct fleet *fleet, uint32_t number, int64_t restart_ms)
{
    struct fleet_member *member = &fleet->members[number];
    while (member->process.pid == 0) {
        fleet_pause(fleet, LOOK_MS);
    }
    member_scrape(fleet, member);
    farebox_process_kill(&member->process);
    member->kills++;
    member->has_started = false;
    member->restart_at_ms = process_clock_ms() + restart_ms;
    count_unfinished(fleet);
}

/* SIGSTOP for longer than its claims last, and now and then than its membership: what it wakes up
 * with is late, or comes in the middle of a rescue.
 * Not within a call of the PG, which would stop it for all. */
static void freeze(struct fleet *fleet, uint32_t number)
{
    struct fleet_member *member = &fleet->members[number];
    int status = 0;
    while (!member->has_started) {
        fleet_pause(fleet, LOOK_MS);
    }
    int ledger = open(fleet->members[0].process.ledger, O_RDONLY | O_CLOEXEC);
    assert_true(ledger >= 0 && flock(ledger, LOCK_EX) == 0);
    farebox_process_signal(&member->process, SIGSTOP);
    assert_int_equal(waitpid(member->process.pid, &status, WUNTRACED), member->process.pid);
    assert_true(WIFSTOPPED(status));
    (void)close(ledger);
    fleet->freezes++;
    count_unfinished(fleet);
    fleet_pause(fleet, 2000 + fleet_draw(fleet, 3000));
    farebox_process_signal(&member->process, SIGCONT);
}

/* Every other time a process is killed meanwhile, and starts where there is no database. */
static void take_database_away(struct fleet *fleet)
{
    int32_t outage = fleet->outages++;
    count_unfinished(fleet);
    assert_true(fleet->database_stop(outage, outage % 2 == 0));
    fleet_pause(fleet, 200 + fleet_draw(fleet, 1000));
    if (fleet_draw(fleet, 2) == 0) {
        fleet_kill(fleet, fleet_draw(fleet, FLEET_SIZE), 0);
        fleet_pause(fleet, fleet_draw(fleet, 2000));
    }
    assert_true(fleet->database_start(outage));
}

void fleet_load(struct fleet *fleet, int32_t trips)
{
    int64_t before = fleet->trips;
    fleet_send(fleet, trips);
    (void)fleet_await_count(fleet, payments, before + 1 + fleet_draw(fleet, (uint32_t)trips),
                            LOAD_WAIT_MS);
    fleet_pause(fleet, fleet_draw(fleet, 300));
}

void fleet_shuffle(struct fleet *fleet, uint32_t *order, uint32_t count)
{
    for (uint32_t i = count; i > 1; i--) {
        uint32_t other = fleet_draw(fleet, i);
        uint32_t kept = order[i - 1];
        order[i - 1] = order[other];
        order[other] = kept;
    }
}

void fleet_trouble(struct fleet *fleet, int32_t rounds, int32_t trips)
{
    int32_t steps = rounds * STEPS;
    for (int32_t round = 0; round < rounds; round++) {
        uint32_t order[STEPS];
        for (uint32_t i = 0; i < STEPS; i++) {
            order[i] = i;
        }
        fleet_shuffle(fleet, order, STEPS);
        for (int32_t i = 0; i < STEPS; i++) {
            int32_t step = round * STEPS + i;
            fleet_load(fleet, trips * (step + 1) / steps - trips * step / steps);
            if (order[i] == STEP_OUTAGE) {
                take_database_away(fleet);
            } else if (order[i] == STEP_FREEZE) {
                freeze(fleet, fleet_draw(fleet, FLEET_SIZE));
            } else {
                fleet_kill(fleet, order[i], fleet_draw(fleet, 1500));
            }
        }
        print_message("round %d of %d: %d trips sent\n", (int)round + 1, (int)rounds,
                      (int)fleet->trips);
    }
}

/* Records that come again after a restart are known duplicates, but they, too, take their time. */
void fleet_await_offsets(struct fleet *fleet)
{
    const char *bootstrap = kafka_broker_bootstrap(fleet->broker);
    int64_t deadline_ms = process_clock_ms() + PROCESS_PATIENCE_MS;
    while (trip_sender_lag(bootstrap, "trip_events", "payment-service-reactive-group") > 0 ||
           trip_sender_lag(bootstrap, "trip_events.DLT", "payment-service-group.dlt") > 0) {
        if (process_clock_ms() > deadline_ms) {
            fleet_fail(fleet, "offsets are not committed up to the end");
        }
        fleet_pause(fleet, 100);
    }
}

void fleet_settle(struct fleet *fleet, int64_t timeout_ms)
{
    if (!fleet_await_count(fleet, payments, fleet->trips, timeout_ms)) {
        fleet_fail(fleet, "not every trip has a payment");
    }
    fleet_await(fleet);
    fleet_stop(fleet);
    fleet_set(fleet, "FAREBOX_FAKE_PG_FAULT_PERMILLE", "0");
    fleet_start(fleet);
    if (!farebox_audit_await_settled(&fleet->audit, timeout_ms)) {
        fleet_fail(fleet, "not all payments are settled");
    }
    fleet_await_offsets(fleet);
    fleet_stop(fleet);
}

static void print_what_happened(const struct fleet *fleet, const struct audit_findings *findings)
{
    int32_t in_vain = 0;
    print_message("%d trips, %d duplicates;", (int)fleet->trips, (int)fleet->duplicates);
    for (uint32_t i = 0; i < FLEET_SIZE; i++) {
        print_message(" member %u killed %d times;", (unsigned)i, (int)fleet->members[i].kills);
        in_vain += fleet->members[i].starts_in_vain;
    }
    print_message(
        " %d frozen for seconds; %d outages of the database; %d starts without one; %" PRId64
        " payments met in the middle\n",
        (int)fleet->freezes, (int)fleet->outages, (int)in_vain, fleet->unfinished);
    print_message("%" PRIu32 " COMPLETED, %" PRIu32 " FAILED, %" PRIu32 " for an operator; %" PRId64
                  " KRW captured, %" PRId64 " refunded; %" PRIu32 " events, %" PRIu32
                  " dead letters\n",
                  findings->completed, findings->failed, findings->operator, findings->captured_krw,
                  findings->refunded_krw, findings->events, findings->dead);
    print_message("counted by the processes, up to a moment before each kill:\n");
    for (size_t i = 0; i < FLEET_METRICS; i++) {
        print_message("  %s %" PRId64 "\n", fleet_metric_names[i], fleet->sums[i]);
    }
}

void fleet_expect(struct fleet *fleet, struct audit_findings *findings)
{
    farebox_audit_judge(&fleet->audit, true, findings);
    print_what_happened(fleet, findings);
    farebox_audit_expect(&fleet->audit, true, findings);
    assert_int_equal(findings->completed + findings->failed + findings->unfinished, fleet->trips);
    assert_int_equal(findings->dead, 0);
}
