-- Farebox's own columns. Instants are Unix ms in UTC by the server's clock; due_at NULL: nobody may
-- take the row. One ALTER for the columns and one for each index: each happens wholly or not at
-- all. None locks writers out: columns are added to the metadata alone (INSTANT), indexes are built
-- beside the writers (INPLACE, LOCK = NONE); a server that cannot do so refuses the statement.

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
    ADD COLUMN traceparent VARBINARY(55),
    ALGORITHM = INSTANT;
ALTER TABLE payments ADD INDEX farebox_payments_due (due_at),
    ALGORITHM = INPLACE, LOCK = NONE;

-- Rows that are there have due_at NULL. A row that the old service inserts from now on, because it
-- came back for a while, has 0: so they are found by the index, however many others there are.
ALTER TABLE payments ALTER COLUMN due_at SET DEFAULT 0, ALGORITHM = INSTANT;

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
    ADD COLUMN record_at BIGINT NOT NULL DEFAULT 0,
    ALGORITHM = INSTANT;
ALTER TABLE payment_outbox ADD INDEX farebox_outbox_due (due_at),
    ALGORITHM = INPLACE, LOCK = NONE;
ALTER TABLE payment_outbox ADD INDEX farebox_outbox_done (done_at),
    ALGORITHM = INPLACE, LOCK = NONE;

-- origin_topic is the topic once more, compared byte by byte. payload stays a TEXT (a LONGTEXT would
-- copy the table and lock writers out), so it is a copy for people, cut to 65535 bytes.
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
    ADD COLUMN token_sequence BIGINT UNSIGNED NOT NULL DEFAULT 0,
    ALGORITHM = INSTANT;
ALTER TABLE failed_event ADD UNIQUE INDEX farebox_failed_event_origin
    (origin_topic, origin_partition, origin_offset, origin_at),
    ALGORITHM = INPLACE, LOCK = NONE;
ALTER TABLE failed_event ADD INDEX farebox_failed_event_status (status),
    ALGORITHM = INPLACE, LOCK = NONE;

-- The token makes a unit that is sent again after a lost answer count as applied.
ALTER TABLE shedlock
    ADD COLUMN token_process BIGINT UNSIGNED NOT NULL DEFAULT 0,
    ADD COLUMN token_sequence BIGINT UNSIGNED NOT NULL DEFAULT 0,
    ALGORITHM = INSTANT;

UPDATE farebox_schema SET version = 2, min_reader = 2,
    old_rows_to = (SELECT COALESCE(MAX(id), 0) FROM payments), old_rows_done = 0
    WHERE id = 1;
