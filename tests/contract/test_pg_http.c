/* pg_http towards a peer that behaves: what leaves, when it leaves, and how calls share
 * connections. */
#include "pg_http_kit.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static struct kit kit;
static struct raw_peer *peer;

static void open_peer(raw_script script)
{
    peer = raw_peer_open(NULL, script);
    kit_init(&kit, "http", raw_peer_port(peer));
}

static int teardown(void **state)
{
    (void)state;
    kit_close(&kit);
    raw_peer_close(peer);
    peer = NULL;
    return 0;
}

static void answer_all(struct raw_conn *conn)
{
    while (raw_conn_read(conn)) {
        (void)raw_conn_answer(conn, 200, kit_done);
    }
}

static void assert_sent(const char *text)
{
    if (strstr(raw_peer_last(peer), text) == NULL) {
        fail_msg("\"%s\" is not in:\n%s", text, raw_peer_last(peer));
    }
}

static void a_charge_leaves_with_its_key_and_authorization(void **state)
{
    struct kit_call call = kit_call_of(PG_REQUEST_CHARGE);
    (void)state;
    open_peer(answer_all);
    kit_open(&kit);
    kit_ask(&kit, &call);
    assert_int_equal(call.answer.pg.kind, PG_ANSWER_PAYMENT);
    assert_true(call.answer.pg.order_matches);
    assert_string_equal(call.answer.pg_texts.pg_id, "pay_1");
    assert_sent("POST /v1/billing/bk%2BZ_t0vVEe%2Fk%3D HTTP/1.1\r\n");
    /* base64 of the key and a colon */
    assert_sent("\r\nAuthorization: Basic "
                "dGVzdF9za19kb2NzX09hUHo4TDVLZG1RWGt6UnozeTQ3Qk13Njo=\r\n");
    assert_sent("\r\nIdempotency-Key: " KIT_ORDER "\r\n");
    assert_sent("\r\ntraceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n");
    assert_sent("\r\nContent-Type: application/json\r\n");
    assert_sent("\r\n\r\n{\"customerKey\":\"user-1\",\"amount\":15200,\"orderId\":\"" KIT_ORDER
                "\",\"orderName\":\"Taxi trip-1\"}");
    assert_null(strstr(raw_peer_last(peer), "Accept-Encoding"));
    assert_null(strstr(raw_peer_last(peer), "Expect:"));
}

/* Our ends of connections to the peer; each must have this limit. */
static int assert_user_timeouts(uint32_t timeout_ms)
{
    int count = 0;
    for (int fd = 3; fd < 1024; fd++) {
        struct sockaddr_in to = {.sin_family = AF_UNSPEC};
        socklen_t size = sizeof(to);
        uint32_t found_ms = 0;
        socklen_t found_size = sizeof(found_ms);
        if (getpeername(fd, (struct sockaddr *)&to, &size) != 0 || to.sin_family != AF_INET ||
            ntohs(to.sin_port) != raw_peer_port(peer)) {
            continue;
        }
        assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &found_ms, &found_size), 0);
        assert_int_equal(found_ms, timeout_ms);
        count++;
    }
    return count;
}

/* A closed socket's bytes go on being sent, for minutes where nobody acknowledges them. */
static void the_kernel_gives_up_what_is_not_acknowledged_when_we_do(void **state)
{
    (void)state;
    open_peer(answer_all);
    kit_open(&kit);
    assert_int_equal(kit_kind(&kit, PG_REQUEST_CHARGE), PG_ANSWER_PAYMENT);
    assert_int_equal(assert_user_timeouts((uint32_t)kit.options.charge_ms), 1);
}

static void look_ups_and_cancels_leave_as_the_protocol_has_them(void **state)
{
    (void)state;
    open_peer(answer_all);
    kit_open(&kit);
    assert_int_equal(kit_kind(&kit, PG_REQUEST_LOOKUP), PG_ANSWER_PAYMENT);
    assert_sent("GET /v1/payments/orders/" KIT_ORDER " HTTP/1.1\r\n");
    assert_sent("\r\nAuthorization: Basic ");
    assert_null(strstr(raw_peer_last(peer), "Idempotency-Key"));
    assert_null(strstr(raw_peer_last(peer), "Content-Type"));
    assert_int_equal(kit_kind(&kit, PG_REQUEST_CANCEL), PG_ANSWER_PAYMENT);
    assert_sent("POST /v1/payments/pay_1/cancel HTTP/1.1\r\n");
    assert_sent("\r\nIdempotency-Key: " KIT_ORDER ":cancel:1\r\n");
    assert_int_equal(raw_peer_connections(peer), 1); /* kept and used again */
}

