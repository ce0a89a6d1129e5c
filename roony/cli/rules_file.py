"""Controls and budgets of a whole organization as a YAML file: plain values only, and where each of them stands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

MAX_BYTES = 1_000_000

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
    """What a file says, and the line of every field by its path (`agents.Buyer.controls`). Raises WrongFile.

    Whether such rules can be is said by the running Roony.
    """
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
    if not isinstance(given, dict):
        raise WrongFile("line 1: the file must be a mapping (organization, projects, agents).")
    return given, loader.lines


def line_of(field: str, lines: Mapping[str, int]) -> int:
    """The line of a field, or of the last thing above it that the file has."""
    while field and field not in lines:
        field = field.rpartition(".")[0]
    return lines.get(field, 1)
