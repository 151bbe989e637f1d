#!/usr/bin/env python3
"""Writes the table of values in the chart's README from the comments in its values.yaml.

Run it with the Python that scripts/chart.sh has made: .local/chart/bin/python scripts/chart-values.py
"""

import json
import pathlib

import yaml

CHART = pathlib.Path(__file__).parents[1] / "helm/virtual-stock"
START = "<!-- values: written by scripts/chart-values.py from values.yaml -->\n"
# Tables that are one value; so is every table on one line.
WHOLE = ("resources", "annotations")


def described(text: str) -> list[tuple[str, object, str]]:
    """Path, default and comment of every value; of a table with values that are described, only path and comment."""
    lines = [line.strip() for line in text.splitlines()]

    def comment(node: yaml.Node) -> str:
        first = node.start_mark.line
        while first and lines[first - 1].startswith("# "):
            first -= 1
        return " ".join(line.removeprefix("# ") for line in lines[first : node.start_mark.line])

    def walk(table: yaml.MappingNode, path: str) -> list[tuple[str, object, str]]:
        rows = []
        for key, value in table.value:
            about = comment(key)
            if isinstance(value, yaml.MappingNode) and not value.flow_style and key.value not in WHOLE:
                rows += [(path + key.value, None, about)] if about else []
                rows += walk(value, f"{path}{key.value}.")
            elif about:
                rows.append((path + key.value, yaml.safe_load(yaml.serialize(value)), about))
            else:
                raise SystemExit(f"values.yaml: {path}{key.value} has no comment")
        return rows

    return walk(yaml.compose(text), "")


def row(path: str, default: object, about: str) -> str:
    """A line of the table."""
    shown = json.dumps(default, ensure_ascii=False)
    shown = "" if default is None else f" `{shown}`" if len(shown) <= 60 else " see values.yaml"
    return f"| `{path}` |{shown} | {about} |\n"


def readme(old: str, values: str) -> str:
    """The page with its table written anew."""
    head, _, _ = old.partition(START)
    table = "".join(row(*value) for value in described(values))
    return f"{head}{START}\n| value | default | what |\n| --- | --- | --- |\n{table}"


if __name__ == "__main__":
    page = CHART / "README.md"
    page.write_text(readme(page.read_text(), (CHART / "values.yaml").read_text()))
