answers AS (
    INSERT INTO idempotency_keys (principal, key, fingerprint, status, headers, body)
    SELECT a.*
    FROM (
        SELECT
            unnest($1::text[]) AS principal,
            unnest($2::text[]) AS key,
            unnest($3::bytea[]) AS fingerprint,
            unnest($4::smallint[]) AS status,
            unnest($5::jsonb[]) AS headers,
            unnest($6::bytea[]) AS body
    ) AS a
    WHERE (SELECT so FROM unchanged)
    -- Keys in one order everywhere.
    ORDER BY a.principal COLLATE "C", a.key COLLATE "C"
    RETURNING 1
)