static void answer_upstreams(struct raw_conn *conn)
{
    while (raw_conn_read(conn)) {
        bool is_fare = strstr(raw_conn_request(conn), "/pricing/") != NULL;
        (void)raw_conn_answer(conn, 200,
                              is_fare ? "{\"fare\":15200}"
                                      : "{\"userId\":\"user-1\",\"paymentMethodId\":\"pm-1\","
                                        "\"billingKey\":\"" KIT_BILLING "\"}");
    }
}

static void answer_user_u(struct raw_conn *conn)
{
    while (raw_conn_read(conn)) {
        (void)raw_conn_answer(conn, 200,
                              "{\"userId\":\"u\",\"paymentMethodId\":\"pm-1\","
                              "\"billingKey\":\"" KIT_BILLING "\"}");
    }
}

static void pricing_and_users_get_no_credentials_of_the_pg(void **state)
{
    struct kit_call fare = kit_call_of(PG_REQUEST_FARE);
    struct kit_call payer = kit_call_of(PG_REQUEST_PAYER);
    (void)state;
    open_peer(answer_upstreams);
    kit_open(&kit);
    kit_ask(&kit, &fare);
    assert_int_equal(fare.answer.upstream.kind, UPSTREAM_OK);
    assert_int_equal(fare.answer.upstream.fare_krw, 15200);
    assert_sent("GET /internal/api/pricing/calculate?tripId=trip-1&distance_meters=5200"
                "&duration_seconds=900&end_timestamp=2026-10-01T15%3A40%3A09 HTTP/1.1\r\n");
    assert_null(strstr(raw_peer_last(peer), "Authorization"));
    kit_ask(&kit, &payer);
    assert_int_equal(payer.answer.upstream.kind, UPSTREAM_OK);
    assert_string_equal(payer.answer.upstream_texts.method_id, "pm-1");
    assert_string_equal(payer.answer.upstream_texts.billing_key, KIT_BILLING);
    assert_sent("GET /internal/api/users/user-1/payment-methods/default HTTP/1.1\r\n");
    assert_sent("\r\ntraceparent: 00-");
    assert_null(strstr(raw_peer_last(peer), "Authorization"));
}

/* The PG takes customerKeys of 2 to 300 characters, so this user can't be charged. */
static void a_user_whose_customer_key_is_too_short_is_refused_before_any_claim(void **state)
{
    struct kit_call payer = kit_call_of(PG_REQUEST_PAYER);
    (void)state;
    open_peer(answer_user_u);
    kit_open(&kit);
    payer.call.request.user_id = "u";
    kit_ask(&kit, &payer);
    assert_int_equal(payer.answer.upstream.kind, UPSTREAM_REFUSED);
    assert_string_equal(payer.answer.upstream_texts.billing_key, "");
    assert_non_null(strstr(kit.told, "customerKey"));
}

/* Each waits for the other to be there. */
static void answer_when_both_are_there(struct raw_conn *conn)
{
    if (raw_conn_read(conn)) {
        for (int i = 0; i < 500 && raw_peer_requests(peer) < 2; i++) {
            raw_pause(10);
        }
        bool are_both = raw_peer_requests(peer) == 2;
        (void)raw_conn_answer(conn, are_both ? 200 : 500, "{\"fare\":1}");
    }
}

static void fare_and_payer_are_asked_for_at_once(void **state)
{
    struct kit_call fare = kit_call_of(PG_REQUEST_FARE);
    struct kit_call payer = kit_call_of(PG_REQUEST_PAYER);
    (void)state;
    open_peer(answer_when_both_are_there);
    kit_open(&kit);
    kit_begin(&kit, &fare);
    kit_ask(&kit, &payer);
    kit_await(&kit, &fare);
    assert_int_equal(fare.answer.upstream.kind, UPSTREAM_OK);
}

#define MANY 300

