-- The open window of the relay with epoch $1, or else a new one up to this statement's own snapshot, which shows exactly the
-- rows that are visible in it. No row: the lease is lost. Whatever size the outbox had when this was planned, its rows are
-- found by transaction. After a rewind, when all transactions are unseen and what counts is above an id, nothing is found here:
-- that is for open_rewound_window.sql.
WITH unflushed AS MATERIALIZED (
    -- A server that crashes may forget the window (ADR 8).
    SELECT set_config('synchronous_commit', 'off', true)
),
checkpoint AS MATERIALIZED (
    SELECT
        window_from,
        window_to,
        first_id,
        last_id,
        floor_id,
        pg_snapshot_xmax(window_from) AS seen_before,
        ARRAY(SELECT pg_snapshot_xip(window_from)) AS running,
        pg_current_snapshot() AS now
    FROM relay_checkpoint, unflushed
    WHERE epoch = $1
),
news AS MATERIALIZED (
    SELECT min(unseen.id) AS first_id, max(unseen.id) AS last_id
    FROM checkpoint
    CROSS JOIN LATERAL (
        SELECT id FROM outbox WHERE txid >= checkpoint.seen_before
        UNION ALL
        SELECT id FROM outbox WHERE txid = ANY (checkpoint.running)
    ) AS unseen
    WHERE checkpoint.window_to IS NULL AND checkpoint.floor_id = 0
),
opened AS (
    UPDATE relay_checkpoint
    SET window_to = checkpoint.now, first_id = news.first_id, last_id = news.last_id
    FROM checkpoint, news
    WHERE epoch = $1 AND relay_checkpoint.window_to IS NULL AND news.first_id IS NOT NULL
    RETURNING 1
)
SELECT
    checkpoint.window_from::text AS window_from,
    COALESCE(checkpoint.window_to, checkpoint.now)::text AS window_to,
    COALESCE(checkpoint.first_id, news.first_id) AS first_id,
    CASE WHEN checkpoint.window_to IS NULL THEN news.last_id ELSE checkpoint.last_id END AS last_id,
    checkpoint.floor_id,
    checkpoint.window_to IS NOT NULL AS was_open,
    EXISTS (SELECT FROM opened) AS kept
FROM checkpoint, news
