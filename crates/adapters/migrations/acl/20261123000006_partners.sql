-- Partners: what all instances know of the partner behind a subscription. No row: nothing is known, it is called.
CREATE TABLE partners (
    subscription      text NOT NULL,
    paused_at         timestamptz,
    paused_by         text,
    pause_reason      text,
    disabled_at       timestamptz,
    disabled_cause    text,
    breaker_opened_at timestamptz,
    breaker_cause     text,
    probe_at          timestamptz,
    CONSTRAINT partners_pkey PRIMARY KEY (subscription),
    CONSTRAINT partners_probe_whole CHECK ((breaker_opened_at IS NULL) = (probe_at IS NULL))
);

COMMENT ON COLUMN partners.subscription IS 'The subscription';
COMMENT ON COLUMN partners.paused_at IS 'Since when an operator wants it left alone';
COMMENT ON COLUMN partners.paused_by IS 'Which operator';
COMMENT ON COLUMN partners.pause_reason IS 'Why';
COMMENT ON COLUMN partners.disabled_at IS 'Since when the partner wants no more events';
COMMENT ON COLUMN partners.disabled_cause IS 'What it said';
COMMENT ON COLUMN partners.breaker_opened_at IS 'Since when the breaker is open';
COMMENT ON COLUMN partners.breaker_cause IS 'The failure that opened it';
COMMENT ON COLUMN partners.probe_at IS 'When the next probe is due';

-- An attempt that failed because the partner as a whole was away does not count towards the end of the schedule.
ALTER TABLE waiting_events ADD COLUMN counted integer NOT NULL DEFAULT 0;
UPDATE waiting_events SET counted = attempts;
COMMENT ON COLUMN waiting_events.counted IS 'Attempts that count towards the end of the schedule';

-- The order of the events of a stock: one that was tried comes first.
CREATE INDEX waiting_events_turn_idx ON waiting_events (subscription, stock_id, (attempts = 0), version);
