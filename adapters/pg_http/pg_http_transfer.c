/* pg_http_transfer.c - one request and its answer on an easy handle. */
#include "pg_http_internal.h"

#include "pg_code.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/x509_vfy.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define HEADER_LINE_MAX 128
/* The smallest that libcurl takes for what it sends; answers of the PG have 1 to 2 KiB. */
#define UPLOAD_BUFFER_SIZE  16384L
#define RECEIVE_BUFFER_SIZE 4096L
/* A kept connection is not used for longer, so that a changed address is noticed. */
#define CONNECTION_LIFE_S 300L

static bool is_charge(const struct transfer *t)
{
    return t->call->request.op == PG_REQUEST_CHARGE;
}

static bool is_over(const struct transfer *t)
{
    return t->peer->http->options.now_ms() > t->call->send_by_ms;
}

/*
 * The connection stands and the request is about to go out, the first time or again: libcurl sends
 * again by itself where a kept connection was closed before any byte of the answer.
 */
static int before_request(void *context, char *to, char *from, int to_port, int from_port)
{
    struct transfer *t = context;

    (void)to;
    (void)from;
    (void)to_port;
    (void)from_port;
    if (is_charge(t) && is_over(t)) {
        t->is_late = true;
        return CURL_PREREQFUNC_ABORT;
    }
    t->sends++;
    return CURL_PREREQFUNC_OK;
}

/*
 * HTTP/2 may let a request's head out and hold its body back, and a peer may stop reading: what has
 * not left by the send limit is broken off, at the next look, within a tenth of a second.
 */
bool transfer_is_stuck(struct transfer *t)
{
    curl_off_t up = 0;

    if (t->call == NULL || !is_charge(t) || t->sends == 0 || t->header_len > 0 || !is_over(t)) {
        return false;
    }
    t->is_late = curl_easy_getinfo(t->easy, CURLINFO_SIZE_UPLOAD_T, &up) == CURLE_OK &&
                 up < (curl_off_t)t->request.body_len;
    return t->is_late;
}

static size_t take_body(char *bytes, size_t size, size_t count, void *context)
{
    struct transfer *t = context;
    size_t len = size * count;

    if (len > sizeof(t->body) - t->body_len) {
        t->is_too_large = true;
        return 0;
    }
    memcpy(t->body + t->body_len, bytes, len);
    t->body_len += len;
    return len;
}

static size_t take_header(char *bytes, size_t size, size_t count, void *context)
{
    struct transfer *t = context;
    size_t len = size * count;

    (void)bytes;
    t->header_len += len;
    if (t->header_len > PG_HTTP_HEADER_MAX) {
        t->is_too_large = true;
        return 0;
    }
    return len;
}

/*
 * What was handed to the kernel it sends again until it is acknowledged, also after close(): here
 * no longer than a charge lasts. The proof that a charge is absent counts from the send limit.
 */
static int limit_resends(void *context, curl_socket_t fd, curlsocktype purpose)
{
    const struct pg_http *http = context;
    unsigned timeout_ms = (unsigned)http->options.charge_ms;

    (void)purpose;
    return setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof(timeout_ms)) == 0
               ? CURL_SOCKOPT_OK
               : CURL_SOCKOPT_ERROR;
}

#define SET(option, value) ok = curl_easy_setopt(easy, option, value) == CURLE_OK && ok

static bool set_tls(CURL *easy, const struct pg_http_peer_options *options)
{
    bool ok = true;

    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (options->ca_path != NULL) {
        SET(CURLOPT_CAINFO, options->ca_path);
        SET(CURLOPT_CAPATH, (const char *)NULL); /* these and no others */
    }
    if (options->cert_path != NULL) {
        SET(CURLOPT_SSLCERT, options->cert_path);
        SET(CURLOPT_SSLKEY, options->cert_key_path);
    }
    return ok;
}

