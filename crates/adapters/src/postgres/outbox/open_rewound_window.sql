-- The first window after a rewind: everything above an id, whatever its transaction. It is opened as by open_window.sql; no row:
-- the lease is lost, or there is such a window already.
WITH checkpoint AS MATERIALIZED (
    SELECT floor_id, pg_current_snapshot() AS now
    FROM relay_checkpoint
    WHERE epoch = $1 AND window_to IS NULL
),
news AS MATERIALIZED (
    SELECT
        (SELECT id FROM outbox WHERE id > checkpoint.floor_id ORDER BY id LIMIT 1) AS first_id,
        (SELECT id FROM outbox WHERE id > checkpoint.floor_id ORDER BY id DESC LIMIT 1) AS last_id
    FROM checkpoint
),
opened AS (
    UPDATE relay_checkpoint
    SET window_to = checkpoint.now, first_id = news.first_id, last_id = news.last_id
    FROM checkpoint, news
    WHERE epoch = $1 AND relay_checkpoint.window_to IS NULL AND news.first_id IS NOT NULL
    RETURNING 1
)
SELECT news.first_id, EXISTS (SELECT FROM opened) AS kept
FROM news
