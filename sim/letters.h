/*
 * letters.h - dead letters through the real codec, as bytes.
 *
 * Apart from the other files because the codec and core each have a struct dead_letter of their
 * own: one is what the DLT's headers say, the other is one being worked on.
 */
#ifndef FAREBOX_LETTERS_H
#define FAREBOX_LETTERS_H

#include "invariant.h"
#include "record.h"

#define LETTER_TOPIC_SIZE (KAFKA_TOPIC_MAX + 1)
#define LETTER_ERROR_SIZE 1001

/* What the DLT says of a record. */
struct letter_read {
    char topic[LETTER_TOPIC_SIZE];
    char error[LETTER_ERROR_SIZE];
    int64_t offset;
    int64_t first_timestamp_ms;
    int32_t partition;
    uint8_t *headers; /* given by the caller: KAFKA_HEADERS_BYTES_MAX bytes of room */
    size_t headers_len;
};

/* The headers of a record's dead letter. `room`: KAFKA_HEADERS_BYTES_MAX bytes. */
size_t letters_write(const struct kafka_record *record, const char *group, const char *message,
                     uint8_t *room);

/* Reads a record of the DLT. False: no topic to go back to. */
MUST_USE bool letters_read(const struct kafka_record *record, struct letter_read *letter);

#endif
