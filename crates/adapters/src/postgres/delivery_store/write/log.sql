logged AS (
    INSERT INTO consumption_log (
        subscription, event_id, correlation_id, topic, partition, "offset", stock_id, product_id, operation, version,
        attempt, status, external_id, response_code, duration_ms, error, message_hash, occurred_at, started_at
    )
    SELECT $1, e.*
    FROM (
        SELECT
            unnest($2::uuid[]) AS event_id,
            unnest($3::text[]) AS correlation_id,
            unnest($4::text[]) AS topic,
            unnest($5::integer[]) AS partition,
            unnest($6::bigint[]) AS o,
            unnest($7::text[]) AS stock_id,
            unnest($8::text[]) AS product_id,
            unnest($9::text[]) AS operation,
            unnest($10::bigint[]) AS version,
            unnest($11::integer[]) AS attempt,
            unnest($12::text[]) AS status,
            unnest($13::text[]) AS external_id,
            unnest($14::integer[]) AS response_code,
            unnest($15::float8[]) AS duration_ms,
            unnest($16::text[]) AS error,
            unnest($17::bytea[]) AS message_hash,
            unnest($18::timestamptz[]) AS occurred_at,
            unnest($19::timestamptz[]) AS started_at
    ) AS e
)
