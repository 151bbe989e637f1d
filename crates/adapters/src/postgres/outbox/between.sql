-- The lowest and the highest id of what is visible in the snapshot $2 and not in $1. As in open_window.sql, rows are found by
-- transaction.
WITH position AS MATERIALIZED (
    SELECT
        pg_snapshot_xmax($1::pg_snapshot) AS seen_before,
        ARRAY(SELECT pg_snapshot_xip($1::pg_snapshot)) AS running
)
SELECT min(unseen.id), max(unseen.id)
FROM position
CROSS JOIN LATERAL (
    SELECT id, txid FROM outbox WHERE txid >= position.seen_before
    UNION ALL
    SELECT id, txid FROM outbox WHERE txid = ANY (position.running)
) AS unseen
WHERE pg_visible_in_snapshot(unseen.txid, $2::pg_snapshot)
