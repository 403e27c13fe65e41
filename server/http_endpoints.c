#include "http_endpoints.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static void http_endpoints_refuse(const struct http_request *request, enum http_problem problem,
                                  const char *detail, struct http_response *response)
{
    http_response_problem(response, problem, request->path, detail);
}

/* 1 to `max` bytes, all of them printable ASCII. */
static bool http_endpoints_is_printable(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] < ' ' || text[i] > '~') {
            return false;
        }
    }
    return len > 0;
}

/* A topic's name by Kafka's rule. */
static bool http_endpoints_is_topic(const char *text, size_t len)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789._-";
    return len > 0 && strspn(text, allowed) == len && strcmp(text, ".") != 0 &&
           strcmp(text, "..") != 0;
}

/* The parameter tripId. False: it is wrong, and the answer says so. */
static bool http_endpoints_trip_id(const struct http_request *request,
                                   char trip_id[HTTP_API_ID_MAX + 1], size_t *len,
                                   struct http_response *response)
{
    if (http_request_query(request->query, "tripId", trip_id, HTTP_API_ID_MAX + 1, len) ==
            HTTP_QUERY_FOUND &&
        http_endpoints_is_printable(trip_id, *len)) {
        return true;
    }
    http_endpoints_refuse(
        request, HTTP_PROBLEM_PARAMETER,
        "The parameter tripId is needed once, with 1 to 255 printable ASCII characters.", response);
    return false;
}

static void http_endpoints_payments(const struct http_endpoints *endpoints,
                                    const struct http_request *request,
                                    struct http_response *response)
{
    char trip_id[HTTP_API_ID_MAX + 1];
    size_t len = 0;
    struct http_payment payment;
    if (!http_endpoints_trip_id(request, trip_id, &len, response)) {
        return;
    }
    memset(&payment, 0, sizeof(payment));
    payment.requested_at_ms = HTTP_API_NO_INSTANT;
    payment.completed_at_ms = HTTP_API_NO_INSTANT;
    switch (endpoints->ops->read_payment(endpoints->ctx, trip_id, len, &payment)) {
    case HTTP_READ_FOUND:
        http_response_payment(response, &payment, endpoints->zone_offset_s);
        return;
    case HTTP_READ_ABSENT:
        http_endpoints_refuse(request, HTTP_PROBLEM_NO_PAYMENT,
                              "No payment was made for this trip, or not yet.", response);
        return;
    case HTTP_READ_UNAVAILABLE:
        http_endpoints_refuse(request, HTTP_PROBLEM_UNAVAILABLE,
                              "Whether there is a payment is not known now; ask again.", response);
        return;
    }
}

static void http_endpoints_retry_all(const struct http_endpoints *endpoints,
                                     const struct http_request *request,
                                     struct http_response *response)
{
    static const char wrong[] = "The parameter topic may be left out, or be there once: 1 to 249 "
                                "letters, digits, '.', '_' and '-'.";
    char topic[HTTP_API_TOPIC_MAX + 1];
    size_t len = 0;
    struct http_retry_result result = {0, 0};
    enum http_query_status found =
        http_request_query(request->query, "topic", topic, sizeof(topic), &len);
    if (found != HTTP_QUERY_ABSENT &&
        (found != HTTP_QUERY_FOUND || !http_endpoints_is_topic(topic, len))) {
        http_endpoints_refuse(request, HTTP_PROBLEM_PARAMETER, wrong, response);
        return;
    }
    const char *wanted = found == HTTP_QUERY_FOUND ? topic : NULL;
    switch (endpoints->ops->retry_all(endpoints->ctx, wanted, &result)) {
    case HTTP_RETRY_DONE:
        http_response_retried(response, &result);
        return;
    case HTTP_RETRY_BUSY:
        http_endpoints_refuse(request, HTTP_PROBLEM_BUSY,
                              "Another retry of failed events runs; ask again.", response);
        return;
    case HTTP_RETRY_UNAVAILABLE:
        http_endpoints_refuse(request, HTTP_PROBLEM_UNAVAILABLE,
                              "Some events may have been retried; asking again is safe.", response);
        return;
    }
}

