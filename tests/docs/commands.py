"""Command lines of a page, looked at without running them: by the parser of each program they are for.

`look_at` names everything a reader could not type as it stands: a command, option or address that does not exist, a
body the API would refuse, a setting nobody reads.
"""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from typing import Any

import typer
from jsonschema import Draft202012Validator
from starlette.routing import Route
from typer._click.exceptions import UsageError
from typer.core import TyperGroup

from roony.cli.commands import parser
from roony.config import NAMES
from roony.simulator.clock import Clock
from roony.simulator.server import Simulator
from roony.simulator.stripe_api import OPERATIONS
from roony.simulator.world import World
from tests.docs.blocks import ROOT, Block
from tests.docs.surface import openapi, unlisted_routes

BASH = shutil.which("bash") or "/bin/bash"
# Set for commands rather than for a server: what `roony` and the examples read, and what runs of tests read.
OF_COMMANDS = {"ROONY_URL", "ROONY_ADMIN_KEY", "ROONY_AGENT_KEY", "ROONY_WEBHOOK_SECRET"}
OF_TESTS = {"ROONY_SOAK_SECONDS", "ROONY_SOAK_ON", "ROONY_TEST_SEED", "ROONY_TEST_POSTGRES_URL", "STRIPE_OPENAPI_SPEC"}
# Stripe's own program: what these pages use of it.
STRIPE_CLI = {
    "listen": {"--print-secret", "--forward-to", "--forward-connect-to", "--events"},
    "trigger": {"--stripe-account"},
    "login": set(),
}
# Programs that every machine has, and that change nothing that matters.
PLAIN = {
    "cat", "cd", "chmod", "cp", "cut", "date", "echo", "export", "grep", "head", "jq", "mkdir", "openssl", "printf",
    "sed", "sleep", "tail", "tee", "test", "tr", "umask", "sha256sum", "ls",
}  # fmt: skip
INCOMPLETE = "a command is missing"
_SUBSTITUTION = re.compile(r"\$\(([^()]*)\)")
_WITH_VALUE = {"-H", "-u", "-o", "-w", "-F", "--max-time", "--cacert", "-D"}
_OURS = re.compile(
    r"^(\$ROONY_URL|\$\{ROONY_URL\}|https?://(localhost|127\.0\.0\.1):8000|https://roony\.example(\.com)?)"
)
_STRIPES = re.compile(r"^(\$STRIPE|https?://(localhost|127\.0\.0\.1):8001|https://api\.stripe\.com)")


def look_at(block: Block) -> list[str]:
    """What is wrong with the commands of a block."""
    wrong = []
    for statement in statements(block.text):
        try:
            wrong += [f"{statement.strip()[:60]}: {problem}" for problem in _looked_at(statement, block)]
        except ValueError as error:
            wrong.append(f"{statement.strip()[:60]}: {error}")
    return wrong


def statements(text: str) -> Iterator[str]:
    """What a shell would take as one, however many lines it has."""
    kept = ""
    for line in text.splitlines(keepends=True):
        kept += line
        if kept.strip() and not line.rstrip("\n").endswith("\\") and _is_whole(kept):
            yield kept
            kept = ""
    if kept.strip():
        raise ValueError("no shell would take this as a whole")


def _is_whole(text: str) -> bool:
    return subprocess.run([BASH, "-n"], input=text, text=True, capture_output=True, check=False).returncode == 0


def _looked_at(statement: str, block: Block) -> Iterator[str]:
    while inner := _SUBSTITUTION.search(statement):
        yield from _looked_at(inner[1], block)
        statement = f"{statement[: inner.start()]}SUBSTITUTED{statement[inner.end() :]}"
    for words in _commands(statement):
        yield from _command(words, block)


def _commands(statement: str) -> Iterator[list[str]]:
    """The single commands of a statement, without where their output goes."""
    lexer = shlex.shlex(statement.replace("\\\n", " "), posix=True, punctuation_chars="|&;()<>\n")
    lexer.whitespace = " \t\r"
    lexer.wordchars += "$:@%=,./~+*?![]{}…^-–"
    words: list[str] = []
    redirected = False
    for token in lexer:
        if redirected:
            redirected = False
        elif token and set(token) <= set("<>&"):
            redirected = "<" in token or ">" in token
            if not redirected and words:
                yield words
                words = []
        elif token in ("{", "}") or (token and set(token) <= set("|;()&\n")):
            if words:
                yield words
            words = []
        else:
            words.append(token)
    if words:
        yield words


