/*
 * ids.h - identities: UUIDs in 16 bytes, and the token that marks a write as ours.
 *
 * Pure values. The payment id of a trip is UUIDv5(fixed namespace, trip id), made by the driver
 * (adapters) because it needs SHA-1; rows of the old service carry random UUIDs.
 */
#ifndef FAREBOX_IDS_H
#define FAREBOX_IDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct uuid {
    uint8_t bytes[16];
};

/* 36 characters and the NUL. */
#define UUID_TEXT_SIZE 37

/* Byte by byte. */
bool uuid_equal(const struct uuid *a, const struct uuid *b);
/* All bytes zero: no id. */
bool uuid_is_nil(const struct uuid *id);

/* Negative, zero or positive, like memcmp: the order of rows in a batch. */
int uuid_order(const struct uuid *a, const struct uuid *b);

/* Lower-case canonical text. */
void uuid_format(const struct uuid *id, char text[UUID_TEXT_SIZE]);

/* False, and `id` untouched, unless `text` is 36 characters of canonical form (any case). */
bool uuid_from_text(const char *text, size_t len, struct uuid *id);

/*
 * Marks a row as written by one particular unit: 64 random bits drawn at each start of the
 * process, and a number that the process never uses twice. Sending the same unit again carries
 * the same token, which is how an unknown batch is resolved.
 */
struct token {
    uint64_t process;
    uint64_t sequence;
};

/* The same unit, perhaps sent again. */
bool token_equal(struct token a, struct token b);

#endif
