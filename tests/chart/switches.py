"""What switches add and remove, and what values are refused."""

from collections import Counter

import helm_python as helm

from checks import CI, minimal, of_kind, render
from common import SWITCHES, Test, everything


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
