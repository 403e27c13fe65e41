/*
 * settings_check.c - the values against one another.
 */
#include "settings.h"

#include "invariant.h"
#include "settings_table.h"

#include <stdio.h>
#include <string.h>

/* What is on the left, added up, must be less than what is on the right (or equal to it). */
struct settings_rule {
    const char *left[2]; /* the second may be NULL */
    bool may_be_equal;
    const char *right;
    const char *why;
};

static const struct settings_rule settings_rules[] = {
    {{"FAREBOX_SEND_LIMIT_S", "FAREBOX_PG_TIMEOUT_S"},
     false,
     "FAREBOX_CLAIM_DUE_S",
     "or a payment is taken over while its charge may still be on its way"},
    {{"FAREBOX_PG_TIMEOUT_S", "FAREBOX_PG_TIMEOUT_S"},
     false,
     "FAREBOX_TAKEOVER_DUE_S",
     "as a takeover makes two calls, a look-up and a cancel"},
    {{"FAREBOX_PG_TIMEOUT_S", NULL},
     true,
     "FAREBOX_PG_LONGEST_S",
     "as the PG may work on after we stopped waiting"},
    {{"FAREBOX_RECHECK_1_S", NULL},
     false,
     "FAREBOX_RECHECK_2_S",
     "as the re-checks follow one another"},
    {{"FAREBOX_RECHECK_2_S", NULL},
     false,
     "FAREBOX_RECHECK_3_S",
     "as the re-checks follow one another"},
    {{"FAREBOX_LEASE_LEAST_S", NULL},
     true,
     "FAREBOX_LEASE_MOST_S",
     "as a lease that has run out is kept by nobody"},
    {{"FAREBOX_LEASE_LEAST_S", NULL},
     true,
     "FAREBOX_RESCUE_INTERVAL_S",
     "or a round of the rescue finds its lease taken by the round before"},
    {{"FAREBOX_OUTBOX_POLL_MS", NULL},
     true,
     "FAREBOX_OUTBOX_LEASE_S",
     "or events whose lease has run out wait for long"},
    {{"FAREBOX_BATCH_LINGER_MS", NULL},
     false,
     "FAREBOX_OUTBOX_LEASE_S",
     "or the lease runs out before the commit"},
    {{"FAREBOX_OUTBOX_LEASE_S", NULL},
     false,
     "FAREBOX_OUTBOX_KEEP_S",
     "or events are deleted while they are marked as published"},
    {{"FAREBOX_PG_BACKOFF_MS", NULL},
     true,
     "FAREBOX_PG_BACKOFF_MAX_S",
     "as the one is where back-offs begin, the other where they end"},
    {{"FAREBOX_BREAKER_OPEN_MS", NULL},
     true,
     "FAREBOX_BREAKER_OPEN_MAX_MS",
     "as the one is the first open time, the other the longest"},
    {{"FAREBOX_BREAKER_MIN_CALLS", NULL},
     true,
     "FAREBOX_BREAKER_WINDOW",
     "or a breaker never opens"},
    {{"FAREBOX_BATCH_MAX", NULL},
     true,
     "FAREBOX_IN_FLIGHT",
     "as each unit of a batch is a payment in flight"},
};

static const char *const settings_names[][2] = {
    {"FAREBOX_KAFKA_GROUP", "FAREBOX_KAFKA_DLT_GROUP"},
    {"FAREBOX_TRIP_TOPIC", "FAREBOX_DLT_TOPIC"},
    {"FAREBOX_TRIP_TOPIC", "FAREBOX_OUTCOME_TOPIC"},
    {"FAREBOX_DLT_TOPIC", "FAREBOX_OUTCOME_TOPIC"},
};

static const struct setting *settings_named(const char *name)
{
    const struct setting *setting = setting_find(name, strlen(name));
    invariant(setting != NULL);
    return setting;
}

/* NAME=value; "" for no name. */
static void settings_show(const struct farebox_settings *settings, const char *name, char *text,
                          size_t size)
{
    char value[SETTING_SHOWN_SIZE];
    text[0] = '\0';
    if (name != NULL) {
        setting_format(settings_named(name), settings, value);
        (void)snprintf(text, size, "%s=%.300s", name, value);
    }
}

