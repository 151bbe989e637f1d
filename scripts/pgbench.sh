#!/usr/bin/env bash
# Fetches pgbench, the baseline of the benchmark, into .local where there is none: unpacked only, so that no server of the
# system is installed or started. Does nothing where nothing is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

if pgbench --version >/dev/null 2>&1 || ls .local/pgbench/usr/lib/postgresql/*/bin/pgbench >/dev/null 2>&1; then
    exit 0
fi
if ! command -v apt-get >/dev/null 2>&1; then
    echo "setup: pgbench is missing: install PostgreSQL's client programs, then try again" >&2
    exit 1
fi
echo "setup: fetching pgbench"
root=()
[ "$(id -u)" = 0 ] || root=(sudo -n)
"${root[@]}" apt-get update -qq
"${root[@]}" apt-get install -y -qq --no-install-recommends libpq5 >/dev/null
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
package=$(apt-cache depends postgresql | sed -n 's/.*Depends: \(postgresql-[0-9]*\)$/\1/p' | head -n 1)
(cd "$folder" && apt-get download -qq "$package")
mkdir -p .local/pgbench
dpkg-deb -x "$folder"/*.deb .local/pgbench
