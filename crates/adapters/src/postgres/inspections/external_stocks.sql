-- A partner has acknowledged nothing newer than what it was told.
SELECT e.subscription || chr(31) || e.stock_id AS key, 0::bigint AS number, e.subscription || ': ' || e.stock_id AS subject,
    ARRAY[e.acknowledged_version > COALESCE((e.told_picture ->> 'version')::bigint, 0)] AS breaks
FROM (
    SELECT subscription, stock_id, acknowledged_version, told_picture FROM external_stocks
    WHERE (subscription, stock_id) > (split_part($1, chr(31), 1), split_part($1, chr(31), 2) COLLATE "C") AND $2::bigint IS NOT NULL
    ORDER BY subscription, stock_id
    LIMIT $3
) AS e
ORDER BY e.subscription, e.stock_id
