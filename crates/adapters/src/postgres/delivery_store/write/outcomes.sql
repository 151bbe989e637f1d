settled AS (
    INSERT INTO outcomes (subscription, stock_id, version, event_id, outcome)
    SELECT $1, e.*
    FROM (
        SELECT
            unnest($2::text[]) AS stock_id,
            unnest($3::bigint[]) AS version,
            unnest($4::uuid[]) AS event_id,
            unnest($5::text[]) AS outcome
    ) AS e
    ON CONFLICT DO NOTHING
    RETURNING stock_id, version, outcome
),
replayed AS (
    UPDATE dead_letters
    SET state = 'REPLAYED', outcome = settled.outcome, resolved_at = clock_timestamp()
    FROM settled
    WHERE dead_letters.subscription = $1
        AND dead_letters.stock_id = ANY($2)
        AND dead_letters.stock_id = settled.stock_id
        AND dead_letters.version = settled.version
        AND dead_letters.state = 'REPLAYING'
)
