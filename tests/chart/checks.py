"""Renders the chart, and says what is wrong with what comes out."""

import copy
import functools
import importlib.util
import json
import os
import pathlib
import re
import subprocess
import tempfile

import helm_python as helm
import yaml

ROOT = pathlib.Path(__file__).parents[2]
CHART = ROOT / "helm/virtual-stock"
TOOLS = ROOT / ".local/bin"
SCHEMAS = ROOT / ".local/chart/schemas"
POSTGRES = ROOT / ".local/servers/postgres/bin"
BINARIES = {name: ROOT / "target/debug" / name for name in ("virtual-stock", "acl")}
# Where the chart puts the files of a container.
FILES = "/etc/virtual-stock"

# What kube-score calls critical and is meant so.
IGNORED_BY_KUBE_SCORE = {
    "container-image-pull-policy": "a release's tag never changes, and a digest can be named",
}

KUBERNETES = sorted(folder.name for folder in SCHEMAS.iterdir())
CI = {file.name.removesuffix("-values.yaml"): yaml.safe_load(file.read_text()) for file in (CHART / "ci").iterdir()}


def dumped(objects: list[dict]) -> str:
    return yaml.dump_all(objects, Dumper=yaml.CSafeDumper)


def with_values(values: dict, changes: dict) -> dict:
    """`values` with those at the paths of `changes` set."""
    values = copy.deepcopy(values)
    for path, value in changes.items():
        *tables, last = path.split(".")
        functools.reduce(lambda table, key: table.setdefault(key, {}), tables, values)[last] = value
    return values


def minimal(changes: dict) -> dict:
    return with_values(CI["minimal"], changes)


def manifests(values: dict, name: str = "shop", chart: pathlib.Path = CHART) -> dict[str, str]:
    return helm.Chart.load(chart).render(values, name=name, namespace="stock")


def render(values: dict, name: str = "shop", chart: pathlib.Path = CHART) -> list[dict]:
    """All objects."""
    files = manifests(values, name, chart)
    texts = [text for file, text in sorted(files.items()) if file.endswith(".yaml")]
    return [document for text in texts for document in yaml.load_all(text, yaml.CSafeLoader) if document]


def of_kind(objects: list[dict], kind: str) -> dict[str, dict]:
    return {found["metadata"]["name"]: found for found in objects if found["kind"] == kind}


def component(found: dict) -> str:
    return found["metadata"]["labels"]["app.kubernetes.io/component"]


def pods(objects: list[dict]) -> dict[str, dict]:
    """Pods and templates of pods, by kind and name of what they are in."""
    templates = {}
    for found in objects:
        pod = found if found["kind"] == "Pod" else found.get("spec", {}).get("template")
        if found["kind"] in ("Pod", "Deployment", "Job"):
            templates[f"{found['kind']} {found['metadata']['name']}"] = pod
    return templates


def strings(value: object, path: str = "") -> list[tuple[str, str]]:
    """Every text below `value`, with its path."""
    if isinstance(value, dict):
        return [found for key, inner in value.items() for found in strings(inner, f"{path}.{key}")]
    if isinstance(value, list):
        return [found for index, inner in enumerate(value) for found in strings(inner, f"{path}[{index}]")]
    return [(path, value)] if isinstance(value, str) else []


# Checkers: each returns what is wrong, so that it can be shown to find something.


def kubeconform(variants: dict[str, list[dict]], version: str) -> list[str]:
    command = [TOOLS / "kubeconform", "-strict", "-output", "json", "-summary"]
    for schemas in (
        SCHEMAS / version / "{{.ResourceKind}}{{.KindSuffix}}.json",
        ROOT / "tests/chart/schemas/{{.ResourceKind}}.json",
    ):
        command += ["-schema-location", str(schemas)]
    with tempfile.TemporaryDirectory() as folder:
        for name, objects in variants.items():
            pathlib.Path(folder, f"{name}.yaml").write_text(dumped(objects))
        ran = subprocess.run([*command, folder], capture_output=True, text=True)
    report = json.loads(ran.stdout)
    wrong = [
        f"{os.path.basename(found['filename'])} {found['kind']} {found['name']}: {found['msg']}"
        for found in report["resources"] or []
    ]
    looked_at = sum(report["summary"].values())
    given = sum(map(len, variants.values()))
    return wrong if looked_at == given else [*wrong, f"{looked_at} of {given} objects were looked at"]