static void many_calls_share_few_connections_and_all_are_answered(void **state)
{
    static struct kit_call calls[MANY];
    (void)state;
    open_peer(answer_all);
    kit_open(&kit);
    for (int i = 0; i < MANY; i++) {
        calls[i] = kit_call_of(i % 3 == 0 ? PG_REQUEST_LOOKUP : PG_REQUEST_CHARGE);
        kit_begin(&kit, &calls[i]);
    }
    for (int i = 0; i < MANY; i++) {
        kit_await(&kit, &calls[i]);
        assert_int_equal(calls[i].answer.pg.kind, PG_ANSWER_PAYMENT);
    }
    assert_int_equal(raw_peer_requests(peer), MANY);
    assert_true(raw_peer_connections(peer) <= 4);
}

static void say_nothing(struct raw_conn *conn)
{
    while (raw_conn_read(conn)) {
    }
}

static void calls_without_an_answer_are_dropped_at_the_end(void **state)
{
    struct kit_call calls[7];
    (void)state;
    open_peer(say_nothing);
    kit_open(&kit);
    for (int i = 0; i < 7; i++) {
        calls[i] = kit_call_of(PG_REQUEST_CHARGE);
        kit_begin(&kit, &calls[i]);
    }
    while (raw_peer_requests(peer) < 4) { /* four connections; three calls wait */
        pg_http_wait(kit.http, 20);
    }
    kit_close(&kit);
    for (int i = 0; i < 7; i++) {
        assert_true(calls[i].is_dropped);
        assert_false(calls[i].is_answered);
    }
}

static void answer_late(struct raw_conn *conn)
{
    while (raw_conn_read(conn)) {
        kit_move_clock(200000);
        (void)raw_conn_answer(conn, 200, kit_done);
    }
}

/* The limit is for what leaves: an answer may come later. */
static void a_charge_that_left_in_time_may_be_answered_after_its_send_limit(void **state)
{
    (void)state;
    open_peer(answer_late);
    kit_open(&kit);
    assert_int_equal(kit_kind(&kit, PG_REQUEST_CHARGE), PG_ANSWER_PAYMENT);
}

static void a_charge_whose_time_was_over_before_its_transfer_is_not_sent(void **state)
{
    struct kit_call first = kit_call_of(PG_REQUEST_CHARGE);
    struct kit_call second = kit_call_of(PG_REQUEST_CHARGE);
    (void)state;
    open_peer(answer_late);
    kit.options.peers[PG_HTTP_PG].connections = 1;
    kit_open(&kit);
    kit_begin(&kit, &first);
    kit_ask(&kit, &second); /* waits for the only connection */
    kit_await(&kit, &first);
    assert_int_equal(first.answer.pg.kind, PG_ANSWER_PAYMENT);
    assert_int_equal(second.answer.pg.kind, PG_ANSWER_NOT_SENT);
    assert_int_equal(raw_peer_requests(peer), 1);
}

static atomic_bool may_answer;

static void answer_late_when_told(struct raw_conn *conn)
{
    while (raw_conn_read(conn)) {
        while (!atomic_load(&may_answer)) {
            raw_pause(1);
        }
        kit_move_clock(200000);
        (void)raw_conn_answer(conn, 200, kit_done);
    }
}

static void a_look_up_that_waited_too_long_for_a_transfer_is_not_sent(void **state)
{
    struct kit_call first = kit_call_of(PG_REQUEST_CHARGE);
    struct kit_call second = kit_call_of(PG_REQUEST_LOOKUP);
    (void)state;
    open_peer(answer_late_when_told); /* 200 s pass, a look-up waits for 20 s */
    kit.options.peers[PG_HTTP_PG].connections = 1;
    kit_open(&kit);
    atomic_store(&may_answer, false);
    kit_begin(&kit, &first);
    while (raw_peer_requests(peer) < 1) {
        pg_http_wait(kit.http, 20);
    }
    kit_begin(&kit, &second);
    atomic_store(&may_answer, true);
    kit_await(&kit, &second);
    kit_await(&kit, &first);
    assert_int_equal(second.answer.pg.kind, PG_ANSWER_NOT_SENT);
    assert_int_equal(raw_peer_requests(peer), 1);
}

