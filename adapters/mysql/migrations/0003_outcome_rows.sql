-- A payment has one outcome event, and its row says whose it is: a second one is refused by the
-- index. The event's id is the payment's, but ids are random: in a large table an index that begins
-- with them is written to on a page that no processor cache has. Row ids of payments follow one
-- another. NULL: no outcome of a payment, or one that version 2 wrote; it is found by its own id.
ALTER TABLE payment_outbox
    ADD COLUMN payment_row_id BIGINT,
    ALGORITHM = INSTANT;
-- With the event's id, for a table that was emptied or restored gives its row ids to others.
ALTER TABLE payment_outbox
    ADD UNIQUE INDEX farebox_outbox_payment (payment_row_id, event_id),
    ALGORITHM = INPLACE, LOCK = NONE;

-- Migration 0002 made an index on event_id until version 3 came. A Farebox of that time searches by
-- it, and would read the whole table without it: it is to be stopped before, and does not start any
-- more.
UPDATE farebox_schema SET min_reader = 3 WHERE id = 1;
ALTER TABLE payment_outbox DROP INDEX farebox_outbox_event,
    ALGORITHM = INPLACE, LOCK = NONE;

UPDATE farebox_schema SET version = 3 WHERE id = 1;
