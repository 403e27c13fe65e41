#include "outcome_codec.h"

#include "record_headers.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define TYPE_HEADER      "__TypeId__"
#define TYPE_TEXT_SIZE   (OUTCOME_PREFIX_MAX + 32)
#define TIME_TEXT_SIZE   32
#define HEADER_COUNT_MAX 9
#define DAY_MS           INT64_C(86400000)
/* 9999-12-31T23:59:59.999Z */
#define OCCURRED_AT_MAX INT64_C(253402300799999)

const char *outcome_codec_type_name(enum outcome_type type)
{
    switch (type) {
    case OUTCOME_COMPLETED:
        return "PaymentCompletedEvent";
    case OUTCOME_FAILED:
        return "PaymentFailedEvent";
    case OUTCOME_NONE:
        break;
    }
    return "";
}

static bool text_fits(const char *text, size_t min, size_t max)
{
    return text != NULL && strlen(text) >= min && strlen(text) <= max;
}

static bool event_is_valid(const struct outcome_event *event)
{
    if (!text_fits(event->trip_id, 1, STORE_ID_MAX)) {
        return false;
    }
    switch (event->type) {
    case OUTCOME_COMPLETED:
        return event->fare_krw >= 0 && text_fits(event->user_id, 1, STORE_ID_MAX);
    case OUTCOME_FAILED:
        return text_fits(event->reason, 1, OUTCOME_REASON_MAX);
    case OUTCOME_NONE:
        break;
    }
    return false;
}

bool outcome_codec_body(const struct outcome_event *event, char *body, size_t capacity, size_t *len)
{
    if (!event_is_valid(event)) {
        return false;
    }
    /* NULL where a text is not UTF-8, or for want of memory. Members stay in this order. */
    json_t *json = event->type == OUTCOME_COMPLETED
                       ? json_pack("{s:s, s:i, s:s}", "tripId", event->trip_id, "fare",
                                   event->fare_krw, "userId", event->user_id)
                       : json_pack("{s:s, s:s}", "tripId", event->trip_id, "reason", event->reason);
    if (json == NULL) {
        return false;
    }
    size_t size = json_dumpb(json, body, capacity, JSON_COMPACT);
    json_decref(json);
    if (size == 0 || size > capacity) {
        return false;
    }
    *len = size;
    return true;
}

/* Days since 1970-01-01 to a date of the Gregorian calendar: whole 400-year eras first. */
static void date_of_day(int64_t day, unsigned *year, unsigned *month, unsigned *day_of_month)
{
    int64_t shifted = day + 719468; /* from 0000-03-01, so that a leap day ends its year */
    int64_t era = shifted / 146097;
    int64_t day_of_era = shifted % 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month_from_march = (5 * day_of_year + 2) / 153;
    *day_of_month = (unsigned)(day_of_year - (153 * month_from_march + 2) / 5 + 1);
    *month = (unsigned)(month_from_march < 10 ? month_from_march + 3 : month_from_march - 9);
    *year = (unsigned)(year_of_era + era * 400 + (*month <= 2 ? 1 : 0));
}

static bool format_utc(int64_t unix_ms, char text[TIME_TEXT_SIZE])
{
    if (unix_ms < 0 || unix_ms > OCCURRED_AT_MAX) {
        return false;
    }
    unsigned year = 0;
    unsigned month = 0;
    unsigned day = 0;
    date_of_day(unix_ms / DAY_MS, &year, &month, &day);
    unsigned ms = (unsigned)(unix_ms % DAY_MS);
    (void)snprintf(text, TIME_TEXT_SIZE, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ", year % 10000u,
                   month % 100u, day % 100u, ms / 3600000u % 24u, ms / 60000u % 60u,
                   ms / 1000u % 60u, ms % 1000u);
    return true;
}

static struct kafka_header text_header(const char *name, const char *value)
{
    return (struct kafka_header){.name = name,
                                 .name_len = strlen(name),
                                 .value = (const uint8_t *)value,
                                 .value_len = strlen(value),
                                 .has_value = true};
}

