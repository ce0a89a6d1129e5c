"""With --json every command that fails says so as JSON, in the shape of the API's errors.

The tables are over the tree of all commands: a new one is in them as soon as it is there. Each case is run without
--json as well, where nothing is on stdout and the exit code is the same.
"""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, get_args

import pytest
import typer
from typer.core import TyperGroup
from typer.testing import CliRunner

from roony.cli.commands import parser
from roony.cli.failure import Commands
from roony.cli.output import Code, fail, print_json
from roony.client.sealed import new_private_key
from roony.store.database import Database
from tests.cli.serving import ServedSimulation
from tests.docs.blocks import ROOT
from tests.support.ports import hold_port
from tests.support.served import clean_environment

Words = tuple[str, ...]
Ended = tuple[int, str, str]
Run = Callable[..., Ended]
FIELDS = {"code", "message", "field", "id", "reasons", "request_id"}
WAIT_SECONDS = 60.0
# What the arguments of all commands are, by their names, where their looks matter before Roony is asked.
ARGUMENTS = {
    "amount": "5", "limit": "month=100", "email": "nobody@example.com", "--since": "7d", "--control": "rules.yaml",
    "file": "public.json", "--output": "out", "--out": "out", "--csv": "out",
    "folder": "new",
}  # fmt: skip
# What a command wants beside what its parser does.
MORE: dict[Words, Words] = {
    ("control", "set"): ("purchase_limit=1",),
    ("merchant", "forget"): ("--alias", "Figma"),
    ("events", "replay"): ("evt_1",),
    ("user", "erase"): ("--for-ever",),
}
# The commands that speak to nobody, with what makes them fail: arguments, exit code, code.
BESIDE_ROONY: dict[Words, tuple[Words, int, str]] = {
    ("init",): ((), 1, "database_in_use"),
    ("migrate",): ((), 1, "database_in_use"),
    ("archive",): ((), 1, "database_in_use"),
    ("backup",): (("copy.db",), 1, "database_in_use"),
    ("restore",): (("--in-place",), 1, "database_in_use"),
    ("agent-key", "new"): (("--out", "public.json"), 1, "failed"),
    ("agent-key", "open"): (("x", "--key", "nowhere"), 2, "wrong_use"),
    ("connection", "permissions"): (("nonsense",), 2, "wrong_use"),
    ("audit", "verify"): (("nowhere",), 2, "wrong_use"),
}
# Whoever starts the tests in the background has Ctrl-C ignored, and so would a command that they start.
INTERRUPTIBLE = """import signal; signal.signal(signal.SIGINT, signal.default_int_handler)
from roony.cli import main; main()"""
CANNOT_FAIL = {("keys", "new")}


def tree(command: Any, words: Words = ()) -> Iterator[tuple[Words, Any]]:
    """Every command with its words, and the groups that are commands themselves."""
    if isinstance(command, TyperGroup):
        for name, inner in command.commands.items():
            yield from tree(inner, (*words, name))
    if not isinstance(command, TyperGroup) or command.invoke_without_command:
        yield words, command


def options(command: Any) -> set[str]:
    return {name for parameter in command.params for name in parameter.opts}


COMMANDS = dict(tree(parser()))
WITH_JSON = {words: command for words, command in COMMANDS.items() if "--json" in options(command)}
ASKING = {words: command for words, command in WITH_JSON.items() if "--url" in options(command)}


def as_agent(words: Words) -> bool:
    return words[0] == "purchase" and words != ("purchase", "evidence")


