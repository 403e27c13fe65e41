/*
 * test_http_api_abuse.c - clients that are broken, huge, or many: each gets a clear answer or
 * a closed connection, and the next client is served.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http_fixture.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAYMENTS      "/internal/api/payments"
#define RETRY_ALL     "/api/payments/admin/failed-events/retry-all"
#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))
/* Of the API of these tests: slow clients are cut off after this. */
#define REQUEST_MS 1000

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

static void assert_serves(void)
{
    ask_line(&fixture, "GET /metrics", "", &reply);
    assert_int_equal(reply.status, 200);
    reply_clear(&reply);
}

static void what_is_not_http_is_400(void **state)
{
    static const char *const wrong[] = {
        "GET\r\n\r\n",
        "GET /metrics\r\n\r\n",
        "GET /metrics FTP/1.1\r\n\r\n",
        "GET metrics HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /caf\xC3\xA9 HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /metrics HTTP/1.1\r\n\r\n",
        "GET /metrics HTTP/1.1\r\nAccept: no host\r\n\r\n",
        "GET /metrics HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        "GET /metrics HTTP/1.1\r\n: no name\r\nHost: x\r\n\r\n",
        "GET /metrics HTTP/1.1\r\nHost: x\r\n: no name\r\nContent-Length: 1\r\n\r\na",
        "GET /metrics HTTP/1.1\r\nHost: x\r\n folded\r\nContent-Length: 1\r\n\r\na",
        "GET /metrics HTTP/1.1\r\nHost: x\r\n\xC3\xA9: odd\r\nContent-Length: 1\r\n\r\na",
        "GET /metrics HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n",
        "GET /metrics HTTP/1.1\nHost: x\n\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xFC\x03\x03 a TLS client's greeting\r\n\r\n",
        "POST " RETRY_ALL " HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 1\r\n\r\na",
        "POST " RETRY_ALL " HTTP/1.1\r\nHost: x\r\nContent-Length: 1x\r\n\r\na",
        "POST " RETRY_ALL " HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\na",
        "POST " RETRY_ALL " HTTP/1.1\r\nHost: x\r\nContent-Length: 0x1\r\n\r\na",
        "POST " RETRY_ALL " HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\na",
        "POST " RETRY_ALL
        " HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    };
    (void)state;
    for (size_t i = 0; i < LENGTH(wrong); i++) {
        ask(&fixture, wrong[i], &reply);
        if (reply.status != 400) {
            fail_msg("%s gives %d", wrong[i], reply.status);
        }
        json_t *json = reply_json(&reply, 400);
        assert_string_equal(json_string_value(json_object_get(json, "type")),
                            "urn:farebox:problem:malformed");
        json_decref(json);
    }
    assert_int_equal(fixture.calls, 0);
    assert_serves();
}

static void another_version_is_505(void **state)
{
    (void)state;
    ask(&fixture, "GET /metrics HTTP/2.0\r\nHost: x\r\n\r\n", &reply);
    assert_problem(&reply, 505, "version", "/");
}

static void a_websocket_is_not_opened(void **state)
{
    (void)state;
    ask(&fixture,
        "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        &reply);
    assert_int_equal(reply.status, 200);
    reply_clear(&reply);
}

static void a_long_uri_is_414(void **state)
{
    char *line = malloc(60000);
    (void)state;
    assert_non_null(line);
    for (int over = 0; over <= 1; over++) {
        int len = snprintf(line, 60000, "GET " PAYMENTS "?tripId=%0*d HTTP/1.1\r\nHost: x\r\n\r\n",
                           HTTP_API_URI_MAX - (int)strlen(PAYMENTS "?tripId=") + over, 0);
        assert_true(len > 0);
        ask(&fixture, line, &reply);
        assert_problem(&reply, over ? 414 : 400, over ? "uri-long" : "parameter", PAYMENTS);
    }
    (void)snprintf(line, 60000, "GET %s%055000d HTTP/1.1\r\nHost: x\r\n\r\n", "/", 0);
    ask(&fixture, line, &reply);
    assert_int_equal(reply.status, 414);
    reply_clear(&reply);
    free(line);
    assert_serves();
}

static void long_headers_are_431(void **state)
{
    char *text = malloc(60000);
    (void)state;
    assert_non_null(text);
    (void)snprintf(text, 60000, "GET /metrics HTTP/1.1\r\nHost: x\r\nX-Long: %017000d\r\n\r\n", 0);
    ask(&fixture, text, &reply);
    assert_problem(&reply, 431, "head-long", "/metrics");
    (void)snprintf(text, 60000, "GET /metrics HTTP/1.1\r\nHost: x\r\nX-Long: %016000d\r\n\r\n", 0);
    ask(&fixture, text, &reply);
    assert_int_equal(reply.status, 200);
    reply_clear(&reply);
    free(text);
}

static void a_head_without_end_is_cut_off(void **state)
{
    char junk[8192];
    (void)state;
    int fd = client_open(&fixture);
    memset(junk, 'a', sizeof(junk));
    client_send_text(fd, "GET /");
    for (int i = 0; i < 1000 && client_try_send(fd, junk, sizeof(junk)); i++) {
    }
    while (!client_is_ended(fd)) { /* an answer may or may not get through */
    }
    (void)close(fd);
    assert_serves();
}

/* civetweb forgets them silently; a Content-Length among them must not get lost. */
static void more_than_64_headers_are_400(void **state)
{
    char text[2048];
    (void)state;
    for (int headers = 64; headers <= 65; headers++) {
        (void)snprintf(text, sizeof(text), "POST " RETRY_ALL " HTTP/1.1\r\nHost: x\r\n");
        for (int i = 2; i < headers; i++) {
            (void)strcat(text, "X-A: b\r\n");
        }
        (void)strcat(text,
                     "Content-Length: 38\r\n\r\nGET /metrics HTTP/1.1\r\nHost: smuggled\r\n\r\n");
        int fd = client_open(&fixture);
        client_send_text(fd, text);
        client_receive(fd, &reply, true);
        if (headers == 64) {
            assert_problem(&reply, 401, "unauthorized", RETRY_ALL);
        } else {
            assert_problem(&reply, 400, "malformed", RETRY_ALL);
            assert_true(client_is_ended(fd));
        }
        (void)close(fd);
    }
    assert_int_equal(fixture.calls, 0);
}

static void a_body_is_ignored_and_the_connection_goes_on(void **state)
{
    static const char *const lengths[] = {"0", "10", "65535", "65536"};
    (void)state;
    int fd = client_open(&fixture);
    for (size_t i = 0; i < LENGTH(lengths); i++) {
        client_post(fd, lengths[i], strtoul(lengths[i], NULL, 10));
        client_receive(fd, &reply, true);
        assert_int_equal(reply.status, 200);
        reply_clear(&reply);
    }
    (void)close(fd);
    assert_int_equal(fixture.calls, LENGTH(lengths));
}

static void a_body_that_is_too_long_is_413_and_never_a_request(void **state)
{
    static const char *const lengths[] = {"65537", "1000000", "9223372036854775807",
                                          "9223372036854775000", "99999999999999999999"};
    (void)state;
    for (size_t i = 0; i < LENGTH(lengths); i++) {
        int fd = client_open(&fixture);
        client_post(fd, lengths[i], 0);
        client_send_text(fd, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"); /* part of the body */
        client_receive(fd, &reply, true);
        assert_problem(&reply, 413, "body-long", RETRY_ALL);
        assert_true(client_is_ended(fd));
        (void)close(fd);
    }
    assert_int_equal(fixture.calls, 0);
    assert_serves();
}

static void a_client_that_sends_too_much_at_once_sees_the_413(void **state)
{
    (void)state;
    int fd = client_open(&fixture);
    client_post(fd, "65537", 65537);
    client_receive(fd, &reply, true);
    assert_problem(&reply, 413, "body-long", RETRY_ALL);
    (void)close(fd);
}

static void a_chunked_body_is_411_and_never_a_request(void **state)
{
    static const char *const codings[] = {"chunked", "identity"};
    char text[512];
    (void)state;
    for (size_t i = 0; i < LENGTH(codings); i++) {
        int fd = client_open(&fixture);
        (void)snprintf(text, sizeof(text),
                       "POST " RETRY_ALL " HTTP/1.1\r\nHost: x\r\n" FIXTURE_AUTHORIZATION
                       "Transfer-Encoding: %s\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"
                       "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
                       codings[i]);
        client_send_text(fd, text);
        client_receive(fd, &reply, true);
        assert_problem(&reply, 411, "length-needed", RETRY_ALL);
        assert_true(client_is_ended(fd));
        (void)close(fd);
    }
    assert_int_equal(fixture.calls, 0);
}

static void a_client_that_waits_for_continue_gets_it(void **state)
{
    (void)state;
    int fd = client_open(&fixture);
    client_send_text(fd, "POST " RETRY_ALL " HTTP/1.1\r\nHost: x\r\n" FIXTURE_AUTHORIZATION
                         "Content-Length: 3\r\nExpect: 100-continue\r\n\r\n");
    client_receive(fd, &reply, true);
    assert_int_equal(reply.status, 100);
    client_send_text(fd, "abc");
    client_receive(fd, &reply, true);
    assert_int_equal(reply.status, 200);
    reply_clear(&reply);
    (void)close(fd);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    (void)state;
    int fd = client_open(&fixture);
    client_send_text(fd, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
                         "GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n"
                         "POST " RETRY_ALL " HTTP/1.1\r\nHost: x\r\n" FIXTURE_AUTHORIZATION
                         "Content-Length: 4\r\n\r\nGET "
                         "GET /actuator/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
                         "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    static const int expected[] = {200, 404, 200, 200};
    for (size_t i = 0; i < LENGTH(expected); i++) {
        client_receive(fd, &reply, true);
        assert_int_equal(reply.status, expected[i]);
        reply_clear(&reply);
    }
    assert_true(client_is_ended(fd)); /* close means close */
    (void)close(fd);
    assert_int_equal(fixture.calls, 3);
}

static void an_old_client_gets_its_connection_closed(void **state)
{
    char connection[32];
    (void)state;
    int fd = client_open(&fixture);
    client_send_text(fd, "GET /metrics HTTP/1.0\r\n\r\n");
    client_receive(fd, &reply, true);
    reply_header(&reply, "Connection", connection, sizeof(connection));
    assert_string_equal(connection, "close");
    assert_int_equal(reply.status, 200);
    reply_clear(&reply);
    assert_true(client_is_ended(fd));
    (void)close(fd);
}

#define CLIENTS (HTTP_API_THREADS * 4)

static void many_connections_are_all_served(void **state)
{
    int fds[CLIENTS];
    (void)state;
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < CLIENTS; i++) {
            fds[i] = client_open(&fixture);
            client_send_text(fds[i],
                             "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        }
        for (size_t i = 0; i < CLIENTS; i++) {
            client_receive(fds[i], &reply, true);
            assert_int_equal(reply.status, 200);
            reply_clear(&reply);
            (void)close(fds[i]);
        }
    }
}

static void random_bytes_never_reach_the_driver(void **state)
{
    unsigned char bytes[600];
    uint32_t random = 7;
    (void)state;
    for (int round = 0; round < 300; round++) {
        for (size_t i = 0; i < sizeof(bytes); i++) {
            random = random * 1664525U + 1013904223U;
            bytes[i] = (unsigned char)(random >> 24);
        }
        memcpy(bytes + sizeof(bytes) - 4, "\r\n\r\n", 4);
        if (round % 2 == 0) {
            memcpy(bytes, "POST ", 5);
        }
        int fd = client_open(&fixture);
        (void)client_try_send(fd, bytes, sizeof(bytes));
        client_receive(fd, &reply, true);
        assert_true(reply.status == 0 || reply.status >= 400);
        reply_clear(&reply);
        (void)close(fd);
    }
    assert_int_equal(fixture.calls, 0);
    assert_serves();
}

static void a_taken_port_is_an_error_that_says_so(void **state)
{
    static const struct http_api_ops no_ops = {0};
    struct secret none;
    struct http_api *api = NULL;
    char error[256] = "";
    (void)state;
    secret_init(&none);
    const struct http_api_options options = {.ops = &no_ops,
                                             .host = "127.0.0.1",
                                             .port = http_api_port(fixture.api),
                                             .admin_token = &none};
    assert_int_equal(http_api_open(&options, &api, error, sizeof(error)), HTTP_API_CANNOT_LISTEN);
    assert_null(api);
    assert_non_null(strstr(error, "cannot listen on 127.0.0.1:"));
    assert_non_null(strstr(error, "in use"));
    assert_serves();
}

#define TEST(name) cmocka_unit_test_setup(name, begin)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_not_http_is_400),
        TEST(another_version_is_505),
        TEST(a_websocket_is_not_opened),
        TEST(a_long_uri_is_414),
        TEST(long_headers_are_431),
        TEST(a_head_without_end_is_cut_off),
        TEST(more_than_64_headers_are_400),
        TEST(a_body_is_ignored_and_the_connection_goes_on),
        TEST(a_body_that_is_too_long_is_413_and_never_a_request),
        TEST(a_client_that_sends_too_much_at_once_sees_the_413),
        TEST(a_chunked_body_is_411_and_never_a_request),
        TEST(a_client_that_waits_for_continue_gets_it),
        TEST(pipelined_requests_are_answered_in_order),
        TEST(an_old_client_gets_its_connection_closed),
        TEST(many_connections_are_all_served),
        TEST(random_bytes_never_reach_the_driver),
        TEST(a_taken_port_is_an_error_that_says_so),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
