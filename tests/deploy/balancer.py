"""The balancer's settings in a real nginx: which requests reach another instance, and which never do."""

import http.client
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import unittest
from pathlib import Path

from common import ROOT, SERVICES, compose, environment_of, eventually, free_port, run, said, tool

FILES = ("nginx.conf", "proxy.conf", "upstreams.conf")
# How long an instance is left out at most: nginx counts whole seconds.
BAN = 2.2


class Nginx:
    """The shipped files, with other instances, ports and a folder of their own."""

    def __init__(self, instances, change=lambda name, text: text):
        self.folder = Path(tempfile.mkdtemp(prefix="virtual-stock-balancer-"))
        self.folder.chmod(0o755)
        self.ports = {8080: free_port(), 8081: free_port()}
        for name in FILES:
            text = (ROOT / "deploy" / name).read_text()
            text = re.sub(r"listen (\d+);", lambda match: f"listen 127.0.0.1:{self.ports[int(match[1])]};", text)
            for service in SERVICES:
                servers = (f"server 127.0.0.1:{port} max_fails=1 fail_timeout=1s;" for port in instances)
                text = re.sub(rf"server {service}:\d+ resolve max_fails=1 fail_timeout=1s;", " ".join(servers), text)
            (self.folder / name).write_text(change(name, text))
        self.process = None

    def command(self, *more):
        return [str(tool("nginx")), "-e", "stderr", "-p", str(self.folder), "-c", str(self.folder / "nginx.conf"), *more]

    def check(self):
        return run(*self.command("-t"))

    def __enter__(self):
        log = (self.folder / "log").open("w")
        self.process = subprocess.Popen(self.command("-g", "daemon off;"), stdout=log, stderr=log)
        eventually("nginx answers", lambda: self.is_up())
        return self

    def is_up(self):
        try:
            return self.request("GET", "/balancer")[0] == 200
        except OSError:
            return False

    def request(self, method, path="/api/v1/virtual-stock/stocks/STK-1", body=None, port=8080, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[port], timeout=20)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read().decode(), dict(answer.getheaders())
        finally:
            connection.close()

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=20)
        shutil.rmtree(self.folder)


class Instance:
    """Stands in for a service: answers with its name, or takes a request and breaks off, or is not there."""

    def __init__(self, name):
        self.name = name
        self.breaks = False
        self.seen = []
        self.listener, self.port = None, 0
        self.start()

    def start(self):
        self.listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def accept(self, listener):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self.answer, args=(connection,), daemon=True).start()

    def answer(self, connection):
        with connection, connection.makefile("rb") as stream:
            method = stream.readline().decode().split()[0]
            headers = {}
            while line := stream.readline().decode().strip():
                name, _, value = line.partition(":")
                headers[name.lower()] = value.strip()
            body = stream.read(int(headers.get("content-length", 0)))
            self.seen.append((method, headers, body))
            if self.breaks:
                return
            if headers.get("transfer-encoding") == "chunked":
                self.echo(connection, stream)
                return
            text = self.name.encode()
            connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text))

    @staticmethod
    def echo(connection, stream):
        connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            size = int(stream.readline(), 16)
            piece = stream.read(size)
            stream.readline()
            connection.sendall(b"%x\r\n%s\r\n" % (size, piece))
            if size == 0:
                return


