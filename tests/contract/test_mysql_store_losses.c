/*
 * What a connection can do to a batch: an error at any statement, COMMIT's answer lost, a server
 * that says nothing or stops in the middle. The proxy between the two does it.
 */
#define _POSIX_C_SOURCE 200809L /* clock_gettime */
#include "mysql_internal.h"
#include "mysql_kit.h"
#include "tcp_proxy.h"

#include <arpa/inet.h>
#include <mysqld_error.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Of 1 s, the lock wait. */
#define BLOCKED_TRIES_MAX 30
/* A server that would never end the connection by itself, as far as a test can tell. */
#define PATIENT_S 3600

static struct tcp_proxy proxy;

/* The fixture's store through the proxy. */
static int proxied_setup(void **state)
{
    if (store_fixture_setup(state) != 0) {
        return -1;
    }
    tcp_proxy_open(&proxy, mysql_factory_server.port);
    mysql_kit_reopen_at(*state, 5, 20, proxy.port);
    return 0;
}

static int proxied_teardown(void **state)
{
    int failed = store_fixture_teardown(state);
    tcp_proxy_close(&proxy);
    return failed;
}

#define PROXIED(test) cmocka_unit_test_setup_teardown(test, proxied_setup, proxied_teardown)

/* A new payment, and another one's completion: two tables, every statement of a batch. */
struct pair {
    struct unit units[2];
    struct unit_result results[2];
    char trips[2][32];
};

static void pair_fill(struct store_fixture *f, struct pair *pair, uint64_t number)
{
    (void)snprintf(pair->trips[0], sizeof(pair->trips[0]), "claimed-%u", (unsigned)number);
    (void)snprintf(pair->trips[1], sizeof(pair->trips[1]), "new-%u", (unsigned)number);
    struct payment_row image = mysql_kit_opened(f, pair->trips[0], 2 * number);
    struct payment_row fresh = suite_image(f, pair->trips[1], 2 * number + 1);
    pair->units[0] = suite_open(f, &fresh);
    pair->units[1] = mysql_kit_completion(f, &image);
}

static enum batch_outcome pair_submit(struct store_fixture *f, struct pair *pair)
{
    return mysql_kit_submit(f, pair->units, 2, pair->results);
}

/* Sent again, both are applied, once. */
static void pair_finish(struct store_fixture *f, struct pair *pair)
{
    assert_int_equal(pair_submit(f, pair), BATCH_COMMITTED);
    assert_int_equal(pair->results[0].verdict, UNIT_APPLIED);
    assert_int_equal(pair->results[1].verdict, UNIT_APPLIED);
    assert_int_equal(suite_read(f, pair->trips[0]).row.epoch, 2);
    assert_int_equal(suite_read(f, pair->trips[1]).row.epoch, 1);
}

static void commit_that_never_arrives_is_unknown_and_applied_by_sending_again(void **state)
{
    struct store_fixture *f = *state;
    static struct pair pair;
    pair_fill(f, &pair, 1);
    tcp_proxy_rule(&proxy, (struct tcp_proxy_rule){
                               .action = TCP_PROXY_CUT_BEFORE, .statement = "COMMIT", .nth = 1});
    assert_int_equal(pair_submit(f, &pair), BATCH_UNKNOWN);
    assert_false(suite_trip_exists(f, pair.trips[1]));
    pair_finish(f, &pair);
    mysql_kit_assert_outbox_count(f, 1);
}

static void commit_whose_answer_is_lost_is_unknown_and_found_by_sending_again(void **state)
{
    struct store_fixture *f = *state;
    static struct pair pair;
    pair_fill(f, &pair, 1);
    tcp_proxy_rule(&proxy, (struct tcp_proxy_rule){
                               .action = TCP_PROXY_CUT_AFTER, .statement = "COMMIT", .nth = 1});
    assert_int_equal(pair_submit(f, &pair), BATCH_UNKNOWN);
    assert_true(suite_trip_exists(f, pair.trips[1]));
    pair_finish(f, &pair);
    mysql_kit_assert_outbox_count(f, 1);
}

/* The note after the one of this statement. */
static void expect_next_note(uint32_t at, const char *words)
{
    char note[TCP_PROXY_NOTE_SIZE] = "";
    assert_true(tcp_proxy_note(&proxy, at + 1, note));
    if (strncmp(note, words, strlen(words)) != 0) {
        fail_msg("\"%s\" instead of \"%s\"", note, words);
    }
}

