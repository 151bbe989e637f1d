"""The programs as they run in their image: alone with their libraries and certificates in a root that nobody can write, without a
shell, as nobody."""

import os
import shutil
import signal
import subprocess
import tempfile
import threading
import unittest
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from common import PROGRAMS, SERVICES, binary, eventually, free_port, run, said, settings_of
from images import needed

NOBODY = 65532
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
# The root becomes unwritable; then what comes is run in it.
ENTER = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec chroot {user} "$0" "$@"'


def means():
    """How a root of its own is entered here: as root, by sudo, or in a user namespace."""
    if os.geteuid() == 0:
        return [], ["unshare", "--mount"], f"--userspec={NOBODY}:{NOBODY}"
    if shutil.which("sudo") and run("sudo", "-n", "true").returncode == 0:
        return ["sudo", "-n"], ["unshare", "--mount"], f"--userspec={NOBODY}:{NOBODY}"
    return [], ["unshare", "--map-root-user", "--mount"], ""


class Jail:
    """A root with one program in it."""

    def __init__(self, program, without=()):
        self.root = Path(tempfile.mkdtemp(prefix="virtual-stock-root-"))
        self.root.chmod(0o755)
        (self.root / "tmp").mkdir()
        (self.root / "tmp").chmod(0o1777)
        self.program = f"/usr/local/bin/{program.name}"
        self.put(program, self.program)
        for name, path in needed(program).items():
            if name not in without:
                self.put(path, path)
        self.put(CERTIFICATES, CERTIFICATES)

    def put(self, source, path):
        place = self.root / str(path).lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, place)

    def command(self, arguments, environment):
        before, apart, user = means()
        pairs = [f"{name}={value}" for name, value in environment.items()]
        path = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]
        enter = ["sh", "-c", ENTER.format(user=user), str(self.root), self.program]
        return [*before, "env", "-i", *path, *pairs, *apart, *enter, *arguments]

    def run(self, *arguments, **environment):
        return run(*self.command(arguments, environment))

    def start(self, *arguments, **environment):
        command = self.command(arguments, environment)
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.root)


def end(process):
    """What a process says at its end, after SIGTERM."""
    if means()[0]:
        run("sudo", "-n", "kill", "-TERM", process.pid)
    else:
        process.send_signal(signal.SIGTERM)
    return process.communicate(timeout=60)[0]


def status(url):
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None


class Readiness:
    """A management listener that says whether it is ready."""

    def __init__(self, answer):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(answer if self.path == "/actuator/health/readiness" else 404)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.address = f"127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        return self.address

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


class EmptyRoot(unittest.TestCase):
    def test_the_root_is_what_it_says_unwritable_and_entered_as_nobody(self):
        with Jail(Path(shutil.which("touch"))) as jail:
            touched = jail.run("/tmp/here")
        with Jail(Path(shutil.which("id"))) as jail:
            who = jail.run("-u")

        self.assertIn("Read-only file system", said(touched))
        self.assertEqual(who.stdout.strip(), str(NOBODY) if means()[2] else "0")

    def test_a_library_that_is_not_there_is_missed(self):
        with Jail(binary("virtual-stock"), without=["libz.so.1"]) as jail:
            started = jail.run("--version")

        self.assertEqual(started.returncode, 127)
        self.assertIn("libz.so.1", said(started))

    def test_the_partner_simulator_ends_by_sigterm(self):
        port = free_port()
        with Jail(binary("partner-sim")) as jail:
            process = jail.start("--listen", f"127.0.0.1:{port}")
            eventually("it answers", lambda: status(f"http://127.0.0.1:{port}/simulator"))
            end(process)
            self.assertEqual(process.returncode, 0)

    def test_programs_start_and_read_the_settings_of_compose(self):
        for name in PROGRAMS:
            with self.subTest(name), Jail(binary(name)) as jail:
                version = jail.run("--version")
                self.assertRegex(version.stdout, rf"^{name} \d+\.\d+\.\d+$")
                if name in SERVICES:
                    checked = jail.run("check-config", **settings_of(name))
                    self.assertEqual(checked.returncode, 0, said(checked))

    def test_the_health_check_says_what_the_service_says(self):
        for name in SERVICES:
            prefix = name.upper().replace("-", "_")
            with Jail(binary(name)) as jail:

                def check(address):
                    settings = {**settings_of(name), f"{prefix}__MANAGEMENT__LISTEN": address}
                    return jail.run("healthcheck", **settings).returncode

                with Readiness(200) as address:
                    self.assertEqual(check(address), 0, name)
                with Readiness(503) as address:
                    self.assertEqual(check(address), 1, name)
                self.assertEqual(check(f"0.0.0.0:{free_port()}"), 1, name)

    def test_services_serve_without_writing_anything_and_end_when_asked(self):
        for name in SERVICES:
            prefix = name.upper().replace("-", "_")
            public, management, nothing = free_port(), free_port(), free_port()
            settings = {
                **settings_of(name),
                f"{prefix}__HTTP__LISTEN": f"0.0.0.0:{public}",
                f"{prefix}__MANAGEMENT__LISTEN": f"0.0.0.0:{management}",
                f"{prefix}__DATABASE__URL": f"postgres://nobody@127.0.0.1:{nothing}/nothing",
                f"{prefix}__KAFKA__BROKERS": f"127.0.0.1:{nothing}",
            }
            with self.subTest(name), Jail(binary(name)) as jail:
                process = jail.start("serve", **settings)
                try:
                    health = f"http://127.0.0.1:{management}/actuator/health"
                    eventually("it lives", lambda: status(f"{health}/liveness") == 200 or process.poll())
                    ready = status(f"{health}/readiness")
                    checked = jail.run("healthcheck", **settings)
                finally:
                    log = end(process)
                self.assertEqual(ready, 503, log)
                self.assertEqual(checked.returncode, 1, log)
                self.assertEqual(process.returncode, 0, log)
