/* Requests to the PG, pricing and users as they leave. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pg_request.h"

#include <jansson.h>
#include <string.h>

#define ORDER "70010203-0000-0000-0000-000000000000"

static struct pg_request request;

static struct pg_request_call call_of(enum pg_request_op op)
{
    return (struct pg_request_call){
        .op = (uint8_t)op,
        .cancel_no = 3,
        .amount_krw = 15200,
        .payment_id = {{0x70, 1, 2, 3}},
        .distance_meters = 5200,
        .duration_seconds = 900,
        .trip_id = "trip-1",
        .user_id = "user-1",
        .billing_key = "bk+A/b=",
        .pg_id = "",
        .ended_at = "2026-10-01T15:40:09",
    };
}

static const struct pg_request_texts plain = {"{userId}", "Taxi {tripId}"};

static void render(const struct pg_request_call *call)
{
    assert_true(pg_request_render(call, &plain, &request));
}

/* The body's member; the caller lets go of nothing. */
static const char *member(const char *name)
{
    static char text[1024];
    json_t *body = json_loadb(request.body, request.body_len, 0, NULL);
    assert_non_null(body);
    const char *value = json_string_value(json_object_get(body, name));
    assert_non_null(value);
    (void)snprintf(text, sizeof(text), "%s", value);
    json_decref(body);
    return text;
}

static void a_charge_has_its_billing_key_in_the_path_and_the_payment_id_as_key(void **state)
{
    struct pg_request_call call = call_of(PG_REQUEST_CHARGE);
    (void)state;
    render(&call);
    assert_true(request.is_post);
    assert_string_equal(request.target, "/v1/billing/bk%2BA%2Fb%3D");
    assert_string_equal(request.key, ORDER);
    static const char body[] = "{\"customerKey\":\"user-1\",\"amount\":15200,\"orderId\":\"" ORDER
                               "\",\"orderName\":\"Taxi trip-1\"}";
    assert_int_equal(request.body_len, sizeof(body) - 1);
    assert_memory_equal(request.body, body, sizeof(body) - 1);
}

static void a_charge_sent_again_has_the_same_bytes(void **state)
{
    struct pg_request_call call = call_of(PG_REQUEST_CHARGE);
    struct pg_request first;
    (void)state;
    render(&call);
    first = request;
    render(&call);
    assert_string_equal(first.target, request.target);
    assert_string_equal(first.key, request.key);
    assert_memory_equal(first.body, request.body, request.body_len);
}

static void look_ups_go_by_order_or_by_payment_key_without_an_idempotency_key(void **state)
{
    struct pg_request_call call = call_of(PG_REQUEST_LOOKUP);
    (void)state;
    render(&call);
    assert_false(request.is_post);
    assert_string_equal(request.target, "/v1/payments/orders/" ORDER);
    assert_string_equal(request.key, "");
    call.pg_id = "5EnN/a?b#c";
    render(&call);
    assert_string_equal(request.target, "/v1/payments/5EnN%2Fa%3Fb%23c");
}

static void a_cancel_carries_its_number_in_its_key(void **state)
{
    struct pg_request_call call = call_of(PG_REQUEST_CANCEL);
    (void)state;
    call.pg_id = "pay_1";
    render(&call);
    assert_true(request.is_post);
    assert_string_equal(request.target, "/v1/payments/pay_1/cancel");
    assert_string_equal(request.key, ORDER ":cancel:3");
    assert_true(strlen(member("cancelReason")) <= 200);
}

static void upstream_ids_are_percent_encoded(void **state)
{
    struct pg_request_call call = call_of(PG_REQUEST_FARE);
    (void)state;
    call.trip_id = "a&b=c d%";
    render(&call);
    assert_false(request.is_post);
    assert_string_equal(request.target, "/internal/api/pricing/calculate?tripId=a%26b%3Dc%20d%25"
                                        "&distance_meters=5200&duration_seconds=900"
                                        "&end_timestamp=2026-10-01T15%3A40%3A09");
    call = call_of(PG_REQUEST_PAYER);
    call.user_id = "u/../1";
    render(&call);
    assert_string_equal(request.target, "/internal/api/users/u%2F..%2F1/payment-methods/default");
    call.user_id = "..";
    render(&call);
    assert_string_equal(request.target, "/internal/api/users/%2E%2E/payment-methods/default");
}

