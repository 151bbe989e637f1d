-- Holds have a time that runs out, a client, and a place in that client's order. The defaults are for the release before
-- this one, which may still be writing.
ALTER TABLE reservations
    ADD COLUMN confirmed       bigint NOT NULL DEFAULT 0,
    ADD COLUMN expires_at      timestamptz NOT NULL DEFAULT now() + interval '15 minutes',
    ADD COLUMN holder          text NOT NULL DEFAULT 'anonymous',
    ADD COLUMN client_order_id text,
    ADD COLUMN line            smallint,
    ADD COLUMN updated_at      timestamptz NOT NULL DEFAULT now(),
    ADD CONSTRAINT reservations_confirmed_within_quantity
        CHECK (confirmed BETWEEN 0 AND quantity AND (confirmed = 0 OR state = 'CONFIRMED')),
    ADD CONSTRAINT reservations_order_whole CHECK ((client_order_id IS NULL) = (line IS NULL));

-- Lists by stock are read by id; due holds are found by stock, and by time over all stocks.
DROP INDEX reservations_stock_id_idx;
CREATE INDEX reservations_stock_id_idx ON reservations (stock_id, reservation_id);
CREATE INDEX reservations_held_by_stock_idx ON reservations (stock_id, expires_at) WHERE state = 'HELD';
CREATE INDEX reservations_held_idx ON reservations (expires_at) WHERE state = 'HELD';

-- A client's name of an order is unique: a second order of this name would begin with line 0 again.
CREATE UNIQUE INDEX reservations_order_key ON reservations (holder, client_order_id, line)
    WHERE client_order_id IS NOT NULL;

CREATE INDEX reservations_client_order_id_idx ON reservations (client_order_id, reservation_id)
    WHERE client_order_id IS NOT NULL;

COMMENT ON COLUMN reservations.confirmed IS 'Units that were taken; 0 unless the state is CONFIRMED';
COMMENT ON COLUMN reservations.expires_at IS 'When the time of the hold runs out, or would have';
COMMENT ON COLUMN reservations.holder IS 'The client that made the hold';
COMMENT ON COLUMN reservations.client_order_id IS 'The client''s name of the order';
COMMENT ON COLUMN reservations.line IS 'The hold''s number in the order, from 0';
COMMENT ON COLUMN reservations.updated_at IS 'When the hold changed last';
