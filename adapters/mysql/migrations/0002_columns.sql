-- Farebox's own columns. Instants are Unix ms in UTC by the server's clock; due_at NULL: nobody may
-- take the row. One ALTER for the columns and one for each index: each happens wholly or not at
-- all, and "exists already" means that it was done.

ALTER TABLE payments
    ADD COLUMN epoch INT UNSIGNED NOT NULL DEFAULT 0,
    ADD COLUMN token_process BIGINT UNSIGNED NOT NULL DEFAULT 0,
    ADD COLUMN token_sequence BIGINT UNSIGNED NOT NULL DEFAULT 0,
    ADD COLUMN requested_ms BIGINT,
    ADD COLUMN completed_ms BIGINT,
    ADD COLUMN claimed_at BIGINT,
    ADD COLUMN due_at BIGINT,
    ADD COLUMN pg_account BIGINT UNSIGNED NOT NULL DEFAULT 0,
    ADD COLUMN refund_state ENUM('NONE', 'INTENDED', 'DONE') NOT NULL DEFAULT 'NONE',
    ADD COLUMN refund_pg_id VARBINARY(255),
    ADD COLUMN cancel_no INT UNSIGNED NOT NULL DEFAULT 0,
    ADD COLUMN cancel_first_at BIGINT,
    ADD COLUMN absent_count INT UNSIGNED NOT NULL DEFAULT 0,
    ADD COLUMN recheck_no INT UNSIGNED NOT NULL DEFAULT 0,
    ADD COLUMN attempts INT UNSIGNED NOT NULL DEFAULT 0,
    ADD COLUMN needs_operator INT UNSIGNED NOT NULL DEFAULT 0,
    ADD COLUMN reason VARBINARY(40),
    ADD COLUMN reason_code VARBINARY(100),
    ADD COLUMN traceparent VARBINARY(55);
ALTER TABLE payments ADD INDEX farebox_payments_due (due_at);

-- payload and aggregate_id are for people; what is published is record_key, body and headers.
ALTER TABLE payment_outbox
    ADD COLUMN event_id BINARY(16),
    ADD COLUMN epoch INT UNSIGNED NOT NULL DEFAULT 0,
    ADD COLUMN token_process BIGINT UNSIGNED NOT NULL DEFAULT 0,
    ADD COLUMN token_sequence BIGINT UNSIGNED NOT NULL DEFAULT 0,
    ADD COLUMN due_at BIGINT,
    ADD COLUMN done_at BIGINT,
    ADD COLUMN attempts INT UNSIGNED NOT NULL DEFAULT 0,
    ADD COLUMN record_key MEDIUMBLOB,
    ADD COLUMN body MEDIUMBLOB,
    ADD COLUMN headers MEDIUMBLOB,
    ADD COLUMN record_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE payment_outbox ADD UNIQUE INDEX farebox_outbox_event (event_id);
ALTER TABLE payment_outbox ADD INDEX farebox_outbox_due (due_at);
ALTER TABLE payment_outbox ADD INDEX farebox_outbox_done (done_at);

-- origin_topic is the topic once more, compared byte by byte.
ALTER TABLE failed_event
    ADD COLUMN origin_topic VARBINARY(255),
    ADD COLUMN origin_partition INT,
    ADD COLUMN origin_offset BIGINT,
    ADD COLUMN origin_at BIGINT,
    ADD COLUMN stored_at BIGINT,
    ADD COLUMN record_key MEDIUMBLOB,
    ADD COLUMN body MEDIUMBLOB,
    ADD COLUMN headers MEDIUMBLOB,
    ADD COLUMN error VARBINARY(1000),
    ADD COLUMN epoch INT UNSIGNED NOT NULL DEFAULT 0,
    ADD COLUMN token_process BIGINT UNSIGNED NOT NULL DEFAULT 0,
    ADD COLUMN token_sequence BIGINT UNSIGNED NOT NULL DEFAULT 0;
ALTER TABLE failed_event MODIFY COLUMN payload LONGTEXT CHARACTER SET utf8mb4 NOT NULL;
ALTER TABLE failed_event ADD UNIQUE INDEX farebox_failed_event_origin
    (origin_topic, origin_partition, origin_offset, origin_at);
ALTER TABLE failed_event ADD INDEX farebox_failed_event_status (status);

-- The token makes a unit that is sent again after a lost answer count as applied.
ALTER TABLE shedlock
    ADD COLUMN token_process BIGINT UNSIGNED NOT NULL DEFAULT 0,
    ADD COLUMN token_sequence BIGINT UNSIGNED NOT NULL DEFAULT 0;

UPDATE farebox_schema SET version = 2, min_reader = 2 WHERE id = 1;
