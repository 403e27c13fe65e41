#include "http_request.h"

#include <string.h>

static const struct {
    const char *path;
    const char *method;
    enum http_endpoint endpoint;
} http_request_paths[] = {
    {"/internal/api/payments", "GET", HTTP_ENDPOINT_PAYMENTS},
    {"/api/payments/admin/failed-events/retry-all", "POST", HTTP_ENDPOINT_RETRY_ALL},
    {"/api/payments/admin/payments/refund", "POST", HTTP_ENDPOINT_REFUND},
    {"/api/payments/admin/payments/adopt", "POST", HTTP_ENDPOINT_ADOPT},
    {"/actuator/health", "GET", HTTP_ENDPOINT_HEALTH},
    {"/actuator/health/liveness", "GET", HTTP_ENDPOINT_LIVENESS},
    {"/actuator/health/readiness", "GET", HTTP_ENDPOINT_READINESS},
    {"/actuator/prometheus", "GET", HTTP_ENDPOINT_METRICS},
    {"/metrics", "GET", HTTP_ENDPOINT_METRICS},
};

static const char http_request_ignore_head[] = "/api/payments/admin/failed-events/";
static const char http_request_ignore_tail[] = "/ignore";

/* Decimal digits without a leading zero; 0 for anything else. */
static int64_t http_request_event_id(const char *text, size_t len)
{
    int64_t id = 0;
    if (len == 0 || len > 19 || text[0] == '0') {
        return 0;
    }
    for (size_t i = 0; i < len; i++) {
        int digit = text[i] - '0';
        if (digit < 0 || digit > 9 || id > (INT64_MAX - digit) / 10) {
            return 0;
        }
        id = id * 10 + digit;
    }
    return id;
}

struct http_route http_request_route(const char *path)
{
    struct http_route route = {HTTP_ENDPOINT_NONE, NULL, 0};
    const size_t head = sizeof(http_request_ignore_head) - 1;
    const size_t tail = sizeof(http_request_ignore_tail) - 1;
    for (size_t i = 0; i < sizeof(http_request_paths) / sizeof(http_request_paths[0]); i++) {
        if (strcmp(path, http_request_paths[i].path) == 0) {
            route.endpoint = http_request_paths[i].endpoint;
            route.method = http_request_paths[i].method;
            return route;
        }
    }
    size_t len = strlen(path);
    if (len > head + tail && memcmp(path, http_request_ignore_head, head) == 0 &&
        strcmp(path + len - tail, http_request_ignore_tail) == 0 &&
        memchr(path + head, '/', len - head - tail) == NULL) {
        route.endpoint = HTTP_ENDPOINT_IGNORE;
        route.method = "POST";
        route.event_id = http_request_event_id(path + head, len - head - tail);
    }
    return route;
}

static int http_request_hex(char digit)
{
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    if (digit >= 'a' && digit <= 'f') {
        return digit - 'a' + 10;
    }
    return digit >= 'A' && digit <= 'F' ? digit - 'A' + 10 : -1;
}

static enum http_query_status http_request_decode(const char *text, size_t text_len, char *value,
                                                  size_t size, size_t *len)
{
    size_t n = 0;
    for (size_t i = 0; i < text_len; i++) {
        int byte = text[i] == '+' ? ' ' : (unsigned char)text[i];
        if (text[i] == '%') {
            if (text_len - i < 3 || http_request_hex(text[i + 1]) < 0 ||
                http_request_hex(text[i + 2]) < 0) {
                return HTTP_QUERY_BROKEN;
            }
            byte = http_request_hex(text[i + 1]) * 16 + http_request_hex(text[i + 2]);
            i += 2;
        }
        if (n + 1 >= size) {
            return HTTP_QUERY_LONG;
        }
        value[n++] = (char)byte;
    }
    value[n] = '\0';
    *len = n;
    return HTTP_QUERY_FOUND;
}

/* Does this "name=value" have this name? One that cannot be decoded has none. */
static int http_request_is_named(const char *pair, size_t name_len, const char *name)
{
    char decoded[32];
    size_t len = 0;
    return http_request_decode(pair, name_len, decoded, sizeof(decoded), &len) ==
               HTTP_QUERY_FOUND &&
           len == strlen(name) && memcmp(decoded, name, len) == 0;
}

enum http_query_status http_request_query(const char *query, const char *name, char *value,
                                          size_t size, size_t *len)
{
    const char *found = NULL;
    size_t found_len = 0;
    for (const char *at = query; at != NULL && *at != '\0';) {
        size_t pair_len = strcspn(at, "&");
        size_t name_len = strcspn(at, "&=");
        if (http_request_is_named(at, name_len, name)) {
            if (found != NULL) {
                return HTTP_QUERY_TWICE;
            }
            found = at + (name_len < pair_len ? name_len + 1 : pair_len);
            found_len = (size_t)(at + pair_len - found);
        }
        at += pair_len + (at[pair_len] == '&' ? 1 : 0);
    }
    if (found == NULL) {
        return HTTP_QUERY_ABSENT;
    }
    return http_request_decode(found, found_len, value, size, len);
}

const char *http_endpoint_name(enum http_endpoint endpoint)
{
    switch (endpoint) {
    case HTTP_ENDPOINT_NONE:
    case HTTP_ENDPOINT_COUNT:
        break;
    case HTTP_ENDPOINT_PAYMENTS:
        return "payments";
    case HTTP_ENDPOINT_RETRY_ALL:
        return "retry_all";
    case HTTP_ENDPOINT_IGNORE:
        return "ignore";
    case HTTP_ENDPOINT_REFUND:
        return "refund";
    case HTTP_ENDPOINT_ADOPT:
        return "adopt";
    case HTTP_ENDPOINT_HEALTH:
        return "health";
    case HTTP_ENDPOINT_LIVENESS:
        return "liveness";
    case HTTP_ENDPOINT_READINESS:
        return "readiness";
    case HTTP_ENDPOINT_METRICS:
        return "metrics";
    }
    return "none";
}