static uint32_t note_find(const char *words)
{
    char note[TCP_PROXY_NOTE_SIZE];
    for (uint32_t i = 0; tcp_proxy_note(&proxy, i, note); i++) {
        if (strncmp(note, words, strlen(words)) == 0) {
            return i;
        }
    }
    fail_msg("no \"%s\"", words);
    return 0;
}

/* 1213 at COMMIT is how Galera says that another node was first: surely nothing happened. */
static void deadlock_at_commit_aborts_the_batch(void **state)
{
    struct store_fixture *f = *state;
    static struct pair pair;
    pair_fill(f, &pair, 1);
    tcp_proxy_rule(&proxy, (struct tcp_proxy_rule){.action = TCP_PROXY_REFUSE,
                                                   .statement = "COMMIT",
                                                   .nth = 1,
                                                   .error = ER_LOCK_DEADLOCK});
    assert_int_equal(pair_submit(f, &pair), BATCH_ABORTED);
    expect_next_note(note_find("COMMIT"), "ROLLBACK");
    assert_false(suite_trip_exists(f, pair.trips[1]));
    assert_int_equal(suite_read(f, pair.trips[0]).row.epoch, 1);
    pair_finish(f, &pair);
}

/* Any other error leaves it open whether it happened; the connection is not used again. */
static void other_error_at_commit_is_unknown_and_closes_the_connection(void **state)
{
    static const uint16_t errors[] = {ER_LOCK_WAIT_TIMEOUT, ER_ERROR_DURING_COMMIT,
                                      ER_UNKNOWN_ERROR};
    struct store_fixture *f = *state;
    static struct pair pair;
    for (uint64_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        pair_fill(f, &pair, i + 1);
        tcp_proxy_rule(&proxy, (struct tcp_proxy_rule){.action = TCP_PROXY_REFUSE,
                                                       .statement = "COMMIT",
                                                       .nth = 1,
                                                       .error = errors[i]});
        assert_int_equal(pair_submit(f, &pair), BATCH_UNKNOWN);
        uint32_t at = note_find("COMMIT");
        pair_finish(f, &pair);
        expect_next_note(at, "connect");
    }
}

/*
 * After 1205 the transaction is still open, and a BEGIN would commit the rest; so after whatever
 * error, at whichever statement. Retried errors, those that end the connection, lasting ones.
 */
static void after_every_error_comes_a_rollback_or_a_new_connection(void **state)
{
    static const uint16_t errors[] = {ER_LOCK_WAIT_TIMEOUT, ER_LOCK_DEADLOCK,
                                      ER_QUERY_INTERRUPTED, ER_OPTION_PREVENTS_STATEMENT,
                                      ER_UNKNOWN_COM_ERROR, ER_SERVER_SHUTDOWN,
                                      ER_DATA_TOO_LONG,     ER_OUT_OF_RESOURCES,
                                      ER_CON_COUNT_ERROR,   ER_NO_SUCH_TABLE};
    struct store_fixture *f = *state;
    static struct pair pair;
    uint64_t number = 0;
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        bool struck = true;
        for (uint32_t nth = 1; struck; nth++) {
            pair_fill(f, &pair, ++number);
            tcp_proxy_rule(&proxy, (struct tcp_proxy_rule){
                                       .action = TCP_PROXY_REFUSE, .nth = nth, .error = errors[i]});
            enum batch_outcome outcome = pair_submit(f, &pair);
            struck = tcp_proxy_pass(&proxy);
            if (!struck) {
                assert_true(nth > 5);
                assert_int_equal(outcome, BATCH_COMMITTED);
                continue;
            }
            pair_finish(f, &pair);
            char note[TCP_PROXY_NOTE_SIZE] = "";
            assert_true(tcp_proxy_note(&proxy, nth, note));
            if (strcmp(note, "ROLLBACK") != 0 && strcmp(note, "connect") != 0) {
                fail_msg("error %u at statement %u: \"%s\" follows", errors[i], nth, note);
            }
        }
    }
}

/* A failover leaves connections to the old primary, which takes no writes any more; where the
 * address leads by now is only seen by connecting again. */
