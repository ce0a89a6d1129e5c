"""The table of every call of the HTTP API, made from the OpenAPI document and the permissions."""

from __future__ import annotations

from roony.web.openapi import TAGS
from roony.web.permissions import PERMISSIONS
from tests.docs.surface import openapi

# What any call behind a key can be answered with; the table names what a call has besides.
ALWAYS = {"401", "403", "413", "429", "503"}


def api_page() -> str:
    """A table for each part of the API, in the order of the OpenAPI document."""
    parts: dict[str, list[str]] = {tag: [] for tag in TAGS}
    for path, operations in openapi()["paths"].items():
        for method, operation in operations.items():
            needed = PERMISSIONS[method.upper(), path]
            answers = [status for status in operation["responses"] if status not in ALWAYS]
            parts[operation["tags"][0]].append(
                f"| `{method.upper()} {path}` | {_cell(operation['summary'])} | {needed} | {' '.join(answers)} |"
            )
    lines = []
    for tag, rows in parts.items():
        if rows:
            lines += [f"### {tag}", "", f"{TAGS[tag].rstrip('.')}.", ""]
            lines += ["| Call | What it does | Needs | Answers |", "| --- | --- | --- | --- |", *rows, ""]
    return "\n".join(lines).rstrip()


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
