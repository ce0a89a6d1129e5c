"""Controls and budgets of a whole organization as a YAML file: read strictly, each mistake with its line and field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from roony.core.budget import PERIODS
from roony.core.control import InvalidControl, dump, parse_controls
from roony.core.money import CURRENCIES, MAX_AMOUNT

MAX_BYTES = 1_000_000
_RULES = {"controls", "budgets"}
_FIELDS = {"project": _RULES | {"name"}, "agent": _RULES | {"name", "each_task"}}

Rules = dict[str, Any]


class WrongFile(ValueError):
    """A file that cannot be: `str()` says the line, the field and what is wrong."""


class _Loader(yaml.SafeLoader):
    """Plain values only, every key once, nothing said twice by reference; remembers the line of every field."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.lines: dict[str, int] = {}

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise WrongFile(f"line {self.peek_event().start_mark.line + 1}: references (*name) are not read here.")
        return super().compose_node(parent, index)

    def plain(self, node: yaml.Node, path: str) -> Any:
        """The value of a node."""
        self.lines[path] = line = node.start_mark.line + 1
        if isinstance(node, yaml.SequenceNode):
            return [self.plain(item, f"{path}.{place}") for place, item in enumerate(node.value)]
        if not isinstance(node, yaml.MappingNode):
            return self.construct_object(node)
        found: dict[str, Any] = {}
        for key_node, value in node.value:
            key = self.construct_object(key_node) if isinstance(key_node, yaml.ScalarNode) else None
            if not isinstance(key, str):
                raise WrongFile(f"line {key_node.start_mark.line + 1}: {path or 'the file'} has a key that is no text.")
            where = f"{path}.{key}" if path else key
            if key in found:
                raise WrongFile(f"line {key_node.start_mark.line + 1}: {where} is there twice (before: line {line}).")
            found[key] = self.plain(value, where)
            line = self.lines[where] = key_node.start_mark.line + 1
        return found


def read_rules(text: str) -> tuple[Rules, dict[str, int]]:
    """The rules of a file by (organization, projects, agents), and the line of every field. Raises WrongFile."""
    if len(text.encode()) > MAX_BYTES:
        raise WrongFile(f"The file is larger than {MAX_BYTES} bytes.")
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        given = loader.plain(node, "") if node is not None else {}
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark is not None else 1
        raise WrongFile(f"line {line}: {error.problem or 'this is no YAML'}.") from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise error if isinstance(error, WrongFile) else WrongFile("This is no YAML.") from None
    check = _Check(loader.lines)
    check.keys(given, "", {"organization", "projects", "agents"})
    if "organization" in given:
        check.rules(given["organization"], "organization", _RULES)
    for kind in ("project", "agent"):
        check.scopes(given.get(f"{kind}s", {}), f"{kind}s", _FIELDS[kind])
    return given, loader.lines


class _Check:
    """Raises WrongFile with the line for the first thing that cannot be."""

    def __init__(self, lines: Mapping[str, int]) -> None:
        self._lines = lines

    def wrong(self, path: str, message: str) -> WrongFile:
        return WrongFile(f"line {self._lines.get(path, 1)}: {path or 'the file'}: {message}")

    def keys(self, value: Any, path: str, known: set[str] | None = None) -> None:
        """A mapping, with known keys only."""
        if not isinstance(value, dict):
            raise self.wrong(path, "It must be a mapping (name: value).")
        for key in value:
            if known is not None and key not in known:
                where = f"{path}.{key}" if path else key
                raise self.wrong(where, f"There is no such field here; there are: {', '.join(sorted(known))}.")

    def scopes(self, value: Any, path: str, known: set[str]) -> None:
        """Projects or agents, by id or name."""
        self.keys(value, path)
        for name, rules in value.items():
            self.rules(rules, f"{path}.{name}", known)

    def rules(self, value: Any, path: str, known: set[str]) -> None:
        """What one scope has."""
        self.keys(value, path, known)
        if "name" in value and not (isinstance(value["name"], str) and 0 < len(value["name"].strip()) <= 200):
            raise self.wrong(f"{path}.name", "It must be a text of 1 to 200 characters.")
        if "controls" in value:
            self.keys(value["controls"], f"{path}.controls")
            try:
                value["controls"] = dump(parse_controls(value["controls"]))
            except InvalidControl as error:
                raise self.wrong(f"{path}.controls.{error.field}", error.message) from None
        if "budgets" in value:
            self.budgets(value["budgets"], f"{path}.budgets")
        if "each_task" in value:
            self.rules(value["each_task"], f"{path}.each_task", _RULES)

    def budgets(self, value: Any, path: str) -> None:
        """{currency: {period: limit}}; null lifts a limit."""
        self.keys(value, path, set(CURRENCIES))
        for currency, limits in value.items():
            where = f"{path}.{currency}"
            self.keys(limits, where, set(PERIODS))
            for period, limit in limits.items():
                whole = isinstance(limit, int) and not isinstance(limit, bool) and 0 <= limit <= MAX_AMOUNT
                if limit is not None and not whole:
                    raise self.wrong(f"{where}.{period}", "It must be a whole number of minor units, or null.")
