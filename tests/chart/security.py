"""Pods have no more rights than they need, and nothing holds a secret."""

import re

import yaml

from checks import CHART, insecure, pods, secrets_in, strings
from common import Test, everything


class Security(Test):
    def test_every_pod_is_restricted(self):
        for name, objects in everything().items():
            with self.subTest(name):
                self.assertGreaterEqual(len(pods(objects)), 4)
                self.fine(insecure(objects))

    def test_there_are_no_secrets(self):
        for name, objects in everything().items():
            with self.subTest(name):
                self.fine(secrets_in(objects))

    def test_no_value_looks_like_a_password(self):
        files = [CHART / "values.yaml", CHART / "values-eks.yaml", *(CHART / "ci").iterdir()]
        for file in files:
            # Names of Secrets and of their keys are none.
            for path, text in strings(yaml.safe_load(file.read_text())):
                key = re.split(r"[.\]]", path)[-1]
                named = re.search(r"(?i)(name|key|url)$|secretEnv|mounts|\.(token|client_secret)\.(env|file)$", path)
                with self.subTest(file.name, value=path):
                    self.assertFalse(re.search(r"(?i)password|secret|token", key) and text and not named)
                    self.assertNotRegex(text, r"://[^/\s:@]+:[^/\s@]+@|whsec_|PRIVATE KEY")
