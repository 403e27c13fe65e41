/*
 * Three farebox processes on one MariaDB and one broker whose PG, pricing and users are
 * farebox-fakepg over HTTP: one process is the PG, with its state in a file, another one is pricing
 * and users. Every fault that they know is on at random, all five processes are killed again
 * and again, and the PG and the upstreams are stopped, or hang, for as long as an outage takes, all
 * of it under load. Then the fakes work, everything must settle by itself, and the PG's ledger, the
 * tables and payment_events are held against one another.
 *
 * The long form, nine minutes or more:
 *   FAREBOX_E2E_TRIPS=5000 FAREBOX_E2E_ROUNDS=10 FAREBOX_E2E_STOP_S=60 test_farebox_http_fleet
 * In each round every farebox, the PG and the upstreams are killed once, and one of them has an
 * outage with its connections cut. One round after the other stops the PG, stops the upstreams,
 * lets the PG hang, lets the upstreams hang: in the first half of the rounds, up to four of them,
 * for FAREBOX_E2E_STOP_S, in the others for a second or two. FAREBOX_E2E_SEED=N: at other instants.
 *
 * Drawn for each call are all faults of the PG, and trouble, time-outs and changes of card of the
 * upstreams. What cannot be drawn, because the fakes have no weight for it, is scripted at drawn
 * instants: the ways in which an answer breaks on the wire, and outages. A refused connection is
 * no server's to give: that is what the kills and the stops are for. Late actions come while a
 * re-check may still find them: after the last one nobody looks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "farebox_audit_http.h"
#include "fleet.h"
#include "http_peer.h"
#include "mariadb_server.h"

#include <stdio.h>
#include <string.h>

#define DATABASE  "farebox_http_fleet"
#define TRIPS     600
#define ROUNDS    2
#define STOP_S    10
#define SETTLE_MS 180000
/* One of each kind. */
#define LONG_STOPS 4
/* As long as a real one. */
#define SECRET_KEY "test_sk_farebox0http0fleet0secret0key0"

/* Of a round; before them one for each member: its kill. */
enum { STEP_PG_KILL = FLEET_SIZE, STEP_UPSTREAMS_KILL, STEP_OUTAGE, STEP_STOP, STEPS };

/*
 * For waits as farebox_process_hurry() has them. Broken and lost answers are drawn often enough to
 * meet each other; what opens a breaker at once, and what leaves a payment to an operator for good,
 * seldom.
 */
static const char pg_config[] =
    "{\"weights\":{\"not_sent\":15,\"lost_before\":20,\"lost_after\":30,\"late\":15,"
    "\"in_progress\":15,\"aborted\":10,\"decline\":30,\"error_before\":15,\"error_after\":15,"
    "\"wrong_amount\":10,\"wrong_currency\":10,\"no_pg_id\":10,\"outside_cancel\":60,\"stale\":50,"
    "\"broken\":20,\"foreign\":15,\"slow\":20,\"unauthorized\":1,\"wrong_url\":5,\"too_many\":15,"
    "\"processing\":15,\"consecutive\":30,\"cancel_refused\":20},"
    "\"delay\":{\"pg\":{\"kind\":\"long_tail\",\"ms\":20,\"p99_ms\":150,\"max_ms\":500}},"
    "\"lost\":\"hang\",\"timeout_ms\":450,\"slow_max_ms\":200,\"stale_max_ms\":150,"
    "\"late_short_max_ms\":300,\"late_long_max_ms\":1500,\"late_long_permille\":200}";
static const char upstreams_config[] =
    "{\"pricing_weights\":{\"trouble\":20,\"timeout\":3},"
    "\"users_weights\":{\"trouble\":20,\"timeout\":3,\"card_change\":30},"
    "\"delay\":{\"pricing\":{\"kind\":\"uniform\",\"ms\":0,\"max_ms\":40},"
    "\"users\":{\"kind\":\"uniform\",\"ms\":0,\"max_ms\":40}}}";

static struct mariadb_server server;
static struct mysql_store_options database;
static struct fleet fleet;
static struct http_peer pg;
static struct http_peer upstreams;