static void http_endpoints_ignore(const struct http_endpoints *endpoints,
                                  const struct http_request *request, int64_t event_id,
                                  struct http_response *response)
{
    if (event_id == 0) {
        http_endpoints_refuse(request, HTTP_PROBLEM_PARAMETER,
                              "The event id in the path is a whole number from 1 to "
                              "9223372036854775807.",
                              response);
        return;
    }
    switch (endpoints->ops->ignore(endpoints->ctx, event_id)) {
    case HTTP_IGNORE_DONE:
        http_response_ignored(response, event_id);
        return;
    case HTTP_IGNORE_NOT_PENDING:
        http_endpoints_refuse(request, HTTP_PROBLEM_NOT_PENDING,
                              "Only a pending event can be ignored; this one was retried or "
                              "ignored before.",
                              response);
        return;
    case HTTP_IGNORE_UNKNOWN:
        http_endpoints_refuse(request, HTTP_PROBLEM_NO_EVENT, "No failed event has this id.",
                              response);
        return;
    case HTTP_IGNORE_BUSY:
        http_endpoints_refuse(request, HTTP_PROBLEM_BUSY,
                              "Another change of this event is under way; ask again.", response);
        return;
    case HTTP_IGNORE_UNAVAILABLE:
        http_endpoints_refuse(request, HTTP_PROBLEM_UNAVAILABLE,
                              "The event may have been ignored; asking again is safe.", response);
        return;
    }
}

/* Answers with the payment as it is then: of a refund the intent is durable, which nothing takes
 * back, and the cancel may still be under way. */
static void http_endpoints_operate(const struct http_endpoints *endpoints,
                                   const struct http_request *request, enum http_operator_op op,
                                   struct http_response *response)
{
    char trip_id[HTTP_API_ID_MAX + 1];
    size_t len = 0;
    if (!http_endpoints_trip_id(request, trip_id, &len, response)) {
        return;
    }
    switch (endpoints->ops->operate(endpoints->ctx, op, trip_id, len)) {
    case HTTP_OPERATOR_DONE:
        http_endpoints_payments(endpoints, request, response);
        if (op == HTTP_OPERATOR_REFUND && response->status == 200) {
            response->status = 202;
        }
        return;
    case HTTP_OPERATOR_CONFLICT:
        http_endpoints_refuse(request, HTTP_PROBLEM_NOT_UNKNOWN,
                              "Only an UNKNOWN payment is ended by an operator, and only where the "
                              "payment gateway holds money that fits: see its status and reason.",
                              response);
        return;
    case HTTP_OPERATOR_ABSENT:
        http_endpoints_refuse(request, HTTP_PROBLEM_NO_PAYMENT,
                              "No payment was made for this trip, or not yet.", response);
        return;
    case HTTP_OPERATOR_BUSY:
        http_endpoints_refuse(request, HTTP_PROBLEM_BUSY,
                              "Farebox is at work on this payment; ask again.", response);
        return;
    case HTTP_OPERATOR_UNAVAILABLE:
        http_endpoints_refuse(request, HTTP_PROBLEM_UNAVAILABLE,
                              "The store or the payment gateway did not answer; it may still "
                              "happen, and asking again is safe.",
                              response);
        return;
    }
}

static void http_endpoints_health(const struct http_endpoints *endpoints,
                                  enum http_health_kind kind, struct http_response *response)
{
    struct http_health health;
    memset(&health, 0, sizeof(health));
    endpoints->ops->health(endpoints->ctx, kind, &health);
    http_response_health(response, &health);
}

static void http_endpoints_metrics(const struct http_endpoints *endpoints,
                                   const struct http_request *request,
                                   struct http_response *response)
{
    char *body = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&body, &len);
    if (out != NULL) {
        endpoints->ops->metrics(endpoints->ctx, out);
    }
    if (out == NULL || fclose(out) != 0) {
        free(body);
        http_endpoints_refuse(request, HTTP_PROBLEM_INTERNAL, "Memory ran out.", response);
        return;
    }
    http_response_metrics(response, body, len);
}