static void server_that_takes_no_writes_is_left_for_a_new_connection(void **state)
{
    struct store_fixture *f = *state;
    static struct pair pair;
    pair_fill(f, &pair, 1);
    MYSQL *root = mysql_kit_root(f);
    uint32_t before = tcp_proxy_accepted(&proxy);
    mysql_kit_run(root, "SET GLOBAL read_only = 1");
    assert_int_equal(pair_submit(f, &pair), BATCH_ABORTED);
    const struct mysql_store_options options = mysql_kit_options(f, 1, 20);
    struct store *store = NULL;
    char error[700] = "";
    assert_false(mysql_store_open(&options, &store, error, sizeof(error)));
    assert_non_null(strstr(error, "cannot be worked on: "));
    assert_non_null(strstr(error, "read-only"));
    mysql_kit_run(root, "SET GLOBAL read_only = 0");
    pair_finish(f, &pair);
    assert_int_equal(tcp_proxy_accepted(&proxy), before + 1);
    assert_int_equal(mysql_factory_notices[MYSQL_NOTICE_OTHER], 1);
    mysql_close(root);
}

/* The kernel accepts for it, and nobody answers. */
static void server_that_accepts_and_never_answers_is_given_up(void **state)
{
    struct store_fixture *f = *state;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(listener, 8), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    struct mysql_store_options options = mysql_kit_options(f, 1, 1);
    options.connect_timeout_s = 1;
    options.port = ntohs(address.sin_port);
    struct store *store = NULL;
    char error[700] = "";
    assert_false(mysql_store_open(&options, &store, error, sizeof(error)));
    assert_null(store);
    assert_non_null(strstr(error, "cannot be used"));
    (void)close(listener);
}

/* The proxy hides from the server that its client has gone: the locks stay for the idle time. */
static void answer_that_stops_in_the_middle_is_given_up(void **state)
{
    struct store_fixture *f = *state;
    static struct pair pair;
    struct payment_view view;
    struct mysql_store_options options = mysql_kit_options(f, 1, 1);
    options.port = proxy.port;
    options.idle_timeout_s = PATIENT_S;
    pair_fill(f, &pair, 1);
    mysql_kit_reopen_with(f, &options);
    tcp_proxy_rule(&proxy,
                   (struct tcp_proxy_rule){.action = TCP_PROXY_HALF, .statement = "SELECT CAST"});
    assert_int_equal(f->store->ops->read_payment(f->store, pair.trips[0], strlen(pair.trips[0]),
                                                 f->texts, &view),
                     STORE_UNAVAILABLE);
    assert_true(tcp_proxy_pass(&proxy));
    assert_int_equal(suite_read(f, pair.trips[0]).row.epoch, 1);
    options.idle_timeout_s = 2;
    mysql_kit_reopen_with(f, &options);
    tcp_proxy_rule(
        &proxy, (struct tcp_proxy_rule){.action = TCP_PROXY_HALF, .statement = "INSERT", .nth = 1});
    assert_int_equal(pair_submit(f, &pair), BATCH_ABORTED);
    assert_true(tcp_proxy_pass(&proxy));
    enum batch_outcome outcome = BATCH_ABORTED;
    for (int i = 0; i < BLOCKED_TRIES_MAX && outcome != BATCH_COMMITTED; i++) {
        outcome = pair_submit(f, &pair);
    }
    pair_finish(f, &pair);
}

/* More than the buffers on the way take, to a server that no longer reads. */
static void server_that_stops_reading_is_given_up(void **state)
{
    struct store_fixture *f = *state;
    struct mysql_store_options options = mysql_kit_options(f, 1, PATIENT_S);
    options.write_timeout_s = 1;
    options.idle_timeout_s = PATIENT_S;
    options.port = proxy.port;
    mysql_kit_reopen_with(f, &options);
    const int buffer = 65536; /* the kernel's own could take the whole statement */
    assert_int_equal(setsockopt(mysql_get_socket(((struct mysql_store *)f->store)->db), SOL_SOCKET,
                                SO_SNDBUF, &buffer, sizeof(buffer)),
                     0);
    struct unit unit = suite_dead_letter(f, 1);
    char *body = malloc(STORE_BODY_MAX);
    assert_non_null(body);
    memset(body, '\\', STORE_BODY_MAX); /* twice as long in a statement, and a readable copy */
    unit.as.failed_event.row.body = suite_bytes(f, body, STORE_BODY_MAX);
    free(body);
    struct unit_result result;
    tcp_proxy_rule(&proxy, (struct tcp_proxy_rule){
                               .action = TCP_PROXY_SILENT, .statement = "INSERT", .nth = 1});
    assert_int_equal(mysql_kit_submit(f, &unit, 1, &result), BATCH_ABORTED);
    assert_true(tcp_proxy_pass(&proxy));
    suite_expect(f, &unit, UNIT_APPLIED);
}

