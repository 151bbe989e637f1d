-- Reservations: holds on units. Written under the lock of the stock's row; stocks are never deleted, so no foreign key.
CREATE TABLE reservations (
    reservation_id text COLLATE "C" NOT NULL,
    stock_id       text COLLATE "C" NOT NULL,
    quantity       bigint NOT NULL,
    state          text NOT NULL,
    created_at     timestamptz NOT NULL,
    CONSTRAINT reservations_pkey PRIMARY KEY (reservation_id),
    CONSTRAINT reservations_quantity_positive CHECK (quantity >= 1),
    CONSTRAINT reservations_state_known CHECK (state IN ('HELD', 'CONFIRMED', 'RELEASED', 'EXPIRED'))
);

CREATE INDEX reservations_stock_id_idx ON reservations (stock_id);

COMMENT ON COLUMN reservations.reservation_id IS 'Identity, RSV-…';
COMMENT ON COLUMN reservations.stock_id IS 'The stock whose units are held';
COMMENT ON COLUMN reservations.quantity IS 'Units held';
COMMENT ON COLUMN reservations.state IS 'HELD, then exactly one of CONFIRMED, RELEASED, EXPIRED';
COMMENT ON COLUMN reservations.created_at IS 'When the hold was made';
