-- Answers of requests that clients have named, so that a repeat gets the same one. Written in the transaction of what
-- the request changed.
CREATE TABLE idempotency_keys (
    principal   text COLLATE "C" NOT NULL,
    key         text COLLATE "C" NOT NULL,
    fingerprint bytea,
    status      smallint,
    headers     jsonb,
    body        bytea,
    created_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT idempotency_keys_pkey PRIMARY KEY (principal, key)
) WITH (fillfactor = 50);

CREATE INDEX idempotency_keys_created_at_idx ON idempotency_keys (created_at);

COMMENT ON COLUMN idempotency_keys.principal IS 'The client; each has names of its own';
COMMENT ON COLUMN idempotency_keys.key IS 'The client''s name of the request';
COMMENT ON COLUMN idempotency_keys.fingerprint IS 'Hash of what makes two requests the same; none while it is carried out';
COMMENT ON COLUMN idempotency_keys.status IS 'HTTP status of the answer';
COMMENT ON COLUMN idempotency_keys.headers IS 'Headers of the answer: an array of [name, value]';
COMMENT ON COLUMN idempotency_keys.body IS 'Body of the answer, byte by byte';
COMMENT ON COLUMN idempotency_keys.created_at IS 'When the request was first seen; the row is kept for a day';
