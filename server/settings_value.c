/*
 * settings_value.c - one value: read, shown, and what is allowed.
 */
#include "settings_table.h"

#include "time_zone.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void *setting_field(const struct setting *setting, struct farebox_settings *settings)
{
    return (char *)settings + setting->offset;
}

static const void *setting_const_field(const struct setting *setting,
                                       const struct farebox_settings *settings)
{
    return (const char *)settings + setting->offset;
}

/* Decimal digits only, at least one, at most 15: no sign, no space, no overflow. */
static bool setting_parse_digits(const char *text, size_t len, int64_t *number)
{
    int64_t n = 0;
    if (len == 0 || len > 15) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return false;
        }
        n = n * 10 + (text[i] - '0');
    }
    *number = n;
    return true;
}

static bool setting_parse_whole(const char *text, int64_t *number)
{
    bool is_negative = text[0] == '-';
    const char *digits = is_negative ? text + 1 : text;
    if (!setting_parse_digits(digits, strlen(digits), number)) {
        return false;
    }
    *number = is_negative ? -*number : *number;
    return true;
}

/* "12", "0.5", "1.125": seconds as milliseconds. */
static bool setting_parse_seconds(const char *text, int64_t *ms)
{
    int64_t whole = 0;
    int64_t fraction = 0;
    size_t whole_len = strcspn(text, ".");
    if (!setting_parse_digits(text, whole_len, &whole) || whole > INT64_MAX / 1000 - 1) {
        return false;
    }
    if (text[whole_len] == '.') {
        const char *digits = text + whole_len + 1;
        size_t len = strlen(digits);
        if (len > 3 || !setting_parse_digits(digits, len, &fraction)) {
            return false;
        }
        for (; len < 3; len++) {
            fraction *= 10;
        }
    }
    *ms = whole * 1000 + fraction;
    return true;
}

static bool setting_parse_number(const struct setting *setting, const char *value,
                                 struct farebox_settings *settings)
{
    int64_t number = 0;
    bool is_number = setting->type == SETTING_S ? setting_parse_seconds(value, &number)
                                                : setting_parse_whole(value, &number);
    if (!is_number || number < setting->min || number > setting->max) {
        return false;
    }
    if (setting->type == SETTING_INT) {
        *(int32_t *)setting_field(setting, settings) = (int32_t)number;
    } else {
        *(int64_t *)setting_field(setting, settings) = number;
    }
    return true;
}

static bool setting_parse_choice(const struct setting *setting, const char *value,
                                 struct farebox_settings *settings)
{
    for (int32_t i = 0; setting->choices[i] != NULL; i++) {
        if (strcmp(setting->choices[i], value) == 0) {
            *(int32_t *)setting_field(setting, settings) = i;
            return true;
        }
    }
    return false;
}

/* Printable ASCII without spaces, or only the characters of `allowed`. */
static bool setting_has_only(const char *value, const char *allowed)
{
    for (; *value != '\0'; value++) {
        if (*value <= ' ' || *value > '~' || (allowed != NULL && strchr(allowed, *value) == NULL)) {
            return false;
        }
    }
    return true;
}

static bool setting_copy(char *field, size_t size, const char *value)
{
    size_t len = strlen(value);
    if (len == 0 || len >= size) {
        return false;
    }
    memcpy(field, value, len + 1);
    return true;
}

/* Kafka's rule for topics; "." and ".." are not names. */
static bool setting_is_name(const char *value)
{
    return setting_has_only(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                   "0123456789._-") &&
           strcmp(value, ".") != 0 && strcmp(value, "..") != 0;
}

static bool setting_is_port(const char *text, size_t len, int64_t least)
{
    int64_t port = 0;
    return setting_parse_digits(text, len, &port) && port >= least && port <= 65535;
}