static void scan_that_is_a_deadlocks_victim_is_repeated_once(void **state)
{
    struct store_fixture *f = *state;
    static union store_row rows[STORE_PAGE_MAX];
    struct store_scan scan = {.kind = SCAN_PAYMENTS_DUE, .limit = 10};
    struct store_page page = {.rows = rows, .texts = f->texts};
    (void)mysql_kit_opened(f, "trip-1", 1);
    f->now_ms += 600000;
    tcp_proxy_rule(&proxy, (struct tcp_proxy_rule){.action = TCP_PROXY_REFUSE,
                                                   .statement = "SELECT CAST",
                                                   .nth = 1,
                                                   .error = ER_LOCK_DEADLOCK});
    assert_int_equal(suite_scan(f, SCAN_PAYMENTS_DUE, 10, rows), 1);
    assert_true(tcp_proxy_pass(&proxy));
    tcp_proxy_rule(&proxy, (struct tcp_proxy_rule){.action = TCP_PROXY_REFUSE,
                                                   .statement = "SELECT CAST",
                                                   .error = ER_LOCK_DEADLOCK});
    assert_int_equal(f->store->ops->scan(f->store, &scan, &page), STORE_UNAVAILABLE);
}

/* Two nodes of a Galera cluster that start together meet in the lease and in every statement: the
 * one that was second is told 1213, and tries again. */
static void migration_that_meets_another_writer_tries_again(void **state)
{
    static const struct tcp_proxy_rule rules[] = {
        {TCP_PROXY_REFUSE, "INSERT INTO shedlock", 1, ER_LOCK_DEADLOCK},
        {TCP_PROXY_REFUSE, "INSERT INTO shedlock", 1, ER_LOCK_WAIT_TIMEOUT},
        {TCP_PROXY_REFUSE, "ALTER TABLE payments", 1, ER_LOCK_DEADLOCK},
        {TCP_PROXY_REFUSE, "UPDATE farebox_schema", 1, ER_LOCK_DEADLOCK}};
    struct store_fixture *f = *state;
    const char *database = mysql_factory_database(f->data);
    char remake[200];
    (void)snprintf(remake, sizeof(remake), "DROP DATABASE %s; CREATE DATABASE %s", database,
                   database);
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        assert_true(mariadb_server_run(&mysql_factory_server, NULL, remake));
        tcp_proxy_rule(&proxy, rules[i]);
        mysql_kit_reopen_at(f, 5, 20, proxy.port);
        assert_true(tcp_proxy_pass(&proxy));
    }
}

static int64_t clock_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Waits of 100, 200, 400 ms ...: so many connections are tried in this time, whoever asks. */
static uint32_t tries_of(int64_t elapsed_ms)
{
    uint32_t tries = 1;
    for (int64_t wait_ms = 100; elapsed_ms >= wait_ms; elapsed_ms -= wait_ms) {
        tries++;
        wait_ms = wait_ms * 2 > 5000 ? 5000 : wait_ms * 2;
    }
    return tries + 1;
}

static void server_that_is_down_is_tried_ever_more_rarely(void **state)
{
    struct store_fixture *f = *state;
    static struct pair pair;
    pair_fill(f, &pair, 1);
    mariadb_server_stop(&mysql_factory_server, false);
    int64_t since_ms = clock_ms();
    uint32_t before = tcp_proxy_accepted(&proxy);
    for (int i = 0; i < 5000; i++) {
        assert_int_equal(pair_submit(f, &pair), BATCH_ABORTED);
    }
    uint32_t tries = tcp_proxy_accepted(&proxy) - before;
    assert_true(tries >= 1);
    assert_true(tries <= tries_of(clock_ms() - since_ms));
    assert_true(mariadb_server_start(&mysql_factory_server));
    enum batch_outcome outcome = BATCH_ABORTED;
    for (int i = 0; i < MYSQL_KIT_TRIES_MAX && outcome != BATCH_COMMITTED; i++) {
        mysql_kit_nap();
        outcome = pair_submit(f, &pair);
    }
    pair_finish(f, &pair);
}

