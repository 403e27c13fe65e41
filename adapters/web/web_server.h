/*
 * web_server.h - HTTP/1.1 on civetweb: requests with bounded bodies in, answers out.
 *
 * web_server.c is the one file that includes civetweb.h. What a path means is the handler's to
 * say. There is no document root, no file is ever served, no form is parsed, and there is no TLS:
 * that is a proxy's work.
 *
 * Threads and blocking: civetweb brings its own threads, and one connection holds one of them for
 * as long as it lives. The handler is called on these threads, several at once. It may block, but
 * only for a bounded time, because web_server_close() waits for it. A client that sends slowly is
 * cut off after `request_ms`, an idle one after `idle_ms`.
 * Signals: the threads inherit the mask of the caller of web_server_open().
 */
#ifndef FAREBOX_WEB_SERVER_H
#define FAREBOX_WEB_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WEB_URI_MAX     4096  /* bytes of path and query */
#define WEB_HEAD_MAX    16384 /* bytes of request line and headers */
#define WEB_HEADERS_MAX 512   /* bytes of header lines that a handler adds, with the NUL */

/* What is wrong with how a request came; the handler only words the answer. */
enum web_problem {
    WEB_PROBLEM_NONE = 0,
    WEB_PROBLEM_MALFORMED,     /* 400 */
    WEB_PROBLEM_SLOW,          /* 408 */
    WEB_PROBLEM_LENGTH_NEEDED, /* 411 */
    WEB_PROBLEM_BODY_LONG,     /* 413 */
    WEB_PROBLEM_URI_LONG,      /* 414 */
    WEB_PROBLEM_HEAD_LONG,     /* 431 */
    WEB_PROBLEM_VERSION,       /* 505 */
};

/* Texts live for the call. */
struct web_request {
    enum web_problem problem; /* not NONE: only `path` may be of use, and there is no body */
    const char *method;       /* "" where the request could not be read */
    const char *path;         /* as sent: percent-encoded, without the query; NULL: not readable */
    const char *query;        /* as sent, without '?'; NULL: none */
    const char *body;         /* NUL-terminated; NULL unless the handler wants bodies */
    size_t body_len;
    const void *headers; /* for web_request_header() */
};

/* How the answer goes over the wire. All but the first two end the connection. */
enum web_wire {
    WEB_WIRE_LENGTH = 0, /* with Content-Length, in one write */
    WEB_WIRE_CHUNKED,    /* in chunks of `piece` bytes; HTTP/1.0 clients get WEB_WIRE_LENGTH */
    WEB_WIRE_NOTHING,    /* not one byte */
    WEB_WIRE_HALF,       /* with Content-Length, but only half of the body */
    WEB_WIRE_CHUNK_CUT,  /* chunked, but the last chunk ends early */
    WEB_WIRE_DRIP,       /* with Content-Length, a byte each `piece` milliseconds */
};

struct web_response {
    int status;
    const char *content_type; /* static */
    char *body;               /* malloc'ed, owned; NULL: memory ran out, a text says so */
    size_t body_len;
    char headers[WEB_HEADERS_MAX]; /* lines that each end with \r\n */
    enum web_wire wire;
    uint32_t piece;
    bool must_close; /* the connection cannot be used again; set before the handler is called */
    int tag;         /* the handler's, for `ended` */
};

struct web_handler {
    /* Fills the answer. Called on civetweb's threads, several at once. */
    void (*answer)(void *ctx, const struct web_request *request, struct web_response *response);
    /* After each answered request. NULL: nobody listens. Must not block. */
    void (*ended)(void *ctx, int tag, int status, int64_t elapsed_us);
    /* A message of civetweb's own, for a log. NULL: nobody reads them. */
    void (*complain)(void *ctx, const char *message);
    /* Waits for so long, for WEB_WIRE_DRIP; false: the server ends. NULL: drips at once. */
    bool (*pause)(void *ctx, int64_t ms);
};

struct web_options {
    const struct web_handler *handler; /* must outlive the server */
    void *ctx;
    const char *host;   /* numeric IPv4; copied */
    int port;           /* 0: any free one */
    int threads;        /* so many connections are served at one time */
    int waiting;        /* so many more may wait for a thread; 0: civetweb's 20 */
    size_t stack_bytes; /* of each thread; 0: the system's */
    int request_ms;     /* for a request's head, then for its body */
    int idle_ms;        /* between requests of one connection */
    int64_t body_max;
    bool wants_body; /* false: bodies are read and forgotten */
};

struct web_server;

enum web_status {
    WEB_OK = 0,
    WEB_NO_MEMORY,
    WEB_CANNOT_LISTEN, /* port taken, address not ours, not permitted, no threads */
};

/*
 * Listens and serves. On failure `*server` is untouched and `error` (of `error_size` bytes) says
 * why in one line. On success the handler may be called before this returns.
 */
__attribute__((warn_unused_result)) enum web_status
web_server_open(const struct web_options *options, struct web_server **server, char *error,
                size_t error_size);

/* The port that it listens on, also where 0 was asked for. */
int web_server_port(const struct web_server *server);

/*
 * Stops listening, cuts connections that wait, lets handlers that run return, ends all threads.
 * Blocks for about 3 s at most, plus the longest handler. NULL is allowed.
 */
void web_server_close(struct web_server *server);

/* The first value of a header; NULL: it is absent. Lives for the request. */
const char *web_request_header(const struct web_request *request, const char *name);

/* "Not Found" for 404; "Error" for a status that is not known here. */
const char *web_status_phrase(int status);

#endif
