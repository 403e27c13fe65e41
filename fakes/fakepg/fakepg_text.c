#include "fakepg_text.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <xxhash.h>

#define ORDER_SEED UINT64_C(0x6f72646572)

static int base64_digit(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c != '\0' ? strchr(digits, c) : NULL;
    return at == NULL ? -1 : (int)(at - digits);
}

/* Length of the decoded text; SIZE_MAX: not base64, or too long. */
static size_t base64_decode(const char *text, size_t len, char *out, size_t size)
{
    size_t n = 0;
    uint32_t bits = 0;
    int held = 0;
    while (len > 0 && text[len - 1] == '=') {
        len--;
    }
    for (size_t i = 0; i < len; i++) {
        int digit = base64_digit(text[i]);
        if (digit < 0 || n + 1 >= size) {
            return SIZE_MAX;
        }
        bits = bits << 6 | (uint32_t)digit;
        held += 6;
        if (held >= 8) {
            held -= 8;
            out[n++] = (char)(bits >> held & 0xff);
        }
    }
    out[n] = '\0';
    return n;
}

enum fakepg_basic fakepg_basic_read(const char *header, char secret[FAKEPG_SECRET_MAX + 1])
{
    char decoded[2 * FAKEPG_SECRET_MAX + 2];
    if (header == NULL || strncasecmp(header, "Basic ", 6) != 0) {
        return FAKEPG_BASIC_MISSING;
    }
    header += 6;
    header += strspn(header, " ");
    size_t len = base64_decode(header, strcspn(header, " "), decoded, sizeof decoded);
    if (len == SIZE_MAX || strlen(decoded) != len || len == 0) {
        return FAKEPG_BASIC_MISSING;
    }
    char *colon = strchr(decoded, ':');
    if (colon == NULL) {
        return FAKEPG_BASIC_NO_COLON;
    }
    *colon = '\0';
    if (strlen(decoded) > FAKEPG_SECRET_MAX) {
        return FAKEPG_BASIC_MISSING;
    }
    memcpy(secret, decoded, strlen(decoded) + 1);
    return FAKEPG_BASIC_OK;
}

bool fakepg_order_id_ok(const char *text)
{
    size_t len = strlen(text);
    for (size_t i = 0; i < len; i++) {
        if (!isalnum((unsigned char)text[i]) && strchr("-_=", text[i]) == NULL) {
            return false;
        }
    }
    return len >= 6 && len <= FAKEPG_ORDER_ID_MAX;
}

bool fakepg_length_ok(const char *text, size_t min, size_t max)
{
    size_t count = 0;
    for (const char *at = text; *at != '\0'; at++) {
        count += ((unsigned char)*at & 0xc0) != 0x80;
    }
    return count >= min && count <= max;
}

struct uuid fakepg_order_uuid(const char *text)
{
    struct uuid id;
    char canonical[UUID_TEXT_SIZE];
    size_t len = strlen(text);
    if (uuid_from_text(text, len, &id)) {
        uuid_format(&id, canonical);
        if (strcmp(canonical, text) == 0) {
            return id;
        }
    }
    XXH128_hash_t hash = XXH3_128bits_withSeed(text, len, ORDER_SEED);
    memcpy(id.bytes, &hash.low64, 8);
    memcpy(id.bytes + 8, &hash.high64, 8);
    id.bytes[6] = (uint8_t)((id.bytes[6] & 0x0f) | 0x80); /* version 8: nobody else's */
    id.bytes[8] = (uint8_t)((id.bytes[8] & 0x3f) | 0x80);
    return id;
}

uint64_t fakepg_hash(const char *text, uint64_t seed)
{
    return XXH3_64bits_withSeed(text, strlen(text), seed);
}

static void korea(int64_t unix_ms, struct tm *tm)
{
    time_t seconds = (time_t)(unix_ms / 1000 + FAKEPG_KOREA_MINUTES * 60);
    (void)gmtime_r(&seconds, tm);
}

void fakepg_date_format(int64_t unix_ms, char text[FAKEPG_DATE_SIZE])
{
    struct tm tm;
    korea(unix_ms, &tm);
    (void)strftime(text, FAKEPG_DATE_SIZE, "%Y-%m-%dT%H:%M:%S+09:00", &tm);
}

