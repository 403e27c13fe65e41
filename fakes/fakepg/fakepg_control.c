#include "fakepg_control.h"

#include "fakepg_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char prefix[] = "/fake/";

bool fakepg_control_answers(const char *path)
{
    return strncmp(path, prefix, sizeof prefix - 1) == 0;
}

static int64_t number(const struct fakepg_control_call *call, const char *name, int64_t absent)
{
    const json_t *member = json_object_get(call->body, name);
    return json_is_integer(member) ? json_integer_value(member) : absent;
}

static const char *text(const struct fakepg_control_call *call, const char *name)
{
    const char *value = json_string_value(json_object_get(call->body, name));
    return value != NULL ? value : "";
}

static void fail(struct fakepg_control_call *call, const char *what)
{
    (void)snprintf(call->error, sizeof call->error, "%s", what);
}

/* False: the text names no upstream. */
static bool upstream_of(const char *name, enum upstream *upstream)
{
    *upstream = strcmp(name, "users") == 0 ? UPSTREAM_USERS : UPSTREAM_PRICING;
    return strcmp(name, "users") == 0 || strcmp(name, "pricing") == 0;
}

static void outage(struct fakepg_control_call *call)
{
    struct fakepg *fakepg = call->fakepg;
    const char *of = text(call, "of");
    int64_t from_ms = fakepg->now_ms + number(call, "after_ms", 0);
    int64_t until_ms = from_ms + number(call, "for_ms", 0);
    enum upstream upstream;
    if (until_ms < from_ms) {
        fail(call, "for_ms: 0 or more; 0 ends an outage");
    } else if (strcmp(of, "pg") == 0) {
        fakepg->knobs.pg_outage_from_ms = from_ms;
        fakepg->knobs.pg_outage_until_ms = until_ms;
    } else if (upstream_of(of, &upstream)) {
        upstream_fake_outage(fakepg->upstreams, upstream, from_ms, until_ms);
    } else {
        fail(call, "of: pg, pricing or users");
    }
    call->answer =
        json_pack("{s:I,s:I}", "from", (json_int_t)from_ms, "until", (json_int_t)until_ms);
}

static void override_set(struct fakepg_control_call *call)
{
    static const char *const kinds[] = {
        [UPSTREAM_OVERRIDE_FARE] = "fare",           [UPSTREAM_OVERRIDE_NOT_WHOLE] = "not_whole",
        [UPSTREAM_OVERRIDE_NOT_FOUND] = "not_found", [UPSTREAM_OVERRIDE_REFUSED] = "refused",
        [UPSTREAM_OVERRIDE_TROUBLE] = "trouble",
    };
    const char *id = text(call, "id");
    enum upstream upstream;
    if (!upstream_of(text(call, "upstream"), &upstream) || id[0] == '\0') {
        fail(call, "upstream: pricing or users; id: a trip's or a user's");
        return;
    }
    for (size_t i = 1; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(kinds[i], text(call, "kind")) != 0) {
            continue;
        }
        if (!upstream_fake_override(call->fakepg->upstreams, upstream, id, strlen(id),
                                    (enum upstream_override_kind)i, number(call, "fare", 0))) {
            fail(call, "no room for another override: 4096 at most");
        }
        return;
    }
    fail(call, "kind: fare, not_whole, not_found, refused or trouble");
}

static void overrides_clear(struct fakepg_control_call *call)
{
    upstream_fake_overrides_clear(call->fakepg->upstreams);
}

static void change_cards(struct fakepg_control_call *call)
{
    upstream_fake_change_cards(call->fakepg->upstreams);
}

static void clock_show(struct fakepg_control_call *call)
{
    const struct fakepg *fakepg = call->fakepg;
    char date[FAKEPG_DATE_SIZE];
    fakepg_date_format(fakepg->now_ms, date);
    call->answer = json_pack("{s:I,s:s,s:I}", "now", (json_int_t)fakepg->now_ms, "date", date,
                             "offset_ms", (json_int_t)fakepg->clock_offset_ms);
}

