/*
 * test_http_api.c - every endpoint of CONTRACTS 4 over a real socket: answers and refusals.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http_fixture.h"
#include "metrics.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAYMENTS      "/internal/api/payments"
#define RETRY_ALL     "/api/payments/admin/failed-events/retry-all"
#define IGNORE_7      "/api/payments/admin/failed-events/7/ignore"
#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static struct fixture fixture;
static struct reply reply;

static struct fixture fixture_without_admin;

static int set_up(void **state)
{
    (void)state;
    fixture_open(&fixture, FIXTURE_TOKEN, 0);
    fixture_open(&fixture_without_admin, NULL, 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fixture_close(&fixture);
    fixture_close(&fixture_without_admin);
    return 0;
}

static int begin(void **state)
{
    (void)state;
    fixture_reset(&fixture);
    return 0;
}

static void have_payment(void)
{
    fixture.read_status = HTTP_READ_FOUND;
    fixture.payment = (struct http_payment){
        .payment_id = "01234567-89ab-5def-8123-456789abcdef",
        .trip_id = "trip-1",
        .pg_transaction_id = "tviva20261001154009Ab1",
        .status = "COMPLETED",
        .amount_krw = 15200,
        .requested_at_ms = INT64_C(1790836809123),
        .completed_at_ms = INT64_C(1790836810000),
    };
}

static void a_payment_is_shown_with_local_times(void **state)
{
    (void)state;
    have_payment();
    ask_line(&fixture, "GET " PAYMENTS "?tripId=trip-1", "", &reply);
    char type[64];
    reply_header(&reply, "Content-Type", type, sizeof(type));
    assert_string_equal(type, "application/json");
    assert_string_equal(
        reply.body,
        "{\"paymentId\":\"01234567-89ab-5def-8123-456789abcdef\",\"tripId\":\"trip-1\","
        "\"amount\":15200,\"status\":\"COMPLETED\",\"pgTransactionId\":\"tviva20261001154009Ab1\","
        "\"requestedAt\":\"2026-10-01T15:40:09.123\",\"completedAt\":\"2026-10-01T15:40:10\"}");
    assert_int_equal(reply.status, 200);
    assert_string_equal(fixture.asked_trip_id, "trip-1");
    reply_clear(&reply);
}

static void what_a_payment_does_not_have_is_null(void **state)
{
    (void)state;
    have_payment();
    fixture.payment.pg_transaction_id[0] = '\0';
    fixture.payment.completed_at_ms = HTTP_API_NO_INSTANT;
    fixture.payment.requested_at_ms = -86400001; /* before 1970, and still a date */
    ask_line(&fixture, "GET " PAYMENTS "?tripId=trip-1", "", &reply);
    json_t *json = reply_json(&reply, 200);
    assert_int_equal(json_object_size(json), 7);
    assert_true(json_is_null(json_object_get(json, "pgTransactionId")));
    assert_true(json_is_null(json_object_get(json, "completedAt")));
    assert_string_equal(json_string_value(json_object_get(json, "requestedAt")),
                        "1969-12-31T08:59:59.999");
    json_decref(json);
}

static void no_payment_is_404_and_no_store_is_503(void **state)
{
    char retry_after[8];
    (void)state;
    ask_line(&fixture, "GET " PAYMENTS "?tripId=trip-1", "", &reply);
    assert_problem(&reply, 404, "no-payment", PAYMENTS);
    fixture.read_status = HTTP_READ_UNAVAILABLE;
    ask_line(&fixture, "GET " PAYMENTS "?tripId=trip-1", "", &reply);
    reply_header(&reply, "Retry-After", retry_after, sizeof(retry_after));
    assert_string_equal(retry_after, "1");
    assert_problem(&reply, 503, "unavailable", PAYMENTS);
}

static void a_payment_with_broken_text_is_500(void **state)
{
    (void)state;
    have_payment();
    (void)snprintf(fixture.payment.pg_transaction_id, 8, "%s", "\xFF\xFE");
    ask_line(&fixture, "GET " PAYMENTS "?tripId=trip-1", "", &reply);
    assert_problem(&reply, 500, "internal", "/");
}

