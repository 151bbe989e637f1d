-- Waiting events: one that failed and is to be tried again, and those of the same stock behind it.
CREATE TABLE waiting_events (
    subscription text NOT NULL,
    stock_id     text COLLATE "C" NOT NULL,
    version      bigint NOT NULL,
    topic        text NOT NULL,
    partition    integer NOT NULL,
    "offset"     bigint NOT NULL,
    key          bytea,
    headers      jsonb NOT NULL,
    payload      bytea NOT NULL,
    attempts     integer NOT NULL,
    next_at      timestamptz NOT NULL,
    last_error   text,
    waiting_since timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT waiting_events_pkey PRIMARY KEY (subscription, stock_id, version),
    CONSTRAINT waiting_events_attempts_not_negative CHECK (attempts >= 0)
);

COMMENT ON COLUMN waiting_events.subscription IS 'The subscription';
COMMENT ON COLUMN waiting_events.stock_id IS 'The stock';
COMMENT ON COLUMN waiting_events.version IS 'The version that the event tells of';
COMMENT ON COLUMN waiting_events.topic IS 'The topic the record was read from';
COMMENT ON COLUMN waiting_events.partition IS 'The partition the record was read from';
COMMENT ON COLUMN waiting_events."offset" IS 'The offset the record was read at';
COMMENT ON COLUMN waiting_events.key IS 'The record''s key';
COMMENT ON COLUMN waiting_events.headers IS 'The record''s headers in order: objects of name and text, or hex where the value is no text';
COMMENT ON COLUMN waiting_events.payload IS 'The record''s value, byte by byte';
COMMENT ON COLUMN waiting_events.attempts IS 'Attempts that failed; 0 for an event that only waits behind another';
COMMENT ON COLUMN waiting_events.next_at IS 'Not to be tried before';
COMMENT ON COLUMN waiting_events.last_error IS 'Why the last attempt failed';
COMMENT ON COLUMN waiting_events.waiting_since IS 'When it began to wait';
