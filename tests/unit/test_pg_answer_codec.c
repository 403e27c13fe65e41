/* The PG's answers: bytes to verdicts, and that no bytes but a listed decline make FAILED. */
#include "payment_kit.h"

#include "pg_answer_codec.h"
#include "pg_code.h"

#include <stdio.h>
#include <string.h>

#define ORDER "70010203-0000-0000-0000-000000000000" /* pay_id */
#define WHOLE                                                                                      \
    "{\"mId\":\"tvivarepublica\",\"version\":\"2022-11-16\",\"paymentKey\":\"pay_1\","             \
    "\"type\":\"BILLING\",\"orderId\":\"" ORDER "\",\"orderName\":\"Taxi\","                       \
    "\"status\":\"DONE\",\"method\":\"카드\",\"currency\":\"KRW\",\"totalAmount\":15200,"        \
    "\"balanceAmount\":15200,\"card\":{\"issuerCode\":\"11\"},\"cancels\":null,\"failure\":null,"  \
    "\"secret\":\"ps_secret\"}"

static struct pg_answer answer;
static struct pg_answer_texts texts;

static void decode(int http_status, const char *body)
{
    pg_answer_decode(http_status, body, strlen(body), &pay_id, &answer, &texts);
}

/* WHOLE with one part replaced. */
static const char *with(const char *part, const char *other)
{
    static char body[2048];
    const char *at = strstr(WHOLE, part);
    assert_non_null(at);
    (void)snprintf(body, sizeof(body), "%.*s%s%s", (int)(at - WHOLE), WHOLE, other,
                   at + strlen(part));
    return body;
}

static void assert_broken(int http_status, const char *body)
{
    decode(http_status, body);
    if (answer.kind != PG_ANSWER_BROKEN) {
        fail_msg("kind %d of status %d and %s", answer.kind, http_status, body);
    }
    assert_string_equal(texts.code, "");
    assert_string_equal(texts.pg_id, "");
    assert_string_equal(texts.account, "");
}

static void a_payment_object_is_read_whole(void **state)
{
    (void)state;
    decode(200, WHOLE);
    assert_int_equal(answer.kind, PG_ANSWER_PAYMENT);
    assert_int_equal(answer.status, PG_DONE);
    assert_true(answer.order_matches);
    assert_true(answer.currency_krw);
    assert_int_equal(answer.total_krw, 15200);
    assert_int_equal(answer.balance_krw, 15200);
    assert_string_equal(texts.pg_id, "pay_1");
    assert_string_equal(texts.account, "tvivarepublica");
    assert_string_equal(texts.code, "");
    assert_int_equal(answer.pg_id, TEXT_NONE);
}

static void another_order_currency_or_status_is_told_apart(void **state)
{
    (void)state;
    decode(200, with("70010203", "70010204"));
    assert_int_equal(answer.kind, PG_ANSWER_PAYMENT);
    assert_false(answer.order_matches);
    decode(200, with("KRW", "USD"));
    assert_false(answer.currency_krw);
    decode(200, with("\"status\":\"DONE\"", "\"status\":\"done\""));
    assert_int_equal(answer.status, PG_STATUS_OTHER);
    decode(200, with("\"status\":\"DONE\"", "\"status\":\"PARTIAL_CANCELED\""));
    assert_int_equal(answer.status, PG_PARTIAL_CANCELED);
    decode(200, with("\"totalAmount\":15200", "\"totalAmount\":152"));
    assert_int_equal(answer.total_krw, 152);
    decode(200, with("\"paymentKey\":\"pay_1\"", "\"paymentKey\":null"));
    assert_int_equal(answer.kind, PG_ANSWER_PAYMENT);
    assert_string_equal(texts.pg_id, "");
}

static void an_object_that_lacks_what_decides_is_broken(void **state)
{
    static const char *const parts[][2] = {
        {"orderId", "orderid"},
        {"\"status\"", "\"state\""},
        {"currency", "currencies"},
        {"totalAmount", "total"},
        {"balanceAmount", "balance"},
        {"\"totalAmount\":15200", "\"totalAmount\":\"15200\""},
        {"\"totalAmount\":15200", "\"totalAmount\":15200.0"},
        {"\"totalAmount\":15200", "\"totalAmount\":-15200"},
        {"\"balanceAmount\":15200", "\"balanceAmount\":null"},
        {"\"balanceAmount\":15200", "\"balanceAmount\":99999999999999999999"},
        {"\"paymentKey\":\"pay_1\"", "\"paymentKey\":\"\""},
        {"\"paymentKey\":\"pay_1\"", "\"paymentKey\":\"a b\""},
        {"\"paymentKey\":\"pay_1\"", "\"paymentKey\":7"},
        {"\"failure\":null", "\"status\":\"DONE\""}, /* a member twice */
    };
    (void)state;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        assert_broken(200, with(parts[i][0], parts[i][1]));
    }
}

