"""docs/operations.md says what is so: its commands, and how long what is kept."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from roony.core.duration import DAY
from roony.core.notification import KEPT as KEPT_DELIVERIES
from roony.flows.reconciliation.start import KEPT as KEPT_RUNS
from roony.store import forgetting
from tests.support.books import lay_file
from tests.support.command_lines import parse
from tests.support.served import clean_environment

PAGE = (Path(__file__).resolve().parent.parent / "docs/operations.md").read_text()
SECONDS = 86_400


def commands() -> list[str]:
    """Every `roony …` in it that is a whole command: in blocks, and between backticks."""
    blocks = re.findall(r"^```\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    lines = [line.partition("#")[0].strip() for block in blocks for line in block.splitlines()]
    spans = re.findall(r"`(roony [^`]+)`", re.sub(r"^```.*?^```", "", PAGE, flags=re.MULTILINE | re.DOTALL))
    found = [re.sub(r"\$\([^)]*\)", "now", line) for line in lines if line.startswith("roony ")] + spans
    return sorted({command.replace("…", "x").replace("DAYS", "90") for command in found})


def test_there_are_commands() -> None:
    assert len(commands()) > 10


@pytest.mark.parametrize("command", commands())
def test_every_command_is_one(command: str) -> None:
    parse(shlex.split(command)[1:])


def test_the_table_says_how_long_what_is_kept() -> None:
    rows = re.findall(r"^\| `(\w+)`: [^|]+ \| (\d+) days", PAGE, re.MULTILINE)
    assert {kind: int(days) for kind, days in rows} == {
        kind: age // forgetting.DAY for kind, (_, age, _, _) in forgetting._RULES.items()
    }


@pytest.mark.parametrize(
    ("what", "days"),
    [
        ("deliveries of webhooks and messages that were taken or canceled", KEPT_DELIVERIES["delivered"] / SECONDS),
        ("deliveries of webhooks and messages that were taken or canceled", KEPT_DELIVERIES["canceled"] / SECONDS),
        ("deliveries that nobody took", KEPT_DELIVERIES["dead"] / SECONDS),
        ("timed reconciliations that found nothing", KEPT_RUNS / DAY),
    ],
)
def test_so_do_the_rows_without_a_name(what: str, days: float) -> None:
    assert f"| {what} | {days:.0f} days |" in PAGE


def test_an_encrypted_copy_comes_back(tmp_path: Path) -> None:
    """The blocks of the page, as a reader types them; a shell ends at the first that fails."""
    bash = shutil.which("bash")
    if shutil.which("age") is None or bash is None:
        pytest.skip("age is not installed: Debian has it")
    blocks = re.findall(r"^<!-- run by: tests/test_operations.py -->\n```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    [making, copying, putting_back] = blocks
    lay_file(tmp_path / "roony.db")
    before = (tmp_path / "roony.db").read_bytes()
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = clean_environment(PATH=path, ROONY_DATABASE_URL=f"sqlite:///{tmp_path / 'roony.db'}")

    def typed(block: str, **more: str) -> str:
        done = subprocess.run(
            [bash, "-e", "-c", block], cwd=tmp_path, env={**environment, **more}, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    typed(copying, BACKUP_FOR=typed(making).strip())
    sealed = (tmp_path / "roony-copy.tar.age").read_bytes()
    assert b"SQLite format 3" in before
    assert b"SQLite format 3" not in sealed
    assert not (tmp_path / "roony-copy").exists()
    (tmp_path / "roony.db").write_bytes(b"lost")
    assert "approve nothing before" in typed(putting_back)
    assert (tmp_path / "roony.db").read_bytes().startswith(b"SQLite format 3")
