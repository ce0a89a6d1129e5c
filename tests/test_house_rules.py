"""The house rules that a machine can check: sizes, names, docstrings, loose ends, imports of the core."""

import ast
import re
import socket
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import pytest

from roony.core.role import NEEDED, SCOPES
from roony.web.admin_api import routes as admin_routes
from roony.web.app import AppOptions, create_app
from roony.web.auth import ADMIN_KEY
from roony.web.permissions import PERMISSIONS
from roony.web.requests import KeyedRoute

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "roony"

FILE_LINES = 400  # a file stays under this
FUNCTION_LINES = 70  # a function is at most this long
UNWANTED_WORDS = {
    "common",
    "helper",
    "helpers",
    "manager",
    "managers",
    "misc",
    "service",
    "services",
    "util",
    "utils",
}
LEFT_OPEN = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "X" * 3, "HA" + "CK"]) + r")\b")


def python_files(*folders: str) -> list[Path]:
    """Every Python file below the folders, as paths from the root."""
    return sorted(path.relative_to(ROOT) for folder in folders for path in (ROOT / folder).rglob("*.py"))


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function of a file, methods and nested ones too."""
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and top-level package of each import; relative ones count as roony."""
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name.partition(".")[0]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, "roony" if node.level else (node.module or "").partition(".")[0]


@cache
def parse(path: Path) -> ast.Module:
    """The syntax tree of a file, which several rules look at."""
    return ast.parse((ROOT / path).read_text(encoding="utf-8"), filename=str(path))


def expect_none(findings: list[str], rule: str) -> None:
    """Fail with the rule and one line per finding."""
    assert not findings, "\n".join([rule, *(f"  {finding}" for finding in findings)])


def test_files_stay_short() -> None:
    """A noun that outgrows its file becomes a folder of the same name."""
    lengths = {path: len((ROOT / path).read_text(encoding="utf-8").splitlines()) for path in python_files("roony")}
    expect_none(
        [f"{path}: {lines} lines" for path, lines in lengths.items() if lines >= FILE_LINES],
        f"A file stays under {FILE_LINES} lines; split it by what it does:",
    )


def test_functions_stay_short() -> None:
    """A function fits on a page."""
    expect_none(
        [
            f"{path}:{function.lineno}: {function.name} has {size} lines"
            for path in python_files("roony")
            for function in functions(path)
            if (size := (function.end_lineno or function.lineno) - function.lineno + 1) > FUNCTION_LINES
        ],
        f"A function has at most {FUNCTION_LINES} lines:",
    )


def test_every_module_says_what_it_is_for() -> None:
    """The docstring is the newcomer's map."""
    expect_none(
        [str(path) for path in python_files("roony", "tests", "benchmarks") if not says_its_job(path)],
        "A module begins with a docstring that says its one job:",
    )


def says_its_job(path: Path) -> bool:
    """A module with a docstring; a package file without any code needs none."""
    tree = parse(path)
    return bool(ast.get_docstring(tree)) or (path.name == "__init__.py" and not tree.body)


def test_files_are_named_for_their_noun() -> None:
    """A name like "utils" says nothing about what is inside."""
    expect_none(
        [
            str(path)
            for path in python_files("roony")
            if any(UNWANTED_WORDS & set(part.lower().split("_")) for part in path.with_suffix("").parts)
        ],
        "A file or folder is named for its noun, never " + ", ".join(sorted(UNWANTED_WORDS)) + ":",
    )


def test_nothing_is_left_open() -> None:
    """What is not done is an issue, not a comment."""
    expect_none(
        [
            f"{path}:{number}: {line.strip()[:80]}"
            for path in python_files("roony", "tests", "benchmarks")
            for number, line in enumerate((ROOT / path).read_text(encoding="utf-8").splitlines(), 1)
            if LEFT_OPEN.search(line)
        ],
        "Nothing is left open in the code:",
    )


def test_no_log_line_names_a_field_event() -> None:
    """structlog calls its message `event`: a field of that name raises TypeError in place of the line."""
    expect_none(
        [
            f"{path}:{call.lineno}"
            for path in python_files("roony")
            for call in ast.walk(parse(path))
            if isinstance(call, ast.Call)
            and isinstance(call.func, ast.Attribute)
            and isinstance(call.func.value, ast.Name)
            and call.func.value.id == "log"
            and any(keyword.arg == "event" for keyword in call.keywords)
        ],
        "A field of a log line is not called `event`; say `event_id`:",
    )


def test_the_core_uses_the_standard_library_only() -> None:
    """import-linter forbids the packages we know; this forbids the ones we do not know yet."""
    allowed = sys.stdlib_module_names | {"roony"}
    expect_none(
        [
            f"{path}:{line}: {package}"
            for path in python_files("roony/core")
            for line, package in imports(path)
            if package not in allowed
        ],
        "roony/core imports the standard library and itself, nothing else:",
    )


