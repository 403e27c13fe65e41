/*
 * http_response.h - an answer before it is sent: JSON, Prometheus text, or an RFC 9457 problem.
 *
 * Ownership: the response owns its body; http_response_clear() frees it.
 * Threads: one response is one thread's. Nothing blocks.
 */
#ifndef FAREBOX_HTTP_RESPONSE_H
#define FAREBOX_HTTP_RESPONSE_H

#include "http_api.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What went wrong; each has its own type URI, "urn:farebox:problem:..." in http_response.c. */
enum http_problem {
    HTTP_PROBLEM_NONE = 0,
    HTTP_PROBLEM_MALFORMED,
    HTTP_PROBLEM_PARAMETER,
    HTTP_PROBLEM_UNAUTHORIZED,
    HTTP_PROBLEM_ADMIN_OFF,
    HTTP_PROBLEM_NO_PATH,
    HTTP_PROBLEM_NO_PAYMENT,
    HTTP_PROBLEM_NO_EVENT,
    HTTP_PROBLEM_METHOD,
    HTTP_PROBLEM_SLOW,
    HTTP_PROBLEM_NOT_PENDING,
    HTTP_PROBLEM_NOT_UNKNOWN,
    HTTP_PROBLEM_LENGTH_NEEDED,
    HTTP_PROBLEM_BODY_LONG,
    HTTP_PROBLEM_URI_LONG,
    HTTP_PROBLEM_HEAD_LONG,
    HTTP_PROBLEM_INTERNAL,
    HTTP_PROBLEM_BUSY,
    HTTP_PROBLEM_UNAVAILABLE,
    HTTP_PROBLEM_VERSION,
};

struct http_response {
    int status;
    const char *content_type; /* static */
    char *body;               /* NULL: memory ran out; a fixed text is sent instead */
    size_t body_len;
    const char *allow;     /* header Allow; NULL: none */
    bool has_retry_after;  /* header Retry-After: 1 */
    bool has_authenticate; /* header WWW-Authenticate: Bearer */
    bool must_close;       /* the connection cannot be used again */
};

/* An empty answer; clear frees what it came to hold. */
void http_response_init(struct http_response *response);
void http_response_clear(struct http_response *response);

/*
 * Makes it a problem with the status, type and title of its kind. `instance`: the request's path;
 * NULL, or one with bytes that no URI has: "/". `detail`: for people, never bytes of the request.
 */
void http_response_problem(struct http_response *response, enum http_problem problem,
                           const char *instance, const char *detail);

/* The detail of a problem with how the request came, not with what it asks. */
const char *http_response_detail(enum http_problem problem);

/* 200 with the payment; date-times are local: `zone_offset_s` says local time - UTC at an instant.
 */
void http_response_payment(struct http_response *response, const struct http_payment *payment,
                           int32_t (*zone_offset_s)(int64_t unix_s));

/* 200 with {"retried":n,"refused":m}. */
void http_response_retried(struct http_response *response, const struct http_retry_result *result);

/* 200 with {"eventId":n,"status":"IGNORED"}. */
void http_response_ignored(struct http_response *response, int64_t event_id);

/* 200 or 503 with {"status":"UP","components":{...}}, as Spring's actuator has it. */
void http_response_health(struct http_response *response, const struct http_health *health);

/* 200 with Prometheus text; takes over `body`, which malloc() or open_memstream() gave. */
void http_response_metrics(struct http_response *response, char *body, size_t len);

/* Room for an ISO-8601 local date-time with milliseconds. */
#define HTTP_DATE_TIME_SIZE 40

/* "2026-10-01T15:40:09", with ".123" where the milliseconds are not 0. False: out of range. */
bool http_response_date_time(int64_t instant_ms, int32_t (*zone_offset_s)(int64_t unix_s),
                             char text[HTTP_DATE_TIME_SIZE]);

#endif
