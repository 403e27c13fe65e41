/*
 * http_api.h - the HTTP API of CONTRACTS 4.
 *
 * The server beneath is adapters/web. This parses requests, checks the bearer
 * token, renders JSON and RFC 9457 problems; what an endpoint knows or does is behind
 * struct http_api_ops, which the driver implements. There is no document root, no file is ever
 * served, no form is parsed, and there is no TLS: that is a proxy's work.
 *
 * Threads and blocking: civetweb brings its own threads, HTTP_API_THREADS at most, and one
 * connection holds one of them for as long as it lives. The callbacks are called on these
 * threads, several at once. They may block, but only for a bounded time, because
 * http_api_close() waits for them. A client that sends slowly is cut off after
 * HTTP_API_REQUEST_MS (an idle one after HTTP_API_IDLE_MS), so as many slow clients as there are
 * threads can delay others by that long: keep the port inside the network.
 * Signals: the threads inherit the mask of the caller of http_api_open(); block what only the
 * main thread shall see.
 */
#ifndef FAREBOX_HTTP_API_H
#define FAREBOX_HTTP_API_H

#include "secret.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define HTTP_API_THREADS        16
#define HTTP_API_REQUEST_MS     10000 /* for a request's head, then for its body */
#define HTTP_API_IDLE_MS        5000  /* between requests of one connection */
#define HTTP_API_URI_MAX        4096  /* bytes; more: 414 */
#define HTTP_API_HEAD_MAX       16384 /* bytes of request line and headers; more: 431 */
#define HTTP_API_BODY_MAX       65536 /* bytes; bodies are read and ignored; more: 413 */
#define HTTP_API_ID_MAX         255   /* bytes of a trip id, CONTRACTS 1 */
#define HTTP_API_TOPIC_MAX      249   /* bytes of a topic, Kafka's limit */
#define HTTP_API_TEXT_SIZE      256   /* of the texts below, with the NUL */
#define HTTP_API_COMPONENTS_MAX 16

/* An instant that is unset. The same value as store.h's AGE_NONE. */
#define HTTP_API_NO_INSTANT INT64_MIN

/* A payment as GET shows it. Texts are NUL-terminated ASCII. */
struct http_payment {
    char payment_id[40];
    char trip_id[HTTP_API_TEXT_SIZE];
    char pg_transaction_id[HTTP_API_TEXT_SIZE]; /* "": unset */
    const char *status;                         /* a static name */
    int64_t amount_krw;
    int64_t requested_at_ms; /* Unix ms, UTC, or HTTP_API_NO_INSTANT */
    int64_t completed_at_ms;
};

enum http_read_status { HTTP_READ_FOUND = 1, HTTP_READ_ABSENT, HTTP_READ_UNAVAILABLE };

struct http_retry_result {
    uint64_t retried;
    uint64_t refused;
};

enum http_retry_status { HTTP_RETRY_DONE = 1, HTTP_RETRY_BUSY, HTTP_RETRY_UNAVAILABLE };

enum http_ignore_status {
    HTTP_IGNORE_DONE = 1,
    HTTP_IGNORE_NOT_PENDING, /* 409 */
    HTTP_IGNORE_UNKNOWN,     /* 404 */
    HTTP_IGNORE_BUSY,        /* 503, Retry-After: a unit of this row is outstanding */
    HTTP_IGNORE_UNAVAILABLE, /* 503, Retry-After: the store does not answer */
};

/* What an operator may do with a payment that is UNKNOWN (LIFE, "Rescue"). */
enum http_operator_op { HTTP_OPERATOR_REFUND = 1, HTTP_OPERATOR_ADOPT };
enum http_operator_status {
    HTTP_OPERATOR_DONE = 1,
    HTTP_OPERATOR_CONFLICT,    /* 409: not UNKNOWN, or what the PG says forbids it */
    HTTP_OPERATOR_ABSENT,      /* 404 */
    HTTP_OPERATOR_BUSY,        /* 503, Retry-After: somebody works on this payment */
    HTTP_OPERATOR_UNAVAILABLE, /* 503, Retry-After: store or PG did not answer in time */
};

/* ALL: /actuator/health, what a person wants to see. */
enum http_health_kind { HTTP_HEALTH_ALL = 1, HTTP_HEALTH_LIVENESS, HTTP_HEALTH_READINESS };