/* What is the same for every call of the peer. */
static bool set_up(struct transfer *t)
{
    const struct pg_http_options *options = &t->peer->http->options;
    const struct pg_http_peer_options *peer = t->peer->options;
    CURL *easy = t->easy;
    bool ok = set_tls(easy, peer);

    SET(CURLOPT_PROTOCOLS_STR, strncmp(peer->base_url, "https:", 6) == 0 ? "https" : "http");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_NOSIGNAL, 1L);
    /* The end of a transfer leaves a resolver that hangs to its own thread, which frees itself:
     * without this libcurl would join it, and stop this thread for as long as DNS takes. */
    SET(CURLOPT_QUICK_EXIT, 1L);
    SET(CURLOPT_PATH_AS_IS, 1L);
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    SET(CURLOPT_USERAGENT, options->user_agent);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)peer->connect_ms);
    SET(CURLOPT_MAXLIFETIME_CONN, CONNECTION_LIFE_S);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_BUFFERSIZE, RECEIVE_BUFFER_SIZE);
    SET(CURLOPT_UPLOAD_BUFFERSIZE, UPLOAD_BUFFER_SIZE);
    SET(CURLOPT_PRIVATE, t);
    SET(CURLOPT_PREREQFUNCTION, before_request);
    SET(CURLOPT_PREREQDATA, t);
    SET(CURLOPT_WRITEFUNCTION, take_body);
    SET(CURLOPT_WRITEDATA, t);
    SET(CURLOPT_HEADERFUNCTION, take_header);
    SET(CURLOPT_HEADERDATA, t);
    if (t->peer == &t->peer->http->peers[PG_HTTP_PG]) {
        SET(CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
        SET(CURLOPT_USERNAME, options->secret_key);
        SET(CURLOPT_PASSWORD, "");
        SET(CURLOPT_SOCKOPTFUNCTION, limit_resends);
        SET(CURLOPT_SOCKOPTDATA, t->peer->http);
    }
    return ok;
}

struct transfer *transfer_new(struct peer *peer)
{
    struct transfer *t = malloc(sizeof(*t));

    if (t == NULL) {
        return NULL;
    }
    memset(t, 0, offsetof(struct transfer, body));
    t->peer = peer;
    t->easy = curl_easy_init();
    if (t->easy == NULL || !set_up(t)) {
        transfer_free(t);
        return NULL;
    }
    return t;
}

/* The billing key of the call that has ended is in the request, the next one's in the answer. */
static void wipe(struct transfer *t)
{
    explicit_bzero(t->body, t->body_len);
    explicit_bzero(&t->request, sizeof(t->request));
    curl_slist_free_all(t->headers);
    t->headers = NULL;
    t->body_len = 0;
}

void transfer_free(struct transfer *t)
{
    if (t == NULL) {
        return;
    }
    if (t->call != NULL) {
        (void)curl_multi_remove_handle(t->peer->http->multi, t->easy);
    }
    curl_easy_cleanup(t->easy);
    wipe(t);
    free(t);
}

static bool add_header(struct transfer *t, const char *name, const char *value)
{
    char line[HEADER_LINE_MAX];
    struct curl_slist *longer;

    (void)snprintf(line, sizeof(line), "%s%s", name, value);
    longer = curl_slist_append(t->headers, line);
    if (longer == NULL) {
        return false;
    }
    t->headers = longer;
    return true;
}

/* A row may have been written by others: nothing that could end a header line goes into one. */
static bool is_traceparent(const char *text)
{
    return text[0] != '\0' && text[strspn(text, "0123456789abcdef-")] == '\0' &&
           strlen(text) <= STORE_TRACEPARENT_MAX;
}

static bool make_headers(struct transfer *t)
{
    const char *traceparent = t->call->traceparent;

    return add_header(t, "Accept: ", "application/json") &&
           (!is_traceparent(traceparent) || add_header(t, "traceparent: ", traceparent)) &&
           (!t->request.is_post || (add_header(t, "Content-Type: ", "application/json") &&
                                    add_header(t, "Idempotency-Key: ", t->request.key)));
}

static bool set_url(struct transfer *t)
{
    size_t size = strlen(t->peer->options->base_url) + sizeof(t->request.target);
    char *url = malloc(size);
    CURLcode result = CURLE_OUT_OF_MEMORY;

    if (url != NULL) {
        (void)snprintf(url, size, "%s%s", t->peer->options->base_url, t->request.target);
        result = curl_easy_setopt(t->easy, CURLOPT_URL, url);
        explicit_bzero(url, size);
        free(url);
    }
    return result == CURLE_OK;
}

