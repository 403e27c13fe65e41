/*
 * settings_check.c - the values against one another.
 */
#include "settings.h"

#include "invariant.h"
#include "settings_table.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

/* What is on the left, added up, must be less than what is on the right (or equal to it). */
struct settings_rule {
    const char *left[4]; /* all but the first may be NULL */
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

/* The same, only with FAREBOX_PG=http. */
static const struct settings_rule settings_http_rules[] = {
    {{"FAREBOX_PG_LOOKUP_TIMEOUT_S", NULL},
     true,
     "FAREBOX_PG_TIMEOUT_S",
     "as no call of the PG takes longer than a charge"},
    {{"FAREBOX_PG_CANCEL_TIMEOUT_S", NULL},
     true,
     "FAREBOX_PG_TIMEOUT_S",
     "as no call of the PG takes longer than a charge"},
    {{"FAREBOX_PG_LOOKUP_TIMEOUT_S", "FAREBOX_PG_LOOKUP_TIMEOUT_S", "FAREBOX_PG_CANCEL_TIMEOUT_S",
      "FAREBOX_PG_CANCEL_TIMEOUT_S"},
     false,
     "FAREBOX_TAKEOVER_DUE_S",
     "as a takeover makes two calls, and each may first wait as long for a connection"},
    {{"FAREBOX_PG_CONNECT_MS", NULL},
     true,
     "FAREBOX_PG_LOOKUP_TIMEOUT_S",
     "as a call's time includes that of its connection"},
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

/* NAME=value. */
static void settings_show(const struct farebox_settings *settings, const char *name, char *text,
                          size_t size)
{
    char value[SETTING_SHOWN_SIZE];
    setting_format(settings_named(name), settings, value);
    (void)snprintf(text, size, "%s=%.300s", name, value);
}

static bool settings_check_rule(const struct farebox_settings *settings,
                                const struct settings_rule *rule, struct settings_report report)
{
    char left[1700] = "";
    char shown[400];
    char message[2400];
    int64_t sum = 0;
    int64_t limit = setting_number(settings_named(rule->right), settings);
    for (size_t i = 0; i < 4 && rule->left[i] != NULL; i++) {
        size_t len = strlen(left);
        settings_show(settings, rule->left[i], shown, sizeof(shown));
        (void)snprintf(left + len, sizeof(left) - len, "%s%s", i == 0 ? "" : " plus ", shown);
        sum += setting_number(settings_named(rule->left[i]), settings);
    }
    if (sum < limit || (rule->may_be_equal && sum == limit)) {
        return true;
    }
    settings_show(settings, rule->right, shown, sizeof(shown));
    (void)snprintf(message, sizeof(message), "%s must be %s %s, %s", left,
                   rule->may_be_equal ? "at most" : "less than", shown, rule->why);
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
                   "with FAREBOX_PG=fake or a key of Toss's test environment",
                   shown, setting->initial);
    report.error(report.ctx, message);
    return false;
}

static bool settings_refuse(struct settings_report report, const char *message)
{
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
    return settings_refuse(report, message);
}

static bool settings_is_none(const char *value)
{
    return strcmp(value, "none") == 0;
}

/* On this machine nobody else reads along. A name that only begins like an address is a name. */
static bool settings_is_loopback(const char *url)
{
    static const char scheme[] = "http://";
    static const char ipv6[] = "http://[::1]";
    char host[16];
    struct in_addr address;
    size_t len;
    if (strncmp(url, ipv6, sizeof(ipv6) - 1) == 0) {
        return true;
    }
    if (strncmp(url, scheme, sizeof(scheme) - 1) != 0) {
        return false;
    }
    len = strcspn(url + sizeof(scheme) - 1, ":/");
    if (len >= sizeof(host)) {
        return false;
    }
    memcpy(host, url + sizeof(scheme) - 1, len);
    host[len] = '\0';
    return strcmp(host, "localhost") == 0 ||
           (inet_pton(AF_INET, host, &address) == 1 && ntohl(address.s_addr) >> 24 == 127);
}

static bool settings_has_test_key(const struct farebox_settings *settings)
{
    static const char prefix[] = "test_";
    return settings->pg_secret_key.is_set &&
           strncmp(settings->pg_secret_key.bytes, prefix, sizeof(prefix) - 1) == 0;
}

bool settings_pg_is_fake(const struct farebox_settings *settings)
{
    return settings->pg == SETTINGS_PG_FAKE || settings_has_test_key(settings);
}

/* What HTTP needs, and what must not be sent in the clear. */
static bool settings_check_http(const struct farebox_settings *settings,
                                struct settings_report report)
{
    bool ok = true;
    if (settings_is_none(settings->pg_client_cert) != settings_is_none(settings->pg_client_key)) {
        ok = settings_refuse(report, "FAREBOX_PG_CLIENT_CERT_PATH and FAREBOX_PG_CLIENT_KEY_PATH "
                                     "must be set both, or neither");
    }
    if (settings->upstreams == SETTINGS_UPSTREAMS_HTTP &&
        (settings_is_none(settings->pricing_url) || settings_is_none(settings->users_url))) {
        ok = settings_refuse(report, "FAREBOX_UPSTREAMS=http needs FAREBOX_PRICING_URL and "
                                     "FAREBOX_USERS_URL");
    }
    if (settings->pg != SETTINGS_PG_HTTP) {
        return ok;
    }
    if (!settings->pg_secret_key.is_set) {
        ok = settings_refuse(report, "FAREBOX_PG=http needs FAREBOX_PG_SECRET_KEY");
    }
    if (settings_is_none(settings->pg_url)) {
        ok = settings_refuse(report, "FAREBOX_PG=http needs FAREBOX_PG_URL");
    } else if (strncmp(settings->pg_url, "https:", 6) != 0 &&
               !settings_is_loopback(settings->pg_url) && !settings_has_test_key(settings)) {
        ok = settings_refuse(report, "FAREBOX_PG_URL would send the secret key in the clear; "
                                     "allowed: https://, or http:// on loopback or with a key "
                                     "of the test environment (test_...)");
    }
    return ok;
}

enum settings_status settings_check(const struct farebox_settings *settings, bool pg_is_fake,
                                    struct settings_report report)
{
    bool is_valid = true;
    for (size_t i = 0; i < sizeof(settings_rules) / sizeof(settings_rules[0]); i++) {
        is_valid = settings_check_rule(settings, &settings_rules[i], report) && is_valid;
    }
    for (size_t i = 0; settings->pg == SETTINGS_PG_HTTP &&
                       i < sizeof(settings_http_rules) / sizeof(settings_http_rules[0]);
         i++) {
        is_valid = settings_check_rule(settings, &settings_http_rules[i], report) && is_valid;
    }
    is_valid = settings_check_http(settings, report) && is_valid;
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
