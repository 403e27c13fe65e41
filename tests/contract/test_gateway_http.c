/* The contract suite of the gateway port over HTTP to a real farebox-fakepg. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fakepg_kit.h"
#include "gateway_suite.h"
#include "http_gateway.h"

#include <stdio.h>
#include <string.h>

/* A merchant of its own, with a key as long as a real one. */
#define SECRET_KEY "test_sk_gateway0suite0secret0key0"

static struct fakepg_kit kit;

static void http_open(struct gateway_fixture *fixture)
{
    char urls[3][80];
    char error[512];
    static const char *const names[] = {"PG", "PRICING", "USERS"};
    fakepg_kit_set(&kit, "reset", "{}");
    fakepg_kit_set(&kit, "config", "{\"timeout_ms\":2000,\"slow_max_ms\":500,\"lost\":\"hang\"}");
    for (int i = 0; i < 3; i++) {
        (void)snprintf(urls[i], sizeof(urls[i]), "FAREBOX_%s_URL=http://127.0.0.1:%u", names[i],
                       (unsigned)kit.port);
    }
    const char *const variables[] = {urls[0],
                                     urls[1],
                                     urls[2],
                                     "FAREBOX_PG=http",
                                     "FAREBOX_UPSTREAMS=http",
                                     "FAREBOX_PG_SECRET_KEY=" SECRET_KEY,
                                     "FAREBOX_PG_TIMEOUT_S=2",
                                     "FAREBOX_PG_LOOKUP_TIMEOUT_S=2",
                                     "FAREBOX_PG_CANCEL_TIMEOUT_S=2",
                                     "FAREBOX_PG_CONNECT_MS=1000",
                                     "FAREBOX_UPSTREAM_TIMEOUT_MS=10000",
                                     NULL};
    gateway_suite_settings(&fixture->settings, variables);
    if (!http_gateway_open(&fixture->settings, &fixture->inbox, &fixture->port, error,
                           sizeof(error))) {
        fail_msg("%s", error);
    }
}

static const char *op_of(uint8_t ops)
{
    return ops == 1U << PG_LEDGER_CHARGE   ? "charge"
           : ops == 1U << PG_LEDGER_CANCEL ? "cancel"
                                           : "lookup";
}

static void http_rule(struct gateway_fixture *fixture, const struct pg_fake_rule *rule)
{
    char order[UUID_TEXT_SIZE];
    char body[512];
    bool has_code = rule->code != PG_FAKE_NO_CODE;
    (void)fixture;
    uuid_format(&rule->order_id, order);
    (void)snprintf(body, sizeof(body),
                   "{\"orderId\":\"%s\",\"op\":\"%s\",\"fault\":\"%s\",\"times\":%u%s%s%s}", order,
                   op_of(rule->ops), pg_fault_name((enum pg_fault)rule->fault),
                   (unsigned)rule->times, has_code ? ",\"code\":\"" : "",
                   has_code ? pg_fake_code_name((enum pg_fake_code)rule->code) : "",
                   has_code ? "\"" : "");
    fakepg_kit_set(&kit, "faults", body);
}

static void http_close(struct gateway_fixture *fixture)
{
    (void)fixture;
}

int main(void)
{
    static const struct gateway_factory factory = {"gateway: HTTP to farebox-fakepg", http_open,
                                                   http_rule, http_close};
    if (!pg_http_global_init()) {
        return 1;
    }
    static const char *const options[] = {"-k", SECRET_KEY, NULL};
    fakepg_kit_init(&kit);
    fakepg_kit_start(&kit, options);
    int failed = gateway_suite_run(&factory);
    fakepg_kit_clear(&kit);
    return failed;
}
