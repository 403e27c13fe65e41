/*
 * web_server.c - the one file that includes civetweb.h.
 *
 * What is done here against defects of civetweb 1.15 (read in its source):
 * - everything is answered in begin_request, so its own code for files, forms, WebDAV, CORS and
 *   WebSockets is never reached;
 * - after a body that was not read the connection must not be used again: where the length is
 *   near 2^63 civetweb's sum overflows, and it would take the body for the next request. See
 *   web_finish();
 * - it stops reading headers, without an error, at the 65th and at a line that begins oddly, so a
 *   Content-Length behind it would be lost. See web_head_is_whole();
 * - the time for a body is bounded here, as civetweb starts its clock anew with each byte.
 */
#include "web_server.h"

#include "web_wire.h"

#include <civetweb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

/* Where civetweb itself gives up; below it our own, better answers apply. */
#define WEB_BUFFER_BYTES "65536"

struct web_server {
    struct web_handler handler;
    void *ctx;
    struct mg_context *civetweb;
    int port;
    int64_t request_ms;
    int64_t idle_ms;
    int64_t body_max;
    bool wants_body;
    atomic_bool is_open; /* civetweb's messages go to the handler; before: to open_error */
    char open_error[200];
};

static int64_t web_now_us(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static struct web_server *web_of(const struct mg_connection *conn)
{
    return mg_get_user_data(mg_get_context(conn));
}

/*
 * Since when the connection waits for a request, and whether it had one before: in the pointer
 * that civetweb keeps for each connection, so that nothing has to be freed.
 */
static void *web_waiting_since(int64_t now_us, bool had_request)
{
    return (void *)(uintptr_t)((uint64_t)(now_us / 1000) << 1 | (had_request ? 1U : 0U));
}

static bool web_is_late(const struct web_server *server, const struct mg_connection *conn)
{
    uint64_t since = (uint64_t)(uintptr_t)mg_get_user_connection_data(conn);
    int64_t limit_ms = (since & 1U) != 0 ? server->idle_ms : server->request_ms;
    return web_now_us() / 1000 - (int64_t)(since >> 1) >= limit_ms;
}

/* How often the header is there, and its first value. */
static int web_header(const struct mg_request_info *info, const char *name, const char **value)
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
static bool web_keeps_alive(const struct mg_request_info *info)
{
    const char *wish = NULL;
    if (web_header(info, "Connection", &wish) > 0) {
        return strcasecmp(wish, "keep-alive") == 0;
    }
    return info->http_version != NULL && strcmp(info->http_version, "1.1") == 0;
}

/* A byte at a time, as the slowest of servers. */
static void web_drip(const struct web_server *server, struct mg_connection *conn, const char *bytes,
                     size_t len, int64_t each_ms)
{
    for (size_t i = 0; i < len; i++) {
        if (mg_write(conn, bytes + i, 1) != 1 ||
            (server->handler.pause != NULL && !server->handler.pause(server->ctx, each_ms))) {
            return;
        }
    }
}

static void web_send(const struct web_server *server, struct mg_connection *conn,
                     const struct web_response *response, struct web_wire_form form)
{
    size_t len = 0;
    size_t head_len = 0;
    char *all = web_wire_render(response, form, &len, &head_len);
    if (all == NULL) {
        return; /* the client sees the connection end */
    }
    if (response->wire == WEB_WIRE_DRIP) {
        (void)mg_write(conn, all, head_len);
        web_drip(server, conn, all + head_len, len - head_len, response->piece);
    } else {
        (void)mg_write(conn, all, len); /* one write: one segment for a short answer */
    }
    free(all);
}

/*
 * Reads up to `limit` bytes of the body into `body` (NULL: forgets them). A byte a call: with more,
 * civetweb waits for all of them, and starts its clock anew with each. False: late, or cut off.
 */
static bool web_read_body(struct mg_connection *conn, int64_t limit, int64_t end_us, char *body)
{
    char byte;
    for (int64_t i = 0; i < limit; i++) {
        if (mg_read(conn, &byte, 1) != 1 || web_now_us() >= end_us) {
            return false;
        }
        if (body != NULL) {
            body[i] = byte;
        }
    }
    return true;
}

/* The length of the body, or the problem with it. */
static enum web_problem web_body_len(const struct web_server *server,
                                     const struct mg_request_info *info, int64_t *len)
{
    const char *value = NULL;
    if (web_header(info, "Transfer-Encoding", &value) > 0) {
        return WEB_PROBLEM_LENGTH_NEEDED;
    }
    int count = web_header(info, "Content-Length", &value);
    *len = 0;
    if (count == 0) {
        return WEB_PROBLEM_NONE;
    }
    size_t digits = strspn(value, "0123456789");
    if (count > 1 || digits == 0 || value[digits] != '\0') {
        return WEB_PROBLEM_MALFORMED;
    }
    if (digits > 18 || strtoll(value, NULL, 10) > server->body_max) {
        return WEB_PROBLEM_BODY_LONG;
    }
    *len = strtoll(value, NULL, 10);
    return WEB_PROBLEM_NONE;
}

/*
 * Did civetweb read all headers? Behind the last one that it knows there must be the empty line
 * that ends the head, in the form in which its parser leaves it: line ends are overwritten with
 * NUL, and so is the last byte of the head. HTTP/1.1 needs exactly one Host (RFC 9112, 3.2); so
 * a head without any header is HTTP/1.0, and its connection is closed.
 */
static bool web_head_is_whole(const struct mg_request_info *info)
{
    static const char end[] = {'\0', '\0', '\r', '\0'};
    const char *host = NULL;
    int hosts = web_header(info, "Host", &host);
    if (hosts > 1 || (hosts == 0 && strcmp(info->http_version, "1.1") == 0)) {
        return false;
    }
    if (info->num_headers == 0) {
        return true;
    }
    const char *value = info->http_headers[info->num_headers - 1].value;
    return memcmp(value + strlen(value), end, sizeof(end)) == 0;
}

static enum web_problem web_check_head(const struct mg_request_info *info)
{
    size_t uri = strlen(info->local_uri_raw);
    uri += info->query_string != NULL ? strlen(info->query_string) + 1 : 0;
    if (uri > WEB_URI_MAX) {
        return WEB_PROBLEM_URI_LONG;
    }
    size_t head = uri + strlen(info->request_method) + sizeof("  HTTP/1.1\r\n\r\n");
    for (int i = 0; i < info->num_headers; i++) {
        head += strlen(info->http_headers[i].name) + strlen(info->http_headers[i].value) + 4;
    }
    if (head > WEB_HEAD_MAX) {
        return WEB_PROBLEM_HEAD_LONG;
    }
    return web_head_is_whole(info) ? WEB_PROBLEM_NONE : WEB_PROBLEM_MALFORMED;
}

/*
 * Reads head and body as far as they are wanted. What is wrong with them. The request's body is the
 * caller's to free, also with a problem.
 */
static enum web_problem web_receive(const struct web_server *server, struct mg_connection *conn,
                                    const struct mg_request_info *info, char **body, size_t *len)
{
    int64_t body_len = 0;
    const char *expected = NULL;
    enum web_problem problem = web_check_head(info);
    if (problem == WEB_PROBLEM_NONE) {
        problem = web_body_len(server, info, &body_len);
    }
    if (problem != WEB_PROBLEM_NONE || (body_len == 0 && !server->wants_body)) {
        return problem;
    }
    if (server->wants_body) {
        *body = calloc(1, (size_t)body_len + 1);
        *len = (size_t)body_len;
        if (*body == NULL) {
            return WEB_PROBLEM_BODY_LONG;
        }
    }
    if (body_len > 0 && web_header(info, "Expect", &expected) > 0 &&
        strcasecmp(expected, "100-continue") == 0) {
        static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
        (void)mg_write(conn, go_on, sizeof(go_on) - 1);
    }
    int64_t end_us = web_now_us() + server->request_ms * 1000;
    return web_read_body(conn, body_len, end_us, *body) ? WEB_PROBLEM_NONE : WEB_PROBLEM_SLOW;
}

/*
 * What the client still sends is read for a moment: closing a socket with unread bytes makes the
 * kernel send a reset, which can destroy the answer on its way.
 */
static void web_finish(const struct web_server *server, struct mg_connection *conn,
                       enum web_problem problem)
{
    if (problem == WEB_PROBLEM_BODY_LONG) {
        int64_t end_us = web_now_us() + server->request_ms * 1000;
        (void)web_read_body(conn, server->body_max, end_us, NULL);
    }
    mg_disable_connection_keep_alive(conn);
}

static void web_ended(const struct web_server *server, const struct web_response *response,
                      int64_t start_us)
{
    if (server->handler.ended != NULL) {
        server->handler.ended(server->ctx, response->tag, response->status,
                              web_now_us() - start_us);
    }
}

/* civetweb's begin_request. A positive result: answered, the connection may go on. */
static int web_on_request(struct mg_connection *conn)
{
    const struct mg_request_info *info = mg_get_request_info(conn);
    struct web_server *server = web_of(conn);
    int64_t start_us = web_now_us();
    char *body = NULL;
    struct web_request request = {.method = info->request_method,
                                  .path = info->local_uri_raw,
                                  .query = info->query_string,
                                  .headers = info};
    struct web_response response = {.status = 500, .content_type = "text/plain"};
    struct web_wire_form form = {.has_body = strcmp(info->request_method, "HEAD") != 0,
                                 .is_chunked = strcmp(info->http_version, "1.1") == 0};

    request.problem = web_receive(server, conn, info, &body, &request.body_len);
    request.body = body;
    response.must_close = request.problem != WEB_PROBLEM_NONE || !web_keeps_alive(info);
    server->handler.answer(server->ctx, &request, &response);
    free(body);
    int status = response.status;
    web_send(server, conn, &response, form);
    free(response.body);
    web_ended(server, &response, start_us);
    if (web_wire_must_close(&response)) {
        web_finish(server, conn, request.problem);
    }
    mg_set_user_connection_data(conn, web_waiting_since(web_now_us(), true));
    return status;
}

/* A method that civetweb does not know: it read the version, and not yet a header. */
static bool web_is_foreign_method(const struct mg_request_info *info, int status)
{
    return status == 400 && info->request_method != NULL && info->request_uri != NULL &&
           info->http_version != NULL && info->num_headers == 0 &&
           (strcmp(info->http_version, "1.1") == 0 || strcmp(info->http_version, "1.0") == 0);
}

/* The problem of a request that civetweb gave up. */
static enum web_problem web_error_problem(const struct web_server *server,
                                          const struct mg_connection *conn,
                                          const struct mg_request_info *info, int status)
{
    if (status == 505) {
        return WEB_PROBLEM_VERSION;
    }
    bool is_late = info != NULL && info->request_method == NULL && web_is_late(server, conn);
    return is_late ? WEB_PROBLEM_SLOW : WEB_PROBLEM_MALFORMED;
}

/* civetweb's http_error: what it could not read as a request. 0: answered; it closes. */
static int web_on_error(struct mg_connection *conn, int status, const char *message)
{
    const struct mg_request_info *info = mg_get_request_info(conn);
    struct web_server *server = web_of(conn);
    struct web_response response = {.status = 500, .content_type = "text/plain"};
    struct web_request request = {.method = ""};
    char path[WEB_URI_MAX + 1];
    int64_t start_us = web_now_us();

    (void)message;
    response.must_close = true;
    if (info != NULL && web_is_foreign_method(info, status)) {
        (void)snprintf(path, sizeof(path), "%.*s", (int)strcspn(info->request_uri, "?"),
                       info->request_uri);
        request.method = info->request_method;
        request.path = path;
    } else {
        request.problem = web_error_problem(server, conn, info, status);
    }
    server->handler.answer(server->ctx, &request, &response);
    response.tag = 0;
    web_send(server, conn, &response, (struct web_wire_form){.has_body = true});
    web_ended(server, &response, start_us);
    free(response.body);
    return 0;
}

static int web_on_connection(const struct mg_connection *conn, void **conn_data)
{
    (void)conn;
    *conn_data = web_waiting_since(web_now_us(), false);
    return 0;
}

static int web_on_message(const struct mg_connection *conn, const char *message)
{
    struct web_server *server = web_of(conn);
    if (server != NULL && !atomic_load(&server->is_open)) {
        if (server->open_error[0] == '\0') { /* the first message has the cause */
            (void)snprintf(server->open_error, sizeof(server->open_error), "%s", message);
        }
    } else if (server != NULL && server->handler.complain != NULL) {
        server->handler.complain(server->ctx, message);
    }
    return 1; /* civetweb shall not write it to stderr as well */
}

/* civetweb's settings, as texts. */
struct web_texts {
    char address[64];
    char threads[16];
    char waiting[16];
    char request_ms[16];
    char idle_ms[16];
};

static struct mg_context *web_start(struct web_server *server, const struct web_options *options,
                                    struct web_texts *texts)
{
    int waiting = options->waiting > 0 ? options->waiting : 20;
    (void)snprintf(texts->address, sizeof(texts->address), "%s:%d", options->host, options->port);
    (void)snprintf(texts->threads, sizeof(texts->threads), "%d", options->threads);
    (void)snprintf(texts->waiting, sizeof(texts->waiting), "%d", waiting);
    (void)snprintf(texts->request_ms, sizeof(texts->request_ms), "%d", options->request_ms);
    (void)snprintf(texts->idle_ms, sizeof(texts->idle_ms), "%d", options->idle_ms);
    /* No document_root, so that no path ever names a file. */
    const char *settings[] = {"listening_ports",
                              texts->address,
                              "num_threads",
                              texts->threads,
                              "connection_queue",
                              texts->waiting,
                              "listen_backlog",
                              waiting > 200 ? texts->waiting : "200",
                              "request_timeout_ms",
                              texts->request_ms,
                              "keep_alive_timeout_ms",
                              texts->idle_ms,
                              "enable_keep_alive",
                              "yes",
                              "tcp_nodelay",
                              "1",
                              "max_request_size",
                              WEB_BUFFER_BYTES,
                              "decode_url",
                              "no",
                              "enable_directory_listing",
                              "no",
                              "enable_auth_domain_check",
                              "no",
                              NULL};
    const struct mg_callbacks callbacks = {.begin_request = web_on_request,
                                           .http_error = web_on_error,
                                           .init_connection = web_on_connection,
                                           .log_message = web_on_message};
    return mg_start(&callbacks, server, settings);
}

/* civetweb's threads take the process's default stack: 8 MiB, of which they need a hundredth. */
static struct mg_context *web_start_threads(struct web_server *server,
                                            const struct web_options *options)
{
    struct web_texts texts;
    pthread_attr_t small;
    pthread_attr_t usual;
    if (options->stack_bytes == 0 || pthread_getattr_default_np(&usual) != 0) {
        return web_start(server, options, &texts);
    }
    if (pthread_attr_init(&small) == 0) {
        (void)pthread_attr_setstacksize(&small, options->stack_bytes);
        (void)pthread_setattr_default_np(&small);
        (void)pthread_attr_destroy(&small);
    }
    struct mg_context *started = web_start(server, options, &texts);
    (void)pthread_setattr_default_np(&usual);
    (void)pthread_attr_destroy(&usual);
    return started;
}

static enum web_status web_listen(struct web_server *server, const struct web_options *options)
{
    struct mg_server_port port;
    server->civetweb = web_start_threads(server, options);
    if (server->civetweb == NULL) {
        return WEB_CANNOT_LISTEN;
    }
    if (mg_get_server_ports(server->civetweb, 1, &port) != 1) {
        mg_stop(server->civetweb);
        return WEB_CANNOT_LISTEN;
    }
    server->port = port.port;
    atomic_store(&server->is_open, true);
    return WEB_OK;
}

enum web_status web_server_open(const struct web_options *options, struct web_server **out,
                                char *error, size_t error_size)
{
    struct web_server *server = calloc(1, sizeof(*server));
    if (server == NULL) {
        (void)snprintf(error, error_size, "memory ran out");
        return WEB_NO_MEMORY;
    }
    server->handler = *options->handler;
    server->ctx = options->ctx;
    server->request_ms = options->request_ms;
    server->idle_ms = options->idle_ms;
    server->body_max = options->body_max;
    server->wants_body = options->wants_body;
    (void)mg_init_library(0); /* 0: no TLS */
    enum web_status status = web_listen(server, options);
    if (status != WEB_OK) {
        (void)snprintf(error, error_size, "cannot listen on %s:%d: %s", options->host,
                       options->port, server->open_error);
        (void)mg_exit_library();
        free(server);
        return status;
    }
    *out = server;
    return WEB_OK;
}

int web_server_port(const struct web_server *server)
{
    return server->port;
}

void web_server_close(struct web_server *server)
{
    if (server == NULL) {
        return;
    }
    mg_stop(server->civetweb);
    (void)mg_exit_library();
    free(server);
}

const char *web_request_header(const struct web_request *request, const char *name)
{
    const char *value = NULL;
    if (request->headers != NULL) {
        (void)web_header(request->headers, name, &value);
    }
    return value;
}
