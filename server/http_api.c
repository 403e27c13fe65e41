/*
 * http_api.c - civetweb's side of the HTTP API: the one file that includes civetweb.h.
 *
 * What is done here against defects of civetweb 1.15 (read in its source):
 * - everything is answered in begin_request, so its own code for files, forms, WebDAV, CORS and
 *   WebSockets is never reached;
 * - after a body that was not read the connection must not be used again: where the length is
 *   near 2^63 civetweb's sum overflows, and it would take the body for the next request. See
 *   http_api_force_close();
 * - it stops reading headers, without an error, at the 65th and at a line that begins oddly, so a
 *   Content-Length behind it would be lost. See http_api_head_is_whole();
 * - the time for a body is bounded here, as civetweb starts its clock anew with each byte.
 */
#include "http_api.h"

#include "http_endpoints.h"
#include "http_request.h"
#include "http_response.h"
#include "log.h"

#include <civetweb.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

/* Where civetweb itself gives up; below it our own, better answers apply. */
#define HTTP_API_BUFFER_BYTES "65536"
#define HTTP_API_HEADERS_SIZE 512
/* Never an answer of ours: tells http_api_on_error() that http_api_force_close() calls. */
#define HTTP_API_CLOSE_STATUS 204

struct http_api {
    struct http_endpoints endpoints;
    struct mg_context *civetweb;
    int port;
    int64_t request_ms;
    int64_t idle_ms;
    atomic_bool is_open; /* civetweb's messages go to the log; before: to open_error */
    char open_error[200];
};

