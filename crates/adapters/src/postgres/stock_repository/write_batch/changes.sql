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
-- Ids are drawn row by row, in the order of the arrays: that in which the changes were decided.
told AS (
    INSERT INTO outbox (
        stock_id, version, operation, occurred_at, event_id, topics, correlation_id, traceparent, payload
    )
    SELECT
        unnest($1::text[]),
        unnest($2::bigint[]),
        unnest($3::text[]),
        unnest($4::timestamptz[]),
        unnest($15::uuid[]),
        string_to_array(unnest($16::text[]), ' '),
        unnest($17::text[]),
        unnest($18::text[]),
        unnest($19::bytea[])
    WHERE (SELECT so FROM unchanged)
)
