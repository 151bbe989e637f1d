-- A stock is what its last movement left, and holds what its reservations hold.
SELECT s.stock_id AS key, 0::bigint AS number, s.stock_id AS subject,
    ARRAY[
        (m.quantity_after, m.reserved_after, m.price_after) IS DISTINCT FROM (s.quantity, s.reserved, s.unit_price),
        h.units <> s.reserved
    ] AS breaks
FROM (
    SELECT stock_id, version, quantity, reserved, unit_price FROM stocks
    WHERE stock_id > $1 AND $2::bigint IS NOT NULL
    ORDER BY stock_id
    LIMIT $3
) AS s
LEFT JOIN LATERAL (
    SELECT quantity_after, reserved_after, price_after FROM movements
    WHERE stock_id = s.stock_id AND version = s.version
    LIMIT 1
) AS m ON true
CROSS JOIN LATERAL (
    SELECT COALESCE(sum(quantity), 0) AS units FROM reservations r WHERE r.stock_id = s.stock_id AND r.state = 'HELD'
) AS h
ORDER BY s.stock_id
