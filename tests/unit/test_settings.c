/*
 * test_settings.c - the settings: defaults, every type's limits, every message, every rule.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "settings.h"
#include "settings_table.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* Collects the errors of one load. */
struct errors {
    size_t count;
    char all[32768];
};

static void errors_add(void *ctx, const char *message)
{
    struct errors *errors = ctx;
    size_t len = strlen(errors->all);
    errors->count++;
    assert_true(len + strlen(message) + 2 < sizeof(errors->all));
    (void)snprintf(errors->all + len, sizeof(errors->all) - len, "%s\n", message);
}

static struct farebox_settings settings;
static struct errors errors;

/* Loads with these variables, a list that ends with NULL. */
static enum settings_status load(const char *const *variables)
{
    memset(&errors, 0, sizeof(errors));
    struct settings_report report = {errors_add, &errors};
    return settings_load(&settings, (char *const *)(uintptr_t)variables, report);
}

static enum settings_status load_one(const char *variable)
{
    const char *const variables[] = {variable, NULL};
    return load(variables);
}

static void assert_error(const char *variable, const char *message)
{
    assert_int_equal(load_one(variable), SETTINGS_INVALID);
    if (strstr(errors.all, message) == NULL) {
        fail_msg("%s gives \"%s\", which lacks \"%s\"", variable, errors.all, message);
    }
}

static void assert_allowed(const char *variable)
{
    if (load_one(variable) != SETTINGS_OK) {
        fail_msg("%s is refused: %s", variable, errors.all);
    }
    settings_clear(&settings);
}

/* What settings_print_...() writes; the caller frees it. */
static char *printed(void (*print)(FILE *out))
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    print(out);
    assert_int_equal(fclose(out), 0);
    return text;
}

static void print_effective(FILE *out)
{
    settings_print(&settings, out);
}

static void an_empty_environment_gives_the_defaults(void **state)
{
    (void)state;
    assert_int_equal(load_one(NULL), SETTINGS_OK);
    assert_int_equal(errors.count, 0);
    assert_string_equal(settings.sqlite_path, "farebox.db");
    assert_true(settings.kafka_is_embedded);
    assert_string_equal(settings.kafka_servers, "");
    assert_string_equal(settings.kafka_group, "payment-service-reactive-group");
    assert_string_equal(settings.type_prefix, "com.example.payment_service.kafka.dto.");
    assert_string_equal(settings.http_host, "127.0.0.1");
    assert_int_equal(settings.http_port, 8086);
    assert_false(settings.admin_token.is_set);
    assert_int_equal(settings.policy, SETTINGS_POLICY_REFUND);
    assert_int_equal(settings.fare_max_krw, 10000000);
    assert_int_equal(settings.claim_due_ms, 600000);
    assert_int_equal(settings.takeover_due_ms, 180000);
    assert_int_equal(settings.send_limit_ms, 120000);
    assert_int_equal(settings.recheck_ms[2], INT64_C(15) * 86400000);
    assert_int_equal(settings.outbox_poll_ms, 1000);
    assert_int_equal(settings.breaker.open_max_ms, 300000);
    assert_int_equal(settings.stop_timeout_ms, 75000);
    assert_string_equal(settings.time_zone, "Asia/Seoul");
    assert_int_equal(settings.cancel_key_age_ms, INT64_C(14) * 86400000);
}

static void the_instance_is_named_after_host_and_process(void **state)
{
    char pid[32];
    (void)state;
    (void)snprintf(pid, sizeof(pid), "-%ld", (long)getpid());
    assert_int_equal(load_one(NULL), SETTINGS_OK);
    assert_non_null(strstr(settings.instance, pid));
    assert_true(strlen(settings.instance) > strlen(pid));
    assert_int_equal(load_one("FAREBOX_INSTANCE=a"), SETTINGS_OK);
    assert_string_equal(settings.instance, "a");
}

