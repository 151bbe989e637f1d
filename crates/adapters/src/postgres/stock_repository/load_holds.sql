-- Holds that a batch needs, read after their stocks were locked: reservations change under that lock alone.
--   $1, $2  stocks that lack so many units: due holds, the oldest first, until their units make up for it, at most $6;
--           and the holds whose time runs out next
--   $3      the batch's time
--   $4, $5  stocks whose due holds shall end, and how many of each at most
--   $7      reservations that commands name
SELECT due.*
FROM unnest($1::text[], $2::bigint[]) AS short (stock_id, units)
CROSS JOIN LATERAL (
    SELECT
        r.reservation_id, r.stock_id, r.quantity, r.state, r.confirmed, r.expires_at, r.holder, r.client_order_id,
        r.line, r.created_at, r.updated_at,
        (sum(r.quantity) OVER (ORDER BY r.expires_at, r.reservation_id) - r.quantity)::bigint AS units_before
    FROM reservations AS r
    WHERE r.stock_id = short.stock_id AND r.state = 'HELD' AND r.expires_at <= $3
    ORDER BY r.expires_at, r.reservation_id
    LIMIT $6
) AS due
WHERE due.units_before < short.units
UNION ALL
SELECT next.*
FROM unnest($1::text[]) AS short (stock_id)
CROSS JOIN LATERAL (
    SELECT
        r.reservation_id, r.stock_id, r.quantity, r.state, r.confirmed, r.expires_at, r.holder, r.client_order_id,
        r.line, r.created_at, r.updated_at, 0::bigint
    FROM reservations AS r
    WHERE r.stock_id = short.stock_id AND r.state = 'HELD' AND r.expires_at > $3
    ORDER BY r.expires_at
    LIMIT 3
) AS next
UNION ALL
SELECT due.*
FROM unnest($4::text[]) AS expiring (stock_id)
CROSS JOIN LATERAL (
    SELECT
        r.reservation_id, r.stock_id, r.quantity, r.state, r.confirmed, r.expires_at, r.holder, r.client_order_id,
        r.line, r.created_at, r.updated_at, 0::bigint
    FROM reservations AS r
    WHERE r.stock_id = expiring.stock_id AND r.state = 'HELD' AND r.expires_at <= $3
    ORDER BY r.expires_at
    LIMIT $5
) AS due
UNION ALL
SELECT
    r.reservation_id, r.stock_id, r.quantity, r.state, r.confirmed, r.expires_at, r.holder, r.client_order_id, r.line,
    r.created_at, r.updated_at, 0::bigint
FROM reservations AS r
WHERE r.reservation_id = ANY($7)
