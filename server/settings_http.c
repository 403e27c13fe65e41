/*
 * settings_http.c - values that only FAREBOX_PG=http and FAREBOX_UPSTREAMS=http use.
 */
#include "settings_table.h"

#include <stdio.h>
#include <string.h>

static const char *skip_scheme(const char *value)
{
    if (strncmp(value, "https://", 8) == 0) {
        return value + 8;
    }
    return strncmp(value, "http://", 7) == 0 ? value + 7 : NULL;
}

static bool is_port(const char *text, size_t len)
{
    long port = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return false;
        }
        port = port * 10 + (text[i] - '0');
        if (port > 65535) {
            return false;
        }
    }
    return port > 0;
}

/* A name or address of letters, digits, '.' and '-', or an IPv6 address in brackets. */
static bool is_authority(const char *text, size_t len)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    size_t host = 0;
    if (len > 0 && text[0] == '[') {
        host = 1 + strspn(text + 1, "0123456789abcdefABCDEF:.");
        if (host >= len || text[host] != ']') {
            return false;
        }
        host++;
    } else {
        while (host < len &&
               (strchr(letters, text[host]) != NULL || text[host] == '.' || text[host] == '-')) {
            host++;
        }
    }
    if (host == 0 || host > SETTINGS_HOST_MAX) {
        return false;
    }
    return host == len || (text[host] == ':' && is_port(text + host + 1, len - host - 1));
}

/* No user, which might hold a password, no query, no fragment: paths are put behind it. */
bool setting_is_url(const char *value)
{
    const char *authority = skip_scheme(value);
    if (strcmp(value, "none") == 0) {
        return true;
    }
    if (authority == NULL || value[strlen(value) - 1] == '/') {
        return false;
    }
    for (const char *at = value; *at != '\0'; at++) {
        if (*at <= ' ' || *at > '~' || strchr("?#@\\\"<>", *at) != NULL) {
            return false;
        }
    }
    return is_authority(authority, strcspn(authority, "/"));
}

static bool has_once(const char *value, const char *name)
{
    const char *at = strstr(value, name);
    return at != NULL && strstr(at + 1, name) == NULL;
}

/* The PG's customerKey takes letters, digits and these; braces only as {userId}. */
bool setting_is_user_template(const char *value)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789-_=.@{}";
    size_t braces = 0;
    for (const char *at = value; *at != '\0'; at++) {
        braces += *at == '{' || *at == '}';
    }
    return value[strspn(value, allowed)] == '\0' && braces == 2 && has_once(value, "{userId}");
}

/* Bytes that follow the first one of a character of UTF-8; -1: no first byte. */
static int following(unsigned char first)
{
    if (first < 0x80) {
        return first < ' ' || first == 0x7F ? -1 : 0;
    }
    if (first < 0xC2 || first > 0xF4) {
        return -1;
    }
    return first < 0xE0 ? 1 : first < 0xF0 ? 2 : 3;
}

/* Overlong forms, surrogates and what is beyond Unicode are no UTF-8: the second byte shows them.
 */
static bool is_second(unsigned char first, unsigned char second)
{
    switch (first) {
    case 0xE0:
        return second >= 0xA0;
    case 0xED:
        return second <= 0x9F;
    case 0xF0:
        return second >= 0x90;
    case 0xF4:
        return second <= 0x8F;
    default:
        return true;
    }
}

bool setting_is_words(const char *value)
{
    const unsigned char *at = (const unsigned char *)value;
    while (*at != '\0') {
        int more = following(*at);
        if (more < 0 || (more > 0 && !is_second(at[0], at[1]))) {
            return false;
        }
        for (at++; more > 0; more--, at++) {
            if ((*at & 0xC0U) != 0x80U) {
                return false;
            }
        }
    }
    return strstr(value, "{tripId}") == NULL || has_once(value, "{tripId}");
}

void setting_allowed_http(const struct setting *setting, char text[SETTING_SHOWN_SIZE])
{
    size_t most = setting->size - 1;
    if (setting->type == SETTING_URL) {
        (void)snprintf(text, SETTING_SHOWN_SIZE,
                       "http:// or https://, HOST[:PORT] and perhaps /PATH, of at most %zu bytes, "
                       "without a user and a '/' at the end",
                       most);
    } else if (setting->type == SETTING_USER) {
        (void)snprintf(text, SETTING_SHOWN_SIZE,
                       "8 to %zu letters, digits and '-_=.@' with {userId} once", most);
    } else {
        (void)snprintf(text, SETTING_SHOWN_SIZE,
                       "1 to %zu bytes of UTF-8 without control characters, with {tripId} once or "
                       "not at all",
                       most);
    }
}
