, counted AS MATERIALIZED (
    -- Counted in this order, they are written in it: keys before what else has to be unique.
    SELECT
        (SELECT so FROM unchanged) AS so,
        ARRAY[WRITTEN] AS written,
        given.rows
    FROM given
)
SELECT
    CASE
        -- What must not be must not be committed either: the cast fails, and says why.
        WHEN so AND written <> rows THEN ('wrote ' || written::text || ' rows, not ' || rows::text)::boolean
        ELSE so
    END AS unchanged,
    clock_timestamp() AS at,
    COALESCE(pg_current_xact_id_if_assigned()::xid::text::bigint, 0) AS writer,
    ARRAY(SELECT stock_id FROM UPDATED) AS stock_ids,
    ARRAY(SELECT place FROM UPDATED) AS places
FROM counted
