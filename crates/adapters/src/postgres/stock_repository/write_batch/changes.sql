moved AS (
    INSERT INTO movements (
        stock_id, version, operation, occurred_at, quantity_before, quantity_after, reserved_before, reserved_after,
        price_before, price_after, reason, reference, reservation_id, actor
    )
    SELECT
        unnest($1::text[]),
        unnest($2::bigint[]),
        unnest($3::text[]),
        unnest($4::timestamptz[]),
        unnest($5::bigint[]),
        unnest($6::bigint[]),
        unnest($7::bigint[]),
        unnest($8::bigint[]),
        unnest($9::numeric[]),
        unnest($10::numeric[]),
        unnest($11::text[]),
        unnest($12::text[]),
        unnest($13::text[]),
        unnest($14::text[])
    WHERE (SELECT so FROM unchanged)
),
told AS (
    INSERT INTO outbox (event_id, stock_id, version, operation, topics, header_list, payload, occurred_at)
    SELECT
        e.event_id,
        e.stock_id,
        e.version,
        e.operation,
        string_to_array(e.topics, ' '),
        e.header_list,
        e.payload,
        e.occurred_at
    FROM (
        SELECT
            unnest($1::text[]) AS stock_id,
            unnest($2::bigint[]) AS version,
            unnest($3::text[]) AS operation,
            unnest($4::timestamptz[]) AS occurred_at,
            unnest($15::bigint[]) AS position,
            unnest($16::uuid[]) AS event_id,
            unnest($17::text[]) AS topics,
            unnest($18::text[]) AS header_list,
            unnest($19::bytea[]) AS payload
    ) AS e
    WHERE (SELECT so FROM unchanged)
    -- Ids are drawn in the order in which the changes were decided.
    ORDER BY e.position
)
