/* pg_http.c - peers, their waiting calls, the loop. */
#include "pg_http_internal.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A charge that has not left in time is broken off so much later at most. */
#define SWEEP_MS 100

bool pg_http_global_init(void)
{
    /* libcurl would write the keys of all its connections there. */
    return unsetenv("SSLKEYLOGFILE") == 0 && pg_http_memory_init();
}

static enum pg_http_peer peer_of(const struct pg_http_call *call)
{
    switch ((enum pg_request_op)call->request.op) {
    case PG_REQUEST_FARE:
        return PG_HTTP_PRICING;
    case PG_REQUEST_PAYER:
        return PG_HTTP_USERS;
    case PG_REQUEST_CHARGE:
    case PG_REQUEST_LOOKUP:
    case PG_REQUEST_CANCEL:
        break;
    }
    return PG_HTTP_PG;
}

int32_t pg_http_limit_ms(const struct pg_http *http, const struct pg_http_call *call)
{
    switch ((enum pg_request_op)call->request.op) {
    case PG_REQUEST_CHARGE:
        return http->options.charge_ms;
    case PG_REQUEST_LOOKUP:
        return http->options.lookup_ms;
    case PG_REQUEST_CANCEL:
        return http->options.cancel_ms;
    case PG_REQUEST_FARE:
    case PG_REQUEST_PAYER:
        break;
    }
    return http->options.upstream_ms;
}

static struct pg_http_call *take_first(struct waiting *waiting)
{
    struct pg_http_call *call = waiting->first;

    waiting->first = call->next;
    if (waiting->first == NULL) {
        waiting->last = NULL;
    }
    call->next = NULL;
    return call;
}

static void append(struct waiting *waiting, struct pg_http_call *call)
{
    call->next = NULL;
    if (waiting->last == NULL) {
        waiting->first = call;
    } else {
        waiting->last->next = call;
    }
    waiting->last = call;
}

static struct waiting *line_for(struct peer *peer, const struct pg_http_call *call)
{
    bool is_settling =
        call->request.op == PG_REQUEST_LOOKUP || call->request.op == PG_REQUEST_CANCEL;

    return is_settling ? &peer->settling : &peer->waiting;
}

/* The line whose first call is next; NULL: nobody waits. */
static struct waiting *line_next(struct peer *peer)
{
    if (peer->settling.first != NULL) {
        return &peer->settling;
    }
    return peer->waiting.first != NULL ? &peer->waiting : NULL;
}

/* A free transfer, or a new one within the bound; NULL: none. */
static struct transfer *take_free(struct peer *peer)
{
    struct transfer *t = peer->free;

    if (t != NULL) {
        peer->free = t->next_free;
        peer->busy_count++;
        return t;
    }
    if (peer->made_count >= peer->options->connections) {
        return NULL;
    }
    t = transfer_new(peer);
    if (t != NULL) {
        t->next_made = peer->made;
        peer->made = t;
        peer->made_count++;
        peer->busy_count++;
    }
    return t;
}

static void give_back(struct transfer *t)
{
    t->next_free = t->peer->free;
    t->peer->free = t;
    t->peer->busy_count--;
}

static bool waited_too_long(const struct pg_http *http, const struct pg_http_call *call)
{
    int64_t now_ms = http->options.now_ms();

    switch ((enum pg_request_op)call->request.op) {
    case PG_REQUEST_CHARGE:
        return now_ms > call->send_by_ms;
    case PG_REQUEST_LOOKUP:
    case PG_REQUEST_CANCEL:
        return now_ms - call->since_ms > pg_http_limit_ms(http, call);
    case PG_REQUEST_FARE:
    case PG_REQUEST_PAYER:
        break;
    }
    return false;
}

static void answer_not_sent(struct pg_http *http, struct pg_http_call *call)
{
    struct pg_http_answer answer;

    transfer_not_sent(call, &answer);
    http->options.answered(http->options.context, call, &answer);
}

/* As many waiting calls as there are free transfers. True: one was answered without a transfer. */
static bool start_waiting(struct peer *peer)
{
    struct pg_http *http = peer->http;
    struct waiting *line;
    bool is_answered = false;

    while ((line = line_next(peer)) != NULL) {
        struct transfer *t = NULL;
        bool is_over = waited_too_long(http, line->first);
        struct pg_http_call *call;

        if (!is_over) {
            t = take_free(peer);
            if (t == NULL && peer->made_count > 0) {
                return is_answered; /* until one is free */
            }
        }
        call = take_first(line);
        if (t != NULL && transfer_start(t, call)) {
            continue;
        }
        if (t != NULL) {
            give_back(t);
        }
        answer_not_sent(http, call);
        is_answered = true;
    }
    return is_answered;
}