static void durations_are_kept_in_milliseconds(void **state)
{
    (void)state;
    assert_int_equal(load_one("FAREBOX_CLAIM_DUE_S=601"), SETTINGS_OK);
    assert_int_equal(settings.claim_due_ms, 601000);
    assert_int_equal(load_one("FAREBOX_RESCUE_INTERVAL_S=60.25"), SETTINGS_OK);
    assert_int_equal(settings.rescue_interval_ms, 60250);
    assert_int_equal(load_one("FAREBOX_OUTBOX_POLL_MS=7"), SETTINGS_OK);
    assert_int_equal(settings.outbox_poll_ms, 7);
}

static void values_at_their_limits_are_allowed(void **state)
{
    static const char *const allowed[] = {
        "FAREBOX_STORE_LANES=1",
        "FAREBOX_STORE_LANES=16",
        "FAREBOX_BATCH_LINGER_MS=0",
        "FAREBOX_STOP_TIMEOUT_S=0",
        "FAREBOX_MAX_FARE=2147483647",
        "FAREBOX_HTTP_ADDRESS=0.0.0.0:0",
        "FAREBOX_HTTP_ADDRESS=10.0.0.1:65535",
        "FAREBOX_KAFKA=broker:9092",
        "FAREBOX_KAFKA=a:1,[::1]:2,10.0.0.3:65535",
        "FAREBOX_KAFKA=embedded",
        "FAREBOX_STORE=sqlite:/var/lib/farebox/farebox.db",
        "FAREBOX_POLICY=adopt",
        "FAREBOX_LOG_LEVEL=debug",
        "FAREBOX_TRIP_TOPIC=a",
        "FAREBOX_ADMIN_TOKEN=0123456789abcdef",
        "OTHER=thing",
        "FAREBOX=without an underscore is not ours",
    };
    (void)state;
    for (size_t i = 0; i < LENGTH(allowed); i++) {
        assert_allowed(allowed[i]);
    }
}

static void a_wrong_value_is_named_with_what_is_allowed(void **state)
{
    static const char *const cases[][2] = {
        {"FAREBOX_STORE_LANES=17",
         "FAREBOX_STORE_LANES=17 is not allowed; allowed: a whole number from 1 to 16"},
        {"FAREBOX_STORE_LANES=0", "=0 is not allowed"},
        {"FAREBOX_STORE_LANES=", "FAREBOX_STORE_LANES= is not allowed"},
        {"FAREBOX_STORE_LANES= 2", "FAREBOX_STORE_LANES= 2 is not allowed"},
        {"FAREBOX_STORE_LANES=2x", "2x is not allowed"},
        {"FAREBOX_STORE_LANES=0x2", "0x2 is not allowed"},
        {"FAREBOX_STORE_LANES=+2", "+2 is not allowed"},
        {"FAREBOX_STORE_LANES=4294967298", "4294967298 is not allowed"},
        {"FAREBOX_STORE_LANES=99999999999999999999", "is not allowed"},
        {"FAREBOX_MAX_FARE=2147483648", "a whole number from 1 to 2147483647"},
        {"FAREBOX_MAX_FARE=1.5", "is not allowed"},
        {"FAREBOX_CLAIM_DUE_S=1.2345", "seconds from 0.001 to 86400, with up to three decimals"},
        {"FAREBOX_CLAIM_DUE_S=1.", "is not allowed"},
        {"FAREBOX_CLAIM_DUE_S=.5", "is not allowed"},
        {"FAREBOX_CLAIM_DUE_S=10m", "is not allowed"},
        {"FAREBOX_CLAIM_DUE_S=-600", "is not allowed"},
        {"FAREBOX_CANCEL_KEY_AGE_S=1209601", "seconds from 0.001 to 1209600"},
        {"FAREBOX_POLICY=ADOPT", "allowed: refund or adopt"},
        {"FAREBOX_LOG_LEVEL=trace", "allowed: debug, info, warn, error or alert"},
        {"FAREBOX_LEGACY_TIME_ZONE=Asia/Soul", "is not allowed; allowed: an IANA time zone whose"},
        {"FAREBOX_PG=toss", "FAREBOX_PG=toss is not allowed; allowed: fake or http"},
        {"FAREBOX_UPSTREAMS=grpc", "allowed: fake or http"},
        {"FAREBOX_STORE=mysql:x", "allowed: sqlite:PATH"},
        {"FAREBOX_STORE=sqlite:", "is not allowed"},
        {"FAREBOX_STORE=sqlite::memory:", "is not allowed"},
        {"FAREBOX_KAFKA=broker", "allowed: embedded, or HOST:PORT"},
        {"FAREBOX_KAFKA=broker:0", "is not allowed"},
        {"FAREBOX_KAFKA=broker:65536", "is not allowed"},
        {"FAREBOX_KAFKA=:9092", "is not allowed"},
        {"FAREBOX_KAFKA=a:1,", "is not allowed"},
        {"FAREBOX_KAFKA=a:1,,b:2", "is not allowed"},
        {"FAREBOX_KAFKA=a:1, b:2", "is not allowed"},
        {"FAREBOX_KAFKA=::1:9092", "is not allowed"},
        {"FAREBOX_HTTP_ADDRESS=localhost:8086", "a numeric IPv4 address"},
        {"FAREBOX_HTTP_ADDRESS=127.0.0.1", "is not allowed"},
        {"FAREBOX_HTTP_ADDRESS=127.0.0.1:65536", "is not allowed"},
        {"FAREBOX_HTTP_ADDRESS=[::1]:80", "is not allowed"},
        {"FAREBOX_HTTP_ADDRESS=8086", "is not allowed"},
        {"FAREBOX_TRIP_TOPIC=..", "but not '.' or '..'"},
        {"FAREBOX_TRIP_TOPIC=a b", "is not allowed"},
        {"FAREBOX_TRIP_TOPIC=a/b", "is not allowed"},
        {"FAREBOX_CE_SOURCE=caf\xC3\xA9", "FAREBOX_CE_SOURCE=caf?? is not allowed"},
        {"FAREBOX_INSTANCE=a\nb", "FAREBOX_INSTANCE=a?b is not allowed"},
    };
    (void)state;
    for (size_t i = 0; i < LENGTH(cases); i++) {
        assert_error(cases[i][0], cases[i][1]);
        assert_int_equal(errors.count, 1);
    }
}

