/*
 * pg_http_internal.h - what the files of pg_http share. Not for others.
 *
 *   pg_http.c           peers, their waiting calls, the loop
 *   pg_http_loop.c      libcurl's sockets and timer
 *   pg_http_transfer.c  one request and its answer on an easy handle
 *   pg_http_memory.c    libcurl's memory, wiped when it is freed
 */
#ifndef FAREBOX_PG_HTTP_INTERNAL_H
#define FAREBOX_PG_HTTP_INTERNAL_H

#include "pg_http.h"

#include <curl/curl.h>

/* A longer body is no answer of the protocol; nor are more bytes of header lines. */
#define PG_HTTP_BODY_MAX   (64U << 10)
#define PG_HTTP_HEADER_MAX (64U << 10)

struct peer;

/* One easy handle: used for one call after the other. */
struct transfer {
    struct peer *peer;
    CURL *easy;
    struct curl_slist *headers;
    struct pg_http_call *call;  /* NULL: it is free */
    struct transfer *next_free; /* while free */
    struct transfer *next_made;
    uint32_t sends;    /* how often libcurl was let send the request */
    bool is_late;      /* broken off because of the send limit */
    bool is_too_large; /* broken off because of the answer's size */
    size_t header_len;
    size_t body_len;
    struct pg_request request;
    char body[PG_HTTP_BODY_MAX];
};

/* Calls in the order in which they came. */
struct waiting {
    struct pg_http_call *first;
    struct pg_http_call *last;
};

struct peer {
    struct pg_http *http;
    const struct pg_http_peer_options *options;
    struct waiting settling; /* look-ups and cancels: they go first */
    struct waiting waiting;
    struct transfer *made; /* all of them, at most options->connections */
    struct transfer *free;
    uint32_t made_count;
    uint32_t busy_count; /* those that are not free */
};

#define LOOP_NO_TIMER INT64_MIN

struct loop {
    int epoll_fd;
    int wakeup_fd;
    int64_t timer_ms; /* when libcurl wants to be called, by a clock of the loop's own */
};

struct pg_http {
    struct pg_http_options options;
    CURLM *multi;
    struct loop loop;
    struct peer peers[PG_HTTP_PEERS];
    int64_t performed_ms;
    int64_t swept_ms;       /* when charges that left too late were looked for */
    bool is_account_proven; /* a Payment object of options.account came with this key */
};

/* pg_http_transfer.c. NULL: no memory. */
struct transfer *transfer_new(struct peer *peer);
void transfer_free(struct transfer *transfer);
/* Begins the call. False: it can't be rendered, or there is no memory; the transfer stays free. */
bool transfer_start(struct transfer *transfer, struct pg_http_call *call);
/* Takes the handle out of the multi, judges, wipes; the transfer is free. Returns its call. */
struct pg_http_call *transfer_finish(struct transfer *transfer, CURLcode result,
                                     struct pg_http_answer *answer);
/* A charge that has not left whole by its send limit, and is to be broken off: it is finished with
 * CURLE_ABORTED_BY_CALLBACK. */
bool transfer_is_stuck(struct transfer *transfer);
/* The answer to a call of which no byte left. */
void transfer_not_sent(const struct pg_http_call *call, struct pg_http_answer *answer);

/* pg_http.c: the time limit of a call's kind. */
int32_t pg_http_limit_ms(const struct pg_http *http, const struct pg_http_call *call);

/* pg_http_loop.c. False: `loop` is to be closed. */
bool loop_open(struct loop *loop, CURLM *multi);
/* After the multi's clean-up. */
void loop_close(struct loop *loop);
/* Waits for sockets, the timer or a wakeup, and carries on the transfers that they are for. */
void loop_run(struct loop *loop, CURLM *multi, int timeout_ms);
/* Any thread. */
void loop_wakeup(struct loop *loop);

/* pg_http_memory.c */
bool pg_http_memory_init(void);

#endif
