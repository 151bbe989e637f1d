answers AS (
    INSERT INTO idempotency_keys (principal, key, fingerprint, status, headers, body)
    SELECT
        unnest($1::text[]),
        unnest($2::text[]),
        unnest($3::bytea[]),
        unnest($4::smallint[]),
        unnest($5::jsonb[]),
        unnest($6::bytea[])
    WHERE (SELECT so FROM unchanged)
    RETURNING 1
)
