/* fakepg_control_faults.c - scripted faults: which calls go wrong, and how. */
#include "fakepg_control.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    uint8_t ops;
} ops[] = {
    {"charge", 1 << PG_LEDGER_CHARGE},
    {"cancel", 1 << PG_LEDGER_CANCEL},
    {"lookup", 1 << PG_LEDGER_LOOKUP | 1 << PG_LEDGER_LOOKUP_PG_ID},
};

static void fail(struct fakepg_control_call *call, const char *what)
{
    (void)snprintf(call->error, sizeof call->error, "%s", what);
}

/* False: the member is there and no whole number from 0 to `max`. */
static bool number_of(const json_t *object, const char *name, int64_t max, int64_t *value)
{
    const json_t *member = json_object_get(object, name);
    *value = json_integer_value(member);
    return member == NULL || (json_is_integer(member) && *value >= 0 && *value <= max);
}

static bool fault_of(const char *name, uint8_t *fault)
{
    for (uint8_t i = 0; i < PG_FAULT_COUNT; i++) {
        if (strcmp(pg_fault_name((enum pg_fault)i), name) == 0) {
            *fault = i;
            return true;
        }
    }
    return false;
}

static bool ops_of(const json_t *member, uint8_t *bits)
{
    const char *name = json_string_value(member);
    *bits = 0;
    for (size_t i = 0; name != NULL && i < sizeof ops / sizeof ops[0]; i++) {
        if (strcmp(ops[i].name, name) == 0) {
            *bits = ops[i].ops;
        }
    }
    return member == NULL || *bits != 0;
}

static bool rule_times(struct fakepg_control_call *call, const json_t *object,
                       struct pg_fake_rule *rule)
{
    int64_t skip;
    int64_t times;
    int64_t amount;
    int64_t from_ms;
    int64_t for_ms;
    if (!number_of(object, "skip", UINT16_MAX, &skip) ||
        !number_of(object, "times", UINT16_MAX, &times)) {
        fail(call, "skip, times: 0 to 65535; times 0: for ever");
        return false;
    }
    if (!number_of(object, "amount", INT_MAX, &amount) ||
        !number_of(object, "value", PG_LEDGER_AMOUNT_MAX, &rule->value)) {
        fail(call, "amount: of the charges; value: KRW or ms, see the fault");
        return false;
    }
    if (!number_of(object, "after_ms", INT64_MAX / 2, &from_ms) ||
        !number_of(object, "for_ms", INT64_MAX / 2, &for_ms)) {
        fail(call, "after_ms, for_ms: 0 or more; for_ms 0: for ever");
        return false;
    }
    rule->skip = (uint16_t)skip;
    rule->times = (uint16_t)times;
    rule->amount_krw = (int32_t)amount;
    rule->from_ms = call->fakepg->now_ms + from_ms;
    rule->until_ms = for_ms == 0 ? 0 : rule->from_ms + for_ms;
    return true;
}

static bool rule_read(struct fakepg_control_call *call, const json_t *object,
                      struct pg_fake_rule *rule)
{
    const char *fault = json_string_value(json_object_get(object, "fault"));
    const char *code = json_string_value(json_object_get(object, "code"));
    const char *order = json_string_value(json_object_get(object, "orderId"));
    const char *wire = json_string_value(json_object_get(object, "wire"));
    memset(rule, 0, sizeof *rule);
    if (fault == NULL || !fault_of(fault, &rule->fault)) {
        fail(call, "fault: a name that GET /fake/counts lists");
        return false;
    }
    if (code != NULL) {
        rule->code = (uint8_t)pg_fake_code_parse(code, strlen(code));
        if (rule->code == PG_FAKE_NO_CODE) {
            fail(call, "code: no error code of the protocol");
            return false;
        }
    }
    if (wire != NULL && !fakepg_wire_parse(wire, &rule->wire)) {
        fail(call, "wire: close, hang, html, half, chunk_cut, empty, garbage, huge, drip or "
                   "redirect");
        return false;
    }
    if (!ops_of(json_object_get(object, "op"), &rule->ops)) {
        fail(call, "op: charge, cancel or lookup");
        return false;
    }
    if (order != NULL) {
        rule->order_id = fakepg_order_uuid(order);
    }
    return rule_times(call, object, rule);
}