/* One "host:port" or "[IPv6]:port". */
static bool setting_is_server(const char *text, size_t len)
{
    size_t colon = len;
    while (colon > 0 && text[colon - 1] != ':') {
        colon--;
    }
    if (colon < 2 || !setting_is_port(text + colon, len - colon, 1)) {
        return false;
    }
    size_t host_len = colon - 1;
    bool is_ipv6 = text[0] == '[' && text[host_len - 1] == ']' && host_len > 2;
    return host_len <= SETTINGS_HOST_MAX && (is_ipv6 || memchr(text, ':', host_len) == NULL);
}

static bool setting_parse_kafka(const char *value, struct farebox_settings *settings)
{
    if (strcmp(value, "embedded") == 0) {
        settings->kafka_is_embedded = true;
        settings->kafka_servers[0] = '\0';
        return true;
    }
    if (!setting_has_only(value, NULL) || strlen(value) >= sizeof(settings->kafka_servers)) {
        return false;
    }
    for (const char *at = value;; at++) {
        size_t len = strcspn(at, ",");
        if (!setting_is_server(at, len)) {
            return false;
        }
        at += len;
        if (*at == '\0') {
            break;
        }
    }
    settings->kafka_is_embedded = false;
    return setting_copy(settings->kafka_servers, sizeof(settings->kafka_servers), value);
}

/* Debian's civetweb is built without IPv6, and resolves no names. */
static bool setting_parse_address(const char *value, struct farebox_settings *settings)
{
    char host[INET_ADDRSTRLEN];
    struct in_addr address;
    int64_t port = 0;
    const char *colon = strrchr(value, ':');
    if (colon == NULL || (size_t)(colon - value) >= sizeof(host) ||
        !setting_is_port(colon + 1, strlen(colon + 1), 0)) {
        return false;
    }
    memcpy(host, value, (size_t)(colon - value));
    host[colon - value] = '\0';
    if (inet_pton(AF_INET, host, &address) != 1 ||
        !setting_parse_digits(colon + 1, strlen(colon + 1), &port)) {
        return false;
    }
    settings->http_port = (int32_t)port;
    return setting_copy(settings->http_host, sizeof(settings->http_host), host);
}

/* Copies `len` printable bytes without ':' and '/'; a password would have to follow a ':'. */
static bool setting_copy_part(char *field, size_t size, const char *text, size_t len)
{
    char part[SETTINGS_HOST_MAX + 1];
    if (len >= sizeof(part)) {
        return false;
    }
    memcpy(part, text, len);
    part[len] = '\0';
    return strpbrk(part, ":/@?#") == NULL && setting_has_only(part, NULL) &&
           setting_copy(field, size, part);
}

/* USER@HOST:PORT/DATABASE */
static bool setting_parse_mysql(const char *value, struct farebox_settings *settings)
{
    const char *at = strchr(value, '@');
    const char *colon = at == NULL ? NULL : strchr(at, ':');
    const char *slash = colon == NULL ? NULL : strchr(colon, '/');
    struct farebox_settings *to = settings;
    int64_t port = 0;
    if (slash == NULL || !setting_is_port(colon + 1, (size_t)(slash - colon - 1), 1) ||
        !setting_parse_digits(colon + 1, (size_t)(slash - colon - 1), &port) ||
        !setting_copy_part(to->mysql_user, sizeof(to->mysql_user), value, (size_t)(at - value)) ||
        !setting_copy_part(to->mysql_host, sizeof(to->mysql_host), at + 1,
                           (size_t)(colon - at - 1)) ||
        !setting_copy_part(to->mysql_database, sizeof(to->mysql_database), slash + 1,
                           strlen(slash + 1))) {
        return false;
    }
    to->mysql_port = (int32_t)port;
    to->store_is_mysql = true;
    return true;
}

/* Not ":memory:": each of the store's connections would have an empty store of its own. */
static bool setting_parse_store(const char *value, struct farebox_settings *settings)
{
    static const char sqlite[] = "sqlite:";
    static const char mysql[] = "mysql://";
    if (strncmp(value, mysql, sizeof(mysql) - 1) == 0) {
        return setting_parse_mysql(value + sizeof(mysql) - 1, settings);
    }
    const char *path = value + sizeof(sqlite) - 1;
    return strncmp(value, sqlite, sizeof(sqlite) - 1) == 0 && strcmp(path, ":memory:") != 0 &&
           setting_copy(settings->sqlite_path, sizeof(settings->sqlite_path), path);
}

