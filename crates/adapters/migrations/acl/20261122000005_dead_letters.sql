-- Dead letters: events that will not be tried again by themselves, with everything needed to replay them.
CREATE TABLE dead_letters (
    id           bigint GENERATED ALWAYS AS IDENTITY,
    subscription text NOT NULL,
    event_id     uuid,
    stock_id     text COLLATE "C",
    version      bigint,
    topic        text NOT NULL,
    partition    integer NOT NULL,
    "offset"     bigint NOT NULL,
    key          bytea,
    headers      jsonb NOT NULL,
    payload      bytea NOT NULL,
    reason       text NOT NULL,
    attempts     integer NOT NULL,
    died_at      timestamptz NOT NULL DEFAULT now(),
    published_at timestamptz,
    CONSTRAINT dead_letters_pkey PRIMARY KEY (id)
);

-- A record that is read again is not buried again; one at the same place of a topic that was made anew is.
CREATE UNIQUE INDEX dead_letters_origin_key ON dead_letters (subscription, topic, partition, "offset", sha256(payload));

CREATE INDEX dead_letters_unpublished_idx ON dead_letters (subscription, id) WHERE published_at IS NULL;

COMMENT ON COLUMN dead_letters.id IS 'Number of the dead letter';
COMMENT ON COLUMN dead_letters.subscription IS 'The subscription';
COMMENT ON COLUMN dead_letters.event_id IS 'The event; none if it could not be read';
COMMENT ON COLUMN dead_letters.stock_id IS 'The stock; none if it could not be read';
COMMENT ON COLUMN dead_letters.version IS 'The version that the event tells of';
COMMENT ON COLUMN dead_letters.topic IS 'The topic the record was read from';
COMMENT ON COLUMN dead_letters.partition IS 'The partition the record was read from';
COMMENT ON COLUMN dead_letters."offset" IS 'The offset the record was read at';
COMMENT ON COLUMN dead_letters.key IS 'The record''s key';
COMMENT ON COLUMN dead_letters.headers IS 'The record''s headers in order: objects of name and text, or hex where the value is no text';
COMMENT ON COLUMN dead_letters.payload IS 'The record''s value, byte by byte';
COMMENT ON COLUMN dead_letters.reason IS 'Why it is dead';
COMMENT ON COLUMN dead_letters.attempts IS 'Attempts that were made';
COMMENT ON COLUMN dead_letters.died_at IS 'When';
COMMENT ON COLUMN dead_letters.published_at IS 'When it was put on the dead-letter topic';
