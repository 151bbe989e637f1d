"""What the tests share: the variants of the chart, and how a test says what is wrong."""

import functools
import unittest

from checks import CHART, CI, minimal, render

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
    "kafka topics": ({"strimzi.topics": True, "strimzi.cluster": "events"}, {"KafkaTopic": 7}),
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


class Test(unittest.TestCase):
    maxDiff = None

    def fine(self, wrong: list[str]) -> None:
        self.assertEqual([], wrong)