static void the_longest_ids_have_room(void **state)
{
    char longest[256];
    struct pg_request_call call = call_of(PG_REQUEST_CHARGE);
    (void)state;
    memset(longest, '"', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    call.trip_id = longest;
    call.user_id = longest;
    call.pg_id = longest;
    call.billing_key = longest;
    for (int op = PG_REQUEST_FARE; op <= PG_REQUEST_CANCEL; op++) {
        call.op = (uint8_t)op;
        render(&call);
    }
}

static void templates_map_the_user_id_and_name_the_order(void **state)
{
    struct pg_request_call call = call_of(PG_REQUEST_CHARGE);
    static const struct pg_request_texts mapped = {"taxi-{userId}.kr", "택시 {tripId} 요금"};
    char trip_id[256];
    (void)state;
    call.user_id = "7";
    assert_true(pg_request_render(&call, &mapped, &request));
    assert_string_equal(member("customerKey"), "taxi-7.kr");
    assert_string_equal(member("orderName"), "택시 trip-1 요금");
    /* 100 characters: 6 of the template, 94 of the trip id. */
    memset(trip_id, 't', sizeof(trip_id) - 1);
    trip_id[sizeof(trip_id) - 1] = '\0';
    call.trip_id = trip_id;
    assert_true(pg_request_render(&call, &mapped, &request));
    assert_int_equal(strspn(member("orderName") + strlen("택시 "), "t"), 94);
    assert_non_null(strstr(member("orderName"), "t 요금"));
}

static void what_has_no_room_is_refused_not_cut(void **state)
{
    struct pg_request_call call = call_of(PG_REQUEST_CHARGE);
    char template[400];
    struct pg_request_texts texts = {template, "Taxi"};
    (void)state;
    memset(template, 'c', sizeof(template));
    template[301] = '\0';
    assert_false(pg_request_render(&call, &texts, &request));
    template[300] = '\0';
    assert_true(pg_request_render(&call, &texts, &request));
    texts = (struct pg_request_texts){"{userId}", template};
    template[101] = '\0';
    assert_false(pg_request_render(&call, &texts, &request));
    template[100] = '\0';
    assert_true(pg_request_render(&call, &texts, &request));
}

static void a_customer_key_has_two_to_three_hundred_characters(void **state)
{
    const struct pg_request_texts alone = {.customer_key = "{userId}"};
    const struct pg_request_texts longer = {.customer_key = "t{userId}"};
    char longest[PG_REQUEST_CUSTOMER_KEY_MAX + 1];
    (void)state;
    memset(longest, 'u', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    assert_false(pg_request_customer_fits(&alone, "u"));
    assert_true(pg_request_customer_fits(&longer, "u"));
    assert_true(pg_request_customer_fits(&alone, longest));
    assert_false(pg_request_customer_fits(&longer, longest));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_customer_key_has_two_to_three_hundred_characters),
        cmocka_unit_test(a_charge_has_its_billing_key_in_the_path_and_the_payment_id_as_key),
        cmocka_unit_test(a_charge_sent_again_has_the_same_bytes),
        cmocka_unit_test(look_ups_go_by_order_or_by_payment_key_without_an_idempotency_key),
        cmocka_unit_test(a_cancel_carries_its_number_in_its_key),
        cmocka_unit_test(upstream_ids_are_percent_encoded),
        cmocka_unit_test(the_longest_ids_have_room),
        cmocka_unit_test(templates_map_the_user_id_and_name_the_order),
        cmocka_unit_test(what_has_no_room_is_refused_not_cut),
    };
    return cmocka_run_group_tests_name("pg_request", tests, NULL, NULL);
}
