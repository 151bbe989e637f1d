stocks AS (
    UPDATE external_stocks AS e
    SET external_id = s.external_id,
        acknowledged_at = CASE
            WHEN e.acknowledged_version < s.acknowledged_version THEN clock_timestamp()
            ELSE e.acknowledged_at
        END,
        acknowledged_version = s.acknowledged_version,
        told_picture = COALESCE(s.told_picture, e.told_picture),
        claim = CASE WHEN s.claim_changed THEN s.claim ELSE e.claim END,
        claim_until = CASE
            WHEN NOT s.claim_changed THEN e.claim_until
            WHEN s.claim IS NOT NULL THEN clock_timestamp() + make_interval(secs => $8)
        END,
        due_at = s.due_at
    FROM (
        SELECT
            unnest($1::text[]::tid[]) AS place,
            unnest($2::text[]) AS external_id,
            unnest($3::bigint[]) AS acknowledged_version,
            unnest($4::jsonb[]) AS told_picture,
            unnest($5::boolean[]) AS claim_changed,
            unnest($6::uuid[]) AS claim,
            unnest($7::timestamptz[]) AS due_at
    ) AS s
    WHERE e.ctid = s.place
    RETURNING 1
)
