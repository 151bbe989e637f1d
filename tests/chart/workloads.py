"""Deployments: how they start, end, are spread and scaled."""

import tempfile
import tomllib

import helm_python as helm

from checks import CHART, CI, ROOT, Container, component, minimal, of_kind, render
from common import Test, everything


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
