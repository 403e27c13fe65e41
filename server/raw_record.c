#include "raw_record.h"

#include "record_headers.h"

#include <string.h>

struct raw_head {
    int64_t offset;
    int64_t timestamp_ms;
    uint32_t topic_len;
    uint32_t key_len;
    uint32_t value_len;
    uint32_t headers_len;
    int32_t partition;
    uint8_t timestamp_type;
    uint8_t has_key;
    uint8_t has_value;
    uint8_t headers_cut;
    struct raw_trip trip;
};

static struct raw_head head_of(const struct kafka_record *record)
{
    size_t headers_len = record_headers_size(record->headers, record->header_count);
    bool is_cut = headers_len == SIZE_MAX;

    return (struct raw_head){
        .offset = record->offset,
        .timestamp_ms = record->timestamp_ms,
        .topic_len = (uint32_t)record->topic_len,
        .key_len = record->has_key ? (uint32_t)record->key_len : 0,
        .value_len = record->has_value ? (uint32_t)record->value_len : 0,
        .headers_len = is_cut ? 0 : (uint32_t)headers_len,
        .partition = record->partition,
        .timestamp_type = (uint8_t)record->timestamp_type,
        .has_key = record->has_key,
        .has_value = record->has_value,
        .headers_cut = record->headers_cut || is_cut,
    };
}

static size_t size_of(const struct raw_head *head)
{
    return sizeof(*head) + head->topic_len + head->key_len + (size_t)head->value_len +
           head->headers_len;
}

size_t raw_record_size(const struct kafka_record *record)
{
    struct raw_head head = head_of(record);

    return size_of(&head);
}

static uint8_t *put(uint8_t *at, const void *bytes, size_t len)
{
    if (len > 0) {
        memcpy(at, bytes, len);
    }
    return at + len;
}

void raw_record_encode(const struct kafka_record *record, const struct trip_completed *trip,
                       uint8_t *bytes)
{
    struct raw_head head = head_of(record);
    size_t headers_len = 0;
    uint8_t *at;

    if (trip != NULL) {
        head.trip.distance_meters = trip->distance_meters;
        head.trip.duration_seconds = trip->duration_seconds;
        memcpy(head.trip.ended_at, trip->ended_at, sizeof(head.trip.ended_at));
    }
    at = put(bytes, &head, sizeof(head));
    at = put(at, record->topic, head.topic_len);
    at = put(at, record->key, head.key_len);
    at = put(at, record->value, head.value_len);
    if (head.headers_len > 0) {
        invariant(record_headers_encode(record->headers, record->header_count, at, head.headers_len,
                                        &headers_len));
    }
}

static void head_read(const uint8_t *bytes, size_t len, struct raw_head *head)
{
    invariant(len >= sizeof(*head));
    memcpy(head, bytes, sizeof(*head));
    invariant(len == size_of(head));
}

void raw_record_trip(const uint8_t *bytes, size_t len, struct raw_trip *trip)
{
    struct raw_head head;

    head_read(bytes, len, &head);
    invariant(head.trip.ended_at[0] != '\0');
    *trip = head.trip;
}

void raw_record_decode(const uint8_t *bytes, size_t len, struct raw_record *raw)
{
    struct raw_head head;
    const uint8_t *at = bytes + sizeof(head);
    size_t count = 0;

    head_read(bytes, len, &head);
    raw->record = (struct kafka_record){
        .topic = (const char *)at,
        .key = at + head.topic_len,
        .value = at + head.topic_len + head.key_len,
        .headers = raw->headers,
        .topic_len = head.topic_len,
        .key_len = head.key_len,
        .value_len = head.value_len,
        .offset = head.offset,
        .timestamp_ms = head.timestamp_ms,
        .partition = head.partition,
        .timestamp_type = (enum kafka_timestamp_type)head.timestamp_type,
        .has_key = head.has_key != 0,
        .has_value = head.has_value != 0,
        .headers_cut = head.headers_cut != 0,
    };
    invariant(record_headers_decode(raw->record.value + head.value_len, head.headers_len,
                                    raw->headers, KAFKA_HEADERS_MAX, &count));
    raw->record.header_count = count;
}
