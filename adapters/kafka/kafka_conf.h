/*
 * kafka_conf.h - librdkafka configurations and records, for the files of this adapter only.
 */
#ifndef FAREBOX_KAFKA_CONF_H
#define FAREBOX_KAFKA_CONF_H

#include "kafka_client.h"

#include <librdkafka/rdkafka.h>
#include <pthread.h>

/* First member of every handle, so that librdkafka's callbacks, which get the handle as their
 * opaque, find the log. */
struct kafka_base {
    struct kafka_log log;
    pthread_mutex_t log_mutex; /* held while a line is written */
};

/* Makes the base of a new handle: no log until kafka_conf_new(). False: no memory. */
MUST_USE bool kafka_conf_base_init(struct kafka_base *base);
void kafka_conf_base_clear(struct kafka_base *base);

/* After this the log's owner is not called any more, whatever librdkafka still has to say. */
void kafka_conf_base_silence(struct kafka_base *base);

/*
 * A configuration with the settings that all clients share, or NULL and why in `error`. `base`
 * becomes the callbacks' opaque and must outlive the client. The caller gives it to rd_kafka_new()
 * or destroys it.
 */
MUST_USE rd_kafka_conf_t *kafka_conf_new(const struct kafka_client_settings *settings,
                                         struct kafka_base *base,
                                         char error[KAFKA_ERROR_TEXT_SIZE]);

/* False, and why in `error`, where librdkafka refuses the property. */
MUST_USE bool kafka_conf_set(rd_kafka_conf_t *conf, const char *name, const char *value,
                             char error[KAFKA_ERROR_TEXT_SIZE]);
MUST_USE bool kafka_conf_set_number(rd_kafka_conf_t *conf, const char *name, int32_t value,
                                    char error[KAFKA_ERROR_TEXT_SIZE]);

/* rd_kafka_new(), which takes `conf` either way. NULL, and why in `error`. */
MUST_USE rd_kafka_t *kafka_conf_open(rd_kafka_type_t type, rd_kafka_conf_t *conf,
                                     char error[KAFKA_ERROR_TEXT_SIZE]);

/* One line for the log, if there is one. Any thread. */
__attribute__((format(printf, 4, 5))) void kafka_conf_log(struct kafka_base *base,
                                                          enum kafka_log_level level,
                                                          const char *facility, const char *format,
                                                          ...);

/* Milliseconds of a clock that only goes forward. */
int64_t kafka_conf_clock_ms(void);

/* What is left until `deadline_ms` of that clock, at least 0 and at most `most_ms`. */
int kafka_conf_left_ms(int64_t deadline_ms, int most_ms);

/* Views a message; headers go to `headers`, which has room for KAFKA_HEADERS_MAX. Everything is
 * borrowed from the message and from `headers`. */
struct kafka_record kafka_conf_view(const rd_kafka_message_t *message,
                                    struct kafka_header *headers);

#endif
