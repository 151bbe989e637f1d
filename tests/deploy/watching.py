"""Prometheus, Alertmanager and Grafana, as compose mounts their files."""

import json
import re
import shutil
import tempfile
import unittest
from pathlib import Path

import yaml
from common import CHART, ROOT, SERVICES, compose, environment_of, run, said, tool


def mounted(service):
    """What is mounted into a service: the place in the container, and the file here."""
    volumes = compose("observe", "search")["services"][service]["volumes"]
    return {volume["target"]: Path(volume["source"]) for volume in volumes if volume["type"] == "bind"}


def laid_out(service, folder, below):
    """The files of a service in a folder, as they lie below a folder of its container."""
    for target, source in mounted(service).items():
        if target.startswith(below):
            place = Path(folder) / target.removeprefix(below).lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, place)


def dashboards():
    return [json.loads(path.read_text()) for path in sorted((CHART / "dashboards").glob("*.json"))]


def members(value, name):
    """Every member of that name, however deep."""
    if isinstance(value, dict):
        found = [value[name]] if name in value else []
        return found + [deeper for one in value.values() for deeper in members(one, name)]
    if isinstance(value, list):
        return [deeper for one in value for deeper in members(one, name)]
    return []


def unanswered(sources, boards):
    """What the dashboards ask that no data source answers."""
    types = {source["type"] for source in sources}
    uids = {source["uid"]: source["type"] for source in sources}
    found = []
    for board in boards:
        variables = board["templating"]["list"]
        chosen = {f"${{{one['name']}}}": one["query"] for one in variables if one["type"] == "datasource"}
        for source in members(board, "datasource"):
            if source["type"] not in types:
                found.append(f"{board['uid']}: no data source is a {source['type']}")
            of_uid = chosen.get(source["uid"], uids.get(source["uid"]))
            if of_uid != source["type"]:
                found.append(f"{board['uid']}: {source['uid']} is no {source['type']}")
    return sorted(set(found))


class Prometheus(unittest.TestCase):
    def check(self, change=lambda text: text):
        with tempfile.TemporaryDirectory() as folder:
            laid_out("prometheus", folder, "/etc/prometheus")
            config = Path(folder) / "prometheus.yaml"
            config.write_text(change(config.read_text()))
            return run(tool("promtool"), "check", "config", config)

    def test_promtool_takes_the_settings_with_the_shipped_rules_and_refuses_a_planted_fault(self):
        good = self.check()
        wrong = self.check(lambda text: text.replace("dns_sd_configs", "dns_configs"))

        self.assertEqual(good.returncode, 0, said(good))
        for rules in ("alerts.yaml", "recording.yaml"):
            self.assertRegex(said(good), rf"rules/{rules}")
        self.assertNotIn("0 rules found", said(good))
        self.assertNotEqual(wrong.returncode, 0)

    def test_it_looks_at_the_management_listeners_under_the_names_that_the_rules_know(self):
        config = yaml.safe_load((ROOT / "deploy/prometheus.yaml").read_text())
        jobs = {job["job_name"]: job["dns_sd_configs"][0] for job in config["scrape_configs"]}

        self.assertEqual(set(jobs), set(SERVICES))
        rules = (CHART / "prometheus/alerts.yaml").read_text()
        self.assertIn('up{job=~"virtual-stock|acl"}', rules)
        for name, looked_up in jobs.items():
            self.assertEqual(looked_up["names"], [name])
            prefix = name.upper().replace("-", "_")
            listen = environment_of(name)[f"{prefix}__MANAGEMENT__LISTEN"]
            self.assertEqual(listen, f"0.0.0.0:{looked_up['port']}")
        told = config["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"]
        self.assertEqual(told, ["alertmanager:9093"])


class Alertmanager(unittest.TestCase):
    def test_amtool_takes_the_settings_and_refuses_a_planted_fault(self):
        (source,) = mounted("alertmanager").values()
        good = run(tool("amtool"), "check-config", source)
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as planted:
            planted.write(source.read_text().replace("receiver: nobody", "receiver: somebody"))
            planted.flush()
            wrong = run(tool("amtool"), "check-config", planted.name)

        self.assertEqual(good.returncode, 0, said(good))
        self.assertNotEqual(wrong.returncode, 0)


class Grafana(unittest.TestCase):
    def setUp(self):
        self.files = mounted("grafana")
        text = self.files["/etc/grafana/provisioning/datasources/virtual-stock.yaml"].read_text()
        self.variables = set(re.findall(r"\$\{(\w+)\}", text))
        self.sources = yaml.safe_load(text)["datasources"]

    def test_the_data_sources_answer_what_the_dashboards_ask_and_a_planted_gap_is_found(self):
        self.assertGreaterEqual(len(dashboards()), 7)
        self.assertEqual(unanswered(self.sources, dashboards()), [])
        self.assertEqual(len({source["uid"] for source in self.sources}), len(self.sources))
        self.assertEqual([source["type"] for source in self.sources if source.get("isDefault")], ["prometheus"])

        without = [source for source in self.sources if source["type"] != "grafana-postgresql-datasource"]
        self.assertIn("no data source is a grafana-postgresql-datasource", "".join(unanswered(without, dashboards())))
        wrong = [{**board, "panels": [{"datasource": {"type": "prometheus", "uid": "another"}}]} for board in dashboards()]
        self.assertIn("another is no prometheus", "".join(unanswered(self.sources, wrong)))

    def test_every_variable_of_the_data_sources_is_set(self):
        environment = compose("observe")["services"]["grafana"]["environment"]
        self.assertEqual(self.variables - set(environment), set())
        self.assertGreaterEqual(len(self.variables), 6)

    def test_the_dashboards_lie_where_they_are_looked_for(self):
        text = self.files["/etc/grafana/provisioning/dashboards/virtual-stock.yaml"].read_text()
        (provider,) = yaml.safe_load(text)["providers"]
        self.assertEqual(self.files[provider["options"]["path"]], CHART / "dashboards")

    def test_the_viewer_of_traces_is_where_the_dashboards_link_to(self):
        (port,) = compose("observe")["services"]["jaeger"]["ports"]
        viewers = {one["query"] for board in dashboards() for one in board["templating"]["list"] if one["name"] == "traces"}
        self.assertEqual(viewers, {f"http://localhost:{port['published']}"})