static void setting_format_store(const struct farebox_settings *settings,
                                 char text[SETTING_SHOWN_SIZE])
{
    if (!settings->store_is_mysql) {
        (void)snprintf(text, SETTING_SHOWN_SIZE, "sqlite:%s", settings->sqlite_path);
        return;
    }
    (void)snprintf(text, SETTING_SHOWN_SIZE, "mysql://%s@%s:%d/%s", settings->mysql_user,
                   settings->mysql_host, (int)settings->mysql_port, settings->mysql_database);
}

bool setting_parse(const struct setting *setting, const char *value,
                   struct farebox_settings *settings)
{
    switch (setting->type) {
    case SETTING_INT:
    case SETTING_LONG:
    case SETTING_MS:
    case SETTING_S:
        return setting_parse_number(setting, value, settings);
    case SETTING_CHOICE:
        return setting_parse_choice(setting, value, settings);
    case SETTING_TEXT:
        return setting_has_only(value, NULL) &&
               setting_copy(setting_field(setting, settings), setting->size, value);
    case SETTING_NAME:
        return setting_is_name(value) &&
               setting_copy(setting_field(setting, settings), setting->size, value);
    case SETTING_URL:
        return setting_is_url(value) &&
               setting_copy(setting_field(setting, settings), setting->size, value);
    case SETTING_USER:
        return setting_is_user_template(value) &&
               setting_copy(setting_field(setting, settings), setting->size, value);
    case SETTING_WORDS:
        return setting_is_words(value) &&
               setting_copy(setting_field(setting, settings), setting->size, value);
    case SETTING_PATH:
        return setting_copy(setting_field(setting, settings), setting->size, value);
    case SETTING_ZONE:
        return time_zone_is_known(value) &&
               setting_copy(setting_field(setting, settings), setting->size, value);
    case SETTING_STORE:
        return setting_parse_store(value, settings);
    case SETTING_KAFKA:
        return setting_parse_kafka(value, settings);
    case SETTING_ADDRESS:
        return setting_parse_address(value, settings);
    case SETTING_SECRET:
        return false;
    }
    return false;
}

int64_t setting_number(const struct setting *setting, const struct farebox_settings *settings)
{
    const void *field = setting_const_field(setting, settings);
    bool is_short = setting->type == SETTING_INT || setting->type == SETTING_CHOICE;
    return is_short ? *(const int32_t *)field : *(const int64_t *)field;
}

/* Milliseconds as seconds, with the decimals that it needs. */
static void setting_format_seconds(int64_t ms, char *text, size_t size)
{
    int len = snprintf(text, size, "%" PRId64 ".%03d", ms / 1000, (int)(ms % 1000));
    while (len > 0 && text[len - 1] == '0') {
        text[--len] = '\0';
    }
    if (len > 0 && text[len - 1] == '.') {
        text[len - 1] = '\0';
    }
}

void setting_format(const struct setting *setting, const struct farebox_settings *settings,
                    char text[SETTING_SHOWN_SIZE])
{
    const void *field = setting_const_field(setting, settings);
    switch (setting->type) {
    case SETTING_INT:
    case SETTING_LONG:
    case SETTING_MS:
        (void)snprintf(text, SETTING_SHOWN_SIZE, "%" PRId64, setting_number(setting, settings));
        break;
    case SETTING_S:
        setting_format_seconds(setting_number(setting, settings), text, SETTING_SHOWN_SIZE);
        break;
    case SETTING_CHOICE:
        (void)snprintf(text, SETTING_SHOWN_SIZE, "%s",
                       setting->choices[setting_number(setting, settings)]);
        break;
    case SETTING_TEXT:
    case SETTING_NAME:
    case SETTING_PATH:
    case SETTING_ZONE:
    case SETTING_URL:
    case SETTING_USER:
    case SETTING_WORDS:
        (void)snprintf(text, SETTING_SHOWN_SIZE, "%s", (const char *)field);
        break;
    case SETTING_STORE:
        setting_format_store(settings, text);
        break;
    case SETTING_KAFKA:
        (void)snprintf(text, SETTING_SHOWN_SIZE, "%s",
                       settings->kafka_is_embedded ? "embedded" : settings->kafka_servers);
        break;
    case SETTING_ADDRESS:
        (void)snprintf(text, SETTING_SHOWN_SIZE, "%s:%d", settings->http_host, settings->http_port);
        break;
    case SETTING_SECRET:
        (void)snprintf(text, SETTING_SHOWN_SIZE, "%s",
                       ((const struct secret *)field)->is_set ? "set" : "unset");
        break;
    }
}

