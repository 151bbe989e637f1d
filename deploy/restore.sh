#!/bin/sh
# Puts a dump of backup.sh into an empty database, all of it or nothing: restore.sh FILE DATABASE_URL
# The URL is that of the database's owner, its password in PGPASSFILE. What is to be done around it: docs/runbooks/restore.md
set -eu
[ $# = 2 ] || { echo "usage: restore.sh FILE DATABASE_URL" >&2; exit 2; }
tables=$(psql --no-psqlrc --tuples-only --no-align --dbname="$2" \
    --command="SELECT count(*) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')")
[ "$tables" = 0 ] || { echo "restore: the database has $tables tables: name an empty one" >&2; exit 1; }
pg_restore --exit-on-error --single-transaction --no-owner --no-privileges --dbname="$2" "$1"
# Plans need figures, which a dump does not have; those of the system's tables are not the owner's to make.
psql --no-psqlrc --quiet --dbname="$2" --command="SET client_min_messages = error" --command=ANALYZE
echo "restore: $1 is there"
