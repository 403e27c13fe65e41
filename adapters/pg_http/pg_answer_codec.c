#include "pg_answer_codec.h"

#include "pg_code.h"

#include <jansson.h>
#include <string.h>

static const struct {
    const char *name;
    enum pg_status status;
} statuses[] = {
    {"READY", PG_READY},
    {"IN_PROGRESS", PG_IN_PROGRESS},
    {"WAITING_FOR_DEPOSIT", PG_WAITING_FOR_DEPOSIT},
    {"DONE", PG_DONE},
    {"CANCELED", PG_CANCELED},
    {"PARTIAL_CANCELED", PG_PARTIAL_CANCELED},
    {"ABORTED", PG_ABORTED},
    {"EXPIRED", PG_EXPIRED},
};

static enum pg_status status_of(const char *name)
{
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        if (strcmp(statuses[i].name, name) == 0) {
            return statuses[i].status;
        }
    }
    return PG_STATUS_OTHER;
}

/* A member that is a string of 1 to size - 1 printable ASCII characters. */
static bool read_text(const json_t *object, const char *name, char *text, size_t size)
{
    const json_t *member = json_object_get(object, name);
    const char *value = json_string_value(member);
    size_t len = value == NULL ? 0 : json_string_length(member);

    if (len == 0 || len >= size) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (value[i] <= ' ' || value[i] > '~') {
            return false;
        }
    }
    memcpy(text, value, len);
    text[len] = '\0';
    return true;
}

static bool read_amount(const json_t *object, const char *name, int64_t *amount_krw)
{
    const json_t *member = json_object_get(object, name);

    if (!json_is_integer(member) || json_integer_value(member) < 0) {
        return false;
    }
    *amount_krw = json_integer_value(member);
    return true;
}

/* Missing or null: a Payment object without a paymentKey, which core knows how to take. */
static bool read_pg_id(const json_t *object, char text[STORE_ID_MAX + 1])
{
    const json_t *member = json_object_get(object, "paymentKey");

    text[0] = '\0';
    return member == NULL || json_is_null(member) ||
           read_text(object, "paymentKey", text, STORE_ID_MAX + 1);
}

static bool read_payment(const json_t *object, const struct uuid *order_id,
                         struct pg_answer *answer, struct pg_answer_texts *texts)
{
    char asked[UUID_TEXT_SIZE];
    char order[65]; /* 6 to 64 characters */
    char status[33];
    char currency[17];
    struct pg_answer a = {.kind = PG_ANSWER_PAYMENT};

    if (!read_text(object, "orderId", order, sizeof(order)) ||
        !read_text(object, "status", status, sizeof(status)) ||
        !read_text(object, "currency", currency, sizeof(currency)) ||
        !read_amount(object, "totalAmount", &a.total_krw) ||
        !read_amount(object, "balanceAmount", &a.balance_krw) ||
        !read_pg_id(object, texts->pg_id)) {
        return false;
    }
    if (!read_text(object, "mId", texts->account, sizeof(texts->account))) {
        texts->account[0] = '\0';
    }
    uuid_format(order_id, asked);
    a.status = (uint8_t)status_of(status);
    a.order_matches = strcmp(order, asked) == 0;
    a.currency_krw = strcmp(currency, "KRW") == 0;
    *answer = a;
    return true;
}

static bool read_error(const json_t *object, struct pg_answer *answer,
                       struct pg_answer_texts *texts)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
    char *code = texts->code;

    if (!read_text(object, "code", code, sizeof(texts->code)) ||
        code[strspn(code, allowed)] != '\0') {
        return false;
    }
    *answer = (struct pg_answer){.kind = PG_ANSWER_ERROR,
                                 .code_class = (uint8_t)pg_code_classify(code, strlen(code))};
    return true;
}

void pg_answer_decode(int http_status, const char *body, size_t len, const struct uuid *order_id,
                      struct pg_answer *answer, struct pg_answer_texts *texts)
{
    json_t *object = json_loadb(body, len, JSON_REJECT_DUPLICATES, NULL);
    bool ok = false;

    memset(texts, 0, sizeof(*texts));
    if (json_is_object(object) && http_status == 200) {
        ok = read_payment(object, order_id, answer, texts);
    } else if (json_is_object(object) && http_status >= 400 && http_status <= 599) {
        ok = read_error(object, answer, texts);
    }
    json_decref(object);
    if (!ok) {
        *answer = (struct pg_answer){.kind = PG_ANSWER_BROKEN};
        memset(texts, 0, sizeof(*texts));
    }
}