static void a_long_value_is_cut_in_its_message(void **state)
{
    char variable[6000];
    (void)state;
    memset(variable, 'x', sizeof(variable));
    memcpy(variable, "FAREBOX_TRIP_TOPIC=", 19);
    variable[sizeof(variable) - 1] = '\0';
    assert_error(variable, "xxx... is not allowed");
    assert_true(strlen(errors.all) < 400);
}

static void every_error_is_reported(void **state)
{
    const char *const variables[] = {"FAREBOX_PG=toss",
                                     "FAREBOX_STORE_LANES=x",
                                     "FAREBOX_NONSENSE_THING=1",
                                     "FAREBOX_ADMIN_TOKEN=short",
                                     "FAREBOX_HTTP_TLS_CERT=a",
                                     "FAREBOX_RECHECK_1_S=90000",
                                     "FAREBOX_DLT_TOPIC=trip_events",
                                     NULL};
    (void)state;
    assert_int_equal(load(variables), SETTINGS_INVALID);
    assert_int_equal(errors.count, 7);
}

static void an_unknown_variable_is_refused_with_a_suggestion(void **state)
{
    (void)state;
    assert_error("FAREBOX_STORE_LANE=2",
                 "FAREBOX_STORE_LANE is not a setting; did you mean FAREBOX_STORE_LANES?");
    assert_error("FAREBOX_SENDLIMIT_S=2", "did you mean FAREBOX_SEND_LIMIT_S?");
    assert_error("FAREBOX_MAX_TRIP_AGE=2", "did you mean FAREBOX_MAX_TRIP_AGE_S?");
    assert_error("FAREBOX_XYZXYZXYZXYZ=2", "farebox --help lists them");
    assert_error("FAREBOX_=2", "FAREBOX_ is not a setting");
    assert_error("FAREBOX_STORE_FILE=x", "FAREBOX_STORE_FILE is not a setting");
}

static void the_value_of_an_unknown_variable_is_not_shown(void **state)
{
    (void)state;
    assert_error("FAREBOX_ADMIN_TOKN=hunter2hunter2hunter2", "did you mean FAREBOX_ADMIN_TOKEN?");
    assert_null(strstr(errors.all, "hunter2"));
}

