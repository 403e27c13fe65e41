/* fakepg_control_config.c - weights of faults, delays, tariff and the other knobs, as JSON. */
#include "fakepg_control.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

/* A knob that is a whole number, where it is and what it may be. */
struct knob {
    const char *name;
    void *value;
    size_t size; /* of the value: 2, 4 or 8 bytes */
    int64_t max;
};

#define KNOBS 12

static void knobs_of(struct fakepg_knobs *knobs, struct knob list[KNOBS])
{
    const struct knob all[KNOBS] = {
        {"timeout_ms", &knobs->pg.timeout_ms, 4, FAKEPG_DELAY_MAX_MS},
        {"slow_max_ms", &knobs->pg.slow_max_ms, 4, FAKEPG_DELAY_MAX_MS},
        {"stale_max_ms", &knobs->pg.stale_max_ms, 4, INT_MAX},
        {"late_short_max_ms", &knobs->pg.late_short_max_ms, 8, INT_MAX},
        {"late_long_max_ms", &knobs->pg.late_long_max_ms, 8, INT_MAX},
        {"late_long_permille", &knobs->pg.late_long_permille, 2, 1000},
        {"chunk_bytes", &knobs->chunk_bytes, 4, 65536},
        {"request_limit", &knobs->request_limit, 4, INT_MAX},
        {"transactions_lag_ms", &knobs->transactions_lag_ms, 8, INT_MAX},
        {"base_krw", &knobs->upstream.base_krw, 4, 1000000},
        {"km_krw", &knobs->upstream.km_krw, 4, 1000000},
        {"minute_krw", &knobs->upstream.minute_krw, 4, 1000000},
    };
    memcpy(list, all, sizeof all);
}

static int64_t knob_get(const struct knob *knob)
{
    uint16_t two;
    int32_t four;
    int64_t eight;
    switch (knob->size) {
    case 2:
        memcpy(&two, knob->value, sizeof two);
        return two;
    case 4:
        memcpy(&four, knob->value, sizeof four);
        return four;
    default:
        memcpy(&eight, knob->value, sizeof eight);
        return eight;
    }
}

static void knob_set(const struct knob *knob, int64_t value)
{
    uint16_t two = (uint16_t)value;
    int32_t four = (int32_t)value;
    switch (knob->size) {
    case 2:
        memcpy(knob->value, &two, sizeof two);
        return;
    case 4:
        memcpy(knob->value, &four, sizeof four);
        return;
    default:
        memcpy(knob->value, &value, sizeof value);
        return;
    }
}

static void fail(struct fakepg_control_call *call, const char *member, const char *what)
{
    if (call->error[0] == '\0') {
        (void)snprintf(call->error, sizeof call->error, "%.60s: %s", member, what);
    }
}

/* A weight in the set of an upstream's or the PG's faults, by its name. */
static void weights_set(struct fakepg_control_call *call, const json_t *weights,
                        const char *(*name_of)(int fault), int count, uint16_t *permille)
{
    const char *name;
    json_t *weight;
    json_object_foreach((json_t *)(uintptr_t)weights, name, weight)
    {
        int fault = 1;
        while (fault < count && strcmp(name_of(fault), name) != 0) {
            fault++;
        }
        if (fault == count || !json_is_integer(weight) || json_integer_value(weight) < 0 ||
            json_integer_value(weight) > 1000) {
            fail(call, name, "a fault's name and its weight, 0 to 1000 of 1000 calls");
            return;
        }
        permille[fault] = (uint16_t)json_integer_value(weight);
    }
}

static const char *pg_name(int fault)
{
    return pg_fault_name((enum pg_fault)fault);
}

static const char *upstream_name(int fault)
{
    return upstream_fault_name((enum upstream_fault)fault);
}

static void delay_set(struct fakepg_control_call *call, const char *name, const json_t *object,
                      struct fakepg_delay *delay)
{
    static const char what[] = "{\"kind\":\"fixed|uniform|exponential|long_tail\",\"ms\":n,"
                               "\"p99_ms\":n,\"max_ms\":n}, 0 to 600000 and in order";
    const char *kind = json_string_value(json_object_get(object, "kind"));
    struct fakepg_delay asked = {
        .ms = (int32_t)json_integer_value(json_object_get(object, "ms")),
        .p99_ms = (int32_t)json_integer_value(json_object_get(object, "p99_ms")),
        .max_ms = (int32_t)json_integer_value(json_object_get(object, "max_ms"))};
    if (kind == NULL || !fakepg_delay_parse(kind, &asked.kind) || !fakepg_delay_ok(&asked)) {
        fail(call, name, what);
        return;
    }
    *delay = asked;
}

static void delays_set(struct fakepg_control_call *call, const json_t *delays,
                       struct fakepg_knobs *knobs)
{
    const char *name;
    json_t *object;
    json_object_foreach((json_t *)(uintptr_t)delays, name, object)
    {
        if (strcmp(name, "pg") == 0) {
            delay_set(call, name, object, &knobs->pg_delay);
        } else if (strcmp(name, "pricing") == 0) {
            delay_set(call, name, object, &knobs->upstream_delay[UPSTREAM_PRICING]);
        } else if (strcmp(name, "users") == 0) {
            delay_set(call, name, object, &knobs->upstream_delay[UPSTREAM_USERS]);
        } else {
            fail(call, name, "no such delay: pg, pricing, users");
        }
    }
}

