described AS (
    INSERT INTO stock_details (stock_id, version, symbol, product_name, low_stock_threshold, discontinued)
    -- Until its details change for the first time a stock has none here; then it gets those that it had from the beginning.
    SELECT stock_id, 1, symbol, product_name, low_stock_threshold, discontinued
    FROM stocks
    WHERE stock_id = ANY($1)
        AND NOT EXISTS (SELECT FROM stock_details WHERE stock_details.stock_id = stocks.stock_id)
        AND (SELECT so FROM unchanged)
    UNION ALL
    SELECT
        unnest($1::text[]),
        unnest($2::bigint[]),
        unnest($3::text[]),
        unnest($4::text[]),
        unnest($5::bigint[]),
        unnest($6::boolean[])
    WHERE (SELECT so FROM unchanged)
)
