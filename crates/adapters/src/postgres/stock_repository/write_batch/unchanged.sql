unchanged AS MATERIALIZED (
    SELECT count(*) = cardinality($1::text[]) AS so
    FROM (
        SELECT
            unnest($1::text[]::tid[]) AS place,
            unnest($2::integer[]) AS writer,
            unnest($3::text[]) AS stock_id,
            unnest($4::bigint[]) AS version,
            unnest($5::timestamptz[]) AS updated_at
    ) AS loaded
    CROSS JOIN LATERAL (
        SELECT
        FROM stocks
        -- A row that was changed is elsewhere, and what is where it was is another transaction's.
        WHERE stocks.ctid = loaded.place
            AND stocks.xmin = loaded.writer
            AND stocks.stock_id = loaded.stock_id
            AND stocks.version = loaded.version
            AND stocks.updated_at = loaded.updated_at
        -- Who is changing it now will most likely leave it with another version.
        FOR NO KEY UPDATE SKIP LOCKED
    ) AS locked
)
