/*
 * The store on a Galera cluster: the whole contract on one node, and what only happens between
 * nodes: another one was first, this one is behind, this one is alone.
 */
#include "galera_cluster.h"
#include "mysql_kit.h"

static struct galera_cluster cluster;

static MYSQL *root_open(struct store_fixture *f, int node)
{
    MYSQL *db = mysql_init(NULL);
    assert_non_null(db);
    assert_non_null(mysql_real_connect(db, "127.0.0.1", MARIADB_ROOT, NULL,
                                       mysql_factory_database(f->data), cluster.nodes[node].port,
                                       NULL, 0));
    return db;
}

/* A store on another node than the fixture's, with the same data. */
static struct store *store_at(struct store_fixture *f, int node)
{
    struct mysql_store_options options = mysql_factory_options(mysql_factory_database(f->data));
    struct store *store = NULL;
    char error[700];
    options.port = cluster.nodes[node].port;
    options.now_ms = store_fixture_now;
    options.clock_context = f;
    if (!mysql_store_open(&options, &store, error, sizeof(error))) {
        fail_msg("%s", error);
    }
    return store;
}

static enum batch_outcome submit(struct store *store, struct store_fixture *f,
                                 const struct unit *unit, struct unit_result *result)
{
    const struct store_batch batch = {unit, result, 1, f->texts};
    return store->ops->submit(store, &batch);
}

/* A batch in a thread of its own. */
struct submission {
    struct store *store;
    struct store_fixture *fixture;
    struct unit units[2];
    struct unit_result results[2];
    enum batch_outcome outcome;
    pthread_t thread;
};

static void *submission_run(void *argument)
{
    struct submission *s = argument;
    const struct store_batch batch = {s->units, s->results, 2, s->fixture->texts};
    s->outcome = s->store->ops->submit(s->store, &batch);
    return NULL;
}

/*
 * 1213 at COMMIT. The store has changed trip-1 on its node and waits for trip-2; meanwhile another
 * node commits a change of trip-1, which is still in the queue of the store's node (its only
 * applier waits for a backup lock) when the store sends its COMMIT.
 */
static void node_that_was_second_aborts_and_finds_itself_refused(void **state)
{
    struct store_fixture *f = *state;
    static struct submission s;
    struct payment_row images[2] = {mysql_kit_opened(f, "trip-1", 1),
                                    mysql_kit_opened(f, "trip-2", 2)};
    struct unit first = mysql_kit_completion(f, &images[0]);
    MYSQL *holder = root_open(f, 1);
    MYSQL *blocker = root_open(f, 1);
    MYSQL *other = root_open(f, 0);
    s = (struct submission){.store = store_at(f, 1), .fixture = f};
    s.units[0] = mysql_kit_completion(f, &images[0]);
    s.units[1] = mysql_kit_completion(f, &images[1]);
    mysql_kit_run(other, "CREATE TABLE queue (id INT PRIMARY KEY) ENGINE = InnoDB");
    mysql_kit_run(blocker, "SET SESSION wsrep_sync_wait = 1");
    mysql_kit_run(blocker, "BEGIN");
    mysql_kit_run(blocker, "UPDATE payments SET attempts = 7 WHERE trip_id = 'trip-2'");
    assert_int_equal(pthread_create(&s.thread, NULL, submission_run, &s), 0);
    mysql_kit_wait_for(holder, MYSQL_KIT_LOCK_WAITS);
    mysql_kit_run(holder, "BACKUP STAGE START");
    mysql_kit_run(holder, "BACKUP STAGE BLOCK_COMMIT");
    mysql_kit_run(other, "INSERT INTO queue VALUES (1)");
    suite_expect(f, &first, UNIT_APPLIED);
    mysql_kit_run(blocker, "ROLLBACK");
    mysql_kit_wait_for(
        holder, "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'COMMIT%'");
    mysql_kit_run(holder, "BACKUP STAGE END");
    assert_int_equal(pthread_join(s.thread, NULL), 0);
    assert_int_equal(s.outcome, BATCH_ABORTED);
    assert_int_equal(mysql_factory_notices[MYSQL_NOTICE_CERTIFICATION], 1);
    (void)submission_run(&s);
    assert_int_equal(s.outcome, BATCH_COMMITTED);
    assert_int_equal(s.results[0].verdict, UNIT_REFUSED);
    assert_true(token_equal(s.results[0].row.token, first.token));
    assert_int_equal(s.results[1].verdict, UNIT_APPLIED);
    s.store->ops->close(s.store);
    mysql_close(other);
    mysql_close(blocker);
    mysql_close(holder);
}

