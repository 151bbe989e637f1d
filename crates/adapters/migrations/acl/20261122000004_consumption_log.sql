-- Consumption log: the append-only audit trail, one row per attempt and per event that needed none.
CREATE TABLE consumption_log (
    id             bigint GENERATED ALWAYS AS IDENTITY,
    subscription   text NOT NULL,
    event_id       uuid,
    correlation_id text,
    topic          text NOT NULL,
    partition      integer NOT NULL,
    "offset"       bigint NOT NULL,
    stock_id       text COLLATE "C",
    product_id     text,
    operation      text,
    version        bigint,
    attempt        integer NOT NULL,
    status         text NOT NULL,
    external_id    text,
    response_code  integer,
    duration_ms    double precision,
    error          text,
    message_hash   bytea NOT NULL,
    occurred_at    timestamptz,
    started_at     timestamptz,
    finished_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT consumption_log_pkey PRIMARY KEY (id),
    CONSTRAINT consumption_log_status_known CHECK (status IN (
        'PROCESSING', 'DELIVERED', 'SUPERSEDED', 'DUPLICATE', 'FILTERED', 'RETRY_SCHEDULED', 'DEAD', 'DISCARDED'
    ))
);

CREATE INDEX consumption_log_stock_idx ON consumption_log (stock_id, id);
CREATE INDEX consumption_log_correlation_idx ON consumption_log (correlation_id);

COMMENT ON COLUMN consumption_log.id IS 'Position in the log';
COMMENT ON COLUMN consumption_log.subscription IS 'The subscription';
COMMENT ON COLUMN consumption_log.event_id IS 'The event; none if it could not be read';
COMMENT ON COLUMN consumption_log.correlation_id IS 'The request that caused the event';
COMMENT ON COLUMN consumption_log.topic IS 'The topic the record was read from';
COMMENT ON COLUMN consumption_log.partition IS 'The partition the record was read from';
COMMENT ON COLUMN consumption_log."offset" IS 'The offset the record was read at';
COMMENT ON COLUMN consumption_log.stock_id IS 'The stock';
COMMENT ON COLUMN consumption_log.product_id IS 'The product';
COMMENT ON COLUMN consumption_log.operation IS 'What was done to the stock';
COMMENT ON COLUMN consumption_log.version IS 'The version that the event tells of';
COMMENT ON COLUMN consumption_log.attempt IS 'Number of the attempt, from 1; 0 if the partner was not called';
COMMENT ON COLUMN consumption_log.status IS 'What came of it';
COMMENT ON COLUMN consumption_log.external_id IS 'The partner''s name of the stock';
COMMENT ON COLUMN consumption_log.response_code IS 'The status code of the partner''s answer, if there was one';
COMMENT ON COLUMN consumption_log.duration_ms IS 'Time of the call in milliseconds';
COMMENT ON COLUMN consumption_log.error IS 'What went wrong';
COMMENT ON COLUMN consumption_log.message_hash IS 'SHA-256 of the record''s value';
COMMENT ON COLUMN consumption_log.occurred_at IS 'When the stock changed';
COMMENT ON COLUMN consumption_log.started_at IS 'When the attempt began';
COMMENT ON COLUMN consumption_log.finished_at IS 'When the row was written';
