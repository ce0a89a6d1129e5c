"""`roony audit verify` on a file alone: a true chain passes, every kind of change is found."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from roony.cli.audit import verify_file
from roony.cli.commands import app
from roony.core.audit import GENESIS, AuditDraft, chain_record

Line = dict[str, Any]


def chain(count: int = 4) -> list[Line]:
    """The lines of an export: records and their head."""
    lines: list[Line] = []
    previous = GENESIS
    for sequence in range(1, count + 1):
        draft = AuditDraft("org_1", "agt_1", "purchase.asked", f"pur_{sequence}", {"amount": 100 * sequence}, sequence)
        record = chain_record(draft, sequence, previous)
        lines.append(record._asdict())
        previous = record.hash
    return [*lines, {"head": {"sequence": count, "hash": previous}}]


def write(folder: Path, lines: list[Line]) -> Path:
    """An export file."""
    file = folder / "audit.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return file


def run(*arguments: object) -> Result:
    """`roony audit verify …`."""
    return CliRunner().invoke(app, ["audit", "verify", *map(str, arguments)])


def test_a_true_chain_is_whole(tmp_path: Path) -> None:
    lines = chain()
    result = run(write(tmp_path, lines))
    assert (result.exit_code, result.stderr) == (0, "")
    assert f"4 records, the chain is whole. Head: 4:{lines[-1]['head']['hash']}" in result.stdout


def _change_amount(lines: list[Line]) -> None:
    lines[1]["body"] = lines[1]["body"].replace("200", "201")


def _change_actor(lines: list[Line]) -> None:
    lines[2]["actor"] = "somebody"


def _leave_out(lines: list[Line]) -> None:
    del lines[1]


def _cut_the_end(lines: list[Line]) -> None:
    del lines[-2]


def _swap(lines: list[Line]) -> None:
    lines[0], lines[1] = lines[1], lines[0]


def _mix_organizations(lines: list[Line]) -> None:
    lines[1]["organization_id"] = "org_2"


def _another_id(lines: list[Line]) -> None:
    lines[0]["id"] = "aud_000000000000000000000000"


def _another_type(lines: list[Line]) -> None:
    lines[0]["sequence"] = True


def _another_field(lines: list[Line]) -> None:
    lines[0]["note"] = "added"


def _behind_the_head(lines: list[Line]) -> None:
    lines.append(lines[0])


def _false_head(lines: list[Line]) -> None:
    lines[-1] = {"head": {"sequence": 4, "hash": "0" * 64}}


def _no_head(lines: list[Line]) -> None:
    lines[-1] = {"head": "4"}


def _all_gone(lines: list[Line]) -> None:
    lines.clear()


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (_change_amount, "record 2 was changed"),
        (_change_actor, "record 3 was changed"),
        (_leave_out, "records are missing or out of order"),
        (_cut_the_end, "records were cut off"),
        (_swap, "out of order"),
        (_mix_organizations, "belongs to org_2"),
        (_another_id, "an id that does not fit"),
        (_another_type, "line 1 is no audit record"),
        (_another_field, "line 1 is no audit record"),
        (_behind_the_head, "stands behind the head"),
        (_false_head, "the head in its last line"),
        (_no_head, "line 5 is no head"),
        (_all_gone, "no record in this file"),
    ],
)
def test_every_change_is_found(tmp_path: Path, change: Callable[[list[Line]], None], found: str) -> None:
    lines = chain()
    change(lines)
    result = run(write(tmp_path, lines))
    assert result.exit_code == 1
    assert found in result.stderr


def test_a_cut_file_without_a_head_is_only_found_with_a_head_from_elsewhere(tmp_path: Path) -> None:
    lines = chain()
    head = lines[-1]["head"]
    file = write(tmp_path, lines[:-2])
    unknown = run(file)
    assert (unknown.exit_code, "cannot be seen" in unknown.stdout) == (0, True)
    assert run(file, "--head", f"4:{head['hash']}").exit_code == 1
    assert run(write(tmp_path, lines[:-1]), "--head", f"4:{head['hash']}").exit_code == 0


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"{\n", b"[]\n", b'"text"\n', b"{}\n", b'{"head": {}}\n'])
def test_what_is_no_export_is_no_chain(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "audit.jsonl"
    file.write_bytes(content)
    assert run(file).exit_code == 1


def test_a_file_that_is_not_there_is_wrong_use(tmp_path: Path) -> None:
    result = run(tmp_path / "none.jsonl")
    assert (result.exit_code, "cannot be read" in result.stderr) == (2, True)
    assert run(write(tmp_path, chain()), "--head", "nonsense").exit_code == 2


def test_json_says_the_same(tmp_path: Path) -> None:
    lines = chain()
    assert json.loads(run(write(tmp_path, lines), "--json").stdout) == {
        "records": 4, "sequence": 4, "hash": lines[-1]["head"]["hash"], "head_known": True, "problem": None,
    }  # fmt: skip
    _change_amount(lines)
    result = run(write(tmp_path, lines), "--json")
    assert result.exit_code == 1
    assert "record 2" in json.loads(result.stdout)["problem"]


def test_a_long_chain_is_read_line_by_line(tmp_path: Path) -> None:
    verdict = verify_file(write(tmp_path, chain(3_000)))
    assert (verdict.records, verdict.problem) == (3_000, None)
