#include "bench_fakepg.h"

#include "bench_request.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TCP_ESTABLISHED 1

void bench_fakepg_start(struct bench_fakepg *pg, const char *binary, uint32_t delay_ms,
                        uint32_t connections)
{
    char delay[16];
    char threads[16];
    unsigned port = 0;
    char *const none[] = {NULL};
    char *const arguments[] = {
        (char *)(uintptr_t)binary, "--port", "0", "--delay-ms", delay, "--threads", threads, NULL};
    (void)snprintf(delay, sizeof(delay), "%" PRIu32, delay_ms);
    (void)snprintf(threads, sizeof(threads), "%" PRIu32, connections);
    bench_child_start(&pg->child, "farebox-fakepg", arguments, none);
    bench_child_await_word(&pg->child, "http", pg->url);
    bench_child_await_word(&pg->child, "secret-key", pg->key);
    if (sscanf(pg->url, "http://127.0.0.1:%u", &port) != 1) {
        bench_child_fail(&pg->child, "says no address");
    }
    pg->port = (uint16_t)port;
}

/* The caller releases the answer. */
static json_t *ask(const struct bench_fakepg *pg, const char *path, const char *body)
{
    char url[BENCH_CHILD_WORD_SIZE + 100];
    (void)snprintf(url, sizeof(url), "%s/fake/%s", pg->url, path);
    json_t *json = json_loads(bench_request(&pg->child, url, body), 0, NULL);
    if (json == NULL) {
        bench_child_fail(&pg->child, "answers its control with no JSON");
    }
    return json;
}

void bench_fakepg_hurry(const struct bench_fakepg *pg)
{
    json_decref(ask(pg, "config", "{\"delay\":{\"pg\":{\"kind\":\"fixed\",\"ms\":0}}}"));
}

uint32_t bench_fakepg_connections(const struct bench_fakepg *pg)
{
    char line[300];
    uint32_t count = 0;
    FILE *file = fopen("/proc/net/tcp", "r");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        unsigned port = 0;
        unsigned state = 0;
        count +=
            sscanf(line, "%*d: %*8[0-9A-F]:%*4[0-9A-F] 0100007F:%4X %2X", &port, &state) == 2 &&
            port == pg->port && state == TCP_ESTABLISHED;
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return count;
}

static int64_t number(const json_t *object, const char *name)
{
    const json_t *member = json_object_get(object, name);
    return json_is_integer(member) ? json_integer_value(member) : -1;
}

void bench_fakepg_check(const struct bench_fakepg *pg, uint32_t orders)
{
    json_t *ledger = ask(pg, "ledger?limit=1", NULL);
    const json_t *totals = json_object_get(ledger, "totals");
    if (number(ledger, "count") != orders || number(totals, "approvals") != orders ||
        number(totals, "approved_twice") != 0 || number(totals, "refunded") != 0) {
        fprintf(stderr,
                "bench: %" PRIu32 " charges were due; orders %" PRId64 ", approvals %" PRId64
                ", approved twice %" PRId64 ", KRW refunded %" PRId64 "\n",
                orders, number(ledger, "count"), number(totals, "approvals"),
                number(totals, "approved_twice"), number(totals, "refunded"));
        bench_child_fail(&pg->child, "was not asked to charge each trip once");
    }
    json_decref(ledger);
}

void bench_fakepg_stop(struct bench_fakepg *pg)
{
    bench_child_stop(&pg->child);
}
