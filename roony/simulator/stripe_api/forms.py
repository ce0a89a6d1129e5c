"""Form bodies and query strings into trees: `a[b][0]=1`, `a[b][]=1` (facts 7.4)."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

from roony.simulator.refusals import invalid

Tree = dict[str, Any]
_MAX_PAIRS = 2000
_MAX_DEPTH = 8


def read_form(raw: bytes) -> Tree:
    """Return nested dicts of strings; lists stay dicts keyed by position until a field reads them."""
    try:
        pairs = parse_qsl(raw.decode("utf-8"), keep_blank_values=True, max_num_fields=_MAX_PAIRS, errors="strict")
    except (UnicodeDecodeError, ValueError):
        raise invalid("Invalid request: the parameters are not valid UTF-8 form data, or too many.") from None
    tree: Tree = {}
    for name, value in pairs:
        if "\0" in name or "\0" in value:
            raise invalid("Invalid request: the parameters contain a NUL character.")
        _place(tree, name, value)
    return tree


def _place(tree: Tree, name: str, value: str) -> None:
    steps = _steps(name)
    if len(steps) > _MAX_DEPTH:
        raise invalid(f"Invalid parameter: {name[:80]} is nested too deep.", steps[0])
    node = tree
    for place, step in enumerate(steps[:-1]):
        key = _position(node, steps[place + 1 :]) if step == "" else step
        child = node.setdefault(key, {})
        if not isinstance(child, dict):
            raise invalid(f"Invalid hash: {name[:80]}", steps[0])
        node = child
    key = str(len(node)) if steps[-1] == "" else steps[-1]
    if isinstance(node.get(key), dict):
        raise invalid(f"Invalid string: {name[:80]} is given as a hash as well.", steps[0])
    node[key] = value


def _steps(name: str) -> list[str]:
    """Split `a[b][]` into ["a", "b", ""]; a name with stray brackets is one step and then unknown."""
    head, bracket, rest = name.partition("[")
    if not bracket:
        return [name]
    if not rest.endswith("]") or not head:
        return [name]
    parts = rest[:-1].split("][")
    return [name] if any("[" in part or "]" in part for part in parts) else [head, *parts]


def _position(node: Tree, following: list[str]) -> str:
    """Return the list position meant by `[]` in the middle of a name: a repeated key starts a new element."""
    if not node:
        return "0"
    last = str(len(node) - 1)
    element = node.get(last)
    return str(len(node)) if not isinstance(element, dict) or following[0] in element else last
