-- Lists by symbol compare byte by byte, and go on behind a stock. There is no index on updated_at: it would end cheap
-- updates of a row in its page for every change of every stock.
DROP INDEX stocks_symbol_idx;
CREATE INDEX stocks_symbol_idx ON stocks (symbol COLLATE "C", stock_id);