/* What settles money that the PG may hold does not queue behind new charges. */
static void look_ups_and_cancels_go_before_waiting_charges(void **state)
{
    struct kit_call charge = kit_call_of(PG_REQUEST_CHARGE);
    struct kit_call lookup = kit_call_of(PG_REQUEST_LOOKUP);
    struct kit_call cancel = kit_call_of(PG_REQUEST_CANCEL);
    (void)state;
    open_peer(answer_all);
    kit.options.peers[PG_HTTP_PG].connections = 1;
    kit_open(&kit);
    kit_begin(&kit, &charge);
    kit_begin(&kit, &lookup);
    kit_ask(&kit, &cancel);
    assert_true(lookup.is_answered);
    assert_false(charge.is_answered);
    kit_await(&kit, &charge);
    assert_int_equal(charge.answer.pg.kind, PG_ANSWER_PAYMENT);
}

/* The first request is answered; the second is read, and the connection closed without a word. */
static void close_at_the_second(struct raw_conn *conn)
{
    if (raw_conn_number(conn) > 0) {
        answer_all(conn);
    } else if (raw_conn_read(conn) && raw_conn_answer(conn, 200, kit_done)) {
        (void)raw_conn_read(conn);
    }
}

static void a_charge_on_a_kept_connection_that_dies_leaves_again_with_the_same_key(void **state)
{
    struct kit_call call = kit_call_of(PG_REQUEST_CHARGE);
    (void)state;
    open_peer(close_at_the_second);
    kit_open(&kit);
    assert_int_equal(kit_kind(&kit, PG_REQUEST_LOOKUP), PG_ANSWER_PAYMENT);
    kit_ask(&kit, &call);
    assert_int_equal(call.answer.pg.kind, PG_ANSWER_PAYMENT);
    assert_int_equal(raw_peer_requests(peer), 3); /* the PG saw the charge twice: one key */
    assert_sent("\r\nIdempotency-Key: " KIT_ORDER "\r\n");
    assert_non_null(strstr(kit.told, "the request left again with the same key"));
}

static void close_at_the_second_when_time_is_over(struct raw_conn *conn)
{
    if (raw_conn_number(conn) > 0) {
        answer_all(conn);
    } else if (raw_conn_read(conn) && raw_conn_answer(conn, 200, kit_done) && raw_conn_read(conn)) {
        kit_move_clock(200000);
    }
}

static void a_charge_is_not_sent_again_by_itself_after_its_send_limit(void **state)
{
    struct kit_call call;
    (void)state;
    open_peer(close_at_the_second_when_time_is_over);
    kit_open(&kit);
    assert_int_equal(kit_kind(&kit, PG_REQUEST_LOOKUP), PG_ANSWER_PAYMENT);
    call = kit_call_of(PG_REQUEST_CHARGE);
    kit_ask(&kit, &call);
    /* It left once, and nobody knows what became of it. */
    assert_int_equal(call.answer.pg.kind, PG_ANSWER_TIMEOUT);
    assert_int_equal(raw_peer_requests(peer), 2);
}

static void answer_absent(struct raw_conn *conn)
{
    while (raw_conn_read(conn)) {
        bool is_cancel = strstr(raw_conn_request(conn), "/cancel") != NULL;
        (void)raw_conn_answer(conn, is_cancel ? 200 : 404, is_cancel ? kit_done : kit_absent);
    }
}

static int class_of_absence(bool is_probe)
{
    struct kit_call call = kit_call_of(PG_REQUEST_LOOKUP);
    call.call.is_probe = is_probe;
    kit_ask(&kit, &call);
    assert_int_equal(call.answer.pg.kind, PG_ANSWER_ERROR);
    return call.answer.pg.code_class;
}

static void absence_counts_once_the_key_has_shown_a_payment_of_the_account(void **state)
{
    (void)state;
    open_peer(answer_absent);
    kit.options.account = "merchant-1";
    kit_open(&kit);
    assert_int_equal(class_of_absence(false), PG_CODE_REQUEST);
    assert_int_equal(class_of_absence(true), PG_CODE_NOT_FOUND);
    assert_int_equal(kit_kind(&kit, PG_REQUEST_CANCEL), PG_ANSWER_PAYMENT);
    assert_int_equal(class_of_absence(false), PG_CODE_NOT_FOUND);
}

