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
    SET symbol = s.symbol,
        product_name = s.product_name,
        quantity = s.quantity,
        reserved = s.reserved,
        unit_price = s.unit_price,
        low_stock_threshold = s.low_stock_threshold,
        discontinued = s.discontinued,
        version = s.version,
        updated_at = s.updated_at
    FROM unnest(
        $14::text[], $15::bigint[], $16::text[], $17::text[], $18::bigint[], $19::bigint[], $20::numeric[],
        $21::bigint[], $22::boolean[], $23::bigint[], $24::timestamptz[]
    ) AS s (
        stock_id, loaded_version, symbol, product_name, quantity, reserved, unit_price, low_stock_threshold,
        discontinued, version, updated_at
    )
    WHERE stocks.stock_id = s.stock_id
        AND stocks.version = s.loaded_version
        -- Whatever size the table had when this was planned, rows are found by their keys.
        AND stocks.stock_id = ANY($14)
    RETURNING 1
),
held AS (
    INSERT INTO reservations (
        reservation_id, stock_id, quantity, state, confirmed, expires_at, holder, client_order_id, line, created_at,
        updated_at
    )
    SELECT r.*
    FROM unnest(
        $25::text[], $26::text[], $27::bigint[], $28::text[], $29::bigint[], $30::timestamptz[], $31::text[],
        $32::text[], $33::smallint[], $34::timestamptz[], $35::timestamptz[]
    ) AS r (
        reservation_id, stock_id, quantity, state, confirmed, expires_at, holder, client_order_id, line, created_at,
        updated_at
    )
    ORDER BY r.holder, r.client_order_id, r.line
    RETURNING 1
),
ended AS (
    UPDATE reservations
    SET state = r.state,
        confirmed = r.confirmed,
        expires_at = r.expires_at,
        updated_at = r.updated_at
    FROM unnest($36::text[], $37::text[], $38::bigint[], $39::timestamptz[], $40::timestamptz[])
        AS r (reservation_id, state, confirmed, expires_at, updated_at)
    WHERE reservations.reservation_id = r.reservation_id
        AND reservations.reservation_id = ANY($36)
        AND reservations.state = 'HELD'
    RETURNING 1
),
described AS (
    INSERT INTO stock_details (stock_id, version, symbol, product_name, low_stock_threshold, discontinued)
    SELECT d.*
    FROM unnest($41::text[], $42::bigint[], $43::text[], $44::text[], $45::bigint[], $46::boolean[]) AS d
),
change AS MATERIALIZED (
    SELECT c.*
    FROM unnest(
        $47::text[], $48::bigint[], $49::text[], $50::bigint[], $51::bigint[], $52::bigint[], $53::bigint[],
        $54::numeric[], $55::numeric[], $56::text[], $57::text[], $58::text[], $59::text[], $60::timestamptz[],
        $61::uuid[], $62::text[], $63::text[], $64::bytea[]
    ) WITH ORDINALITY AS c (
        stock_id, version, operation, quantity_before, quantity_after, reserved_before, reserved_after, price_before,
        price_after, reason, reference, reservation_id, actor, occurred_at, event_id, topics, headers, payload, position
    )
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
SELECT
    (SELECT count(*) FROM created),
    (SELECT count(*) FROM updated),
    (SELECT count(*) FROM held),
    (SELECT count(*) FROM ended)
