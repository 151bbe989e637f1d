-- Outcomes: exactly one per event and subscription, for ever.
CREATE TABLE outcomes (
    subscription text NOT NULL,
    stock_id     text COLLATE "C" NOT NULL,
    version      bigint NOT NULL,
    event_id     uuid NOT NULL,
    outcome      text NOT NULL,
    settled_at   timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT outcomes_pkey PRIMARY KEY (subscription, stock_id, version),
    CONSTRAINT outcomes_outcome_known CHECK (outcome IN ('DELIVERED', 'SUPERSEDED', 'FILTERED', 'DEAD'))
);

COMMENT ON COLUMN outcomes.subscription IS 'The subscription';
COMMENT ON COLUMN outcomes.stock_id IS 'The stock';
COMMENT ON COLUMN outcomes.version IS 'The version that the event tells of';
COMMENT ON COLUMN outcomes.event_id IS 'The event';
COMMENT ON COLUMN outcomes.outcome IS 'What became of it';
COMMENT ON COLUMN outcomes.settled_at IS 'When';
