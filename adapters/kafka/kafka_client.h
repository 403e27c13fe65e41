/*
 * kafka_client.h - what consumer, producer and reader have in common.
 */
#ifndef FAREBOX_KAFKA_CLIENT_H
#define FAREBOX_KAFKA_CLIENT_H

#include "invariant.h"
#include "record.h"

/* Syslog's numbers, as librdkafka uses them. */
enum kafka_log_level {
    KAFKA_LOG_ERROR = 3,
    KAFKA_LOG_WARNING = 4,
    KAFKA_LOG_INFO = 6,
    KAFKA_LOG_DEBUG = 7,
};

/*
 * librdkafka's own log lines and errors that belong to no record. Called from librdkafka's threads
 * too, several at once: must be thread-safe and quick, and must not call back into the client.
 * Texts are borrowed. `fatal` errors: the handle is of no use any more; close it and open another.
 */
struct kafka_log {
    void *context;
    void (*write)(void *context, enum kafka_log_level level, const char *facility,
                  const char *text);
};

/* Borrowed until open has returned. NULL and 0 mean the default in brackets. */
struct kafka_client_settings {
    const char *bootstrap; /* host:port,... ; needed */
    const char *client_id; /* ["farebox"] */
    struct kafka_log log;  /* [write NULL: silent] */
    /* librdkafka properties, name and value in turns, NULL at the end: TLS, SASL. They are set
     * first, so they cannot switch off what this adapter promises. */
    const char *const *properties;
};

/* Where open tells a person why it failed. */
#define KAFKA_ERROR_TEXT_SIZE 512

#endif
