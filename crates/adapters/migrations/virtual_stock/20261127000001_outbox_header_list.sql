-- Headers as the text that they are written and read as: `jsonb` was taken apart for every row, and put together again.
ALTER TABLE outbox
    ADD COLUMN header_list text,
    ALTER COLUMN headers DROP NOT NULL,
    -- Older rows are not looked at: they have the others.
    ADD CONSTRAINT outbox_headers_there CHECK (num_nonnulls(headers, header_list) = 1) NOT VALID;

COMMENT ON COLUMN outbox.headers IS 'The headers of rows that were written before there was header_list';
COMMENT ON COLUMN outbox.header_list IS 'The record''s headers: a JSON array of [name, value]';
