/* The small texts of the protocol: credentials, order ids, date-times, paths, queries. */
#include "unit_support.h"

#include "fakepg_text.h"

#include <stdio.h>
#include <string.h>

static void credentials_are_read_in_every_form_that_clients_send(void **state)
{
    static const struct {
        const char *header;
        enum fakepg_basic basic;
        const char *secret;
    } cases[] = {
        {NULL, FAKEPG_BASIC_MISSING, ""},
        {"", FAKEPG_BASIC_MISSING, ""},
        {"Basic ", FAKEPG_BASIC_MISSING, ""},
        {"Basic *", FAKEPG_BASIC_MISSING, ""},
        {"Bearer dGVzdF9za19raXQ6", FAKEPG_BASIC_MISSING, ""},
        {"Basic dGVzdF9za19raXQ6", FAKEPG_BASIC_OK, "test_sk_kit"},
        {"basic   dGVzdF9za19raXQ6", FAKEPG_BASIC_OK, "test_sk_kit"},
        {"Basic dGVzdF9za19vdGhlcjo=", FAKEPG_BASIC_OK, "test_sk_other"},
        {"Basic dGVzdF9za19vdGhlcjo", FAKEPG_BASIC_OK, "test_sk_other"},
        {"Basic dGVzdF9za19raXQ6cGFzcw==", FAKEPG_BASIC_OK, "test_sk_kit"},
        {"Basic dGVzdF9za19raXQ=", FAKEPG_BASIC_NO_COLON, ""},
        {"Basic AAAA", FAKEPG_BASIC_MISSING, ""}, /* NUL bytes */
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char secret[FAKEPG_SECRET_MAX + 1] = "";
        assert_int_equal(fakepg_basic_read(cases[i].header, secret), cases[i].basic);
        assert_string_equal(secret, cases[i].secret);
    }
}

static void credentials_that_are_too_long_are_nobodys(void **state)
{
    char header[2000] = "Basic ";
    char secret[FAKEPG_SECRET_MAX + 1] = "";
    (void)state;
    memset(header + 6, 'Q', sizeof header - 7);
    header[sizeof header - 1] = '\0';
    assert_int_equal(fakepg_basic_read(header, secret), FAKEPG_BASIC_MISSING);
}

static void order_ids_have_6_to_64_plain_characters(void **state)
{
    char text[80];
    (void)state;
    memset(text, 'a', sizeof text);
    text[64] = '\0';
    assert_true(fakepg_order_id_ok(text));
    text[64] = 'a';
    text[65] = '\0';
    assert_false(fakepg_order_id_ok(text));
    assert_true(fakepg_order_id_ok("a-_=Z9"));
    assert_false(fakepg_order_id_ok("a-_=Z"));
    assert_false(fakepg_order_id_ok("order.1"));
    assert_false(fakepg_order_id_ok("order 1"));
    assert_false(fakepg_order_id_ok("주문번호주문번호"));
}

static void a_canonical_uuid_is_its_own_order_and_other_texts_are_not(void **state)
{
    static const char id[] = "f4a57785-1b51-509a-b967-c59595c25688";
    char text[UUID_TEXT_SIZE];
    (void)state;
    struct uuid own = fakepg_order_uuid(id);
    uuid_format(&own, text);
    assert_string_equal(text, id);
    struct uuid upper = fakepg_order_uuid("F4A57785-1B51-509A-B967-C59595C25688");
    struct uuid other = fakepg_order_uuid("order-0001");
    struct uuid again = fakepg_order_uuid("order-0001");
    struct uuid close = fakepg_order_uuid("order-0002");
    assert_false(uuid_equal(&own, &upper));
    assert_true(uuid_equal(&other, &again));
    assert_false(uuid_equal(&other, &close));
    uuid_format(&other, text);
    assert_int_equal(text[14], '8'); /* a version that no payment id has */
}