/* What the session has now, by its own connection. */
static void expect_settings(struct store_fixture *f)
{
    struct mysql_store *store = (struct mysql_store *)f->store;
    assert_non_null(store->db);
    assert_int_equal(
        mysql_query(store->db, "SELECT CONCAT_WS(' ', @@session.time_zone, @@session.tx_isolation,"
                               " @@session.sql_mode, @@session.autocommit + 0,"
                               " @@session.innodb_lock_wait_timeout, @@session.wait_timeout,"
                               " @@session.net_read_timeout, @@session.character_set_client)"),
        0);
    MYSQL_RES *result = mysql_store_result(store->db);
    assert_non_null(result);
    assert_string_equal(mysql_fetch_row(result)[0],
                        "+00:00 READ-COMMITTED STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION 1 5 30 30"
                        " utf8mb4");
    mysql_free_result(result);
}

/* On a server whose own are all others. */
static void every_connection_has_the_sessions_settings(void **state)
{
    struct store_fixture *f = *state;
    MYSQL *root = mysql_kit_root(f);
    mysql_kit_run(root, "SET GLOBAL sql_mode = 'NO_BACKSLASH_ESCAPES,ANSI_QUOTES'");
    mysql_kit_run(root, "SET GLOBAL tx_isolation = 'SERIALIZABLE'");
    mysql_kit_run(root, "SET GLOBAL autocommit = 0");
    mysql_kit_run(root, "SET GLOBAL character_set_client = 'latin1'");
    mysql_kit_reopen_at(f, 5, 20, proxy.port);
    expect_settings(f);
    mysql_kit_sessions_kill(root);
    (void)mysql_kit_opened(f, "trip-1", 1);
    expect_settings(f);
    tcp_proxy_rule(&proxy, (struct tcp_proxy_rule){.action = TCP_PROXY_CUT_BEFORE, .nth = 1});
    assert_true(suite_trip_exists(f, "trip-1"));
    assert_true(tcp_proxy_pass(&proxy));
    expect_settings(f);
    mysql_kit_run(root, "SET GLOBAL sql_mode = DEFAULT");
    mysql_kit_run(root, "SET GLOBAL tx_isolation = DEFAULT");
    mysql_kit_run(root, "SET GLOBAL autocommit = 1");
    mysql_kit_run(root, "SET GLOBAL character_set_client = DEFAULT");
    mysql_close(root);
}

int main(void)
{
    if (!mariadb_server_is_there()) {
        return 0;
    }
    if (!mysql_factory_start(true)) {
        return 1;
    }
    store_fixture_use(&store_factory_mysql);
    const struct CMUnitTest tests[] = {
        PROXIED(commit_that_never_arrives_is_unknown_and_applied_by_sending_again),
        PROXIED(commit_whose_answer_is_lost_is_unknown_and_found_by_sending_again),
        PROXIED(deadlock_at_commit_aborts_the_batch),
        PROXIED(other_error_at_commit_is_unknown_and_closes_the_connection),
        PROXIED(after_every_error_comes_a_rollback_or_a_new_connection),
        PROXIED(server_that_takes_no_writes_is_left_for_a_new_connection),
        PROXIED(server_that_accepts_and_never_answers_is_given_up),
        PROXIED(answer_that_stops_in_the_middle_is_given_up),
        PROXIED(server_that_stops_reading_is_given_up),
        PROXIED(scan_that_is_a_deadlocks_victim_is_repeated_once),
        PROXIED(migration_that_meets_another_writer_tries_again),
        PROXIED(server_that_is_down_is_tried_ever_more_rarely),
        PROXIED(every_connection_has_the_sessions_settings),
    };
    int failed = cmocka_run_group_tests_name("mysql store: losses", tests, NULL, NULL);
    mysql_factory_stop();
    return failed;
}