static void setting_allowed_choices(const struct setting *setting, char text[SETTING_SHOWN_SIZE])
{
    size_t len = 0;
    text[0] = '\0';
    for (size_t i = 0; setting->choices[i] != NULL; i++) {
        const char *before = i == 0 ? "" : setting->choices[i + 1] == NULL ? " or " : ", ";
        int added =
            snprintf(text + len, SETTING_SHOWN_SIZE - len, "%s%s", before, setting->choices[i]);
        len += (size_t)added;
    }
}

void setting_allowed(const struct setting *setting, char text[SETTING_SHOWN_SIZE])
{
    char min[32];
    char max[32];
    switch (setting->type) {
    case SETTING_INT:
    case SETTING_LONG:
    case SETTING_MS:
        (void)snprintf(text, SETTING_SHOWN_SIZE, "a whole number from %" PRId64 " to %" PRId64,
                       setting->min, setting->max);
        break;
    case SETTING_S:
        setting_format_seconds(setting->min, min, sizeof(min));
        setting_format_seconds(setting->max, max, sizeof(max));
        (void)snprintf(text, SETTING_SHOWN_SIZE, "seconds from %s to %s, with up to three decimals",
                       min, max);
        break;
    case SETTING_CHOICE:
        setting_allowed_choices(setting, text);
        break;
    case SETTING_TEXT:
        (void)snprintf(text, SETTING_SHOWN_SIZE,
                       "1 to %zu printable ASCII characters without spaces", setting->size - 1);
        break;
    case SETTING_NAME:
        (void)snprintf(text, SETTING_SHOWN_SIZE,
                       "1 to %zu letters, digits, '.', '_' and '-', but not '.' or '..'",
                       setting->size - 1);
        break;
    case SETTING_URL:
    case SETTING_USER:
    case SETTING_WORDS:
        setting_allowed_http(setting, text);
        break;
    case SETTING_PATH:
        (void)snprintf(text, SETTING_SHOWN_SIZE, "a path of 1 to %zu bytes", setting->size - 1);
        break;
    case SETTING_ZONE:
        (void)snprintf(text, SETTING_SHOWN_SIZE,
                       "an IANA time zone whose rules are installed here (package tzdata), as in "
                       "Asia/Seoul");
        break;
    case SETTING_STORE:
        (void)snprintf(text, SETTING_SHOWN_SIZE,
                       "sqlite:PATH, a file's path of 1 to %zu bytes, or "
                       "mysql://USER@HOST:PORT/DATABASE",
                       setting->size - 1);
        break;
    case SETTING_KAFKA:
        (void)snprintf(text, SETTING_SHOWN_SIZE,
                       "embedded, or HOST:PORT[,HOST:PORT...] of at most %zu bytes",
                       setting->size - 1);
        break;
    case SETTING_ADDRESS:
        (void)snprintf(text, SETTING_SHOWN_SIZE,
                       "a numeric IPv4 address and a port from 0 to 65535, as in 127.0.0.1:8086");
        break;
    case SETTING_SECRET:
        secret_rule_text(setting->secret, text, SETTING_SHOWN_SIZE);
        break;
    }
}
