#include "outcome_render.h"

#include <stdio.h>
#include <string.h>

void outcome_render_reason(enum payment_reason reason, const char *code,
                           char text[OUTCOME_RENDER_REASON_SIZE])
{
    const char *colon = code != NULL && code[0] != '\0' ? ":" : "";

    snprintf(text, OUTCOME_RENDER_REASON_SIZE, "%s%s%.*s", payment_reason_name(reason), colon,
             STORE_CODE_MAX, code == NULL ? "" : code);
}

/* Handles of the rendered texts, or false where one found no room. */
static bool intern_record(const struct outcome_render_settings *settings, const char *body,
                          size_t body_len, const uint8_t *headers, size_t headers_len,
                          struct texts *texts, struct outbox_row *record)
{
    struct outbox_row row = *record;

    row.topic = texts_intern_string(texts, settings->topic);
    row.body = texts_intern(texts, body, body_len);
    row.headers = texts_intern(texts, headers, headers_len);
    if (row.topic == TEXT_NONE || row.body == TEXT_NONE || row.headers == TEXT_NONE) {
        return false;
    }
    *record = row;
    return true;
}

bool outcome_render(const struct outbox *made_of, const struct outcome_render_settings *settings,
                    int64_t occurred_at_ms, struct texts *texts, struct outbox_row *record)
{
    char reason[OUTCOME_RENDER_REASON_SIZE];
    char body[OUTCOME_BODY_MAX];
    uint8_t headers[OUTCOME_HEADERS_MAX];
    size_t body_len;
    size_t headers_len;

    outcome_render_reason((enum payment_reason)made_of->reason, texts_string(texts, made_of->code),
                          reason);
    const struct outcome_event event = {
        .type = (enum outcome_type)made_of->type,
        .fare_krw = made_of->amount_krw,
        .payment_id = made_of->event_id,
        .occurred_at_ms = occurred_at_ms,
        .trip_id = texts_string(texts, made_of->trip_id),
        .user_id = texts_string(texts, made_of->user_id),
        .reason = reason,
        .traceparent = texts_string(texts, made_of->traceparent),
    };
    if (!outcome_codec_body(&event, body, sizeof(body), &body_len) ||
        !outcome_codec_headers(&event, &settings->codec, headers, sizeof(headers), &headers_len)) {
        return false;
    }
    if (!intern_record(settings, body, body_len, headers, headers_len, texts, record)) {
        return false;
    }
    record->event_id = made_of->event_id;
    record->has_key = 1;
    record->has_body = 1;
    record->key = made_of->trip_id;
    return true;
}