void fakepg_day_format(int64_t unix_ms, char text[FAKEPG_DATE_SIZE])
{
    struct tm tm;
    korea(unix_ms, &tm);
    (void)strftime(text, FAKEPG_DATE_SIZE, "%Y-%m-%d", &tm);
}

/* So many digits at `text`; -1: not. */
static int digits(const char *text, int count)
{
    int value = 0;
    for (int i = 0; i < count; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return -1;
        }
        value = value * 10 + (text[i] - '0');
    }
    return value;
}

/* The fraction behind the seconds, in ms; -1: it is none. */
static int fraction_ms(const char *text)
{
    int ms = 0;
    int unit = 100;
    if (text[0] == '\0') {
        return 0;
    }
    size_t len = strlen(text);
    if (text[0] != '.' || len < 2 || len > 4 || digits(text + 1, (int)len - 1) < 0) {
        return -1;
    }
    for (text++; *text != '\0'; text++) {
        ms += (*text - '0') * unit;
        unit /= 10;
    }
    return ms;
}

bool fakepg_date_parse(const char *text, bool day_only, int64_t *unix_ms)
{
    static const char form[] = "yyyy-MM-ddTHH:mm:ss";
    char whole[64];
    size_t len = strlen(text);
    if (len >= sizeof whole - 10) {
        return false;
    }
    (void)snprintf(whole, sizeof whole, "%s%s", text, day_only && len == 10 ? "T00:00:00" : "");
    len = strlen(whole);
    if (len < sizeof form - 1 || whole[4] != '-' || whole[7] != '-' || whole[10] != 'T' ||
        whole[13] != ':' || whole[16] != ':') {
        return false;
    }
    struct tm tm = {.tm_year = digits(whole, 4) - 1900,
                    .tm_mon = digits(whole + 5, 2) - 1,
                    .tm_mday = digits(whole + 8, 2),
                    .tm_hour = digits(whole + 11, 2),
                    .tm_min = digits(whole + 14, 2),
                    .tm_sec = digits(whole + 17, 2)};
    struct tm asked = tm;
    int ms = fraction_ms(whole + sizeof form - 1);
    if (ms < 0 || tm.tm_hour < 0 || tm.tm_min < 0 || tm.tm_sec < 0 || tm.tm_mday < 1 ||
        tm.tm_mon < 0 || tm.tm_year < 0) {
        return false;
    }
    time_t seconds = timegm(&tm);
    if (tm.tm_mday != asked.tm_mday || tm.tm_mon != asked.tm_mon || tm.tm_hour != asked.tm_hour ||
        tm.tm_min != asked.tm_min || tm.tm_sec != asked.tm_sec) {
        return false; /* the 31st of a month of 30 days */
    }
    *unix_ms = ((int64_t)seconds - FAKEPG_KOREA_MINUTES * 60) * 1000 + ms;
    return true;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool fakepg_decode(const char *text, size_t len, bool is_query, char *out, size_t size)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        int byte = is_query && text[i] == '+' ? ' ' : (unsigned char)text[i];
        if (text[i] == '%') {
            if (len - i < 3 || hex_digit(text[i + 1]) < 0 || hex_digit(text[i + 2]) < 0) {
                return false;
            }
            byte = hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]);
            i += 2;
        }
        if (byte == 0 || n + 1 >= size) {
            return false;
        }
        out[n++] = (char)byte;
    }
    out[n] = '\0';
    return true;
}

bool fakepg_query(const char *query, const char *name, char *out, size_t size)
{
    size_t name_len = strlen(name);
    const char *found = NULL;
    for (const char *at = query; at != NULL && *at != '\0';) {
        size_t len = strcspn(at, "&");
        if (len > name_len && strncmp(at, name, name_len) == 0 && at[name_len] == '=') {
            if (found != NULL) {
                return false;
            }
            found = at + name_len + 1;
        }
        at += len + (at[len] == '&');
    }
    return found != NULL && fakepg_decode(found, strcspn(found, "&"), true, out, size);
}

bool fakepg_number(const char *text, int64_t *value)
{
    size_t start = text[0] == '-';
    size_t len = strlen(text);
    if (len == start || len - start > 18 || strspn(text + start, "0123456789") != len - start) {
        return false;
    }
    *value = strtoll(text, NULL, 10);
    return true;
}
