/* The gateway on the fakes in this process: what a full disk makes of the answers of a group. */
#include "fake_gateway.h"
#include "clock.h"
#include "pg_fake.h"
#include "unit_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define CHARGES 8
#define LONG_MS 300000 /* longer than a test may take */

static char folder[200];
static char path[250];
static struct farebox_settings settings;
static struct inbox inbox;
static struct gateway_port *port;

static int setup(void **state)
{
    const char *parent = getenv("TMPDIR");
    char variable[300];
    char error[512];
    char delay[] = "FAREBOX_FAKE_PG_DELAY_MAX_MS=0";
    char upstream_delay[] = "FAREBOX_FAKE_UPSTREAM_DELAY_MAX_MS=0";
    char *environment[] = {variable, delay, upstream_delay, NULL};

    (void)state;
    (void)snprintf(folder, sizeof(folder), "%s/fake-gateway-XXXXXX",
                   parent != NULL ? parent : "/tmp");
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/ledger", folder);
    (void)snprintf(variable, sizeof(variable), "FAREBOX_FAKE_PG_FILE=%s", path);
    assert_int_equal(settings_load(&settings, environment, (struct settings_report){0}),
                     SETTINGS_OK);
    assert_true(inbox_init(&inbox));
    return fake_gateway_open(&settings, &inbox, &port, error, sizeof(error)) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    port->ops->close(port);
    inbox_clear(&inbox);
    settings_clear(&settings);
    (void)unlink(path);
    return rmdir(folder);
}

static void call(enum gateway_op op, uint32_t slot)
{
    const struct gateway_call asked = {.op = (uint8_t)op,
                                       .slot = slot,
                                       .call_no = 1,
                                       .send_by_ms = clock_boot_ms() + LONG_MS,
                                       .payment_id = {{0xab, (uint8_t)slot}},
                                       .amount_krw = 15200,
                                       .trip_id = "trip-1",
                                       .user_id = "user-1",
                                       .billing_key = "bk_first=",
                                       .ended_at = "2026-10-01T15:40:09",
                                       .distance_meters = 8200,
                                       .duration_seconds = 1260};

    port->ops->call(port, gateway_call_new(&asked));
}

/* What came of the calls of a kind. */
struct answers {
    uint32_t payments, timeouts, not_sent, quotes;
    uint32_t with_texts; /* of those that timed out */
};

static void take_one(struct gateway_call *answered, struct answers *answers)
{
    if (answered->op == GATEWAY_FARE) {
        answers->quotes += answered->upstream.kind == UPSTREAM_OK;
    } else {
        bool is_timeout = answered->pg.kind == PG_ANSWER_TIMEOUT;

        answers->payments += answered->pg.kind == PG_ANSWER_PAYMENT;
        answers->timeouts += is_timeout;
        answers->not_sent += answered->pg.kind == PG_ANSWER_NOT_SENT;
        answers->with_texts += is_timeout && answered->texts != NULL;
    }
    gateway_call_free(answered);
}

static struct answers take(uint32_t count)
{
    struct answers answers = {0};

    while (count > 0) {
        struct message *message = inbox_take(&inbox, LONG_MS);

        assert_non_null(message);
        while (message != NULL) {
            struct message *next = message->next;

            take_one((struct gateway_call *)(void *)message, &answers);
            count--;
            message = next;
        }
    }
    return answers;
}

/* Charges, the fare of a trip among them. */
static struct answers ask_all(uint32_t first_slot)
{
    for (uint32_t i = 0; i < CHARGES; i++) {
        call(GATEWAY_CHARGE, first_slot + i);
        if (i == CHARGES / 2) {
            call(GATEWAY_FARE, 100);
        }
    }
    port->ops->send(port);
    return take(CHARGES + 1);
}

static void a_group_whose_end_fails_is_answered_by_timeouts(void **state)
{
    struct stat stat_now;
    struct rlimit before;
    struct answers answers;

    (void)state;
    answers = ask_all(0);
    assert_int_equal(answers.payments, CHARGES);
    assert_int_equal(stat(path, &stat_now), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    struct rlimit tight = {.rlim_cur = (rlim_t)stat_now.st_size + 50, .rlim_max = before.rlim_max};
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    answers = ask_all(CHARGES);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    (void)signal(SIGXFSZ, SIG_DFL);
    /* Those that were asked after the disk had failed need not be unknown. */
    assert_int_equal(answers.payments, 0);
    assert_true(answers.timeouts > 0);
    assert_int_equal(answers.timeouts + answers.not_sent, CHARGES);
    assert_int_equal(answers.with_texts, 0);
    assert_int_equal(answers.quotes, 1);
    answers = ask_all(2 * CHARGES);
    assert_int_equal(answers.not_sent, CHARGES);
    assert_int_equal(answers.quotes, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_group_whose_end_fails_is_answered_by_timeouts, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
