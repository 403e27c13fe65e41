#include "dead_letter_codec.h"

#include "record_headers.h"

#include <string.h>

#define ORIGINAL_PREFIX         "kafka_dlt-original-"
#define EXCEPTION_PREFIX        "kafka_dlt-exception-"
#define ORIGINAL_TOPIC          ORIGINAL_PREFIX "topic"
#define ORIGINAL_PARTITION      ORIGINAL_PREFIX "partition"
#define ORIGINAL_OFFSET         ORIGINAL_PREFIX "offset"
#define ORIGINAL_TIMESTAMP      ORIGINAL_PREFIX "timestamp"
#define ORIGINAL_TIMESTAMP_TYPE ORIGINAL_PREFIX "timestamp-type"
#define ORIGINAL_GROUP          ORIGINAL_PREFIX "consumer-group"
#define EXCEPTION_MESSAGE       EXCEPTION_PREFIX "message"
#define GROUP_MAX               255
/* Six kafka_dlt-original-* headers and four kafka_dlt-exception-* ones. */
#define ADDED_MAX 10

/* The headers that we add, and the numbers that they point to. */
struct additions {
    struct kafka_header headers[ADDED_MAX];
    size_t count;
    uint8_t partition[4];
    uint8_t offset[8];
    uint8_t timestamp[8];
};

static void add_bytes(struct additions *added, const char *name, const void *value, size_t len)
{
    added->headers[added->count++] = (struct kafka_header){.name = name,
                                                           .name_len = strlen(name),
                                                           .value = value,
                                                           .value_len = len,
                                                           .has_value = true};
}

/* Adds a text, cut at the end of a character where it is too long; nothing for NULL. */
static void add_text(struct additions *added, const char *name, const char *text, size_t max)
{
    if (text == NULL) {
        return;
    }
    size_t len = strlen(text);
    if (len > max) {
        len = max;
        /* 10xxxxxx continues a character: the cut would be inside it. */
        while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80) {
            len--;
        }
    }
    add_bytes(added, name, text, len);
}

static void write_big_endian(uint8_t *out, uint64_t number, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        out[i] = (uint8_t)(number >> (8 * (bytes - 1 - i)));
    }
}

static const char *timestamp_type_name(enum kafka_timestamp_type type)
{
    switch (type) {
    case KAFKA_TIMESTAMP_CREATE:
        return "CreateTime";
    case KAFKA_TIMESTAMP_LOG_APPEND:
        return "LogAppendTime";
    case KAFKA_TIMESTAMP_NONE:
        break;
    }
    return "NoTimestampType";
}

static void add_origin(struct additions *added, const struct kafka_record *record,
                       const char *group)
{
    write_big_endian(added->partition, (uint32_t)record->partition, 4);
    write_big_endian(added->offset, (uint64_t)record->offset, 8);
    write_big_endian(added->timestamp, (uint64_t)record->timestamp_ms, 8);
    add_bytes(added, ORIGINAL_TOPIC, record->topic, record->topic_len);
    add_bytes(added, ORIGINAL_PARTITION, added->partition, 4);
    add_bytes(added, ORIGINAL_OFFSET, added->offset, 8);
    add_bytes(added, ORIGINAL_TIMESTAMP, added->timestamp, 8);
    add_text(added, ORIGINAL_TIMESTAMP_TYPE, timestamp_type_name(record->timestamp_type),
             GROUP_MAX);
    add_text(added, ORIGINAL_GROUP, group, GROUP_MAX);
}

static void add_exception(struct additions *added, const struct dead_letter_exception *exception)
{
    add_text(added, EXCEPTION_PREFIX "fqcn", exception->fqcn, DEAD_LETTER_TEXT_MAX);
    add_text(added, EXCEPTION_PREFIX "cause-fqcn", exception->cause_fqcn, DEAD_LETTER_TEXT_MAX);
    add_text(added, EXCEPTION_MESSAGE, exception->message, DEAD_LETTER_TEXT_MAX);
    add_text(added, EXCEPTION_PREFIX "stacktrace", exception->stacktrace,
             DEAD_LETTER_STACKTRACE_MAX);
}