/*
 * A node that has not yet applied what was committed on another one must not judge by its old
 * rows: the payment would be refused, and its charge given back. It waits, or aborts.
 */
static void node_that_is_behind_refuses_nothing(void **state)
{
    struct store_fixture *f = *state;
    struct unit_result result;
    struct store *late = store_at(f, 1);
    MYSQL *holder = root_open(f, 1);
    mysql_kit_run(holder, "SET GLOBAL wsrep_provider_options = 'repl.causal_read_timeout=PT1S'");
    mysql_kit_run(holder, "BACKUP STAGE START");
    mysql_kit_run(holder, "BACKUP STAGE BLOCK_COMMIT");
    struct payment_row image = mysql_kit_opened(f, "trip-1", 1);
    struct unit unit = mysql_kit_completion(f, &image);
    assert_int_equal(submit(late, f, &unit, &result), BATCH_ABORTED);
    assert_true(mysql_factory_notices[MYSQL_NOTICE_LOCK_WAIT] >= 1);
    struct payment_view view;
    assert_int_equal(late->ops->read_payment(late, "trip-1", 6, f->texts, &view),
                     STORE_UNAVAILABLE);
    mysql_kit_run(holder, "BACKUP STAGE END");
    mysql_kit_run(holder, "SET GLOBAL wsrep_provider_options = 'repl.causal_read_timeout=PT30S'");
    assert_int_equal(submit(late, f, &unit, &result), BATCH_COMMITTED);
    assert_int_equal(result.verdict, UNIT_APPLIED);
    late->ops->close(late);
    mysql_close(holder);
}

/*
 * The node dies after its COMMIT was certified, so the others have it, and before it answered. It
 * comes back with it; sent again, the units find their tokens.
 */
static void commit_of_a_node_that_died_is_found_when_it_is_back(void **state)
{
    struct store_fixture *f = *state;
    static struct submission s;
    struct payment_row images[2] = {mysql_kit_opened(f, "trip-1", 1),
                                    mysql_kit_opened(f, "trip-2", 2)};
    MYSQL *holder = root_open(f, 1);
    MYSQL *other = root_open(f, 0);
    s = (struct submission){.store = store_at(f, 1), .fixture = f};
    s.units[0] = mysql_kit_completion(f, &images[0]);
    s.units[1] = mysql_kit_completion(f, &images[1]);
    mysql_kit_run(holder, "BACKUP STAGE START");
    mysql_kit_run(holder, "BACKUP STAGE BLOCK_COMMIT");
    assert_int_equal(pthread_create(&s.thread, NULL, submission_run, &s), 0);
    mysql_kit_wait_for(other, "SELECT COUNT(*) FROM payments WHERE status = 'COMPLETED'");
    galera_cluster_stop(&cluster, 1, true);
    assert_int_equal(pthread_join(s.thread, NULL), 0);
    assert_int_equal(s.outcome, BATCH_UNKNOWN);
    assert_int_equal(mysql_factory_notices[MYSQL_NOTICE_UNKNOWN_COMMIT], 1);
    assert_true(galera_cluster_start(&cluster, 1));
    for (int i = 0; i < MYSQL_KIT_TRIES_MAX && s.outcome != BATCH_COMMITTED; i++) {
        (void)submission_run(&s);
        mysql_kit_nap();
    }
    assert_int_equal(s.outcome, BATCH_COMMITTED);
    assert_int_equal(s.results[0].verdict, UNIT_APPLIED);
    assert_int_equal(s.results[1].verdict, UNIT_APPLIED);
    assert_int_equal(suite_read(f, "trip-1").row.epoch, 2);
    mysql_kit_assert_outbox_count(f, 2);
    s.store->ops->close(s.store);
    mysql_close(other);
    mysql_close(holder);
}

