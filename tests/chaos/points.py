"""Which stop points there are, read from the code: so that a new commit or call cannot be forgotten by the tests."""

from __future__ import annotations

import ast
import functools
import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import roony.flows
from roony.store.command import Command

PACKAGE = Path(roony.flows.__file__).parent.parent
# Gateway modules under the names other rings import them by.
GATEWAY = ("issuing", "connect", "events")


@functools.cache
def _texts() -> dict[Path, str]:
    return {path: path.read_text(encoding="utf-8") for path in sorted(PACKAGE.rglob("*.py"))}


def _trees(word: str) -> Iterator[tuple[Path, ast.Module]]:
    """Roony's code where this word stands: these questions are asked each time the tests are collected."""
    for path, text in _texts().items():
        if word in text:
            yield path, _tree(path)


@functools.cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(_texts()[path])


def commands() -> set[str]:
    """Every command of the flows: each is committed somewhere."""
    for module in pkgutil.walk_packages(roony.flows.__path__, "roony.flows."):
        importlib.import_module(module.name)
    found, look = set(), [Command]
    while look:
        kind = look.pop()
        look.extend(kind.__subclasses__())
        if kind is not Command and kind.__module__.startswith("roony."):
            found.add(kind.__name__)
    return found


@functools.cache
def writes() -> set[str]:
    """Every function whose write is given to a till, by the name the till's tickets give it."""
    found = set()
    for path, tree in _trees("till.write"):
        origin = {
            alias.asname or alias.name: (node.module or "").rpartition(".")[2]
            for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }  # fmt: skip
        for call, function in _calls(tree, ""):
            if _is_write(call):
                found.add(_name_of(call.args[0], path.stem, function, origin))
    return found


def _is_write(call: ast.Call) -> bool:
    """`….till.write(work)` and `till.write_and_wait(work)`."""
    asked = call.func
    if not isinstance(asked, ast.Attribute) or asked.attr not in ("write", "write_and_wait"):
        return False
    return ast.unparse(asked.value).endswith("till")


def _name_of(work: ast.expr, module: str, function: str, origin: dict[str, str]) -> str:
    if isinstance(work, ast.Call) and ast.unparse(work.func).endswith("fenced"):
        # A write for the holder of a lease only, by its own name.
        work = work.args[-1]
    if isinstance(work, ast.Call) and isinstance(work.func, ast.Attribute):
        return f"{ast.unparse(work.func.value).rpartition('.')[2]}.{work.func.attr}"
    if isinstance(work, ast.Call) and isinstance(work.func, ast.Name):
        return f"{origin.get(work.func.id, module)}.{work.func.id}"
    if isinstance(work, ast.Name) and work.id != "work":
        return f"{origin.get(work.id, module)}.{work.id}"
    # A lambda, or the function `work` inside the one that gives it away.
    return f"{module}.{function}"


def _calls(node: ast.AST, function: str) -> Iterator[tuple[ast.Call, str]]:
    """Every call with the outermost function or class it stands in."""
    for child in ast.iter_child_nodes(node):
        inside = function
        if not function and isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            inside = child.name
        if isinstance(child, ast.Call):
            yield child, inside
        yield from _calls(child, inside)


@functools.cache
def calls() -> set[str]:
    """Every function of the gateway that calls Stripe, and that something outside the gateway leads to."""
    performs, leads_to = set(), dict[str, set[str]]()
    for path in (PACKAGE / "gateway").glob("*.py"):
        for node in _tree(path).body:
            if isinstance(node, ast.FunctionDef):
                named = {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}
                named |= {one.attr for one in ast.walk(node) if isinstance(one, ast.Attribute)}
                leads_to[node.name] = named
                if "perform" in named:
                    performs.add(node.name)
                elif any(_hands_over(one) for one in ast.walk(node)):
                    # `_tokens(gateway, lambda: …)`: the lambda carries the name of the function it stands in.
                    performs.add(node.name)
    reached, look = set(), sorted(_used_outside())
    while look:
        name = look.pop()
        if name in leads_to and name not in reached:
            reached.add(name)
            look.extend(leads_to[name])
    return {name for name in reached if name in performs and name != "_tokens"}


def _hands_over(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_tokens"


def _used_outside() -> set[str]:
    """What flows, web and worker name of the gateway's modules."""
    found = set()
    for path, tree in _trees("roony.gateway"):
        if path.is_relative_to(PACKAGE / "gateway") or path.is_relative_to(PACKAGE / "simulator"):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in GATEWAY:
                found.add(node.attr)
            elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("roony.gateway."):
                found |= {alias.name for alias in node.names}
    return found


@functools.cache
def all_points() -> list[str]:
    """Before and after every commit and every call."""
    committed = sorted(commands()) + sorted(writes())
    return [
        *(f"{moment}:{name}" for name in committed for moment in ("before_commit", "after_commit")),
        *(f"{moment}:{name}" for name in sorted(calls()) for moment in ("before_call", "after_call")),
    ]
