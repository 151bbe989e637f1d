created AS (
    INSERT INTO stocks (
        stock_id, product_id, symbol, product_name, quantity, reserved, unit_price, currency, low_stock_threshold,
        discontinued, version, created_at, updated_at
    )
    SELECT
        unnest($1::text[]),
        unnest($2::text[]),
        unnest($3::text[]),
        unnest($4::text[]),
        unnest($5::bigint[]),
        unnest($6::bigint[]),
        unnest($7::numeric[]),
        unnest($8::text[]),
        unnest($9::bigint[]),
        unnest($10::boolean[]),
        unnest($11::bigint[]),
        unnest($12::timestamptz[]),
        unnest($13::timestamptz[])
    WHERE (SELECT so FROM unchanged)
    RETURNING 1
)
