#!/usr/bin/env bash
# Proves the Helm chart on the cluster that the kubeconfig names, in a namespace of its own with Pod Security "restricted":
# the API server takes every object, and the chart is installed, tested, upgraded and rolled back.
#   VALUES=FILE    values with images, databases and brokers that the cluster can reach (needed to install)
#   SECRETS=FILE   a manifest with the Secrets that these values name
#   NAMESPACE=NAME the namespace; it must not exist
#   KEEP=1         leave everything there
set -euo pipefail
cd "$(dirname "$0")/.."

chart=helm/virtual-stock
namespace=${NAMESPACE:-virtual-stock-check}
release=stock

say() { printf 'kube: %s\n' "$*"; }
fail() {
    say "$*" >&2
    exit 1
}

for tool in kubectl helm; do
    command -v $tool >/dev/null 2>&1 || fail "$tool is missing: install it, then try again"
done
answer=$(kubectl version --request-timeout=10s 2>&1) || fail "no cluster answers (kubectl version): $(tail -n 1 <<<"$answer")"
server=$(kubectl version -o json 2>/dev/null | sed -n '/serverVersion/,$ s/.*"gitVersion": "\([^"]*\)".*/\1/p')
say "context $(kubectl config current-context 2>/dev/null || echo none), Kubernetes $server"
if kubectl get namespace "$namespace" >/dev/null 2>&1; then
    fail "the namespace $namespace exists: name another one (NAMESPACE=…)"
fi

clean_up() {
    if [ -n "${KEEP:-}" ]; then
        say "kept: namespace $namespace"
    else
        helm -n "$namespace" uninstall $release --ignore-not-found --wait --timeout 5m >/dev/null || true
        kubectl delete namespace "$namespace" --wait=false >/dev/null || true
    fi
}
trap clean_up EXIT
kubectl create namespace "$namespace" >/dev/null
kubectl label namespace "$namespace" pod-security.kubernetes.io/enforce=restricted pod-security.kubernetes.io/warn=restricted >/dev/null

# Kinds of operators, which a cluster need not have.
operators='no matches for kind "[A-Za-z]*" in version "\([a-z.]*\.\)\{0,1\}\(strimzi\.io\|cnpg\.io\|keda\.sh\|coreos\.com\|gateway\.networking\.k8s\.io\)/'
# Deployments that Pod Security would stop are only warned of.
dry_run() { # a file of values
    local said refused missing
    say "the API server looks at what $1 makes"
    if ! said=$(helm -n "$namespace" template $release $chart --kube-version "$server" -f "$1" |
        kubectl -n "$namespace" apply --dry-run=server --validate=strict -f - 2>&1); then
        missing=$(grep "$operators" <<<"$said" | sed 's/.*no matches for kind "\([^"]*\)".*/\1/' | sort -u | tr '\n' ' ' || true)
        refused=$(grep -v -e '(server dry run)$' -e "$operators" -e 'ensure CRDs are installed first' -e '^Warning:' <<<"$said" || true)
        [ -z "$refused" ] && [ -n "$missing" ] || fail "refused: ${refused:-$said}"
        say "left out, the cluster does not know them: $missing"
    fi
    ! grep -i 'would violate PodSecurity' <<<"$said" || fail "Pod Security would stop pods of $1"
}
for values in $chart/ci/*-values.yaml ${VALUES:+"$VALUES"}; do
    dry_run "$values"
done

[ -n "${VALUES:-}" ] || fail "VALUES=FILE is needed to install: images, databases and brokers that the cluster can reach"
[ -z "${SECRETS:-}" ] || kubectl -n "$namespace" apply -f "$SECRETS" >/dev/null
helm_() { helm -n "$namespace" "$@" --timeout 10m; }
checked() {
    helm_ test $release --logs
    kubectl -n "$namespace" wait --for=condition=Available deployment --all --timeout=5m
}

# What the chart makes itself has to be there before the tables: such values cannot be waited for.
wait=--wait
! helm -n "$namespace" template $release $chart --kube-version "$server" -f "$VALUES" | grep -q '^kind: Cluster$' || wait=
say "install"
helm_ install $release $chart -f "$VALUES" $wait
kubectl -n "$namespace" wait --for=condition=Available deployment --all --timeout=10m
checked
say "upgrade"
helm_ upgrade $release $chart -f "$VALUES" --wait --set-string pod.annotations.upgraded=yes
checked
say "rollback"
helm_ rollback $release 1 --wait
checked
say "installed, tested, upgraded and rolled back"
