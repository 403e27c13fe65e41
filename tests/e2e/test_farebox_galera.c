/*
 * Three farebox processes, each on its own node of a MariaDB Galera cluster: killed again and
 * again, like the nodes, one at a time, under load. Then the PG's ledger, the tables and
 * payment_events are held against one another.
 *
 * FAREBOX_E2E_TRIPS, FAREBOX_E2E_ROUNDS and FAREBOX_E2E_SEED as in test_farebox_fleet.c; in each
 * round one node dies.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fleet.h"
#include "galera_cluster.h"

#define DATABASE  "farebox_galera"
#define TRIPS     600
#define ROUNDS    3
#define SETTLE_MS 180000

static struct galera_cluster cluster;
static struct mysql_store_options database;
static struct fleet fleet;

/* The audit looks at a node that lives. */
static bool node_stop(int32_t outage, bool is_kill)
{
    int node = outage % GALERA_NODES;
    database.port = cluster.nodes[(node + 1) % GALERA_NODES].port;
    galera_cluster_stop(&cluster, node, is_kill);
    return true;
}

static bool node_start(int32_t outage)
{
    return galera_cluster_start(&cluster, outage % GALERA_NODES);
}

static int setup(void **state)
{
    (void)state;
    if (!mariadb_server_run(&cluster.nodes[0], NULL, "CREATE DATABASE " DATABASE)) {
        return -1;
    }
    fleet_open(&fleet, (uint64_t)fleet_number("FAREBOX_E2E_SEED", 1));
    for (uint32_t i = 0; i < FLEET_SIZE; i++) {
        struct farebox_process *process = &fleet.members[i].process;
        farebox_process_hurry(process);
        farebox_process_set(process, "FAREBOX_STORE",
                            "mysql://" MARIADB_USER "@127.0.0.1:%u/" DATABASE,
                            (unsigned)cluster.nodes[i].port);
    }
    fleet_set(&fleet, "FAREBOX_STORE_PASSWORD", MARIADB_PASSWORD);
    fleet_set(&fleet, "FAREBOX_FAKE_PG_DELAY_MAX_MS", "200");
    fleet_set(&fleet, "FAREBOX_FAKE_PG_FAULT_PERMILLE", "100");
    database = (struct mysql_store_options){.host = "127.0.0.1",
                                            .user = MARIADB_USER,
                                            .password = MARIADB_PASSWORD,
                                            .database = DATABASE,
                                            .port = cluster.nodes[0].port,
                                            .connect_timeout_s = 10,
                                            .read_timeout_s = 60,
                                            .write_timeout_s = 60,
                                            .lock_wait_timeout_s = 10};
    farebox_audit_init_mysql(&fleet.audit, &database, fleet.members[0].process.ledger,
                             kafka_broker_bootstrap(fleet.broker));
    fleet.database_stop = node_stop;
    fleet.database_start = node_start;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fleet_close(&fleet);
    return mariadb_server_run(&cluster.nodes[0], NULL, "DROP DATABASE " DATABASE) ? 0 : -1;
}

static void nodes_that_die_lose_nothing_and_charge_nothing_twice(void **state)
{
    struct audit_findings findings;
    int32_t rounds = (int32_t)fleet_number("FAREBOX_E2E_ROUNDS", ROUNDS);
    (void)state;
    fleet_start(&fleet);
    fleet_trouble(&fleet, rounds, (int32_t)fleet_number("FAREBOX_E2E_TRIPS", TRIPS));
    fleet_settle(&fleet, SETTLE_MS);
    fleet_expect(&fleet, &findings);
    assert_true(fleet.unfinished > rounds * (FLEET_SIZE + 1));
    assert_true(findings.completed > 0);
}

int main(void)
{
    if (!galera_cluster_is_there()) {
        return 0;
    }
    if (!galera_cluster_open(&cluster)) {
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nodes_that_die_lose_nothing_and_charge_nothing_twice, setup,
                                        teardown),
    };
    int failed = cmocka_run_group_tests_name("a fleet on Galera", tests, NULL, NULL);
    galera_cluster_close(&cluster);
    return failed;
}
