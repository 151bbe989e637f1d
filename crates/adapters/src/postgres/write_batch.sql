-- Everything that one batch changes, in one round trip. The changes come in the order in which they were decided, and
-- outbox ids are drawn in that order.
WITH created AS (
    INSERT INTO stocks (
        stock_id, product_id, symbol, product_name, quantity, reserved, unit_price, currency, low_stock_threshold,
        discontinued, version, created_at, updated_at
    )
    SELECT s.*
    FROM unnest(
        $1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::numeric[], $8::text[],
        $9::bigint[], $10::boolean[], $11::bigint[], $12::timestamptz[], $13::timestamptz[]
    ) AS s (
        stock_id, product_id, symbol, product_name, quantity, reserved, unit_price, currency, low_stock_threshold,
        discontinued, version, created_at, updated_at
    )
    -- Unique keys in one order everywhere, so that two batches cannot wait for each other.
    ORDER BY s.product_id
    RETURNING 1
),
updated AS (
    UPDATE stocks
    SET quantity = s.quantity,
        reserved = s.reserved,
        unit_price = s.unit_price,
        discontinued = s.discontinued,
        version = s.version,
        updated_at = s.updated_at
    FROM unnest(
        $14::text[], $15::bigint[], $16::bigint[], $17::bigint[], $18::numeric[], $19::boolean[], $20::bigint[],
        $21::timestamptz[]
    ) AS s (stock_id, loaded_version, quantity, reserved, unit_price, discontinued, version, updated_at)
    WHERE stocks.stock_id = s.stock_id
        AND stocks.version = s.loaded_version
    RETURNING 1
),
change AS MATERIALIZED (
    SELECT c.*
    FROM unnest(
        $22::text[], $23::bigint[], $24::text[], $25::bigint[], $26::bigint[], $27::bigint[], $28::bigint[],
        $29::numeric[], $30::numeric[], $31::text[], $32::text[], $33::text[], $34::bigint[], $35::text[],
        $36::timestamptz[], $37::uuid[], $38::text[], $39::text[], $40::bytea[]
    ) WITH ORDINALITY AS c (
        stock_id, version, operation, quantity_before, quantity_after, reserved_before, reserved_after, price_before,
        price_after, reason, reference, reservation_id, reservation_units, actor, occurred_at, event_id, topics,
        headers, payload, position
    )
),
held AS (
    INSERT INTO reservations (reservation_id, stock_id, quantity, state, created_at)
    SELECT reservation_id, stock_id, reservation_units, 'HELD', occurred_at
    FROM change
    WHERE operation = 'RESERVED'
),
moved AS (
    INSERT INTO movements (
        stock_id, version, operation, quantity_before, quantity_after, reserved_before, reserved_after, price_before,
        price_after, reason, reference, reservation_id, actor, occurred_at
    )
    SELECT
        stock_id, version, operation, quantity_before, quantity_after, reserved_before, reserved_after, price_before,
        price_after, reason, reference, reservation_id, actor, occurred_at
    FROM change
),
told AS (
    INSERT INTO outbox (event_id, stock_id, version, operation, topics, headers, payload, occurred_at)
    SELECT event_id, stock_id, version, operation, string_to_array(topics, ' '), headers::jsonb, payload, occurred_at
    FROM change
    ORDER BY position
)
SELECT (SELECT count(*) FROM created), (SELECT count(*) FROM updated)
