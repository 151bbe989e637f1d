"""The Dockerfile, and what goes into the images."""

import json
import os
import re
import tomllib
import unittest

from common import PROGRAMS, ROOT, SERVICES, binary, dockerfile, run, said, stages, tool

# What the runtime image has, by Debian package: distroless's base/config.bzl and cc/config.bzl for debian13.
LIBRARIES = {
    "ld-linux-x86-64.so.2": "libc6",
    "ld-linux-aarch64.so.1": "libc6",
    "libc.so.6": "libc6",
    "libm.so.6": "libc6",
    "libpthread.so.0": "libc6",
    "libdl.so.2": "libc6",
    "librt.so.1": "libc6",
    "libgcc_s.so.1": "libgcc-s1",
    "libgomp.so.1": "libgomp1",
    "libstdc++.so.6": "libstdc++6",
    "libssl.so.3": "libssl3t64",
    "libcrypto.so.3": "libssl3t64",
    "libz.so.1": "zlib1g",
    "libzstd.so.1": "libzstd1",
}
RELEASES = {"bookworm": "debian12", "trixie": "debian13"}


def needed(program):
    """The libraries that a program is linked with, by name, and where they are here."""
    found = {}
    for line in run("ldd", program).stdout.splitlines():
        match = re.match(r"\s*(\S+) => (/\S+)", line) or re.match(r"\s*(/(?:\S*/)?([^/\s]+)) \(", line)
        if match and match[2].startswith("/"):
            found[match[1]] = match[2]
        elif match:
            found[match[2]] = match[1]
    return found


def strangers(libraries):
    return sorted(set(libraries) - set(LIBRARIES))


def faults(text):
    """What is wrong with a Dockerfile."""
    all_stages = stages(text)
    named = {stage.name: stage for stage in all_stages}
    found = []
    for stage in all_stages:
        if stage.base not in named and not re.search(r":[\w.-]*\d[\w.-]*$|debian\d+:nonroot$|@sha256:\w{64}$", stage.base):
            found.append(f"{stage.base} is not pinned")
        for text in stage.texts("COPY"):
            words = text.split()
            origin = [word for word in words if word.startswith("--from=")]
            if origin and origin[0].removeprefix("--from=") not in named:
                found.append(f"{origin[0]} is no stage")
            sources = [] if origin else [word for word in words if not word.startswith("--")][:-1]
            found += [f"{source} does not exist" for source in sources if not (ROOT / source).exists()]
            found += [f"{source} is not in the context" for source in sources if ignored(source) and source != "."]
    for target in PROGRAMS:
        line, stage = [], named.get(target)
        while stage:
            line, stage = [*line, stage], named.get(stage.base)

        def last(word):
            return next((text for stage in line for text in reversed(stage.texts(word))), "")

        user = last("USER").split(":")[0]
        if not user.isdigit() or user == "0":
            found.append(f"{target} runs as {user or 'root'}")
        for word in ("ENTRYPOINT", "CMD"):
            if not last(word).startswith("["):
                found.append(f"{target}: {word} needs a shell")
        if not line or line[-1].base != line[0].base and not line[-1].base.startswith("gcr.io/distroless/"):
            found.append(f"{target} is not built on distroless")
        health = last("HEALTHCHECK")
        if target in SERVICES:
            command = health[health.find("CMD ") + 4 :]
            if not command.startswith("["):
                found.append(f"{target}: HEALTHCHECK needs a shell")
            elif json.loads(command) != [f"/usr/local/bin/{target}", "healthcheck"]:
                found.append(f"{target}: HEALTHCHECK does not ask {target}")
        elif health != "NONE":
            found.append(f"{target}: HEALTHCHECK asks what is not there")
        for label in ("title", "version", "revision", "licenses", "source"):
            if not any(f"org.opencontainers.image.{label}=" in text for stage in line for text in stage.texts("LABEL")):
                found.append(f"{target} has no label {label}")
    return found


def ignored(path, rules=None):
    """Whether .dockerignore keeps a path out: the last rule that names it, or a folder that it is in, decides."""
    rules = rules if rules is not None else (ROOT / ".dockerignore").read_text()
    parts = str(path).split("/")
    parents = ["/".join(parts[: n + 1]) for n in range(len(parts))]
    out = False
    for line in filter(None, (line.strip() for line in rules.splitlines())):
        if line.startswith("#"):
            continue
        pattern = re.escape(line.removeprefix("!")).replace(r"\*", "[^/]*")
        if any(re.fullmatch(pattern, parent) for parent in parents):
            out = not line.startswith("!")
    return out


