#define _POSIX_C_SOURCE 200809L

#include "kafka_conf.h"

#include "record_headers.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define LOG_LINE_SIZE 1024
/* After an outage somebody waits for us: librdkafka's own 10 s would be a long time. */
#define RECONNECT_MAX_MS 2000

bool kafka_conf_base_init(struct kafka_base *base)
{
    base->log = (struct kafka_log){0};
    return pthread_mutex_init(&base->log_mutex, NULL) == 0;
}

void kafka_conf_base_clear(struct kafka_base *base)
{
    (void)pthread_mutex_destroy(&base->log_mutex);
}

void kafka_conf_base_silence(struct kafka_base *base)
{
    (void)pthread_mutex_lock(&base->log_mutex);
    base->log.write = NULL;
    (void)pthread_mutex_unlock(&base->log_mutex);
}

void kafka_conf_log(struct kafka_base *base, enum kafka_log_level level, const char *facility,
                    const char *format, ...)
{
    char line[LOG_LINE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    (void)pthread_mutex_lock(&base->log_mutex);
    if (base->log.write != NULL) {
        base->log.write(base->log.context, level, facility, line);
    }
    (void)pthread_mutex_unlock(&base->log_mutex);
}

static enum kafka_log_level level_of(int syslog_level)
{
    if (syslog_level <= KAFKA_LOG_ERROR) {
        return KAFKA_LOG_ERROR;
    }
    if (syslog_level == KAFKA_LOG_WARNING) {
        return KAFKA_LOG_WARNING;
    }
    return syslog_level <= KAFKA_LOG_INFO ? KAFKA_LOG_INFO : KAFKA_LOG_DEBUG;
}

static void on_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    if (rk != NULL) {
        kafka_conf_log(rd_kafka_opaque(rk), level_of(level), facility, "%s", text);
    }
}

static void on_error(rd_kafka_t *rk, int code, const char *reason, void *opaque)
{
    char text[KAFKA_ERROR_TEXT_SIZE];
    rd_kafka_resp_err_t err = (rd_kafka_resp_err_t)code;
    if (err == RD_KAFKA_RESP_ERR__FATAL) {
        err = rd_kafka_fatal_error(rk, text, sizeof(text));
        kafka_conf_log(opaque, KAFKA_LOG_ERROR, "FATAL", "%s: %s", rd_kafka_err2name(err), text);
        return;
    }
    kafka_conf_log(opaque, KAFKA_LOG_WARNING, "ERROR", "%s: %s", rd_kafka_err2name(err), reason);
}

bool kafka_conf_set(rd_kafka_conf_t *conf, const char *name, const char *value,
                    char error[KAFKA_ERROR_TEXT_SIZE])
{
    /* librdkafka writes to its text even where it succeeds. */
    char text[KAFKA_ERROR_TEXT_SIZE];
    if (rd_kafka_conf_set(conf, name, value, text, sizeof(text)) == RD_KAFKA_CONF_OK) {
        return true;
    }
    memcpy(error, text, sizeof(text));
    return false;
}

bool kafka_conf_set_number(rd_kafka_conf_t *conf, const char *name, int32_t value,
                           char error[KAFKA_ERROR_TEXT_SIZE])
{
    char text[16];
    (void)snprintf(text, sizeof(text), "%d", (int)value);
    return kafka_conf_set(conf, name, text, error);
}

static bool set_properties(rd_kafka_conf_t *conf, const char *const *properties,
                           char error[KAFKA_ERROR_TEXT_SIZE])
{
    for (size_t i = 0; properties != NULL && properties[i] != NULL; i += 2) {
        const char *value = properties[i + 1];
        /* librdkafka's own text would show the value, which may be a password. */
        char ignored[KAFKA_ERROR_TEXT_SIZE];
        if (value == NULL || !kafka_conf_set(conf, properties[i], value, ignored)) {
            (void)snprintf(error, KAFKA_ERROR_TEXT_SIZE,
                           "Kafka property '%.200s' is unknown to librdkafka, or its value is not "
                           "allowed",
                           properties[i]);
            return false;
        }
    }
    return true;
}

