"""What the pods would run is accepted by the services themselves."""

import subprocess
import tempfile
import tomllib
from collections import Counter

from checks import BINARIES, ROOT, Container, containers, minimal, of_kind, render
from common import Test, everything


class Binaries(Test):
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
