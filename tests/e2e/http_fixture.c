#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/*
 * The test sets answers, sends, the driver reads them and notes what it was asked, the test
 * receives and looks: in this order, but through sockets, which thread sanitizers do not see.
 * Passing this lock at each of the four says so.
 */
static pthread_mutex_t fixture_mutex = PTHREAD_MUTEX_INITIALIZER;

static void fixture_lock(void)
{
    (void)pthread_mutex_lock(&fixture_mutex);
}

static void fixture_unlock(void)
{
    (void)pthread_mutex_unlock(&fixture_mutex);
}

void fixture_pass(void)
{
    fixture_lock();
    fixture_unlock();
}

static enum http_read_status driver_read_payment(void *ctx, const char *trip_id, size_t len,
                                                 struct http_payment *payment)
{
    struct fixture *fixture = ctx;
    (void)atomic_fetch_add(&fixture->calls, 1);
    fixture_lock();
    enum http_read_status status = fixture->read_status;
    if (status == HTTP_READ_FOUND) {
        *payment = fixture->payment;
    }
    (void)snprintf(fixture->asked_trip_id, sizeof(fixture->asked_trip_id), "%.*s", (int)len,
                   trip_id);
    fixture_unlock();
    return status;
}

static enum http_retry_status driver_retry_all(void *ctx, const char *topic,
                                               struct http_retry_result *result)
{
    struct fixture *fixture = ctx;
    (void)atomic_fetch_add(&fixture->calls, 1);
    fixture_lock();
    (void)snprintf(fixture->asked_topic, sizeof(fixture->asked_topic), "%s",
                   topic != NULL ? topic : "(all)");
    enum http_retry_status status = fixture->retry_status;
    fixture_unlock();
    result->retried = 12;
    result->refused = 3;
    return status;
}

static enum http_ignore_status driver_ignore(void *ctx, int64_t event_id)
{
    struct fixture *fixture = ctx;
    (void)atomic_fetch_add(&fixture->calls, 1);
    fixture_lock();
    fixture->asked_event_id = event_id;
    enum http_ignore_status status = fixture->ignore_status;
    fixture_unlock();
    return status;
}

static enum http_operator_status driver_operate(void *ctx, enum http_operator_op op,
                                                const char *trip_id, size_t len)
{
    struct fixture *fixture = ctx;
    (void)atomic_fetch_add(&fixture->calls, 1);
    fixture_lock();
    fixture->asked_op = op;
    (void)snprintf(fixture->asked_trip_id, sizeof(fixture->asked_trip_id), "%.*s", (int)len,
                   trip_id);
    enum http_operator_status status = fixture->operator_status;
    fixture_unlock();
    return status;
}

static void driver_health(void *ctx, enum http_health_kind kind, struct http_health *health)
{
    struct fixture *fixture = ctx;
    (void)atomic_fetch_add(&fixture->calls, 1);
    fixture_lock();
    fixture->asked_kind = kind;
    *health = fixture->health;
    fixture_unlock();
}

static void driver_metrics(void *ctx, FILE *out)
{
    struct fixture *fixture = ctx;
    (void)atomic_fetch_add(&fixture->calls, 1);
    fixture_lock();
    size_t bytes = fixture->metrics_bytes;
    fixture_unlock();
    for (size_t i = 0; i < bytes; i++) {
        (void)fputc(i % 64 == 63 ? '\n' : '#', out);
    }
}

static void driver_request_ended(void *ctx, enum http_endpoint endpoint, int http_status,
                                 int64_t elapsed_us)
{
    struct fixture *fixture = ctx;
    if (endpoint < HTTP_ENDPOINT_COUNT && elapsed_us >= 0 && http_status >= 200) {
        (void)atomic_fetch_add(&fixture->ended, 1);
    }
}

static const struct http_api_ops driver_ops = {
    driver_read_payment, driver_retry_all, driver_ignore,       driver_operate,
    driver_health,       driver_metrics,   driver_request_ended};

void fixture_reset(struct fixture *fixture)
{
    fixture_lock();
    memset(&fixture->payment, 0, sizeof(fixture->payment));
    memset(&fixture->health, 0, sizeof(fixture->health));
    fixture->read_status = HTTP_READ_ABSENT;
    fixture->retry_status = HTTP_RETRY_DONE;
    fixture->ignore_status = HTTP_IGNORE_DONE;
    fixture->operator_status = HTTP_OPERATOR_DONE;
    fixture->metrics_bytes = 640;
    fixture->asked_trip_id[0] = '\0';
    fixture->asked_topic[0] = '\0';
    fixture->asked_event_id = 0;
    fixture_unlock();
    atomic_store(&fixture->calls, 0);
}

static int32_t seoul(int64_t unix_s)
{
    (void)unix_s;
    return 9 * 3600;
}

void fixture_open(struct fixture *fixture, const char *token, int request_ms)
{
    struct secret secret;
    char error[256] = "";
    memset(fixture, 0, sizeof(*fixture));
    fixture_reset(fixture);
    secret_init(&secret);
    if (token != NULL) {
        assert_int_equal(secret_from_bytes(&secret, &secret_rule_token, token, strlen(token)),
                         SECRET_OK);
    }
    const struct http_api_options options = {.ops = &driver_ops,
                                             .ctx = fixture,
                                             .host = "127.0.0.1",
                                             .port = 0,
                                             .admin_token = &secret,
                                             .zone_offset_s = seoul,
                                             .request_ms = request_ms};
    if (http_api_open(&options, &fixture->api, error, sizeof(error)) != HTTP_API_OK) {
        fail_msg("%s", error);
    }
    assert_in_range(http_api_port(fixture->api), 1, 65535);
}

