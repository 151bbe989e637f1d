-- Stocks: one row per aggregate, as its newest version leaves it. Ids compare byte by byte, as the service sorts them.
CREATE TABLE stocks (
    stock_id            text COLLATE "C" NOT NULL,
    product_id          text COLLATE "C" NOT NULL,
    symbol              text NOT NULL,
    product_name        text NOT NULL,
    quantity            bigint NOT NULL,
    reserved            bigint NOT NULL,
    unit_price          numeric(13, 4) NOT NULL,
    currency            text NOT NULL,
    low_stock_threshold bigint NOT NULL,
    discontinued        boolean NOT NULL,
    version             bigint NOT NULL,
    created_at          timestamptz NOT NULL,
    updated_at          timestamptz NOT NULL,
    CONSTRAINT stocks_pkey PRIMARY KEY (stock_id),
    CONSTRAINT stocks_product_id_key UNIQUE (product_id),
    CONSTRAINT stocks_reserved_within_quantity CHECK (0 <= reserved AND reserved <= quantity),
    CONSTRAINT stocks_unit_price_not_negative CHECK (unit_price >= 0),
    CONSTRAINT stocks_version_positive CHECK (version >= 1)
) WITH (fillfactor = 70);

CREATE INDEX stocks_symbol_idx ON stocks (symbol);

COMMENT ON COLUMN stocks.stock_id IS 'Identity, STK-…';
COMMENT ON COLUMN stocks.product_id IS 'The client''s own name of the product';
COMMENT ON COLUMN stocks.symbol IS 'What partners trade the product under';
COMMENT ON COLUMN stocks.product_name IS 'The product''s name for people';
COMMENT ON COLUMN stocks.quantity IS 'Units on hand';
COMMENT ON COLUMN stocks.reserved IS 'Units held by reservations in state HELD';
COMMENT ON COLUMN stocks.unit_price IS 'Price of one unit, in currency';
COMMENT ON COLUMN stocks.currency IS 'ISO 4217 code of the price''s currency';
COMMENT ON COLUMN stocks.low_stock_threshold IS 'Below so many available units the stock is low';
COMMENT ON COLUMN stocks.discontinued IS 'Taken out of sale: no further reservation';
COMMENT ON COLUMN stocks.version IS 'One per change, from 1';
COMMENT ON COLUMN stocks.created_at IS 'When the stock was created';
COMMENT ON COLUMN stocks.updated_at IS 'When the stock changed last';
