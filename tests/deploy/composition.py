"""compose.yaml: what Docker Compose says of it, and what it asks of the programs and files here."""

import copy
import hashlib
import re
import tomllib
import unittest
from pathlib import Path

from common import PROGRAMS, ROOT, SERVICES, binary, compose, dockerfile, run, said, settings_of, stages, tool

ALL = ("observe", "search")
# What cannot be so, and why.
WRITES = {"opensearch": "its start writes a key store beside its settings"}
WITHOUT_HEALTH = {"jaeger": "its image has no program to ask with", "partner-sim": "it has no such command"}


def services():
    return compose(*ALL)["services"]


def is_ours(service):
    return service["image"].split(":")[0] in PROGRAMS


def ends(name, all_services):
    """Whether it is a command and no service."""
    waits = (one.get("depends_on", {}).get(name, {}) for one in all_services.values())
    return any(wait.get("condition") == "service_completed_successfully" for wait in waits)


def has_health(name, service):
    if "healthcheck" in service:
        return not service["healthcheck"].get("disable", False)
    image = service["image"].split(":")[0]
    built = [stage for stage in stages(dockerfile()) if stage.name == image]
    return any(text != "NONE" for stage in built for text in stage.texts("HEALTHCHECK"))


def faults(all_services):
    """What is wrong with the services."""
    found = []
    for name, service in all_services.items():
        if service.get("cap_drop") != ["ALL"]:
            found.append(f"{name} has capabilities")
        if service.get("security_opt") != ["no-new-privileges:true"]:
            found.append(f"{name} may get privileges")
        if not service.get("read_only") and name not in WRITES:
            found.append(f"{name} may write its root")
        if service.get("privileged") or service.get("network_mode") == "host":
            found.append(f"{name} is not contained")
        if not re.search(r":v?\d+\.\d+\.\d+$|:\d+\.\d+(\.\d+)?-\w+$", service["image"]):
            found.append(f"{name}: {service['image']} is not pinned")
        if not ends(name, all_services) and not has_health(name, service) and name not in WITHOUT_HEALTH:
            found.append(f"{name} has no health check")
        for port in service.get("ports", []):
            if port.get("host_ip") != "127.0.0.1":
                found.append(f"{name} listens for everybody")
        for volume in service.get("volumes", []):
            if volume["type"] != "bind":
                continue
            source = Path(volume["source"])
            if not source.exists():
                found.append(f"{name}: there is no {source.name}")
            if not volume.get("read_only"):
                found.append(f"{name} may write {source.name}")
        for other, wait in service.get("depends_on", {}).items():
            healthy = wait["condition"] == "service_healthy"
            if healthy and not has_health(other, all_services[other]):
                found.append(f"{name} waits for ever for {other}")
    return found


def seconds(text):
    """A duration, as settings or compose have it."""
    units = {"h": 3600, "m": 60, "s": 1, "ms": 0.001, "": 1}
    return sum(float(number) * units[unit] for number, unit in re.findall(r"([\d.]+)(ms|[hms]?)", str(text)) if number != ".")


