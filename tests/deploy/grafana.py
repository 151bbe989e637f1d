"""The dashboards against the types that Grafana's own packages are made with: there is no Grafana here to show them in."""

import copy
import json
import tempfile
import unittest
from pathlib import Path

from common import CHART, LOCAL, run, said

PACKAGES = LOCAL / "grafana/node_modules"
STRICT = ("--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext", "--moduleResolution", "nodenext")


def typed(dashboard):
    """TypeScript that compiles where the dashboard, and each of its panels, is what Grafana takes."""
    panels = [deeper for panel in dashboard["panels"] for deeper in (panel, *panel.get("panels", []))]
    constants = [("Dashboard", {**dashboard, "panels": []})]
    constants += [("RowPanel" if panel["type"] == "row" else "Panel", panel) for panel in panels]
    lines = [f"export const x{n}: {kind} = {json.dumps(value)};" for n, (kind, value) in enumerate(constants)]
    return "\n".join(["import type {Dashboard, Panel, RowPanel} from '@grafana/schema';", *lines])


def compiled(dashboards):
    """What the compiler says of the dashboards."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "node_modules").symlink_to(PACKAGES)
        files = [Path(folder) / f"{name}.ts" for name in dashboards]
        for file, dashboard in zip(files, dashboards.values(), strict=True):
            file.write_text(typed(dashboard))
        return run("node", PACKAGES / "typescript/bin/tsc", *STRICT, *files, cwd=folder)


class Dashboards(unittest.TestCase):
    def setUp(self):
        files = sorted((CHART / "dashboards").glob("*.json"))
        self.shipped = {file.stem: json.loads(file.read_text()) for file in files}
        self.assertGreaterEqual(len(self.shipped), 7)

    def planted(self, change):
        """What the compiler says of one dashboard with a fault."""
        dashboard = copy.deepcopy(next(iter(self.shipped.values())))
        change(dashboard)
        return compiled({"planted": dashboard})

    def test_they_are_of_grafanas_types(self):
        process = compiled(self.shipped)
        self.assertEqual(process.returncode, 0, said(process))

    def test_a_misspelt_key_is_found(self):
        process = self.planted(lambda dashboard: dashboard.update(tittle="Orders"))
        self.assertIn("does not exist in type 'Dashboard'", said(process))

    def test_a_panel_that_is_nowhere_is_found(self):
        process = self.planted(lambda dashboard: dashboard["panels"][-1]["gridPos"].pop("w"))
        self.assertIn("Property 'w' is missing", said(process))
