/*
 * fakepg_text.h - the small texts of the protocol: credentials, order ids, date-times, paths.
 *
 * Pure functions on bytes from outside; nothing allocates.
 */
#ifndef FAREBOX_FAKEPG_TEXT_H
#define FAREBOX_FAKEPG_TEXT_H

#include "ids.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FAKEPG_SECRET_MAX    200 /* bytes of a secret key */
#define FAKEPG_ORDER_ID_MAX  64
#define FAKEPG_DATE_SIZE     32 /* of a date-time text, with the NUL */
#define FAKEPG_KOREA_MINUTES 540

enum fakepg_basic { FAKEPG_BASIC_OK = 1, FAKEPG_BASIC_MISSING, FAKEPG_BASIC_NO_COLON };

/*
 * The user name of "Basic base64(user:password)"; a password is ignored. The `=` at the end of
 * base64 may be missing: real clients leave it out. MISSING: no header, or not readable.
 */
enum fakepg_basic fakepg_basic_read(const char *header, char secret[FAKEPG_SECRET_MAX + 1]);

/* 6 to 64 of letters, digits, `-`, `_`, and `=`, which the service takes too. */
bool fakepg_order_id_ok(const char *text);

/* True where `text` (not NULL) has so many characters of UTF-8; false where it is not UTF-8. */
bool fakepg_length_ok(const char *text, size_t min, size_t max);

/* The ledger's id of an order: a canonical UUID is itself, any other text its hash. */
struct uuid fakepg_order_uuid(const char *text);

/* 64 bits of a text; `seed` keeps the kinds of text apart. */
uint64_t fakepg_hash(const char *text, uint64_t seed);

/* "2026-10-01T15:40:09+09:00" of Unix ms. */
void fakepg_date_format(int64_t unix_ms, char text[FAKEPG_DATE_SIZE]);

/* "2026-10-01" in Korea. */
void fakepg_day_format(int64_t unix_ms, char text[FAKEPG_DATE_SIZE]);

/*
 * Reads "yyyy-MM-ddTHH:mm:ss" or that with ".S" to ".SSS", a local time of Korea, without zone:
 * with a zone the service answers INVALID_DATE. `day_only` also takes "yyyy-MM-dd".
 */
bool fakepg_date_parse(const char *text, bool day_only, int64_t *unix_ms);

/* Decodes %XX of a path or query part (and `+` in a query). False: broken, NUL in it, too long. */
bool fakepg_decode(const char *text, size_t len, bool is_query, char *out, size_t size);

/* The decoded value of a query's parameter. False: absent, twice, or broken. */
bool fakepg_query(const char *query, const char *name, char *out, size_t size);

/* A whole decimal number, the whole text. */
bool fakepg_number(const char *text, int64_t *value);

#endif
