/* fakepg_upstreams.c - pricing and users, as CONTRACTS 5 has them. */
#include "fakepg_call.h"

#include <stdio.h>
#include <string.h>

static void answer_error(struct fakepg_call *call, int status, const char *title)
{
    call->answer.status = status;
    call->answer.json = json_pack("{s:i,s:s}", "status", status, "error", title);
}

/* What passes: trouble of three kinds, a time-out, an outage. */
static void answer_trouble(struct fakepg_call *call, const struct upstream_reply *reply)
{
    static const int statuses[] = {500, 503, 429};
    struct fakepg *fakepg = call->fakepg;
    if (reply->fault == UPSTREAM_FAULT_TIMEOUT) {
        call->answer.delay_ms = reply->delay_ms + 1;
        call->answer.wire = FAKEPG_WIRE_CLOSE;
        return;
    }
    uint64_t kind = fakepg_random(fakepg) % 4;
    if (kind == 3 || reply->fault == UPSTREAM_FAULT_OUTAGE) {
        call->answer.wire = FAKEPG_WIRE_CLOSE;
        return;
    }
    answer_error(call, statuses[kind], "trouble");
}

/* True where the caller set an answer of its own for this id. */
static bool answer_override(struct fakepg_call *call, enum upstream upstream, const char *id)
{
    int64_t fare_krw = 0;
    switch (
        upstream_fake_override_of(call->fakepg->upstreams, upstream, id, strlen(id), &fare_krw)) {
    case UPSTREAM_OVERRIDE_FARE:
        if (upstream == UPSTREAM_USERS) {
            return false;
        }
        call->answer.status = 200;
        call->answer.json = json_pack("{s:I}", "fare", (json_int_t)fare_krw);
        return true;
    case UPSTREAM_OVERRIDE_NOT_WHOLE:
        call->answer.status = 200;
        call->answer.json = json_pack("{s:f}", "fare", (double)fare_krw + 0.5);
        return true;
    case UPSTREAM_OVERRIDE_NOT_FOUND:
        answer_error(call, 404, "not found");
        return true;
    case UPSTREAM_OVERRIDE_REFUSED:
        answer_error(call, 400, "refused");
        return true;
    case UPSTREAM_OVERRIDE_TROUBLE:
        answer_error(call, 503, "trouble");
        return true;
    }
    return false;
}

/* The upstream's answer; the texts are in the fake's pool. The lock is held. */
static bool ask(struct fakepg_call *call, enum upstream upstream, const char *id,
                int64_t distance_meters, int64_t duration_seconds, struct upstream_reply *reply);

static uint32_t choose(void *ctx, uint32_t n, const char *label)
{
    (void)label;
    return (uint32_t)(fakepg_random(ctx) % n);
}

static bool ask(struct fakepg_call *call, enum upstream upstream, const char *id,
                int64_t distance_meters, int64_t duration_seconds, struct upstream_reply *reply)
{
    struct fakepg *fakepg = call->fakepg;
    const struct chooser chooser = {choose, fakepg};
    int64_t now_ms = fakepg_now(fakepg);
    fakepg->texts = texts_init(fakepg->texts, 64, 16U << 10);
    const struct upstream_call asked = {.upstream = (uint8_t)upstream,
                                        .id = texts_intern_string(fakepg->texts, id),
                                        .distance_meters = distance_meters,
                                        .duration_seconds = duration_seconds};
    call->answer.delay_ms =
        fakepg_delay_draw(&fakepg->knobs.upstream_delay[upstream], fakepg_random(fakepg));
    upstream_fake_call(fakepg->upstreams, fakepg->texts, &asked, now_ms, &chooser, reply);
    if (reply->fault != UPSTREAM_FAULT_NONE && reply->fault != UPSTREAM_FAULT_CARD_CHANGE) {
        answer_trouble(call, reply);
        return false;
    }
    return !answer_override(call, upstream, id);
}

void fakepg_pricing(struct fakepg_call *call)
{
    struct upstream_reply reply;
    char trip_id[FAKEPG_KEY_SIZE];
    char distance[32];
    char duration[32];
    char ended[64];
    int64_t meters = 0;
    int64_t seconds = 0;
    const char *query = call->request->query;
    if (!fakepg_query(query, "tripId", trip_id, sizeof trip_id) ||
        !fakepg_query(query, "distance_meters", distance, sizeof distance) ||
        !fakepg_query(query, "duration_seconds", duration, sizeof duration) ||
        !fakepg_query(query, "end_timestamp", ended, sizeof ended) || ended[0] == '\0' ||
        !fakepg_number(distance, &meters) || !fakepg_number(duration, &seconds)) {
        answer_error(call, 400, "tripId, distance_meters, duration_seconds, end_timestamp");
        return;
    }
    fakepg_lock(call->fakepg);
    if (ask(call, UPSTREAM_PRICING, trip_id, meters, seconds, &reply)) {
        call->answer.status = 200;
        call->answer.json = json_pack("{s:I}", "fare", (json_int_t)reply.answer.fare_krw);
    }
    fakepg_unlock(call->fakepg);
}

void fakepg_users(struct fakepg_call *call)
{
    struct fakepg *fakepg = call->fakepg;
    struct upstream_reply reply;
    char email[FAKEPG_KEY_SIZE + 16];
    fakepg_lock(fakepg);
    if (ask(call, UPSTREAM_USERS, call->name, 0, 0, &reply)) {
        (void)snprintf(email, sizeof email, "%s@example.com", call->name);
        call->answer.status = 200;
        call->answer.json = json_pack(
            "{s:s,s:s,s:s,s:s,s:s}", "userId", call->name, "userName", "손님", "userEmail", email,
            "paymentMethodId", texts_string(fakepg->texts, reply.answer.method_id), "billingKey",
            texts_string(fakepg->texts, reply.answer.billing_key));
    }
    fakepg_unlock(fakepg);
}