static void a_very_long_unknown_name_is_refused(void **state)
{
    char variable[4000];
    (void)state;
    memset(variable, 'Z', sizeof(variable));
    memcpy(variable, "FAREBOX_", 8);
    memcpy(variable + sizeof(variable) - 3, "=1", 3);
    assert_error(variable, "is not a setting");
}

static void what_kubernetes_sets_is_passed_over(void **state)
{
    const char *const variables[] = {"FAREBOX_SERVICE_HOST=10.0.0.11",
                                     "FAREBOX_SERVICE_PORT=8086",
                                     "FAREBOX_SERVICE_PORT_HTTP=8086",
                                     "FAREBOX_PORT=tcp://10.0.0.11:8086",
                                     "FAREBOX_PORT_8086_TCP=tcp://10.0.0.11:8086",
                                     "FAREBOX_PORT_8086_TCP_PROTO=tcp",
                                     "FAREBOX_PORT_8086_TCP_ADDR=10.0.0.11",
                                     "FAREBOX_PORT_8086_TCP_PORT=8086",
                                     NULL};
    (void)state;
    assert_int_equal(load(variables), SETTINGS_OK);
    assert_error("FAREBOX_PORT=8086", "FAREBOX_PORT is not a setting");
}

static void tls_is_refused_with_the_reason(void **state)
{
    (void)state;
    assert_error("FAREBOX_HTTP_TLS=no", "the TLS of civetweb, the HTTP library, crashes");
    assert_error("FAREBOX_HTTP_TLS_KEY_FILE=/k", "a proxy with TLS");
    assert_error("FAREBOX_HTTPS_ADDRESS=1", "a proxy with TLS");
}

static void a_wrong_secret_is_named_but_not_shown(void **state)
{
    (void)state;
    assert_error("FAREBOX_ADMIN_TOKEN=hunter2", "FAREBOX_ADMIN_TOKEN is too short; allowed: 16");
    assert_null(strstr(errors.all, "hunter2"));
    assert_error("FAREBOX_ADMIN_TOKEN=", "FAREBOX_ADMIN_TOKEN is empty");
    assert_error("FAREBOX_ADMIN_TOKEN=hunter2 hunter2 hunter2", "a character that is not allowed");
    assert_null(strstr(errors.all, "hunter2"));
}