static void the_trip_id_is_decoded(void **state)
{
    static const char *const cases[][2] = {
        {"tripId=a%2Db%2fc", "a-b/c"},
        {"tripId=a+b%2Bc", "a b+c"},
        {"x=1&tripId=t&y", "t"},
        {"trip%49d=t", "t"},
        {"tripId=a=b", "a=b"},
        {"&&tripId=t&&", "t"},
        {"tripid=no&tripId=t", "t"},
        {"tripIdx=no&tripId=t", "t"},
        {"tripId=~!$'()*,;:@/?", "~!$'()*,;:@/?"},
    };
    char line[256];
    (void)state;
    for (size_t i = 0; i < LENGTH(cases); i++) {
        (void)snprintf(line, sizeof(line), "GET " PAYMENTS "?%s", cases[i][0]);
        ask_line(&fixture, line, "", &reply);
        assert_problem(&reply, 404, "no-payment", PAYMENTS);
        assert_string_equal(fixture.asked_trip_id, cases[i][1]);
    }
}

static void a_wrong_trip_id_is_400_and_asks_nobody(void **state)
{
    static const char *const wrong[] = {
        "",
        "?",
        "?tripId",
        "?tripId=",
        "?tripId=a&tripId=b",
        "?trip=a",
        "?tripId=%",
        "?tripId=%4",
        "?tripId=%4g",
        "?tripId=%00",
        "?tripId=%0A",
        "?tripId=%7F",
        "?tripId=%C3%A9",
        "?tripId=a&trip%49d=b",
        "?tripId=a%00b",
    };
    char line[256];
    (void)state;
    for (size_t i = 0; i < LENGTH(wrong); i++) {
        (void)snprintf(line, sizeof(line), "GET " PAYMENTS "%s", wrong[i]);
        ask_line(&fixture, line, "", &reply);
        assert_non_null(strstr(reply.body, "tripId is needed once, with 1 to 255 printable"));
        assert_problem(&reply, 400, "parameter", PAYMENTS);
    }
    assert_int_equal(fixture.calls, 0);
}

static void a_trip_id_has_at_most_255_bytes(void **state)
{
    char line[1024];
    (void)state;
    for (int len = 254; len <= 257; len++) {
        (void)snprintf(line, sizeof(line), "GET " PAYMENTS "?tripId=%%61%0*d", len - 1, 0);
        ask_line(&fixture, line, "", &reply);
        if (len <= 255) {
            assert_problem(&reply, 404, "no-payment", PAYMENTS);
            assert_int_equal(strlen(fixture.asked_trip_id), len);
        } else {
            assert_problem(&reply, 400, "parameter", PAYMENTS);
        }
    }
}

static void retry_all_says_what_it_did(void **state)
{
    (void)state;
    ask_line(&fixture, "POST " RETRY_ALL, FIXTURE_AUTHORIZATION, &reply);
    assert_int_equal(reply.status, 200);
    assert_string_equal(reply.body, "{\"retried\":12,\"refused\":3}");
    assert_string_equal(fixture.asked_topic, "(all)");
    reply_clear(&reply);
    ask_line(&fixture, "POST " RETRY_ALL "?topic=trip_events", FIXTURE_AUTHORIZATION, &reply);
    assert_int_equal(reply.status, 200);
    assert_string_equal(fixture.asked_topic, "trip_events");
    reply_clear(&reply);
    fixture.retry_status = HTTP_RETRY_BUSY;
    ask_line(&fixture, "POST " RETRY_ALL, FIXTURE_AUTHORIZATION, &reply);
    assert_problem(&reply, 503, "busy", RETRY_ALL);
    fixture.retry_status = HTTP_RETRY_UNAVAILABLE;
    ask_line(&fixture, "POST " RETRY_ALL, FIXTURE_AUTHORIZATION, &reply);
    assert_problem(&reply, 503, "unavailable", RETRY_ALL);
}

