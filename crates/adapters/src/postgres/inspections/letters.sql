-- What lies in the dead letters and is not tried again has the outcome DEAD.
SELECT '' AS key, d.id AS number, 'dead letter ' || d.id AS subject,
    ARRAY[
        d.state IN ('OPEN', 'DISCARDED') AND d.stock_id IS NOT NULL AND d.version IS NOT NULL AND o.outcome IS DISTINCT FROM 'DEAD'
    ] AS breaks
FROM (
    SELECT id, subscription, stock_id, version, state FROM dead_letters
    WHERE id > $2 AND $1::text IS NOT NULL
    ORDER BY id
    LIMIT $3
) AS d
LEFT JOIN LATERAL (
    SELECT outcome FROM outcomes
    WHERE subscription = d.subscription AND stock_id = d.stock_id AND version = d.version
    LIMIT 1
) AS o ON true
ORDER BY d.id
