-- How long the oldest event waits is looked at every few seconds.
CREATE INDEX waiting_events_since_idx ON waiting_events (subscription, waiting_since);
