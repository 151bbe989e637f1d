held AS (
    INSERT INTO reservations (
        reservation_id, stock_id, quantity, state, confirmed, expires_at, holder, client_order_id, line, created_at,
        updated_at
    )
    SELECT
        unnest($1::text[]),
        unnest($2::text[]),
        unnest($3::bigint[]),
        unnest($4::text[]),
        unnest($5::bigint[]),
        unnest($6::timestamptz[]),
        unnest($7::text[]),
        unnest($8::text[]),
        unnest($9::smallint[]),
        unnest($10::timestamptz[]),
        unnest($11::timestamptz[])
    WHERE (SELECT so FROM unchanged)
    RETURNING 1
)
