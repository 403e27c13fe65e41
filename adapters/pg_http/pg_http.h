/*
 * pg_http.h - calls to the PG, pricing and users over HTTP, on libcurl's multi interface.
 *
 * One thread drives everything: pg_http_wait() carries the transfers on and waits for sockets and
 * wakeups. A call waits in a list of its peer until one of the peer's transfers is free: their
 * number is bounded, so that many calls in flight cost little memory. Look-ups and cancels go
 * before charges: money that the PG may hold is settled first. A call's time limit begins when its
 * transfer begins.
 *
 * What holds for the PG: no byte of a charge leaves after send_by_ms, whether it waited here, for a
 * connection, or is sent again by libcurl because a kept connection turned out dead. (What the
 * kernel holds by then, unacknowledged, it sends again for charge_ms more at most.) NOT_SENT is
 * said only where libcurl never began to send. Certificates are always verified; redirects,
 * proxies of the environment and compressed bodies are not used.
 *
 * Ownership: a call and its texts are the caller's memory, and must stay as they are from
 * pg_http_call() until the call is answered or dropped.
 * Secrets: key and billing keys are in no text that `trouble` gets; memory that libcurl frees is
 * wiped first.
 */
#ifndef FAREBOX_PG_HTTP_H
#define FAREBOX_PG_HTTP_H

#include "pg_answer_codec.h"
#include "pg_request.h"
#include "upstream_codec.h"

struct pg_http;

enum pg_http_peer { PG_HTTP_PG, PG_HTTP_PRICING, PG_HTTP_USERS, PG_HTTP_PEERS };

struct pg_http_call {
    struct pg_request_call request;
    const char *traceparent; /* sent along where it looks like one; "": none */
    int64_t send_by_ms;      /* CHARGE: by the clock of the options; later no byte leaves */
    bool is_probe;           /* a LOOKUP of an order that does not exist */
    /* pg_http's own. */
    struct pg_http_call *next;
    int64_t since_ms;
};

/* Of the PG's calls `pg`, of the others' `upstream`. Handles are 0, texts live for the callback. */
struct pg_http_answer {
    struct pg_answer pg;
    struct pg_answer_texts pg_texts;
    struct upstream_answer upstream;
    struct upstream_texts upstream_texts;
};

struct pg_http_peer_options {
    const char *base_url;  /* http(s)://HOST[:PORT][/PATH], no '/' at its end; NULL: no such peer */
    const char *ca_path;   /* PEM; NULL: the system's */
    const char *cert_path; /* PEM of the client's certificate, and of its key; NULL: none */
    const char *cert_key_path;
    uint32_t connections; /* transfers at a time, at most */
    int32_t connect_ms;   /* name, TCP and TLS */
};

struct pg_http_options {
    struct pg_http_peer_options peers[PG_HTTP_PEERS];
    struct pg_request_texts texts;
    const char *secret_key; /* of the PG */
    const char *account;    /* mId that Payment objects must have; "": any */
    const char *user_agent;
    int32_t charge_ms; /* time limits by kind of call, connecting included */
    int32_t lookup_ms;
    int32_t cancel_ms;
    int32_t upstream_ms;
    int64_t (*now_ms)(void); /* CLOCK_BOOTTIME */
    /* The call has its answer and is the caller's again. From pg_http_wait(). */
    void (*answered)(void *context, struct pg_http_call *call, const struct pg_http_answer *answer);
    /* The end came first. From pg_http_close(). */
    void (*dropped)(void *context, struct pg_http_call *call);
    /* What went wrong with a peer, for logs: fixed texts and numbers only. From pg_http_wait(). */
    void (*trouble)(void *context, enum pg_http_peer peer, const char *what, const char *detail);
    void *context;
};

/*
 * Once in the process, before its threads and before anything else uses libcurl (else its memory
 * is not wiped) or parses JSON: sets libcurl up, and lets it and jansson wipe what they free. Takes
 * SSLKEYLOGFILE out of the environment.
 * False: it can't.
 */
MUST_USE bool pg_http_global_init(void);

/*
 * Makes the transfers' frame and checks what can be checked without a connection: that the files
 * of certificates can be read. The options' texts must outlive it. False: `*http` is untouched,
 * `error` says why.
 */
MUST_USE bool pg_http_open(const struct pg_http_options *options, struct pg_http **http,
                           char *error, size_t error_size);

/*
 * Takes a call. Its answer comes from a later pg_http_wait(), exactly once. A call of the PG other
 * than a charge that waited for a transfer longer than its own time limit is answered NOT_SENT.
 */
void pg_http_call(struct pg_http *http, struct pg_http_call *call);

/* Carries transfers on, and waits for up to timeout_ms for sockets, time limits or a wakeup. */
void pg_http_wait(struct pg_http *http, int64_t timeout_ms);

/* Any thread: ends a wait, or the next one. */
void pg_http_wakeup(struct pg_http *http);

/* Breaks off what is under way. NULL is allowed. */
void pg_http_close(struct pg_http *http);

#endif
