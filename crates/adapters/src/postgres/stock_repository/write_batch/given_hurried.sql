given AS MATERIALIZED (SELECT $1::bigint[] AS rows, set_config('lock_timeout', '50ms', true))
