-- A reservation is in one index by stock at a time: every further one is a page somewhere else to change for each hold.
CREATE INDEX reservations_ended_by_stock_idx ON reservations (stock_id, reservation_id) WHERE state <> 'HELD';
DROP INDEX reservations_stock_id_idx;
