-- The tables of CONTRACTS 7, with Farebox's own columns.
-- Instants are Unix ms in UTC by the store's clock; due_at NULL: nobody may take the row.
-- Tokens and pg_account are 64 bits, kept as the signed integer of the same bits.

-- min_reader: the lowest schema version a program must know to work on this file.
CREATE TABLE schema_version (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    version INTEGER NOT NULL,
    min_reader INTEGER NOT NULL
) STRICT;
INSERT INTO schema_version (id, version, min_reader) VALUES (1, 1, 1);

CREATE TABLE payments (
    id INTEGER PRIMARY KEY,
    created_at INTEGER,
    updated_at INTEGER,
    amount INTEGER NOT NULL,
    completed_at INTEGER,
    payment_id TEXT NOT NULL UNIQUE,
    payment_method_id TEXT NOT NULL,
    pg_transaction_id TEXT,
    requested_at INTEGER NOT NULL,
    status TEXT NOT NULL
        CHECK (status IN ('COMPLETED', 'FAILED', 'PROCESSING', 'REQUESTED', 'UNKNOWN')),
    trip_id TEXT NOT NULL UNIQUE,
    user_id TEXT NOT NULL,
    epoch INTEGER NOT NULL DEFAULT 0,
    token_process INTEGER NOT NULL DEFAULT 0,
    token_sequence INTEGER NOT NULL DEFAULT 0,
    claimed_at INTEGER,
    due_at INTEGER,
    pg_account INTEGER NOT NULL DEFAULT 0,
    refund_state TEXT NOT NULL DEFAULT 'NONE'
        CHECK (refund_state IN ('NONE', 'INTENDED', 'DONE')),
    refund_pg_id TEXT,
    cancel_no INTEGER NOT NULL DEFAULT 0,
    cancel_first_at INTEGER,
    absent_count INTEGER NOT NULL DEFAULT 0,
    recheck_no INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    needs_operator INTEGER NOT NULL DEFAULT 0 CHECK (needs_operator IN (0, 1)),
    reason TEXT,
    reason_code TEXT,
    traceparent TEXT
) STRICT;
CREATE INDEX payments_due ON payments (due_at) WHERE due_at IS NOT NULL;

-- payload and aggregate_id are for people; what is published is record_key, body and headers.
-- AUTOINCREMENT: a purged row's id must not come back, for a late guard might name it.
CREATE TABLE payment_outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    created_at INTEGER,
    updated_at INTEGER,
    aggregate_id TEXT,
    payload TEXT,
    status TEXT NOT NULL CHECK (status IN ('DONE', 'PUBLISHING', 'READY')),
    topic TEXT NOT NULL,
    event_id TEXT UNIQUE,
    epoch INTEGER NOT NULL DEFAULT 0,
    token_process INTEGER NOT NULL DEFAULT 0,
    token_sequence INTEGER NOT NULL DEFAULT 0,
    due_at INTEGER,
    done_at INTEGER,
    attempts INTEGER NOT NULL DEFAULT 0,
    record_key BLOB,
    body BLOB,
    headers BLOB,
    record_at INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX payment_outbox_due ON payment_outbox (due_at)
    WHERE status <> 'DONE' AND due_at IS NOT NULL;
CREATE INDEX payment_outbox_done ON payment_outbox (done_at) WHERE status = 'DONE';

CREATE TABLE failed_event (
    id INTEGER PRIMARY KEY,
    created_at INTEGER,
    updated_at INTEGER,
    error_message TEXT,
    kafka_key TEXT,
    payload TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('IGNORED', 'PENDING', 'RESOLVED')),
    topic TEXT NOT NULL,
    origin_partition INTEGER NOT NULL,
    origin_offset INTEGER NOT NULL,
    origin_at INTEGER NOT NULL,
    record_key BLOB,
    body BLOB,
    headers BLOB,
    epoch INTEGER NOT NULL DEFAULT 0,
    token_process INTEGER NOT NULL DEFAULT 0,
    token_sequence INTEGER NOT NULL DEFAULT 0,
    UNIQUE (topic, origin_partition, origin_offset, origin_at)
) STRICT;
CREATE INDEX failed_event_pending ON failed_event (id) WHERE status = 'PENDING';

-- The token makes a unit that is sent again after a lost answer count as applied.
CREATE TABLE shedlock (
    name TEXT PRIMARY KEY,
    lock_until INTEGER NOT NULL,
    locked_at INTEGER NOT NULL,
    locked_by TEXT NOT NULL,
    token_process INTEGER NOT NULL,
    token_sequence INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