static bool set_request(struct transfer *t)
{
    CURL *easy = t->easy;
    bool ok = set_url(t);

    SET(CURLOPT_HTTPHEADER, t->headers);
    SET(CURLOPT_TIMEOUT_MS, (long)pg_http_limit_ms(t->peer->http, t->call));
    if (t->request.is_post) {
        SET(CURLOPT_POST, 1L);
        SET(CURLOPT_POSTFIELDS, t->request.body);
        SET(CURLOPT_POSTFIELDSIZE, (long)t->request.body_len);
    } else {
        SET(CURLOPT_HTTPGET, 1L);
    }
    return ok;
}

bool transfer_start(struct transfer *t, struct pg_http_call *call)
{
    struct pg_http *http = t->peer->http;

    t->call = call;
    t->sends = 0;
    t->is_late = false;
    t->is_too_large = false;
    t->header_len = 0;
    t->body_len = 0;
    if (pg_request_render(&call->request, &http->options.texts, &t->request) && make_headers(t) &&
        set_request(t) && curl_multi_add_handle(http->multi, t->easy) == CURLM_OK) {
        return true;
    }
    t->call = NULL;
    wipe(t);
    return false;
}

static bool is_upstream(const struct pg_http_call *call)
{
    return call->request.op == PG_REQUEST_FARE || call->request.op == PG_REQUEST_PAYER;
}

void transfer_not_sent(const struct pg_http_call *call, struct pg_http_answer *answer)
{
    memset(answer, 0, sizeof(*answer));
    if (is_upstream(call)) {
        answer->upstream.kind = UPSTREAM_TROUBLE;
    } else {
        answer->pg.kind = PG_ANSWER_NOT_SENT;
    }
}

static void tell(struct transfer *t, const char *what, const char *detail)
{
    struct pg_http *http = t->peer->http;

    http->options.trouble(http->options.context, (enum pg_http_peer)(t->peer - http->peers), what,
                          detail);
}

/* libcurl's own message could hold what the peer sent, so it is not used. */
static void tell_failure(struct transfer *t, CURLcode result)
{
    char detail[128] = "";
    long number = 0;

    if (t->is_late) {
        tell(t, "a charge was broken off: its time to leave was over", "");
        return;
    }
    if (t->is_too_large) {
        tell(t, "an answer is too large", "");
        return;
    }
    if (result == CURLE_PEER_FAILED_VERIFICATION &&
        curl_easy_getinfo(t->easy, CURLINFO_SSL_VERIFYRESULT, &number) == CURLE_OK && number != 0) {
        (void)snprintf(detail, sizeof(detail), "%s", X509_verify_cert_error_string(number));
    } else if (curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &number) == CURLE_OK && number != 0) {
        (void)snprintf(detail, sizeof(detail), "%s", strerror((int)number));
    }
    tell(t, curl_easy_strerror(result), detail);
}

/* The request may have left and there is no answer, or none that is one. */
static enum pg_answer_kind kind_of_failure(const struct transfer *t, CURLcode result)
{
    if (t->sends == 0) {
        return PG_ANSWER_NOT_SENT;
    }
    if (t->is_late || result == CURLE_OPERATION_TIMEDOUT ||
        (t->header_len == 0 && (result == CURLE_GOT_NOTHING || result == CURLE_SEND_ERROR ||
                                result == CURLE_RECV_ERROR || result == CURLE_COULDNT_CONNECT))) {
        return PG_ANSWER_TIMEOUT;
    }
    return PG_ANSWER_BROKEN;
}

/* What a key of another merchant gets for each of our billing keys. */
static bool denies_billing_key(const struct pg_http_answer *answer)
{
    const char *code = answer->pg_texts.code;

    return answer->pg.code_class == PG_CODE_DECLINED &&
           (strcmp(code, "NOT_FOUND_BILLING") == 0 ||
            strcmp(code, "INVALID_BILL_KEY_REQUEST") == 0);
}

/*
 * Where the merchant's account is known, a Payment object of another one says that the key is
 * another's: credentials are wrong. And until this key has shown a payment of that account,
 * "absent" proves nothing, and a billing key that it does not know may be ours at the right
 * merchant.
 */
