#include "http_response.h"

#include "metrics.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define HTTP_RESPONSE_JSON         "application/json"
#define HTTP_RESPONSE_PROBLEM_JSON "application/problem+json"
#define HTTP_RESPONSE_INSTANCE_MAX 256

/* Sent where not even the answer could be made. */
static const char http_response_internal[] =
    "{\"type\":\"urn:farebox:problem:internal\",\"title\":\"The answer could not be made\","
    "\"status\":500,\"detail\":\"Memory ran out, or the data is broken.\",\"instance\":\"/\"}";

static const struct {
    int status;
    const char *type;
    const char *title;
} http_response_problems[] = {
    [HTTP_PROBLEM_MALFORMED] = {400, "malformed", "The request is not valid HTTP"},
    [HTTP_PROBLEM_PARAMETER] = {400, "parameter", "A parameter is missing or wrong"},
    [HTTP_PROBLEM_UNAUTHORIZED] = {401, "unauthorized", "A bearer token is needed"},
    [HTTP_PROBLEM_ADMIN_OFF] = {403, "admin-off", "Admin calls are off"},
    [HTTP_PROBLEM_NO_PATH] = {404, "no-path", "There is nothing at this path"},
    [HTTP_PROBLEM_NO_PAYMENT] = {404, "no-payment", "There is no payment for this trip"},
    [HTTP_PROBLEM_NO_EVENT] = {404, "no-event", "There is no failed event with this id"},
    [HTTP_PROBLEM_METHOD] = {405, "method", "The method is not allowed here"},
    [HTTP_PROBLEM_SLOW] = {408, "slow", "The request took too long"},
    [HTTP_PROBLEM_NOT_PENDING] = {409, "not-pending", "The failed event is not pending"},
    [HTTP_PROBLEM_NOT_UNKNOWN] = {409, "not-unknown", "The payment cannot be ended this way"},
    [HTTP_PROBLEM_LENGTH_NEEDED] = {411, "length-needed", "A Content-Length is needed"},
    [HTTP_PROBLEM_BODY_LONG] = {413, "body-long", "The body is too long"},
    [HTTP_PROBLEM_URI_LONG] = {414, "uri-long", "The URI is too long"},
    [HTTP_PROBLEM_HEAD_LONG] = {431, "head-long", "The headers are too long"},
    [HTTP_PROBLEM_INTERNAL] = {500, "internal", "The answer could not be made"},
    [HTTP_PROBLEM_BUSY] = {503, "busy", "Busy with this already"},
    [HTTP_PROBLEM_UNAVAILABLE] = {503, "unavailable", "The store does not answer"},
    [HTTP_PROBLEM_VERSION] = {505, "version", "Only HTTP/1.0 and HTTP/1.1 are spoken here"},
};

void http_response_init(struct http_response *response)
{
    memset(response, 0, sizeof(*response));
    response->status = 500;
    response->content_type = HTTP_RESPONSE_PROBLEM_JSON;
}

void http_response_clear(struct http_response *response)
{
    free(response->body);
    http_response_init(response);
}

static void http_response_fail(struct http_response *response)
{
    response->status = 500;
    response->content_type = HTTP_RESPONSE_PROBLEM_JSON;
    response->body = strdup(http_response_internal);
    response->body_len = response->body != NULL ? strlen(response->body) : 0;
}

/* Takes over `json`; NULL where making it failed. */
static void http_response_json(struct http_response *response, int status, const char *content_type,
                               json_t *json)
{
    char *body = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    if (body == NULL) {
        http_response_fail(response);
        return;
    }
    response->status = status;
    response->content_type = content_type;
    response->body = body;
    response->body_len = strlen(body);
}

/* A path that is too long for an answer is cut; one with odd bytes is not shown at all. */
static void http_response_instance(const char *path, char text[HTTP_RESPONSE_INSTANCE_MAX + 1])
{
    size_t len = path != NULL ? strcspn(path, "?#") : 0;
    len = len > HTTP_RESPONSE_INSTANCE_MAX ? HTTP_RESPONSE_INSTANCE_MAX : len;
    for (size_t i = 0; i < len; i++) {
        if (path[i] <= ' ' || path[i] > '~' || strchr("\"<>\\^`{|}", path[i]) != NULL) {
            len = 0;
        }
    }
    (void)snprintf(text, HTTP_RESPONSE_INSTANCE_MAX + 1, "%.*s", (int)len, len > 0 ? path : "");
    if (len == 0) {
        (void)snprintf(text, HTTP_RESPONSE_INSTANCE_MAX + 1, "/");
    }
}

void http_response_problem(struct http_response *response, enum http_problem problem,
                           const char *instance, const char *detail)
{
    char type[64];
    char path[HTTP_RESPONSE_INSTANCE_MAX + 1];
    int status = http_response_problems[problem].status;
    (void)snprintf(type, sizeof(type), "urn:farebox:problem:%s",
                   http_response_problems[problem].type);
    http_response_instance(instance, path);
    response->has_retry_after = status == 503;
    response->has_authenticate = status == 401;
    http_response_json(response, status, HTTP_RESPONSE_PROBLEM_JSON,
                       json_pack("{s:s,s:s,s:i,s:s,s:s}", "type", type, "title",
                                 http_response_problems[problem].title, "status", status, "detail",
                                 detail, "instance", path));
}