static void set_url(const char *name, const struct http_peer *peer)
{
    char url[64];
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d", peer->port);
    fleet_set(&fleet, name, url);
}

static void use_peers(void)
{
    http_peer_open(&pg, SECRET_KEY, true, pg_config);
    http_peer_open(&upstreams, SECRET_KEY, false, upstreams_config);
    set_url("FAREBOX_PG_URL", &pg);
    set_url("FAREBOX_PRICING_URL", &upstreams);
    set_url("FAREBOX_USERS_URL", &upstreams);
    fleet_set(&fleet, "FAREBOX_PG", "http");
    fleet_set(&fleet, "FAREBOX_UPSTREAMS", "http");
    fleet_set(&fleet, "FAREBOX_PG_SECRET_KEY", SECRET_KEY);
    fleet_set(&fleet, "FAREBOX_PG_ACCOUNT", "fakepg3");
    fleet_set(&fleet, "FAREBOX_PG_LOOKUP_TIMEOUT_S", "0.4");
    fleet_set(&fleet, "FAREBOX_PG_CANCEL_TIMEOUT_S", "0.4");
    fleet_set(&fleet, "FAREBOX_TAKEOVER_DUE_S", "2"); /* for two of each */
    fleet_set(&fleet, "FAREBOX_PG_CONNECT_MS", "200");
    /* A connection keeps a thread of the fake's, and there are 512. */
    fleet_set(&fleet, "FAREBOX_PG_CONNECTIONS", "64");
    fleet_set(&fleet, "FAREBOX_UPSTREAM_CONNECTIONS", "64");
}

static int setup(void **state)
{
    (void)state;
    if (!mariadb_server_run(&server, NULL, "CREATE DATABASE " DATABASE)) {
        return -1;
    }
    fleet_open(&fleet, (uint64_t)fleet_number("FAREBOX_E2E_SEED", 1));
    for (uint32_t i = 0; i < FLEET_SIZE; i++) {
        farebox_process_set(&fleet.members[i].process, "FAREBOX_STORE",
                            "mysql://" MARIADB_USER "@127.0.0.1:%u/" DATABASE,
                            (unsigned)server.port);
        farebox_process_hurry(&fleet.members[i].process);
    }
    fleet_set(&fleet, "FAREBOX_STORE_PASSWORD", MARIADB_PASSWORD);
    use_peers();
    database = (struct mysql_store_options){.host = "127.0.0.1",
                                            .user = MARIADB_USER,
                                            .password = MARIADB_PASSWORD,
                                            .database = DATABASE,
                                            .port = server.port,
                                            .connect_timeout_s = 10,
                                            .read_timeout_s = 60,
                                            .write_timeout_s = 60,
                                            .lock_wait_timeout_s = 10};
    farebox_audit_init_mysql(&fleet.audit, &database, "", kafka_broker_bootstrap(fleet.broker));
    farebox_audit_set_ledger(&fleet.audit, &audit_ledger_http, &pg.kit);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fleet_close(&fleet);
    http_peer_close(&upstreams);
    http_peer_close(&pg);
    return mariadb_server_run(&server, NULL, "DROP DATABASE " DATABASE) ? 0 : -1;
}

/* Answers of the PG that break on their way, each one now or some calls later. */
static void break_answers(void)
{
    static const char *const wires[] = {"html", "half", "chunk_cut", "empty", "garbage",
                                        "huge", "drip", "redirect",  "close", "hang"};
    static const char *const ops[] = {"charge", "cancel", "lookup"};
    for (size_t i = 0; i < sizeof(wires) / sizeof(wires[0]); i++) {
        char rule[160];
        (void)snprintf(
            rule, sizeof(rule),
            "{\"fault\":\"none\",\"wire\":\"%s\",\"op\":\"%s\",\"skip\":%u,\"times\":%u}", wires[i],
            ops[fleet_draw(&fleet, 3)], (unsigned)fleet_draw(&fleet, 10),
            (unsigned)fleet_draw(&fleet, 2) + 1);
        fakepg_kit_set(&pg.kit, "faults", rule);
    }
}

