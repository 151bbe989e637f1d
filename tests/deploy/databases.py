"""deploy/databases.sql on a real PostgreSQL, and the service behind the balancer with compose's settings: the page's first requests."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import unittest
from pathlib import Path

from balancer import Nginx
from common import CHART, LOCAL, ROOT, binary, compose, eventually, free_port, run, said, settings_of, tool

NOBODY = 65534


def unprivileged():
    """PostgreSQL refuses to run as root."""
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}


class Postgres:
    """A server with fresh data, as compose's container has them."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="virtual-stock-postgres-", dir="/var/tmp"))
        self.port = free_port()
        self.process = None
        installed = LOCAL / "servers/postgres"
        if os.geteuid() == 0:
            # Nobody may not be able to reach the project's folder.
            shutil.copytree(installed, self.folder / "installed", symlinks=True)
            installed = self.folder / "installed"
            os.chown(self.folder, NOBODY, NOBODY)
        self.binaries, self.data = installed / "bin", self.folder / "data"

    def __enter__(self):
        options = {"cwd": "/", **unprivileged()}
        initdb = [self.binaries / "initdb", "--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-sync", "-D", self.data]
        made = run(*initdb, **options)
        assert made.returncode == 0, said(made)
        # As in the image: whoever comes over the network shows a password.
        (self.data / "pg_hba.conf").write_text("host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n")
        settings = {"port": self.port, "listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off"}
        more = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        command = [self.binaries / "postgres", "-D", self.data, *more]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen([str(word) for word in command], **quiet, **options)
        eventually("PostgreSQL answers", lambda: self.psql("postgres", "SELECT 1").returncode == 0)
        return self

    def psql(self, database, *commands, user="postgres", password="", file=None, **environment):
        address = f"host=127.0.0.1 port={self.port} dbname={database} user={user} password={password}"
        words = [word for command in commands for word in ("-c", command)] + (["-f", file] if file else [])
        environment = {"PATH": os.environ["PATH"], **environment}
        return run(tool("psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", address, *words, env=environment)

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(timeout=60)
        shutil.rmtree(self.folder)


def passwords():
    return {name: value for name, value in compose()["services"]["postgres"]["environment"].items() if name.endswith("PASSWORD")}


@unittest.skipUnless((LOCAL / "servers/postgres/bin/initdb").exists(), "`make servers` has fetched no PostgreSQL")
class Databases(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.postgres = cls.enterClassContext(Postgres())
        cls.made = cls.postgres.psql("postgres", file=ROOT / "deploy/databases.sql", **passwords())
        cls.settings = {name: cls.settings_at(name) for name in ("virtual-stock", "acl")}
        cls.migrated = [run(binary(name), "migrate", env=cls.settings[name]) for name in cls.settings]

    @classmethod
    def settings_at(cls, name):
        prefix = name.upper().replace("-", "_")
        settings = settings_of(name)
        url = settings[f"{prefix}__DATABASE__URL"]
        return {**settings, f"{prefix}__DATABASE__URL": url.replace("postgres:5432", f"127.0.0.1:{cls.postgres.port}")}

    def as_grafana(self, sql, database="virtual_stock"):
        password = passwords()["GRAFANA_DATABASE_PASSWORD"]
        return self.postgres.psql(database, sql, user="grafana", password=password)

    def test_each_service_makes_its_tables_with_the_users_and_passwords_of_compose(self):
        self.assertEqual(self.made.returncode, 0, said(self.made))
        for migrated in self.migrated:
            self.assertEqual(migrated.returncode, 0, said(migrated))
        wrong = self.settings["acl"]["ACL__DATABASE__URL"].replace("demo-only-acl", "another")
        refused = run(binary("acl"), "migrate", env={**self.settings["acl"], "ACL__DATABASE__URL": wrong})
        self.assertIn("password authentication failed", said(refused))

    def test_neither_service_reaches_the_others_database(self):
        refused = self.postgres.psql("acl", "SELECT 1", user="virtual_stock", password=passwords()["VIRTUAL_STOCK_DATABASE_PASSWORD"])
        self.assertIn("permission denied", said(refused))
        refused = self.postgres.psql("virtual_stock", "SELECT 1", user="acl", password=passwords()["ACL_DATABASE_PASSWORD"])
        self.assertIn("permission denied", said(refused))

    def test_grafana_reads_what_the_dashboards_ask_and_changes_nothing(self):
        found = [path.read_text() for path in (CHART / "dashboards").glob("*.json")]
        targets = [target for text in found for panel in json.loads(text)["panels"] for target in panel.get("targets", [])]
        asked = [target["rawSql"] for target in targets if "rawSql" in target]
        self.assertTrue(asked)
        for sql in asked:
            read = self.as_grafana(sql)
            self.assertEqual(read.returncode, 0, said(read))
        self.assertIn("read-only transaction", said(self.as_grafana("DELETE FROM stocks")))
        self.assertIn("permission denied", said(self.as_grafana("BEGIN READ WRITE; DELETE FROM stocks")))
        self.assertIn("permission denied", said(self.as_grafana("SELECT 1", database="acl")))

    def test_a_dump_is_restored_by_the_databases_owner(self):
        here = self.settings["virtual-stock"]["VIRTUAL_STOCK__DATABASE__URL"]
        programs = {"PATH": f"{tool('pg_dump').parent}:{os.environ['PATH']}"}
        with Postgres() as another, tempfile.TemporaryDirectory() as folder:
            there = here.replace(f":{self.postgres.port}/", f":{another.port}/")
            another.psql("postgres", file=ROOT / "deploy/databases.sql", **passwords())
            dump = Path(folder) / "virtual-stock.dump"
            for process in (
                run(ROOT / "deploy/backup.sh", here, dump, env=programs),
                run(ROOT / "deploy/restore.sh", dump, there, env=programs),
                run(binary("virtual-stock"), "migrate", env={**self.settings["virtual-stock"], "VIRTUAL_STOCK__DATABASE__URL": there}),
                another.psql("virtual_stock", "SELECT count(*) FROM stocks", user="grafana", password=passwords()["GRAFANA_DATABASE_PASSWORD"]),
            ):
                self.assertEqual(process.returncode, 0, said(process))

    def test_the_first_requests_of_the_page_are_answered_as_it_says(self):
        page = (ROOT / "docs/DEPLOYMENT.md").read_text()
        shown = re.findall(r"^\$ (curl .*)\n(.*)$", page, re.MULTILINE)
        self.assertGreaterEqual(len(shown), 3)
        # Two instances, as compose has them.
        instances = []
        for _ in range(2):
            public, management = free_port(), free_port()
            settings = {
                **self.settings["virtual-stock"],
                "VIRTUAL_STOCK__HTTP__LISTEN": f"0.0.0.0:{public}",
                "VIRTUAL_STOCK__MANAGEMENT__LISTEN": f"0.0.0.0:{management}",
                "VIRTUAL_STOCK__KAFKA__BROKERS": f"127.0.0.1:{free_port()}",
            }
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            process = subprocess.Popen([binary("virtual-stock"), "serve"], env=settings, **quiet)
            self.addCleanup(lambda process=process: (process.terminate(), process.wait(timeout=60)))
            eventually("it is ready", lambda settings=settings: run(binary("virtual-stock"), "healthcheck", env=settings).returncode == 0)
            instances.append(public)
        nginx = self.enterContext(Nginx(instances))
        for command, wanted in shown:
            words = shlex.split(command)
            words = [word.replace("127.0.0.1:8080", f"127.0.0.1:{nginx.ports[8080]}") for word in words]
            answer = run(*words).stdout.strip()
            pattern = ".*".join(re.escape(part) for part in wanted.split("…"))
            self.assertRegex(answer, f"^{pattern}$", command)
