/*
 * settings.c - fills the settings from the environment.
 */
#include "settings.h"

#include "settings_table.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#define SETTINGS_PREFIX           "FAREBOX_"
#define SETTINGS_MESSAGE_SIZE     2600
#define SETTINGS_VALUE_SHOWN      100 /* bytes of a wrong value that a message shows */
#define SETTINGS_SUGGEST_NAME_MAX 64

struct settings_loader {
    struct farebox_settings *settings;
    char *const *environment;
    struct settings_report report;
    bool is_valid;
};

__attribute__((format(printf, 2, 3))) static void settings_error(struct settings_loader *loader,
                                                                 const char *format, ...)
{
    char message[SETTINGS_MESSAGE_SIZE];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    loader->is_valid = false;
    loader->report.error(loader->report.ctx, message);
}

/* Wrong values may hold anything: one short line of printable ASCII comes out. */
static void settings_show_value(const char *value, char shown[SETTINGS_VALUE_SHOWN + 8])
{
    size_t len = 0;
    for (; *value != '\0' && len < SETTINGS_VALUE_SHOWN; value++) {
        shown[len++] = *value;
        if (*value < ' ' || *value > '~') {
            shown[len - 1] = '?';
        }
    }
    memcpy(shown + len, *value != '\0' ? "..." : "", *value != '\0' ? 4 : 1);
}

/* Where `entry` is "NAME=...": the value. */
static const char *settings_entry_value(const char *entry, const char *name, const char *suffix)
{
    size_t name_len = strlen(name);
    size_t suffix_len = strlen(suffix);
    if (strncmp(entry, name, name_len) != 0 || strncmp(entry + name_len, suffix, suffix_len) != 0 ||
        entry[name_len + suffix_len] != '=') {
        return NULL;
    }
    return entry + name_len + suffix_len + 1;
}

/* The value of NAME + suffix, or NULL where the environment doesn't have it. */
static const char *settings_lookup(char *const *environment, const char *name, const char *suffix)
{
    for (size_t i = 0; environment[i] != NULL; i++) {
        const char *value = settings_entry_value(environment[i], name, suffix);
        if (value != NULL) {
            return value;
        }
    }
    return NULL;
}

static void settings_load_secret_file(struct settings_loader *loader, const struct setting *setting,
                                      struct secret *secret, const char *path)
{
    char allowed[SETTING_SHOWN_SIZE];
    char shown[SETTINGS_VALUE_SHOWN + 8];
    errno = 0;
    enum secret_status status = secret_from_file(secret, setting->secret, path);
    if (status == SECRET_OK) {
        return;
    }
    settings_show_value(path, shown);
    bool has_errno = status == SECRET_FILE_MISSING || status == SECRET_FILE_BROKEN;
    if (has_errno) {
        settings_error(loader, "%s_FILE=%s %s: %s", setting->name, shown,
                       secret_status_text(status), strerror(errno));
    } else if (status == SECRET_FILE_NOT_PLAIN) {
        settings_error(loader, "%s_FILE=%s %s", setting->name, shown, secret_status_text(status));
    } else {
        setting_allowed(setting, allowed);
        settings_error(loader, "%s_FILE=%s: the secret in it %s; allowed: %s", setting->name, shown,
                       secret_status_text(status), allowed);
    }
}

static void settings_load_secret(struct settings_loader *loader, const struct setting *setting)
{
    struct secret *secret = (struct secret *)((char *)loader->settings + setting->offset);
    char allowed[SETTING_SHOWN_SIZE];
    const char *value = settings_lookup(loader->environment, setting->name, "");
    const char *path = settings_lookup(loader->environment, setting->name, "_FILE");
    if (value != NULL && path != NULL) {
        settings_error(loader, "%s and %s_FILE are both set; allowed: one of them", setting->name,
                       setting->name);
        return;
    }
    if (path != NULL) {
        settings_load_secret_file(loader, setting, secret, path);
        return;
    }
    if (value != NULL) {
        enum secret_status status =
            secret_from_bytes(secret, setting->secret, value, strlen(value));
        if (status != SECRET_OK) {
            setting_allowed(setting, allowed);
            settings_error(loader, "%s %s; allowed: %s", setting->name, secret_status_text(status),
                           allowed);
        }
    }
}

static void settings_load_one(struct settings_loader *loader, const struct setting *setting)
{
    char allowed[SETTING_SHOWN_SIZE];
    char shown[SETTINGS_VALUE_SHOWN + 8];
    const char *value = settings_lookup(loader->environment, setting->name, "");
    if (setting->type == SETTING_SECRET) {
        settings_load_secret(loader, setting);
        return;
    }
    if (setting->initial != NULL && !setting_parse(setting, setting->initial, loader->settings)) {
        settings_error(loader, "%s: the default %s is not allowed", setting->name,
                       setting->initial);
    }
    if (value == NULL || setting_parse(setting, value, loader->settings)) {
        return;
    }
    setting_allowed(setting, allowed);
    if ((setting->type == SETTING_STORE || setting->type == SETTING_URL) &&
        strstr(value, "://") != NULL) {
        (void)snprintf(shown, sizeof(shown), "(an address)"); /* it may hold a password */
    } else {
        settings_show_value(value, shown);
    }
    settings_error(loader, "%s=%s is not allowed; allowed: %s", setting->name, shown, allowed);
}

static size_t settings_least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Levenshtein's distance; both names are at most SETTINGS_SUGGEST_NAME_MAX bytes long. */
static size_t settings_distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t row[SETTINGS_SUGGEST_NAME_MAX + 1];
    for (size_t j = 0; j <= b_len; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= a_len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t changed = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            diagonal = row[j];
            row[j] = settings_least(changed, settings_least(row[j], row[j - 1]) + 1);
        }
    }
    return row[b_len];
}

