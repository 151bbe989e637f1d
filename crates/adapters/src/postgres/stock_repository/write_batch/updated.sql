updated AS (
    UPDATE stocks
    SET symbol = s.symbol,
        product_name = s.product_name,
        quantity = s.quantity,
        reserved = s.reserved,
        unit_price = s.unit_price,
        low_stock_threshold = s.low_stock_threshold,
        discontinued = s.discontinued,
        version = s.version,
        updated_at = s.updated_at
    FROM (
        SELECT
            unnest($1::text[]::tid[]) AS place,
            unnest($2::bigint[]) AS loaded_version,
            unnest($3::text[]) AS symbol,
            unnest($4::text[]) AS product_name,
            unnest($5::bigint[]) AS quantity,
            unnest($6::bigint[]) AS reserved,
            unnest($7::numeric[]) AS unit_price,
            unnest($8::bigint[]) AS low_stock_threshold,
            unnest($9::boolean[]) AS discontinued,
            unnest($10::bigint[]) AS version,
            unnest($11::timestamptz[]) AS updated_at
    ) AS s
    -- They are locked, so that they are where they were.
    WHERE stocks.ctid = s.place
        AND stocks.version = s.loaded_version
        AND (SELECT so FROM unchanged)
    RETURNING stocks.stock_id, stocks.ctid::text AS place
)
