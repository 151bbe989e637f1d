#!/bin/sh
# Dumps the database of one service, as of one moment, while it serves: backup.sh DATABASE_URL FILE
# Needs pg_dump of the server's version or newer. Whoever may list processes sees the URL: the password belongs in PGPASSFILE.
set -eu
[ $# = 2 ] || { echo "usage: backup.sh DATABASE_URL FILE" >&2; exit 2; }
# Half a dump must not be taken for a whole one, and nobody else may read it.
umask 077
trap 'rm -f "$2.part"' EXIT
trap 'exit 1' HUP INT TERM
pg_dump --format=custom --no-owner --no-privileges --file="$2.part" "$1"
mv "$2.part" "$2"
echo "backup: $2"
