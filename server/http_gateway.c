#include "http_gateway.h"

#include "clock.h"
#include "log.h"
#include "trouble_limit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct http_gateway {
    struct gateway_port port; /* first */
    struct inbox *inbox;
    struct inbox_waiter waiter;
    struct pg_http *http;
    struct trouble_limit troubles[PG_HTTP_PEERS];
};

static struct gateway_call *call_of(struct pg_http_call *call)
{
    return (struct gateway_call *)(void *)((char *)call - offsetof(struct gateway_call, http));
}

static void answered(void *context, struct pg_http_call *http, const struct pg_http_answer *answer)
{
    struct http_gateway *gateway = context;
    struct gateway_call *call = call_of(http);
    struct gateway_answer_texts *texts;

    call->pg = answer->pg;
    call->upstream = answer->upstream;
    texts = gateway_call_texts(call);
    memcpy(texts->pg_id, answer->pg_texts.pg_id, sizeof(texts->pg_id));
    memcpy(texts->code, answer->pg_texts.code, sizeof(texts->code));
    memcpy(texts->method_id, answer->upstream_texts.method_id, sizeof(texts->method_id));
    memcpy(texts->billing_key, answer->upstream_texts.billing_key, sizeof(texts->billing_key));
    texts->has_method_id = answer->upstream_texts.has_method_id;
    inbox_post(gateway->inbox, &call->message);
}

static void dropped(void *context, struct pg_http_call *http)
{
    (void)context;
    gateway_call_free(call_of(http));
}

/* `what` is one of a few texts that live for ever; an outage must not fill the log. */
static void trouble(void *context, enum pg_http_peer peer, const char *what, const char *detail)
{
    static const char *const names[PG_HTTP_PEERS] = {"pg", "pricing", "users"};
    struct http_gateway *gateway = context;
    int64_t left_out;

    if (!trouble_limit_take(&gateway->troubles[peer], what, clock_boot_ms(), &left_out)) {
        return;
    }
    log_write(LOG_LEVEL_WARN, "trouble with a peer",
              LOG_FIELDS(log_text("peer", names[peer]), log_text("trouble", what),
                         log_text("detail", detail), log_int("left_out", left_out)));
}

static enum pg_request_op op_of(enum gateway_op op)
{
    switch (op) {
    case GATEWAY_FARE:
        return PG_REQUEST_FARE;
    case GATEWAY_PAYER:
        return PG_REQUEST_PAYER;
    case GATEWAY_CHARGE:
        return PG_REQUEST_CHARGE;
    case GATEWAY_CANCEL:
        return PG_REQUEST_CANCEL;
    case GATEWAY_LOOKUP:
    case GATEWAY_PROBE:
        break;
    }
    return PG_REQUEST_LOOKUP;
}

static void take_call(struct gateway_port *port, struct gateway_call *call)
{
    struct http_gateway *gateway = (struct http_gateway *)(void *)port;

    call->message.type = MESSAGE_CALL;
    call->http = (struct pg_http_call){
        .request = {.op = (uint8_t)op_of((enum gateway_op)call->op),
                    .cancel_no = call->cancel_no,
                    .amount_krw = call->amount_krw,
                    .payment_id = call->payment_id,
                    .distance_meters = call->distance_meters,
                    .duration_seconds = call->duration_seconds,
                    .trip_id = call->trip_id,
                    .user_id = call->user_id,
                    .billing_key = call->billing_key,
                    .pg_id = call->pg_id,
                    .ended_at = call->ended_at},
        .traceparent = call->traceparent,
        .send_by_ms = call->send_by_ms,
        .is_probe = call->op == GATEWAY_PROBE,
    };
    pg_http_call(gateway->http, &call->http);
}

/* curl works in this thread: it has the calls already. */
static void send_calls(struct gateway_port *port)
{
    (void)port;
}

static void close_gateway(struct gateway_port *port)
{
    struct http_gateway *gateway = (struct http_gateway *)(void *)port;

    inbox_set_waiter(gateway->inbox, NULL);
    pg_http_close(gateway->http);
    free(gateway);
}

static const struct gateway_ops http_gateway_ops = {take_call, send_calls, close_gateway};

static void wait_for_all(void *context, int64_t timeout_ms)
{
    pg_http_wait(((struct http_gateway *)context)->http, timeout_ms);
}

static void wakeup(void *context)
{
    pg_http_wakeup(((struct http_gateway *)context)->http);
}

static const char *path_or_null(const char *path)
{
    return strcmp(path, "none") == 0 ? NULL : path;
}

static struct pg_http_peer_options upstream_of(const struct farebox_settings *s, const char *url)
{
    return (struct pg_http_peer_options){.base_url = url,
                                         .ca_path = path_or_null(s->upstreams_ca),
                                         .connections = (uint32_t)s->upstream_connections,
                                         .connect_ms = s->upstream_connect_ms};
}

static struct pg_http_options options_of(const struct farebox_settings *s,
                                         struct http_gateway *gateway)
{
    struct pg_http_options options = {
        .texts = {s->pg_customer_key, s->pg_order_name},
        .secret_key = s->pg_secret_key.bytes,
        .account = strcmp(s->pg_account, "none") == 0 ? "" : s->pg_account,
        .user_agent = "farebox/" FAREBOX_VERSION,
        .charge_ms = (int32_t)s->pg_timeout_ms,
        .lookup_ms = (int32_t)s->pg_lookup_timeout_ms,
        .cancel_ms = (int32_t)s->pg_cancel_timeout_ms,
        .upstream_ms = s->upstream_connect_ms + s->upstream_timeout_ms,
        .now_ms = clock_boot_ms,
        .answered = answered,
        .dropped = dropped,
        .trouble = trouble,
        .context = gateway,
    };

    if (s->pg == SETTINGS_PG_HTTP) {
        options.peers[PG_HTTP_PG] =
            (struct pg_http_peer_options){.base_url = s->pg_url,
                                          .ca_path = path_or_null(s->pg_ca),
                                          .cert_path = path_or_null(s->pg_client_cert),
                                          .cert_key_path = path_or_null(s->pg_client_key),
                                          .connections = (uint32_t)s->pg_connections,
                                          .connect_ms = s->pg_connect_ms};
    }
    if (s->upstreams == SETTINGS_UPSTREAMS_HTTP) {
        options.peers[PG_HTTP_PRICING] = upstream_of(s, s->pricing_url);
        options.peers[PG_HTTP_USERS] = upstream_of(s, s->users_url);
    }
    return options;
}

bool http_gateway_open(const struct farebox_settings *settings, struct inbox *inbox,
                       struct gateway_port **port, char *error, size_t error_size)
{
    struct http_gateway *gateway = calloc(1, sizeof(*gateway));
    struct pg_http_options options;

    if (gateway == NULL) {
        (void)snprintf(error, error_size, "out of memory");
        return false;
    }
    options = options_of(settings, gateway);
    if (!pg_http_open(&options, &gateway->http, error, error_size)) {
        free(gateway);
        return false;
    }
    gateway->port.ops = &http_gateway_ops;
    gateway->inbox = inbox;
    gateway->waiter = (struct inbox_waiter){wait_for_all, wakeup, gateway};
    inbox_set_waiter(inbox, &gateway->waiter);
    *port = &gateway->port;
    return true;
}