struct http_component {
    const char *name; /* static, unique */
    bool is_up;
    char detail[128]; /* UTF-8, "": none; never a secret */
};

/* UP where every component is up; no components: UP. */
struct http_health {
    uint32_t count;
    struct http_component components[HTTP_API_COMPONENTS_MAX];
};

/* What endpoint a request was for; the label of request metrics, so its values are bounded. */
enum http_endpoint {
    HTTP_ENDPOINT_NONE = 0, /* no such path, or not even a request */
    HTTP_ENDPOINT_PAYMENTS,
    HTTP_ENDPOINT_RETRY_ALL,
    HTTP_ENDPOINT_IGNORE,
    HTTP_ENDPOINT_REFUND,
    HTTP_ENDPOINT_ADOPT,
    HTTP_ENDPOINT_HEALTH,
    HTTP_ENDPOINT_LIVENESS,
    HTTP_ENDPOINT_READINESS,
    HTTP_ENDPOINT_METRICS,
    HTTP_ENDPOINT_COUNT
};

/*
 * What the driver gives. Every slot is called on a civetweb thread, several at once, and must
 * return in bounded time. Texts that it is given live for the call.
 */
struct http_api_ops {
    /* Reads the trip's payment. FOUND: `payment` is filled. Otherwise it is ignored. Idempotent.
     * `trip_id`: 1 to HTTP_API_ID_MAX printable ASCII bytes, and a NUL. */
    enum http_read_status (*read_payment)(void *ctx, const char *trip_id, size_t len,
                                          struct http_payment *payment);
    /* Sends pending dead letters back to their topics. `topic` NULL: of all. DONE: `result` says
     * how many. BUSY: another retry-all runs. Repeating it is harmless. */
    enum http_retry_status (*retry_all)(void *ctx, const char *topic,
                                        struct http_retry_result *result);
    /* PENDING -> IGNORED. `event_id` >= 1. A second call answers NOT_PENDING. */
    enum http_ignore_status (*ignore)(void *ctx, int64_t event_id);
    /* Refunds or adopts the trip's payment after a look-up at the PG. `trip_id` as above. DONE: it
     * is durable, for a refund perhaps only as an intent whose cancel is being sent. Repeating it
     * is harmless: the payment is no longer UNKNOWN then. */
    enum http_operator_status (*operate)(void *ctx, enum http_operator_op op, const char *trip_id,
                                         size_t len);
    /* Says how the process is; must not wait for anything. */
    void (*health)(void *ctx, enum http_health_kind kind, struct http_health *health);
    /* Writes Prometheus text to `out`, which is memory. */
    void (*metrics)(void *ctx, FILE *out);
    /* After each answered request, for metrics. NULL: nobody listens. Must not block. */
    void (*request_ended)(void *ctx, enum http_endpoint endpoint, int http_status,
                          int64_t elapsed_us);
};

struct http_api_options {
    const struct http_api_ops *ops;           /* must outlive the API */
    void *ctx;                                /* given to every callback */
    const char *host;                         /* numeric IPv4, e.g. "127.0.0.1"; copied */
    int port;                                 /* 0: any free one */
    const struct secret *admin_token;         /* copied; unset: admin is off (403) */
    int32_t (*zone_offset_s)(int64_t unix_s); /* local date-times in answers; any thread */
    int request_ms;                           /* 0: HTTP_API_REQUEST_MS; tests use less */
};

struct http_api;

enum http_api_status {
    HTTP_API_OK = 0,
    HTTP_API_NO_MEMORY,
    HTTP_API_CANNOT_LISTEN, /* port taken, address not ours, not permitted */
};

/*
 * Listens and serves. On failure `*api` is untouched and `error` (of `error_size` bytes) says why
 * in one line. On success the callbacks may be called before this returns.
 */
__attribute__((warn_unused_result)) enum http_api_status
http_api_open(const struct http_api_options *options, struct http_api **api, char *error,
              size_t error_size);

/* The port that it listens on, also where 0 was asked for. */
int http_api_port(const struct http_api *api);

/*
 * Stops listening, cuts connections that wait, lets callbacks that run return, ends all threads.
 * Blocks for about 3 s at most, plus the longest callback. NULL is allowed.
 */
void http_api_close(struct http_api *api);

/* The endpoint's name for labels and logs: "payments", "none", ... */
const char *http_endpoint_name(enum http_endpoint endpoint);

#endif
