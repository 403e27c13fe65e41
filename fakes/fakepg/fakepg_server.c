#include "fakepg_server.h"

#include "fakepg_call.h"
#include "fakepg_control.h"
#include "fakepg_json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BODY_MAX    65536
#define REQUEST_MS  10000
#define IDLE_MS     30000
#define STACK_BYTES (256U << 10)
#define HUGE_BYTES  (10U << 20)
#define DRIP_MS     1000

struct fakepg_server {
    struct web_server *web;
    struct fakepg *fakepg;
};

struct route {
    const char *method;
    const char *head; /* path before the variable part; the whole path where `tail` is NULL */
    const char *tail; /* path behind it */
    void (*answer)(struct fakepg_call *call);
};

/* The first that fits: fixed paths before those with a variable part. */
static const struct route toss_routes[] = {
    {"POST", "/v1/billing/authorizations/issue", NULL, fakepg_issue_by_auth},
    {"POST", "/v1/billing/authorizations/card", NULL, fakepg_issue_by_card},
    {"POST", "/v1/billing/authorizations/", "", fakepg_issue_by_path},
    {"POST", "/v1/billing/", "", fakepg_charge},
    {"DELETE", "/v1/billing/", "", fakepg_remove_billing},
    {"GET", "/v1/payments/orders/", "", fakepg_look_up_order},
    {"POST", "/v1/payments/", "/cancel", fakepg_cancel},
    {"GET", "/v1/payments/", "", fakepg_look_up_payment},
    {"GET", "/v1/transactions", NULL, fakepg_transactions},
    {"GET", "/v1/settlements", NULL, fakepg_settlements},
    /* A client that others published ends the path with a slash. */
    {"GET", "/v1/transactions/", NULL, fakepg_transactions},
    {"GET", "/v1/settlements/", NULL, fakepg_settlements},
};

static const struct route upstream_routes[] = {
    {"GET", "/internal/api/pricing/calculate", NULL, fakepg_pricing},
    {"GET", "/internal/api/users/", "/payment-methods/default", fakepg_users},
};

/* True where the path is the route's; the variable part is decoded into `name`. */
static bool fits(const struct route *route, const struct web_request *request,
                 char name[FAKEPG_KEY_SIZE])
{
    if (strcmp(route->method, request->method) != 0) {
        return false;
    }
    if (route->tail == NULL) {
        return strcmp(route->head, request->path) == 0;
    }
    size_t head = strlen(route->head);
    size_t tail = strlen(route->tail);
    size_t len = strlen(request->path);
    if (len <= head + tail || strncmp(request->path, route->head, head) != 0 ||
        strcmp(request->path + len - tail, route->tail) != 0 ||
        memchr(request->path + head, '/', len - head - tail) != NULL) {
        return false;
    }
    return fakepg_decode(request->path + head, len - head - tail, false, name, FAKEPG_KEY_SIZE);
}

static const struct route *route_of(const struct route *routes, size_t count,
                                    const struct web_request *request, char name[FAKEPG_KEY_SIZE])
{
    for (size_t i = 0; i < count; i++) {
        if (fits(&routes[i], request, name)) {
            return &routes[i];
        }
    }
    return NULL;
}

/* Whose credentials came; NULL: the answer says what is wrong with them. The lock is held. */
static struct fakepg_merchant *authenticate(struct fakepg_call *call)
{
    char secret[FAKEPG_SECRET_MAX + 1];
    struct fakepg *fakepg = call->fakepg;
    const char *header = web_request_header(call->request, "Authorization");
    enum fakepg_basic basic = fakepg_basic_read(header, secret);
    if (basic == FAKEPG_BASIC_NO_COLON) {
        fakepg_call_refuse(call, "INCORRECT_BASIC_AUTH_FORMAT", FAKEPG_DETAIL_NONE);
        return NULL;
    }
    struct fakepg_merchant *merchant =
        basic == FAKEPG_BASIC_OK ? fakepg_merchant_of(fakepg, secret) : NULL;
    if (merchant == NULL && !fakepg->options.checks_auth) {
        return &fakepg->merchants[0];
    }
    if (merchant == NULL) {
        fakepg_call_refuse(call, "UNAUTHORIZED_KEY", FAKEPG_DETAIL_NONE);
    }
    return merchant;
}