static int64_t http_api_now_us(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static struct http_api *http_api_of(const struct mg_connection *conn)
{
    return mg_get_user_data(mg_get_context(conn));
}

/*
 * Since when the connection waits for a request, and whether it had one before: in the pointer
 * that civetweb keeps for each connection, so that nothing has to be freed.
 */
static void *http_api_waiting_since(int64_t now_us, bool had_request)
{
    return (void *)(uintptr_t)((uint64_t)(now_us / 1000) << 1 | (had_request ? 1U : 0U));
}

static bool http_api_is_late(const struct http_api *api, const struct mg_connection *conn)
{
    uint64_t since = (uint64_t)(uintptr_t)mg_get_user_connection_data(conn);
    int64_t limit_ms = (since & 1U) != 0 ? api->idle_ms : api->request_ms;
    return http_api_now_us() / 1000 - (int64_t)(since >> 1) >= limit_ms;
}

/* How often the header is there, and its first value. */
static int http_api_header(const struct mg_request_info *info, const char *name, const char **value)
{
    int count = 0;
    for (int i = 0; i < info->num_headers; i++) {
        if (strcasecmp(info->http_headers[i].name, name) == 0) {
            *value = count == 0 ? info->http_headers[i].value : *value;
            count++;
        }
    }
    return count;
}

/* What civetweb will do (its should_keep_alive()), so that the answer says the same. */
static bool http_api_keeps_alive(const struct mg_request_info *info)
{
    const char *wish = NULL;
    if (http_api_header(info, "Connection", &wish) > 0) {
        return strcasecmp(wish, "keep-alive") == 0;
    }
    return info->http_version != NULL && strcmp(info->http_version, "1.1") == 0;
}

static void http_api_send(struct mg_connection *conn, const struct http_response *response,
                          bool has_body)
{
    static const char lost[] = "The answer could not be made: memory ran out.\n";
    const char *body = response->body != NULL ? response->body : lost;
    size_t body_len = response->body != NULL ? response->body_len : sizeof(lost) - 1;
    const char *type = response->body != NULL ? response->content_type : "text/plain";
    char head[HTTP_API_HEADERS_SIZE];
    int len = snprintf(
        head, sizeof(head),
        "HTTP/1.1 %d %s\r\n"
        "Content-Type: %s\r\n"
        "Content-Length: %zu\r\n"
        "Cache-Control: no-store\r\n"
        "X-Content-Type-Options: nosniff\r\n"
        "Connection: %s\r\n"
        "%s%s%s%s%s\r\n",
        response->status, http_response_phrase(response->status), type, body_len,
        response->must_close ? "close" : "keep-alive", response->allow != NULL ? "Allow: " : "",
        response->allow != NULL ? response->allow : "", response->allow != NULL ? "\r\n" : "",
        response->has_retry_after ? "Retry-After: 1\r\n" : "",
        response->has_authenticate ? "WWW-Authenticate: Bearer realm=\"farebox\"\r\n" : "");
    size_t total = (size_t)len + (has_body ? body_len : 0);
    char *all = malloc(total);
    if (all == NULL) {
        (void)mg_write(conn, head, (size_t)len); /* the client sees a short body */
        return;
    }
    memcpy(all, head, (size_t)len);
    memcpy(all + len, body, total - (size_t)len);
    (void)mg_write(conn, all, total); /* one write: one segment for a short answer */
    free(all);
}

/*
 * civetweb offers no way to say "close after this answer". But its mg_send_http_error() sets the
 * flag for it, unless http_error handles the error, and writes nothing for status 204 once an
 * answer has begun.
 */
static void http_api_force_close(struct mg_connection *conn)
{
    (void)mg_send_http_error(conn, HTTP_API_CLOSE_STATUS, "%s", "");
}

/*
 * Reads up to `limit` bytes of the body and forgets them. A byte a call: with more, civetweb
 * waits for all of them, and starts its clock anew with each. False: late, or cut off.
 */
static bool http_api_skip_body(struct mg_connection *conn, int64_t limit, int64_t end_us)
{
    char byte;
    for (int64_t i = 0; i < limit; i++) {
        if (mg_read(conn, &byte, 1) != 1) {
            return false;
        }
        if (http_api_now_us() >= end_us) {
            return false;
        }
    }
    return true;
}

/* The length of the body, or the problem with it. */
static enum http_problem http_api_body_len(const struct mg_request_info *info, int64_t *len)
{
    const char *value = NULL;
    if (http_api_header(info, "Transfer-Encoding", &value) > 0) {
        return HTTP_PROBLEM_LENGTH_NEEDED;
    }
    int count = http_api_header(info, "Content-Length", &value);
    *len = 0;
    if (count == 0) {
        return HTTP_PROBLEM_NONE;
    }
    size_t digits = strspn(value, "0123456789");
    if (count > 1 || digits == 0 || value[digits] != '\0') {
        return HTTP_PROBLEM_MALFORMED;
    }
    if (digits > 18 || strtoll(value, NULL, 10) > HTTP_API_BODY_MAX) {
        return HTTP_PROBLEM_BODY_LONG;
    }
    *len = strtoll(value, NULL, 10);
    return HTTP_PROBLEM_NONE;
}

/*
 * Did civetweb read all headers? Behind the last one that it knows there must be the empty line
 * that ends the head, in the form in which its parser leaves it: line ends are overwritten with
 * NUL, and so is the last byte of the head. HTTP/1.1 needs exactly one Host (RFC 9112, 3.2); so
 * a head without any header is HTTP/1.0, and its connection is closed.
 */
static bool http_api_head_is_whole(const struct mg_request_info *info)
{
    static const char end[] = {'\0', '\0', '\r', '\0'};
    const char *host = NULL;
    int hosts = http_api_header(info, "Host", &host);
    if (hosts > 1 || (hosts == 0 && strcmp(info->http_version, "1.1") == 0)) {
        return false;
    }
    if (info->num_headers == 0) {
        return true;
    }
    const char *value = info->http_headers[info->num_headers - 1].value;
    return memcmp(value + strlen(value), end, sizeof(end)) == 0;
}

static enum http_problem http_api_check_head(const struct mg_request_info *info)
{
    size_t uri = strlen(info->local_uri_raw);
    uri += info->query_string != NULL ? strlen(info->query_string) + 1 : 0;
    if (uri > HTTP_API_URI_MAX) {
        return HTTP_PROBLEM_URI_LONG;
    }
    size_t head = uri + strlen(info->request_method) + sizeof("  HTTP/1.1\r\n\r\n");
    for (int i = 0; i < info->num_headers; i++) {
        head += strlen(info->http_headers[i].name) + strlen(info->http_headers[i].value) + 4;
    }
    if (head > HTTP_API_HEAD_MAX) {
        return HTTP_PROBLEM_HEAD_LONG;
    }
    return http_api_head_is_whole(info) ? HTTP_PROBLEM_NONE : HTTP_PROBLEM_MALFORMED;
}

/* Reads head and body as far as they are wanted. What is wrong with them. */
static enum http_problem http_api_receive(const struct http_api *api, struct mg_connection *conn,
                                          const struct mg_request_info *info)
{
    int64_t body_len = 0;
    const char *expected = NULL;
    enum http_problem problem = http_api_check_head(info);
    if (problem == HTTP_PROBLEM_NONE) {
        problem = http_api_body_len(info, &body_len);
    }
    if (problem != HTTP_PROBLEM_NONE || body_len == 0) {
        return problem;
    }
    if (http_api_header(info, "Expect", &expected) > 0 &&
        strcasecmp(expected, "100-continue") == 0) {
        static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
        (void)mg_write(conn, go_on, sizeof(go_on) - 1);
    }
    int64_t end_us = http_api_now_us() + api->request_ms * 1000;
    return http_api_skip_body(conn, body_len, end_us) ? HTTP_PROBLEM_NONE : HTTP_PROBLEM_SLOW;
}

/*
 * What the client still sends is read for a moment: closing a socket with unread bytes makes the
 * kernel send a reset, which can destroy the answer on its way.
 */
static void http_api_finish(const struct http_api *api, struct mg_connection *conn,
                            enum http_problem problem)
{
    if (problem == HTTP_PROBLEM_BODY_LONG) {
        int64_t end_us = http_api_now_us() + api->request_ms * 1000;
        (void)http_api_skip_body(conn, HTTP_API_BODY_MAX, end_us);
    }
    http_api_force_close(conn);
}

static void http_api_ended(const struct http_api *api, enum http_endpoint endpoint, int status,
                           int64_t start_us)
{
    if (api->endpoints.ops->request_ended != NULL) {
        api->endpoints.ops->request_ended(api->endpoints.ctx, endpoint, status,
                                          http_api_now_us() - start_us);
    }
}

/* civetweb's begin_request. A positive result: answered, the connection may go on. */
static int http_api_on_request(struct mg_connection *conn)
{
    const struct mg_request_info *info = mg_get_request_info(conn);
    struct http_api *api = http_api_of(conn);
    int64_t start_us = http_api_now_us();
    struct http_route route = http_request_route(info->local_uri_raw);
    struct http_response response;
    struct http_request request = {
        .method = info->request_method, .path = info->local_uri_raw, .query = info->query_string};

    http_response_init(&response);
    (void)http_api_header(info, "Authorization", &request.authorization);
    enum http_problem problem = http_api_receive(api, conn, info);
    response.must_close = problem != HTTP_PROBLEM_NONE || !http_api_keeps_alive(info);
    if (problem != HTTP_PROBLEM_NONE) {
        http_response_problem(&response, problem, request.path, http_response_detail(problem));
    } else {
        http_endpoints_answer(&api->endpoints, &request, &route, &response);
    }
    int status = response.status;
    bool must_close = response.must_close;
    http_api_send(conn, &response, strcmp(info->request_method, "HEAD") != 0);
    http_response_clear(&response);
    http_api_ended(api, route.endpoint, status, start_us);
    if (must_close) {
        http_api_finish(api, conn, problem);
    }
    mg_set_user_connection_data(conn, http_api_waiting_since(http_api_now_us(), true));
    return status;
}

/* A method that civetweb does not know: it read the version, and not yet a header. */
static bool http_api_is_foreign_method(const struct mg_request_info *info, int status)
{
    return status == 400 && info->request_method != NULL && info->request_uri != NULL &&
           info->http_version != NULL && info->num_headers == 0 &&
           (strcmp(info->http_version, "1.1") == 0 || strcmp(info->http_version, "1.0") == 0);
}

/* civetweb's http_error: what it could not read as a request. 0: answered; it closes. */
static int http_api_on_error(struct mg_connection *conn, int status, const char *message)
{
    const struct mg_request_info *info = mg_get_request_info(conn);
    struct http_api *api = http_api_of(conn);
    struct http_response response;
    enum http_problem problem = HTTP_PROBLEM_MALFORMED;

    (void)message;
    if (status == HTTP_API_CLOSE_STATUS) {
        return 1; /* http_api_force_close() */
    }
    http_response_init(&response);
    response.must_close = true;
    if (info != NULL && http_api_is_foreign_method(info, status)) {
        struct http_request request = {.method = info->request_method, .path = info->request_uri};
        char path[HTTP_API_URI_MAX + 1];
        (void)snprintf(path, sizeof(path), "%.*s", (int)strcspn(request.path, "?"), request.path);
        request.path = path;
        struct http_route route = http_request_route(path);
        http_endpoints_answer(&api->endpoints, &request, &route, &response);
    } else {
        if (status == 505) {
            problem = HTTP_PROBLEM_VERSION;
        } else if (info != NULL && info->request_method == NULL && http_api_is_late(api, conn)) {
            problem = HTTP_PROBLEM_SLOW;
        }
        http_response_problem(&response, problem, NULL, http_response_detail(problem));
    }
    http_api_send(conn, &response, true);
    http_api_ended(api, HTTP_ENDPOINT_NONE, response.status, http_api_now_us());
    http_response_clear(&response);
    return 0;
}

static int http_api_on_connection(const struct mg_connection *conn, void **conn_data)
{
    (void)conn;
    *conn_data = http_api_waiting_since(http_api_now_us(), false);
    return 0;
}

static int http_api_on_message(const struct mg_connection *conn, const char *message)
{
    struct http_api *api = http_api_of(conn);
    if (api != NULL && !atomic_load(&api->is_open)) {
        if (api->open_error[0] == '\0') { /* the first message has the cause */
            (void)snprintf(api->open_error, sizeof(api->open_error), "%s", message);
        }
    } else {
        log_write(LOG_LEVEL_WARN, "the HTTP library complains",
                  LOG_FIELDS(log_text("detail", message)));
    }
    return 1; /* civetweb shall not write it to stderr as well */
}

static enum http_api_status http_api_start(struct http_api *api,
                                           const struct http_api_options *options)
{
    char address[64];
    char threads[16];
    char request_ms[16];
    char idle_ms[16];
    struct mg_server_port port;
    (void)snprintf(address, sizeof(address), "%s:%d", options->host, options->port);
    (void)snprintf(threads, sizeof(threads), "%d", HTTP_API_THREADS);
    (void)snprintf(request_ms, sizeof(request_ms), "%d", (int)api->request_ms);
    (void)snprintf(idle_ms, sizeof(idle_ms), "%d", (int)api->idle_ms);
    /* No document_root, so that no path ever names a file. */
    const char *civetweb_options[] = {"listening_ports",
                                      address,
                                      "num_threads",
                                      threads,
                                      "request_timeout_ms",
                                      request_ms,
                                      "keep_alive_timeout_ms",
                                      idle_ms,
                                      "enable_keep_alive",
                                      "yes",
                                      "tcp_nodelay",
                                      "1",
                                      "max_request_size",
                                      HTTP_API_BUFFER_BYTES,
                                      "decode_url",
                                      "no",
                                      "enable_directory_listing",
                                      "no",
                                      "enable_auth_domain_check",
                                      "no",
                                      NULL};
    const struct mg_callbacks callbacks = {.begin_request = http_api_on_request,
                                           .http_error = http_api_on_error,
                                           .init_connection = http_api_on_connection,
                                           .log_message = http_api_on_message};
    api->civetweb = mg_start(&callbacks, api, civetweb_options);
    if (api->civetweb == NULL) {
        return HTTP_API_CANNOT_LISTEN;
    }
    if (mg_get_server_ports(api->civetweb, 1, &port) != 1) {
        mg_stop(api->civetweb);
        return HTTP_API_CANNOT_LISTEN;
    }
    api->port = port.port;
    atomic_store(&api->is_open, true);
    return HTTP_API_OK;
}

enum http_api_status http_api_open(const struct http_api_options *options, struct http_api **out,
                                   char *error, size_t error_size)
{
    struct http_api *api = calloc(1, sizeof(*api));
    if (api == NULL) {
        (void)snprintf(error, error_size, "memory ran out");
        return HTTP_API_NO_MEMORY;
    }
    api->endpoints.ops = options->ops;
    api->endpoints.ctx = options->ctx;
    api->endpoints.admin_token = *options->admin_token;
    api->endpoints.zone_offset_s = options->zone_offset_s;
    api->request_ms = options->request_ms > 0 ? options->request_ms : HTTP_API_REQUEST_MS;
    api->idle_ms = api->request_ms < HTTP_API_IDLE_MS ? api->request_ms : HTTP_API_IDLE_MS;
    (void)mg_init_library(0); /* 0: no TLS */
    enum http_api_status status = http_api_start(api, options);
    if (status != HTTP_API_OK) {
        (void)snprintf(error, error_size, "cannot listen on %s:%d: %s", options->host,
                       options->port, api->open_error);
        (void)mg_exit_library();
        secret_clear(&api->endpoints.admin_token);
        free(api);
        return status;
    }
    *out = api;
    return HTTP_API_OK;
}

int http_api_port(const struct http_api *api)
{
    return api->port;
}

void http_api_close(struct http_api *api)
{
    if (api == NULL) {
        return;
    }
    mg_stop(api->civetweb);
    (void)mg_exit_library();
    secret_clear(&api->endpoints.admin_token);
    free(api);
}