class Composition(unittest.TestCase):
    def test_docker_compose_takes_it_with_every_profile_and_refuses_a_planted_fault(self):
        for profiles in ((), ("observe",), ("search",), ALL):
            words = [word for profile in profiles for word in ("--profile", profile)]
            process = run(tool("docker-compose"), *words, "config", "--quiet")
            self.assertEqual(process.returncode, 0, said(process))
            self.assertEqual(said(process), "")

        text = (ROOT / "compose.yaml").read_text()
        for old, new in (("    command: [migrate]", "    comand: [migrate]"), ("kafka: {condition", "kafca: {condition")):
            planted = run(tool("docker-compose"), "-f", "-", "config", "--quiet", input=text.replace(old, new))
            self.assertNotEqual(planted.returncode, 0, new)

    def test_what_only_some_want_does_not_start_by_default(self):
        some = {"prometheus", "alertmanager", "grafana", "jaeger", "opensearch"}
        self.assertEqual(set(services()) - set(compose()["services"]), some)

    def test_services_are_locked_in_pinned_and_watched_and_planted_faults_are_found(self):
        self.assertEqual(faults(services()), [])
        for name, member, value, fault in (
            ("acl", "cap_drop", ["NET_RAW"], "acl has capabilities"),
            ("acl", "security_opt", [], "acl may get privileges"),
            ("postgres", "read_only", False, "postgres may write its root"),
            ("balancer", "image", "nginx:latest", "balancer: nginx:latest is not pinned"),
            ("balancer", "healthcheck", {"disable": True}, "balancer has no health check"),
            ("balancer", "ports", [{"target": 8080, "published": "8080"}], "balancer listens for everybody"),
            ("grafana", "volumes", [{"type": "bind", "source": "/no/such.yaml", "target": "/x"}], "grafana: there is no such.yaml"),
            ("acl", "depends_on", {"partner-sim": {"condition": "service_healthy"}}, "acl waits for ever for partner-sim"),
        ):
            with self.subTest(fault):
                planted = copy.deepcopy(services())
                planted[name][member] = value
                self.assertIn(fault, faults(planted))

    def test_the_programs_take_the_settings_of_their_containers_and_refuse_a_misspelt_one(self):
        ours = {name: service for name, service in services().items() if is_ours(service)}
        self.assertGreaterEqual(len(ours), 7)
        for name, service in ours.items():
            program = service["image"].split(":")[0]
            if program not in SERVICES:
                continue
            for variables in ({}, {"TRACES_RATIO": "1", "AUDIT_SEARCH": "true"}):
                settings = settings_of(name, **variables)
                checked = run(binary(program), "check-config", env=settings)
                self.assertEqual(checked.returncode, 0, f"{name}: {said(checked)}")

            prefix = program.upper().replace("-", "_")
            misspelt = {**settings_of(name), f"{prefix}__KAFKA__BROKER": "kafka:9092"}
            self.assertNotEqual(run(binary(program), "check-config", env=misspelt).returncode, 0)
            # Whoever could reach the listener could change stocks.
            key = f"{prefix}__AUTH__MODE"
            self.assertEqual(settings_of(name)[key], "required")
            opened = run(binary(program), "check-config", env={**settings_of(name), key: "none"})
            self.assertIn("auth.mode", said(opened))

    def test_commands_are_commands_of_the_program(self):
        for service in filter(is_ours, services().values()):
            program = service["image"].split(":")[0]
            for word in service.get("command") or []:
                helped = run(binary(program), word, "--help")
                self.assertEqual(helped.returncode, 0, said(helped))

    def test_two_of_each_service_start_after_tables_and_topics_and_may_end_in_peace(self):
        for name in SERVICES:
            service = services()[name]
            self.assertEqual(service["deploy"]["replicas"], 2)
            for before in (f"{name}-migrate", f"{name}-topics", "virtual-stock-topics"):
                self.assertEqual(service["depends_on"][before]["condition"], "service_completed_successfully")
            defaults = tomllib.loads((ROOT / f"services/{name}/config.default.toml").read_text())
            drain = seconds(defaults["shutdown"]["drain"])
            longest = {"virtual-stock": drain, "acl": 2 * (drain + 5)}[name]
            self.assertGreater(seconds(service["stop_grace_period"]), longest)

    def test_every_default_secret_says_that_it_is_one_of_the_demo_and_the_page_names_its_variable(self):
        text = (ROOT / "compose.yaml").read_text()
        defaults = dict(re.findall(r"\$\{(\w+):-([^}]*)\}", text))
        secrets = {name: value for name, value in defaults.items() if re.search("PASSWORD|KEY", name)}
        self.assertGreaterEqual(len(secrets), 7)
        demo_keys = {hashlib.sha256(key.encode()).hexdigest(): key for key in re.findall(r"demo-only-[\w-]+", text)}
        page = (ROOT / "docs/DEPLOYMENT.md").read_text()
        for name, value in secrets.items():
            if name.endswith("SHA256"):
                self.assertIn(demo_keys[value], page)
            else:
                self.assertTrue(value.startswith("demo-only-"), name)
        for name in defaults:
            self.assertIn(f"`{name}`", page)
