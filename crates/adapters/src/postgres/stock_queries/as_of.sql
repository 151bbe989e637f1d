-- The stock $1 as it was at the time $2. Versions have no gap and their times never run backwards, so the newest one that
-- is not after $2 is found by bisection: some twenty look-ups in a ledger of a million lines.
WITH RECURSIVE search (low, high) AS (
    SELECT 0::bigint, stocks.version FROM stocks WHERE stock_id = $1
    UNION ALL
    SELECT
        CASE WHEN m.occurred_at <= $2 THEN m.version ELSE search.low END,
        CASE WHEN m.occurred_at <= $2 THEN search.high ELSE m.version - 1 END
    FROM search
    JOIN movements AS m ON m.stock_id = $1 AND m.version = (search.low + search.high + 1) / 2
    WHERE search.low < search.high
),
found AS (
    SELECT low AS version FROM search WHERE low = high AND low > 0
)
SELECT
    s.stock_id,
    s.product_id,
    COALESCE(d.symbol, s.symbol) AS symbol,
    COALESCE(d.product_name, s.product_name) AS product_name,
    m.quantity_after AS quantity,
    m.reserved_after AS reserved,
    m.price_after AS unit_price,
    s.currency,
    COALESCE(d.low_stock_threshold, s.low_stock_threshold) AS low_stock_threshold,
    COALESCE(d.discontinued, s.discontinued) AS discontinued,
    m.version,
    s.created_at,
    m.occurred_at AS updated_at
FROM found
JOIN stocks AS s ON s.stock_id = $1
JOIN movements AS m ON m.stock_id = $1 AND m.version = found.version
-- A stock without a row there has the details that it had from the beginning.
LEFT JOIN LATERAL (
    SELECT * FROM stock_details WHERE stock_id = $1 AND version <= found.version ORDER BY version DESC LIMIT 1
) AS d ON true