/* The setting whose name is nearest, or NULL where none is near: up to a third may differ. */
static const char *settings_suggestion(const char *name, size_t len)
{
    const char *nearest = NULL;
    size_t least = (len - strlen(SETTINGS_PREFIX)) / 3 + 1;
    if (len > SETTINGS_SUGGEST_NAME_MAX) {
        return NULL;
    }
    for (size_t i = 0; i < settings_table_count; i++) {
        const char *own = settings_table[i].name;
        size_t distance = settings_distance(name, len, own, strlen(own));
        if (distance < least) {
            least = distance;
            nearest = own;
        }
    }
    return nearest;
}

static bool settings_ends_with(const char *name, size_t len, const char *end)
{
    size_t end_len = strlen(end);
    return len >= end_len && memcmp(name + len - end_len, end, end_len) == 0;
}

static bool settings_contains(const char *name, size_t len, const char *part)
{
    const char *at = strstr(name, part);
    return at != NULL && at < name + len;
}

/*
 * Kubernetes gives every container variables for each service of its namespace: a service named
 * farebox must not keep Farebox from starting. Source: "Discovering services" in its manual.
 */
static bool settings_is_from_kubernetes(const char *name, size_t len, const char *value)
{
    if (settings_ends_with(name, len, "_SERVICE_HOST") ||
        settings_contains(name, len, "_SERVICE_PORT")) {
        return true;
    }
    bool is_link = settings_contains(name, len, "_PORT_") &&
                   (settings_contains(name, len, "_TCP") || settings_contains(name, len, "_UDP"));
    return is_link || (settings_ends_with(name, len, "_PORT") && strstr(value, "://") != NULL);
}

static bool settings_is_known(const char *name, size_t len)
{
    if (setting_find(name, len) != NULL) {
        return true;
    }
    if (!settings_ends_with(name, len, "_FILE")) {
        return false;
    }
    const struct setting *setting = setting_find(name, len - strlen("_FILE"));
    return setting != NULL && setting->type == SETTING_SECRET;
}

static bool settings_asks_for_tls(const char *name, size_t len)
{
    static const char *const parts[] = {"FAREBOX_HTTP_TLS", "FAREBOX_HTTP_SSL", "FAREBOX_HTTPS",
                                        "FAREBOX_TLS", "FAREBOX_SSL"};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (len >= strlen(parts[i]) && memcmp(name, parts[i], strlen(parts[i])) == 0) {
            return true;
        }
    }
    return false;
}

/* Says nothing about the value of an unknown variable: it may be a secret with a wrong name. */
static void settings_check_name(struct settings_loader *loader, const char *entry)
{
    size_t len = strcspn(entry, "=");
    char shown[SETTINGS_VALUE_SHOWN + 8];
    char name[SETTINGS_VALUE_SHOWN + 2];
    if (strncmp(entry, SETTINGS_PREFIX, strlen(SETTINGS_PREFIX)) != 0 || entry[len] == '\0' ||
        settings_is_known(entry, len)) {
        return;
    }
    size_t copied = settings_least(len, sizeof(name) - 1);
    memcpy(name, entry, copied);
    name[copied] = '\0';
    settings_show_value(name, shown);
    if (settings_asks_for_tls(entry, len)) {
        settings_error(loader,
                       "%s is not supported: on Debian 12 the TLS of civetweb, the HTTP library, "
                       "crashes; allowed: no TLS here, but a proxy with TLS before Farebox",
                       shown);
        return;
    }
    if (settings_is_from_kubernetes(entry, len, entry + len + 1)) {
        return;
    }
    const char *suggestion = settings_suggestion(entry, len);
    if (suggestion != NULL) {
        settings_error(loader, "%s is not a setting; did you mean %s?", shown, suggestion);
    } else {
        settings_error(loader, "%s is not a setting; farebox --help lists them", shown);
    }
}

/* HOSTNAME-PID: unique while the process lives. What a setting may not hold becomes '-'. */
static void settings_name_instance(struct farebox_settings *settings)
{
    char host[65] = "";
    if (gethostname(host, sizeof(host) - 1) != 0 || host[0] == '\0') {
        (void)snprintf(host, sizeof(host), "farebox");
    }
    for (char *at = host; *at != '\0'; at++) {
        if (*at <= ' ' || *at > '~') {
            *at = '-';
        }
    }
    (void)snprintf(settings->instance, sizeof(settings->instance), "%s-%ld", host, (long)getpid());
}

enum settings_status settings_load(struct farebox_settings *settings, char *const *environment,
                                   struct settings_report report)
{
    struct settings_loader loader = {settings, environment, report, true};

    memset(settings, 0, sizeof(*settings));
    secret_init(&settings->admin_token);
    secret_init(&settings->store_password);
    secret_init(&settings->pg_secret_key);
    settings_name_instance(settings);
    for (size_t i = 0; i < settings_table_count; i++) {
        settings_load_one(&loader, &settings_table[i]);
    }
    for (size_t i = 0; environment[i] != NULL; i++) {
        settings_check_name(&loader, environment[i]);
    }
    /* A refused value left its default in place, so the values can be compared all the same. */
    if (settings_check(settings, settings_pg_is_fake(settings), report) != SETTINGS_OK) {
        loader.is_valid = false;
    }
    return loader.is_valid ? SETTINGS_OK : SETTINGS_INVALID;
}

void settings_clear(struct farebox_settings *settings)
{
    secret_clear(&settings->admin_token);
    secret_clear(&settings->store_password);
    secret_clear(&settings->pg_secret_key);
}
