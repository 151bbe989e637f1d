-- An event of which an attempt is in the log has its outcome, or waits.
SELECT '' AS key, l.id AS number,
    concat(l.subscription, ': ', l.stock_id, ', version ', l.version, ', row ', l.id, ' of the log') AS subject,
    ARRAY[l.event_id IS NOT NULL AND l.version IS NOT NULL AND o.version IS NULL AND w.version IS NULL] AS breaks
FROM (
    SELECT id, subscription, stock_id, version, event_id FROM consumption_log
    WHERE id > $2 AND $1::text IS NOT NULL
    ORDER BY id
    LIMIT $3
) AS l
LEFT JOIN LATERAL (
    SELECT version FROM outcomes
    WHERE subscription = l.subscription AND stock_id = l.stock_id AND version = l.version
    LIMIT 1
) AS o ON true
LEFT JOIN LATERAL (
    SELECT version FROM waiting_events
    WHERE subscription = l.subscription AND stock_id = l.stock_id AND version = l.version
    LIMIT 1
) AS w ON true
ORDER BY l.id
