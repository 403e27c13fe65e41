/* The farebox command with settings, options and store files that are wrong, and with secrets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "farebox_process.h"
#include "http_client.h"

#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Must never be seen in anything that farebox prints. */
#define SECRET     "s3cret-0f-the-admin-0123456789"
#define SHORT      "tooshort-s3cret"
#define EXIT_USAGE 2

static struct farebox_process process;

static int setup(void **state)
{
    (void)state;
    farebox_process_init(&process, NULL);
    return 0;
}

/* Every test's output is searched for what it must not tell. */
static int teardown(void **state)
{
    char *log = farebox_process_read_log(&process);
    char *out = process_read_file(process.out, 0);
    bool is_told = strstr(log, "s3cret") != NULL || (out != NULL && strstr(out, "s3cret") != NULL);
    (void)state;
    free(log);
    free(out);
    farebox_process_clear(&process);
    return is_told ? -1 : 0;
}

/* Ends with this status, and its messages hold all these texts. */
static void expect_words(const char *option, int status, const char *const *words)
{
    farebox_process_forget_output(&process);
    int ended = farebox_process_run(&process, option);
    char *log = farebox_process_read_log(&process);
    for (size_t i = 0; words[i] != NULL; i++) {
        if (ended != status || strstr(log, words[i]) == NULL) {
            fail_msg("status %d, not %d, and '%s' is to be in: %s", ended, status, words[i], log);
        }
    }
    if (strstr(log, "s3cret") != NULL) {
        fail_msg("a secret was told");
    }
    free(log);
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void a_wrong_setting_is_named_with_its_value_and_what_is_allowed(void **state)
{
    static const char *const wrong[][3] = {
        {"FAREBOX_STORE", "mysql:host", "sqlite:PATH"},
        {"FAREBOX_STORE", "sqlite:", "sqlite:PATH"},
        {"FAREBOX_STORE_LANES", "0", "from 1 to 16"},
        {"FAREBOX_STORE_LANES", "17", "from 1 to 16"},
        {"FAREBOX_STORE_LANES", "2x", "from 1 to 16"},
        {"FAREBOX_STORE_LANES", "", "from 1 to 16"},
        {"FAREBOX_STORE_LANES", "99999999999999999999", "from 1 to 16"},
        {"FAREBOX_KAFKA", "localhost", "HOST:PORT"},
        {"FAREBOX_KAFKA", "localhost:99999", "HOST:PORT"},
        {"FAREBOX_KAFKA_GROUP", "a group", "letters, digits"},
        {"FAREBOX_TRIP_TOPIC", "..", "letters, digits"},
        {"FAREBOX_TYPE_PREFIX", "a b", "printable ASCII"},
        {"FAREBOX_MAX_TRIP_AGE_S", "-1", "seconds from 1 to"},
        {"FAREBOX_PG", "toss", "fake"},
        {"FAREBOX_POLICY", "keep", "refund or adopt"},
        {"FAREBOX_HTTP_ADDRESS", "localhost:80", "numeric IPv4"},
        {"FAREBOX_HTTP_ADDRESS", "127.0.0.1:65536", "numeric IPv4"},
        {"FAREBOX_LOG_LEVEL", "loud", "debug, info, warn, error or alert"},
        {"FAREBOX_STOP_TIMEOUT_S", "1.0001", "three decimals"},
        {"FAREBOX_KAFKA_SESSION_S", "0.4", "seconds from 0.5"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        char shown[100];
        farebox_process_set(&process, wrong[i][0], "%s", wrong[i][1]);
        (void)snprintf(shown, sizeof(shown), "%s=%s", wrong[i][0], wrong[i][1]);
        expect_words(NULL, EXIT_USAGE, WORDS(shown, wrong[i][2], "not started"));
        expect_words("--check-config", EXIT_USAGE, WORDS(shown, wrong[i][2]));
        farebox_process_clear(&process);
        (void)setup(NULL);
    }
}

static void every_wrong_setting_is_reported_and_not_only_the_first(void **state)
{
    (void)state;
    farebox_process_set(&process, "FAREBOX_STORE_LANES", "none");
    farebox_process_set(&process, "FAREBOX_POLICY", "keep");
    farebox_process_set(&process, "FAREBOX_IN_FLIGHT", "0");
    expect_words(NULL, EXIT_USAGE,
                 WORDS("FAREBOX_STORE_LANES=none", "FAREBOX_POLICY=keep", "FAREBOX_IN_FLIGHT=0"));
}

static void waits_that_do_not_fit_one_another_are_named(void **state)
{
    (void)state;
    farebox_process_set(&process, "FAREBOX_CLAIM_DUE_S", "100");
    expect_words(NULL, EXIT_USAGE,
                 WORDS("FAREBOX_SEND_LIMIT_S=120", "FAREBOX_PG_TIMEOUT_S=60",
                       "FAREBOX_CLAIM_DUE_S=100", "taken over"));
}

static void an_unknown_name_is_refused_without_its_value(void **state)
{
    (void)state;
    farebox_process_set(&process, "FAREBOX_ADMIN_TOKN", "%s", SECRET);
    expect_words(NULL, EXIT_USAGE, WORDS("FAREBOX_ADMIN_TOKN"));
}

static void tls_is_refused_with_the_reason(void **state)
{
    (void)state;
    farebox_process_set(&process, "FAREBOX_HTTP_TLS_CERT", "/etc/cert.pem");
    expect_words(NULL, EXIT_USAGE, WORDS("FAREBOX_HTTP_TLS_CERT", "TLS", "proxy"));
}

static void write_secret(char path[PROCESS_PATH_SIZE], const char *secret)
{
    (void)snprintf(path, PROCESS_PATH_SIZE, "%s/token", process.folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fprintf(file, "%s\n", secret) > 0 && fclose(file) == 0);
}

static void a_bad_secret_is_named_and_not_told(void **state)
{
    char path[PROCESS_PATH_SIZE];
    (void)state;
    farebox_process_set(&process, "FAREBOX_ADMIN_TOKEN", SHORT);
    expect_words(NULL, EXIT_USAGE, WORDS("FAREBOX_ADMIN_TOKEN", "16"));
    farebox_process_set(&process, "FAREBOX_ADMIN_TOKEN", "%s with spaces", SECRET);
    expect_words(NULL, EXIT_USAGE, WORDS("FAREBOX_ADMIN_TOKEN", "spaces"));
    farebox_process_set(&process, "FAREBOX_ADMIN_TOKEN", NULL);
    write_secret(path, SHORT);
    farebox_process_set(&process, "FAREBOX_ADMIN_TOKEN_FILE", "%s", path);
    expect_words(NULL, EXIT_USAGE, WORDS("FAREBOX_ADMIN_TOKEN_FILE", path, "16"));
    farebox_process_set(&process, "FAREBOX_ADMIN_TOKEN_FILE", "%s.none", path);
    expect_words(NULL, EXIT_USAGE, WORDS("FAREBOX_ADMIN_TOKEN_FILE", path, "No such file"));
    farebox_process_set(&process, "FAREBOX_ADMIN_TOKEN_FILE", "%s", process.folder);
    expect_words(NULL, EXIT_USAGE, WORDS("FAREBOX_ADMIN_TOKEN_FILE", process.folder));
    write_secret(path, SECRET);
    farebox_process_set(&process, "FAREBOX_ADMIN_TOKEN_FILE", "%s", path);
    farebox_process_set(&process, "FAREBOX_ADMIN_TOKEN", "%s", SECRET);
    expect_words(NULL, EXIT_USAGE, WORDS("FAREBOX_ADMIN_TOKEN", "FAREBOX_ADMIN_TOKEN_FILE"));
}

static int ask_admin(const char *token)
{
    char headers[200];
    struct reply reply;
    (void)snprintf(headers, sizeof(headers), "Authorization: Bearer %s\r\nContent-Length: 0\r\n",
                   token);
    http_client_ask(process.http_port, "POST " FIXTURE_RETRY_ALL, headers, &reply);
    int status = reply.status;
    assert_null(reply.body == NULL ? NULL : strstr(reply.body, "s3cret"));
    reply_clear(&reply);
    return status;
}

/* The teardown searches the log of the whole run. */
static void a_secret_from_a_file_works_and_is_told_nowhere(void **state)
{
    char path[PROCESS_PATH_SIZE];
    struct reply reply;
    (void)state;
    write_secret(path, SECRET);
    farebox_process_set(&process, "FAREBOX_ADMIN_TOKEN_FILE", "%s", path);
    farebox_process_set(&process, "FAREBOX_LOG_LEVEL", "debug");
    expect_words("--check-config", 0, WORDS(""));
    char *out = farebox_process_read_out(&process);
    assert_non_null(strstr(out, "FAREBOX_ADMIN_TOKEN=set"));
    assert_null(strstr(out, "s3cret"));
    free(out);
    farebox_process_start(&process);
    assert_int_equal(ask_admin(SECRET), 200);
    assert_int_equal(ask_admin(SHORT "-and-wrong"), 401);
    http_client_ask(process.http_port, "GET /metrics", "", &reply);
    assert_int_equal(reply.status, 200);
    assert_null(strstr(reply.body, "s3cret"));
    reply_clear(&reply);
    farebox_process_stop(&process);
}

static void options_answer_and_exit(void **state)
{
    static const char *const options[][2] = {{"--help", "FAREBOX_CLAIM_DUE_S"},
                                             {"--version", "farebox 0."},
                                             {"--check-config", "FAREBOX_CLAIM_DUE_S=600"},
                                             {"--settings-page", "| `FAREBOX_CLAIM_DUE_S`"}};
    struct stat file;
    (void)state;
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        assert_int_equal(farebox_process_run(&process, options[i][0]), 0);
        char *out = farebox_process_read_out(&process);
        assert_non_null(strstr(out, options[i][1]));
        free(out);
    }
    expect_words("--sing", EXIT_USAGE, WORDS("--sing", "Usage"));
    expect_words("sing", EXIT_USAGE, WORDS("sing", "Usage"));
    /* Nothing was opened on the way. */
    assert_int_equal(stat(process.store, &file), -1);
    assert_int_equal(stat(process.ledger, &file), -1);
}

static void execute(const char *sql)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(process.store, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void a_store_of_a_newer_version_is_refused_unless_it_says_that_we_can_read_it(void **state)
{
    (void)state;
    farebox_process_start(&process);
    farebox_process_stop(&process);
    execute("UPDATE schema_version SET version = 987, min_reader = 987");
    expect_words(NULL, 1, WORDS("FAREBOX_STORE=sqlite:", process.store, "987"));
    execute("UPDATE schema_version SET min_reader = 1");
    farebox_process_start(&process);
    farebox_process_stop(&process);
}

static void a_file_that_is_missing_is_made_by_migrate_where_a_start_may_not(void **state)
{
    (void)state;
    farebox_process_set(&process, "FAREBOX_STORE_MIGRATE", "false");
    expect_words(NULL, 1, WORDS("FAREBOX_STORE=sqlite:", "run `farebox migrate`"));
    expect_words("migrate --dry-run", 1, WORDS("--dry-run is for MySQL and MariaDB"));
    assert_int_equal(farebox_process_run(&process, "migrate"), 0);
    farebox_process_start(&process);
    farebox_process_stop(&process);
}

static void another_programs_database_is_refused_and_left_alone(void **state)
{
    (void)state;
    execute("CREATE TABLE holidays (day TEXT); INSERT INTO holidays VALUES ('2026-12-25')");
    expect_words(NULL, 1, WORDS("FAREBOX_STORE=sqlite:", process.store));
    execute("INSERT INTO holidays VALUES ('2027-01-01')");
}

static void a_broker_that_is_not_there_is_waited_for_and_said_by_health(void **state)
{
    struct reply reply;
    (void)state;
    farebox_process_set(&process, "FAREBOX_KAFKA", "127.0.0.1:1");
    farebox_process_set(&process, "FAREBOX_STOP_TIMEOUT_S", "1");
    farebox_process_start(&process);
    http_client_ask(process.http_port, "GET /actuator/health/readiness", "", &reply);
    assert_int_equal(reply.status, 503);
    assert_non_null(strstr(reply.body, "kafka"));
    reply_clear(&reply);
    http_client_ask(process.http_port, "GET /actuator/health/liveness", "", &reply);
    assert_int_equal(reply.status, 200);
    reply_clear(&reply);
    farebox_process_stop(&process);
    char *log = farebox_process_read_log(&process);
    assert_non_null(strstr(log, "127.0.0.1:1"));
    free(log);
}

#define RULE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RULE(a_wrong_setting_is_named_with_its_value_and_what_is_allowed),
        RULE(every_wrong_setting_is_reported_and_not_only_the_first),
        RULE(waits_that_do_not_fit_one_another_are_named),
        RULE(an_unknown_name_is_refused_without_its_value),
        RULE(tls_is_refused_with_the_reason),
        RULE(a_bad_secret_is_named_and_not_told),
        RULE(a_secret_from_a_file_works_and_is_told_nowhere),
        RULE(options_answer_and_exit),
        RULE(a_store_of_a_newer_version_is_refused_unless_it_says_that_we_can_read_it),
        RULE(a_file_that_is_missing_is_made_by_migrate_where_a_start_may_not),
        RULE(another_programs_database_is_refused_and_left_alone),
        RULE(a_broker_that_is_not_there_is_waited_for_and_said_by_health),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
