"""A command of Roony in a process of its own, until it ends."""

from __future__ import annotations

import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.forking import Forked
from tests.support.served import clean_environment


def run_roony(
    *arguments: str, typed: str = "", folder: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """`roony` with these arguments, as a person runs it, in this folder or where the test is."""
    with TemporaryDirectory() as place:
        errors = Path(place) / "stderr"
        process = Forked(
            list(arguments), clean_environment(**environment), errors, folder=folder or Path.cwd(),
            stdin=True, stdout=True,
        )  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        with process.stdin as reads:
            reads.write(typed.encode())
        with process.stdout as told:
            printed = told.read().decode()
        return subprocess.CompletedProcess(arguments, process.wait(), printed, errors.read_text())