bool http_response_date_time(int64_t instant_ms, int32_t (*zone_offset_s)(int64_t unix_s),
                             char text[HTTP_DATE_TIME_SIZE])
{
    struct tm local;
    /* Years 1 to 9999, so that ISO-8601 has four digits for it. */
    if (instant_ms < INT64_C(-62135596800000) + 86400000 ||
        instant_ms > INT64_C(253402300799999) - 86400000) {
        return false;
    }
    int64_t ms = instant_ms % 1000;
    ms = ms < 0 ? ms + 1000 : ms;
    int64_t unix_s = (instant_ms - ms) / 1000;
    time_t seconds = (time_t)(unix_s + zone_offset_s(unix_s));
    if (gmtime_r(&seconds, &local) == NULL) {
        return false;
    }
    int len =
        snprintf(text, HTTP_DATE_TIME_SIZE, "%04d-%02d-%02dT%02d:%02d:%02d", local.tm_year + 1900,
                 local.tm_mon + 1, local.tm_mday, local.tm_hour, local.tm_min, local.tm_sec);
    if (ms != 0) {
        (void)snprintf(text + len, HTTP_DATE_TIME_SIZE - (size_t)len, ".%03d", (int)ms);
    }
    return true;
}

void http_response_payment(struct http_response *response, const struct http_payment *payment,
                           int32_t (*zone_offset_s)(int64_t unix_s))
{
    char requested[HTTP_DATE_TIME_SIZE];
    char completed[HTTP_DATE_TIME_SIZE];
    const char *pg_id = payment->pg_transaction_id[0] != '\0' ? payment->pg_transaction_id : NULL;
    bool has_requested =
        http_response_date_time(payment->requested_at_ms, zone_offset_s, requested);
    bool has_completed =
        http_response_date_time(payment->completed_at_ms, zone_offset_s, completed);
    /* s? gives null for NULL. */
    http_response_json(response, 200, HTTP_RESPONSE_JSON,
                       json_pack("{s:s,s:s,s:I,s:s,s:s?,s:s?,s:s?}", "paymentId",
                                 payment->payment_id, "tripId", payment->trip_id, "amount",
                                 (json_int_t)payment->amount_krw, "status", payment->status,
                                 "pgTransactionId", pg_id, "requestedAt",
                                 has_requested ? requested : NULL, "completedAt",
                                 has_completed ? completed : NULL));
}

void http_response_retried(struct http_response *response, const struct http_retry_result *result)
{
    http_response_json(response, 200, HTTP_RESPONSE_JSON,
                       json_pack("{s:I,s:I}", "retried", (json_int_t)result->retried, "refused",
                                 (json_int_t)result->refused));
}

void http_response_ignored(struct http_response *response, int64_t event_id)
{
    http_response_json(
        response, 200, HTTP_RESPONSE_JSON,
        json_pack("{s:I,s:s}", "eventId", (json_int_t)event_id, "status", "IGNORED"));
}

static json_t *http_response_component(const struct http_component *component)
{
    const char *status = component->is_up ? "UP" : "DOWN";
    if (component->detail[0] == '\0') {
        return json_pack("{s:s}", "status", status);
    }
    return json_pack("{s:s,s:{s:s}}", "status", status, "details", "message", component->detail);
}

void http_response_health(struct http_response *response, const struct http_health *health)
{
    bool is_up = true;
    bool is_made = true;
    uint32_t count =
        health->count < HTTP_API_COMPONENTS_MAX ? health->count : HTTP_API_COMPONENTS_MAX;
    json_t *components = json_object();
    for (uint32_t i = 0; i < count; i++) {
        is_up = is_up && health->components[i].is_up;
        is_made = json_object_set_new(components, health->components[i].name,
                                      http_response_component(&health->components[i])) == 0 &&
                  is_made;
    }
    /* o takes over `components`, also where it fails. */
    json_t *json = count > 0 ? json_pack("{s:s,s:o}", "status", is_up ? "UP" : "DOWN", "components",
                                         components)
                             : json_pack("{s:s}", "status", "UP");
    if (count == 0) {
        json_decref(components);
    }
    if (!is_made) {
        json_decref(json);
        json = NULL;
    }
    http_response_json(response, is_up ? 200 : 503, HTTP_RESPONSE_JSON, json);
}

void http_response_metrics(struct http_response *response, char *body, size_t len)
{
    response->status = 200;
    response->content_type = METRICS_CONTENT_TYPE;
    response->body = body;
    response->body_len = len;
}

const char *http_response_detail(enum http_problem problem)
{
    switch (problem) {
    case HTTP_PROBLEM_URI_LONG:
        return "Path and query have at most 4096 bytes.";
    case HTTP_PROBLEM_HEAD_LONG:
        return "Request line and headers have at most 16384 bytes.";
    case HTTP_PROBLEM_BODY_LONG:
        return "A body has at most 65536 bytes.";
    case HTTP_PROBLEM_LENGTH_NEEDED:
        return "Chunked bodies are not read; send Content-Length instead of Transfer-Encoding.";
    case HTTP_PROBLEM_SLOW:
        return "The whole request must arrive in time; nothing was done.";
    case HTTP_PROBLEM_VERSION:
        return "Send the request with HTTP/1.1.";
    case HTTP_PROBLEM_NONE:
    case HTTP_PROBLEM_MALFORMED:
    case HTTP_PROBLEM_PARAMETER:
    case HTTP_PROBLEM_UNAUTHORIZED:
    case HTTP_PROBLEM_ADMIN_OFF:
    case HTTP_PROBLEM_NO_PATH:
    case HTTP_PROBLEM_NO_PAYMENT:
    case HTTP_PROBLEM_NO_EVENT:
    case HTTP_PROBLEM_METHOD:
    case HTTP_PROBLEM_NOT_PENDING:
    case HTTP_PROBLEM_NOT_UNKNOWN:
    case HTTP_PROBLEM_INTERNAL:
    case HTTP_PROBLEM_BUSY:
    case HTTP_PROBLEM_UNAVAILABLE:
        break;
    }
    return "The request line, a header or the Content-Length is malformed, Host is missing, there "
           "are more than 64 headers, or they are longer than 65536 bytes.";
}