/* Time only goes forward: late actions cannot be undone. */
static void clock_set(struct fakepg_control_call *call)
{
    struct fakepg *fakepg = call->fakepg;
    int64_t ahead = number(call, "ahead_ms", -1);
    if (ahead < 0 || ahead > INT64_C(366) * 24 * 3600 * 1000) {
        fail(call, "ahead_ms: how much later it shall be, 0 to a year");
        return;
    }
    fakepg->clock_offset_ms += ahead;
    (void)fakepg_now(fakepg);
    clock_show(call);
}

static void pending(struct fakepg_control_call *call)
{
    const struct pg_ledger *ledger = pg_fake_ledger_view(call->fakepg->pg);
    int64_t due_ms = pg_ledger_next_due(ledger);
    uint32_t count = 0;
    for (uint32_t i = 0; i < pg_ledger_order_count(ledger); i++) {
        struct pg_ledger_order_view view;
        pg_ledger_order_at(ledger, i, &view);
        count += view.totals.pending;
    }
    call->answer = json_pack("{s:i,s:o}", "pending", (int)count, "next_due",
                             due_ms == PG_LEDGER_NEVER ? json_null() : json_integer(due_ms));
}

static void reset(struct fakepg_control_call *call)
{
    if (!fakepg_reset(call->fakepg)) {
        fail(call, "the state file can't be emptied");
    }
}

static const struct {
    const char *method;
    const char *path; /* behind the prefix; a `/` at the end: more may follow */
    void (*answer)(struct fakepg_control_call *call);
} controls[] = {
    {"GET", "faults", fakepg_control_faults_list},
    {"POST", "faults", fakepg_control_faults_add},
    {"DELETE", "faults", fakepg_control_faults_clear},
    {"POST", "faults/off", fakepg_control_faults_off},
    {"GET", "config", fakepg_control_config_show},
    {"POST", "config", fakepg_control_config_set},
    {"GET", "ledger", fakepg_control_ledger},
    {"GET", "ledger/", fakepg_control_ledger},
    {"GET", "counts", fakepg_control_counts},
    {"GET", "pending", pending},
    {"GET", "clock", clock_show},
    {"POST", "clock", clock_set},
    {"POST", "outages", outage},
    {"POST", "overrides", override_set},
    {"DELETE", "overrides", overrides_clear},
    {"POST", "cards/change", change_cards},
    {"POST", "reset", reset},
};

/* Does what the request asks. False: there is no such control. */
static bool run(struct fakepg_control_call *call)
{
    const char *path = call->request->path + sizeof prefix - 1;
    for (size_t i = 0; i < sizeof controls / sizeof controls[0]; i++) {
        size_t len = strlen(controls[i].path);
        bool is_open = controls[i].path[len - 1] == '/';
        if (strcmp(controls[i].method, call->request->method) == 0 &&
            (is_open ? strncmp(path, controls[i].path, len) == 0
                     : strcmp(path, controls[i].path) == 0)) {
            call->name = path + len;
            controls[i].answer(call);
            return true;
        }
    }
    return false;
}

void fakepg_control(struct fakepg *fakepg, const struct web_request *request,
                    struct web_response *response)
{
    struct fakepg_control_call call = {.fakepg = fakepg, .request = request, .status = 200};
    json_t *body = NULL;
    bool is_found = true;
    if (request->body_len > 0) {
        body = fakepg_json_read(request->body, request->body_len, JSON_REJECT_DUPLICATES);
    }
    call.body = body;
    if (request->body_len > 0 && body == NULL) {
        fail(&call, "the body is not JSON");
    } else {
        fakepg_lock(fakepg);
        (void)fakepg_now(fakepg);
        is_found = run(&call);
        fakepg_unlock(fakepg);
    }
    if (!is_found) {
        call.status = 404;
        fail(&call, "no such control; docs/fakepg.md lists them");
    }
    if (call.error[0] != '\0') {
        json_decref(call.answer);
        call.status = call.status == 200 ? 400 : call.status;
        call.answer = json_pack("{s:s}", "error", call.error);
    }
    if (call.answer == NULL) {
        call.answer = json_object();
    }
    response->status = call.status;
    response->content_type = "application/json";
    response->body = json_dumps(call.answer, JSON_COMPACT);
    response->body_len = response->body != NULL ? strlen(response->body) : 0;
    json_decref(call.answer);
    json_decref(body);
}
