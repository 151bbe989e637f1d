#!/bin/sh
# Dumps the database of one service, as of one moment, while it serves: backup.sh DATABASE_URL FILE
# Needs pg_dump of the server's version or newer.
set -eu
[ $# = 2 ] || { echo "usage: backup.sh DATABASE_URL FILE" >&2; exit 2; }
umask 077
# Whoever sees the file sees all of it.
trap 'rm -f "$2.part"' EXIT
pg_dump --format=custom --no-owner --no-privileges --file="$2.part" "$1"
mv "$2.part" "$2"
echo "backup: $2"
