-- The relay's checkpoint and lease: one row.
CREATE TABLE relay_checkpoint (
    singleton         boolean NOT NULL DEFAULT true,
    holder            text,
    epoch             bigint NOT NULL DEFAULT 0,
    lease_until       timestamptz NOT NULL DEFAULT '-infinity',
    window_from       pg_snapshot NOT NULL DEFAULT '1:1:',
    window_to         pg_snapshot,
    first_id          bigint,
    last_id           bigint NOT NULL DEFAULT 0,
    floor_id          bigint NOT NULL DEFAULT 0,
    system_identifier bigint,
    timeline          text,
    CONSTRAINT relay_checkpoint_pkey PRIMARY KEY (singleton),
    CONSTRAINT relay_checkpoint_singleton CHECK (singleton)
);

INSERT INTO relay_checkpoint DEFAULT VALUES;

COMMENT ON COLUMN relay_checkpoint.singleton IS 'Always true: there is one row';
COMMENT ON COLUMN relay_checkpoint.holder IS 'The instance that relays';
COMMENT ON COLUMN relay_checkpoint.epoch IS 'Rises with every holder; every checkpoint names it';
COMMENT ON COLUMN relay_checkpoint.lease_until IS 'Until when the holder may relay without renewing';
COMMENT ON COLUMN relay_checkpoint.window_from IS 'Everything visible in this snapshot is published';
COMMENT ON COLUMN relay_checkpoint.window_to IS 'The open window''s later snapshot; none if no window is open';
COMMENT ON COLUMN relay_checkpoint.first_id IS 'Lowest outbox id of the open window';
COMMENT ON COLUMN relay_checkpoint.last_id IS 'Highest outbox id of the newest window';
COMMENT ON COLUMN relay_checkpoint.floor_id IS 'After a rewind, only rows above this id are published again';
COMMENT ON COLUMN relay_checkpoint.system_identifier IS 'The cluster that the snapshots belong to';
COMMENT ON COLUMN relay_checkpoint.timeline IS 'The timeline that the snapshots belong to';
