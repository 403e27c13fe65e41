#include "old_service_codec.h"

#include "dead_letter_codec.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <uuid/uuid.h>

/* JSON in JSON in JSON: one level more than was ever seen. */
#define LEVELS_MAX  4
#define PARSE_FLAGS (JSON_DECODE_ANY | JSON_ALLOW_NUL)

/* Farebox's own, for rows of the old outbox; it must never change. */
static const uint8_t event_namespace[16] = {0x3d, 0x51, 0x0b, 0xe6, 0x24, 0x9f, 0x4c, 0x0a,
                                            0x9e, 0x77, 0x51, 0xc8, 0xd2, 0x60, 0x4f, 0x93};

static int base64_digit(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c == '\0' ? NULL : strchr(digits, c);
    return at == NULL ? -1 : (int)(at - digits);
}

/* Decodes in place. False, `text` untouched: it is no base64, or nothing. */
static bool base64_decode(char *text, size_t *len)
{
    size_t padding = 0;
    while (padding < 2 && padding < *len && text[*len - 1 - padding] == '=') {
        padding++;
    }
    if (*len == 0 || *len % 4 != 0) {
        return false;
    }
    for (size_t i = 0; i < *len - padding; i++) {
        if (base64_digit(text[i]) < 0) {
            return false;
        }
    }
    size_t written = 0;
    for (size_t i = 0; i < *len; i += 4) {
        unsigned bits = 0;
        for (size_t j = 0; j < 4; j++) {
            int digit = base64_digit(text[i + j]);
            bits = bits << 6 | (digit < 0 ? 0u : (unsigned)digit);
        }
        for (size_t j = 0; j < 3; j++) {
            text[written++] = (char)(unsigned char)(bits >> (16 - 8 * j));
        }
    }
    *len = written - padding;
    return true;
}

/* Copies the payload and takes it out of its quotes; a level takes no more room than it had. The
 * object that it ends with, a new reference, or NULL. */
static json_t *unwrap(const char *payload, size_t len, char *out, size_t *out_len)
{
    memcpy(out, payload, len);
    *out_len = len;
    for (int level = 0; level < LEVELS_MAX; level++) {
        json_t *json = json_loadb(out, *out_len, PARSE_FLAGS | JSON_REJECT_DUPLICATES, NULL);
        if (json_is_object(json)) {
            return json;
        }
        if (json_is_string(json)) {
            *out_len = json_string_length(json);
            memcpy(out, json_string_value(json), *out_len);
        }
        bool deeper = json_is_string(json) || (json == NULL && base64_decode(out, out_len));
        json_decref(json);
        if (!deeper) {
            break;
        }
    }
    return NULL;
}

/* False: absent, or not 1 to 255 printable ASCII characters. */
static bool read_trip_id(const json_t *object, char trip_id[STORE_ID_MAX + 1])
{
    const json_t *member = json_object_get(object, "tripId");
    size_t len = json_is_string(member) ? json_string_length(member) : 0;
    const char *text = json_string_value(member);
    if (len < 1 || len > STORE_ID_MAX) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (text[i] < ' ' || text[i] > '~') {
            return false;
        }
    }
    memcpy(trip_id, text, len + 1);
    return true;
}

static enum outcome_type type_by_shape(const json_t *object)
{
    bool has_fare = json_object_get(object, "fare") != NULL;
    bool has_reason = json_object_get(object, "reason") != NULL;
    if (has_fare == has_reason) {
        return OUTCOME_NONE;
    }
    return has_fare ? OUTCOME_COMPLETED : OUTCOME_FAILED;
}

/* Row ids may begin anew one day, so what the row says is part of its name. */
void old_service_event_id(const struct old_event *event, struct uuid *id)
{
    uuid_t of_row;
    uuid_t made;
    char name[40];
    int len = snprintf(name, sizeof(name), "payment_outbox:%lld", (long long)event->row_id);
    uuid_generate_sha1(of_row, event_namespace, name, (size_t)len);
    uuid_generate_sha1(made, of_row, event->payload, event->payload_len);
    memcpy(id->bytes, made, sizeof(made));
}

bool old_service_event(const struct old_event *event, const struct outcome_settings *set,
                       char *body, struct old_event_record *record)
{
    struct old_event_record made = {.body_len = 0};
    json_t *object = unwrap(event->payload, event->payload_len, body, &made.body_len);
    enum outcome_type type = object == NULL ? OUTCOME_NONE : type_by_shape(object);
    bool known = type != OUTCOME_NONE && read_trip_id(object, made.trip_id);
    json_decref(object);
    if (!known) {
        return false;
    }
    old_service_event_id(event, &made.event_id);
    const struct outcome_heading heading = {
        .type = type, .event_id = made.event_id, .occurred_at_ms = event->created_at_ms};
    if (!outcome_codec_heading(&heading, set, made.headers, sizeof(made.headers),
                               &made.headers_len)) {
        return false;
    }
    *record = made;
    return true;
}

bool old_service_letter(const char *topic, const char *payload, size_t len, char *body,
                        struct old_letter_record *record)
{
    const struct kafka_record stored = {.topic = topic, .topic_len = strlen(topic)};
    struct dead_letter_decoded letter;
    struct old_letter_record made = {.body_len = 0};
    if (!dead_letter_codec_read(&stored, &letter)) {
        return false;
    }
    (void)snprintf(made.topic, sizeof(made.topic), "%s", letter.topic);
    json_t *object = unwrap(payload, len, body, &made.body_len);
    if (object == NULL || !read_trip_id(object, made.key)) {
        made.key[0] = '\0';
    }
    json_decref(object);
    *record = made;
    return true;
}
