/*
 * kafka_reader.h - what a topic holds now, and how far a group is: for auditors, the demo, tests.
 */
#ifndef FAREBOX_KAFKA_READER_H
#define FAREBOX_KAFKA_READER_H

#include "kafka_client.h"

/* A record, borrowed until this returns. */
typedef void kafka_reader_fn(void *context, const struct kafka_record *record);

/*
 * Hands over every record that `topic` has at the time of the call, from the earliest one, each
 * partition in order. Blocks for up to timeout_ms. Returns the number of records, or -1 and why
 * in `error`: no broker, no such topic, or the time was not enough (some may have been handed
 * over). Opens and closes a client of its own; changes no group's offsets.
 */
MUST_USE int64_t kafka_reader_read(const struct kafka_client_settings *settings, const char *topic,
                                   kafka_reader_fn *on_record, void *context, int timeout_ms,
                                   char error[KAFKA_ERROR_TEXT_SIZE]);

/*
 * Offsets between what `group` has committed and the ends of the topic's partitions, all together;
 * a partition of which nothing is committed counts from its beginning. Blocks, and fails with -1
 * and why in `error`, as above.
 */
MUST_USE int64_t kafka_reader_lag(const struct kafka_client_settings *settings, const char *topic,
                                  const char *group, int timeout_ms,
                                  char error[KAFKA_ERROR_TEXT_SIZE]);

#endif
