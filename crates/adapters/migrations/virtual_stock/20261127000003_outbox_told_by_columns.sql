-- Headers of a record are made of the row's columns; what those did not have are the ids of the request. Rows of before, and those
-- that an earlier build writes meanwhile, have them in header_list or in headers.
ALTER TABLE outbox
    ADD COLUMN correlation_id text,
    ADD COLUMN traceparent text,
    DROP CONSTRAINT outbox_headers_there,
    -- Older rows are not looked at: they have the others.
    ADD CONSTRAINT outbox_headers_there CHECK (
        num_nonnulls(headers, header_list, correlation_id) = 1 AND (correlation_id IS NULL) = (traceparent IS NULL)
    ) NOT VALID;
COMMENT ON COLUMN outbox.header_list IS 'The headers of rows that were written before there was correlation_id: a JSON array of [name, value]';
COMMENT ON COLUMN outbox.correlation_id IS 'Goes from the request to the partner and through all logs';
COMMENT ON COLUMN outbox.traceparent IS 'W3C trace context of the request';
