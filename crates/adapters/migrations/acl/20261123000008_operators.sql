-- What operators do with dead letters, and what they ask of the consumption log.
ALTER TABLE dead_letters ADD COLUMN state text NOT NULL DEFAULT 'OPEN';
ALTER TABLE dead_letters ADD COLUMN cause text NOT NULL DEFAULT '';
ALTER TABLE dead_letters ADD COLUMN outcome text;
ALTER TABLE dead_letters ADD COLUMN resolved_at timestamptz;
ALTER TABLE dead_letters ADD COLUMN operation text;
ALTER TABLE dead_letters ADD COLUMN correlation_id text;
UPDATE dead_letters SET cause = split_part(reason, ':', 1);
ALTER TABLE dead_letters ADD CONSTRAINT dead_letters_state_known
    CHECK (state IN ('OPEN', 'REPLAYING', 'REPLAYED', 'DISCARDED'));

CREATE INDEX dead_letters_state_idx ON dead_letters (state, id);
CREATE INDEX dead_letters_replaying_idx ON dead_letters (subscription, stock_id, version) WHERE state = 'REPLAYING';

COMMENT ON COLUMN dead_letters.state IS 'OPEN; REPLAYING: it waits for its turn again; REPLAYED; DISCARDED';
COMMENT ON COLUMN dead_letters.cause IS 'The reason without what differs from one dead letter to the next';
COMMENT ON COLUMN dead_letters.outcome IS 'What came of the replay';
COMMENT ON COLUMN dead_letters.resolved_at IS 'When it was replayed or discarded';
COMMENT ON COLUMN dead_letters.operation IS 'What was done to the stock';
COMMENT ON COLUMN dead_letters.correlation_id IS 'The request that caused the event';

-- Every step that an operator takes, with its actor.
CREATE TABLE operator_actions (
    id             bigint GENERATED ALWAYS AS IDENTITY,
    at             timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor          text NOT NULL,
    action         text NOT NULL,
    subscription   text NOT NULL,
    dead_letter_id bigint,
    reason         text,
    detail         jsonb,
    CONSTRAINT operator_actions_pkey PRIMARY KEY (id),
    CONSTRAINT operator_actions_action_known
        CHECK (action IN ('REPLAY', 'EDIT_AND_REPLAY', 'DISCARD', 'PAUSE', 'RESUME', 'RESYNC'))
);

CREATE INDEX operator_actions_dead_letter_idx ON operator_actions (dead_letter_id) WHERE dead_letter_id IS NOT NULL;
CREATE INDEX operator_actions_subscription_idx ON operator_actions (subscription, id);

COMMENT ON COLUMN operator_actions.id IS 'Position in the log';
COMMENT ON COLUMN operator_actions.at IS 'When';
COMMENT ON COLUMN operator_actions.actor IS 'Who';
COMMENT ON COLUMN operator_actions.action IS 'What';
COMMENT ON COLUMN operator_actions.subscription IS 'The subscription';
COMMENT ON COLUMN operator_actions.dead_letter_id IS 'The dead letter, where it was one';
COMMENT ON COLUMN operator_actions.reason IS 'Why';
COMMENT ON COLUMN operator_actions.detail IS 'More, such as what an edit replaced';

-- The state that an operator wants told has no record behind it.
ALTER TABLE consumption_log ALTER COLUMN topic DROP NOT NULL;
ALTER TABLE consumption_log ALTER COLUMN partition DROP NOT NULL;
ALTER TABLE consumption_log ALTER COLUMN "offset" DROP NOT NULL;
ALTER TABLE consumption_log ALTER COLUMN message_hash DROP NOT NULL;

CREATE INDEX consumption_log_finished_idx ON consumption_log USING brin (finished_at);
CREATE INDEX consumption_log_failures_idx ON consumption_log (status, id)
    WHERE status IN ('RETRY_SCHEDULED', 'DEAD', 'DISCARDED');
CREATE INDEX consumption_log_event_idx ON consumption_log (event_id);

-- A replay waits for its time here, so that it holds nothing up; an edit replaces what was read.
ALTER TABLE dead_letters ADD COLUMN replay_at timestamptz;
ALTER TABLE dead_letters ADD COLUMN edited_headers jsonb;
ALTER TABLE dead_letters ADD COLUMN edited_payload bytea;
CREATE INDEX dead_letters_replay_idx ON dead_letters (subscription, replay_at) WHERE replay_at IS NOT NULL;

COMMENT ON COLUMN dead_letters.replay_at IS 'When it is to wait for its turn again';
COMMENT ON COLUMN dead_letters.edited_headers IS 'Headers that an operator put in place of those that were read';
COMMENT ON COLUMN dead_letters.edited_payload IS 'The value that an operator put in place of the one that was read';

-- Who publishes a dead letter has it for a while.
ALTER TABLE dead_letters ADD COLUMN publish_after timestamptz;
COMMENT ON COLUMN dead_letters.publish_after IS 'Until when an instance is publishing it';

-- What became of a record that could not be read.
CREATE INDEX consumption_log_unreadable_idx ON consumption_log (topic, partition, "offset") WHERE event_id IS NULL;