static void a_wrong_topic_is_400(void **state)
{
    static const char *const wrong[] = {"?topic=",   "?topic=a%20b", "?topic=a&topic=b",
                                        "?topic=..", "?topic=%zz",   "?topic=a%00"};
    char line[1024];
    (void)state;
    for (size_t i = 0; i < LENGTH(wrong); i++) {
        (void)snprintf(line, sizeof(line), "POST " RETRY_ALL "%s", wrong[i]);
        ask_line(&fixture, line, FIXTURE_AUTHORIZATION, &reply);
        assert_problem(&reply, 400, "parameter", RETRY_ALL);
    }
    (void)snprintf(line, sizeof(line), "POST " RETRY_ALL "?topic=%0250d", 0);
    ask_line(&fixture, line, FIXTURE_AUTHORIZATION, &reply);
    assert_problem(&reply, 400, "parameter", RETRY_ALL);
    assert_int_equal(fixture.calls, 0);
}

static void ignore_answers_for_each_outcome(void **state)
{
    static const struct {
        enum http_ignore_status outcome;
        int status;
        const char *type;
    } cases[] = {{HTTP_IGNORE_NOT_PENDING, 409, "not-pending"},
                 {HTTP_IGNORE_UNKNOWN, 404, "no-event"},
                 {HTTP_IGNORE_BUSY, 503, "busy"},
                 {HTTP_IGNORE_UNAVAILABLE, 503, "unavailable"}};
    (void)state;
    ask_line(&fixture, "POST " IGNORE_7, FIXTURE_AUTHORIZATION, &reply);
    assert_int_equal(reply.status, 200);
    assert_string_equal(reply.body, "{\"eventId\":7,\"status\":\"IGNORED\"}");
    assert_int_equal(fixture.asked_event_id, 7);
    reply_clear(&reply);
    for (size_t i = 0; i < LENGTH(cases); i++) {
        fixture.ignore_status = cases[i].outcome;
        ask_line(&fixture, "POST " IGNORE_7, FIXTURE_AUTHORIZATION, &reply);
        assert_problem(&reply, cases[i].status, cases[i].type, IGNORE_7);
    }
}

static void an_event_id_is_a_positive_number(void **state)
{
    static const char *const wrong[] = {
        "0", "-1", "+1", "01", "x", "1x", "9223372036854775808", "99999999999999999999", "%31"};
    char line[256];
    char path[128];
    (void)state;
    for (size_t i = 0; i < LENGTH(wrong); i++) {
        (void)snprintf(path, sizeof(path), "/api/payments/admin/failed-events/%s/ignore", wrong[i]);
        (void)snprintf(line, sizeof(line), "POST %s", path);
        ask_line(&fixture, line, FIXTURE_AUTHORIZATION, &reply);
        assert_problem(&reply, 400, "parameter", path);
    }
    assert_int_equal(fixture.calls, 0);
    ask_line(&fixture, "POST /api/payments/admin/failed-events/9223372036854775807/ignore",
             FIXTURE_AUTHORIZATION, &reply);
    assert_int_equal(reply.status, 200);
    assert_true(fixture.asked_event_id == INT64_MAX);
    reply_clear(&reply);
}

static void admin_needs_the_exact_token(void **state)
{
    static const char *const wrong[] = {
        "",
        "Authorization: Bearer\r\n",
        "Authorization: Bearer wrong-wrong-wrong-wrong\r\n",
        "Authorization: Bearer " FIXTURE_TOKEN "x\r\n",
        "Authorization: Bearer 0123456789abcdef-toke\r\n",
        "Authorization: Basic " FIXTURE_TOKEN "\r\n",
        "Authorization: " FIXTURE_TOKEN "\r\n",
        "X-Authorization: Bearer " FIXTURE_TOKEN "\r\n",
    };
    char challenge[64];
    (void)state;
    for (size_t i = 0; i < LENGTH(wrong); i++) {
        ask_line(&fixture, "POST " IGNORE_7, wrong[i], &reply);
        reply_header(&reply, "WWW-Authenticate", challenge, sizeof(challenge));
        assert_string_equal(challenge, "Bearer realm=\"farebox\"");
        assert_problem(&reply, 401, "unauthorized", IGNORE_7);
        ask_line(&fixture, "POST " RETRY_ALL, wrong[i], &reply);
        assert_problem(&reply, 401, "unauthorized", RETRY_ALL);
    }
    assert_int_equal(fixture.calls, 0);
    ask_line(&fixture, "POST " IGNORE_7, "authorization: bearer  " FIXTURE_TOKEN "\r\n", &reply);
    assert_int_equal(reply.status, 200);
    reply_clear(&reply);
}