static void a_secret_comes_from_a_file_too(void **state)
{
    char folder[] = "/tmp/farebox-settings-XXXXXX";
    char path[64];
    char variable[128];
    (void)state;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/token", folder);
    (void)snprintf(variable, sizeof(variable), "FAREBOX_ADMIN_TOKEN_FILE=%s", path);
    assert_error(variable, "/token names a file that cannot be opened: No such file");

    FILE *file = fopen(path, "w");
    assert_non_null(file);
    (void)fputs("hunter2hunter2hunter2\n", file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(load_one(variable), SETTINGS_OK);
    assert_true(secret_matches(&settings.admin_token, "hunter2hunter2hunter2", 21));

    const char *const both[] = {variable, "FAREBOX_ADMIN_TOKEN=0123456789abcdef", NULL};
    assert_int_equal(load(both), SETTINGS_INVALID);
    assert_non_null(strstr(errors.all, "are both set"));

    file = fopen(path, "w");
    assert_non_null(file);
    (void)fputs("hunter2\n", file);
    assert_int_equal(fclose(file), 0);
    assert_error(variable, "the secret in it is too short");
    assert_null(strstr(errors.all, "hunter2"));
    (void)unlink(path);
    (void)rmdir(folder);
}

static void the_first_of_two_equal_names_counts(void **state)
{
    const char *const variables[] = {"FAREBOX_POLICY=adopt", "FAREBOX_POLICY=refund", NULL};
    (void)state;
    assert_int_equal(load(variables), SETTINGS_OK);
    assert_int_equal(settings.policy, SETTINGS_POLICY_ADOPT);
}

static void values_that_contradict_one_another_are_refused(void **state)
{
    static const char *const cases[][2] = {
        {"FAREBOX_CLAIM_DUE_S=180", "FAREBOX_SEND_LIMIT_S=120 plus FAREBOX_PG_TIMEOUT_S=60 must be "
                                    "less than FAREBOX_CLAIM_DUE_S=180"},
        {"FAREBOX_TAKEOVER_DUE_S=120", "must be less than FAREBOX_TAKEOVER_DUE_S=120"},
        {"FAREBOX_PG_LONGEST_S=59.999",
         "FAREBOX_PG_TIMEOUT_S=60 must be at most FAREBOX_PG_LONGEST_S=59.999"},
        {"FAREBOX_RECHECK_1_S=86400", "FAREBOX_RECHECK_1_S=86400 must be less than"},
        {"FAREBOX_RECHECK_2_S=1296000", "must be less than FAREBOX_RECHECK_3_S=1296000"},
        {"FAREBOX_LEASE_LEAST_S=51", "must be at most FAREBOX_LEASE_MOST_S=50"},
        {"FAREBOX_RESCUE_INTERVAL_S=29", "FAREBOX_RESCUE_INTERVAL_S=29"},
        {"FAREBOX_OUTBOX_POLL_MS=30001", "FAREBOX_OUTBOX_LEASE_S=30"},
        {"FAREBOX_OUTBOX_KEEP_S=30", "must be less than FAREBOX_OUTBOX_KEEP_S=30"},
        {"FAREBOX_PG_BACKOFF_MAX_S=0.5", "must be at most FAREBOX_PG_BACKOFF_MAX_S=0.5"},
        {"FAREBOX_BREAKER_OPEN_MS=300001", "must be at most FAREBOX_BREAKER_OPEN_MAX_MS=300000"},
        {"FAREBOX_BREAKER_MIN_CALLS=101", "must be at most FAREBOX_BREAKER_WINDOW=100"},
        {"FAREBOX_IN_FLIGHT=255", "FAREBOX_BATCH_MAX=256 must be at most FAREBOX_IN_FLIGHT=255"},
        {"FAREBOX_DLT_TOPIC=trip_events", "FAREBOX_TRIP_TOPIC=trip_events and "
                                          "FAREBOX_DLT_TOPIC=trip_events must differ"},
        {"FAREBOX_OUTCOME_TOPIC=trip_events", "must differ"},
        {"FAREBOX_OUTCOME_TOPIC=trip_events.DLT", "must differ"},
        {"FAREBOX_KAFKA_GROUP=payment-service-group.dlt", "must differ"},
    };
    (void)state;
    for (size_t i = 0; i < LENGTH(cases); i++) {
        assert_error(cases[i][0], cases[i][1]);
        assert_int_equal(errors.count, 1);
    }
    const char *const linger[] = {"FAREBOX_BATCH_LINGER_MS=1000", "FAREBOX_OUTBOX_LEASE_S=1", NULL};
    assert_int_equal(load(linger), SETTINGS_INVALID);
    assert_non_null(strstr(errors.all, "FAREBOX_BATCH_LINGER_MS=1000 must be less than"));
}

static void waits_that_protect_money_are_short_only_with_the_fake_pg(void **state)
{
    struct settings_report report = {errors_add, &errors};
    size_t guards = 0;
    (void)state;
    assert_int_equal(load_one(NULL), SETTINGS_OK);
    assert_int_equal(settings_check(&settings, false, report), SETTINGS_OK);
    for (size_t i = 0; i < settings_table_count; i++) {
        const struct setting *setting = &settings_table[i];
        if (!setting->guards_money) {
            continue;
        }
        guards++;
        assert_int_equal(load_one(NULL), SETTINGS_OK);
        int64_t *field = (int64_t *)(void *)((char *)&settings + setting->offset);
        *field -= 1;
        assert_int_equal(settings_check(&settings, true, report), SETTINGS_OK);
        assert_int_equal(settings_check(&settings, false, report), SETTINGS_INVALID);
        assert_int_equal(errors.count, 1);
        assert_non_null(strstr(errors.all, setting->name));
        assert_non_null(strstr(errors.all, "only with FAREBOX_PG=fake"));
    }
    assert_int_equal(guards, 11);
}

static void what_is_printed_loads_to_the_same(void **state)
{
    const char *const variables[] = {"FAREBOX_CLAIM_DUE_S=300.5",      "FAREBOX_KAFKA=a:1,b:2",
                                     "FAREBOX_HTTP_ADDRESS=0.0.0.0:0", "FAREBOX_POLICY=adopt",
                                     "FAREBOX_STORE=sqlite:/x y",      NULL};
    char *lines[128] = {NULL};
    size_t count = 0;
    (void)state;
    assert_int_equal(load(variables), SETTINGS_OK);
    struct farebox_settings before = settings;
    char *text = printed(print_effective);
    assert_non_null(strstr(text, "FAREBOX_CLAIM_DUE_S=300.5\n"));
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        assert_true(count < LENGTH(lines) - 1);
        if (strstr(line, "=unset") == NULL) { /* a secret */
            lines[count++] = line;
        }
    }
    assert_int_equal(count, settings_table_count - 3);
    assert_int_equal(load((const char *const *)lines), SETTINGS_OK);
    for (size_t i = 0; i < settings_table_count; i++) {
        const size_t offset = settings_table[i].offset;
        if (settings_table[i].type != SETTING_SECRET) {
            assert_memory_equal((char *)&before + offset, (char *)&settings + offset,
                                settings_table[i].size);
        }
    }
    assert_memory_equal(&before.http_port, &settings.http_port, sizeof(settings.http_port));
    free(text);
}