static void date_times_are_read_without_zone_in_korea(void **state)
{
    static const struct {
        const char *text;
        int64_t unix_ms;
    } good[] = {
        {"2026-10-01T15:40:09", INT64_C(1790836809000)},
        {"2026-10-01T15:40:09.5", INT64_C(1790836809500)},
        {"2026-10-01T15:40:09.123", INT64_C(1790836809123)},
        {"2024-02-29T00:00:00", INT64_C(1709132400000)},
    };
    static const char *const bad[] = {
        "",
        "2026-10-01",
        "2026-10-01T15:40",
        "2026-10-01T15:40:09Z",
        "2026-10-01T15:40:09+09:00",
        "2026-10-01T15:40:09.",
        "2026-10-01T15:40:09.1234",
        "2026-10-01 15:40:09",
        "2026-02-29T00:00:00",
        "2026-13-01T00:00:00",
        "2026-00-01T00:00:00",
        "2026-10-00T00:00:00",
        "2026-10-01T24:00:00",
        "2026-10-01T15:60:09",
        "2026-10-01T15:40:60",
        "2026-1-01T15:40:09",
        "20261-10-01T15:40:09-and-more-than-any-date-has-and-more-and-more",
    };
    int64_t unix_ms = 0;
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(fakepg_date_parse(good[i].text, false, &unix_ms));
        assert_int_equal(unix_ms, good[i].unix_ms);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (fakepg_date_parse(bad[i], false, &unix_ms)) {
            fail_msg("'%s' was read", bad[i]);
        }
    }
    assert_true(fakepg_date_parse("2026-10-01", true, &unix_ms));
    assert_int_equal(unix_ms, INT64_C(1790780400000));
}

static void a_written_date_reads_as_the_same_instant(void **state)
{
    char text[FAKEPG_DATE_SIZE];
    int64_t unix_ms = 0;
    (void)state;
    fakepg_date_format(INT64_C(1790836809123), text);
    assert_string_equal(text, "2026-10-01T15:40:09+09:00");
    text[19] = '\0';
    assert_true(fakepg_date_parse(text, false, &unix_ms));
    assert_int_equal(unix_ms, INT64_C(1790836809000));
    fakepg_day_format(INT64_C(1790780399999), text);
    assert_string_equal(text, "2026-09-30");
}

static void paths_are_decoded_once_and_never_to_a_nul(void **state)
{
    char out[16];
    (void)state;
    assert_true(fakepg_decode("bk_1%3D%2f+", 11, false, out, sizeof out));
    assert_string_equal(out, "bk_1=/+");
    assert_true(fakepg_decode("a+%253D", 7, true, out, sizeof out));
    assert_string_equal(out, "a %3D");
    assert_false(fakepg_decode("a%00b", 5, false, out, sizeof out));
    assert_false(fakepg_decode("a%4", 3, false, out, sizeof out));
    assert_false(fakepg_decode("a%zz", 4, false, out, sizeof out));
    assert_false(fakepg_decode("0123456789abcdef", 16, false, out, sizeof out));
}

static void a_parameter_is_found_by_its_whole_name_and_only_once(void **state)
{
    char out[16];
    (void)state;
    assert_true(fakepg_query("limit2=9&limit=7", "limit", out, sizeof out));
    assert_string_equal(out, "7");
    assert_true(fakepg_query("a=&b=2", "a", out, sizeof out));
    assert_string_equal(out, "");
    assert_false(fakepg_query("a=1&a=2", "a", out, sizeof out));
    assert_false(fakepg_query("ab=1", "a", out, sizeof out));
    assert_false(fakepg_query(NULL, "a", out, sizeof out));
    assert_false(fakepg_query("a", "a", out, sizeof out));
}

static void numbers_are_whole_and_the_whole_text(void **state)
{
    int64_t value = 0;
    (void)state;
    assert_true(fakepg_number("-5", &value));
    assert_int_equal(value, -5);
    assert_true(fakepg_number("999999999999999999", &value));
    assert_false(fakepg_number("9999999999999999999", &value));
    assert_false(fakepg_number("", &value));
    assert_false(fakepg_number("-", &value));
    assert_false(fakepg_number("5 ", &value));
    assert_false(fakepg_number("0x5", &value));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(credentials_are_read_in_every_form_that_clients_send),
        cmocka_unit_test(credentials_that_are_too_long_are_nobodys),
        cmocka_unit_test(order_ids_have_6_to_64_plain_characters),
        cmocka_unit_test(a_canonical_uuid_is_its_own_order_and_other_texts_are_not),
        cmocka_unit_test(date_times_are_read_without_zone_in_korea),
        cmocka_unit_test(a_written_date_reads_as_the_same_instant),
        cmocka_unit_test(paths_are_decoded_once_and_never_to_a_nul),
        cmocka_unit_test(a_parameter_is_found_by_its_whole_name_and_only_once),
        cmocka_unit_test(numbers_are_whole_and_the_whole_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