/* Connections are made, and end without a byte. */
static void cut_connections(void)
{
    static const char *const names[] = {"pg", "pricing", "users"};
    uint32_t which = fleet_draw(&fleet, 3);
    uint32_t for_ms = 300 + fleet_draw(&fleet, 2000);
    char outage[64];
    (void)snprintf(outage, sizeof(outage), "{\"of\":\"%s\",\"for_ms\":%u}", names[which],
                   (unsigned)for_ms);
    fakepg_kit_set(which == 0 ? &pg.kit : &upstreams.kit, "outages", outage);
    fleet_pause(&fleet, for_ms);
}

static void kill_peer(struct http_peer *peer)
{
    http_peer_kill(peer);
    fleet_pause(&fleet, 100 + fleet_draw(&fleet, 1500));
    http_peer_start(peer);
}

/* Away, or hanging, for ms, while trips come in and now and then a farebox is killed. */
static void stop_peer(struct http_peer *peer, bool hangs, int64_t ms, int32_t trips)
{
    int64_t until_ms = process_clock_ms() + ms;
    if (hangs) {
        http_peer_freeze(peer);
    } else {
        http_peer_kill(peer);
    }
    fleet_pause(&fleet, ms / 4);
    fleet_send(&fleet, trips);
    if (fleet_draw(&fleet, 2) == 0) {
        fleet_kill(&fleet, fleet_draw(&fleet, FLEET_SIZE), 0);
    }
    fleet_pause(&fleet, until_ms - process_clock_ms());
    if (hangs) {
        http_peer_thaw(peer);
    } else {
        http_peer_start(peer);
    }
}

/* Charges whose answers a stop of the PG swallows, and of which its operator cancels a part. */
static void cancel_behind_the_back(void)
{
    fakepg_kit_set(
        &pg.kit, "faults",
        "{\"fault\":\"outside_cancel\",\"wire\":\"hang\",\"op\":\"charge\",\"times\":8}");
    fleet_send(&fleet, 10);
    fleet_pause(&fleet, 300);
}

static void stop_of_the_round(int32_t round, int32_t rounds, int32_t trips)
{
    bool is_long = round < LONG_STOPS && round < (rounds + 1) / 2;
    int64_t ms = is_long ? 1000 * fleet_number("FAREBOX_E2E_STOP_S", STOP_S)
                         : 1000 + fleet_draw(&fleet, 2000);
    if (round % 2 == 0) {
        cancel_behind_the_back();
    }
    stop_peer(round % 2 == 0 ? &pg : &upstreams, round / 2 % 2 == 1, ms, trips);
}

static void do_step(uint32_t step, int32_t round, int32_t rounds, int32_t trips)
{
    fleet_load(&fleet, trips - trips / 2);
    if (step == STEP_STOP) {
        stop_of_the_round(round, rounds, trips / 2);
        return;
    }
    fleet_send(&fleet, trips / 2);
    fleet_pause(&fleet, fleet_draw(&fleet, 200)); /* these have just begun */
    if (step == STEP_PG_KILL) {
        kill_peer(&pg);
    } else if (step == STEP_UPSTREAMS_KILL) {
        kill_peer(&upstreams);
    } else if (step == STEP_OUTAGE) {
        cut_connections();
    } else {
        fleet_kill(&fleet, step, fleet_draw(&fleet, 1500));
    }
}

static void trouble(int32_t rounds, int32_t trips)
{
    int32_t steps = rounds * STEPS;
    for (int32_t round = 0; round < rounds; round++) {
        uint32_t order[STEPS];
        for (uint32_t i = 0; i < STEPS; i++) {
            order[i] = i;
        }
        fleet_shuffle(&fleet, order, STEPS);
        for (int32_t i = 0; i < STEPS; i++) {
            int32_t step = round * STEPS + i;
            break_answers();
            do_step(order[i], round, rounds, trips * (step + 1) / steps - trips * step / steps);
        }
        print_message("round %d of %d: %d trips sent\n", (int)round + 1, (int)rounds,
                      (int)fleet.trips);
    }
}