def given(words: Words) -> Words:
    """A command with arguments that its own checks let pass."""
    line = list(words)
    for parameter in COMMANDS[words].params:
        if parameter.required:
            name = parameter.opts[0]
            line += [name] if name.startswith("-") else []
            line.append(ARGUMENTS.get(name, "x_1"))
    return (*line, *MORE.get(words, ()))


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Runs a command in this process, where its files lie; gives its exit code and what it printed."""
    (tmp_path / "rules.yaml").write_text("controls: {}\n")
    (tmp_path / "public.json").write_text(new_private_key().public)

    def ended(*words: str) -> Ended:
        with suppress(FileNotFoundError):
            Path("new").rmdir()  # `export` makes its folder before it asks
        with pytest.raises(SystemExit) as ending:
            parser().main(words, prog_name="roony")  # type: ignore[attr-defined]
        told = capsys.readouterr()
        return int(str(ending.value.code or 0)), told.out, told.err

    return ended


def told(ended: Ended) -> tuple[int, Any]:
    """The exit code and the error; a text where it is not what it has to be."""
    code, out, err = ended
    try:
        answer = json.loads(out)
    except ValueError:
        return code, f"no JSON: {out!r}"
    if set(answer) != {"error"} or not {"code", "message"} <= set(answer["error"]) <= FIELDS or not err.strip():
        return code, f"another shape: {out!r} {err!r}"
    return code, answer["error"]


def expect(run: Run, lines: list[Words], expected: tuple[int, str], has: Words = ()) -> None:
    """Each of these lines ends so, with --json and without."""
    wrong: dict[str, Any] = {}
    for words in lines:
        code, error = told(run(*words, "--json"))
        if isinstance(error, str) or (code, error["code"]) != expected or not set(has) <= set(error):
            wrong[" ".join(words)] = (code, error)
            continue
        for_people = run(*words)
        if for_people[:2] != (code, "") or not for_people[2].strip():
            wrong[" ".join(words)] = for_people
    assert lines
    assert wrong == {}


def test_the_parser_refuses(run: Run) -> None:
    """Also of commands that have no --json, and of words that are no command."""
    groups = {words[:depth] for words in COMMANDS for depth in range(len(words))}
    lines = [*((*words, "--no-such") for words in COMMANDS), *((*words, "no-such") for words in groups)]
    wrong = {words: ended for words in lines if (ended := told(run(*words, "--json")))[0] != 2}
    assert wrong == {}
    codes = {words: told(run(*words, "--json"))[1]["code"] for words in lines}
    assert set(codes.values()) == {"wrong_use"}
    assert told(run("--json"))[1]["code"] == told(run("--no-such", "audit", "--json"))[1]["code"] == "wrong_use"


def test_an_argument_is_missing(run: Run) -> None:
    for words, command in WITH_JSON.items():
        needed = [parameter.opts[0] for parameter in command.params if parameter.required]
        if needed:
            code, error = told(run(*words, "--json"))
            assert (code, error["code"], error["field"] in needed) == (2, "wrong_use", True), words


def test_there_is_no_key(run: Run) -> None:
    expect(run, [given(words) for words in ASKING], (2, "no_key"))


def test_nothing_answers(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """As an agent one is enough: the client tries again for seconds, and it is the same for all."""
    monkeypatch.setenv("ROONY_ADMIN_KEY", "roony_admin_x")
    monkeypatch.setenv("ROONY_AGENT_KEY", "roony_agent_x")
    owners = [given(words) for words in ASKING if not as_agent(words)]
    with closing(hold_port()) as held:
        monkeypatch.setenv("ROONY_URL", f"http://127.0.0.1:{held.getsockname()[1]}")
        expect(run, [*owners, ("purchase", "list")], (1, "unreachable"))


def test_roony_refuses(run: Run, served: ServedSimulation, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the API answered is passed on as it is, with the id of the request."""
    monkeypatch.setenv("ROONY_URL", served.ready["url"])
    # Each with the key of the other: keys that nobody has are asked for too often by so many commands.
    monkeypatch.setenv("ROONY_ADMIN_KEY", served.ready["agent_key"])
    monkeypatch.setenv("ROONY_AGENT_KEY", served.ready["admin_key"])
    expect(run, [given(words) for words in ASKING], (1, "wrong_kind_of_key"), has=("request_id",))


