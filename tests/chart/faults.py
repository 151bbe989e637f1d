"""Each checker is shown to turn red."""

import copy
import pathlib
import re
import shutil
import tempfile

from checks import (
    CHART,
    CI,
    KUBERNETES,
    Container,
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
    secrets_in,
    table_of_values,
)
from common import Test, everything


class PlantedFaults(Test):
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