def _command(words: list[str], block: Block) -> Iterator[str]:
    """What is wrong with one command."""
    while words and (words[0] == "export" or re.match(r"^[A-Za-z_]\w*=", words[0])):
        if words[0] != "export":
            yield from _variable(words[0].partition("=")[0])
        words = words[1:]
    if not words:
        return
    name, *given = words
    name = name.removeprefix(".venv/bin/")
    if name == "roony":
        made = re.findall(r"> (\S+)", block.text)
        yield from (told for told in _roony(given) if not any(f"'{file}': No such file" in told for file in made))
    elif name == "curl":
        yield from _curl(given)
    elif name == "make":
        yield from _make(given)
    elif name in ("python", "python3", "sys.executable"):
        yield from _python(given, block)
    elif name == "pip":
        yield from (f"{file} is not there" for file in given if file.endswith(".txt") and not (ROOT / file).is_file())
    elif name == "stripe":
        yield from _stripe(given)
    elif name not in PLAIN and f"{name}()" not in block.text:
        yield f"nobody here knows {name}; mark the block `not run: WHY` if no test can run it"


def _variable(name: str) -> Iterator[str]:
    known = {*NAMES, *(f"{each}_FILE" for each in NAMES), *OF_COMMANDS, *OF_TESTS}
    if name.startswith(("ROONY_", "STRIPE_")) and name not in known and name != "STRIPE_KEY":
        yield f"nobody reads {name}"


def _roony(given: list[str]) -> Iterator[str]:
    """Read as `roony` itself would, down to the options of the last command; nothing is called."""
    command: Any = parser()
    name, words, context = "roony", given, None
    try:
        while words or not isinstance(command, TyperGroup):
            context = command.make_context(name, list(words), parent=context)
            if not isinstance(command, TyperGroup):
                return
            rest = [*context._protected_args, *context.args]
            if not rest:
                return
            name, command, words = command.resolve_command(context, rest)
        if not command.invoke_without_command:
            yield INCOMPLETE
    except UsageError as error:
        yield error.format_message()
    except typer.Exit:
        return


def _make(given: list[str]) -> Iterator[str]:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    yield from (f"make knows no {word}" for word in given if "=" not in word and word not in targets)


def _python(given: list[str], block: Block) -> Iterator[str]:
    if given[:1] == ["-m"]:
        if importlib.util.find_spec(given[1]) is None:
            yield f"there is no module {given[1]}"
    elif given and not given[0].startswith("-"):
        saved = f"Save this as `{given[0]}`" in (ROOT / block.page).read_text(encoding="utf-8")
        if not saved and not (ROOT / given[0]).is_file():
            yield f"there is no {given[0]}"


def _stripe(given: list[str]) -> Iterator[str]:
    options = STRIPE_CLI.get(given[0]) if given else None
    if options is None:
        yield "this is none of the commands of Stripe's program that these pages know"
        return
    yield from (
        f"these pages know no option {word} of it" for word in given if word.startswith("--") and word not in options
    )


# curl


def _curl(given: list[str]) -> Iterator[str]:
    """The address is one that Roony, or the simulator in Stripe's place, has; a body is one that Roony takes."""
    method, body, address = "", None, ""
    words = iter(given)
    for word in words:
        if word == "-X":
            method = next(words)
        elif word in ("-d", "--data", "--json"):
            method, body = method or "POST", next(words)
        elif word in _WITH_VALUE:
            next(words)
            method = method or ("POST" if word == "-F" else "")
        elif not word.startswith("-"):
            address = word
    method = method or "GET"
    if ours := _OURS.match(address):
        yield from _asked_of_us(method, _path(address[ours.end() :]), body)
    elif stripes := _STRIPES.match(address):
        path = _path(address[stripes.end() :])
        if not any(each == method and _fits(path, known) for each, known in _simulated()):
            yield f"neither Stripe nor the simulator answers {method} {path}"
    else:
        yield f"{address or 'nothing'} is no address of these pages"


def _path(address: str) -> str:
    return address.partition("?")[0]


def _asked_of_us(method: str, path: str, body: str | None) -> Iterator[str]:
    if (method, path) in unlisted_routes():
        return
    for known, operations in openapi()["paths"].items():
        if _fits(path, known) and method.lower() in operations:
            if body is not None and body.lstrip().startswith("{"):
                yield from misfits(json.loads(body), operations[method.lower()])
            return
    yield f"Roony does not answer {method} {path}"


def misfits(body: Any, operation: dict[str, Any]) -> Iterator[str]:
    """What an operation would refuse of a body, by its published shape."""
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    document = {**schema, "components": openapi()["components"]}
    yield from (error.message for error in Draft202012Validator(document).iter_errors(body))


def _fits(path: str, known: str) -> bool:
    pattern = "".join("[^/]+" if part.startswith("{") else re.escape(part) for part in re.split(r"(\{[^}]+\})", known))
    return re.fullmatch(pattern, path) is not None


@cache
def _simulated() -> frozenset[tuple[str, str]]:
    """What the simulator answers: Stripe's own paths, and its controls."""
    app = Simulator(World(Clock(), "sk_test_pages"))._app
    listed = {(operation.method, operation.path) for operation in OPERATIONS}
    others = {
        (method, route.path)
        for route in app.routes
        if isinstance(route, Route) and route.path not in {path for _, path in listed}
        for method in route.methods or ()
        if "rest:path" not in route.path
    }
    return frozenset(listed | others)