def test_a_field_is_wrong(run: Run, served: ServedSimulation, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("wrong.yaml").write_text("controls: {no_such: 1}\n")
    monkeypatch.setenv("ROONY_URL", served.ready["url"])
    monkeypatch.setenv("ROONY_ADMIN_KEY", served.ready["admin_key"])
    monkeypatch.setenv("ROONY_AGENT_KEY", served.ready["agent_key"])
    for line, field in [
        (("purchase", "list", "--status", "lost"), "status"),
        (("control", "set", "purchase_limit=-1"), "controls.purchase_limit"),
        (("replay", "--control", "wrong.yaml", "--since", "7d"), "rules.controls"),
    ]:
        code, error = told(run(*line, "--json"))
        assert (code, error.get("field")) == (2, field), error
        assert error["request_id"].startswith("req_")


def test_somebody_else_answers(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever they say: also where it sounds good."""

    class Page(BaseHTTPRequestHandler):
        status = 200

        def do_GET(self) -> None:
            self.send_response(self.status)
            self.end_headers()
            self.wfile.write(b"<h1>Hello</h1>")

        def log_message(self, *_: Any) -> None:
            pass

    monkeypatch.setenv("ROONY_ADMIN_KEY", "roony_admin_x")
    monkeypatch.setenv("ROONY_AGENT_KEY", "roony_agent_x")
    with HTTPServer(("127.0.0.1", 0), Page) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            monkeypatch.setenv("ROONY_URL", f"http://127.0.0.1:{server.server_port}")
            for Page.status in (200, 404):
                expect(run, [("agent", "list"), ("purchase", "list")], (1, "no_answer_of_roony"))
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A SQLite database that a server holds."""
    monkeypatch.setenv("ROONY_DATABASE_URL", f"sqlite:///{tmp_path / 'roony.db'}")
    with closing(Database(f"sqlite:///{tmp_path / 'roony.db'}")) as database:
        database.acquire()
        yield


@pytest.mark.parametrize("words", list(BESIDE_ROONY), ids=" ".join)
@pytest.mark.usefixtures("locked")
def test_commands_that_ask_nobody(run: Run, words: Words) -> None:
    more, code, expected = BESIDE_ROONY[words]
    expect(run, [(*words, *more)], (code, expected))


def test_every_command_is_in_a_table() -> None:
    assert set(WITH_JSON) - set(ASKING) == set(BESIDE_ROONY) | CANNOT_FAIL


@pytest.mark.parametrize(
    ("url", "expected"),
    [("sqlite:////proc/none/roony.db", (1, "database_away")), ("nonsense", (2, "wrong_use"))],
)  # fmt: skip
def test_there_is_no_database(run: Run, monkeypatch: pytest.MonkeyPatch, url: str, expected: tuple[int, str]) -> None:
    monkeypatch.setenv("ROONY_DATABASE_URL", url)
    expect(run, [("init",), ("migrate",), ("archive",)], expected)


def test_what_was_answered_is_not_said_twice(run: Run, tmp_path: Path) -> None:
    """A chain that is not true is the answer of `audit verify`, whose JSON says what is wrong with it."""
    (tmp_path / "chain").write_text('{"nothing": 1}\n')
    code, out, err = run("audit", "verify", "chain", "--json")
    assert (code, "NOT TRUE" in err) == (1, True)
    assert json.loads(out)["problem"]


@pytest.mark.parametrize("words", [("agent", "list"), ("purchase", "list")])
def test_an_interrupted_command(tmp_path: Path, words: Words) -> None:
    """Ctrl-C while Roony does not answer yet."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(WAIT_SECONDS)
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        keys = {"ROONY_ADMIN_KEY": "roony_admin_x", "ROONY_AGENT_KEY": "roony_agent_x"}
        process = subprocess.Popen(
            [sys.executable, "-c", INTERRUPTIBLE, *words, "--json"], env=clean_environment(ROONY_URL=url, **keys),
            cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        with process, listening.accept()[0] as asked:
            asked.settimeout(WAIT_SECONDS)
            assert asked.recv(1)
            process.send_signal(signal.SIGINT)
            out, _ = process.communicate(timeout=WAIT_SECONDS)
    assert (process.returncode, json.loads(out)["error"]["code"]) == (130, "interrupted")


@pytest.fixture
def small() -> typer.Typer:
    """A tree of commands that go wrong in ways that nobody expects of ours."""
    app = typer.Typer(cls=Commands, pretty_exceptions_enable=False)

    @app.command()
    def breaks(as_json: bool = typer.Option(False, "--json"), note: str = "") -> None:
        raise KeyError("roony_admin_secret")

    @app.command()
    def ends(code: int, as_json: bool = typer.Option(False, "--json")) -> None:
        raise typer.Exit(code)

    @app.command()
    def answers(as_json: bool = typer.Option(False, "--json")) -> None:
        print_json({"problem": "it is so"})
        fail("It is so.")

    @app.command()
    def asks(as_json: bool = typer.Option(False, "--json")) -> None:
        typer.confirm("Sure?", err=True, abort=True)

    return app


@pytest.mark.parametrize(
    ("line", "code", "expected"),
    [
        ("breaks --json", 1, "internal"),
        ("breaks", 1, None),
        ("ends 1 --json", 1, "failed"),
        ("ends 0 --json", 0, None),
        ("ends 1", 1, None),
        ("ends -- 1 --json", 2, None),
        ("ends --json many", 2, "wrong_use"),
        ("asks --json", 1, "interrupted"),
        ("answers --json", 1, {"problem": "it is so"}),
    ],
)
def test_ways_to_end(small: typer.Typer, line: str, code: int, expected: Any) -> None:
    ended = CliRunner().invoke(small, line)
    assert ended.exit_code == code, ended.output
    assert "secret" not in ended.stdout
    answer = json.loads(ended.stdout) if ended.stdout else None
    assert (answer["error"]["code"] if answer and "error" in answer else answer) == expected


def test_the_codes_are_those_that_are_used() -> None:
    """Each is in the source of the commands, so that none is told of that nobody meets."""
    source = "".join(path.read_text("utf-8") for path in (ROOT / "roony" / "cli").rglob("*.py"))
    assert [code for code in get_args(Code) if source.count(f'"{code}"') < 2] == []