static void a_payment_object_counts_with_status_200_only(void **state)
{
    (void)state;
    for (int http_status = 0; http_status <= 999; http_status++) {
        if (http_status != 200) {
            assert_broken(http_status, WHOLE);
        }
    }
}

static void what_is_no_protocol_is_broken(void **state)
{
    static const char *const bodies[] = {
        "",
        "null",
        "[]",
        "\"DONE\"",
        "{}",
        "{",
        "<html>502 Bad Gateway</html>",
        "\xff\xfe",
        "[{\"code\":\"REJECT_CARD_PAYMENT\"}]",
        "{\"code\":\"\"}",
        "{\"code\":null}",
        "{\"code\":17}",
        "{\"code\":\"reject_card_payment\"}",
        "{\"code\":\"A B\"}",
        "{\"code\":\"bk_secret\"}",
        "{\"code\":\"REJECT_CARD_PAYMENT\\u0000\"}",
        "{\"code\":\"REJECT_CARD_PAYMENT\",\"code\":\"A\"}",
        "{\"code\":\"REJECT_CARD_PAYMENT\"} x",
        "{\"error\":{\"code\":\"REJECT_CARD_PAYMENT\"}}",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        assert_broken(200, bodies[i]);
        assert_broken(400, bodies[i]);
        assert_broken(500, bodies[i]);
    }
}

static void a_code_of_100_characters_is_told_and_a_longer_one_is_broken(void **state)
{
    char body[256];
    (void)state;
    (void)snprintf(
        body, sizeof(body), "{\"code\":\"%.*s\"}", 100,
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    decode(400, body);
    assert_int_equal(answer.kind, PG_ANSWER_ERROR);
    assert_int_equal(answer.code_class, PG_CODE_UNKNOWN);
    assert_int_equal(strlen(texts.code), 100);
    memcpy(body + 109, "A\"}", 4);
    assert_broken(400, body);
}

/* Every shape in which a code may come; the first is the protocol's. */
static const char *const shapes[] = {
    "{\"code\":\"%s\",\"message\":\"카드사에서 거절\"}",
    "{\"message\":\"m\",\"code\":\"%s\",\"data\":null}",
    "{\"code\":\"%s\",\"message\":\"m\"",
    "{\"Code\":\"%s\"}",
    "{\"code\":[\"%s\"]}",
    "{\"error\":{\"code\":\"%s\"}}",
    "{\"status\":\"ABORTED\",\"failure\":{\"code\":\"%s\"}}",
    "{\"code\":\"%s\",\"code\":\"X\"}",
    "\"%s\"",
    "<html>%s</html>",
};
#define WHOLE_SHAPES 2

static const char *const other_codes[] = {
    "REJECT_CARD_PAYMENT_",
    "REJECT_CARD",
    "REJECT_CARD_PAYMENT ",
    "reject_card_payment",
    "DECLINED",
    "FAILED",
    "",
    "NOT_FOUND_PAYMENTS",
    "INSUFFICIENT_FUNDS",
    "NOT_FOUND_ORDER",
    "0",
    "PAY_PROCESS_ABORTED",
};

static uint8_t status_after(struct pay w)
{
    answer.code = texts.code[0] != '\0' ? CODE : TEXT_NONE;
    answer.pg_id = texts.pg_id[0] != '\0' ? PG_ID : TEXT_NONE;
    pay_answer(&w, answer);
    return w.p.status;
}

static void check_code(int http_status, size_t shape, const char *code, const struct pay *charging,
                       const struct pay *inspecting)
{
    char body[400];
    bool is_protocol = shape < WHOLE_SHAPES && http_status >= 400 && http_status <= 599;
    enum pg_code_class class = pg_code_classify(code, strlen(code));
    bool may_fail = is_protocol && class == PG_CODE_DECLINED;
    bool is_absent = is_protocol && strcmp(code, "NOT_FOUND_PAYMENT") == 0;

    (void)snprintf(body, sizeof(body), shapes[shape], code);
    decode(http_status, body);
    if ((status_after(*charging) == PAYMENT_FAILED) != may_fail ||
        (status_after(*inspecting) == PAYMENT_FAILED) != is_absent) {
        fail_msg("status %d and %s: FAILED, or not, against the list", http_status, body);
    }
}

/* A row that one more absence makes FAILED. */
static struct pay almost_absent(void)
{
    struct payment_row row = pay_row(PAYMENT_PROCESSING, 3);
    row.absent_count = 1;
    return pay_inspecting(&row);
}

static void only_a_listed_decline_fails_a_charge_and_only_absence_a_look_up(void **state)
{
    static const int statuses[] = {0,   100, 199, 200, 201, 204, 301, 302, 308, 399, 400,
                                   401, 403, 404, 409, 429, 499, 500, 502, 503, 599, 600};
    struct pay charging = pay_charging();
    struct pay inspecting = almost_absent();
    (void)state;
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        for (size_t shape = 0; shape < sizeof(shapes) / sizeof(shapes[0]); shape++) {
            for (size_t c = 0; c < pg_code_count(); c++) {
                check_code(statuses[i], shape, pg_code_at(c), &charging, &inspecting);
            }
            for (size_t c = 0; c < sizeof(other_codes) / sizeof(other_codes[0]); c++) {
                check_code(statuses[i], shape, other_codes[c], &charging, &inspecting);
            }
        }
    }
}