def compiled(program):
    """The files that were read to build a program."""
    listed = (ROOT / f"target/debug/{program}.d").read_text().split(": ", 1)[1]
    # What the build has made itself is made again; what another checkout was built of has the same names.
    paths = (os.path.normpath(path) for path in listed.split() if "/target/" not in path)
    named = (re.search(r"/((?:crates|services|tests|docs)/.*)", path.removeprefix(str(ROOT))) for path in paths)
    return [match[1] for match in named if match]


class Dockerfile(unittest.TestCase):
    def test_hadolint_finds_nothing_and_a_planted_fault(self):
        planted = dockerfile().replace("FROM ${RUNTIME}", "FROM debian:latest")

        clean = run(tool("hadolint"), "Dockerfile")
        dirty = run(tool("hadolint"), "-", input=planted)

        self.assertEqual(clean.returncode, 0, said(clean))
        self.assertIn("DL3007", said(dirty))

    def test_the_rules_of_this_repository_are_kept_and_planted_faults_are_found(self):
        self.assertEqual(faults(dockerfile()), [])
        for old, new, fault in (
            ("ARG RUST=1.95.0", "ARG RUST=latest", "rust:latest-trixie is not pinned"),
            ("cc-debian13:nonroot\n", "cc-debian13\n", "cc-debian13 is not pinned"),
            ("USER 65532:65532", "USER root", "acl runs as root"),
            ('CMD ["serve"]', "CMD serve", "virtual-stock: CMD needs a shell"),
            ('["/usr/local/bin/acl", "healthcheck"]', "curl localhost", "acl: HEALTHCHECK needs a shell"),
            ('["/usr/local/bin/acl", "healthcheck"]', '["/bin/true"]', "acl: HEALTHCHECK does not ask acl"),
            ("COPY LICENSE-MIT", "COPY LICENCE", "LICENCE does not exist"),
            ("COPY LICENSE-MIT", "COPY README.md", "README.md is not in the context"),
            ("--from=build", "--from=biuld", "--from=biuld is no stage"),
        ):
            with self.subTest(fault):
                planted = dockerfile().replace(old, new)
                self.assertNotEqual(planted, dockerfile())
                self.assertTrue(any(fault in found for found in faults(planted)), faults(planted))

    def test_programs_run_on_the_debian_that_they_were_built_on_by_the_compiler_that_the_workspace_asks_for(self):
        found = stages(dockerfile())
        base, debian = re.fullmatch(r"rust:([\d.]+)-(\w+)", found[0].base).groups()
        runtime = next(stage for stage in found if stage.name == "runtime").base
        wanted = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]

        self.assertIn(f"-{RELEASES[debian]}:", runtime)
        self.assertEqual(base.rsplit(".", 1)[0], wanted["rust-version"])
        self.assertIn(f"ARG VERSION={wanted['version']}", dockerfile())


class Contents(unittest.TestCase):
    def test_the_context_has_all_that_is_compiled_and_little_else(self):
        for program in PROGRAMS:
            files = compiled(program)
            self.assertGreater(len(files), 5)
            self.assertEqual([path for path in files if ignored(path)], [], program)
        for path in (".git/config", ".local/demo.json", "target/debug/acl", "docs/API.md", "helm/values.yaml", "tests/data/market-days.csv"):
            self.assertTrue(ignored(path), path)

        # The golden events are compiled into acl: without them the build fails.
        rules = (ROOT / ".dockerignore").read_text().replace("!docs/contracts\n", "")
        self.assertTrue([path for path in compiled("acl") if ignored(path, rules)])

    def test_every_library_that_is_needed_is_in_the_runtime_image(self):
        for program in PROGRAMS:
            libraries = needed(binary(program))
            self.assertIn("libc.so.6", libraries)
            self.assertEqual(strangers(libraries), [], program)

        self.assertEqual(strangers({"libc.so.6": "", "libcurl.so.4": ""}), ["libcurl.so.4"])
