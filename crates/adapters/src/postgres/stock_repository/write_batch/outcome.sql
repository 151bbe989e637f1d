, counted AS MATERIALIZED (
    -- Counted in this order, they are written in it: keys before what else has to be unique.
    SELECT
        (SELECT so FROM unchanged) AS so,
        ARRAY[WRITTEN] AS written,
        given.rows
    FROM given
)
SELECT CASE
    -- What must not be must not be committed either: the cast fails, and says why.
    WHEN so AND written <> rows THEN ('wrote ' || written::text || ' rows, not ' || rows::text)::boolean
    ELSE so
END
FROM counted
