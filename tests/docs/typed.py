"""`roony` for a shell of a test: a small program that has the test run the command in a forked process.

Starting Python with all of Roony takes longer than most commands. What stays is started as everybody starts it.
"""

from __future__ import annotations

import json
import socketserver
import sys
import threading
from pathlib import Path
from typing import Any

from tests.support.commands import run_roony

_PROGRAM = """#!{python} -IS
import json, os, socket, sys
if sys.argv[1:2] in (["serve"], ["simulator"]):
    os.execv({python!r}, [{python!r}, "-m", "roony", *sys.argv[1:]])
asked = {{"arguments": sys.argv[1:], "folder": os.getcwd(), "typed": sys.stdin.read(), "environment": dict(os.environ)}}
with socket.create_connection(("127.0.0.1", {port})) as line, line.makefile("rwb") as file:
    file.write(json.dumps(asked).encode() + b"\\n")
    file.flush()
    told = json.loads(file.readline())
sys.stdout.write(told["out"])
sys.stderr.write(told["err"])
sys.exit(told["code"])
"""


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


class _Asked(socketserver.StreamRequestHandler):
    """One command: its arguments, folder, environment and what is piped into it."""

    def handle(self) -> None:
        asked: dict[str, Any] = json.loads(self.rfile.readline())
        ours = {name: value for name, value in asked["environment"].items() if name.startswith(("ROONY_", "STRIPE_"))}
        done = run_roony(*asked["arguments"], typed=asked["typed"], folder=Path(asked["folder"]), **ours)
        told = {"out": done.stdout, "err": done.stderr, "code": done.returncode}
        self.wfile.write(json.dumps(told).encode() + b"\n")


class TypedRoony:
    """Runs what its `program` is asked for, until it is closed."""

    def __init__(self) -> None:
        self._server = _Server(("127.0.0.1", 0), _Asked)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def program(self) -> str:
        """The text of an executable file that is `roony`."""
        return _PROGRAM.format(python=sys.executable, port=self._server.server_address[1])

    def close(self) -> None:
        """No more commands."""
        self._server.shutdown()
        self._server.server_close()
