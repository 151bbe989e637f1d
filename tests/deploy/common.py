"""What the checks share: where things are, how programs are run, and the smallest readers of the files that are checked."""

import functools
import json
import os
import re
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCAL = ROOT / ".local"
SERVICES = ("virtual-stock", "acl")
PROGRAMS = (*SERVICES, "partner-sim")
CHART = ROOT / "helm/virtual-stock/files"


def run(*arguments, **options):
    """A finished process, with what it said."""
    options = {"capture_output": True, "text": True, "timeout": 120, "cwd": ROOT, **options}
    return subprocess.run([str(argument) for argument in arguments], check=False, **options)


def said(process):
    return (process.stdout or "") + (process.stderr or "")


def binary(name):
    return ROOT / "target/debug" / name


def tool(name):
    """A program that scripts/deploy.sh or scripts/setup.sh has fetched, or that is installed."""
    for folder in ("deploy/bin", "prometheus", "nginx", "postgres-client/bin", "servers/postgres/bin"):
        path = LOCAL / folder / name
        if os.access(path, os.X_OK):
            return path
    found = shutil.which(name)
    return Path(found) if found else None


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def eventually(what, look, patience=30):
    """What `look` finds, once it finds something."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"{what}: not within {patience} s")


@dataclass
class Instruction:
    """A line of a Dockerfile."""

    word: str
    text: str


@dataclass
class Stage:
    """What is between two FROM lines."""

    base: str
    name: str
    instructions: list

    def texts(self, word):
        return [one.text for one in self.instructions if one.word == word]


def stages(text):
    """The stages of a Dockerfile, with the defaults of its global arguments in their bases."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n", " ", "\n".join(lines))
    arguments, found = {}, []
    for line in filter(None, map(str.strip, joined.splitlines())):
        word, _, rest = line.partition(" ")
        word, rest = word.upper(), " ".join(rest.split())
        if word == "ARG" and not found:
            name, _, value = rest.partition("=")
            arguments[name] = value
        elif word == "FROM":
            base = re.sub(r"\$\{(\w+)\}", lambda match: arguments.get(match[1], ""), rest)
            base, _, name = base.partition(" AS ")
            found.append(Stage(base, name, []))
        else:
            found[-1].instructions.append(Instruction(word, rest))
    return found


def dockerfile():
    return (ROOT / "Dockerfile").read_text()


def environment_of(target):
    """What the image sets in the environment."""
    stage = next(stage for stage in stages(dockerfile()) if stage.name == target)
    pairs = [pair for text in stage.texts("ENV") for pair in text.split()]
    return dict(pair.split("=", 1) for pair in pairs)


@functools.cache
def compose(*profiles, **variables):
    """compose.yaml as Docker Compose understands it."""
    chosen = [word for profile in profiles for word in ("--profile", profile)]
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **variables}
    process = run(tool("docker-compose"), *chosen, "config", "--format", "json", env=environment)
    assert process.returncode == 0, said(process)
    return json.loads(process.stdout)


def settings_of(service, **variables):
    """The environment of a container of one of our services."""
    described = compose(**variables)["services"][service]
    image = described["image"].split(":")[0]
    return {**environment_of(image), **(described.get("environment") or {})}