static bool settings_check_rule(const struct farebox_settings *settings,
                                const struct settings_rule *rule, struct settings_report report)
{
    char left[2][400];
    char right[400];
    char message[1600];
    int64_t sum = setting_number(settings_named(rule->left[0]), settings);
    int64_t limit = setting_number(settings_named(rule->right), settings);
    if (rule->left[1] != NULL) {
        sum += setting_number(settings_named(rule->left[1]), settings);
    }
    if (sum < limit || (rule->may_be_equal && sum == limit)) {
        return true;
    }
    settings_show(settings, rule->left[0], left[0], sizeof(left[0]));
    settings_show(settings, rule->left[1], left[1], sizeof(left[1]));
    settings_show(settings, rule->right, right, sizeof(right));
    (void)snprintf(message, sizeof(message), "%s%s%s must be %s %s, %s", left[0],
                   rule->left[1] != NULL ? " plus " : "", left[1],
                   rule->may_be_equal ? "at most" : "less than", right, rule->why);
    report.error(report.ctx, message);
    return false;
}

static bool settings_check_names(const struct farebox_settings *settings,
                                 const char *const names[2], struct settings_report report)
{
    char shown[2][400];
    char value[2][SETTING_SHOWN_SIZE];
    char message[900];
    for (size_t i = 0; i < 2; i++) {
        setting_format(settings_named(names[i]), settings, value[i]);
        settings_show(settings, names[i], shown[i], sizeof(shown[i]));
    }
    if (strcmp(value[0], value[1]) != 0) {
        return true;
    }
    (void)snprintf(message, sizeof(message), "%s and %s must differ", shown[0], shown[1]);
    report.error(report.ctx, message);
    return false;
}

static bool settings_check_guard(const struct farebox_settings *settings,
                                 const struct setting *setting, struct settings_report report)
{
    struct farebox_settings initial;
    char shown[400];
    char message[900];
    memset(&initial, 0, sizeof(initial));
    invariant(setting_parse(setting, setting->initial, &initial));
    if (setting_number(setting, settings) >= setting_number(setting, &initial)) {
        return true;
    }
    settings_show(settings, setting->name, shown, sizeof(shown));
    (void)snprintf(message, sizeof(message),
                   "%s is shorter than its default %s, which protects money; allowed: that only "
                   "with FAREBOX_PG=fake",
                   shown, setting->initial);
    report.error(report.ctx, message);
    return false;
}

/* A certificate has a key, and is of no use without TLS. */
static bool settings_check_tls(const struct farebox_settings *settings,
                               struct settings_report report)
{
    static const char *const names[] = {"FAREBOX_STORE_TLS_CERT_PATH",
                                        "FAREBOX_STORE_TLS_KEY_PATH"};
    bool has_cert = strcmp(settings->store_tls_cert, "none") != 0;
    bool has_key = strcmp(settings->store_tls_key, "none") != 0;
    char shown[400];
    char message[900];
    if (!has_cert && !has_key) {
        return true;
    }
    settings_show(settings, names[has_cert ? 0 : 1], shown, sizeof(shown));
    if (has_cert != has_key) {
        (void)snprintf(message, sizeof(message), "%s needs %s too", shown, names[has_cert ? 1 : 0]);
    } else if (settings->store_tls == 0) {
        (void)snprintf(message, sizeof(message), "%s needs FAREBOX_STORE_TLS=required", shown);
    } else {
        return true;
    }
    report.error(report.ctx, message);
    return false;
}

enum settings_status settings_check(const struct farebox_settings *settings, bool pg_is_fake,
                                    struct settings_report report)
{
    bool is_valid = true;
    for (size_t i = 0; i < sizeof(settings_rules) / sizeof(settings_rules[0]); i++) {
        is_valid = settings_check_rule(settings, &settings_rules[i], report) && is_valid;
    }
    for (size_t i = 0; i < sizeof(settings_names) / sizeof(settings_names[0]); i++) {
        is_valid = settings_check_names(settings, settings_names[i], report) && is_valid;
    }
    for (size_t i = 0; !pg_is_fake && i < settings_table_count; i++) {
        if (settings_table[i].guards_money) {
            is_valid = settings_check_guard(settings, &settings_table[i], report) && is_valid;
        }
    }
    is_valid = settings_check_tls(settings, report) && is_valid;
    return is_valid ? SETTINGS_OK : SETTINGS_INVALID;
}
