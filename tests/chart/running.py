"""The pods' commands one after the other, as in an installation, on a real PostgreSQL; Kafka is away meanwhile."""

import hashlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

from binaries import Binaries
from checks import POSTGRES, Container, minimal, pods, render
from common import Test


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Running(Test):
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