static void judge_account(struct transfer *t, struct pg_http_answer *answer)
{
    static const char other[] = "OTHER_ACCOUNT";
    struct pg_http *http = t->peer->http;
    struct pg_answer *pg = &answer->pg;

    if (http->options.account[0] == '\0') {
        return;
    }
    if (pg->kind == PG_ANSWER_PAYMENT) {
        if (strcmp(answer->pg_texts.account, http->options.account) == 0) {
            http->is_account_proven = true;
            return;
        }
        tell(t, "a payment of another merchant's account", "");
        memset(&answer->pg_texts, 0, sizeof(answer->pg_texts));
        memcpy(answer->pg_texts.code, other, sizeof(other));
        *pg = (struct pg_answer){.kind = PG_ANSWER_ERROR, .code_class = PG_CODE_CREDENTIALS};
        return;
    }
    if (pg->kind != PG_ANSWER_ERROR || http->is_account_proven) {
        return;
    }
    if (pg->code_class == PG_CODE_NOT_FOUND && !t->call->is_probe) {
        pg->code_class = PG_CODE_REQUEST;
    } else if (denies_billing_key(answer)) {
        tell(t, "a billing key is unknown to the key's merchant, of whom no payment was seen yet",
             "");
        pg->code_class = PG_CODE_CREDENTIALS;
    }
}

/*
 * A user whose customerKey the PG can't take is never charged: the record becomes a dead letter
 * now, which can be retried when FAREBOX_PG_CUSTOMER_KEY is mended, instead of a lost ride after a
 * long proof that no charge exists.
 */
static void judge_customer(struct transfer *t, struct pg_http_answer *answer)
{
    const struct pg_http_options *options = &t->peer->http->options;

    if (options->peers[PG_HTTP_PG].base_url != NULL && answer->upstream.kind == UPSTREAM_OK &&
        !pg_request_customer_fits(&options->texts, t->call->request.user_id)) {
        answer->upstream = (struct upstream_answer){.kind = UPSTREAM_REFUSED};
        memset(&answer->upstream_texts, 0, sizeof(answer->upstream_texts));
        tell(t, "a user's customerKey would be shorter or longer than the PG takes", "");
    }
}

static void decode(struct transfer *t, struct pg_http_answer *answer)
{
    const struct pg_request_call *asked = &t->call->request;
    bool is_readable;
    char detail[64];
    long status = 0;

    (void)curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    if (asked->op == PG_REQUEST_FARE) {
        upstream_decode_fare((int)status, t->body, t->body_len, &answer->upstream);
        is_readable = answer->upstream.kind != UPSTREAM_TROUBLE;
    } else if (asked->op == PG_REQUEST_PAYER) {
        upstream_decode_payer((int)status, t->body, t->body_len, asked->user_id, &answer->upstream,
                              &answer->upstream_texts);
        judge_customer(t, answer);
        is_readable = answer->upstream.kind != UPSTREAM_TROUBLE;
    } else {
        pg_answer_decode((int)status, t->body, t->body_len, &asked->payment_id, &answer->pg,
                         &answer->pg_texts);
        is_readable = answer->pg.kind != PG_ANSWER_BROKEN;
        judge_account(t, answer);
    }
    if (!is_readable) {
        (void)snprintf(detail, sizeof(detail), "HTTP status %ld, %zu bytes", status, t->body_len);
        tell(t, "an answer that can't be used", detail);
    }
}

struct pg_http_call *transfer_finish(struct transfer *t, CURLcode result,
                                     struct pg_http_answer *answer)
{
    struct pg_http_call *call = t->call;

    (void)curl_multi_remove_handle(t->peer->http->multi, t->easy);
    memset(answer, 0, sizeof(*answer));
    if (t->sends > 1) {
        tell(t, "a kept connection was closed: the request left again with the same key", "");
    }
    if (result == CURLE_OK) {
        decode(t, answer);
    } else {
        tell_failure(t, result);
        transfer_not_sent(call, answer);
        if (!is_upstream(call)) {
            answer->pg.kind = (uint8_t)kind_of_failure(t, result);
        }
    }
    t->call = NULL;
    wipe(t);
    return call;
}
