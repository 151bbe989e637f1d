held AS (
    INSERT INTO reservations (
        reservation_id, stock_id, quantity, state, confirmed, expires_at, holder, client_order_id, line, created_at,
        updated_at
    )
    SELECT r.*
    FROM (
        SELECT
            unnest($1::text[]) AS reservation_id,
            unnest($2::text[]) AS stock_id,
            unnest($3::bigint[]) AS quantity,
            unnest($4::text[]) AS state,
            unnest($5::bigint[]) AS confirmed,
            unnest($6::timestamptz[]) AS expires_at,
            unnest($7::text[]) AS holder,
            unnest($8::text[]) AS client_order_id,
            unnest($9::smallint[]) AS line,
            unnest($10::timestamptz[]) AS created_at,
            unnest($11::timestamptz[]) AS updated_at
    ) AS r
    WHERE (SELECT so FROM unchanged)
    ORDER BY r.holder, r.client_order_id, r.line
    RETURNING 1
)
