/*
 * test_http_api_slow.c - clients that send slowly or not at all: they are cut off, nothing is done
 * for them, and they only delay others.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http_fixture.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PAYMENTS      "/internal/api/payments"
#define RETRY_ALL     "/api/payments/admin/failed-events/retry-all"
#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))
/* Of the API of these tests: slow clients are cut off after this. */
#define REQUEST_MS 1000
/* Twice the limit (head, then body), and time for a busy machine. */
#define CUT_OFF_MS (2 * REQUEST_MS + 8000)

static struct fixture fixture;
static struct reply reply;

static int set_up(void **state)
{
    (void)state;
    fixture_open(&fixture, FIXTURE_TOKEN, REQUEST_MS);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fixture_close(&fixture);
    return 0;
}

static int begin(void **state)
{
    (void)state;
    fixture_reset(&fixture);
    return 0;
}

static int64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void assert_serves(void)
{
    ask_line(&fixture, "GET /metrics", "", &reply);
    assert_int_equal(reply.status, 200);
    reply_clear(&reply);
}

/*
 * Sends `text`, then a byte whenever the server has been silent for 50 ms, until it answers or
 * ends the connection. The pace makes the client slow; nothing is decided by it.
 */
static void drip(const char *text, struct reply *answer)
{
    int64_t start_ms = now_ms();
    int fd = client_open(&fixture);
    struct pollfd pollfd = {.fd = fd, .events = POLLIN};
    client_send_text(fd, text);
    while (poll(&pollfd, 1, 50) == 0) {
        assert_true(now_ms() - start_ms < CUT_OFF_MS);
        (void)client_try_send(fd, "a", 1);
    }
    client_receive(fd, answer, true);
    (void)close(fd);
}

static void a_slow_head_is_408(void **state)
{
    (void)state;
    drip("GET /metrics HTTP/1.1\r\nX: ", &reply);
    assert_problem(&reply, 408, "slow", "/");
    assert_serves();
}

static void a_slow_body_is_408_and_does_nothing(void **state)
{
    (void)state;
    drip("POST " RETRY_ALL " HTTP/1.1\r\nHost: x\r\n" FIXTURE_AUTHORIZATION
         "Content-Length: 60000\r\n\r\n",
         &reply);
    assert_problem(&reply, 408, "slow", RETRY_ALL);
    assert_int_equal(fixture.calls, 0);
    assert_serves();
}

static void a_body_that_never_comes_does_nothing(void **state)
{
    (void)state;
    int fd = client_open(&fixture);
    client_post(fd, "10", 5);
    client_receive(fd, &reply, true);
    assert_problem(&reply, 408, "slow", RETRY_ALL);
    assert_true(client_is_ended(fd));
    (void)close(fd);
    fd = client_open(&fixture);
    client_post(fd, "10", 5);
    (void)close(fd); /* the client is gone in the middle of it */
    assert_serves();
    assert_int_equal(fixture.calls, 1);
}

static void a_silent_client_is_closed(void **state)
{
    (void)state;
    int fd = client_open(&fixture);
    assert_true(client_is_ended(fd));
    (void)close(fd);
}

#define CLIENTS (HTTP_API_THREADS * 4)

static void many_slow_clients_only_delay_others(void **state)
{
    int slow[CLIENTS];
    (void)state;
    int64_t start_ms = now_ms();
    for (size_t i = 0; i < CLIENTS; i++) {
        slow[i] = client_open(&fixture);
        client_send_text(slow[i], "GET /met");
    }
    assert_serves();
    assert_true(now_ms() - start_ms < CUT_OFF_MS + CLIENTS / HTTP_API_THREADS * REQUEST_MS);
    for (size_t i = 0; i < CLIENTS; i++) {
        (void)close(slow[i]);
    }
}

static void closing_is_bounded_with_clients_in_the_middle(void **state)
{
    static const char *const texts[] = {"", "GET /met",
                                        "POST " RETRY_ALL
                                        " HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\nabc"};
    struct fixture other;
    int fds[6];
    (void)state;
    fixture_open(&other, FIXTURE_TOKEN, 60000); /* nobody is cut off in this test */
    for (size_t i = 0; i < LENGTH(fds); i++) {
        fds[i] = client_open(&other);
        client_send_text(fds[i], texts[i % LENGTH(texts)]);
    }
    int64_t start_ms = now_ms();
    fixture_close(&other);
    assert_true(now_ms() - start_ms < 15000);
    /* They are not waited for: what civetweb has accepted, and no worker has taken when it stops,
     * is open until the process ends. */
    for (size_t i = 0; i < LENGTH(fds); i++) {
        (void)close(fds[i]);
    }
    http_api_close(NULL);
}

#define TEST(name) cmocka_unit_test_setup(name, begin)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_slow_head_is_408),
        TEST(a_slow_body_is_408_and_does_nothing),
        TEST(a_body_that_never_comes_does_nothing),
        TEST(a_silent_client_is_closed),
        TEST(many_slow_clients_only_delay_others),
        TEST(closing_is_bounded_with_clients_in_the_middle),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
