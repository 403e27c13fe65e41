/* pg_http towards peers that misbehave: each call ends, and in the right kind of answer. */
#include "pg_http_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct kit kit;
static struct raw_peer *peer;

static void open_peer(raw_script script)
{
    peer = raw_peer_open(NULL, script);
    kit_init(&kit, "http", raw_peer_port(peer));
    kit_open(&kit);
}

static int teardown(void **state)
{
    (void)state;
    kit_close(&kit);
    raw_peer_close(peer);
    peer = NULL;
    return 0;
}

/* Every kind of call meets the peer: the PG's with this kind, the upstreams' with trouble. */
static void assert_all(enum pg_answer_kind kind)
{
    for (int op = PG_REQUEST_FARE; op <= PG_REQUEST_CANCEL; op++) {
        bool is_upstream = op == PG_REQUEST_FARE || op == PG_REQUEST_PAYER;
        int expected = is_upstream ? (int)UPSTREAM_TROUBLE : (int)kind;
        int got = kit_kind(&kit, (enum pg_request_op)op);
        if (got != expected) {
            fail_msg("call %d: %d instead of %d; told: %s", op, got, expected, kit.told);
        }
    }
}

static void close_at_once(struct raw_conn *conn)
{
    (void)conn;
}

/* Whether the request got into the socket before the reset is not known: never NOT_SENT. */
static void a_connection_closed_at_accept_leaves_it_open_whether_the_request_left(void **state)
{
    (void)state;
    open_peer(close_at_once);
    assert_all(PG_ANSWER_TIMEOUT);
    assert_int_equal(raw_peer_connections(peer), 5); /* a fresh connection is not tried again */
}

static void close_after_the_request(struct raw_conn *conn)
{
    (void)raw_conn_read(conn);
}

static void a_connection_closed_after_the_request_is_no_answer(void **state)
{
    (void)state;
    open_peer(close_after_the_request);
    assert_all(PG_ANSWER_TIMEOUT);
    assert_int_equal(raw_peer_requests(peer), 5);
}

static const char *text_to_say;

static void say_and_close(struct raw_conn *conn)
{
    if (raw_conn_read(conn)) {
        (void)raw_conn_say(conn, text_to_say);
    }
}

static void an_answer_cut_anywhere_is_broken(void **state)
{
    static const char *const texts[] = {
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"fare\":1}",
        "HTTP/1.1 403 No\r\nContent-Length: 100\r\n\r\n{\"code\":\"REJECT_CARD_PAYMENT\"}",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nA\r\n{\"fare\":1}\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{\"fare\":1}\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"fare\":1",
    };
    (void)state;
    open_peer(say_and_close);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        text_to_say = texts[i];
        assert_all(PG_ANSWER_BROKEN);
    }
    text_to_say = "HTTP/1.1 403 No\r\nConnection: close\r\n\r\n{\"code\":\"REJECT_CARD_PAYMENT\"";
    assert_int_equal(kit_kind(&kit, PG_REQUEST_CHARGE), PG_ANSWER_BROKEN);
}

static void what_is_not_http_is_broken(void **state)
{
    static const char *const texts[] = {
        "{\"fare\":1}\n",
        "SSH-2.0-OpenSSH_9.2\r\n",
        "HTTP/9.9 200 OK\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n{\"fare\":1}",
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x01",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n\x1f\x8b\x08\x01",
    };
    (void)state;
    open_peer(say_and_close);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        text_to_say = texts[i];
        assert_all(PG_ANSWER_BROKEN);
    }
}

static int status_to_say;
static const char *body_to_say;

static void answer_all(struct raw_conn *conn)
{
    while (raw_conn_read(conn) && raw_conn_answer(conn, status_to_say, body_to_say)) {
    }
}

static void html_is_broken_whatever_its_status(void **state)
{
    static const int statuses[] = {200, 204, 500, 502, 503, 504};
    (void)state;
    open_peer(answer_all);
    body_to_say = "<html><head><title>502 Bad Gateway</title></head></html>";
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        status_to_say = statuses[i];
        if (status_to_say == 204) {
            body_to_say = ""; /* has no body by HTTP's rules */
        }
        assert_all(PG_ANSWER_BROKEN);
        body_to_say = "<html></html>";
    }
    status_to_say = 401;
    assert_int_equal(kit_kind(&kit, PG_REQUEST_CHARGE), PG_ANSWER_BROKEN);
    status_to_say = 404;
    assert_int_equal(kit_kind(&kit, PG_REQUEST_LOOKUP), PG_ANSWER_BROKEN);
}

static void redirect(struct raw_conn *conn)
{
    char text[512];
    while (raw_conn_read(conn)) {
        (void)snprintf(text, sizeof(text),
                       "HTTP/1.1 %d Elsewhere\r\nLocation: http://127.0.0.1:%u/elsewhere\r\n"
                       "Content-Length: 0\r\n\r\n",
                       status_to_say, (unsigned)raw_peer_port(peer));
        (void)raw_conn_say(conn, text);
    }
}

