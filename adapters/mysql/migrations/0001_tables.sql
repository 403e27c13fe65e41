-- The three tables of the Spring service (CONTRACTS 7), where they do not exist yet. Made here, ids
-- are compared byte by byte; tables that Hibernate made keep their collation.
-- Statements end with a semicolon at the end of a line; each may run again after a crash.

-- The first statement makes the table of the leases, and runs before the lease of the migration is
-- taken. TIMESTAMP columns have a default of their own, or the server would give the first one
-- ON UPDATE CURRENT_TIMESTAMP.
CREATE TABLE IF NOT EXISTS shedlock (
    name VARCHAR(64) NOT NULL PRIMARY KEY,
    lock_until TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
    locked_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
    locked_by VARCHAR(255) NOT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- min_reader: the lowest schema version a program must know to work on this database.
-- old_rows_to: payments up to this id may be of the old service and have no due_at;
-- old_rows_done: up to this id they have been seen to.
CREATE TABLE IF NOT EXISTS farebox_schema (
    id INT NOT NULL PRIMARY KEY,
    version INT NOT NULL,
    min_reader INT NOT NULL,
    old_rows_to BIGINT NOT NULL DEFAULT 0,
    old_rows_done BIGINT NOT NULL DEFAULT 0
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS payments (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    created_at DATETIME(6),
    updated_at DATETIME(6),
    amount INT NOT NULL,
    completed_at DATETIME(6),
    payment_id VARCHAR(255) NOT NULL,
    payment_method_id VARCHAR(255) NOT NULL,
    pg_transaction_id VARCHAR(255),
    requested_at DATETIME(6) NOT NULL,
    status ENUM('COMPLETED', 'FAILED', 'PROCESSING', 'REQUESTED', 'UNKNOWN') NOT NULL,
    trip_id VARBINARY(255) NOT NULL,
    user_id VARCHAR(255) NOT NULL,
    UNIQUE KEY payments_payment_id (payment_id),
    UNIQUE KEY payments_trip_id (trip_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

CREATE TABLE IF NOT EXISTS payment_outbox (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    created_at DATETIME(6),
    updated_at DATETIME(6),
    aggregate_id VARCHAR(255),
    payload LONGTEXT,
    status ENUM('DONE', 'PUBLISHING', 'READY'),
    topic VARCHAR(255),
    KEY idx_outbox_status_created (status, created_at)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

CREATE TABLE IF NOT EXISTS failed_event (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    created_at DATETIME(6),
    updated_at DATETIME(6),
    error_message VARCHAR(1000),
    kafka_key VARCHAR(255),
    payload TEXT NOT NULL,
    status ENUM('IGNORED', 'PENDING', 'RESOLVED') NOT NULL,
    topic VARCHAR(255) NOT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

INSERT INTO farebox_schema (id, version, min_reader) VALUES (1, 1, 1)
    ON DUPLICATE KEY UPDATE version = 1, min_reader = 1;
