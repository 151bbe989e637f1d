"""What other operators are asked for."""

import re
import tempfile
import tomllib

import helm_python as helm
import yaml

from checks import CHART, CI, ROOT, component, containers, of_kind, rights
from common import Test, everything


class Operators(Test):
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
        self.assertEqual(7, len(made))

    def test_users_have_the_least_rights(self):
        users = {component(user): rights(user) for user in of_kind(everything()["kafka users"], "KafkaUser").values()}
        write, read = {"Write", "Describe", "DescribeConfigs"}, {"Read", "Describe"}
        stock = {
            "high-priority-updates": write,
            "virtual-stock-updates": write,
            "critical-stock-events": write,
            "stock-audit-logs": write,
            "stock-clock": write,
        }
        acl = {
            "stock-retry-topic": write | read,
            "stock-dead-letter-topic": write,
            "stock-clock": write,
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
