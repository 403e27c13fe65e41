/* Every SQL text of the adapter. Statements are prepared once, at open. */
#include "sqlite_internal.h"

/* In this order payment_row_read() takes them. */
#define PAYMENT_COLUMNS                                                                            \
    "payment_id, token_process, token_sequence, pg_account, claimed_at, cancel_first_at, due_at,"  \
    " amount, epoch, trip_id, user_id, payment_method_id, pg_transaction_id, refund_pg_id,"        \
    " traceparent, reason_code, cancel_no, attempts, status, refund_state, absent_count,"          \
    " recheck_no, needs_operator, reason, requested_at, completed_at"

#define OUTBOX_SET                                                                                 \
    "UPDATE payment_outbox SET status = ?1, epoch = ?2, token_process = ?3, token_sequence = ?4,"  \
    " attempts = ?5, due_at = ?6, updated_at = ?7,"                                                \
    " done_at = CASE WHEN ?1 = 'DONE' THEN ?7 END"                                                 \
    " WHERE status = ?8 AND epoch = ?9 AND "

static const char *const texts[SQL_COUNT] = {
    [SQL_BEGIN] = "BEGIN IMMEDIATE",
    [SQL_COMMIT] = "COMMIT",
    [SQL_ROLLBACK] = "ROLLBACK",
    [SQL_SAVEPOINT] = "SAVEPOINT unit",
    [SQL_RELEASE] = "RELEASE unit",
    [SQL_ROLLBACK_TO] = "ROLLBACK TO unit",

    /* ?1..?22 are the image's, as payment_image_bind() numbers them. */
    [SQL_PAYMENT_OPEN] =
        "INSERT INTO payments (payment_id, epoch, token_process, token_sequence, pg_account,"
        " due_at, amount, user_id, payment_method_id, pg_transaction_id, refund_pg_id, traceparent,"
        " reason_code, cancel_no, attempts, status, refund_state, absent_count, recheck_no,"
        " needs_operator, reason, updated_at, trip_id, created_at, requested_at, completed_at,"
        " claimed_at, cancel_first_at)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18,"
        " ?19, ?20, ?21, ?22, ?25, ?22, ?22, CASE WHEN ?16 = 'COMPLETED' THEN ?22 END,"
        " CASE WHEN ?23 = 1 THEN ?22 END, CASE WHEN ?24 = 1 THEN ?22 END)"
        " ON CONFLICT DO NOTHING",
    /* ?23, ?24: enum instant_write of claimed_at and cancel_first_at; ?26, ?27: the guard. Only a
     * claim, which sets claimed_at, says whose PG account it is. */
    [SQL_PAYMENT_MOVE] =
        "UPDATE payments SET epoch = ?2, token_process = ?3, token_sequence = ?4,"
        " pg_account = CASE ?23 WHEN 1 THEN ?5 ELSE pg_account END,"
        " due_at = ?6, amount = ?7, user_id = ?8, payment_method_id = ?9, pg_transaction_id = ?10,"
        " refund_pg_id = ?11, traceparent = ?12, reason_code = ?13, cancel_no = ?14,"
        " attempts = ?15, status = ?16, refund_state = ?17, absent_count = ?18, recheck_no = ?19,"
        " needs_operator = ?20, reason = ?21, updated_at = ?22,"
        " completed_at = CASE WHEN ?16 = 'COMPLETED' AND status <> 'COMPLETED' THEN ?22"
        " ELSE completed_at END,"
        " claimed_at = CASE ?23 WHEN 0 THEN claimed_at WHEN 1 THEN ?22 END,"
        " cancel_first_at = CASE ?24 WHEN 0 THEN cancel_first_at WHEN 1 THEN ?22 END"
        " WHERE payment_id = ?1 AND status = ?26 AND epoch = ?27",
    [SQL_PAYMENT_BY_ID] = "SELECT " PAYMENT_COLUMNS " FROM payments WHERE payment_id = ?1",
    [SQL_PAYMENT_BY_TRIP] = "SELECT " PAYMENT_COLUMNS " FROM payments WHERE trip_id = ?1",
    [SQL_PAYMENTS_DUE] = "SELECT " PAYMENT_COLUMNS " FROM payments WHERE due_at <= ?1"
                         " ORDER BY due_at, id LIMIT ?2",

    [SQL_OUTBOX_OPEN] =
        "INSERT INTO payment_outbox (created_at, updated_at, aggregate_id, payload, status, topic,"
        " event_id, epoch, token_process, token_sequence, due_at, record_key, body, headers,"
        " record_at)"
        " VALUES (?1, ?1, ?2, ?3, 'PUBLISHING', ?4, ?5, 1, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    [SQL_OUTBOX_MOVE_BY_ROW] = OUTBOX_SET "id = ?10",
    [SQL_OUTBOX_MOVE_BY_EVENT] = OUTBOX_SET "event_id = ?10",
    [SQL_OUTBOX_TOKEN_BY_ROW] =
        "SELECT token_process, token_sequence FROM payment_outbox WHERE id = ?1",
    [SQL_OUTBOX_TOKEN_BY_EVENT] =
        "SELECT token_process, token_sequence FROM payment_outbox WHERE event_id = ?1",
    [SQL_OUTBOX_DUE] =
        "SELECT id, event_id, token_process, token_sequence, due_at, record_at, epoch, attempts,"
        " status, topic, record_key, body, headers FROM payment_outbox"
        " WHERE status <> 'DONE' AND due_at <= ?1 ORDER BY due_at, id LIMIT ?2",
    [SQL_OUTBOX_PURGE] = "DELETE FROM payment_outbox WHERE id IN (SELECT id FROM payment_outbox"
                         " WHERE status = 'DONE' AND done_at < ?1 ORDER BY done_at, id LIMIT ?2)",

    [SQL_FAILED_EVENT_OPEN] =
        "INSERT INTO failed_event (created_at, updated_at, error_message, kafka_key, payload,"
        " status, topic, origin_partition, origin_offset, origin_at, record_key, body, headers,"
        " epoch, token_process, token_sequence)"
        " VALUES (?1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, 1, ?13, ?14)"
        " ON CONFLICT DO NOTHING",
    [SQL_FAILED_EVENT_MOVE] =
        "UPDATE failed_event SET status = ?1, epoch = ?2, token_process = ?3, token_sequence = ?4,"
        " updated_at = ?5 WHERE id = ?6 AND status = 'PENDING' AND epoch = ?7",
    /* A retry goes to the topic that the record came from. */
    [SQL_FAILED_EVENT_REQUEUE] =
        "INSERT INTO payment_outbox (created_at, updated_at, aggregate_id, payload, status, topic,"
        " event_id, epoch, token_process, token_sequence, due_at, record_key, body, headers,"
        " record_at)"
        " SELECT ?1, ?1, kafka_key, payload, 'READY', topic, ?2, 1, ?3, ?4, ?1, record_key, body,"
        " headers, origin_at FROM failed_event WHERE id = ?5",
    [SQL_FAILED_EVENT_TOKEN_BY_ROW] =
        "SELECT token_process, token_sequence FROM failed_event WHERE id = ?1",
    [SQL_FAILED_EVENT_TOKEN_BY_ORIGIN] =
        "SELECT token_process, token_sequence FROM failed_event WHERE topic = ?1"
        " AND origin_partition = ?2 AND origin_offset = ?3 AND origin_at = ?4",
    /* The first columns as in SQL_FAILED_EVENT_BY_ROW, without the large ones. */
    [SQL_FAILED_EVENTS] =
        "SELECT id, token_process, token_sequence, origin_offset, origin_at, origin_partition,"
        " epoch, status, record_key IS NOT NULL, body IS NOT NULL, created_at, topic"
        " FROM failed_event"
        " WHERE status = 'PENDING' AND id > ?1 AND (?2 IS NULL OR topic = ?2)"
        " ORDER BY id LIMIT ?3",
    [SQL_FAILED_EVENT_BY_ROW] =
        "SELECT id, token_process, token_sequence, origin_offset, origin_at, origin_partition,"
        " epoch, status, record_key IS NOT NULL, body IS NOT NULL, created_at, topic, record_key,"
        " body, headers, error_message FROM failed_event WHERE id = ?1",

    /* CONTRACTS 7: insert, else only where the lock has run out; the row is never deleted. */
    [SQL_LEASE_TAKE] =
        "INSERT INTO shedlock (name, lock_until, locked_at, locked_by, token_process,"
        " token_sequence) VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
        " ON CONFLICT (name) DO UPDATE SET lock_until = ?2, locked_at = ?3, locked_by = ?4,"
        " token_process = ?5, token_sequence = ?6 WHERE lock_until <= ?3",
    [SQL_LEASE_EXTEND] =
        "UPDATE shedlock SET lock_until = ?2, token_process = ?5, token_sequence = ?6"
        " WHERE name = ?1 AND locked_by = ?4 AND lock_until > ?3",
    [SQL_LEASE_RELEASE] =
        "UPDATE shedlock SET lock_until = max(?3, locked_at + ?2), token_process = ?5,"
        " token_sequence = ?6 WHERE name = ?1 AND locked_by = ?4 AND lock_until > ?3",
    [SQL_LEASE_TOKEN] = "SELECT token_process, token_sequence FROM shedlock WHERE name = ?1",
};

const char *sqlite_sql_text(enum sqlite_sql sql)
{
    return texts[sql];
}
