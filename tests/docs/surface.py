"""Everything of Roony that is seen from outside, read from the code itself: routes, commands, settings, codes."""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from starlette.routing import Route

from roony.core.anomaly.facts import PATTERNS
from roony.core.anomaly.telling import KIND
from roony.flows.notification import receiver
from roony.web.app import AppOptions, create_app
from roony.web.openapi import document
from roony.web.requests import KeyedRoute
from tests.docs.blocks import ROOT


@cache
def _app() -> Any:
    till = SimpleNamespace(listen=lambda _listener: None)
    context = SimpleNamespace(new_id=str, database=None, till=till)
    return create_app(context, AppOptions())._app  # type: ignore[arg-type, attr-defined]


@cache
def openapi() -> dict[str, Any]:
    """The OpenAPI document, as `/openapi.json` gives it."""
    return document(_app())


@cache
def unlisted_routes() -> frozenset[tuple[str, str]]:
    """Method and path of what Roony answers beside its API: pages, doors, and what machines look at."""
    found = {
        (method, route.path)
        for route in _app().router.routes
        if isinstance(route, Route) and not isinstance(route, KeyedRoute)
        for method in route.methods or ("GET", "POST")
        if method != "HEAD"
    }
    return frozenset(found | {("POST", "/api/webhooks/stripe")})


def refusal_codes() -> dict[str, set[str]]:
    """Every code an error can have, with the places that make it, read from the source.

    A code that is put together is shown as the source has it: `_MADE` says what becomes of these.
    """
    found: dict[str, set[str]] = {}
    for path, call, code in _codes_made():
        found.setdefault(code, set()).add(f"{path.relative_to(ROOT)}:{call.lineno}")
    return found


def refusal_statuses() -> dict[str, set[int]]:
    """The HTTP status of each code, where both stand in the source as they are; 409 where none is given."""
    found: dict[str, set[int]] = {}
    for _, call, code in _codes_made():
        status = _status_of(call)
        if status is not None and not code.startswith("="):
            found.setdefault(code, set()).add(status)
    return found


def _codes_made() -> Iterator[tuple[Path, ast.Call, str]]:
    """Each code of an error in the source, with the file and the call that make it."""
    for path in sorted((ROOT / "roony").rglob("*.py")):
        if "simulator" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                yield from ((path, node, code) for code in _codes_of(node))


def _status_of(call: ast.Call) -> int | None:
    """The third argument of a refusal, the first of `refuse`; None where it is worked out."""
    if isinstance(call.func, ast.Name) and call.func.id == "Refusal":
        if len(call.args) < 3:
            return 409 if not call.keywords or all(word.arg != "status" for word in call.keywords) else None
        given = call.args[2]
    else:
        given = call.args[0]
    return given.value if isinstance(given, ast.Constant) and isinstance(given.value, int) else None


def _codes_of(call: ast.Call) -> list[str]:
    name = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
    if name == "Refusal" and call.args:
        return _texts(call.args[0])
    if name == "refuse":
        named = [keyword.value for keyword in call.keywords if keyword.arg == "code"]
        given = call.args[2] if len(call.args) > 2 else (named[0] if named else None)
        return _texts(given) if given is not None else []
    return []


def _texts(node: ast.expr) -> list[str]:
    """The texts an expression can be; one that is put together stands as its source."""
    if isinstance(node, ast.Constant):
        return [str(node.value)]
    if isinstance(node, ast.IfExp):
        return [*_texts(node.body), *_texts(node.orelse)]
    return [f"={ast.unparse(node)}"]


def failures() -> dict[str, tuple[str, bool]]:
    """Why a purchase has no card: code → the sentence, and whether asking again can help."""
    found: dict[str, tuple[str, bool]] = {}
    for path in sorted((ROOT / "roony" / "flows").rglob("*.py")):
        names = {"Told", "Ending"}
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names):
                continue
            if len(node.args) == 3 and isinstance(node.args[0], ast.Constant):
                module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
                try:
                    code, words, again = (_value(argument, module) for argument in node.args)
                except NameError:
                    # Its sentence is made where it happens; the code is another's as well.
                    assert node.args[0].value == "card_weaker", ast.unparse(node)
                    continue
                found[str(code)] = (str(words), bool(again))
    return dict(sorted(found.items()))


def _value(node: ast.expr, module: ModuleType) -> object:
    """What an expression of constants is in its module."""
    return eval(compile(ast.Expression(node), module.__name__, "eval"), vars(module))  # noqa: S307 - our own source


def alert_kinds() -> set[str]:
    """Every kind of alert that is ever raised."""
    found = {receiver._ENDPOINT.alert, receiver._RECIPIENT.alert, *(KIND + pattern for pattern in PATTERNS)}
    for path in sorted((ROOT / "roony" / "flows").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "raise_alert":
                kind = node.args[2]
                if isinstance(kind, ast.Name | ast.Constant):
                    module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
                    found.add(str(_value(kind, module)))
    return found


def blocked_codes(*modules: ModuleType) -> set[str]:
    """Why an address is not sent to: every code that these modules raise `Blocked` with."""
    found: set[str] = set()
    for module in modules:
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Blocked":
                found |= set(_texts(node.args[0]))
    return found
