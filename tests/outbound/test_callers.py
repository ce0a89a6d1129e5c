"""Who may speak to the network, and to which addresses: what an agent writes is never fetched."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import roony

PACKAGE = Path(roony.__file__).parent
# Packages that open connections.
NETWORK = {"aiohttp", "apprise", "ftplib", "http", "httpcore2", "httpx2", "requests", "smtplib", "socket", "urllib3"}
# The commands and the client speak to Roony, the gateway to Stripe, the simulator to Roony's own webhook door.
SPEAKERS = {"cli", "client", "gateway", "outbound", "simulator"}
# It imports the package for a transport that calls the own application in this process.
INSIDE = "mcp_server/http.py"


@cache
def nodes() -> tuple[tuple[str, ast.AST], ...]:
    """Every file of Roony with each import and each call in it."""
    return tuple(
        (path.relative_to(PACKAGE).as_posix(), node)
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom | ast.Call)
    )


def imports() -> Iterator[tuple[str, str]]:
    """Every file of Roony with each package it imports."""
    for name, node in nodes():
        if isinstance(node, ast.Import):
            yield from ((name, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield name, node.module


def test_only_these_rings_open_connections() -> None:
    speaking = {
        name for name, package in imports() if package.partition(".")[0] in NETWORK or package == "urllib.request"
    }
    allowed = {name for name in speaking if name.partition("/")[0] in SPEAKERS}
    # What an HTTP status is called opens nothing; PostgreSQL's and SQLite's drivers are not addresses of callers.
    assert speaking - allowed == {INSIDE}


def test_what_calls_the_own_application_opens_no_connection() -> None:
    tree = ast.parse((PACKAGE / INSIDE).read_text(encoding="utf-8"))
    used = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert {name for name in used if name.startswith("httpx2.")} == {"httpx2.ASGITransport"}


def test_only_the_process_that_sends_messages_loads_what_sends_them() -> None:
    loading = {name for name, package in imports() if package.partition(".")[0] in {"apprise", "smtplib"}}
    assert loading == {"outbound/messenger_child.py"}
    # It is named where it is started, and loaded by nobody.
    assert "roony.outbound.messenger_child" not in {package for _, package in imports()}


@pytest.mark.parametrize(
    ("called", "callers", "address"),
    [
        ("poster.post", {"flows/notification/sending.py"}, "endpoint.url"),
        ("messenger.send", {"flows/notification/message.py"}, "url"),
        ("messenger.why_not", {"flows/notification/recipient.py"}, "url"),
    ],
)
def test_only_a_receivers_address_is_sent_to(called: str, callers: set[str], address: str) -> None:
    found = set()
    method = called.rpartition(".")[2]
    for name, node in nodes():
        # To write a call out again takes long.
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or node.func.attr != method:
            continue
        if ast.unparse(node.func).endswith(called):
            found.add(name)
            assert ast.unparse(node.args[0]) == address
    assert found == callers