/* What stands before every endpoint of the PG. False: it has answered. */
static bool admit(struct fakepg_call *call)
{
    struct fakepg *fakepg = call->fakepg;
    const struct fakepg_knobs *knobs = &fakepg->knobs;
    fakepg_lock(fakepg);
    int64_t now_ms = fakepg_now(fakepg);
    bool is_out = fakepg->is_down ||
                  (now_ms >= knobs->pg_outage_from_ms && now_ms < knobs->pg_outage_until_ms);
    if (is_out) {
        call->answer.wire = FAKEPG_WIRE_CLOSE;
    } else {
        call->merchant = authenticate(call);
    }
    bool is_admitted = call->merchant != NULL;
    if (is_admitted && !fakepg_within_limit(fakepg, call->merchant)) {
        fakepg_call_refuse(call, "TOO_MANY_REQUESTS", FAKEPG_DETAIL_NONE);
        is_admitted = false;
    }
    fakepg_unlock(fakepg);
    return is_admitted;
}

static enum pg_fake_code test_code_of(const struct fakepg_call *call)
{
    const char *header = web_request_header(call->request, "TossPayments-Test-Code");
    if (header == NULL || !call->fakepg->options.takes_test_codes) {
        return PG_FAKE_NO_CODE;
    }
    enum pg_fake_code code = pg_fake_code_parse(header, strlen(header));
    return code != PG_FAKE_NO_CODE ? code : PG_FAKE_INVALID_TEST_CODE;
}

static void answer_call(struct fakepg_call *call)
{
    const struct web_request *request = call->request;
    const struct route *route =
        route_of(upstream_routes, sizeof upstream_routes / sizeof *route, request, call->name);
    if (route != NULL) {
        route->answer(call);
        return;
    }
    if (!admit(call)) {
        return;
    }
    route = route_of(toss_routes, sizeof toss_routes / sizeof *route, request, call->name);
    if (route == NULL) {
        fakepg_call_refuse(call, "NOT_FOUND", FAKEPG_DETAIL_NONE);
        return;
    }
    call->test_code = test_code_of(call);
    if (request->body_len > 0) {
        call->body = fakepg_json_read(request->body, request->body_len, 0);
        if (!json_is_object(call->body)) {
            json_decref(call->body);
            call->body = NULL;
        }
    }
    route->answer(call);
    json_decref(call->body);
}

static void set_body(struct web_response *response, const char *type, char *body)
{
    free(response->body);
    response->content_type = type;
    response->body = body;
    response->body_len = body != NULL ? strlen(body) : 0;
}

/* Ten megabytes of JSON that never gets to the point. */
static char *huge_body(void)
{
    char *body = malloc(HUGE_BYTES + 1);
    if (body != NULL) {
        memset(body, ' ', HUGE_BYTES);
        body[0] = '{';
        body[HUGE_BYTES - 1] = '}';
        body[HUGE_BYTES] = '\0';
    }
    return body;
}

/* How the answer goes over the wire. */
static void set_wire(struct web_response *response, enum fakepg_wire wire)
{
    static const char page[] = "<html><head><title>502 Bad Gateway</title></head><body>"
                               "<center><h1>502 Bad Gateway</h1></center></body></html>\n";
    switch (wire) {
    case FAKEPG_WIRE_CLOSE:
    case FAKEPG_WIRE_HANG:
        response->wire = WEB_WIRE_NOTHING;
        return;
    case FAKEPG_WIRE_HTML:
        response->status = 502;
        set_body(response, "text/html", strdup(page));
        return;
    case FAKEPG_WIRE_HALF:
        response->wire = WEB_WIRE_HALF;
        return;
    case FAKEPG_WIRE_CHUNK_CUT:
        response->wire = WEB_WIRE_CHUNK_CUT;
        return;
    case FAKEPG_WIRE_EMPTY:
        response->status = 200;
        set_body(response, response->content_type, strdup(""));
        return;
    case FAKEPG_WIRE_GARBAGE:
        response->status = 200;
        set_body(response, response->content_type, strdup("{\"status\":\"DONE\",\"paymentKey\":"));
        return;
    case FAKEPG_WIRE_HUGE:
        response->status = 200;
        set_body(response, response->content_type, huge_body());
        return;
    case FAKEPG_WIRE_DRIP:
        response->wire = WEB_WIRE_DRIP;
        response->piece = DRIP_MS;
        return;
    case FAKEPG_WIRE_REDIRECT:
        response->status = 302;
        (void)strncat(response->headers, "Location: http://127.0.0.1:1/elsewhere\r\n",
                      sizeof response->headers - strlen(response->headers) - 1);
        set_body(response, response->content_type, strdup(""));
        return;
    case FAKEPG_WIRE_USUAL:
    case FAKEPG_WIRE_COUNT:
        return;
    }
}