static bool same_name(const struct kafka_header *a, const struct kafka_header *b)
{
    return a->name_len == b->name_len && memcmp(a->name, b->name, a->name_len) == 0;
}

/* How many headers of this one's name stand before and after it. */
static void count_same(const struct kafka_record *record, size_t index, size_t *before,
                       size_t *after)
{
    *before = 0;
    *after = 0;
    for (size_t i = 0; i < record->header_count; i++) {
        if (i != index && same_name(&record->headers[i], &record->headers[index])) {
            *(i < index ? before : after) += 1;
        }
    }
}

/* Of a kafka_dlt-original-* header the first stays, and the last ones, one less than the limit
 * because ours comes yet. Exception headers go. Any other header stays. */
static bool stays(const struct kafka_record *record, size_t index)
{
    const struct kafka_header *header = &record->headers[index];
    if (record_headers_begins(header, EXCEPTION_PREFIX)) {
        return false;
    }
    if (!record_headers_begins(header, ORIGINAL_PREFIX)) {
        return true;
    }
    size_t before = 0;
    size_t after = 0;
    count_same(record, index, &before, &after);
    return before == 0 || after < DEAD_LETTER_ORIGINS_MAX - 2;
}

struct budget {
    size_t count;
    size_t bytes;
};

static bool take_from(struct budget *budget, const struct kafka_header *header)
{
    /* One header alone: a list's first byte less. */
    size_t size = record_headers_size(header, 1);
    if (budget->count == 0 || size == SIZE_MAX || size - 1 > budget->bytes) {
        return false;
    }
    budget->count--;
    budget->bytes -= size - 1;
    return true;
}

/* Copies the kept headers that fit: the origins' first, since a retry needs them. */
static size_t copy_kept(const struct kafka_record *record, struct budget budget,
                        struct kafka_header *list)
{
    bool chosen[KAFKA_HEADERS_MAX] = {false};
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < record->header_count; i++) {
            bool origin = record_headers_begins(&record->headers[i], ORIGINAL_PREFIX);
            if (origin == (pass == 0) && stays(record, i)) {
                chosen[i] = take_from(&budget, &record->headers[i]);
            }
        }
    }
    size_t count = 0;
    for (size_t i = 0; i < record->header_count; i++) {
        if (chosen[i]) {
            list[count++] = record->headers[i];
        }
    }
    return count;
}

bool dead_letter_codec_headers(const struct kafka_record *record, const char *group,
                               const struct dead_letter_exception *exception, uint8_t *headers,
                               size_t capacity, size_t *len)
{
    invariant(record->header_count <= KAFKA_HEADERS_MAX);
    struct additions added = {.count = 0};
    add_origin(&added, record, group);
    add_exception(&added, exception);

    struct kafka_header list[KAFKA_HEADERS_MAX];
    struct budget budget = {
        .count = KAFKA_HEADERS_MAX - added.count,
        .bytes = KAFKA_HEADERS_BYTES_MAX - record_headers_size(added.headers, added.count),
    };
    size_t count = copy_kept(record, budget, list);
    memcpy(&list[count], added.headers, added.count * sizeof(list[0]));
    return record_headers_encode(list, count + added.count, headers, capacity, len);
}

static bool topic_is_valid(const char *name, size_t len)
{
    if (len == 0 || len > KAFKA_TOPIC_MAX) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        char c = name[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!letter && !(c >= '0' && c <= '9') && c != '.' && c != '_' && c != '-') {
            return false;
        }
    }
    return true;
}

static size_t without_suffix(const char *name, size_t len)
{
    size_t suffix = strlen(DEAD_LETTER_SUFFIX);
    while (len >= suffix && memcmp(name + len - suffix, DEAD_LETTER_SUFFIX, suffix) == 0) {
        len -= suffix;
    }
    return len;
}

static bool read_topic(const struct kafka_record *record, char topic[KAFKA_TOPIC_MAX + 1])
{
    const struct kafka_header *header =
        record_headers_last(record->headers, record->header_count, ORIGINAL_TOPIC);
    const char *name = NULL;
    size_t len = 0;
    if (header != NULL && header->has_value) {
        name = (const char *)header->value;
        /* Trap 11: a retry that goes to a DLT comes back for ever. */
        len = without_suffix(name, header->value_len);
    }
    if (!topic_is_valid(name, len)) {
        name = record->topic;
        len = without_suffix(name, record->topic_len);
        if (len == record->topic_len || !topic_is_valid(name, len)) {
            return false;
        }
    }
    memcpy(topic, name, len);
    topic[len] = '\0';
    return true;
}

