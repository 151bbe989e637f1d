-- External stocks: a stock as one subscription's partner knows it, and who delivers its events now.
CREATE TABLE external_stocks (
    subscription      text NOT NULL,
    stock_id          text COLLATE "C" NOT NULL,
    external_id       text,
    told_picture      jsonb,
    acknowledged_version bigint NOT NULL DEFAULT 0,
    acknowledged_at   timestamptz,
    claim             uuid,
    claim_until       timestamptz,
    due_at            timestamptz,
    CONSTRAINT external_stocks_pkey PRIMARY KEY (subscription, stock_id),
    CONSTRAINT external_stocks_claim_whole CHECK ((claim IS NULL) = (claim_until IS NULL))
) WITH (fillfactor = 70);

CREATE INDEX external_stocks_due_idx ON external_stocks (subscription, due_at) WHERE due_at IS NOT NULL;

COMMENT ON COLUMN external_stocks.subscription IS 'The subscription';
COMMENT ON COLUMN external_stocks.stock_id IS 'Our name of the stock';
COMMENT ON COLUMN external_stocks.external_id IS 'The partner''s name of it; none until the partner was told';
COMMENT ON COLUMN external_stocks.told_picture IS 'The newest picture that the partner may have been told, kept before the call';
COMMENT ON COLUMN external_stocks.acknowledged_version IS 'Version of the newest picture that the partner has acknowledged; 0 for none';
COMMENT ON COLUMN external_stocks.acknowledged_at IS 'When the partner acknowledged it';
COMMENT ON COLUMN external_stocks.claim IS 'The delivery that is under way';
COMMENT ON COLUMN external_stocks.claim_until IS 'Until when the claim holds without being settled';
COMMENT ON COLUMN external_stocks.due_at IS 'When the events that wait for this stock are to be looked at; none if none wait';
