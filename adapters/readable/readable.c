#include "readable.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* What the first byte of a sequence says: its length, and the range of its second byte. */
struct lead {
    size_t len; /* 0: no first byte */
    uint8_t second_min;
    uint8_t second_max;
};

/* Table 3-7 of the Unicode standard: well-formed UTF-8. */
static struct lead lead_of(uint8_t byte)
{
    if (byte >= 0x01 && byte <= 0x7F) {
        return (struct lead){1, 0, 0};
    }
    if (byte >= 0xC2 && byte <= 0xDF) {
        return (struct lead){2, 0x80, 0xBF};
    }
    if (byte >= 0xE0 && byte <= 0xEF) {
        return (struct lead){3, byte == 0xE0 ? 0xA0 : 0x80, byte == 0xED ? 0x9F : 0xBF};
    }
    if (byte >= 0xF0 && byte <= 0xF4) {
        return (struct lead){4, byte == 0xF0 ? 0x90 : 0x80, byte == 0xF4 ? 0x8F : 0xBF};
    }
    return (struct lead){0, 0, 0};
}

/* Length of the character that starts here, 0 where there is none. */
static size_t character_len(const uint8_t *bytes, size_t left)
{
    struct lead lead = lead_of(bytes[0]);
    if (lead.len > left) {
        return 0;
    }
    if (lead.len >= 2 && (bytes[1] < lead.second_min || bytes[1] > lead.second_max)) {
        return 0;
    }
    for (size_t i = 2; i < lead.len; i++) {
        if ((bytes[i] & 0xC0) != 0x80) {
            return 0;
        }
    }
    return lead.len;
}

size_t readable_copy(const char *bytes, size_t len, char *copy)
{
    size_t copied = 0;
    size_t at = 0;
    while (at < len) {
        size_t character = character_len((const uint8_t *)bytes + at, len - at);
        if (character == 0) {
            memcpy(copy + copied, "\xEF\xBF\xBD", 3);
            copied += 3;
            at++;
            continue;
        }
        memcpy(copy + copied, bytes + at, character);
        copied += character;
        at += character;
    }
    return copied;
}