static bool read_big_endian(const struct kafka_header *header, size_t bytes, int64_t *number)
{
    if (header == NULL || !header->has_value || header->value_len != bytes) {
        return false;
    }
    uint64_t result = 0;
    for (size_t i = 0; i < bytes; i++) {
        result = result << 8 | header->value[i];
    }
    *number = bytes == 4 ? (int64_t)(int32_t)(uint32_t)result : (int64_t)result;
    return true;
}

static void read_coordinates(const struct kafka_record *record, struct dead_letter_decoded *letter)
{
    const struct kafka_header *headers = record->headers;
    size_t count = record->header_count;
    int64_t partition = 0;
    int64_t offset = 0;
    int64_t timestamp = 0;
    letter->from_headers =
        read_big_endian(record_headers_last(headers, count, ORIGINAL_PARTITION), 4, &partition) &&
        read_big_endian(record_headers_last(headers, count, ORIGINAL_OFFSET), 8, &offset) &&
        read_big_endian(record_headers_last(headers, count, ORIGINAL_TIMESTAMP), 8, &timestamp) &&
        partition >= 0 && offset >= 0;
    letter->partition = letter->from_headers ? (int32_t)partition : record->partition;
    letter->offset = letter->from_headers ? offset : record->offset;
    letter->timestamp_ms = letter->from_headers ? timestamp : record->timestamp_ms;
    letter->first_timestamp_ms = letter->timestamp_ms;
    if (read_big_endian(record_headers_first(headers, count, ORIGINAL_TIMESTAMP), 8, &timestamp)) {
        letter->first_timestamp_ms = timestamp;
    }
}

/* The length of the valid UTF-8 character at `text`, 0 where there is none (RFC 3629). */
static size_t character_len(const uint8_t *text, size_t left)
{
    uint8_t first = text[0];
    if (first < 0x80) {
        return first == 0 ? 0 : 1;
    }
    size_t len = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || left < len) {
        return 0;
    }
    for (size_t i = 1; i < len; i++) {
        if ((text[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    bool overlong = (first == 0xe0 && text[1] < 0xa0) || (first == 0xf0 && text[1] < 0x90);
    bool outside = (first == 0xed && text[1] > 0x9f) || (first == 0xf4 && text[1] > 0x8f);
    return overlong || outside ? 0 : len;
}

static void read_error(const struct kafka_record *record, char error[DEAD_LETTER_TEXT_MAX + 1])
{
    const struct kafka_header *header =
        record_headers_last(record->headers, record->header_count, EXCEPTION_MESSAGE);
    size_t written = 0;
    size_t at = 0;
    while (header != NULL && header->has_value && at < header->value_len) {
        size_t len = character_len(header->value + at, header->value_len - at);
        size_t step = len == 0 ? 1 : len;
        if (written + step > DEAD_LETTER_TEXT_MAX) {
            break;
        }
        if (len == 0) {
            error[written] = '?';
        } else {
            memcpy(error + written, header->value + at, len);
        }
        written += step;
        at += step;
    }
    error[written] = '\0';
}

bool dead_letter_codec_read(const struct kafka_record *record, struct dead_letter_decoded *letter)
{
    struct dead_letter_decoded result = {.partition = 0};
    if (!read_topic(record, result.topic)) {
        return false;
    }
    read_coordinates(record, &result);
    read_error(record, result.error);
    *letter = result;
    return true;
}

bool dead_letter_codec_retry_headers(const struct kafka_record *record, uint8_t *headers,
                                     size_t capacity, size_t *len)
{
    invariant(record->header_count <= KAFKA_HEADERS_MAX);
    struct kafka_header list[KAFKA_HEADERS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < record->header_count; i++) {
        if (!record_headers_begins(&record->headers[i], EXCEPTION_PREFIX)) {
            list[count++] = record->headers[i];
        }
    }
    return record_headers_encode(list, count, headers, capacity, len);
}
