-- What the ledger does not have and changes seldom: one row per change of a name, the threshold or the sale.
CREATE TABLE stock_details (
    stock_id            text COLLATE "C" NOT NULL,
    version             bigint NOT NULL,
    symbol              text NOT NULL,
    product_name        text NOT NULL,
    low_stock_threshold bigint NOT NULL,
    discontinued        boolean NOT NULL,
    CONSTRAINT stock_details_pkey PRIMARY KEY (stock_id, version)
);

INSERT INTO stock_details (stock_id, version, symbol, product_name, low_stock_threshold, discontinued)
SELECT stock_id, 1, symbol, product_name, low_stock_threshold, discontinued
FROM stocks;

COMMENT ON COLUMN stock_details.stock_id IS 'The stock';
COMMENT ON COLUMN stock_details.version IS 'The version of the stock from which on this holds';
COMMENT ON COLUMN stock_details.symbol IS 'What partners trade the product under';
COMMENT ON COLUMN stock_details.product_name IS 'The product''s name for people';
COMMENT ON COLUMN stock_details.low_stock_threshold IS 'Below so many available units the stock is low';
COMMENT ON COLUMN stock_details.discontinued IS 'Taken out of sale';