/* The token of "Bearer TOKEN" (RFC 6750, section 2.1), or NULL. */
static const char *http_endpoints_token(const char *authorization)
{
    static const char scheme[] = "Bearer ";
    if (authorization == NULL || strncasecmp(authorization, scheme, sizeof(scheme) - 1) != 0) {
        return NULL;
    }
    const char *token = authorization + sizeof(scheme) - 1;
    return token + strspn(token, " ");
}

static bool http_endpoints_may_admin(const struct http_endpoints *endpoints,
                                     const struct http_request *request,
                                     struct http_response *response)
{
    if (!endpoints->admin_token.is_set) {
        http_endpoints_refuse(request, HTTP_PROBLEM_ADMIN_OFF,
                              "Admin is off: no FAREBOX_ADMIN_TOKEN is configured.", response);
        return false;
    }
    const char *token = http_endpoints_token(request->authorization);
    if (token == NULL || !secret_matches(&endpoints->admin_token, token, strlen(token))) {
        http_endpoints_refuse(request, HTTP_PROBLEM_UNAUTHORIZED,
                              "Admin calls need the header Authorization: Bearer with the "
                              "configured token.",
                              response);
        return false;
    }
    return true;
}

static bool http_endpoints_is_admin(enum http_endpoint endpoint)
{
    return endpoint == HTTP_ENDPOINT_RETRY_ALL || endpoint == HTTP_ENDPOINT_IGNORE ||
           endpoint == HTTP_ENDPOINT_REFUND || endpoint == HTTP_ENDPOINT_ADOPT;
}

void http_endpoints_answer(const struct http_endpoints *endpoints,
                           const struct http_request *request, const struct http_route *route,
                           struct http_response *response)
{
    if (route->method != NULL && strcmp(request->method, route->method) != 0) {
        response->allow = route->method;
        http_endpoints_refuse(request, HTTP_PROBLEM_METHOD,
                              "The header Allow names the method that is.", response);
        return;
    }
    if (http_endpoints_is_admin(route->endpoint) &&
        !http_endpoints_may_admin(endpoints, request, response)) {
        return;
    }
    switch (route->endpoint) {
    case HTTP_ENDPOINT_PAYMENTS:
        http_endpoints_payments(endpoints, request, response);
        return;
    case HTTP_ENDPOINT_RETRY_ALL:
        http_endpoints_retry_all(endpoints, request, response);
        return;
    case HTTP_ENDPOINT_IGNORE:
        http_endpoints_ignore(endpoints, request, route->event_id, response);
        return;
    case HTTP_ENDPOINT_REFUND:
        http_endpoints_operate(endpoints, request, HTTP_OPERATOR_REFUND, response);
        return;
    case HTTP_ENDPOINT_ADOPT:
        http_endpoints_operate(endpoints, request, HTTP_OPERATOR_ADOPT, response);
        return;
    case HTTP_ENDPOINT_HEALTH:
        http_endpoints_health(endpoints, HTTP_HEALTH_ALL, response);
        return;
    case HTTP_ENDPOINT_LIVENESS:
        http_endpoints_health(endpoints, HTTP_HEALTH_LIVENESS, response);
        return;
    case HTTP_ENDPOINT_READINESS:
        http_endpoints_health(endpoints, HTTP_HEALTH_READINESS, response);
        return;
    case HTTP_ENDPOINT_METRICS:
        http_endpoints_metrics(endpoints, request, response);
        return;
    case HTTP_ENDPOINT_NONE:
    case HTTP_ENDPOINT_COUNT:
        break;
    }
    http_endpoints_refuse(request, HTTP_PROBLEM_NO_PATH,
                          "Check the spelling: paths are compared byte by byte.", response);
}
