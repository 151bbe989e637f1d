-- How many events are not published, counted up to $1, and the age in seconds of the oldest of them. Rows are found as in
-- open_window.sql.
WITH checkpoint AS MATERIALIZED (
    SELECT
        floor_id,
        pg_snapshot_xmax(window_from) AS seen_before,
        ARRAY(SELECT pg_snapshot_xip(window_from)) AS running
    FROM relay_checkpoint
)
SELECT count(*), extract(epoch FROM now() - min(waiting.occurred_at))::float8
FROM checkpoint
CROSS JOIN LATERAL (
    (
        SELECT occurred_at FROM outbox
        WHERE checkpoint.floor_id = 0 AND txid >= checkpoint.seen_before
        ORDER BY txid
        LIMIT $1
    )
    UNION ALL
    SELECT occurred_at FROM outbox WHERE checkpoint.floor_id = 0 AND txid = ANY (checkpoint.running)
    UNION ALL
    (
        SELECT occurred_at FROM outbox
        WHERE checkpoint.floor_id > 0 AND id > checkpoint.floor_id
        ORDER BY id
        LIMIT $1
    )
) AS waiting
