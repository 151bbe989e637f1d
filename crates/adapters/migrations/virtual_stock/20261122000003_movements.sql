-- Movements: the append-only ledger, one row per version of a stock.
CREATE TABLE movements (
    stock_id        text COLLATE "C" NOT NULL,
    version         bigint NOT NULL,
    operation       text NOT NULL,
    quantity_before bigint NOT NULL,
    quantity_after  bigint NOT NULL,
    reserved_before bigint NOT NULL,
    reserved_after  bigint NOT NULL,
    price_before    numeric(13, 4),
    price_after     numeric(13, 4) NOT NULL,
    reason          text,
    reference       text,
    reservation_id  text COLLATE "C",
    actor           text NOT NULL,
    occurred_at     timestamptz NOT NULL,
    CONSTRAINT movements_pkey PRIMARY KEY (stock_id, version)
);

COMMENT ON COLUMN movements.stock_id IS 'The stock that changed';
COMMENT ON COLUMN movements.version IS 'The version that the change made';
COMMENT ON COLUMN movements.operation IS 'What was done';
COMMENT ON COLUMN movements.quantity_before IS 'Units on hand before; 0 for a new stock';
COMMENT ON COLUMN movements.quantity_after IS 'Units on hand after';
COMMENT ON COLUMN movements.reserved_before IS 'Units held before';
COMMENT ON COLUMN movements.reserved_after IS 'Units held after';
COMMENT ON COLUMN movements.price_before IS 'Price of one unit before; none for a new stock';
COMMENT ON COLUMN movements.price_after IS 'Price of one unit after';
COMMENT ON COLUMN movements.reason IS 'Why, where somebody said so';
COMMENT ON COLUMN movements.reference IS 'The document behind the change';
COMMENT ON COLUMN movements.reservation_id IS 'The hold that the change made or ended';
COMMENT ON COLUMN movements.actor IS 'Who asked for the change';
COMMENT ON COLUMN movements.occurred_at IS 'When the change was decided';