/* Two nodes insert the same trip, or take the same lease: one of them is first. */
static void trip_and_lease_are_taken_once_by_two_nodes(void **state)
{
    struct store_fixture *f = *state;
    struct store *other = store_at(f, 2);
    struct unit_result result;
    (void)mysql_kit_opened(f, "trip-1", 1);
    struct payment_row again = suite_image(f, "trip-1", 1);
    struct unit unit = suite_open(f, &again);
    assert_int_equal(submit(other, f, &unit, &result), BATCH_COMMITTED);
    assert_int_equal(result.verdict, UNIT_DUPLICATE);
    unit = suite_lease(f, "first", LEASE_TAKE, 600000, 0);
    suite_expect(f, &unit, UNIT_APPLIED);
    unit = suite_lease(f, "second", LEASE_TAKE, 50000, 0);
    assert_int_equal(submit(other, f, &unit, &result), BATCH_COMMITTED);
    assert_int_equal(result.verdict, UNIT_REFUSED);
    other->ops->close(other);
}

/* 1047: without the others a node takes nothing; it is the last test, for the others stay dead. */
static void node_without_the_others_is_not_ready(void **state)
{
    struct store_fixture *f = *state;
    struct payment_row image = mysql_kit_opened(f, "trip-1", 1);
    struct unit unit = mysql_kit_completion(f, &image);
    struct unit_result result;
    MYSQL *root = root_open(f, 0);
    galera_cluster_stop(&cluster, 1, true);
    galera_cluster_stop(&cluster, 2, true);
    for (int i = 0; i < MYSQL_KIT_TRIES_MAX && mysql_factory_notices[MYSQL_NOTICE_NOT_READY] == 0;
         i++) {
        assert_int_not_equal(submit(f->store, f, &unit, &result), BATCH_COMMITTED);
        mysql_kit_nap();
    }
    assert_true(mysql_factory_notices[MYSQL_NOTICE_NOT_READY] > 0);
    mysql_kit_run(root, "SET GLOBAL wsrep_provider_options = 'pc.bootstrap=1'");
    enum batch_outcome outcome = BATCH_ABORTED;
    for (int i = 0; i < MYSQL_KIT_TRIES_MAX && outcome != BATCH_COMMITTED; i++) {
        mysql_kit_nap();
        outcome = submit(f->store, f, &unit, &result);
    }
    assert_int_equal(outcome, BATCH_COMMITTED);
    assert_int_equal(result.verdict, UNIT_APPLIED);
    mysql_close(root);
}

int main(void)
{
    if (!galera_cluster_is_there()) {
        return 0;
    }
    if (!galera_cluster_open(&cluster)) {
        return 1;
    }
    mysql_factory_server = cluster.nodes[0];
    /* The suite counts rows from 1; a cluster leaves gaps, so that nodes do not meet. */
    if (!mariadb_server_run(&cluster.nodes[0], NULL,
                            "SET GLOBAL wsrep_auto_increment_control = OFF;"
                            "SET GLOBAL auto_increment_increment = 1;"
                            "SET GLOBAL auto_increment_offset = 1")) {
        galera_cluster_close(&cluster);
        return 1;
    }
    int failed = store_suite_run(&store_factory_mysql);
    if (!mariadb_server_run(&cluster.nodes[0], NULL,
                            "SET GLOBAL wsrep_auto_increment_control = ON")) {
        failed++;
    }
    store_fixture_use(&store_factory_mysql);
    const struct CMUnitTest tests[] = {
        SUITE_TEST(node_that_was_second_aborts_and_finds_itself_refused),
        SUITE_TEST(node_that_is_behind_refuses_nothing),
        SUITE_TEST(commit_of_a_node_that_died_is_found_when_it_is_back),
        SUITE_TEST(trip_and_lease_are_taken_once_by_two_nodes),
        SUITE_TEST(node_without_the_others_is_not_ready),
    };
    failed += cmocka_run_group_tests_name("mysql store: Galera", tests, NULL, NULL);
    galera_cluster_close(&cluster);
    return failed;
}