def kube_score(objects: list[dict]) -> list[str]:
    command = [TOOLS / "kube-score", "score", "--output-format", "ci", "-"]
    for ignored in IGNORED_BY_KUBE_SCORE:
        command += ["--ignore-test", ignored]
    ran = subprocess.run(command, input=dumped(objects), capture_output=True, text=True)
    if "[OK]" not in ran.stdout:
        return [ran.stdout + ran.stderr]
    return [line for line in ran.stdout.splitlines() if line.startswith("[CRITICAL]")]


def lint(values: dict, chart: pathlib.Path = CHART) -> list[str]:
    report = helm.lint(chart, values, strict=True, namespace="stock", kube_version="v1.30.0")
    # 1 is information.
    return report["errors"] + [found["error"] for found in report["messages"] if found["severity"] > 1]


def insecure(objects: list[dict]) -> list[str]:
    """What Pod Security "restricted" forbids, and what this chart does not need either."""
    wrong = []
    for name, pod in pods(objects).items():
        spec = pod["spec"]
        context = spec.get("securityContext", {})
        wanted = {
            "automountServiceAccountToken": (spec.get("automountServiceAccountToken"), False),
            "enableServiceLinks": (spec.get("enableServiceLinks"), False),
            "runAsNonRoot": (context.get("runAsNonRoot"), True),
            "seccompProfile": (context.get("seccompProfile"), {"type": "RuntimeDefault"}),
            "hostPath": ([volume for volume in spec.get("volumes", []) if not {"configMap", "secret"} & volume.keys()], []),
            "host": ([key for key in spec if key.startswith("host")], []),
        }
        for container in spec["containers"] + spec.get("initContainers", []):
            context = container.get("securityContext", {})
            wanted |= {
                f"{container['name']}.{key}": (context.get(key), value)
                for key, value in {
                    "runAsNonRoot": True,
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                }.items()
            }
            wanted[f"{container['name']}.runAsUser"] = (context.get("runAsUser", 0) > 10_000, True)
            resources = container.get("resources", {})
            for bound in ("requests", "limits"):
                given = {"cpu", "memory"} - resources.get(bound, {}).keys()
                wanted[f"{container['name']}.resources.{bound}"] = (given, set())
        wrong += [f"{name}: {key} is {found}" for key, (found, value) in wanted.items() if found != value]
    return wrong


def secrets_in(objects: list[dict]) -> list[str]:
    """Secrets, and texts that look like one."""
    wrong = [f"Secret {found['metadata']['name']}" for found in objects if found["kind"] == "Secret"]
    for found in objects:
        for path, text in strings(found):
            name = f"{found['kind']} {found['metadata']['name']}{path}"
            # What stands in for a variable of the environment is none.
            text = re.sub(r"\$\(\w+\)", "", text)
            if re.search(r"://[^/\s:@]+:[^/\s@]+@", text):
                wrong.append(f"{name} has a URL with a password")
            if re.search(r"whsec_|BEGIN [A-Z ]*PRIVATE KEY|eyJ[A-Za-z0-9_-]{10,}\.", text):
                wrong.append(f"{name} has a key")
            if re.search(r"(?i)(password|secret|token)\"?\s*[=:]\s*\"?[^\s\"{,}]", text) and "config.toml" in path:
                wrong.append(f"{name} has a password")
        for pod in pods([found]).values():
            for container in pod["spec"]["containers"]:
                for variable in container.get("env") or []:
                    value = re.sub(r"\$\(\w+\)", "", variable.get("value", ""))
                    if value and re.search(r"(?i)(password|secret|token|_key)$", variable["name"]):
                        wrong.append(f"{found['metadata']['name']} has {variable['name']} in its values")
    return wrong


def selects(policy: dict, labels: dict) -> bool:
    return policy["spec"]["podSelector"]["matchLabels"].items() <= labels.items()