static void without_a_token_admin_is_off(void **state)
{
    (void)state;
    ask_line(&fixture_without_admin, "POST " RETRY_ALL, FIXTURE_AUTHORIZATION, &reply);
    assert_non_null(strstr(reply.body, "FAREBOX_ADMIN_TOKEN"));
    assert_problem(&reply, 403, "admin-off", RETRY_ALL);
    ask_line(&fixture_without_admin, "POST " IGNORE_7, "Authorization: Bearer \r\n", &reply);
    assert_problem(&reply, 403, "admin-off", IGNORE_7);
    assert_int_equal(fixture_without_admin.calls, 0);
}

static void health_is_up_only_where_everything_is(void **state)
{
    (void)state;
    ask_line(&fixture, "GET /actuator/health/liveness", "", &reply);
    assert_string_equal(reply.body, "{\"status\":\"UP\"}");
    assert_int_equal(fixture.asked_kind, HTTP_HEALTH_LIVENESS);
    reply_clear(&reply);

    fixture.health.count = 2;
    fixture.health.components[0] = (struct http_component){"store", true, "3 waiting"};
    fixture.health.components[1] = (struct http_component){"kafka", true, ""};
    ask_line(&fixture, "GET /actuator/health/readiness", "", &reply);
    assert_int_equal(reply.status, 200);
    assert_string_equal(reply.body,
                        "{\"status\":\"UP\",\"components\":{\"store\":{\"status\":\"UP\","
                        "\"details\":{\"message\":\"3 waiting\"}},\"kafka\":{\"status\":\"UP\"}}}");
    assert_int_equal(fixture.asked_kind, HTTP_HEALTH_READINESS);
    reply_clear(&reply);

    fixture.health.components[1].is_up = false;
    ask_line(&fixture, "GET /actuator/health", "", &reply);
    assert_int_equal(fixture.asked_kind, HTTP_HEALTH_ALL);
    json_t *json = reply_json(&reply, 503);
    assert_string_equal(json_string_value(json_object_get(json, "status")), "DOWN");
    json_decref(json);
}

static void metrics_are_served_at_both_paths(void **state)
{
    static const char *const lines[] = {"GET /actuator/prometheus", "GET /metrics"};
    char type[64];
    (void)state;
    fixture.metrics_bytes = 200000;
    for (size_t i = 0; i < LENGTH(lines); i++) {
        ask_line(&fixture, lines[i], "", &reply);
        assert_int_equal(reply.status, 200);
        assert_int_equal(reply.body_len, 200000);
        reply_header(&reply, "Content-Type", type, sizeof(type));
        assert_string_equal(type, METRICS_CONTENT_TYPE);
        reply_clear(&reply);
    }
}

static void another_path_is_404(void **state)
{
    static const char *const paths[] = {"/",
                                        "/index.html",
                                        "/internal/api/payments/",
                                        "/internal/api/%70ayments",
                                        "/internal/../internal/api/payments",
                                        "/actuator",
                                        "/actuator/health/other",
                                        "/METRICS",
                                        "/etc/passwd",
                                        "/../../etc/passwd",
                                        "/api/payments/admin/failed-events/7/8/ignore",
                                        "/api/payments/admin/failed-events//ignore",
                                        "/api/payments/admin/failed-events/ignore"};
    char line[256];
    (void)state;
    for (size_t i = 0; i < LENGTH(paths); i++) {
        (void)snprintf(line, sizeof(line), "GET %s", paths[i]);
        ask_line(&fixture, line, FIXTURE_AUTHORIZATION, &reply);
        assert_problem(&reply, 404, "no-path", paths[i]);
    }
    assert_int_equal(fixture.calls, 0);
}

