"""Proves the Helm chart without a cluster; scripts/chart.sh runs it."""

import copy
import functools
import hashlib
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import tomllib
import unittest
import urllib.error
import urllib.request
from collections import Counter

import helm_python as helm
import yaml

from checks import (
    BINARIES,
    CHART,
    CI,
    KUBERNETES,
    POSTGRES,
    ROOT,
    Container,
    component,
    containers,
    insecure,
    kube_score,
    kubeconform,
    lint,
    minimal,
    of_kind,
    openings,
    pods,
    render,
    rights,
    secrets_in,
    selects,
    strings,
    table_of_values,
)

SASL = {
    "kafka.options": {"security.protocol": "SASL_SSL", "sasl.mechanism": "SCRAM-SHA-512"},
    "acl.kafkaCredentials.secretName": "kafka",
}
# What switches change: values on top of the minimal ones, and how many more objects of a kind there are then.
SWITCHES: dict[str, tuple[dict, dict[str, int]]] = {
    "no disruption budgets": ({"podDisruptionBudget.enabled": False}, {"PodDisruptionBudget": -2}),
    "fixed size": ({"virtualStock.autoscaling.mode": "off", "acl.autoscaling.mode": "off"}, {"HorizontalPodAutoscaler": -2}),
    "keda": ({"acl.autoscaling.mode": "keda"}, {"HorizontalPodAutoscaler": -1, "ScaledObject": 1}),
    "keda with credentials": (
        {"acl.autoscaling.mode": "keda"} | SASL,
        {"HorizontalPodAutoscaler": -1, "ScaledObject": 1, "TriggerAuthentication": 1},
    ),
    "no migration": ({"jobs.migrate": False}, {"Job": -2, "ConfigMap": -2, "NetworkPolicy": -2}),
    "no topics": ({"jobs.topics": "off"}, {"Job": -2, "ConfigMap": -2, "NetworkPolicy": -2}),
    "topics are checked": ({"jobs.topics": "check"}, {}),
    "ingress": ({"ingress.enabled": True}, {"Ingress": 1}),
    "gateway": ({"httpRoute.enabled": True, "httpRoute.parentRefs": [{"name": "public"}]}, {"HTTPRoute": 1}),
    "no network policies": ({"networkPolicy.enabled": False}, {"NetworkPolicy": -8}),
    "no test": ({"tests.enabled": False}, {"Pod": -1, "NetworkPolicy": -1}),
    "service monitors": ({"serviceMonitor.enabled": True}, {"ServiceMonitor": 2}),
    "rules": ({"prometheusRule.enabled": True}, {"PrometheusRule": 2}),
    "dashboards": ({"dashboards.enabled": True}, {"ConfigMap": len(list((CHART / "files/dashboards").iterdir()))}),
    "kafka topics": ({"strimzi.topics": True, "strimzi.cluster": "events"}, {"KafkaTopic": 6}),
    "kafka users": ({"strimzi.users": True, "strimzi.cluster": "events"}, {"KafkaUser": 2}),
    "postgresql": ({"cnpg.enabled": True}, {"Cluster": 2}),
    "postgresql with a pooler": ({"cnpg.enabled": True, "cnpg.pooler.enabled": True}, {"Cluster": 2, "Pooler": 2}),
    "postgresql with snapshots": (
        {"cnpg.enabled": True, "cnpg.backup.enabled": True, "cnpg.backup.method": "volumeSnapshot"},
        {"Cluster": 2, "ScheduledBackup": 2},
    ),
    "postgresql with backups": (
        {"cnpg.enabled": True, "cnpg.backup.enabled": True, "cnpg.backup.objectStores": {"virtualStock": "a", "acl": "b"}},
        {"Cluster": 2, "ScheduledBackup": 2},
    ),
}


@functools.cache
def everything() -> dict[str, list[dict]]:
    """The objects of every ci file and of every switch."""
    switched = {name: render(minimal(changes)) for name, (changes, _) in SWITCHES.items()}
    return {name: render(values) for name, values in CI.items()} | switched


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Test(unittest.TestCase):
    maxDiff = None

    def fine(self, wrong: list[str]) -> None:
        self.assertEqual([], wrong)


class Rendered(Test):
    """Lint, schemas, kube-score, and what holds for every object."""

    def test_every_ci_file_is_linted_strictly(self):
        self.assertEqual({"minimal", "ha", "eks", "everything"}, CI.keys())
        for name, values in CI.items():
            with self.subTest(name):
                self.fine(lint(values))

    def test_every_object_fits_its_schema(self):
        self.assertEqual(2, len(KUBERNETES))
        self.assertEqual("1.30.0", KUBERNETES[0])
        for version in KUBERNETES:
            with self.subTest(kubernetes=version):
                self.fine(kubeconform(everything(), version))

    def test_kube_score_finds_nothing_critical(self):
        for name in CI:
            with self.subTest(name):
                self.fine(kube_score(everything()[name]))

    def test_every_pod_is_restricted(self):
        for name, objects in everything().items():
            with self.subTest(name):
                self.assertGreaterEqual(len(pods(objects)), 4)
                self.fine(insecure(objects))

    def test_there_are_no_secrets(self):
        for name, objects in everything().items():
            with self.subTest(name):
                self.fine(secrets_in(objects))

    def test_no_value_looks_like_a_password(self):
        files = [CHART / "values.yaml", CHART / "values-eks.yaml", *(CHART / "ci").iterdir()]
        for file in files:
            # Names of Secrets and of their keys are none.
            for path, text in strings(yaml.safe_load(file.read_text())):
                key = re.split(r"[.\]]", path)[-1]
                named = re.search(r"(?i)(name|key|url)$|secretEnv|mounts|\.(token|client_secret)\.(env|file)$", path)
                with self.subTest(file.name, value=path):
                    self.assertFalse(re.search(r"(?i)password|secret|token", key) and text and not named)
                    self.assertNotRegex(text, r"://[^/\s:@]+:[^/\s@]+@|whsec_|PRIVATE KEY")

    def test_the_table_of_values_is_up_to_date(self):
        values, page = (CHART / "values.yaml").read_text(), (CHART / "README.md").read_text()
        self.assertEqual(table_of_values(page, values), page, "run .local/chart/bin/python scripts/chart-values.py")