static void redirects_are_not_followed(void **state)
{
    static const int statuses[] = {301, 302, 303, 307, 308};
    (void)state;
    open_peer(redirect);
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        status_to_say = statuses[i];
        assert_all(PG_ANSWER_BROKEN);
        assert_int_equal(raw_peer_requests(peer), 5 * (i + 1));
        assert_null(strstr(raw_peer_last(peer), "/elsewhere"));
    }
}

#define LARGE (10U << 20)
static bool was_cut;

static void say_much(struct raw_conn *conn)
{
    char *spaces = malloc(LARGE);
    if (spaces != NULL && raw_conn_read(conn)) {
        memset(spaces, ' ', LARGE);
        (void)raw_conn_say(conn, text_to_say);
        was_cut = !raw_conn_send(conn, spaces, LARGE);
        (void)raw_conn_say(conn, "{\"fare\":1}");
    }
    free(spaces);
}

static void ten_megabytes_are_broken_off(void **state)
{
    static const char *const heads[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 10485770\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na00000\r\n",
        "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX-Long: ",
    };
    (void)state;
    open_peer(say_much);
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        text_to_say = heads[i];
        was_cut = false;
        assert_all(PG_ANSWER_BROKEN);
        assert_true(was_cut);
    }
}

#define HEADER_LINES 2000 /* 100 KB: fewer than libcurl's own limit */

static void say_many_headers(struct raw_conn *conn)
{
    bool is_there = raw_conn_read(conn) && raw_conn_say(conn, text_to_say);
    for (int i = 0; is_there && i < HEADER_LINES; i++) {
        is_there = raw_conn_say(conn, "X-More: 0123456789012345678901234567890123456789\r\n");
    }
    (void)raw_conn_say(conn, "Content-Length: 10\r\n\r\n{\"fare\":1}");
}

static void headers_beyond_64_kib_are_broken_off(void **state)
{
    (void)state;
    open_peer(say_many_headers);
    text_to_say = "HTTP/1.1 200 OK\r\n";
    assert_all(PG_ANSWER_BROKEN);
    assert_non_null(strstr(kit.told, "an answer is too large"));
}

/* Connecting is a part of it: enough for a machine that is busy with other things. */
#define SHORT_MS 1500

static void set_limits(int32_t ms)
{
    kit_close(&kit);
    kit.options.charge_ms = kit.options.lookup_ms = kit.options.cancel_ms = ms;
    kit.options.upstream_ms = ms;
    kit_open(&kit);
}

static void drip(struct raw_conn *conn)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";
    size_t at = 0;
    bool is_there = raw_conn_read(conn);
    while (is_there) {
        is_there = raw_conn_send(conn, at < sizeof(head) - 1 ? &head[at] : " ", 1);
        at++;
        raw_pause(50);
    }
}

static void a_peer_that_drips_runs_into_the_time_limit(void **state)
{
    (void)state;
    open_peer(drip);
    set_limits(SHORT_MS);
    assert_all(PG_ANSWER_TIMEOUT); /* among the head's bytes: they are dripped first */
}

static void say_nothing(struct raw_conn *conn)
{
    while (raw_conn_read(conn)) {
    }
}

static void a_peer_that_never_answers_runs_into_the_time_limit(void **state)
{
    (void)state;
    open_peer(say_nothing);
    set_limits(SHORT_MS);
    assert_all(PG_ANSWER_TIMEOUT);
    assert_int_equal(raw_peer_requests(peer), 5); /* and is not asked again */
}

static void answer_in_pieces(struct raw_conn *conn)
{
    while (raw_conn_read(conn)) {
        (void)raw_conn_say(conn, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"
                                 "Transfer-Encoding: chunked\r\nTrailer: X-End\r\n\r\n");
        for (const char *at = kit_done; *at != '\0'; at++) {
            char chunk[16];
            (void)snprintf(chunk, sizeof(chunk), "1;x=y\r\n%c\r\n", *at);
            for (const char *byte = chunk; *byte != '\0'; byte++) {
                (void)raw_conn_send(conn, byte, 1);
            }
        }
        (void)raw_conn_say(conn, "0\r\nX-End: 1\r\n\r\n");
    }
}

static void an_answer_in_chunks_of_one_byte_is_whole(void **state)
{
    (void)state;
    open_peer(answer_in_pieces);
    assert_int_equal(kit_kind(&kit, PG_REQUEST_CHARGE), PG_ANSWER_PAYMENT);
    assert_int_equal(kit_kind(&kit, PG_REQUEST_CHARGE), PG_ANSWER_PAYMENT);
    assert_int_equal(raw_peer_connections(peer), 1);
}