def test_every_path_of_the_owner_asks_for_the_owners_key() -> None:
    """A part of the API that was not made by `new_part` would be open to everybody."""
    assert admin_routes
    for route in admin_routes:
        assert isinstance(route, KeyedRoute), route
        assert route.path.startswith("/api/v1/admin/"), route
        assert ADMIN_KEY in route.dependencies, route


def test_every_route_behind_a_key_says_what_it_needs() -> None:
    """A route without a line in web/permissions.py would be for owners, or for agents' keys with all scopes, alone."""
    till = SimpleNamespace(listen=lambda _listener: None)
    context = SimpleNamespace(new_id=str, database=None, till=till)
    app = create_app(context, AppOptions())._app  # type: ignore[arg-type, attr-defined]
    keyed = [route for route in app.router.routes if isinstance(route, KeyedRoute)]
    kinds = {(method, route.path): route.kind for route in keyed for method in route.methods}
    expect_none(
        [f"{method} {path}" for method, path in sorted(kinds.keys() ^ PERMISSIONS.keys())],
        "Every route behind a key has one line in roony/web/permissions.py, and every line its route:",
    )
    words = {"admin": NEEDED.keys(), "agent": set(SCOPES)}
    expect_none(
        [f"{method} {path}: {needed}" for (method, path), needed in PERMISSIONS.items()
         if needed not in words[kinds[method, path]]],
        "An admin route names a permission, an agent's route a scope:",
    )  # fmt: skip


def test_every_command_of_the_admin_api_says_who_asks_for_it() -> None:
    """`till.submit` without `by` would not look again whether they still may (store/authority.py)."""
    calls = [
        (file, node)
        for file in sorted((ROOT / "roony" / "web" / "admin_api").glob("*.py"))
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "submit"
    ]
    assert calls
    expect_none(
        [f"{file.name}:{node.lineno}" for file, node in calls if "by" not in {word.arg for word in node.keywords}],
        "Commands of the admin API are submitted with `by=caller.authority`:",
    )


def test_the_locks_are_pinned_and_name_no_host() -> None:
    """Every requirement is one version with hashes, and comes from wherever pip is told to look."""
    findings = []
    for lock in sorted((ROOT / "requirements").glob("*.txt")):
        pinned = re.sub(r"\\\n\s*", "", lock.read_text(encoding="utf-8")).splitlines()
        findings += [
            f"{lock.name}: {line[:60]}" for line in pinned if not re.match(r"[\w.-]+==\S+ .*--hash=sha256:", line)
        ]
        findings += [f"{lock.name}: {line[:60]}" for line in pinned if "://" in line]
    expect_none(findings, "A lock holds name==version with hashes and no address:")


# What waits, and for how many seconds a test waits at least before it has failed: a machine may be busy.
WAITING = {"wait", "join", "result", "exception", "poll", "acquire"}
PATIENCE = 20
# A pause between two looks.
PAUSE = 0.6
HASTY = {
    ("tests/simulator/test_retries.py", 9),  # the simulator itself waits ten seconds
    ("tests/support/crashing.py", 5),  # asked again until there is an answer
    ("tests/test_house_rules.py", 1), ("tests/test_house_rules.py", 5),
}  # fmt: skip


def limits(path: Path) -> Iterator[tuple[int, float]]:
    """Line and seconds of each number that limits how long is waited."""
    for node in ast.walk(parse(path)):
        if not isinstance(node, ast.Call):
            continue
        given = [word.value for word in node.keywords if word.arg == "timeout"]
        if isinstance(node.func, ast.Attribute) and node.func.attr in WAITING:
            given += node.args
        for value in given:
            if isinstance(value, ast.Constant) and isinstance(value.value, int | float):
                yield node.lineno, float(value.value)


def test_no_test_fails_because_the_machine_is_busy() -> None:
    """A limit that is never reached costs nothing, so it may be long."""
    expect_none(
        [
            f"{path}:{line}: {seconds:g} s"
            for path in python_files("tests")
            if path.parent.name != "cluster"  # drills by hand, which look again and again
            for line, seconds in limits(path)
            if PAUSE < seconds < PATIENCE and (str(path), seconds) not in HASTY
        ],
        f"What a test waits for may take {PATIENCE} s at least:",
    )


@pytest.mark.parametrize("host", ["192.0.2.1", "api.stripe.com", "2001:db8::1"])
def test_tests_cannot_leave_this_machine(host: str) -> None:
    """The guard in conftest.py is in place."""
    with pytest.raises(RuntimeError, match="tests may only speak to this machine"):
        socket.create_connection((host, 443), timeout=1)
    with socket.socket() as plain, pytest.raises(RuntimeError, match="tests may only speak to this machine"):
        plain.connect((host, 443))


def test_tests_can_speak_to_this_machine() -> None:
    """The guard lets loopback through."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname(), timeout=5),
    ):
        pass