void fakepg_control_faults_add(struct fakepg_control_call *call)
{
    struct pg_fake_rule rule;
    size_t count = json_is_array(call->body) ? json_array_size(call->body) : 1;
    for (size_t i = 0; i < count; i++) {
        const json_t *object =
            json_is_array(call->body) ? json_array_get(call->body, i) : call->body;
        if (!rule_read(call, object, &rule)) {
            return;
        }
        if (!pg_fake_rule_add(call->fakepg->pg, &rule)) {
            fail(call, "no room for another rule: 1024 at most");
            return;
        }
    }
    call->answer = json_pack("{s:i}", "rules", (int)pg_fake_rule_count(call->fakepg->pg));
}

static json_t *rule_json(const struct pg_fake_rule *rule)
{
    char order[UUID_TEXT_SIZE];
    uuid_format(&rule->order_id, order);
    json_t *object =
        json_pack("{s:s,s:i,s:i,s:i,s:I,s:b,s:s,s:s}", "fault",
                  pg_fault_name((enum pg_fault)rule->fault), "skip", rule->skip, "times",
                  rule->times, "amount", rule->amount_krw, "value", (json_int_t)rule->value,
                  "spent", rule->spent, "wire", fakepg_wire_name((enum fakepg_wire)rule->wire),
                  "code", pg_fake_code_name((enum pg_fake_code)rule->code));
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
        if (rule->ops == ops[i].ops) {
            (void)json_object_set_new(object, "op", json_string(ops[i].name));
        }
    }
    if (!uuid_is_nil(&rule->order_id)) {
        (void)json_object_set_new(object, "order", json_string(order));
    }
    return object;
}

void fakepg_control_faults_list(struct fakepg_control_call *call)
{
    call->answer = json_array();
    for (uint32_t i = 0; i < pg_fake_rule_count(call->fakepg->pg); i++) {
        const struct pg_fake_rule rule = pg_fake_rule_get(call->fakepg->pg, i);
        (void)json_array_append_new(call->answer, rule_json(&rule));
    }
}

void fakepg_control_faults_clear(struct fakepg_control_call *call)
{
    pg_fake_rules_clear(call->fakepg->pg);
}

/* No rule, no weight, no outage; late actions still come. */
void fakepg_control_faults_off(struct fakepg_control_call *call)
{
    struct fakepg *fakepg = call->fakepg;
    pg_fake_rules_clear(fakepg->pg);
    memset(fakepg->knobs.pg.permille, 0, sizeof fakepg->knobs.pg.permille);
    memset(fakepg->knobs.upstream.permille, 0, sizeof fakepg->knobs.upstream.permille);
    fakepg->knobs.pg_outage_until_ms = 0;
    upstream_fake_outage(fakepg->upstreams, UPSTREAM_PRICING, 0, 0);
    upstream_fake_outage(fakepg->upstreams, UPSTREAM_USERS, 0, 0);
    fakepg_apply_knobs(fakepg);
}

void fakepg_control_counts(struct fakepg_control_call *call)
{
    static const char *const upstreams[] = {
        [UPSTREAM_PRICING] = "pricing", [UPSTREAM_USERS] = "users"};
    const struct fakepg *fakepg = call->fakepg;
    json_t *pg = json_object();
    for (int i = 0; i < PG_FAULT_COUNT; i++) {
        (void)json_object_set_new(pg, pg_fault_name((enum pg_fault)i),
                                  json_integer(pg_fake_fault_count(fakepg->pg, (enum pg_fault)i)));
    }
    call->answer = json_pack("{s:I,s:o}", "requests", (json_int_t)fakepg->requests, "pg", pg);
    for (int upstream = 0; upstream < UPSTREAM_COUNT; upstream++) {
        json_t *counts = json_object();
        for (int i = 0; i < UPSTREAM_FAULT_COUNT; i++) {
            uint32_t count = upstream_fake_fault_count(fakepg->upstreams, (enum upstream)upstream,
                                                       (enum upstream_fault)i);
            (void)json_object_set_new(counts, upstream_fault_name((enum upstream_fault)i),
                                      json_integer(count));
        }
        (void)json_object_set_new(call->answer, upstreams[upstream], counts);
    }
}
