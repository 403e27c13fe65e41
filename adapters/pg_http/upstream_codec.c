#include "upstream_codec.h"

#include "pg_request.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

/* What a status alone says; UPSTREAM_OK: look at the body. */
static enum upstream_answer_kind kind_of(int http_status)
{
    if (http_status == 200) {
        return UPSTREAM_OK;
    }
    if (http_status == 404) {
        return UPSTREAM_NOT_FOUND;
    }
    return http_status >= 400 && http_status <= 499 && http_status != 429 ? UPSTREAM_REFUSED
                                                                          : UPSTREAM_TROUBLE;
}

static enum upstream_answer_kind read_fare(const char *body, size_t len, int64_t *fare_krw)
{
    json_error_t error;
    json_t *object = json_loadb(body, len, JSON_REJECT_DUPLICATES, &error);
    const json_t *fare = json_object_get(object, "fare");
    enum upstream_answer_kind kind = UPSTREAM_TROUBLE;

    if (object == NULL && json_error_code(&error) == json_error_numeric_overflow) {
        kind = UPSTREAM_REFUSED;
    } else if (json_is_integer(fare) && json_integer_value(fare) >= 0) {
        *fare_krw = json_integer_value(fare);
        kind = UPSTREAM_OK;
    } else if (json_is_number(fare)) {
        kind = UPSTREAM_REFUSED;
    }
    json_decref(object);
    return kind;
}

void upstream_decode_fare(int http_status, const char *body, size_t len,
                          struct upstream_answer *answer)
{
    enum upstream_answer_kind kind = kind_of(http_status);
    int64_t fare_krw = 0;

    if (kind == UPSTREAM_OK) {
        kind = read_fare(body, len, &fare_krw);
    }
    *answer = (struct upstream_answer){.kind = (uint8_t)kind, .fare_krw = fare_krw};
}

/* A string of printable ASCII, or a whole number as text; 1 to `max` characters. */
static bool read_id(const json_t *object, const char *name, size_t max, char text[STORE_ID_MAX + 1])
{
    const json_t *member = json_object_get(object, name);
    const char *value = json_string_value(member);
    size_t len = value == NULL ? 0 : json_string_length(member);

    if (json_is_integer(member)) {
        (void)snprintf(text, STORE_ID_MAX + 1, "%" JSON_INTEGER_FORMAT, json_integer_value(member));
        return true;
    }
    if (len == 0 || len > max) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (value[i] < ' ' || value[i] > '~') {
            return false;
        }
    }
    memcpy(text, value, len);
    text[len] = '\0';
    return true;
}

static bool read_payer(const json_t *object, const char *user_id, struct upstream_texts *texts)
{
    char user[STORE_ID_MAX + 1];

    return json_is_object(object) && read_id(object, "userId", STORE_ID_MAX, user) &&
           strcmp(user, user_id) == 0 &&
           read_id(object, "paymentMethodId", STORE_ID_MAX, texts->method_id) &&
           json_is_string(json_object_get(object, "billingKey")) &&
           read_id(object, "billingKey", PG_REQUEST_BILLING_KEY_MAX, texts->billing_key);
}

void upstream_decode_payer(int http_status, const char *body, size_t len, const char *user_id,
                           struct upstream_answer *answer, struct upstream_texts *texts)
{
    enum upstream_answer_kind kind = kind_of(http_status);
    json_t *object;

    memset(texts, 0, sizeof(*texts));
    if (kind == UPSTREAM_OK) {
        object = json_loadb(body, len, JSON_REJECT_DUPLICATES, NULL);
        if (!read_payer(object, user_id, texts)) {
            kind = UPSTREAM_TROUBLE;
            explicit_bzero(texts, sizeof(*texts));
        }
        json_decref(object);
    }
    texts->has_method_id = kind == UPSTREAM_OK || kind == UPSTREAM_NOT_FOUND;
    *answer = (struct upstream_answer){.kind = (uint8_t)kind};
}
