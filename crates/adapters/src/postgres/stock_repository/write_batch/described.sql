described AS (
    INSERT INTO stock_details (stock_id, version, symbol, product_name, low_stock_threshold, discontinued)
    SELECT
        unnest($1::text[]),
        unnest($2::bigint[]),
        unnest($3::text[]),
        unnest($4::text[]),
        unnest($5::bigint[]),
        unnest($6::boolean[])
    WHERE (SELECT so FROM unchanged)
)
