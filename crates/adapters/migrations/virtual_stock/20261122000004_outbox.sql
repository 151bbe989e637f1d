-- Outbox: events beside the changes that made them. Insert-only; one partition per day, dropped when it is old and
-- published. The default partition takes what no other does, so that a missing partition never fails a write.
CREATE SEQUENCE outbox_id_seq CACHE 1;

CREATE TABLE outbox (
    id          bigint NOT NULL DEFAULT nextval('outbox_id_seq'),
    txid        xid8 NOT NULL DEFAULT pg_current_xact_id(),
    event_id    uuid NOT NULL,
    stock_id    text COLLATE "C" NOT NULL,
    version     bigint NOT NULL,
    operation   text NOT NULL,
    topics      text[] NOT NULL,
    headers     jsonb NOT NULL,
    payload     bytea NOT NULL,
    occurred_at timestamptz NOT NULL,
    CONSTRAINT outbox_payload_size CHECK (octet_length(payload) <= 65536)
) PARTITION BY RANGE (occurred_at);

CREATE TABLE outbox_default PARTITION OF outbox DEFAULT;

-- The window is found by transaction, and read by id.
CREATE INDEX outbox_txid_idx ON outbox (txid) INCLUDE (id);
CREATE INDEX outbox_id_idx ON outbox (id);

COMMENT ON COLUMN outbox.id IS 'Drawn under the lock of the stock''s row: per stock it rises with the version';
COMMENT ON COLUMN outbox.txid IS 'The transaction that wrote the row; decides which window it belongs to';
COMMENT ON COLUMN outbox.event_id IS 'The event''s id, the same in every repeat';
COMMENT ON COLUMN outbox.stock_id IS 'The stock; the record''s key';
COMMENT ON COLUMN outbox.version IS 'The version of the stock that the event tells of';
COMMENT ON COLUMN outbox.operation IS 'What was done';
COMMENT ON COLUMN outbox.topics IS 'Names of the topics that the event goes to';
COMMENT ON COLUMN outbox.headers IS 'The record''s headers: an array of [name, value]';
COMMENT ON COLUMN outbox.payload IS 'The record''s value, byte by byte';
COMMENT ON COLUMN outbox.occurred_at IS 'When the change was decided';