static void send_call(struct fakepg_call *call, uint64_t trace, uint32_t chunk_bytes,
                      struct web_response *response)
{
    struct fakepg_answer *answer = &call->answer;
    response->status = answer->status;
    response->wire = WEB_WIRE_CHUNKED;
    response->piece = chunk_bytes;
    (void)snprintf(response->headers, sizeof response->headers,
                   "x-tosspayments-trace-id: %016" PRIx64 "\r\nCache-Control: no-store\r\n", trace);
    set_body(response, "application/json;charset=UTF-8",
             answer->json != NULL ? json_dumps(answer->json, JSON_COMPACT) : strdup(""));
    json_decref(answer->json);
    set_wire(response, (enum fakepg_wire)answer->wire);
}

/* How a request came wrong: no endpoint sees it. */
static void answer_problem(struct fakepg_call *call)
{
    static const int statuses[] = {
        [WEB_PROBLEM_MALFORMED] = 400,     [WEB_PROBLEM_SLOW] = 408,
        [WEB_PROBLEM_LENGTH_NEEDED] = 411, [WEB_PROBLEM_BODY_LONG] = 413,
        [WEB_PROBLEM_URI_LONG] = 414,      [WEB_PROBLEM_HEAD_LONG] = 431,
        [WEB_PROBLEM_VERSION] = 505,
    };
    fakepg_call_refuse(call, "INVALID_REQUEST", FAKEPG_DETAIL_NONE);
    call->answer.status = statuses[call->request->problem];
}

static void on_request(void *ctx, const struct web_request *request, struct web_response *response)
{
    struct fakepg_server *server = ctx;
    struct fakepg *fakepg = server->fakepg;
    struct fakepg_call call = {.fakepg = fakepg, .request = request, .answer = {.status = 200}};
    if (request->problem == WEB_PROBLEM_NONE && fakepg_control_answers(request->path)) {
        fakepg_control(fakepg, request, response);
        return;
    }
    if (request->problem != WEB_PROBLEM_NONE) {
        answer_problem(&call);
    } else {
        answer_call(&call);
    }
    fakepg_lock(fakepg);
    uint64_t trace = fakepg_random(fakepg);
    uint32_t chunk_bytes = fakepg->knobs.chunk_bytes;
    int64_t hang_ms = call.answer.wire == FAKEPG_WIRE_HANG ? fakepg->knobs.pg.timeout_ms : 0;
    fakepg->requests++;
    fakepg_unlock(fakepg);
    int64_t wait_ms = call.answer.delay_ms + hang_ms;
    if (wait_ms > 0 && !fakepg_pause(fakepg, wait_ms)) {
        call.answer.wire = FAKEPG_WIRE_CLOSE;
    }
    send_call(&call, trace, chunk_bytes, response);
}

static void on_complaint(void *ctx, const char *message)
{
    (void)ctx;
    (void)fprintf(stderr, "farebox-fakepg: %s\n", message);
}

static bool on_pause(void *ctx, int64_t ms)
{
    const struct fakepg_server *server = ctx;
    return fakepg_pause(server->fakepg, ms);
}

struct fakepg_server *fakepg_server_open(struct fakepg *fakepg,
                                         const struct fakepg_server_options *options, char *message,
                                         size_t size)
{
    static const struct web_handler handler = {
        .answer = on_request, .complain = on_complaint, .pause = on_pause};
    struct fakepg_server *server = calloc(1, sizeof *server);
    if (server == NULL) {
        (void)snprintf(message, size, "memory ran out");
        return NULL;
    }
    server->fakepg = fakepg;
    const struct web_options web = {
        .handler = &handler,
        .ctx = server,
        .host = options->host,
        .port = options->port,
        .threads = options->threads,
        .waiting = 1024,
        .stack_bytes = STACK_BYTES,
        .request_ms = REQUEST_MS,
        .idle_ms = IDLE_MS,
        .body_max = BODY_MAX,
        .wants_body = true,
    };
    if (web_server_open(&web, &server->web, message, size) != WEB_OK) {
        free(server);
        return NULL;
    }
    return server;
}

int fakepg_server_port(const struct fakepg_server *server)
{
    return web_server_port(server->web);
}

void fakepg_server_close(struct fakepg_server *server)
{
    fakepg_stop(server->fakepg);
    web_server_close(server->web);
    free(server);
}