class Balancer(unittest.TestCase):
    def setUp(self):
        self.instances = [Instance("a"), Instance("b")]
        self.addCleanup(lambda: [one.stop() for one in self.instances if one.listener.fileno() != -1])

    def nginx(self, **options):
        return self.enterContext(Nginx([one.port for one in self.instances], **options))

    def seen(self):
        return sum(len(one.seen) for one in self.instances)

    def test_nginx_takes_the_files_and_refuses_a_planted_fault(self):
        good = Nginx([free_port(), free_port()]).check()
        wrong = Nginx([free_port()], change=lambda _, text: text.replace("error_page 502", "eror_page 502")).check()

        self.assertEqual(good.returncode, 0, said(good))
        self.assertNotEqual(wrong.returncode, 0)
        self.assertIn("eror_page", said(wrong))

    def test_the_shipped_instances_are_those_of_compose(self):
        text = (ROOT / "deploy/upstreams.conf").read_text()
        named = dict(re.findall(r"server ([\w-]+):(\d+) resolve max_fails=1 fail_timeout=1s;", text))
        self.assertEqual(set(named), set(SERVICES))
        for name, port in named.items():
            prefix = name.upper().replace("-", "_")
            self.assertEqual(environment_of(name)[f"{prefix}__HTTP__LISTEN"], f"0.0.0.0:{port}")
        self.assertEqual(set(re.findall(r"upstream ([\w-]+) \{", text)), set(SERVICES))
        mounted = {volume["target"] for volume in compose()["services"]["balancer"]["volumes"]}
        self.assertEqual(mounted, {f"/etc/nginx/{name}" for name in FILES})

    def test_both_instances_get_requests_each_on_a_connection_of_its_own(self):
        nginx = self.nginx()
        answers = {nginx.request("POST", body="{}", port=port)[1] for port in nginx.ports for _ in range(6)}

        self.assertEqual(answers, {"a", "b"})
        self.assertEqual({headers["connection"] for one in self.instances for _, headers, _ in one.seen}, {"close"})

    def test_an_instance_that_is_gone_fails_no_request_and_comes_back(self):
        nginx = self.nginx()
        gone = self.instances[0]
        gone.stop()
        body = "x" * 100_000
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE") * 5:
            answer = nginx.request(method, body=None if method == "GET" else body)
            self.assertEqual(answer[:2], (200, "b"), method)
            time.sleep(0.1)
        self.assertTrue(all(method == "GET" or body.decode() == "x" * 100_000 for method, _, body in self.instances[1].seen))
        for path in ("imports", "events/stream"):
            time.sleep(BAN)
            for _ in range(2):
                self.assertEqual(nginx.request("POST", f"/api/v1/virtual-stock/{path}", "{}")[0], 200, path)

        gone.start()
        eventually("it gets requests again", lambda: nginx.request("GET")[1] == "a", patience=BAN + 1)

    def test_an_instance_that_takes_no_connections_fails_no_request_either(self):
        gone = self.instances[0]
        gone.stop()
        # Its queue is full: whoever else connects hears nothing, as from a machine that is gone.
        deaf = self.enterContext(socket.create_server(("127.0.0.1", gone.port), backlog=0))
        for _ in range(3):
            client = self.enterContext(socket.socket())
            client.setblocking(False)
            client.connect_ex(deaf.getsockname())
        nginx = self.nginx()
        for method in ("GET", "POST", "PUT", "POST"):
            self.assertEqual(nginx.request(method, body=None if method == "GET" else "{}")[:2], (200, "b"), method)
            time.sleep(BAN / 2)
        self.assertIn("timed out", (nginx.folder / "log").read_text())

    def test_a_change_that_an_instance_has_got_is_never_sent_again(self):
        nginx = self.nginx()
        for one in self.instances:
            one.breaks = True
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            before = self.seen()
            status, body, headers = nginx.request(method, body="{}")
            self.assertEqual((status, self.seen() - before), (503, 1), method)
            self.assertEqual(headers["Content-Type"], "application/problem+json")
            self.assertEqual(headers["Retry-After"], "1")
            self.assertIn('"code":"outcome-unknown"', body)
            time.sleep(BAN)
        before = self.seen()
        self.assertEqual(nginx.request("GET")[0], 503)
        self.assertEqual(self.seen() - before, 2, "what changes nothing is asked twice")

    def test_without_any_instance_nothing_was_changed_and_the_client_is_told(self):
        for one in self.instances:
            one.stop()
        nginx = self.nginx()
        for method in ("GET", "POST", "PUT"):
            status, body, headers = nginx.request(method, body=None if method == "GET" else "{}")
            self.assertEqual((status, headers["Retry-After"]), (503, "1"))
            self.assertIn('"code":"unavailable"', body)

    def test_the_rules_matter(self):
        # nginx's own rule sends a PUT again.
        planted = {"proxy_next_upstream off": "proxy_next_upstream error timeout"}

        def change(_, text):
            for old, new in planted.items():
                text = text.replace(old, new)
            return text

        nginx = self.nginx(change=change)
        for one in self.instances:
            one.breaks = True
        nginx.request("PUT", body="{}")
        self.assertEqual(self.seen(), 2)

    def test_an_import_is_answered_while_it_is_being_sent(self):
        nginx = self.nginx()
        with socket.create_connection(("127.0.0.1", nginx.ports[8080]), timeout=10) as client:
            head = "POST /api/v1/virtual-stock/imports HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
            client.sendall(head.encode())
            read = b""
            for n in range(3):
                line = b"line %d\n" % n
                client.sendall(b"%x\r\n%s\r\n" % (len(line), line))
                while line not in read:
                    read += client.recv(4096)
            client.sendall(b"0\r\n\r\n")
            while not read.endswith(b"0\r\n\r\n"):
                read += client.recv(4096)
