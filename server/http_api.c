/* http_api.c - the HTTP API on web_server.h: routes, problems, and what to tell the driver. */
#include "http_api.h"

#include "http_endpoints.h"
#include "http_request.h"
#include "http_response.h"
#include "log.h"
#include "web_server.h"

#include <stdlib.h>
#include <string.h>

_Static_assert(HTTP_API_URI_MAX == WEB_URI_MAX && HTTP_API_HEAD_MAX == WEB_HEAD_MAX,
               "what the API promises is what the server holds");

struct http_api {
    struct http_endpoints endpoints;
    struct web_server *server;
};

static enum http_problem http_api_problem(enum web_problem problem)
{
    switch (problem) {
    case WEB_PROBLEM_NONE:
        return HTTP_PROBLEM_NONE;
    case WEB_PROBLEM_MALFORMED:
        return HTTP_PROBLEM_MALFORMED;
    case WEB_PROBLEM_SLOW:
        return HTTP_PROBLEM_SLOW;
    case WEB_PROBLEM_LENGTH_NEEDED:
        return HTTP_PROBLEM_LENGTH_NEEDED;
    case WEB_PROBLEM_BODY_LONG:
        return HTTP_PROBLEM_BODY_LONG;
    case WEB_PROBLEM_URI_LONG:
        return HTTP_PROBLEM_URI_LONG;
    case WEB_PROBLEM_HEAD_LONG:
        return HTTP_PROBLEM_HEAD_LONG;
    case WEB_PROBLEM_VERSION:
        return HTTP_PROBLEM_VERSION;
    }
    return HTTP_PROBLEM_MALFORMED;
}

/* Moves what was made to the answer that goes out. */
static void http_api_hand_over(struct http_response *made, struct web_response *response)
{
    response->status = made->status;
    response->content_type = made->content_type;
    response->body = made->body;
    response->body_len = made->body_len;
    response->must_close = response->must_close || made->must_close;
    made->body = NULL;
    (void)snprintf(response->headers, sizeof(response->headers),
                   "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n%s%s%s%s%s",
                   made->allow != NULL ? "Allow: " : "", made->allow != NULL ? made->allow : "",
                   made->allow != NULL ? "\r\n" : "",
                   made->has_retry_after ? "Retry-After: 1\r\n" : "",
                   made->has_authenticate ? "WWW-Authenticate: Bearer realm=\"farebox\"\r\n" : "");
}

static void http_api_answer(void *ctx, const struct web_request *asked,
                            struct web_response *response)
{
    struct http_api *api = ctx;
    struct http_response made;
    enum http_problem problem = http_api_problem(asked->problem);

    http_response_init(&made);
    if (problem == HTTP_PROBLEM_NONE) {
        struct http_request request = {.method = asked->method,
                                       .path = asked->path,
                                       .query = asked->query,
                                       .authorization = web_request_header(asked, "Authorization")};
        struct http_route route = http_request_route(asked->path);
        response->tag = (int)route.endpoint;
        http_endpoints_answer(&api->endpoints, &request, &route, &made);
    } else {
        response->tag = asked->path != NULL ? (int)http_request_route(asked->path).endpoint
                                            : HTTP_ENDPOINT_NONE;
        http_response_problem(&made, problem, asked->path, http_response_detail(problem));
    }
    http_api_hand_over(&made, response);
    http_response_clear(&made);
}

static void http_api_ended(void *ctx, int tag, int status, int64_t elapsed_us)
{
    const struct http_api *api = ctx;
    if (api->endpoints.ops->request_ended != NULL) {
        api->endpoints.ops->request_ended(api->endpoints.ctx, (enum http_endpoint)tag, status,
                                          elapsed_us);
    }
}

static void http_api_complain(void *ctx, const char *message)
{
    (void)ctx;
    log_write(LOG_LEVEL_WARN, "the HTTP library complains",
              LOG_FIELDS(log_text("detail", message)));
}

enum http_api_status http_api_open(const struct http_api_options *options, struct http_api **out,
                                   char *error, size_t error_size)
{
    static const struct web_handler handler = {
        .answer = http_api_answer, .ended = http_api_ended, .complain = http_api_complain};
    struct http_api *api = calloc(1, sizeof(*api));
    if (api == NULL) {
        (void)snprintf(error, error_size, "memory ran out");
        return HTTP_API_NO_MEMORY;
    }
    api->endpoints.ops = options->ops;
    api->endpoints.ctx = options->ctx;
    api->endpoints.admin_token = *options->admin_token;
    api->endpoints.zone_offset_s = options->zone_offset_s;
    int request_ms = options->request_ms > 0 ? options->request_ms : HTTP_API_REQUEST_MS;
    const struct web_options web = {
        .handler = &handler,
        .ctx = api,
        .host = options->host,
        .port = options->port,
        .threads = HTTP_API_THREADS,
        .request_ms = request_ms,
        .idle_ms = request_ms < HTTP_API_IDLE_MS ? request_ms : HTTP_API_IDLE_MS,
        .body_max = HTTP_API_BODY_MAX,
    };
    enum web_status status = web_server_open(&web, &api->server, error, error_size);
    if (status != WEB_OK) {
        secret_clear(&api->endpoints.admin_token);
        free(api);
        return status == WEB_NO_MEMORY ? HTTP_API_NO_MEMORY : HTTP_API_CANNOT_LISTEN;
    }
    *out = api;
    return HTTP_API_OK;
}

int http_api_port(const struct http_api *api)
{
    return web_server_port(api->server);
}

void http_api_close(struct http_api *api)
{
    if (api == NULL) {
        return;
    }
    web_server_close(api->server);
    secret_clear(&api->endpoints.admin_token);
    free(api);
}
