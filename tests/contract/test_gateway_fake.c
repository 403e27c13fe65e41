/* The contract suite of the gateway port on the fakes in this process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fake_gateway.h"
#include "gateway_suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[256];
static char path[300];

static void fake_open(struct gateway_fixture *fixture)
{
    const char *parent = getenv("TMPDIR");
    char variable[400];
    char error[512];
    (void)snprintf(folder, sizeof(folder), "%s/farebox-gateway-XXXXXX",
                   parent != NULL ? parent : "/tmp");
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/pg.log", folder);
    (void)snprintf(variable, sizeof(variable), "FAREBOX_FAKE_PG_FILE=%s", path);
    const char *const variables[] = {variable, "FAREBOX_PG_TIMEOUT_S=2",
                                     "FAREBOX_FAKE_PG_DELAY_MAX_MS=0", NULL};
    gateway_suite_settings(&fixture->settings, variables);
    if (!fake_gateway_open(&fixture->settings, &fixture->inbox, &fixture->port, error,
                           sizeof(error))) {
        fail_msg("%s", error);
    }
}

static void fake_rule(struct gateway_fixture *fixture, const struct pg_fake_rule *rule)
{
    assert_true(pg_fake_rule_add(fake_gateway_pg(fixture->port), rule));
}

static void fake_close(struct gateway_fixture *fixture)
{
    (void)fixture;
    (void)unlink(path);
    (void)rmdir(folder);
}

int main(void)
{
    static const struct gateway_factory factory = {"gateway: fakes in this process", fake_open,
                                                   fake_rule, fake_close};
    return gateway_suite_run(&factory);
}