static void finish(struct pg_http *http, CURL *easy, CURLcode result)
{
    struct transfer *t = NULL;
    struct pg_http_answer answer;
    struct pg_http_call *call;

    invariant(curl_easy_getinfo(easy, CURLINFO_PRIVATE, &t) == CURLE_OK && t != NULL);
    call = transfer_finish(t, result, &answer);
    give_back(t);
    http->options.answered(http->options.context, call, &answer);
    explicit_bzero(&answer, sizeof(answer));
}

static void finish_done(struct pg_http *http)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(http->multi, &left)) != NULL) {
        if (message->msg == CURLMSG_DONE) {
            finish(http, message->easy_handle, message->data.result);
        }
    }
}

static bool start_all(struct pg_http *http)
{
    bool is_answered = false;

    for (int i = 0; i < PG_HTTP_PEERS; i++) {
        is_answered = start_waiting(&http->peers[i]) || is_answered;
    }
    return is_answered;
}

/* A look at each of the PG's transfers, so not often. */
static void break_off_stuck(struct pg_http *http, int64_t now_ms)
{
    if (now_ms - http->swept_ms < SWEEP_MS) {
        return;
    }
    http->swept_ms = now_ms;
    for (struct transfer *t = http->peers[PG_HTTP_PG].made; t != NULL; t = t->next_made) {
        if (transfer_is_stuck(t)) {
            finish(http, t->easy, CURLE_ABORTED_BY_CALLBACK);
        }
    }
}

void pg_http_wait(struct pg_http *http, int64_t timeout_ms)
{
    int64_t now_ms = http->options.now_ms();
    int wait_ms = 0;

    /* Each round is a system call at least: with work at hand once in a millisecond is enough. */
    if (timeout_ms <= 0 && now_ms == http->performed_ms) {
        return;
    }
    if (!start_all(http) && timeout_ms > 0) {
        int most_ms = http->peers[PG_HTTP_PG].busy_count > 0 ? SWEEP_MS : INT_MAX;

        wait_ms = timeout_ms < most_ms ? (int)timeout_ms : most_ms;
    }
    loop_run(&http->loop, http->multi, wait_ms);
    http->performed_ms = wait_ms > 0 ? http->options.now_ms() : now_ms;
    finish_done(http);
    break_off_stuck(http, http->performed_ms);
}

void pg_http_wakeup(struct pg_http *http)
{
    loop_wakeup(&http->loop);
}

void pg_http_call(struct pg_http *http, struct pg_http_call *call)
{
    struct peer *peer = &http->peers[peer_of(call)];

    invariant(peer->options->base_url != NULL);
    call->since_ms = http->options.now_ms();
    append(line_for(peer, call), call);
}

static bool can_read(const char *path, char *error, size_t error_size)
{
    if (path == NULL || access(path, R_OK) == 0) {
        return true;
    }
    (void)snprintf(error, error_size, "%s can't be read", path);
    return false;
}

bool pg_http_open(const struct pg_http_options *options, struct pg_http **result, char *error,
                  size_t error_size)
{
    struct pg_http *http = calloc(1, sizeof(*http));
    long connections = 0;

    (void)snprintf(error, error_size, "out of memory");
    if (http == NULL) {
        return false;
    }
    http->options = *options;
    http->performed_ms = -1;
    http->loop = (struct loop){.epoll_fd = -1, .wakeup_fd = -1};
    for (int i = 0; i < PG_HTTP_PEERS; i++) {
        const struct pg_http_peer_options *peer = &http->options.peers[i];

        http->peers[i] = (struct peer){.http = http, .options = peer};
        connections += peer->base_url == NULL ? 0 : (long)peer->connections;
        if (!can_read(peer->ca_path, error, error_size) ||
            !can_read(peer->cert_path, error, error_size) ||
            !can_read(peer->cert_key_path, error, error_size)) {
            free(http);
            return false;
        }
    }
    http->multi = curl_multi_init();
    if (http->multi == NULL || !loop_open(&http->loop, http->multi) ||
        curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, connections) != CURLM_OK) {
        pg_http_close(http);
        return false;
    }
    *result = http;
    return true;
}

static void close_peer(struct pg_http *http, struct peer *peer)
{
    struct transfer *t = peer->made;
    struct waiting *line;

    while (t != NULL) {
        struct transfer *next = t->next_made;
        struct pg_http_call *call = t->call;

        transfer_free(t);
        if (call != NULL) {
            http->options.dropped(http->options.context, call);
        }
        t = next;
    }
    while ((line = line_next(peer)) != NULL) {
        http->options.dropped(http->options.context, take_first(line));
    }
}

void pg_http_close(struct pg_http *http)
{
    if (http == NULL) {
        return;
    }
    for (int i = 0; i < PG_HTTP_PEERS; i++) {
        close_peer(http, &http->peers[i]);
    }
    (void)curl_multi_cleanup(http->multi);
    loop_close(&http->loop);
    free(http);
}
