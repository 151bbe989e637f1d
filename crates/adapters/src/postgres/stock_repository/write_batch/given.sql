given AS MATERIALIZED (SELECT $1::bigint[] AS rows)
