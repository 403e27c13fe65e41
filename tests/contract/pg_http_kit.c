#include "pg_http_kit.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define PATIENCE_MS 60000

const char kit_done[] =
    "{\"mId\":\"merchant-1\",\"paymentKey\":\"pay_1\",\"orderId\":\"" KIT_ORDER "\","
    "\"status\":\"DONE\",\"currency\":\"KRW\",\"totalAmount\":15200,\"balanceAmount\":15200,"
    "\"secret\":\"ps_Z61JOxRQVEm\",\"card\":{\"number\":\"43301234****123*\"}}";
const char kit_absent[] = "{\"code\":\"NOT_FOUND_PAYMENT\",\"message\":\"none\"}";

static atomic_int_fast64_t clock_moved_ms;

int64_t kit_now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 + atomic_load(&clock_moved_ms);
}

void kit_move_clock(int64_t ms)
{
    atomic_fetch_add(&clock_moved_ms, ms);
}

static void answered(void *context, struct pg_http_call *call, const struct pg_http_answer *answer)
{
    struct kit_call *own = (struct kit_call *)(void *)call;
    (void)context;
    assert_false(own->is_answered);
    own->is_answered = true;
    own->answer = *answer;
}

static void dropped(void *context, struct pg_http_call *call)
{
    (void)context;
    ((struct kit_call *)(void *)call)->is_dropped = true;
}

static void trouble(void *context, enum pg_http_peer peer, const char *what, const char *detail)
{
    struct kit *kit = context;
    size_t len = strlen(kit->told);
    (void)snprintf(kit->told + len, sizeof(kit->told) - len, "%d: %s: %s\n", (int)peer, what,
                   detail);
}

void kit_init(struct kit *kit, const char *scheme, uint16_t port)
{
    memset(kit, 0, sizeof(*kit));
    (void)snprintf(kit->base_url, sizeof(kit->base_url), "%s://127.0.0.1:%u", scheme,
                   (unsigned)port);
    for (int i = 0; i < PG_HTTP_PEERS; i++) {
        kit->options.peers[i] = (struct pg_http_peer_options){
            .base_url = kit->base_url, .connections = 4, .connect_ms = 5000};
    }
    kit->options.texts = (struct pg_request_texts){"{userId}", "Taxi {tripId}"};
    kit->options.secret_key = KIT_KEY;
    kit->options.account = "";
    kit->options.user_agent = "farebox/test";
    kit->options.charge_ms = 20000;
    kit->options.lookup_ms = 20000;
    kit->options.cancel_ms = 20000;
    kit->options.upstream_ms = 20000;
    kit->options.now_ms = kit_now_ms;
    kit->options.answered = answered;
    kit->options.dropped = dropped;
    kit->options.trouble = trouble;
    kit->options.context = kit;
}

void kit_open(struct kit *kit)
{
    char error[256];
    if (!pg_http_open(&kit->options, &kit->http, error, sizeof(error))) {
        fail_msg("%s", error);
    }
}

void kit_close(struct kit *kit)
{
    pg_http_close(kit->http);
    kit->http = NULL;
}

struct kit_call kit_call_of(enum pg_request_op op)
{
    return (struct kit_call){
        .call = {.request = {.op = (uint8_t)op,
                             .cancel_no = 1,
                             .amount_krw = 15200,
                             .payment_id = {{0x70, 1, 2, 3}},
                             .distance_meters = 5200,
                             .duration_seconds = 900,
                             .trip_id = "trip-1",
                             .user_id = "user-1",
                             .billing_key = KIT_BILLING,
                             .pg_id = op == PG_REQUEST_CANCEL ? "pay_1" : "",
                             .ended_at = "2026-10-01T15:40:09"},
                 .traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                 .send_by_ms = kit_now_ms() + 120000}};
}

void kit_begin(struct kit *kit, struct kit_call *call)
{
    pg_http_call(kit->http, &call->call);
}

void kit_await(struct kit *kit, struct kit_call *call)
{
    struct timespec start;
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &start);
    while (!call->is_answered) {
        pg_http_wait(kit->http, 100);
        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        if ((now.tv_sec - start.tv_sec) * 1000 > PATIENCE_MS) {
            fail_msg("no answer; told: %s", kit->told);
        }
    }
}

void kit_ask(struct kit *kit, struct kit_call *call)
{
    kit_begin(kit, call);
    kit_await(kit, call);
}

int kit_kind(struct kit *kit, enum pg_request_op op)
{
    struct kit_call call = kit_call_of(op);
    kit_ask(kit, &call);
    return op == PG_REQUEST_FARE || op == PG_REQUEST_PAYER ? call.answer.upstream.kind
                                                           : call.answer.pg.kind;
}