rd_kafka_conf_t *kafka_conf_new(const struct kafka_client_settings *settings,
                                struct kafka_base *base, char error[KAFKA_ERROR_TEXT_SIZE])
{
    if (settings->bootstrap == NULL || settings->bootstrap[0] == '\0') {
        (void)snprintf(error, KAFKA_ERROR_TEXT_SIZE, "no bootstrap address (host:port,...)");
        return NULL;
    }
    const char *client_id = settings->client_id == NULL ? "farebox" : settings->client_id;
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    if (!set_properties(conf, settings->properties, error) ||
        !kafka_conf_set(conf, "bootstrap.servers", settings->bootstrap, error) ||
        !kafka_conf_set(conf, "client.id", client_id, error) ||
        !kafka_conf_set_number(conf, "reconnect.backoff.max.ms", RECONNECT_MAX_MS, error)) {
        rd_kafka_conf_destroy(conf);
        return NULL;
    }
    base->log = settings->log;
    rd_kafka_conf_set_opaque(conf, base);
    rd_kafka_conf_set_log_cb(conf, on_log);
    rd_kafka_conf_set_error_cb(conf, on_error);
    return conf;
}

rd_kafka_t *kafka_conf_open(rd_kafka_type_t type, rd_kafka_conf_t *conf,
                            char error[KAFKA_ERROR_TEXT_SIZE])
{
    rd_kafka_t *rk = rd_kafka_new(type, conf, error, KAFKA_ERROR_TEXT_SIZE);
    if (rk == NULL) {
        rd_kafka_conf_destroy(conf);
    }
    return rk;
}

int64_t kafka_conf_clock_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int kafka_conf_left_ms(int64_t deadline_ms, int most_ms)
{
    int64_t left = deadline_ms - kafka_conf_clock_ms();
    if (left < 0) {
        return 0;
    }
    return left < most_ms ? (int)left : most_ms;
}

static enum kafka_timestamp_type timestamp_type_of(rd_kafka_timestamp_type_t type)
{
    switch (type) {
    case RD_KAFKA_TIMESTAMP_CREATE_TIME:
        return KAFKA_TIMESTAMP_CREATE;
    case RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME:
        return KAFKA_TIMESTAMP_LOG_APPEND;
    case RD_KAFKA_TIMESTAMP_NOT_AVAILABLE:
        break;
    }
    return KAFKA_TIMESTAMP_NONE;
}

/* Takes headers while the bounds of record.h allow; says in `cut` whether some were left. */
static size_t view_headers(const rd_kafka_message_t *message, struct kafka_header *headers,
                           bool *cut)
{
    rd_kafka_headers_t *list = NULL;
    if (rd_kafka_message_headers(message, &list) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return 0;
    }
    size_t bytes = 1;
    size_t count = 0;
    const char *name = NULL;
    const void *value = NULL;
    size_t size = 0;
    while (rd_kafka_header_get_all(list, count, &name, &value, &size) ==
           RD_KAFKA_RESP_ERR_NO_ERROR) {
        struct kafka_header header = {.name = name,
                                      .name_len = strlen(name),
                                      .value = value,
                                      .value_len = value == NULL ? 0 : size,
                                      .has_value = value != NULL};
        size_t encoded = record_headers_size(&header, 1);
        if (count == KAFKA_HEADERS_MAX || encoded == SIZE_MAX ||
            bytes + encoded - 1 > KAFKA_HEADERS_BYTES_MAX) {
            *cut = true;
            break;
        }
        bytes += encoded - 1;
        headers[count++] = header;
    }
    return count;
}

struct kafka_record kafka_conf_view(const rd_kafka_message_t *message, struct kafka_header *headers)
{
    rd_kafka_timestamp_type_t type = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
    int64_t timestamp_ms = rd_kafka_message_timestamp(message, &type);
    const char *topic = rd_kafka_topic_name(message->rkt);
    struct kafka_record record = {.topic = topic,
                                  .topic_len = strlen(topic),
                                  .key = message->key,
                                  .key_len = message->key_len,
                                  .has_key = message->key != NULL,
                                  .value = message->payload,
                                  .value_len = message->len,
                                  .has_value = message->payload != NULL,
                                  .headers = headers,
                                  .partition = message->partition,
                                  .offset = message->offset,
                                  .timestamp_ms = timestamp_ms,
                                  .timestamp_type = timestamp_type_of(type)};
    record.header_count = view_headers(message, headers, &record.headers_cut);
    return record;
}