static uint32_t draw(uint32_t n)
{
    static uint64_t random = UINT64_C(0x70617932);
    random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((random >> 33) % n);
}

/* True where the bytes hold a decline of the list in quotes. */
static bool holds_decline(const char *body, size_t len)
{
    for (size_t c = 0; c < pg_code_count(); c++) {
        char quoted[64];
        int quoted_len = snprintf(quoted, sizeof(quoted), "\"%s\"", pg_code_at(c));
        if (pg_code_classify(pg_code_at(c), strlen(pg_code_at(c))) == PG_CODE_DECLINED &&
            memmem(body, len, quoted, (size_t)quoted_len) != NULL) {
            return true;
        }
    }
    return false;
}

/* Bytes are changed, taken out, doubled and cut in valid answers. */
static size_t mutate(char *body, size_t len)
{
    for (uint32_t changes = draw(4); changes > 0 && len > 2; changes--) {
        size_t at = draw((uint32_t)len);
        size_t count = 1 + draw(6);
        count = at + count > len ? len - at : count;
        switch (draw(4)) {
        case 0:
            body[at] = (char)draw(256);
            break;
        case 1:
            memmove(body + at, body + at + count, len - at - count);
            len -= count;
            break;
        case 2:
            memmove(body + at + count, body + at, len - at);
            len += count;
            break;
        default:
            len = at + 1;
        }
    }
    return len;
}

static void random_bytes_never_fail_a_charge_without_a_listed_decline(void **state)
{
    struct pay charging = pay_charging();
    uint32_t failed = 0;
    uint32_t approved = 0;
    (void)state;
    for (uint32_t round = 0; round < 60000; round++) {
        char body[2048];
        int http_status = (int)(draw(3) == 0 ? draw(700) : draw(2) == 0 ? 200U : 400U);
        size_t len;
        if (draw(2) == 0) {
            len = (size_t)snprintf(body, sizeof(body), "%s", WHOLE);
        } else {
            len = (size_t)snprintf(body, sizeof(body), shapes[draw(WHOLE_SHAPES)],
                                   pg_code_at(draw((uint32_t)pg_code_count())));
        }
        len = mutate(body, len);
        pg_answer_decode(http_status, body, len, &pay_id, &answer, &texts);
        uint8_t status = status_after(charging);
        failed += status == PAYMENT_FAILED;
        approved += status == PAYMENT_COMPLETED;
        if (status == PAYMENT_FAILED && !holds_decline(body, len)) {
            fail_msg("FAILED by %.*s", (int)len, body);
        }
        if (status == PAYMENT_COMPLETED && memmem(body, len, ORDER, strlen(ORDER)) == NULL) {
            fail_msg("COMPLETED by %.*s", (int)len, body);
        }
    }
    assert_true(failed > 100); /* the test would see it */
    assert_true(approved > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_payment_object_is_read_whole),
        cmocka_unit_test(another_order_currency_or_status_is_told_apart),
        cmocka_unit_test(an_object_that_lacks_what_decides_is_broken),
        cmocka_unit_test(a_payment_object_counts_with_status_200_only),
        cmocka_unit_test(what_is_no_protocol_is_broken),
        cmocka_unit_test(a_code_of_100_characters_is_told_and_a_longer_one_is_broken),
        cmocka_unit_test(only_a_listed_decline_fails_a_charge_and_only_absence_a_look_up),
        cmocka_unit_test(random_bytes_never_fail_a_charge_without_a_listed_decline),
    };
    return cmocka_run_group_tests_name("pg_answer_codec", tests, NULL, NULL);
}