void fixture_close(struct fixture *fixture)
{
    http_api_close(fixture->api);
}

int client_open(const struct fixture *fixture)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)http_api_port(fixture->api)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct timeval limit = {20, 0};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

bool client_try_send(int fd, const void *bytes, size_t len)
{
    fixture_pass();
    for (size_t sent = 0; sent < len;) {
        ssize_t n = send(fd, (const char *)bytes + sent, len - sent, MSG_NOSIGNAL);
        if (n <= 0) {
            return false;
        }
        sent += (size_t)n;
    }
    return true;
}

void client_send(int fd, const void *bytes, size_t len)
{
    assert_true(client_try_send(fd, bytes, len));
}

void client_send_text(int fd, const char *text)
{
    client_send(fd, text, strlen(text));
}

/* A POST of retry-all with this Content-Length; `sent` bytes of the body follow. */
void client_post(int fd, const char *content_length, size_t sent)
{
    char head[512];
    char *body = calloc(1, sent + 1);
    assert_non_null(body);
    (void)snprintf(head, sizeof(head),
                   "POST " FIXTURE_RETRY_ALL " HTTP/1.1\r\nHost: x\r\n" FIXTURE_AUTHORIZATION
                   "Content-Length: %s\r\n\r\n",
                   content_length);
    client_send_text(fd, head);
    (void)client_try_send(fd, body, sent);
    free(body);
}

static void client_receive_head(int fd, struct reply *reply)
{
    while (reply->head_len < 4 || memcmp(reply->head + reply->head_len - 4, "\r\n\r\n", 4) != 0) {
        assert_true(reply->head_len < sizeof(reply->head) - 1);
        ssize_t n = recv(fd, reply->head + reply->head_len, 1, 0);
        if (n < 0 && errno == EAGAIN) {
            fail_msg("no answer within 20 s");
        }
        if (n <= 0) {
            assert_int_equal(reply->head_len, 0);
            return;
        }
        reply->head_len++;
    }
    reply->head[reply->head_len] = '\0';
    assert_int_equal(sscanf(reply->head, "HTTP/1.1 %3d ", &reply->status), 1);
}

void client_receive(int fd, struct reply *reply, bool has_body)
{
    char length[32];
    memset(reply, 0, sizeof(*reply));
    client_receive_head(fd, reply);
    fixture_pass();
    if (reply->status == 0 || reply->status == 100) {
        return;
    }
    reply_header(reply, "Content-Length", length, sizeof(length));
    assert_true(length[0] != '\0');
    reply->body_len = has_body ? strtoul(length, NULL, 10) : 0;
    reply->body = calloc(1, reply->body_len + 1);
    assert_non_null(reply->body);
    for (size_t got = 0; got < reply->body_len;) {
        ssize_t n = recv(fd, reply->body + got, reply->body_len - got, 0);
        assert_true(n > 0);
        got += (size_t)n;
    }
}

bool client_is_ended(int fd)
{
    char byte;
    ssize_t n = recv(fd, &byte, 1, 0);
    return n == 0 || (n < 0 && errno == ECONNRESET);
}

void reply_clear(struct reply *reply)
{
    free(reply->body);
    reply->body = NULL;
}

void reply_header(const struct reply *reply, const char *name, char *value, size_t size)
{
    size_t name_len = strlen(name);
    value[0] = '\0';
    for (const char *at = strstr(reply->head, "\r\n"); at != NULL; at = strstr(at, "\r\n")) {
        at += 2;
        if (strncasecmp(at, name, name_len) == 0 && at[name_len] == ':') {
            (void)snprintf(value, size, "%.*s", (int)strcspn(at + name_len + 2, "\r"),
                           at + name_len + 2);
            return;
        }
    }
}

void ask(const struct fixture *fixture, const char *text, struct reply *reply)
{
    int fd = client_open(fixture);
    (void)client_try_send(fd, text, strlen(text));
    client_receive(fd, reply, strncmp(text, "HEAD ", 5) != 0);
    (void)close(fd);
}

void ask_line(const struct fixture *fixture, const char *line, const char *headers,
              struct reply *reply)
{
    char text[2048];
    (void)snprintf(text, sizeof(text), "%s HTTP/1.1\r\nHost: farebox\r\n%s\r\n", line, headers);
    ask(fixture, text, reply);
}

json_t *reply_json(struct reply *reply, int status)
{
    if (reply->status != status) {
        fail_msg("status %d instead of %d: %s", reply->status, status,
                 reply->body != NULL ? reply->body : "(nothing)");
    }
    json_t *json = json_loadb(reply->body, reply->body_len, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(json);
    reply_clear(reply);
    return json;
}

void assert_problem(struct reply *reply, int status, const char *type, const char *instance)
{
    char content_type[64];
    char uri[128];
    reply_header(reply, "Content-Type", content_type, sizeof(content_type));
    json_t *json = reply_json(reply, status);
    assert_string_equal(content_type, "application/problem+json");
    (void)snprintf(uri, sizeof(uri), "urn:farebox:problem:%s", type);
    assert_string_equal(json_string_value(json_object_get(json, "type")), uri);
    assert_int_equal(json_integer_value(json_object_get(json, "status")), status);
    assert_true(json_string_length(json_object_get(json, "title")) > 0);
    assert_true(json_string_length(json_object_get(json, "detail")) > 0);
    assert_string_equal(json_string_value(json_object_get(json, "instance")), instance);
    json_decref(json);
}
