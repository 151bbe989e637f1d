-- How many events are not published, counted up to $1, and the age in seconds of the oldest of them. As in open_window.sql,
-- rows are found by transaction.
WITH checkpoint AS MATERIALIZED (
    SELECT
        floor_id,
        pg_snapshot_xmax(window_from) AS seen_before,
        ARRAY(SELECT pg_snapshot_xip(window_from)) AS running
    FROM relay_checkpoint
)
SELECT count(*), extract(epoch FROM now() - min(occurred_at))::float8
FROM (
    SELECT unseen.occurred_at
    FROM checkpoint
    CROSS JOIN LATERAL (
        SELECT id, occurred_at FROM outbox WHERE txid >= checkpoint.seen_before
        UNION ALL
        SELECT id, occurred_at FROM outbox WHERE txid = ANY (checkpoint.running)
    ) AS unseen
    WHERE unseen.id + 0 > checkpoint.floor_id
    LIMIT $1
) AS waiting