static void number_set(struct fakepg_control_call *call, const char *name, const json_t *value,
                       struct fakepg_knobs *knobs)
{
    struct knob list[KNOBS];
    char what[64];
    knobs_of(knobs, list);
    for (int i = 0; i < KNOBS; i++) {
        if (strcmp(list[i].name, name) != 0) {
            continue;
        }
        if (!json_is_integer(value) || json_integer_value(value) < 0 ||
            json_integer_value(value) > list[i].max) {
            (void)snprintf(what, sizeof what, "0 to %lld", (long long)list[i].max);
            fail(call, name, what);
            return;
        }
        knob_set(&list[i], json_integer_value(value));
        return;
    }
    fail(call, name, "no such knob; GET /fake/config shows them all");
}

static void member_set(struct fakepg_control_call *call, const char *name, const json_t *value,
                       struct fakepg_knobs *knobs)
{
    const char *text = json_string_value(value);
    if (strcmp(name, "weights") == 0) {
        weights_set(call, value, pg_name, PG_FAULT_COUNT, knobs->pg.permille);
    } else if (strcmp(name, "pricing_weights") == 0) {
        weights_set(call, value, upstream_name, UPSTREAM_FAULT_OUTAGE,
                    knobs->upstream.permille[UPSTREAM_PRICING]);
    } else if (strcmp(name, "users_weights") == 0) {
        weights_set(call, value, upstream_name, UPSTREAM_FAULT_OUTAGE,
                    knobs->upstream.permille[UPSTREAM_USERS]);
    } else if (strcmp(name, "delay") == 0) {
        delays_set(call, value, knobs);
    } else if (strcmp(name, "lost") == 0) {
        if (text == NULL || !fakepg_wire_parse(text, &knobs->lost_wire) ||
            (knobs->lost_wire != FAKEPG_WIRE_CLOSE && knobs->lost_wire != FAKEPG_WIRE_HANG)) {
            fail(call, name, "close or hang");
        }
    } else {
        number_set(call, name, value, knobs);
    }
}

void fakepg_control_config_set(struct fakepg_control_call *call)
{
    struct fakepg_knobs knobs = call->fakepg->knobs;
    const char *name;
    json_t *value;
    if (!json_is_object(call->body)) {
        fail(call, "body", "an object with the knobs to change");
    }
    json_object_foreach((json_t *)(uintptr_t)call->body, name, value)
    {
        member_set(call, name, value, &knobs);
    }
    if (!pg_fake_config_ok(&knobs.pg) || !upstream_fake_config_ok(&knobs.upstream)) {
        fail(call, "weights", "those of one kind of call add up to more than 1000");
    }
    if (call->error[0] != '\0') {
        return; /* all or nothing */
    }
    call->fakepg->knobs = knobs;
    fakepg_apply_knobs(call->fakepg);
    fakepg_control_config_show(call);
}

static json_t *weights_json(const char *(*name_of)(int fault), int count, const uint16_t *permille)
{
    json_t *object = json_object();
    for (int fault = 1; fault < count; fault++) {
        (void)json_object_set_new(object, name_of(fault), json_integer(permille[fault]));
    }
    return object;
}

static json_t *delay_json(const struct fakepg_delay *delay)
{
    return json_pack("{s:s,s:i,s:i,s:i}", "kind", fakepg_delay_name(delay->kind), "ms", delay->ms,
                     "p99_ms", delay->p99_ms, "max_ms", delay->max_ms);
}

void fakepg_control_config_show(struct fakepg_control_call *call)
{
    struct fakepg_knobs *knobs = &call->fakepg->knobs;
    struct knob list[KNOBS];
    json_t *object =
        json_pack("{s:o,s:o,s:o,s:{s:o,s:o,s:o},s:s}", "weights",
                  weights_json(pg_name, PG_FAULT_COUNT, knobs->pg.permille), "pricing_weights",
                  weights_json(upstream_name, UPSTREAM_FAULT_OUTAGE,
                               knobs->upstream.permille[UPSTREAM_PRICING]),
                  "users_weights",
                  weights_json(upstream_name, UPSTREAM_FAULT_OUTAGE,
                               knobs->upstream.permille[UPSTREAM_USERS]),
                  "delay", "pg", delay_json(&knobs->pg_delay), "pricing",
                  delay_json(&knobs->upstream_delay[UPSTREAM_PRICING]), "users",
                  delay_json(&knobs->upstream_delay[UPSTREAM_USERS]), "lost",
                  fakepg_wire_name((enum fakepg_wire)knobs->lost_wire));
    knobs_of(knobs, list);
    for (int i = 0; i < KNOBS; i++) {
        (void)json_object_set_new(object, list[i].name, json_integer(knob_get(&list[i])));
    }
    call->answer = object;
}
