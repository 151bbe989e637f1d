"""Licences, the workflow, and that what the pages name is there."""

import re
import tempfile
import tomllib
import unittest
from pathlib import Path

import yaml
from common import ROOT, run, said, tool

PAGES = ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "docs/DEPLOYMENT.md")


def workflow_faults(text):
    """What is wrong with a workflow."""
    workflow = yaml.safe_load(text)
    found = [] if workflow.get("permissions") == {} else ["it has permissions for all jobs"]
    for name, job in workflow["jobs"].items():
        if "timeout-minutes" not in job:
            found.append(f"{name} may run for ever")
        if job.get("permissions") != {"contents": "read"}:
            found.append(f"{name} may write")
    for action, comment in re.findall(r"uses: (\S+)(.*)", text):
        if not re.search(r"@[0-9a-f]{40}$", action) or not re.match(r" # v\d+\.\d+\.\d+$", comment):
            found.append(f"{action} is not pinned")
    return found


def missing(text):
    """Paths and tests that a page names between backticks, and that are not there."""
    sources = [path.read_text() for folder in ("crates", "services", "tests") for path in (ROOT / folder).rglob("*.rs")]
    found = []
    for name in re.findall(r"`([^`\s]+)`", text):
        is_path = "/" in name and re.fullmatch(r"[\w./-]+", name) and not name.startswith("/")
        if is_path and not (ROOT / name).exists():
            found.append(name)
        # Tests have names of several words.
        if re.fullmatch(r"[a-z0-9]+(?:_[a-z0-9]+){3,}", name) and not any(f"fn {name}" in source for source in sources):
            found.append(name)
    return found


def broken(page, text):
    """Links that lead to no file or no heading."""
    found = []
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if link.startswith("http"):
            continue
        path, _, heading = link.partition("#")
        file = (ROOT / page).parent / path if path else ROOT / page
        if not file.exists():
            found.append(link)
        elif heading:
            headings = re.findall(r"^#+ (.*)$", file.read_text(), re.MULTILINE)
            if heading not in [re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in headings]:
                found.append(link)
    return found


class Dependencies(unittest.TestCase):
    def deny(self, text):
        """cargo-deny's verdict on what is linked on this kind of machine."""
        with tempfile.TemporaryDirectory() as folder:
            arguments = ("--format-version", "1", "--locked", "--filter-platform", "x86_64-unknown-linux-gnu")
            described = run("cargo", "metadata", *arguments)
            self.assertEqual(described.returncode, 0, described.stderr)
            (Path(folder) / "metadata.json").write_text(described.stdout)
            (Path(folder) / "deny.toml").write_text(text)
            files = ("--metadata-path", f"{folder}/metadata.json", "--config", f"{folder}/deny.toml")
            return run(tool("cargo-deny"), *files, "check", "licenses", "bans", "sources")

    def test_licences_and_sources_are_allowed_and_planted_faults_are_found(self):
        text = (ROOT / "deny.toml").read_text()
        allowed = self.deny(text)
        self.assertIn("bans ok, licenses ok, sources ok", said(allowed))

        without = self.deny(text.replace('    "ISC",\n', ""))
        self.assertIn("licenses FAILED", said(without))
        unused = self.deny(text.replace('    "ISC",\n', '    "ISC",\n    "MPL-2.0",\n'))
        self.assertIn("licenses FAILED", said(unused))
        banned = self.deny(text.replace('crate = "openssl"', 'crate = "openssl-sys"'))
        self.assertIn("bans FAILED", said(banned))

    def test_the_licences_that_the_workspace_names_are_there(self):
        package = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]
        self.assertEqual(package["license"], "MIT OR Apache-2.0")
        self.assertIn("Permission is hereby granted, free of charge", (ROOT / "LICENSE-MIT").read_text())
        self.assertIn("Version 2.0, January 2004", (ROOT / "LICENSE-APACHE").read_text())
        self.assertIn(f"## [{package['version']}]", (ROOT / "CHANGELOG.md").read_text())


class Workflow(unittest.TestCase):
    def test_it_runs_the_tests_with_pinned_actions_and_planted_faults_are_found(self):
        text = (ROOT / ".github/workflows/ci.yaml").read_text()
        self.assertEqual(workflow_faults(text), [])
        commands = [step.get("run") for step in yaml.safe_load(text)["jobs"]["test"]["steps"]]
        self.assertIn(".ci/run", commands)
        self.assertIn("exec make test", (ROOT / ".ci/run").read_text())
        for old, new, fault in (
            ("permissions: {}", "permissions: write-all", "it has permissions for all jobs"),
            ("contents: read", "contents: write", "test may write"),
            ("@3d3c42e5aac5ba805825da76410c181273ba90b1", "@v7", "actions/checkout@v7 is not pinned"),
            ("    timeout-minutes: 90\n", "", "test may run for ever"),
        ):
            self.assertIn(fault, workflow_faults(text.replace(old, new)))


class Pages(unittest.TestCase):
    def test_what_the_recipes_name_is_there_and_a_planted_gap_is_found(self):
        text = (ROOT / "CONTRIBUTING.md").read_text()
        self.assertEqual(missing(text), [])
        for old, new in (("src/stock/touched.rs", "src/stock/seen.rs"), ("schemathesis_finds_nothing", "nothing_is_found_by_it")):
            self.assertEqual(len(missing(text.replace(old, new))), 1, new)

    def test_links_lead_somewhere_and_a_planted_one_does_not(self):
        for page in PAGES:
            self.assertEqual(broken(page, (ROOT / page).read_text()), [], page)
        self.assertEqual(broken("SECURITY.md", "[x](docs/NONE.md) [y](docs/API.md#none)"), ["docs/NONE.md", "docs/API.md#none"])