class Switches(Test):
    def test_each_adds_and_removes_its_objects_and_no_others(self):
        without = Counter(found["kind"] for found in everything()["minimal"])
        for name, (_, change) in SWITCHES.items():
            with self.subTest(name):
                kinds = Counter(found["kind"] for found in everything()[name])
                kinds.subtract(without)
                self.assertEqual(change, {kind: count for kind, count in kinds.items() if count})

    def test_what_is_not_known_is_refused_by_name(self):
        for path in (
            "replicas",
            "acl.replica",
            "virtualStock.image.name",
            "virtualStock.autoscaling.lagThreshold",
            "topics.normal.copies",
            "networkPolicy.database.port",
            "cnpg.backup.retention",
            "jobs.topic",
            "tests.apiKey.name",
            "pod.securityContext",
        ):
            with self.subTest(path), self.assertRaises(helm.HelmError) as refused:
                render(minimal({path: {}}))
            self.assertIn(f"'{path.split('.')[-1]}' not allowed", str(refused.exception))

    def test_what_the_chart_sets_itself_and_secrets_are_refused_by_name(self):
        for table, key in (
            ("virtualStock.config.database", "url"),
            ("acl.config.database", "url"),
            ("acl.config", "topics"),
            ("acl.config", "shutdown"),
            ("virtualStock.config.http", "listen"),
            ("virtualStock.config.kafka", "brokers"),
            ("kafka.options", "sasl.password"),
            ("kafka.options", "ssl.key.password"),
            ("acl.env", "MAIL_PASSWORD"),
            ("virtualStock.env", "VIRTUAL_STOCK__DATABASE__URL"),
        ):
            values = minimal({table: {**CI["minimal"].get(table, {}), key: "x"}})
            with self.subTest(key), self.assertRaises(helm.HelmError) as refused:
                render(values)
            self.assertIn(f"'/{table.replace('.', '/')}/{key}'", str(refused.exception))

    def test_what_is_needed_is_asked_for(self):
        for path, value in (
            ("kafka.brokers", ""),
            ("virtualStock.database.secretName", ""),
            ("acl.database.secretName", ""),
            ("acl.config.auth", {}),
            ("virtualStock.config.auth", {"mode": "none"}),
            ("acl.config.subscriptions", {}),
            ("httpRoute.parentRefs", []),
            ("strimzi.cluster", ""),
        ):
            values = minimal(
                {
                    "httpRoute.enabled": True,
                    "httpRoute.parentRefs": [{"name": "g"}],
                    "strimzi.topics": True,
                    "strimzi.cluster": "events",
                    path: value,
                }
            )
            with self.subTest(path), self.assertRaises(helm.HelmError) as refused:
                render(values)
            self.assertIn(path, str(refused.exception))

    def test_topics_are_made_checked_or_left_to_the_operator(self):
        for name, wanted in (
            ("minimal", ["topics"]),
            ("topics are checked", ["topics", "--check"]),
            ("kafka topics", ["topics", "--check"]),
            ("kafka users", ["topics", "--check"]),
        ):
            job = of_kind(everything()[name], "Job")["shop-api-topics"]
            with self.subTest(name):
                self.assertEqual(wanted, job["spec"]["template"]["spec"]["containers"][0]["args"][2:])


