/*
 * http_fixture.h - an HTTP API with a driver whose answers the test sets, and a raw client.
 */
#ifndef FAREBOX_HTTP_FIXTURE_H
#define FAREBOX_HTTP_FIXTURE_H

#include "http_api.h"

#include <jansson.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#define FIXTURE_TOKEN         "0123456789abcdef-token"
#define FIXTURE_RETRY_ALL     "/api/payments/admin/failed-events/retry-all"
#define FIXTURE_AUTHORIZATION "Authorization: Bearer " FIXTURE_TOKEN "\r\n"

/* What the driver answers, and what it was asked. */
struct fixture {
    struct http_api *api;
    enum http_read_status read_status;
    enum http_retry_status retry_status;
    enum http_ignore_status ignore_status;
    enum http_operator_status operator_status;
    struct http_payment payment;
    struct http_health health;
    size_t metrics_bytes; /* of the text that it writes */
    char asked_trip_id[HTTP_API_TEXT_SIZE];
    char asked_topic[HTTP_API_TEXT_SIZE]; /* "(all)" for NULL */
    int64_t asked_event_id;
    enum http_operator_op asked_op;
    enum http_health_kind asked_kind;
    atomic_int calls; /* of any callback but request_ended */
    atomic_int ended; /* calls of request_ended since fixture_open() */
};

/* `token` NULL: admin is off. `request_ms` 0: the default. Stops the test where it fails. */
void fixture_open(struct fixture *fixture, const char *token, int request_ms);
/* Back to the answers of the beginning; the API stays open, as closing takes civetweb 2 s. */
void fixture_reset(struct fixture *fixture);
void fixture_close(struct fixture *fixture);

/* For a test that sends otherwise than by client_send(): what it set before, the driver sees. */
void fixture_pass(void);

struct reply {
    int status; /* 0: the connection ended without an answer */
    size_t head_len;
    size_t body_len;
    char head[4096];
    char *body; /* NUL-terminated */
};

/* A connected socket; every read on it gives up after 20 s. */
int client_open(const struct fixture *fixture);
void client_send(int fd, const void *bytes, size_t len);
void client_send_text(int fd, const char *text);
/* False where the other side has closed already. */
bool client_try_send(int fd, const void *bytes, size_t len);
/* A POST of retry-all with this Content-Length; `sent` bytes of the body follow. */
void client_post(int fd, const char *content_length, size_t sent);
/* One answer, by its Content-Length; `has_body` false: an answer to HEAD. */
void client_receive(int fd, struct reply *reply, bool has_body);
/* True where the other side ends the connection without another byte. */
bool client_is_ended(int fd);

/* Frees what client_receive() put there. */
void reply_clear(struct reply *reply);
/* The header's value, copied to `value`; "" where it is absent. */
void reply_header(const struct reply *reply, const char *name, char *value, size_t size);

/* Sends the text on a connection of its own, takes one answer, and closes. */
void ask(const struct fixture *fixture, const char *text, struct reply *reply);
/* The same for a request without body: "GET /path", with these header lines. */
void ask_line(const struct fixture *fixture, const char *line, const char *headers,
              struct reply *reply);

/* The answer is a problem as RFC 9457 has it, with this status, type and instance. Clears it. */
void assert_problem(struct reply *reply, int status, const char *type, const char *instance);
/* The answer's JSON; the caller releases it. Clears the reply. */
json_t *reply_json(struct reply *reply, int status);

#endif
