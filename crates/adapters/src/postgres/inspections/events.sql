-- Every event in the outbox tells of a movement.
SELECT '' AS key, o.id AS number, 'event ' || o.event_id || ' of ' || o.stock_id || ', version ' || o.version AS subject,
    ARRAY[m.operation IS DISTINCT FROM o.operation] AS breaks
FROM (
    SELECT id, event_id, stock_id, version, operation FROM outbox
    WHERE id > $2 AND $1::text IS NOT NULL
    ORDER BY id
    LIMIT $3
) AS o
LEFT JOIN LATERAL (
    SELECT operation FROM movements
    WHERE stock_id = o.stock_id AND version = o.version
    LIMIT 1
) AS m ON true
ORDER BY o.id
