created AS (
    INSERT INTO stocks (
        stock_id, product_id, symbol, product_name, quantity, reserved, unit_price, currency, low_stock_threshold,
        discontinued, version, created_at, updated_at
    )
    SELECT s.*
    FROM (
        SELECT
            unnest($1::text[]) AS stock_id,
            unnest($2::text[]) AS product_id,
            unnest($3::text[]) AS symbol,
            unnest($4::text[]) AS product_name,
            unnest($5::bigint[]) AS quantity,
            unnest($6::bigint[]) AS reserved,
            unnest($7::numeric[]) AS unit_price,
            unnest($8::text[]) AS currency,
            unnest($9::bigint[]) AS low_stock_threshold,
            unnest($10::boolean[]) AS discontinued,
            unnest($11::bigint[]) AS version,
            unnest($12::timestamptz[]) AS created_at,
            unnest($13::timestamptz[]) AS updated_at
    ) AS s
    WHERE (SELECT so FROM unchanged)
    -- Unique keys in one order everywhere, so that two batches cannot wait for each other.
    ORDER BY s.product_id
    RETURNING 1
)
