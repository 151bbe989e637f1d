ended AS (
    UPDATE reservations
    SET state = r.state,
        confirmed = r.confirmed,
        expires_at = r.expires_at,
        updated_at = r.updated_at
    FROM (
        SELECT
            unnest($1::text[]) AS reservation_id,
            unnest($2::text[]) AS state,
            unnest($3::bigint[]) AS confirmed,
            unnest($4::timestamptz[]) AS expires_at,
            unnest($5::timestamptz[]) AS updated_at
    ) AS r
    WHERE reservations.reservation_id = r.reservation_id
        AND reservations.reservation_id = ANY($1)
        -- By their keys, and not by the indexes of what is held.
        AND reservations.state || '' = 'HELD'
        AND (SELECT so FROM unchanged)
    RETURNING 1
)
