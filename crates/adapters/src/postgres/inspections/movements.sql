-- Versions are 1, 2, 3, … up to the stock's, and each movement begins where the one before ended.
SELECT m.stock_id AS key, m.version AS number, m.stock_id || ', version ' || m.version AS subject,
    ARRAY[
        s.version IS NULL OR m.version > s.version OR (m.version > 1 AND before.version IS NULL),
        CASE
            WHEN m.version = 1 THEN (m.quantity_before, m.reserved_before) <> (0, 0) OR m.price_before IS NOT NULL
            ELSE before.version IS NOT NULL
                AND (m.quantity_before, m.reserved_before, m.price_before)
                    IS DISTINCT FROM (before.quantity_after, before.reserved_after, before.price_after)
        END
    ] AS breaks
FROM (
    SELECT stock_id, version, quantity_before, reserved_before, price_before FROM movements
    WHERE (stock_id, version) > ($1, $2)
    ORDER BY stock_id, version
    LIMIT $3
) AS m
LEFT JOIN LATERAL (
    SELECT version, quantity_after, reserved_after, price_after FROM movements
    WHERE stock_id = m.stock_id AND version = m.version - 1
    LIMIT 1
) AS before ON true
LEFT JOIN LATERAL (SELECT version FROM stocks WHERE stock_id = m.stock_id LIMIT 1) AS s ON true
ORDER BY m.stock_id, m.version
