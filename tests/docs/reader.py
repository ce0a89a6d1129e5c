"""A reader who types the commands of a page one after the other into one shell, and copies ids from what was printed.

Where a page writes `agt_…` the reader takes the id of that kind that was printed last, as a person would. Addresses and
files in /tmp are those of this test. What a page shows as printed is compared in all but what differs from run to run.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self
from urllib.parse import urlsplit

from tests.docs.blocks import ROOT, Block
from tests.docs.commands import BASH, statements
from tests.docs.typed import TypedRoony
from tests.support.forking import PATIENCE
from tests.support.served import clean_environment

_END = "==reader-has-read-this=="
_PREFIXES = "org|prj|agt|pur|crd|hold|apr|dis|con|aud|bud|ctl|usr|key|whe|alt|msg|whd|rcp|ich|ic|iauth|evt|acct"
_ID = re.compile(rf"\b({_PREFIXES})_[A-Za-z0-9]+\b")
_KEY = re.compile(r"\b(roony_(?:agent|admin)|whsec)_[A-Za-z0-9+/=]+")
_UNKNOWN = re.compile(rf"\b({_PREFIXES}|roony_agent|roony_admin|whsec|sk_test)_…")
# What goes on until somebody ends it.
_STAYS = re.compile(r"\s*(?:\.venv/bin/)?roony (?P<what>serve|simulator)\b")
_SET = ("roony_url", "roony_admin_key", "roony_agent_key")
# In place of everybody's `sleep`: the pages wait a second where Roony and the simulator need a moment.
_SLEEP = """#!{python}
import sys
sys.path.insert(0, {root!r})
from tests.docs.quiet import wait
wait({simulator!r}, {database!r})
"""


class Reader:
    """One shell with Roony's commands in its path; `known` are the newest ids by their prefix.

    `ready` is what a server, or a simulator alone, said of itself when it began, or where they will be; `here` are
    words of the page that are others here, and what else is given is set in the shell.
    """

    def __init__(
        self, folder: Path, ready: Mapping[str, object], database: Path | None = None,
        here: Mapping[str, str] = MappingProxyType({}), **environment: str,
    ) -> None:  # fmt: skip
        self.folder = folder
        self._ready = ready
        (folder / "roony.json").write_text(json.dumps(dict(ready)))
        self._here = {
            "/tmp/": f"{folder}/", "http://localhost:8001": ready["simulator_url"],
            **{f"http://{host}:8000": ready.get("url", "") for host in ("localhost", "127.0.0.1")}, **here,
        }  # fmt: skip
        named = {
            "org": "organization_id", "agt": "agent_id", "roony_agent": "agent_key", "roony_admin": "admin_key",
            "whsec": "webhook_secret", "sk_test": "stripe_secret_key",
        }  # fmt: skip
        self.known = {prefix: str(ready[name]) for prefix, name in named.items() if name in ready}
        self._roony = TypedRoony()
        self._lay_out(ready, database)
        keys = {name.upper(): str(ready[name.removeprefix("roony_")]) for name in _SET if name[6:] in ready}
        path = f"{folder}/.venv/bin:{os.environ['PATH']}"
        set_here = clean_environment(PATH=path, HOME=str(folder), **keys, **environment)
        self._shell = subprocess.Popen(
            [BASH], cwd=folder, env=set_here, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, bufsize=1,
        )  # fmt: skip

    def _lay_out(self, ready: Mapping[str, object], database: Path | None) -> None:
        """The folder the reader is in: as a clone of the repository that was set up."""
        programs = self.folder / ".venv" / "bin"
        programs.mkdir(parents=True)
        _executable(programs / "roony", self._roony.program)
        _executable(programs / "python", f'#!/bin/sh\nexec {sys.executable} "$@"\n')
        # In place of Stripe's own program: the simulator sends its events itself, signed with this secret.
        _executable(programs / "stripe", f"#!/bin/sh\necho {ready.get('webhook_secret', '')}\n")
        for name in ("examples", "requirements"):
            (self.folder / name).symlink_to(ROOT / name)
        if database is not None:
            words = {"python": sys.executable, "root": str(ROOT)}
            text = _SLEEP.format(**words, simulator=ready["simulator_url"], database=str(database))
            _executable(programs / "sleep", text)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        self._shell.stdin.write("kill $(jobs -p) 2> /dev/null; wait\n")
        self._shell.stdin.close()
        try:
            self._shell.wait(PATIENCE)
        finally:
            self._shell.kill()
            self._shell.stdout.close()
            self._roony.close()

    def read(self, block: Block) -> str:
        """Types a block; returns what it printed. Fails at the first command that fails."""
        told = ""
        for statement in statements(block.text):
            typed = self._as_here(statement)
            if begun := _STAYS.match(typed):
                self._begin(typed, begun["what"])
                continue
            code, printed = self._type(typed)
            told += printed
            assert code == 0, f"{block.place}: {typed.strip()}\n{printed}\nexit code {code}"
            self._remember(printed)
        return told.replace(f"{self.folder}/", "/tmp/")

    def _as_here(self, statement: str) -> str:
        for there, here in self._here.items():
            statement = statement.replace(there, str(here))
        return _UNKNOWN.sub(lambda found: self.known.get(found[1], found[0]), statement)

    def _begin(self, statement: str, what: str) -> None:
        """Types what a person would leave running in a terminal of its own; returns once it answers."""
        place = urlsplit(str(self._ready["url" if what == "serve" else "simulator_url"]))
        words = statement.partition("#")[0].strip()
        if what == "serve":
            words += f" --port {place.port}"
        self._type(f"{words} > {what}.log 2>&1 &")
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            with socket.socket() as attempt:
                if attempt.connect_ex((place.hostname, place.port)) == 0:
                    return
            time.sleep(0.05)
        raise AssertionError((self.folder / f"{what}.log").read_text())

    def _remember(self, printed: str) -> None:
        for found in _ID.finditer(printed):
            self.known[found[1]] = found[0]
        for found in _KEY.finditer(printed):
            self.known[found[1]] = found[0]

    def _type(self, statement: str) -> tuple[int, str]:
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        # What a command reads is not the next command.
        self._shell.stdin.write(f"{{ :\n{statement}\n}} < /dev/null\nprintf '\\n%s %s\\n' {_END} $?\n")
        self._shell.stdin.flush()
        printed = ""
        for line in self._shell.stdout:
            if line.startswith(_END):
                return int(line.split()[1]), printed[:-1] if printed.endswith("\n\n") or printed == "\n" else printed
            printed += line
        raise AssertionError(f"the shell ended at: {statement.strip()}\n{printed}")


def _executable(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o700)


_VARYING = (
    (re.compile(r"\b[0-9a-f]{64}\b"), "HASH"),
    (_ID, r"\1_ID"),
    (re.compile(rf"\b({_PREFIXES})_…"), r"\1_ID"),
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z?"), "TIME"),
    (re.compile(r'"last4":"\d{4}"'), '"last4":"0000"'),
    (re.compile(r"\b\d+ records"), "N records"),
    (re.compile(r"Head: \d+"), "Head: N"),
    (re.compile(r"\b\d+\.\d s\b"), "TIME s"),
)


def plain(text: str) -> list[str]:
    """The lines of a text without what differs from run to run."""
    for pattern, word in _VARYING:
        text = pattern.sub(word, text)
    return [line.rstrip() for line in text.strip().splitlines()]


def is_as_shown(shown: str, printed: str) -> bool:
    """Whether a page shows what was printed; a line `…` of the page stands for any lines."""
    pattern = "\n".join(".*" if line.strip() == "…" else re.escape(line) for line in plain(shown))
    return re.fullmatch(pattern, "\n".join(plain(printed)), re.DOTALL) is not None
