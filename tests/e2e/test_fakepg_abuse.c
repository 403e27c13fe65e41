/* farebox-fakepg and bad clients: it neither ends nor stops serving the others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fakepg_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS 1000

static struct fakepg_kit kit;

static int setup(void **state)
{
    (void)state;
    fakepg_kit_init(&kit);
    fakepg_kit_start(&kit, (const char *const[]){"--threads", "1200", NULL});
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fakepg_kit_clear(&kit);
    return 0;
}

static void expect_served(void)
{
    fakepg_kit_refused(&kit, "GET /v1/payments/orders/order-served", "", NULL, 404,
                       "NOT_FOUND_PAYMENT");
}

/* Sends raw bytes and takes whatever comes. */
static int send_raw(const char *bytes, size_t len)
{
    struct fakepg_answered answered;
    int fd = fakepg_kit_connect(&kit);
    (void)send(fd, bytes, len, MSG_NOSIGNAL);
    (void)shutdown(fd, SHUT_WR);
    fakepg_kit_receive(fd, &answered);
    int status = answered.status;
    fakepg_answered_clear(&answered);
    (void)close(fd);
    return status;
}

static void garbage_is_refused_or_cut_off(void **state)
{
    static const char *const texts[] = {
        "\r\n\r\n",
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "POST /v1/billing/bk HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        "POST /v1/billing/bk HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        "POST /v1/billing/bk HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999\r\n\r\n",
        "POST /v1/billing/bk HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /v1/billing/%00 HTTP/1.1\r\nHost: x\r\n" KIT_AUTH "Content-Length: 2\r\n\r\n{}",
        "GET /v1/payments/%zz HTTP/1.1\r\nHost: x\r\n" KIT_AUTH "\r\n",
        "GET /v1/payments/orders/%ff%fe HTTP/1.1\r\nHost: x\r\n" KIT_AUTH "\r\n",
    };
    uint64_t random = 1;
    char noise[512];
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        int status = send_raw(texts[i], strlen(texts[i]));
        if (status != 0 && (status < 400 || status > 505)) {
            fail_msg("%s: status %d", texts[i], status);
        }
    }
    for (int round = 0; round < 50; round++) {
        for (size_t i = 0; i < sizeof noise; i++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            noise[i] = (char)(random >> 56);
        }
        (void)send_raw(noise, sizeof noise);
    }
    expect_served();
}

static void deep_and_odd_json_is_refused(void **state)
{
    static char deep[60001];
    (void)state;
    memset(deep, '[', sizeof deep - 1);
    fakepg_kit_refused(&kit, "POST /v1/billing/bk", "", deep, 400, "INVALID_REQUEST");
    fakepg_kit_refused(&kit, "POST /v1/billing/bk", "",
                       "{\"orderId\":\"order-\\u0000odd\",\"amount\":1000}", 400,
                       "INVALID_REQUEST");
    fakepg_kit_refused(&kit, "POST /v1/billing/bk", "", "{\"orderId\":\"\xff\xfe\"}", 400,
                       "INVALID_REQUEST");
    json_decref(fakepg_kit_json(&kit, "POST /fake/faults", "", deep, 400));
    json_decref(fakepg_kit_json(&kit, "POST /fake/config", "", "[1,2]", 400));
    json_decref(fakepg_kit_json(&kit, "POST /fake/faults", "", "[1,2]", 400));
    expect_served();
}

static void a_body_over_the_limit_is_refused(void **state)
{
    struct fakepg_answered answered;
    char *body = malloc(100001);
    (void)state;
    assert_non_null(body);
    memset(body, ' ', 100000);
    body[100000] = '\0';
    fakepg_kit_ask(&kit, "POST /v1/billing/bk", KIT_AUTH, body, &answered);
    assert_int_equal(answered.status, 413);
    fakepg_answered_clear(&answered);
    free(body);
    expect_served();
}

static void a_thousand_connections_are_served_and_idle_ones_stop_nobody(void **state)
{
    static int fds[CONNECTIONS];
    static const char request[] =
        "GET /v1/payments/orders/order-many HTTP/1.1\r\nHost: x\r\n" KIT_AUTH "\r\n";
    char byte[16];
    (void)state;
    for (int i = 0; i < CONNECTIONS; i++) {
        fds[i] = fakepg_kit_connect(&kit);
    }
    for (int i = 0; i < CONNECTIONS; i += 2) { /* every second one says nothing */
        assert_int_equal(send(fds[i], request, sizeof request - 1, MSG_NOSIGNAL),
                         (ssize_t)sizeof request - 1);
    }
    for (int i = 0; i < CONNECTIONS; i += 2) {
        assert_true(recv(fds[i], byte, sizeof byte, 0) > 12);
        assert_memory_equal(byte, "HTTP/1.1 404", 12);
    }
    expect_served();
    for (int i = 0; i < CONNECTIONS; i++) {
        (void)close(fds[i]);
    }
}

static void a_slow_client_is_cut_off_while_others_are_served(void **state)
{
    static const char head[] = "POST /v1/billing/bk HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n";
    struct fakepg_answered answered;
    int fd = fakepg_kit_connect(&kit);
    (void)state;
    (void)send(fd, head, sizeof head - 1, MSG_NOSIGNAL);
    expect_served();
    fakepg_kit_receive(fd, &answered); /* 10 s: the head never ends */
    assert_true(answered.status == 408 || answered.status == 0);
    fakepg_answered_clear(&answered);
    (void)close(fd);
    expect_served();
}

static void a_client_that_leaves_before_its_answer_harms_nobody(void **state)
{
    static const char request[] =
        "GET /v1/payments/orders/order-left HTTP/1.1\r\nHost: x\r\n" KIT_AUTH "\r\n";
    (void)state;
    fakepg_kit_set(&kit, "config", "{\"delay\":{\"pg\":{\"kind\":\"fixed\",\"ms\":200}}}");
    for (int i = 0; i < 50; i++) {
        int fd = fakepg_kit_connect(&kit);
        (void)send(fd, request, sizeof request - 1, MSG_NOSIGNAL);
        (void)close(fd);
    }
    expect_served();
    fakepg_kit_set(&kit, "config", "{\"delay\":{\"pg\":{\"kind\":\"fixed\",\"ms\":60000}}}");
    int fd = fakepg_kit_connect(&kit);
    (void)send(fd, request, sizeof request - 1, MSG_NOSIGNAL);
    (void)usleep(100000); /* it waits now; the end of the process does not wait for it */
    (void)close(fd);
}

/* Status 0 also says that no sanitizer has complained. The last of the tests. */
static void sigterm_ends_it_with_status_0(void **state)
{
    (void)state;
    fakepg_kit_stop(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(garbage_is_refused_or_cut_off),
        cmocka_unit_test(deep_and_odd_json_is_refused),
        cmocka_unit_test(a_body_over_the_limit_is_refused),
        cmocka_unit_test(a_thousand_connections_are_served_and_idle_ones_stop_nobody),
        cmocka_unit_test(a_slow_client_is_cut_off_while_others_are_served),
        cmocka_unit_test(a_client_that_leaves_before_its_answer_harms_nobody),
        cmocka_unit_test(sigterm_ends_it_with_status_0),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