static void a_printed_secret_is_only_set_or_unset(void **state)
{
    (void)state;
    assert_int_equal(load_one("FAREBOX_ADMIN_TOKEN=hunter2hunter2hunter2"), SETTINGS_OK);
    char *text = printed(print_effective);
    assert_non_null(strstr(text, "FAREBOX_ADMIN_TOKEN=set\n"));
    assert_null(strstr(text, "hunter2"));
    free(text);
    settings_clear(&settings);
    assert_false(settings.admin_token.is_set);
    assert_null(memmem(&settings, sizeof(settings), "hunter2", 7));
}

static void help_names_every_setting(void **state)
{
    (void)state;
    char *text = printed(settings_print_help);
    for (size_t i = 0; i < settings_table_count; i++) {
        assert_non_null(strstr(text, settings_table[i].name));
        assert_non_null(strstr(text, settings_table[i].meaning));
    }
    free(text);
}

static void the_settings_page_is_up_to_date(void **state)
{
    char page[32768];
    (void)state;
    char *text = printed(settings_print_markdown);
    FILE *file = fopen("docs/settings.md", "r");
    assert_non_null(file);
    size_t len = fread(page, 1, sizeof(page) - 1, file);
    (void)fclose(file);
    page[len] = '\0';
    assert_string_equal(page, text);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_environment_gives_the_defaults),
        cmocka_unit_test(the_instance_is_named_after_host_and_process),
        cmocka_unit_test(durations_are_kept_in_milliseconds),
        cmocka_unit_test(values_at_their_limits_are_allowed),
        cmocka_unit_test(a_wrong_value_is_named_with_what_is_allowed),
        cmocka_unit_test(a_long_value_is_cut_in_its_message),
        cmocka_unit_test(every_error_is_reported),
        cmocka_unit_test(an_unknown_variable_is_refused_with_a_suggestion),
        cmocka_unit_test(the_value_of_an_unknown_variable_is_not_shown),
        cmocka_unit_test(a_very_long_unknown_name_is_refused),
        cmocka_unit_test(what_kubernetes_sets_is_passed_over),
        cmocka_unit_test(tls_is_refused_with_the_reason),
        cmocka_unit_test(a_wrong_secret_is_named_but_not_shown),
        cmocka_unit_test(a_secret_comes_from_a_file_too),
        cmocka_unit_test(the_first_of_two_equal_names_counts),
        cmocka_unit_test(values_that_contradict_one_another_are_refused),
        cmocka_unit_test(waits_that_protect_money_are_short_only_with_the_fake_pg),
        cmocka_unit_test(what_is_printed_loads_to_the_same),
        cmocka_unit_test(a_printed_secret_is_only_set_or_unset),
        cmocka_unit_test(help_names_every_setting),
        cmocka_unit_test(the_settings_page_is_up_to_date),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
