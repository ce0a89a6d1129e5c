"""`roony control export|apply`: the rules of the whole organization out of a running Roony, and into it."""

from __future__ import annotations

from itertools import groupby
from typing import Any

import yaml

from roony.cli.output import WRONG_USE, fail
from roony.cli.remote import Remote, error_of, said
from roony.cli.rules_file import Rules, line_of

_SIDES = (("-", "before"), ("+", "after"))
RULES = "/api/v1/admin/rules"


def to_yaml(document: Rules, versions: bool) -> str:
    """The document as a file that `apply` reads."""
    if not versions:
        document = _without_versions(document)
    return str(yaml.safe_dump(document, sort_keys=False, allow_unicode=True))


def _without_versions(document: Rules) -> Rules:
    return {
        name: _without_versions(value) if isinstance(value, dict) else value
        for name, value in document.items()
        if not (name == "version" and isinstance(value, str))
    }


def put(remote: Remote, name: str, rules: Rules, lines: dict[str, int], **query: Any) -> dict[str, Any]:
    """What Roony says of these rules; ends the command, with the line of the file, where they cannot be."""
    given = {name: value for name, value in query.items() if value is not None}
    answer = remote.call("PUT", RULES, rules, params=given)
    if answer.status_code in (404, 422):
        words = said(answer)
        error = error_of(answer)
        fail(f"{name}: line {line_of(error.get('field') or '', lines)}: {words}", WRONG_USE, error)
    return dict(remote.accepted(answer))


def as_diff(changes: list[dict[str, Any]]) -> str:
    """The changes for a person to read before they are made, scope by scope."""
    text = []
    for path, rows in groupby(changes, key=lambda row: row["path"]):
        for place, row in enumerate(rows):
            if not place:
                text.append(f"{row['scope']} {row['scope_id'] or path} ({row['name']})")
            if row["field"] == "new":
                text[-1] += ": new"
                continue
            text.append(f"  {row['field']}")
            text += [
                f"    {sign} {row[side]}" for sign, side in (("-", "before"), ("+", "after")) if row[side] is not None
            ]
    return "\n".join(text)


def stale_words(stale: list[dict[str, str]]) -> str:
    """What somebody else changed since the file was exported."""
    return "\n".join(f"{row['path']}: its {row['what']} were changed since the file was exported." for row in stale)


def keyless(changes: list[dict[str, Any]]) -> list[str]:
    """How each new agent gets its key."""
    made = [row for row in changes if row["field"] == "new" and row["scope"] == "agent"]
    return [f"{row['name']} has no key yet. Next: roony agent key new {row['scope_id']}" for row in made]