static void await_late_actions(void)
{
    int64_t deadline_ms = process_clock_ms() + SETTLE_MS;
    int64_t pending = 1;
    while (pending != 0) {
        json_t *answer = fakepg_kit_control(&pg.kit, "pending", NULL);
        pending = kit_number(answer, "pending");
        json_decref(answer);
        assert_true(process_clock_ms() < deadline_ms);
        fleet_pause(&fleet, 50);
    }
}

/* A trip whose record became a dead letter is one that has no payment, too. */
static void fail_unsettled(const char *what)
{
    struct audit_findings findings;
    farebox_audit_judge(&fleet.audit, false, &findings);
    print_error("%d dead letters, %d violations; the first: %s\n", (int)findings.dead,
                (int)findings.violations, findings.first);
    fleet_fail(&fleet, what);
}

/* From the last trip on the fakes work; no process is started again for it. */
static void settle(void)
{
    if (!fleet_await_count(&fleet, "SELECT count(*) FROM payments", fleet.trips, SETTLE_MS)) {
        fail_unsettled("not every trip has a payment");
    }
    http_peer_calm(&pg);
    http_peer_calm(&upstreams);
    fleet_await(&fleet);
    await_late_actions();
    if (!farebox_audit_await_settled(&fleet.audit, SETTLE_MS)) {
        fail_unsettled("not all payments are settled");
    }
    fleet_await_offsets(&fleet);
    fleet_stop(&fleet);
}

static int64_t counted(const char *name)
{
    for (size_t i = 0; i < FLEET_METRICS; i++) {
        if (strcmp(fleet_metric_names[i], name) == 0) {
            return fleet.sums[i];
        }
    }
    fail_msg("nobody counts %s", name);
    return 0;
}

/* Charges that left, beyond one for each claim. */
static int64_t charges_sent_again(void)
{
    return counted("farebox_pg_calls_total{call=\"charge\",answer=\"timeout\"}") +
           counted("farebox_pg_calls_total{call=\"charge\",answer=\"broken\"}") +
           counted("farebox_pg_calls_total{call=\"charge\",answer=\"error\"}") +
           counted("farebox_pg_calls_total{call=\"charge\",answer=\"payment\"}") -
           counted("farebox_events_total{what=\"claimed\"}");
}

/* What the fakes did, while they run. */
static void print_peers(void)
{
    http_peer_print(&pg, "pg");
    http_peer_print(&upstreams, "pricing");
    http_peer_print(&upstreams, "users");
    print_message("%d charges sent again, as far as kills let it be counted\n",
                  (int)charges_sent_again());
}

static void kills_and_stops_of_everybody_lose_nothing_and_charge_nothing_twice(void **state)
{
    struct audit_findings findings;
    (void)state;
    fleet_start(&fleet);
    trouble((int32_t)fleet_number("FAREBOX_E2E_ROUNDS", ROUNDS),
            (int32_t)fleet_number("FAREBOX_E2E_TRIPS", TRIPS));
    settle();
    print_peers();
    fleet_expect(&fleet, &findings);
    /* Whoever is left to an operator has a payment that the PG refused to cancel, for good. */
    assert_true(findings.operator<= http_peer_count(&pg, "pg", "cancel_refused"));
    /* Or the trouble came when nothing was going on. */
    assert_true(findings.completed > 0 && findings.failed > 0 && findings.refunded_krw > 0);
    assert_true(charges_sent_again() > 0);
    assert_true(http_peer_count(&pg, "pg", NULL) > fleet.trips / 10);
    assert_true(counted("farebox_events_total{what=\"breaker_opened\"}") > 0);
    assert_true(counted("farebox_pg_calls_total{call=\"charge\",answer=\"timeout\"}") > 0);
}

int main(void)
{
    if (!mariadb_server_is_there()) {
        return 0;
    }
    if (!mariadb_server_open(&server, true)) {
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            kills_and_stops_of_everybody_lose_nothing_and_charge_nothing_twice, setup, teardown),
    };
    int failed = cmocka_run_group_tests_name("a fleet over HTTP", tests, NULL, NULL);
    mariadb_server_close(&server);
    return failed;
}
