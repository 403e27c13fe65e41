#include "pg_request.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define CANCEL_REASON "The trip's payment was not completed"

/* A target that is being written; `is_full` once something had no room. */
struct target {
    char *text;
    size_t len;
    bool is_full;
};

__attribute__((format(printf, 2, 3))) static void target_add(struct target *target,
                                                             const char *format, ...)
{
    size_t room = PG_REQUEST_TARGET_SIZE - target->len;
    va_list arguments;
    int len;

    va_start(arguments, format);
    len = vsnprintf(target->text + target->len, room, format, arguments);
    va_end(arguments);
    target->is_full = target->is_full || len < 0 || (size_t)len >= room;
    if (!target->is_full) {
        target->len += (size_t)len;
    }
}

/* RFC 3986's unreserved characters. */
static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '~' || c == '.';
}

/* Percent-encodes. A segment of dots alone would mean another path, so its dots are encoded too. */
static void target_add_encoded(struct target *target, const char *text)
{
    bool is_dots = text[strspn(text, ".")] == '\0';

    for (; *text != '\0'; text++) {
        if (is_unreserved(*text) && !is_dots) {
            target_add(target, "%c", *text);
        } else {
            target_add(target, "%%%02X", (unsigned)(unsigned char)*text);
        }
    }
}

/*
 * Writes `template` with the first `name` replaced by at most value_max bytes of `value`. False:
 * no room.
 */
static bool expand(const char *template, const char *name, const char *value, size_t value_max,
                   char *text, size_t size)
{
    const char *at = strstr(template, name);
    size_t value_len = strnlen(value, value_max);
    int len;

    if (at == NULL) {
        len = snprintf(text, size, "%s", template);
    } else {
        len = snprintf(text, size, "%.*s%.*s%s", (int)(at - template), template, (int)value_len,
                       value, at + strlen(name));
    }
    return len >= 0 && (size_t)len < size;
}

/* Characters of UTF-8, which has one byte that is not a continuation for each. */
static size_t characters(const char *text)
{
    size_t count = 0;

    for (; *text != '\0'; text++) {
        count += ((unsigned char)*text & 0xC0U) != 0x80U;
    }
    return count;
}

static bool order_name(const char *template, const char *trip_id, char *text, size_t size)
{
    static const char name[] = "{tripId}";
    size_t fixed = characters(template);

    if (strstr(template, name) != NULL) {
        fixed -= sizeof(name) - 1;
    }
    if (fixed > PG_REQUEST_ORDER_NAME_MAX) {
        return false;
    }
    return expand(template, name, trip_id, PG_REQUEST_ORDER_NAME_MAX - fixed, text, size);
}

/* Takes `json` over; NULL is no memory, or a text that is not UTF-8. */
static bool set_body(struct pg_request *request, json_t *json)
{
    size_t len;

    if (json == NULL) {
        return false;
    }
    len = json_dumpb(json, request->body, sizeof(request->body), JSON_COMPACT);
    json_decref(json);
    if (len == 0 || len > sizeof(request->body)) {
        return false;
    }
    request->is_post = true;
    request->body_len = len;
    return true;
}

bool pg_request_customer_fits(const struct pg_request_texts *texts, const char *user_id)
{
    char customer[PG_REQUEST_CUSTOMER_KEY_MAX + 1];

    return expand(texts->customer_key, "{userId}", user_id, SIZE_MAX, customer, sizeof(customer)) &&
           strlen(customer) >= PG_REQUEST_CUSTOMER_KEY_MIN;
}

static bool render_charge(const struct pg_request_call *call, const struct pg_request_texts *texts,
                          struct pg_request *request, struct target *target)
{
    char payment_id[UUID_TEXT_SIZE];
    char customer[PG_REQUEST_CUSTOMER_KEY_MAX + 1];
    char name[4 * PG_REQUEST_ORDER_NAME_MAX + 1];

    uuid_format(&call->payment_id, payment_id);
    target_add(target, "/v1/billing/");
    target_add_encoded(target, call->billing_key);
    (void)snprintf(request->key, sizeof(request->key), "%s", payment_id);
    return expand(texts->customer_key, "{userId}", call->user_id, SIZE_MAX, customer,
                  sizeof(customer)) &&
           order_name(texts->order_name, call->trip_id, name, sizeof(name)) &&
           set_body(request,
                    json_pack("{s:s, s:i, s:s, s:s}", "customerKey", customer, "amount",
                              (int)call->amount_krw, "orderId", payment_id, "orderName", name));
}

static bool render_cancel(const struct pg_request_call *call, struct pg_request *request,
                          struct target *target)
{
    char payment_id[UUID_TEXT_SIZE];

    uuid_format(&call->payment_id, payment_id);
    target_add(target, "/v1/payments/");
    target_add_encoded(target, call->pg_id);
    target_add(target, "/cancel");
    (void)snprintf(request->key, sizeof(request->key), "%s:cancel:%u", payment_id,
                   (unsigned)call->cancel_no);
    return set_body(request, json_pack("{s:s}", "cancelReason", CANCEL_REASON));
}

static void render_lookup(const struct pg_request_call *call, struct target *target)
{
    char payment_id[UUID_TEXT_SIZE];

    if (call->pg_id[0] != '\0') {
        target_add(target, "/v1/payments/");
        target_add_encoded(target, call->pg_id);
        return;
    }
    uuid_format(&call->payment_id, payment_id);
    target_add(target, "/v1/payments/orders/%s", payment_id);
}

static void render_fare(const struct pg_request_call *call, struct target *target)
{
    target_add(target, "/internal/api/pricing/calculate?tripId=");
    target_add_encoded(target, call->trip_id);
    target_add(target, "&distance_meters=%" PRId64 "&duration_seconds=%" PRId64 "&end_timestamp=",
               call->distance_meters, call->duration_seconds);
    target_add_encoded(target, call->ended_at);
}

static void render_payer(const struct pg_request_call *call, struct target *target)
{
    target_add(target, "/internal/api/users/");
    target_add_encoded(target, call->user_id);
    target_add(target, "/payment-methods/default");
}

bool pg_request_render(const struct pg_request_call *call, const struct pg_request_texts *texts,
                       struct pg_request *request)
{
    struct target target = {.text = request->target};
    bool ok = true;

    request->is_post = false;
    request->body_len = 0;
    request->target[0] = '\0';
    request->key[0] = '\0';
    switch ((enum pg_request_op)call->op) {
    case PG_REQUEST_FARE:
        render_fare(call, &target);
        break;
    case PG_REQUEST_PAYER:
        render_payer(call, &target);
        break;
    case PG_REQUEST_CHARGE:
        ok = render_charge(call, texts, request, &target);
        break;
    case PG_REQUEST_LOOKUP:
        render_lookup(call, &target);
        break;
    case PG_REQUEST_CANCEL:
        ok = render_cancel(call, request, &target);
        break;
    }
    return ok && !target.is_full;
}
