/*
 * test_http_api_operator.c - refund and adopt over a real socket: parameters, answers, refusals.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http_fixture.h"

#include <string.h>

#define REFUND        "/api/payments/admin/payments/refund"
#define ADOPT         "/api/payments/admin/payments/adopt"
#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static struct fixture fixture;
static struct reply reply;

static int set_up(void **state)
{
    (void)state;
    fixture_open(&fixture, FIXTURE_TOKEN, 0);
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

static void expect_payment(const char *line, enum http_operator_op op, int status)
{
    fixture.read_status = HTTP_READ_FOUND;
    fixture.payment = (struct http_payment){.payment_id = "01234567-89ab-5def-8123-456789abcdef",
                                            .trip_id = "trip 1",
                                            .status = "FAILED",
                                            .amount_krw = 15200,
                                            .requested_at_ms = HTTP_API_NO_INSTANT,
                                            .completed_at_ms = HTTP_API_NO_INSTANT};
    ask_line(&fixture, line, FIXTURE_AUTHORIZATION, &reply);
    assert_int_equal(fixture.asked_op, op);
    assert_string_equal(fixture.asked_trip_id, "trip 1");
    json_t *json = reply_json(&reply, status);
    assert_string_equal(json_string_value(json_object_get(json, "status")), "FAILED");
    json_decref(json);
    reply_clear(&reply);
}

static void operator_sees_the_payment_as_it_is_afterwards(void **state)
{
    (void)state;
    expect_payment("POST " REFUND "?tripId=trip%201", HTTP_OPERATOR_REFUND, 202);
    expect_payment("POST " ADOPT "?tripId=trip+1", HTTP_OPERATOR_ADOPT, 200);
}

static void operator_is_told_why_not(void **state)
{
    static const struct {
        enum http_operator_status outcome;
        int status;
        const char *type;
    } cases[] = {{HTTP_OPERATOR_CONFLICT, 409, "not-unknown"},
                 {HTTP_OPERATOR_ABSENT, 404, "no-payment"},
                 {HTTP_OPERATOR_BUSY, 503, "busy"},
                 {HTTP_OPERATOR_UNAVAILABLE, 503, "unavailable"}};
    (void)state;
    for (size_t i = 0; i < LENGTH(cases); i++) {
        fixture.operator_status = cases[i].outcome;
        ask_line(&fixture, "POST " ADOPT "?tripId=t", FIXTURE_AUTHORIZATION, &reply);
        assert_problem(&reply, cases[i].status, cases[i].type, ADOPT);
    }
}

static void wrong_requests_reach_nobody(void **state)
{
    static const char *const wrong[] = {"", "?tripId=", "?tripId=a&tripId=b", "?tripId=%00",
                                        "?tripid=a"};
    char line[128];
    (void)state;
    for (size_t i = 0; i < LENGTH(wrong); i++) {
        (void)snprintf(line, sizeof(line), "POST " REFUND "%s", wrong[i]);
        ask_line(&fixture, line, FIXTURE_AUTHORIZATION, &reply);
        assert_problem(&reply, 400, "parameter", REFUND);
    }
    ask_line(&fixture, "POST " REFUND "?tripId=a", "", &reply);
    assert_problem(&reply, 401, "unauthorized", REFUND);
    ask_line(&fixture, "POST " ADOPT "?tripId=a", "Authorization: Bearer no\r\n", &reply);
    assert_problem(&reply, 401, "unauthorized", ADOPT);
    ask_line(&fixture, "GET " ADOPT "?tripId=a", FIXTURE_AUTHORIZATION, &reply);
    assert_problem(&reply, 405, "method", ADOPT);
    assert_int_equal(fixture.calls, 0);
}

#define TEST(name) cmocka_unit_test_setup(name, begin)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(operator_sees_the_payment_as_it_is_afterwards),
        TEST(operator_is_told_why_not),
        TEST(wrong_requests_reach_nobody),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
