"""Network policies."""

import tempfile
import tomllib

import helm_python as helm

from checks import CHART, CI, Container, of_kind, openings, pods, selects
from common import Test, everything


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