bool outcome_codec_heading(const struct outcome_heading *heading,
                           const struct outcome_settings *set, uint8_t *headers, size_t capacity,
                           size_t *len)
{
    const char *prefix = set->type_prefix == NULL ? OUTCOME_TYPE_PREFIX_DEFAULT : set->type_prefix;
    const char *source = set->source == NULL ? OUTCOME_SOURCE_DEFAULT : set->source;
    char when[TIME_TEXT_SIZE];
    if (heading->type == OUTCOME_NONE || !text_fits(prefix, 0, OUTCOME_PREFIX_MAX) ||
        !text_fits(source, 1, OUTCOME_PREFIX_MAX) || !format_utc(heading->occurred_at_ms, when)) {
        return false;
    }
    char type[TYPE_TEXT_SIZE];
    (void)snprintf(type, sizeof(type), "%s%s", prefix, outcome_codec_type_name(heading->type));
    char id[UUID_TEXT_SIZE];
    uuid_format(&heading->event_id, id);

    struct kafka_header list[HEADER_COUNT_MAX] = {
        text_header(TYPE_HEADER, type),       text_header("id", id),
        text_header("ce_specversion", "1.0"), text_header("ce_id", id),
        text_header("ce_source", source),     text_header("ce_type", type),
        text_header("ce_time", when),         text_header("content-type", "application/json"),
    };
    size_t count = HEADER_COUNT_MAX - 1;
    if (heading->traceparent != NULL && heading->traceparent[0] != '\0') {
        if (strlen(heading->traceparent) > STORE_TRACEPARENT_MAX) {
            return false;
        }
        list[count++] = text_header("traceparent", heading->traceparent);
    }
    return record_headers_encode(list, count, headers, capacity, len);
}

bool outcome_codec_headers(const struct outcome_event *event, const struct outcome_settings *set,
                           uint8_t *headers, size_t capacity, size_t *len)
{
    const struct outcome_heading heading = {event->type, event->payment_id, event->occurred_at_ms,
                                            event->traceparent};
    return event_is_valid(event) && outcome_codec_heading(&heading, set, headers, capacity, len);
}

static bool copy_text(const json_t *json, char *text, size_t max)
{
    if (!json_is_string(json) || json_string_length(json) < 1 || json_string_length(json) > max) {
        return false;
    }
    memcpy(text, json_string_value(json), json_string_length(json) + 1);
    return true;
}

static enum outcome_type type_of(const struct kafka_record *record, const json_t *body)
{
    const struct kafka_header *header =
        record_headers_last(record->headers, record->header_count, TYPE_HEADER);
    if (header == NULL || !header->has_value) {
        return json_object_get(body, "fare") != NULL ? OUTCOME_COMPLETED : OUTCOME_FAILED;
    }
    const enum outcome_type types[] = {OUTCOME_COMPLETED, OUTCOME_FAILED};
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        const char *name = outcome_codec_type_name(types[i]);
        size_t len = strlen(name);
        if (header->value_len < len ||
            memcmp(header->value + header->value_len - len, name, len) != 0) {
            continue;
        }
        if (header->value_len == len || header->value[header->value_len - len - 1] == '.') {
            return types[i];
        }
    }
    return OUTCOME_NONE;
}

static bool read_members(const json_t *body, struct outcome_decoded *decoded)
{
    if (!copy_text(json_object_get(body, "tripId"), decoded->trip_id, STORE_ID_MAX)) {
        return false;
    }
    const json_t *fare = json_object_get(body, "fare");
    switch (decoded->type) {
    case OUTCOME_COMPLETED:
        if (!json_is_integer(fare) || json_integer_value(fare) < 0 ||
            json_integer_value(fare) > INT32_MAX) {
            return false;
        }
        decoded->fare_krw = (int32_t)json_integer_value(fare);
        return copy_text(json_object_get(body, "userId"), decoded->user_id, STORE_ID_MAX);
    case OUTCOME_FAILED:
        return fare == NULL &&
               copy_text(json_object_get(body, "reason"), decoded->reason, OUTCOME_REASON_MAX);
    case OUTCOME_NONE:
        break;
    }
    return false;
}

static void read_headers(const struct kafka_record *record, struct outcome_decoded *decoded)
{
    const struct kafka_header *id =
        record_headers_last(record->headers, record->header_count, "id");
    if (id != NULL && id->has_value) {
        decoded->has_event_id =
            uuid_from_text((const char *)id->value, id->value_len, &decoded->event_id);
    }
    const struct kafka_header *trace =
        record_headers_last(record->headers, record->header_count, "traceparent");
    if (trace != NULL && trace->has_value && trace->value_len <= STORE_TRACEPARENT_MAX) {
        memcpy(decoded->traceparent, trace->value, trace->value_len);
    }
}

bool outcome_codec_decode(const struct kafka_record *record, struct outcome_decoded *decoded)
{
    if (!record->has_value || record->value_len > KAFKA_VALUE_MAX) {
        return false;
    }
    json_t *body =
        json_loadb((const char *)record->value, record->value_len, JSON_REJECT_DUPLICATES, NULL);
    if (body == NULL) {
        return false;
    }
    struct outcome_decoded result = {0};
    result.type = type_of(record, body);
    bool valid = json_is_object(body) && read_members(body, &result);
    if (valid) {
        read_headers(record, &result);
        *decoded = result;
    }
    json_decref(body);
    return valid;
}