class Names(Test):
    LONG = "a-release-with-a-name-that-is-as-long-as-they-may-be"

    def test_they_have_at_most_63_characters(self):
        objects = render(CI["everything"] | {"fullnameOverride": ""}, self.LONG)

        names = [found["metadata"]["name"] for found in objects]
        self.assertIn(63, map(len, names))
        for name in names:
            self.assertRegex(name, r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")
        for found in objects:
            for label, value in found["metadata"]["labels"].items():
                self.assertRegex(value, r"^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$", label)
        self.fine(kubeconform({"long": objects}, KUBERNETES[-1]))

    def test_releases_in_one_namespace_share_nothing(self):
        values = CI["everything"] | {"fullnameOverride": ""}
        releases = ("shop", "shop-acl", "shop-api", "virtual-stock", self.LONG, self.LONG[:-1] + "x")
        owners, selectors = {}, []
        for release in releases:
            objects = render(values, release)
            for found in objects:
                name = (found["kind"], found["metadata"]["name"])
                self.assertNotIn(name, owners)
                owners[name] = release
            selectors += [found["spec"]["selector"] for found in of_kind(objects, "Service").values()]
        self.assertEqual(len(selectors), len({tuple(sorted(selector.items())) for selector in selectors}))

    def test_names_that_are_referred_to_exist(self):
        for variant, objects in everything().items():
            for name, pod in pods(objects).items():
                for volume in pod["spec"].get("volumes", []):
                    used = volume.get("configMap", {}).get("name", "")
                    if used.startswith("shop-"):
                        self.assertIn(used, of_kind(objects, "ConfigMap"), (variant, name))
                account = pod["spec"].get("serviceAccountName")
                self.assertTrue(account is None or account in of_kind(objects, "ServiceAccount"), (variant, name))
            services = {
                name: {port["name"]: port["port"] for port in found["spec"]["ports"]}
                for name, found in of_kind(objects, "Service").items()
            }
            for ingress in of_kind(objects, "Ingress").values():
                for path in ingress["spec"]["rules"][0]["http"]["paths"]:
                    self.assertIn(path["backend"]["service"]["port"]["name"], services[path["backend"]["service"]["name"]])
            for route in of_kind(objects, "HTTPRoute").values():
                for backend in route["spec"]["rules"][0]["backendRefs"]:
                    self.assertEqual(backend["port"], services[backend["name"]]["http"])
            for scaled in [*of_kind(objects, "HorizontalPodAutoscaler").values(), *of_kind(objects, "ScaledObject").values()]:
                self.assertIn(scaled["spec"]["scaleTargetRef"]["name"], of_kind(objects, "Deployment"))


class Workloads(Test):
    def test_pods_have_longer_to_end_than_the_services_take(self):
        for name, changes in (
            ("shipped", {}),
            ("longer", {"virtualStock.drainSeconds": 60, "acl.drainSeconds": 120, "pod.preStopSeconds": 3}),
        ):
            for deployment in of_kind(render(minimal(changes)), "Deployment").values():
                with self.subTest(name, service=component(deployment)), tempfile.TemporaryDirectory() as folder:
                    objects = render(minimal(changes))
                    spec = deployment["spec"]["template"]["spec"]
                    container = Container(objects, deployment["spec"]["template"], folder)
                    drain = int(tomllib.loads(container.config)["shutdown"]["drain"].removesuffix("s"))
                    if container.service == "acl":
                        drain = (drain + 5) * 2
                    sleep = spec["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
                    # Two seconds are for threads of libraries.
                    self.assertGreater(spec["terminationGracePeriodSeconds"], sleep + drain + 2)

    def test_probes_ask_the_management_port_what_it_serves(self):
        served = (ROOT / "crates/adapters/src/http/management.rs").read_text()
        for deployment in of_kind(everything()["minimal"], "Deployment").values():
            container = deployment["spec"]["template"]["spec"]["containers"][0]
            for kind in ("startup", "readiness", "liveness"):
                asked = container[f"{kind}Probe"]["httpGet"]
                self.assertEqual({"path": f"/actuator/health/{kind}", "port": "management"}, asked)
                self.assertIn(f'"{asked["path"]}"', served)

    def test_they_are_spread_and_replaced_one_by_one(self):
        for name in ("ha", "minimal"):
            for deployment in of_kind(everything()[name], "Deployment").values():
                spread = deployment["spec"]["template"]["spec"]["topologySpreadConstraints"]
                keys = {constraint["topologyKey"]: constraint["whenUnsatisfiable"] for constraint in spread}
                wanted = "DoNotSchedule" if name == "ha" else "ScheduleAnyway"
                self.assertEqual({"kubernetes.io/hostname": wanted, "topology.kubernetes.io/zone": wanted}, keys)
                for constraint in spread:
                    self.assertEqual(deployment["spec"]["selector"], constraint["labelSelector"])
                self.assertEqual({"maxSurge": 1, "maxUnavailable": 0}, deployment["spec"]["strategy"]["rollingUpdate"])

    def test_a_change_of_the_settings_replaces_the_pods(self):
        def sums(objects):
            templates = {component(found): found["spec"]["template"] for found in of_kind(objects, "Deployment").values()}
            return {name: template["metadata"]["annotations"]["checksum/config"] for name, template in templates.items()}

        before = sums(everything()["minimal"])
        after = sums(render(minimal({"acl.config.delivery": {"concurrency": 8}})))
        self.assertEqual(before["virtual-stock"], after["virtual-stock"])
        self.assertNotEqual(before["acl"], after["acl"])

    def test_autoscaling_has_the_bounds_that_were_asked_for_and_does_not_flap(self):
        bounds = {}
        for found in of_kind(everything()["minimal"], "HorizontalPodAutoscaler").values():
            spec = found["spec"]
            bounds[component(found)] = (spec["minReplicas"], spec["maxReplicas"])
            aims = {
                metric["resource"]["name"]: metric["resource"]["target"]["averageUtilization"] for metric in spec["metrics"]
            }
            self.assertEqual({"cpu": 70, "memory": 80}, aims)
            self.assertGreaterEqual(spec["behavior"]["scaleUp"]["stabilizationWindowSeconds"], 60)
            self.assertGreaterEqual(spec["behavior"]["scaleDown"]["stabilizationWindowSeconds"], 300)
            self.assertEqual(1, spec["behavior"]["scaleDown"]["policies"][0]["value"])
        self.assertEqual({"virtual-stock": (2, 15), "acl": (2, 10)}, bounds)

    def test_acl_has_no_more_instances_than_partitions(self):
        for name, values in CI.items():
            merged = helm.Chart.load(CHART).merge_values(values)
            most = max(topic["partitions"] for topic in merged["topics"].values() if isinstance(topic, dict))
            for kind, bound in (("HorizontalPodAutoscaler", "maxReplicas"), ("ScaledObject", "maxReplicaCount")):
                for found in of_kind(everything()[name], kind).values():
                    if component(found) == "acl":
                        self.assertLessEqual(found["spec"][bound], most)
        for changes in ({"acl.autoscaling.maxReplicas": 13}, {"acl.autoscaling.mode": "off", "acl.replicas": 13}):
            with self.assertRaises(helm.HelmError) as refused:
                render(minimal(changes))
            self.assertIn("acl.autoscaling.maxReplicas and acl.replicas must be at most 12", str(refused.exception))

    def test_keda_looks_at_the_lag_of_every_group_on_every_topic(self):
        scaled = of_kind(everything()["everything"], "ScaledObject")["shop-acl"]
        kafka = [trigger["metadata"] for trigger in scaled["spec"]["triggers"] if trigger["type"] == "kafka"]
        looked_at = {(metadata["consumerGroup"], metadata["topic"]) for metadata in kafka}
        reads = CI["everything"]["acl"]["reads"]
        self.assertEqual({(f"shop.{read['group']}", f"shop.{topic}") for read in reads for topic in read["topics"]}, looked_at)
        self.assertEqual({("enable", "scram_sha512")}, {(metadata["tls"], metadata["sasl"]) for metadata in kafka})


class Hooks(Test):
    def hooks(self, name: str) -> dict[str, tuple[str, int]]:
        found = {}
        for hook in everything()[name]:
            annotations = hook["metadata"].get("annotations", {})
            if "helm.sh/hook" in annotations:
                self.assertEqual("before-hook-creation,hook-succeeded", annotations["helm.sh/hook-delete-policy"])
                weight = int(annotations.get("helm.sh/hook-weight", "0"))
                found[f"{hook['kind']} {hook['metadata']['name']}"] = (annotations["helm.sh/hook"], weight)
        return found

    def test_tables_and_then_topics_are_brought_up_to_date_first(self):
        before = "pre-install,pre-upgrade"
        for name in ("minimal", "ha", "eks"):
            hooks = self.hooks(name)
            wanted = {"Pod shop-test": ("test", 0)}
            for job, weight in {"api-migrate": 0, "acl-migrate": 0, "api-topics": 1, "acl-topics": 1}.items():
                wanted[f"Job shop-{job}"] = (before, weight)
                wanted |= {f"{kind} shop-{job}": (before, -10) for kind in ("ConfigMap", "NetworkPolicy")}
            self.assertEqual(wanted, hooks)

    def test_what_this_chart_makes_is_waited_for(self):
        hooks = self.hooks("everything")
        for task, events in (("migrate", "post-install,pre-upgrade"), ("topics", "post-install,post-upgrade")):
            for service in ("api", "acl"):
                self.assertEqual(events, hooks[f"Job shop-{service}-{task}"][0])
                self.assertEqual((events, -10), hooks[f"ConfigMap shop-{service}-{task}"])

    def test_before_an_installation_nothing_is_used_that_comes_with_it(self):
        for name in ("minimal", "ha", "eks"):
            hooks = {hook.split()[1] for hook in self.hooks(name) if hook.startswith("ConfigMap ")}
            for job in of_kind(everything()[name], "Job").values():
                spec = job["spec"]["template"]["spec"]
                self.assertNotIn("serviceAccountName", spec)
                used = {volume["configMap"]["name"] for volume in spec["volumes"] if "configMap" in volume}
                self.assertLessEqual({config for config in used if config.startswith("shop-")}, hooks)
                self.assertEqual(("Never", 600), (spec["restartPolicy"], job["spec"]["activeDeadlineSeconds"]))

    def test_a_job_gets_the_credentials_of_its_task_only(self):
        for job in of_kind(everything()["ha"], "Job").values():
            names = {variable["name"] for variable in job["spec"]["template"]["spec"]["containers"][0]["env"]}
            database, kafka = (any(part in name for name in names) for part in ("__DATABASE__URL", "__KAFKA__OPTIONS"))
            self.assertEqual(component(job).endswith("-migrate"), database)
            self.assertEqual(component(job).endswith("-topics"), kafka)


class Network(Test):
    DNS = {(53, "UDP"), (53, "TCP")}

    def opened(self, name: str) -> dict[str, dict[str, set]]:
        objects = everything()[name]
        return {pod: openings(objects, template["metadata"]["labels"]) for pod, template in pods(objects).items()}

    def wanted(
        self, database: int, kafka: set[int], stock: set[int], acl: set[int], operators: set[int]
    ) -> dict[str, dict[str, set]]:
        """Openings of all pods: `stock` and `acl` are ports that these alone may go to."""

        def ports(*numbers: int) -> set:
            return {(number, "TCP") for number in numbers}

        expected = {
            "Deployment shop-api": {"Ingress": ports(8080, 9080), "Egress": self.DNS | ports(database, *kafka, *stock)},
            "Deployment shop-acl": {"Ingress": ports(9081, *operators), "Egress": self.DNS | ports(database, *kafka, *acl)},
            "Pod shop-test": {"Ingress": set(), "Egress": self.DNS | ports(8080)},
        }
        for service in ("api", "acl"):
            expected[f"Job shop-{service}-migrate"] = {"Ingress": set(), "Egress": self.DNS | ports(database)}
            expected[f"Job shop-{service}-topics"] = {"Ingress": set(), "Egress": self.DNS | ports(*kafka)}
        return expected

    def test_exactly_the_ports_that_are_used_are_open(self):
        self.assertEqual(self.wanted(5432, {9092}, set(), {8080}, set()), self.opened("minimal"))
        self.assertEqual(self.wanted(5432, {9093}, {4318, 443}, {4318, 443}, set()), self.opened("ha"))
        self.assertEqual(self.wanted(5432, {9096}, {443}, {443}, set()), self.opened("eks"))
        self.assertEqual(self.wanted(5432, {9093}, {443, 8443}, {443, 587, 9200}, {8081}), self.opened("everything"))

    def test_every_pod_is_shut_first(self):
        for name, objects in everything().items():
            if name == "no network policies":
                continue
            deny = of_kind(objects, "NetworkPolicy")["shop-deny"]
            self.assertEqual(["Ingress", "Egress"], deny["spec"]["policyTypes"])
            self.assertEqual({"podSelector", "policyTypes"}, deny["spec"].keys())
            for pod in pods(objects).values():
                self.assertTrue(selects(deny, pod["metadata"]["labels"]))
                self.assertTrue(
                    any(
                        selects(policy, pod["metadata"]["labels"])
                        for policy in of_kind(objects, "NetworkPolicy").values()
                        if policy is not deny
                    )
                )

    def test_nothing_comes_in_from_anywhere(self):
        for objects in everything().values():
            for policy in of_kind(objects, "NetworkPolicy").values():
                for rule in policy["spec"].get("ingress") or []:
                    self.assertTrue(rule["from"] and all(rule["from"]))

    def test_only_acl_goes_to_partners(self):
        objects = everything()["ha"]
        peers = helm.Chart.load(CHART).merge_values(CI["ha"])["networkPolicy"]["partners"]["to"]
        going = [
            name
            for name, policy in of_kind(objects, "NetworkPolicy").items()
            if any(rule.get("to") == peers for rule in policy["spec"].get("egress", []))
        ]
        self.assertEqual(["shop-acl"], going)

    def test_the_services_listen_where_the_policies_let_in(self):
        for objects in everything().values():
            for service in of_kind(objects, "Service").values():
                ports = {port["name"]: port["port"] for port in service["spec"]["ports"]}
                with tempfile.TemporaryDirectory() as folder:
                    deployment = of_kind(objects, "Deployment")[service["metadata"]["name"]]
                    config = tomllib.loads(Container(objects, deployment["spec"]["template"], folder).config)
                named = {
                    port["name"]: port["containerPort"]
                    for port in deployment["spec"]["template"]["spec"]["containers"][0]["ports"]
                }
                listens = {name: int(config[name]["listen"].rsplit(":")[-1]) for name in ports}
                self.assertEqual(ports, named)
                self.assertEqual(ports, listens)


class Operators(Test):
    """What other operators are asked for."""

    def test_rules_are_the_files(self):
        for name in ("ha", "everything"):
            for file in ("recording", "alerts"):
                rule = of_kind(everything()[name], "PrometheusRule")[f"shop-rules-{file}"]
                self.assertEqual(yaml.safe_load((CHART / f"files/prometheus/{file}.yaml").read_text()), rule["spec"])

    def test_dashboards_are_the_files(self):
        files = {file.name: file.read_text() for file in (CHART / "files/dashboards").iterdir()}
        found = {}
        for config_map in of_kind(everything()["ha"], "ConfigMap").values():
            if component(config_map) == "dashboards":
                self.assertEqual("1", config_map["metadata"]["labels"]["grafana_dashboard"])
                found |= config_map["data"]
        self.assertEqual(
            {name: text.rstrip("\n") for name, text in files.items()}, {name: text.rstrip("\n") for name, text in found.items()}
        )

    def test_metrics_have_the_jobs_that_the_rules_know(self):
        jobs = set()
        services = of_kind(everything()["ha"], "Service").values()
        for monitor in of_kind(everything()["ha"], "ServiceMonitor").values():
            label = monitor["spec"]["jobLabel"]
            selected = [
                found
                for found in services
                if monitor["spec"]["selector"]["matchLabels"].items() <= found["metadata"]["labels"].items()
            ]
            self.assertEqual(1, len(selected))
            jobs.add(selected[0]["metadata"]["labels"][label])
        rules = (CHART / "files/prometheus/alerts.yaml").read_text()
        self.assertEqual({"virtual-stock", "acl"}, jobs)
        for job in jobs:
            self.assertIn(f'job="{job}"', rules)

    def test_topics_are_as_in_the_settings(self):
        objects = everything()["everything"]
        wanted = {}
        with tempfile.TemporaryDirectory() as folder:
            for _, container in containers(objects, folder):
                topics = tomllib.loads(container.config)["topics"]
                wanted |= {topics["prefix"] + topic["name"]: topic for topic in topics.values() if isinstance(topic, dict)}
        made = {}
        for topic in of_kind(objects, "KafkaTopic").values():
            self.assertEqual("events", topic["metadata"]["labels"]["strimzi.io/cluster"])
            spec = topic["spec"]
            days = spec["config"]["retention.ms"] // 86_400_000
            made[spec["topicName"]] = {
                "name": spec["topicName"].removeprefix("shop."),
                "partitions": spec["partitions"],
                "replication": spec["replicas"],
                "retention": f"{days}days",
            }
        self.assertEqual(wanted, made)
        self.assertEqual(6, len(made))

    def test_users_have_the_least_rights(self):
        users = {component(user): rights(user) for user in of_kind(everything()["kafka users"], "KafkaUser").values()}
        write, read = {"Write", "Describe", "DescribeConfigs"}, {"Read", "Describe"}
        stock = {
            "high-priority-updates": write,
            "virtual-stock-updates": write,
            "critical-stock-events": write,
            "stock-audit-logs": write,
        }
        acl = {
            "stock-retry-topic": write | read,
            "stock-dead-letter-topic": write,
            "high-priority-updates": read,
            "virtual-stock-updates": read,
        }
        for service, topics, groups in (("virtual-stock", stock, set()), ("acl", acl, {"acl-stock-consumer-group"})):
            wanted = {("topic", topic, right) for topic, all_rights in topics.items() for right in all_rights}
            self.assertEqual(wanted | {("group", group, "Read") for group in groups}, users[service])

    def test_what_acl_reads_is_what_its_subscriptions_read(self):
        default = tomllib.loads((ROOT / "services/acl/config.default.toml").read_text())["subscriptions"]
        for name, values in CI.items():
            merged = helm.Chart.load(CHART).merge_values(values)
            changed = merged["acl"]["config"]["subscriptions"]
            subscriptions = [default.get(key, {}) | changed.get(key, {}) for key in default.keys() | changed.keys()]
            wanted = {(read["group"], tuple(read["topics"])) for read in subscriptions if read.get("enabled")}
            self.assertEqual(wanted, {(read["group"], tuple(read["topics"])) for read in merged["acl"]["reads"]}, name)

    def test_poolers_are_in_session_mode_and_gone_through(self):
        objects = everything()["postgresql with a pooler"]
        poolers = of_kind(objects, "Pooler")
        self.assertEqual({"session"}, {pooler["spec"]["pgbouncer"]["poolMode"] for pooler in poolers.values()})
        with tempfile.TemporaryDirectory() as folder:
            for name, container in containers(objects, folder):
                for url in (value for key, value in container.environment.items() if key.endswith("DATABASE__URL")):
                    self.assertIn(re.match(r"postgres://u:secret@([^:]+):5432/x$", url)[1], poolers, name)

    def test_data_outlive_the_release(self):
        for kind in ("Cluster", "KafkaTopic"):
            for found in of_kind(everything()["everything"], kind).values():
                self.assertEqual("keep", found["metadata"]["annotations"]["helm.sh/resource-policy"])


class Binaries(Test):
    """What the pods would run is accepted by the services themselves."""

    @classmethod
    def setUpClass(cls):
        for binary in BINARIES.values():
            if not binary.exists():
                raise AssertionError(f"{binary.relative_to(ROOT)} is missing: run make build first")

    def test_every_command_line_environment_and_file_is_accepted(self):
        checked, seen = Counter(), set()
        for variant, objects in everything().items():
            with tempfile.TemporaryDirectory() as folder:
                for name, container in containers(objects, folder):
                    if container.identity in seen:
                        continue
                    seen.add(container.identity)
                    with self.subTest(variant, pod=name):
                        ran = container.run("check-config")
                        self.assertEqual((0, "the configuration can be used\n", ""), (ran.returncode, ran.stdout, ran.stderr))
                        ran = container.run(*container.subcommand(), "--help")
                        self.assertEqual((0, ""), (ran.returncode, ran.stderr))
                        self.assertIn(f"{container.service} {container.subcommand()[0]} ", ran.stdout)
                        checked[f"{container.service} {' '.join(container.subcommand())}"] += 1
        for command in ("serve", "migrate", "topics", "topics --check"):
            for service in BINARIES:
                self.assertGreater(checked[f"{service} {command}"], 0)

    def test_values_of_every_kind_arrive(self):
        values = minimal(
            {
                "virtualStock.config.outbox": {"max_bytes": 20_000_000_000, "keep_days": 3},
                "traces.ratio": 0.25,
                "kafka.options": {"client.rack": 'a "quoted" \\ <rack>'},
            }
        )
        with tempfile.TemporaryDirectory() as folder:
            objects = render(values)
            template = of_kind(objects, "Deployment")["shop-api"]["spec"]["template"]
            container = Container(objects, template, folder)
            config = tomllib.loads(container.config)
            ran = container.run("check-config")

        self.assertEqual(0, ran.returncode, ran.stderr)
        self.assertEqual({"max_bytes": 20_000_000_000, "keep_days": 3}, config["outbox"])
        self.assertEqual(0.25, config["traces"]["ratio"])
        self.assertEqual('a "quoted" \\ <rack>', config["kafka"]["options"]["client.rack"])

    def test_credentials_for_kafka_arrive_beside_the_options(self):
        """librdkafka says at once what it cannot use; with the right settings it begins to look for brokers."""
        right = {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "SCRAM-SHA-512"}
        wrong = right | {"sasl.mechanism": "NONE-SUCH"}
        for options, secret, refusal in ((wrong, "kafka", "NONE-SUCH"), (right, "", "must be set"), (right, "kafka", None)):
            values = minimal(
                {"kafka.brokers": "127.0.0.1:1", "kafka.options": options, "acl.kafkaCredentials.secretName": secret}
            )
            with self.subTest(options, secret=secret), tempfile.TemporaryDirectory() as folder:
                objects = render(values)
                container = Container(objects, of_kind(objects, "Job")["shop-acl-topics"]["spec"]["template"], folder)
                command, options = container.command()
                with subprocess.Popen(command, stderr=subprocess.PIPE, **options) as process:
                    try:
                        self.assertIn(refusal or "it looks for brokers", process.communicate(timeout=3)[1])
                    except subprocess.TimeoutExpired:
                        process.kill()
                        self.assertIsNone(refusal)


class Running(Test):
    """The pods' commands one after the other, as in an installation, on a real PostgreSQL; Kafka is away meanwhile."""

    KEY = "chart-test-key"

    @classmethod
    def setUpClass(cls):
        Binaries.setUpClass()
        if not (POSTGRES / "postgres").exists():
            raise AssertionError("PostgreSQL is missing: run scripts/setup.sh first, without DATABASE_URL")
        cls.folder = tempfile.mkdtemp(prefix="chart-", dir="/tmp")
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        os.chmod(cls.folder, 0o755)
        data = f"{cls.folder}/data"
        os.mkdir(data)
        # PostgreSQL does not run as root.
        user = {}
        if os.geteuid() == 0:
            os.chown(data, 65534, 65534)
            shutil.copytree(POSTGRES.parent, f"{cls.folder}/postgres")
            user = {"user": 65534, "group": 65534, "extra_groups": []}
        binaries = pathlib.Path(cls.folder, "postgres/bin") if user else POSTGRES
        options = {"cwd": data, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **user}
        cls.port = free_port()
        subprocess.run([binaries / "initdb", "-D", data, "-U", "u", "-A", "trust", "--no-sync"], check=True, **options)
        subprocess.run(
            [binaries / "postgres", "--single", "-D", data, "postgres"], input=b"CREATE DATABASE acl\n", check=True, **options
        )
        server = subprocess.Popen(
            [binaries / "postgres", "-D", data, "-h", "127.0.0.1", "-k", "", "-p", str(cls.port), "-F"], **options
        )
        cls.addClassCleanup(server.wait)
        cls.addClassCleanup(server.send_signal, signal.SIGINT)
        key = {
            "name": "test",
            "sha256": hashlib.sha256(cls.KEY.encode()).hexdigest(),
            "scopes": ["stock:read", "stock:write", "stock:reserve"],
        }
        cls.objects = render(
            minimal(
                {"kafka.brokers": "127.0.0.1:1", "virtualStock.config.auth.api_keys": [key], "tests.apiKey.secretName": "key"}
            )
        )

    def container(self, pod: str, database: str) -> Container:
        container = Container(self.objects, pods(self.objects)[pod], f"{self.folder}/{pod.replace(' ', '-')}")
        prefix = "ACL" if container.service == "acl" else "VIRTUAL_STOCK"
        if f"{prefix}__DATABASE__URL" in container.environment:
            container.environment[f"{prefix}__DATABASE__URL"] = f"postgres://u@127.0.0.1:{self.port}/{database}"
        self.http, self.management = free_port(), free_port()
        container.environment |= {
            f"{prefix}__{name}__LISTEN": f"127.0.0.1:{port}"
            for name, port in (("HTTP", self.http), ("MANAGEMENT", self.management))
        }
        return container

    def migrate(self, pod: str, database: str) -> None:
        ran = None
        for _ in range(40):
            ran = self.container(pod, database)
            ran = ran.run(*ran.subcommand())
            if ran.returncode == 0:
                break
            # The server may not be there yet.
            time.sleep(0.25)
        self.assertEqual(0, ran.returncode, ran.stderr)

    def serve(self, pod: str, database: str) -> dict:
        """Starts it, waits for its start, asks the other probes."""
        container = self.container(pod, database)
        command, options = container.command()
        log = open(f"{self.folder}/{container.service}.log", "w+")
        self.addCleanup(log.close)
        self.process = subprocess.Popen(command, stdout=log, stderr=log, **options)
        self.addCleanup(self.process.kill)
        spec = pods(self.objects)[pod]["spec"]
        main = spec["containers"][0]
        deadline = time.monotonic() + 30
        while self.status(main["startupProbe"]) != 200:
            log.seek(0)
            self.assertIsNone(self.process.poll(), log.read())
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.1)
        self.assertEqual((200, 200), (self.status(main["readinessProbe"]), self.status(main["livenessProbe"])))
        return spec

    def stop(self, spec: dict) -> None:
        began = time.monotonic()
        self.process.terminate()
        ended = self.process.wait(timeout=spec["terminationGracePeriodSeconds"])
        self.assertEqual(0, ended)
        sleep = spec["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
        self.assertLess(time.monotonic() - began, spec["terminationGracePeriodSeconds"] - sleep)

    def status(self, probe: dict) -> int:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.management}{probe['httpGet']['path']}", timeout=5) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def test_virtual_stock_migrates_serves_and_passes_the_test_pod(self):
        self.migrate("Job shop-api-migrate", "postgres")
        spec = self.serve("Deployment shop-api", "postgres")
        http = self.http
        # Once more, beside the version that serves.
        management = self.management
        self.migrate("Job shop-api-migrate", "postgres")
        self.management = management
        test = pods(self.objects)["Pod shop-test"]["spec"]["containers"][0]
        environment = {variable["name"]: variable.get("value") for variable in test["env"]}
        self.assertEqual({"SERVICE": "http://shop-api:8080", "API_KEY": None}, environment)
        run = lambda key: subprocess.run(  # noqa: E731
            test["command"] + test["args"],
            capture_output=True,
            text=True,
            env={"PATH": os.environ["PATH"], "SERVICE": f"http://127.0.0.1:{http}", "API_KEY": key},
        )

        passed, refused = run(self.KEY), run("wrong")
        metrics = urllib.request.urlopen(f"http://127.0.0.1:{management}/metrics").read().decode()
        self.stop(spec)

        self.assertEqual(0, passed.returncode, passed.stdout + passed.stderr)
        self.assertTrue(passed.stdout.endswith("a unit was reserved, and given back\n"))
        self.assertNotEqual(0, refused.returncode)
        self.assertIn('"code":"unauthenticated"', refused.stdout)
        self.assertIn("stock_reserved_total 1", metrics)

    def test_acl_migrates_and_serves(self):
        self.migrate("Job shop-acl-migrate", "acl")
        spec = self.serve("Deployment shop-acl", "acl")
        self.stop(spec)


class PlantedFaults(Test):
    """Each checker is shown to turn red."""

    def planted(self, change) -> list[dict]:
        objects = copy.deepcopy(everything()["everything"])
        change(objects)
        return objects

    def test_a_key_that_kubernetes_does_not_know(self):
        def change(objects):
            of_kind(objects, "Deployment")["shop-api"]["spec"]["template"]["spec"]["containers"][0]["lifecycles"] = {}
            of_kind(objects, "ScaledObject")["shop-acl"]["spec"]["maxReplicas"] = 3
            of_kind(objects, "Cluster")["shop-api-db"]["spec"]["instances"] = "three"

        for version in KUBERNETES:
            found = kubeconform({"planted": self.planted(change)}, version)
            self.assertEqual(3, len(found))
            for name in ("lifecycles", "maxReplicas", "instances"):
                self.assertIn(name, " ".join(found))

    def test_a_kind_without_a_schema(self):
        unknown = {"apiVersion": "example.com/v1", "kind": "Unknown", "metadata": {"name": "x"}}
        self.assertIn("could not find schema", kubeconform({"planted": [unknown]}, KUBERNETES[0])[0])

    def test_a_container_without_a_security_context(self):
        def change(objects):
            del of_kind(objects, "Job")["shop-acl-topics"]["spec"]["template"]["spec"]["containers"][0]["securityContext"]

        objects = self.planted(change)
        self.assertEqual(5, len(insecure(objects)))
        self.assertTrue(any("shop-acl-topics" in line for line in kube_score(objects)))

    def test_a_container_without_limits(self):
        def change(objects):
            del of_kind(objects, "Deployment")["shop-acl"]["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"][
                "memory"
            ]

        self.assertEqual(["Deployment shop-acl: acl.resources.limits is {'memory'}"], insecure(self.planted(change)))

    def test_secrets(self):
        def change(objects):
            container = of_kind(objects, "Deployment")["shop-api"]["spec"]["template"]["spec"]["containers"][0]
            container["env"].append({"name": "MAIL_PASSWORD", "value": "hunter2"})
            container["env"].append({"name": "URL", "value": "postgres://u:hunter2@db/x"})
            of_kind(objects, "ConfigMap")["shop-acl"]["data"]["config.toml"] += '\npassword = "hunter2"\n'
            objects.append({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x", "labels": {}}})

        self.assertEqual(4, len(secrets_in(self.planted(change))))

    def test_a_setting_that_the_service_does_not_know(self):
        objects = render(minimal({"virtualStock.config.executor": {"lines": 2}}))
        with tempfile.TemporaryDirectory() as folder:
            template = of_kind(objects, "Deployment")["shop-api"]["spec"]["template"]
            ran = Container(objects, template, folder).run("check-config")
        self.assertEqual(1, ran.returncode)
        self.assertIn("executor.lines", ran.stderr)

    def test_a_subcommand_that_there_is_not(self):
        objects = everything()["minimal"]
        with tempfile.TemporaryDirectory() as folder:
            template = of_kind(objects, "Deployment")["shop-api"]["spec"]["template"]
            ran = Container(objects, template, folder).run("server", "--help")
        self.assertNotEqual(0, ran.returncode)

    def test_a_file_in_no_mount(self):
        def change(objects):
            of_kind(objects, "Deployment")["shop-acl"]["spec"]["template"]["spec"]["containers"][0]["volumeMounts"].pop()

        objects = self.planted(change)
        with tempfile.TemporaryDirectory() as folder, self.assertRaisesRegex(AssertionError, "in no mount"):
            list(containers(objects, folder))

    def test_a_template_that_cannot_be_rendered(self):
        with tempfile.TemporaryDirectory() as folder:
            chart = pathlib.Path(folder, "virtual-stock")
            shutil.copytree(CHART, chart)
            service = chart / "templates/service.yaml"
            service.write_text(service.read_text().replace("$service.service.type", "$service.typo.type"))
            self.assertTrue(lint(CI["minimal"], chart))

    def test_one_port_more(self):
        def change(objects):
            of_kind(objects, "NetworkPolicy")["shop-api"]["spec"]["egress"][0]["ports"].append({"port": 22, "protocol": "TCP"})

        labels = pods(everything()["everything"])["Deployment shop-api"]["metadata"]["labels"]
        self.assertIn((22, "TCP"), openings(self.planted(change), labels)["Egress"])
        self.assertNotIn((22, "TCP"), openings(everything()["everything"], labels)["Egress"])

    def test_a_default_that_the_table_does_not_have(self):
        values, page = (CHART / "values.yaml").read_text(), (CHART / "README.md").read_text()
        self.assertNotEqual(page, table_of_values(page, values.replace("maxReplicas: 15", "maxReplicas: 16")))
        with self.assertRaisesRegex(SystemExit, "kafka.brokers has no comment"):
            table_of_values(page, re.sub(r"  # Needed: brokers.*\n", "", values))


if __name__ == "__main__":
    result = unittest.main(exit=False, verbosity=2 if "-v" in sys.argv else 1).result
    failed = {str(getattr(test, "test_case", test)) for test, _ in result.failures + result.errors}
    print(f"{result.testsRun - len(failed)} passed, {len(failed)} failed")
    sys.exit(0 if result.wasSuccessful() and result.testsRun else 1)