static void another_method_is_405_with_allow(void **state)
{
    static const char *const methods[] = {"OPTIONS", "PUT",  "DELETE", "PATCH", "PROPFIND",
                                          "MKCOL",   "LOCK", "TRACE",  "BREW",  "get"};
    char line[256];
    char allow[16];
    (void)state;
    for (size_t i = 0; i < LENGTH(methods); i++) {
        (void)snprintf(line, sizeof(line), "%s " PAYMENTS "?tripId=a", methods[i]);
        ask_line(&fixture, line, "Origin: http://x\r\nAccess-Control-Request-Method: GET\r\n",
                 &reply);
        reply_header(&reply, "Allow", allow, sizeof(allow));
        assert_string_equal(allow, "GET");
        assert_problem(&reply, 405, "method", PAYMENTS);
    }
    ask_line(&fixture, "GET " RETRY_ALL, "", &reply);
    reply_header(&reply, "Allow", allow, sizeof(allow));
    assert_string_equal(allow, "POST");
    assert_problem(&reply, 405, "method", RETRY_ALL);
    ask_line(&fixture, "BREW /nowhere", "", &reply);
    assert_problem(&reply, 404, "no-path", "/nowhere");
    assert_int_equal(fixture.calls, 0);
}

static void head_is_405_without_a_body(void **state)
{
    char allow[16];
    (void)state;
    int fd = client_open(&fixture);
    client_send_text(fd, "HEAD " PAYMENTS "?tripId=a HTTP/1.1\r\nHost: x\r\n\r\n"
                         "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    client_receive(fd, &reply, false);
    assert_int_equal(reply.status, 405);
    reply_header(&reply, "Allow", allow, sizeof(allow));
    assert_string_equal(allow, "GET");
    reply_clear(&reply);
    client_receive(fd, &reply, true); /* a body of HEAD's would be read as this */
    assert_int_equal(reply.status, 200);
    reply_clear(&reply);
    (void)close(fd);
}

static void every_answer_is_reported_once(void **state)
{
    (void)state;
    fixture_close(&fixture);
    fixture_open(&fixture, FIXTURE_TOKEN, 0); /* nothing of earlier tests is under way in it */
    ask_line(&fixture, "GET /metrics", "Connection: close\r\n", &reply);
    reply_clear(&reply);
    ask_line(&fixture, "GET /nowhere", "Connection: close\r\n", &reply);
    reply_clear(&reply);
    fixture_close(&fixture); /* all its threads have ended: the counts are final */
    int ended = fixture.ended;
    fixture_open(&fixture, FIXTURE_TOKEN, 0);
    assert_int_equal(ended, 2);
}

static void curl_agrees(void **state)
{
    char command[512];
    char line[256] = "";
    (void)state;
    if (access("/usr/bin/curl", X_OK) != 0) {
        print_message("skipped: curl is not installed\n");
        skip();
    }
    have_payment();
    (void)snprintf(command, sizeof(command),
                   "curl -sS -m 10 -o /dev/null -w '%%{http_code} %%{content_type}' "
                   "'http://127.0.0.1:%d" PAYMENTS "?tripId=trip-1'",
                   http_api_port(fixture.api));
    fixture_pass();
    FILE *curl = popen(command, "r");
    assert_non_null(curl);
    assert_non_null(fgets(line, sizeof(line), curl));
    assert_int_equal(pclose(curl), 0);
    assert_string_equal(line, "200 application/json");
}

#define TEST(name) cmocka_unit_test_setup(name, begin)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_payment_is_shown_with_local_times),
        TEST(what_a_payment_does_not_have_is_null),
        TEST(no_payment_is_404_and_no_store_is_503),
        TEST(a_payment_with_broken_text_is_500),
        TEST(the_trip_id_is_decoded),
        TEST(a_wrong_trip_id_is_400_and_asks_nobody),
        TEST(a_trip_id_has_at_most_255_bytes),
        TEST(retry_all_says_what_it_did),
        TEST(a_wrong_topic_is_400),
        TEST(ignore_answers_for_each_outcome),
        TEST(an_event_id_is_a_positive_number),
        TEST(admin_needs_the_exact_token),
        TEST(without_a_token_admin_is_off),
        TEST(health_is_up_only_where_everything_is),
        TEST(metrics_are_served_at_both_paths),
        TEST(another_path_is_404),
        TEST(another_method_is_405_with_allow),
        TEST(head_is_405_without_a_body),
        TEST(every_answer_is_reported_once),
        TEST(curl_agrees),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
