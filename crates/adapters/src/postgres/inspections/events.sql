-- Every event in the outbox tells of a movement.
SELECT '' AS key, o.id AS number, 'event ' || o.event_id || ' of ' || o.stock_id || ', version ' || o.version AS subject,
    ARRAY[m.operation IS DISTINCT FROM o.operation] AS breaks
FROM (
    SELECT id, event_id, stock_id, version, operation FROM outbox
    WHERE id > $2 AND $1::text IS NOT NULL
    ORDER BY id
    LIMIT $3
) AS o
LEFT JOIN movements m ON m.stock_id = o.stock_id AND m.version = o.version
ORDER BY o.id
