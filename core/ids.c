#include "ids.h"

#include <string.h>

bool uuid_equal(const struct uuid *a, const struct uuid *b)
{
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

bool uuid_is_nil(const struct uuid *id)
{
    static const struct uuid nil = {{0}};
    return uuid_equal(id, &nil);
}

int uuid_order(const struct uuid *a, const struct uuid *b)
{
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

/* A hyphen stands before these bytes of the canonical text: 8-4-4-4-12. */
static bool uuid_hyphen_before(size_t byte)
{
    return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

void uuid_format(const struct uuid *id, char text[UUID_TEXT_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    char *at = text;
    for (size_t i = 0; i < sizeof(id->bytes); i++) {
        if (uuid_hyphen_before(i)) {
            *at++ = '-';
        }
        *at++ = digits[id->bytes[i] >> 4];
        *at++ = digits[id->bytes[i] & 15];
    }
    *at = '\0';
}

/* The value of a hexadecimal digit; -1 for another character. */
static int uuid_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }
    return -1;
}

bool uuid_from_text(const char *text, size_t len, struct uuid *id)
{
    if (len != UUID_TEXT_SIZE - 1) {
        return false;
    }
    struct uuid parsed;
    const char *at = text;
    for (size_t i = 0; i < sizeof(parsed.bytes); i++) {
        if (uuid_hyphen_before(i) && *at++ != '-') {
            return false;
        }
        int high = uuid_digit(*at++);
        int low = uuid_digit(*at++);
        if (high < 0 || low < 0) {
            return false;
        }
        parsed.bytes[i] = (uint8_t)(high << 4 | low);
    }
    *id = parsed;
    return true;
}

bool token_equal(struct token a, struct token b)
{
    return a.process == b.process && a.sequence == b.sequence;
}