/* The object is told as it is: core compares it with what was asked. */
static void a_payment_of_another_order_or_amount_is_told_as_such(void **state)
{
    struct kit_call call = kit_call_of(PG_REQUEST_CHARGE);
    (void)state;
    open_peer(answer_all);
    status_to_say = 200;
    body_to_say = "{\"paymentKey\":\"p\",\"orderId\":\"another-order\",\"status\":\"DONE\","
                  "\"currency\":\"KRW\",\"totalAmount\":99,\"balanceAmount\":99}";
    kit_ask(&kit, &call);
    assert_int_equal(call.answer.pg.kind, PG_ANSWER_PAYMENT);
    assert_false(call.answer.pg.order_matches);
    assert_int_equal(call.answer.pg.total_krw, 99);
}

static void assert_class(int http_status, const char *code, enum pg_code_class class)
{
    char body[128];
    struct kit_call call = kit_call_of(PG_REQUEST_CHARGE);
    (void)snprintf(body, sizeof(body), "{\"code\":\"%s\",\"message\":\"m\"}", code);
    status_to_say = http_status;
    body_to_say = body;
    kit_ask(&kit, &call);
    assert_int_equal(call.answer.pg.kind, PG_ANSWER_ERROR);
    assert_int_equal(call.answer.pg.code_class, class);
    assert_string_equal(call.answer.pg_texts.code, code);
}

static void an_error_is_judged_by_its_code_not_by_its_status(void **state)
{
    (void)state;
    open_peer(answer_all);
    assert_class(401, "UNAUTHORIZED_KEY", PG_CODE_CREDENTIALS);
    assert_class(400, "UNAUTHORIZED_KEY", PG_CODE_CREDENTIALS);
    assert_class(429, "TOO_MANY_REQUESTS", PG_CODE_RETRY);
    assert_class(401, "SOMETHING_NEW", PG_CODE_UNKNOWN);
    assert_class(403, "SOMETHING_NEW", PG_CODE_UNKNOWN);
    assert_class(500, "REJECT_CARD_PAYMENT", PG_CODE_DECLINED);
}

static void a_refused_connection_and_an_unknown_name_are_proof_that_nothing_left(void **state)
{
    uint16_t port;
    (void)state;
    open_peer(say_nothing);
    port = raw_peer_port(peer);
    kit_close(&kit);
    raw_peer_close(peer);
    peer = NULL;
    kit_init(&kit, "http", port);
    kit_open(&kit);
    assert_all(PG_ANSWER_NOT_SENT);
    assert_non_null(strstr(kit.told, "Connection refused"));
    kit_close(&kit);
    for (int i = 0; i < PG_HTTP_PEERS; i++) {
        kit.options.peers[i].base_url = "http://farebox.invalid";
    }
    kit_open(&kit);
    assert_all(PG_ANSWER_NOT_SENT);
}

/* What an operator is told holds nothing that the peer said and no secret. */
static void no_secret_is_told(void **state)
{
    static const char *const secrets[] = {KIT_KEY,          KIT_BILLING, "bk%2BZ",
                                          "ps_Z61JOxRQVEm", "43301234",  "dGVzdF9za19kb2Nz"};
    (void)state;
    open_peer(say_and_close);
    text_to_say = "HTTP/1.1 200 bk+Z_t0vVEe/k=\r\nContent-Length: bk%2BZ\r\nbk%2BZ\r\n\r\n"
                  "\"ps_Z61JOxRQVEm\"";
    assert_all(PG_ANSWER_BROKEN);
    raw_peer_script(peer, answer_all);
    status_to_say = 500;
    body_to_say = kit_done;
    assert_int_equal(kit_kind(&kit, PG_REQUEST_CHARGE), PG_ANSWER_BROKEN);
    assert_true(strlen(kit.told) > 0);
    for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++) {
        assert_null(strstr(kit.told, secrets[i]));
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_connection_closed_at_accept_leaves_it_open_whether_the_request_left),
        TEST(a_connection_closed_after_the_request_is_no_answer),
        TEST(an_answer_cut_anywhere_is_broken),
        TEST(what_is_not_http_is_broken),
        TEST(html_is_broken_whatever_its_status),
        TEST(redirects_are_not_followed),
        TEST(ten_megabytes_are_broken_off),
        TEST(headers_beyond_64_kib_are_broken_off),
        TEST(a_peer_that_drips_runs_into_the_time_limit),
        TEST(a_peer_that_never_answers_runs_into_the_time_limit),
        TEST(an_answer_in_chunks_of_one_byte_is_whole),
        TEST(a_payment_of_another_order_or_amount_is_told_as_such),
        TEST(an_error_is_judged_by_its_code_not_by_its_status),
        TEST(a_refused_connection_and_an_unknown_name_are_proof_that_nothing_left),
        TEST(no_secret_is_told),
    };
    return pg_http_global_init() ? cmocka_run_group_tests_name("bad peers", tests, NULL, NULL) : 1;
}
