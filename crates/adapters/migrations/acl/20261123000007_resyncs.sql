-- Resynchronizations: an operator wants a partner to be told the present state of every stock.
CREATE TABLE resyncs (
    id           uuid NOT NULL,
    subscription text NOT NULL,
    requested_by text NOT NULL,
    requested_at timestamptz NOT NULL DEFAULT now(),
    reason       text,
    total        bigint NOT NULL,
    failed       bigint NOT NULL DEFAULT 0,
    CONSTRAINT resyncs_pkey PRIMARY KEY (id)
);

CREATE INDEX resyncs_subscription_idx ON resyncs (subscription, requested_at);

COMMENT ON COLUMN resyncs.id IS 'Its name';
COMMENT ON COLUMN resyncs.subscription IS 'The subscription';
COMMENT ON COLUMN resyncs.requested_by IS 'The operator';
COMMENT ON COLUMN resyncs.requested_at IS 'When';
COMMENT ON COLUMN resyncs.reason IS 'Why';
COMMENT ON COLUMN resyncs.total IS 'Stocks to be told';
COMMENT ON COLUMN resyncs.failed IS 'Stocks that the partner refused';

ALTER TABLE external_stocks ADD COLUMN resync uuid;
ALTER TABLE external_stocks ADD COLUMN resync_at timestamptz;
ALTER TABLE external_stocks ADD COLUMN resync_attempts integer NOT NULL DEFAULT 0;
-- Events come first, and bring the rest along.
ALTER TABLE external_stocks ADD COLUMN wake_at timestamptz GENERATED ALWAYS AS (COALESCE(due_at, resync_at)) STORED;
ALTER TABLE external_stocks ADD CONSTRAINT external_stocks_resync_whole CHECK ((resync IS NULL) = (resync_at IS NULL));
DROP INDEX external_stocks_due_idx;
CREATE INDEX external_stocks_wake_idx ON external_stocks (subscription, wake_at) WHERE wake_at IS NOT NULL;
CREATE INDEX external_stocks_resync_idx ON external_stocks (resync) WHERE resync IS NOT NULL;
CREATE INDEX external_stocks_stock_idx ON external_stocks (stock_id);

COMMENT ON COLUMN external_stocks.resync IS 'The resynchronization for which the present state is still to be told';
COMMENT ON COLUMN external_stocks.resync_at IS 'Not to be told before';
COMMENT ON COLUMN external_stocks.resync_attempts IS 'Attempts to tell it';
COMMENT ON COLUMN external_stocks.wake_at IS 'When the stock is to be looked at';