static void answer_without_billing_keys(struct raw_conn *conn)
{
    while (raw_conn_read(conn)) {
        bool is_charge = strstr(raw_conn_request(conn), "/v1/billing/") != NULL;
        (void)raw_conn_answer(conn, is_charge ? 404 : 200,
                              is_charge ? "{\"code\":\"NOT_FOUND_BILLING\",\"message\":\"m\"}"
                                        : kit_done);
    }
}

static int class_of_charge(void)
{
    struct kit_call call = kit_call_of(PG_REQUEST_CHARGE);
    kit_ask(&kit, &call);
    assert_int_equal(call.answer.pg.kind, PG_ANSWER_ERROR);
    assert_string_equal(call.answer.pg_texts.code, "NOT_FOUND_BILLING");
    return call.answer.pg.code_class;
}

/* Another merchant's key knows none of our billing keys: every trip would be declined. */
static void an_unknown_billing_key_declines_once_the_key_has_shown_a_payment(void **state)
{
    (void)state;
    open_peer(answer_without_billing_keys);
    kit.options.account = "merchant-1";
    kit_open(&kit);
    assert_int_equal(class_of_charge(), PG_CODE_CREDENTIALS);
    assert_int_equal(kit_kind(&kit, PG_REQUEST_LOOKUP), PG_ANSWER_PAYMENT);
    assert_int_equal(class_of_charge(), PG_CODE_DECLINED);
    kit_close(&kit);
    kit.options.account = "";
    kit_open(&kit);
    assert_int_equal(class_of_charge(), PG_CODE_DECLINED);
}

static void a_payment_of_another_account_says_that_the_credentials_are_wrong(void **state)
{
    struct kit_call call = kit_call_of(PG_REQUEST_CHARGE);
    (void)state;
    open_peer(answer_absent);
    raw_peer_script(peer, answer_all);
    kit.options.account = "merchant-2";
    kit_open(&kit);
    kit_ask(&kit, &call);
    assert_int_equal(call.answer.pg.kind, PG_ANSWER_ERROR);
    assert_int_equal(call.answer.pg.code_class, PG_CODE_CREDENTIALS);
    assert_string_equal(call.answer.pg_texts.code, "OTHER_ACCOUNT");
    assert_string_equal(call.answer.pg_texts.pg_id, "");
}

static void *wake(void *http)
{
    raw_pause(20);
    pg_http_wakeup(http);
    return NULL;
}

/* If it did not, the test would run into its time limit. */
static void a_wakeup_ends_a_wait_and_one_that_came_early_the_next(void **state)
{
    pthread_t thread;
    (void)state;
    open_peer(answer_all);
    kit_open(&kit);
    pg_http_wakeup(kit.http);
    pg_http_wait(kit.http, 300000);
    assert_int_equal(pthread_create(&thread, NULL, wake, kit.http), 0);
    pg_http_wait(kit.http, 300000);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_charge_leaves_with_its_key_and_authorization),
        TEST(the_kernel_gives_up_what_is_not_acknowledged_when_we_do),
        TEST(look_ups_and_cancels_leave_as_the_protocol_has_them),
        TEST(pricing_and_users_get_no_credentials_of_the_pg),
        TEST(a_user_whose_customer_key_is_too_short_is_refused_before_any_claim),
        TEST(fare_and_payer_are_asked_for_at_once),
        TEST(many_calls_share_few_connections_and_all_are_answered),
        TEST(calls_without_an_answer_are_dropped_at_the_end),
        TEST(a_charge_that_left_in_time_may_be_answered_after_its_send_limit),
        TEST(a_charge_whose_time_was_over_before_its_transfer_is_not_sent),
        TEST(look_ups_and_cancels_go_before_waiting_charges),
        TEST(a_look_up_that_waited_too_long_for_a_transfer_is_not_sent),
        TEST(a_charge_on_a_kept_connection_that_dies_leaves_again_with_the_same_key),
        TEST(a_charge_is_not_sent_again_by_itself_after_its_send_limit),
        TEST(a_wakeup_ends_a_wait_and_one_that_came_early_the_next),
        TEST(absence_counts_once_the_key_has_shown_a_payment_of_the_account),
        TEST(an_unknown_billing_key_declines_once_the_key_has_shown_a_payment),
        TEST(a_payment_of_another_account_says_that_the_credentials_are_wrong),
    };
    return pg_http_global_init() ? cmocka_run_group_tests_name("pg_http", tests, NULL, NULL) : 1;
}
