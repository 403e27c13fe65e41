#include "record_headers.h"

#include <string.h>

#define FORMAT_VERSION 1
#define NAME_LEN_MAX   UINT16_MAX
#define NULL_VALUE     UINT32_MAX
/* Bytes of a header beside name and value. */
#define HEADER_OVERHEAD 6

size_t record_headers_size(const struct kafka_header *headers, size_t count)
{
    if (count > KAFKA_HEADERS_MAX) {
        return SIZE_MAX;
    }
    size_t size = count == 0 ? 0 : 1;
    for (size_t i = 0; i < count; i++) {
        size_t value_len = headers[i].has_value ? headers[i].value_len : 0;
        if (headers[i].name_len > NAME_LEN_MAX || value_len > KAFKA_HEADERS_BYTES_MAX) {
            return SIZE_MAX;
        }
        size += HEADER_OVERHEAD + headers[i].name_len + value_len;
        if (size > KAFKA_HEADERS_BYTES_MAX) {
            return SIZE_MAX;
        }
    }
    return size;
}

static uint8_t *write_number(uint8_t *out, uint32_t number, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        out[i] = (uint8_t)(number >> (8 * (bytes - 1 - i)));
    }
    return out + bytes;
}

static uint8_t *write_bytes(uint8_t *out, const void *bytes, size_t len)
{
    if (len > 0) {
        memcpy(out, bytes, len);
    }
    return out + len;
}

bool record_headers_encode(const struct kafka_header *headers, size_t count, uint8_t *out,
                           size_t capacity, size_t *len)
{
    size_t size = record_headers_size(headers, count);
    if (size == SIZE_MAX || size > capacity) {
        return false;
    }
    uint8_t *at = out;
    if (count > 0) {
        *at++ = FORMAT_VERSION;
    }
    for (size_t i = 0; i < count; i++) {
        const struct kafka_header *header = &headers[i];
        at = write_number(at, (uint32_t)header->name_len, 2);
        at = write_bytes(at, header->name, header->name_len);
        if (!header->has_value) {
            at = write_number(at, NULL_VALUE, 4);
            continue;
        }
        at = write_number(at, (uint32_t)header->value_len, 4);
        at = write_bytes(at, header->value, header->value_len);
    }
    *len = size;
    return true;
}

struct reader {
    const uint8_t *at;
    size_t left;
};

static bool read_number(struct reader *reader, size_t bytes, uint32_t *number)
{
    if (reader->left < bytes) {
        return false;
    }
    uint32_t result = 0;
    for (size_t i = 0; i < bytes; i++) {
        result = result << 8 | reader->at[i];
    }
    reader->at += bytes;
    reader->left -= bytes;
    *number = result;
    return true;
}

static bool read_bytes(struct reader *reader, size_t len, const uint8_t **bytes)
{
    if (reader->left < len) {
        return false;
    }
    *bytes = reader->at;
    reader->at += len;
    reader->left -= len;
    return true;
}

static bool read_header(struct reader *reader, struct kafka_header *header)
{
    const uint8_t *name = NULL;
    const uint8_t *value = NULL;
    uint32_t name_len = 0;
    uint32_t value_len = 0;
    if (!read_number(reader, 2, &name_len) || !read_bytes(reader, name_len, &name) ||
        !read_number(reader, 4, &value_len)) {
        return false;
    }
    bool has_value = value_len != NULL_VALUE;
    if (!has_value) {
        value_len = 0;
    } else if (!read_bytes(reader, value_len, &value)) {
        return false;
    }
    *header = (struct kafka_header){.name = (const char *)name,
                                    .name_len = name_len,
                                    .value = value,
                                    .value_len = value_len,
                                    .has_value = has_value};
    return true;
}

bool record_headers_decode(const uint8_t *bytes, size_t len, struct kafka_header *headers,
                           size_t max, size_t *count)
{
    if (len == 0) {
        *count = 0;
        return true;
    }
    /* A list of no headers has one form only: no bytes. */
    if (len == 1 || len > KAFKA_HEADERS_BYTES_MAX || bytes[0] != FORMAT_VERSION) {
        return false;
    }
    size_t limit = max < KAFKA_HEADERS_MAX ? max : KAFKA_HEADERS_MAX;
    struct reader reader = {.at = bytes + 1, .left = len - 1};
    size_t found = 0;
    while (reader.left > 0) {
        if (found == limit || !read_header(&reader, &headers[found])) {
            return false;
        }
        found++;
    }
    *count = found;
    return true;
}

bool record_headers_begins(const struct kafka_header *header, const char *prefix)
{
    size_t len = strlen(prefix);
    return header->name_len >= len && memcmp(header->name, prefix, len) == 0;
}

bool record_headers_is(const struct kafka_header *header, const char *name)
{
    return header->name_len == strlen(name) && record_headers_begins(header, name);
}

const struct kafka_header *record_headers_first(const struct kafka_header *headers, size_t count,
                                                const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (record_headers_is(&headers[i], name)) {
            return &headers[i];
        }
    }
    return NULL;
}

const struct kafka_header *record_headers_last(const struct kafka_header *headers, size_t count,
                                               const char *name)
{
    for (size_t i = count; i > 0; i--) {
        if (record_headers_is(&headers[i - 1], name)) {
            return &headers[i - 1];
        }
    }
    return NULL;
}
