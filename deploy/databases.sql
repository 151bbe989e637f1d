-- What the services find in PostgreSQL: a database for each, owned by a user of its own, and a user for Grafana who only reads.
-- Run once, by psql, as a superuser, with the passwords in the environment.
\set ON_ERROR_STOP on
\getenv virtual_stock VIRTUAL_STOCK_DATABASE_PASSWORD
\getenv acl ACL_DATABASE_PASSWORD
\getenv grafana GRAFANA_DATABASE_PASSWORD

CREATE ROLE virtual_stock LOGIN PASSWORD :'virtual_stock';
CREATE ROLE acl LOGIN PASSWORD :'acl';
CREATE ROLE grafana LOGIN PASSWORD :'grafana' CONNECTION LIMIT 5;
ALTER ROLE grafana SET default_transaction_read_only = on;
ALTER ROLE grafana SET statement_timeout = '10s';
-- Open transactions of others, which `doctor` and an alert look at.
GRANT pg_read_all_stats TO virtual_stock, acl;

CREATE DATABASE virtual_stock OWNER virtual_stock;
CREATE DATABASE acl OWNER acl;
REVOKE CONNECT, TEMPORARY ON DATABASE virtual_stock, acl FROM PUBLIC;
GRANT CONNECT ON DATABASE virtual_stock TO grafana;

\connect virtual_stock
-- The tables come later, made by `virtual-stock migrate`.
ALTER DEFAULT PRIVILEGES FOR ROLE virtual_stock GRANT SELECT ON TABLES TO grafana;