def openings(objects: list[dict], labels: dict) -> dict[str, set]:
    """What the network policies let in and out of a pod: ports with their protocol."""
    opened = {"Ingress": set(), "Egress": set()}
    for policy in of_kind(objects, "NetworkPolicy").values():
        if selects(policy, labels):
            for direction, ports in opened.items():
                for rule in policy["spec"].get(direction.lower(), []):
                    ports |= {(port["port"], port["protocol"]) for port in rule["ports"]}
    return opened


def rights(user: dict) -> set[tuple[str, str, str]]:
    rules = user["spec"]["authorization"]["acls"]
    return {(rule["resource"]["type"], rule["resource"]["name"], right) for rule in rules for right in rule["operations"]}


class Container:
    """A container of a service as Kubernetes would start it, with its files in a temporary folder."""

    # Nothing but double quotes and backslashes is forbidden in a password.
    SECRETS = {
        "DATABASE__URL": "postgres://u:p@db/x",
        "DATABASE_USERNAME": "u",
        "DATABASE_DBNAME": "x",
        "KAFKA_USERNAME": "user",
        "KAFKA_PASSWORD": "p{[,]}='$#w",
        "WEBHOOK_URL": "https://hooks.example.com/services/x",
        "WEBHOOK_SECRET": "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
    }

    def __init__(self, objects: list[dict], pod: dict, folder: str):
        container = pod["spec"]["containers"][0]
        self.service = "acl" if pod["metadata"]["labels"]["app.kubernetes.io/component"].startswith("acl") else "virtual-stock"
        self.folder = folder
        volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
        mounts = {mount["mountPath"]: volumes[mount["name"]] for mount in container["volumeMounts"]}
        config_map = of_kind(objects, "ConfigMap")[mounts[f"{FILES}/config"]["configMap"]["name"]]
        self.config = config_map["data"]["config.toml"]
        # What it is but for the folder.
        self.identity = json.dumps([self.service, self.config, container.get("env"), container["args"]])
        self.write("config/config.toml", self.config)
        self.environment = {variable["name"]: self.value(variable) for variable in container.get("env") or []}
        for name, value in self.environment.items():
            expanded = re.sub(r"\$\((\w+)\)", lambda found: self.environment.get(found[1], found[0]), value)
            self.environment[name] = expanded.replace(FILES, folder)
        self.arguments = [argument.replace(FILES, folder) for argument in container["args"]]
        # A file that is named has to be in a mount; what it holds is anybody's guess.
        for file in re.findall(rf"{FILES}/[\w./-]+", self.config + " ".join(self.environment.values())):
            if os.path.dirname(file) not in mounts:
                raise AssertionError(f"{file} is in no mount of {pod['metadata']['labels']}")
            self.write(file.removeprefix(f"{FILES}/"), "the-secret\n")

    def write(self, path: str, text: str) -> None:
        file = pathlib.Path(self.folder, path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.replace(FILES, self.folder))

    def value(self, variable: dict) -> str:
        if "value" in variable:
            return variable["value"]
        fitting = [secret for name, secret in self.SECRETS.items() if variable["name"].endswith(name)]
        return fitting[0] if fitting else "secret"

    def command(self) -> tuple[list[str], dict]:
        return [str(BINARIES[self.service]), *self.arguments], {"env": self.environment, "text": True}

    def run(self, *arguments: str) -> subprocess.CompletedProcess:
        """Runs the binary with its settings and `arguments` instead of its subcommand."""
        (binary, option, file, *_), options = self.command()
        return subprocess.run([binary, option, file, *arguments], capture_output=True, **options)

    def subcommand(self) -> list[str]:
        return self.arguments[2:]


def containers(objects: list[dict], folder: str):
    for name, pod in pods(objects).items():
        if not name.startswith("Pod "):
            yield name, Container(objects, pod, f"{folder}/{name.replace(' ', '-')}")


def table_of_values(page: str, values: str) -> str:
    spec = importlib.util.spec_from_file_location("chart_values", ROOT / "scripts/chart-values.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.readme(page, values)
