#include "letters.h"

#include "dead_letter_codec.h"

#include <stdio.h>

size_t letters_write(const struct kafka_record *record, const char *group, const char *message,
                     uint8_t *room)
{
    const struct dead_letter_exception exception = {.fqcn = "farebox.DeadLetter",
                                                    .message = message};
    size_t len;

    invariant(
        dead_letter_codec_headers(record, group, &exception, room, KAFKA_HEADERS_BYTES_MAX, &len));
    return len;
}

bool letters_read(const struct kafka_record *record, struct letter_read *letter)
{
    struct dead_letter_decoded decoded;

    if (!dead_letter_codec_read(record, &decoded)) {
        return false;
    }
    snprintf(letter->topic, sizeof(letter->topic), "%s", decoded.topic);
    snprintf(letter->error, sizeof(letter->error), "%s", decoded.error);
    letter->offset = decoded.offset;
    letter->partition = decoded.partition;
    letter->first_timestamp_ms = decoded.first_timestamp_ms;
    return dead_letter_codec_retry_headers(record, letter->headers, KAFKA_HEADERS_BYTES_MAX,
                                           &letter->headers_len);
}
