unchanged AS MATERIALIZED (
    SELECT count(*) = cardinality($1::text[]) AS so
    FROM (
        SELECT
            unnest($1::text[]::tid[]) AS place,
            unnest($2::text[]) AS stock_id,
            unnest($3::bigint[]) AS version
    ) AS loaded
    CROSS JOIN LATERAL (
        SELECT
        FROM stocks
        -- A stock that was changed is elsewhere, and where it was there may be another one.
        WHERE stocks.ctid = loaded.place
            AND stocks.stock_id = loaded.stock_id
            AND stocks.version = loaded.version
        -- Who is changing it now will most likely leave it with another version.
        FOR NO KEY UPDATE SKIP LOCKED
    ) AS locked
)
