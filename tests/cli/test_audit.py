"""`roony audit verify` on a file alone: a true chain passes, every kind of change is found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from roony.cli.audit import verify_file
from roony.cli.commands import app
from roony.core.audit import GENESIS, AuditDraft, chain_record
from roony.store.signing import new_pair
from tests.support.chains import PUBLIC_KEY, lines_of, records_of, signed

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
        "organization_id": "org_1", "records": 4, "sequence": 4, "hash": lines[-1]["head"]["hash"],
        "head_known": True, "checkpoints": 0, "signed": 0, "public_keys": [], "problem": None,
    }  # fmt: skip
    _change_amount(lines)
    result = run(write(tmp_path, lines), "--json")
    assert result.exit_code == 1
    assert "record 2" in json.loads(result.stdout)["problem"]


def test_a_reader_who_has_enough_is_not_taken_for_a_bad_file(tmp_path: Path) -> None:
    """As with `| head -1`."""
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "roony", "audit", "verify", str(write(tmp_path, chain()))]
    told = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    os.close(writing)
    assert "cannot be read" not in told.stderr


def test_a_long_chain_is_read_line_by_line(tmp_path: Path) -> None:
    verdict = verify_file(write(tmp_path, chain(3_000)))
    assert (verdict.records, verdict.problem) == (3_000, None)


def signed_chain() -> tuple[list[Line], list[Line]]:
    """The lines of a signed export, and those of its checkpoints alone."""
    records = records_of(10)
    lines = lines_of(records, signed(records, (4, 9)))
    return lines, [line for line in lines if "checkpoint" in line]


def test_a_signed_chain_says_how_far_and_with_which_key(tmp_path: Path) -> None:
    lines, _ = signed_chain()
    file = write(tmp_path, lines)
    alone, known = run(file), run(file, "--public-key", PUBLIC_KEY)
    assert (alone.exit_code, known.exit_code) == (0, 0)
    assert "Signed up to record 9 by 2 checkpoints, 1 after it are not signed yet." in alone.stdout
    assert f"Signed with {PUBLIC_KEY}: compare it with the key you kept" in alone.stdout
    assert "compare it" not in known.stdout
    assert "Nothing of it is signed" in run(write(tmp_path, chain())).stdout


def test_another_key_or_none_is_not_true(tmp_path: Path) -> None:
    lines, _ = signed_chain()
    _, other = new_pair()
    result = run(write(tmp_path, lines), "--public-key", other)
    assert (result.exit_code, "checkpoint 1 is signed with another key" in result.stderr) == (1, True)
    result = run(write(tmp_path, chain()), "--public-key", PUBLIC_KEY)
    assert (result.exit_code, "no record of this file is signed" in result.stderr) == (1, True)
    assert run(write(tmp_path, lines), "--public-key", "c2hvcnQ=").exit_code == 2


def test_a_cut_chain_is_found_with_a_checkpoint_that_was_kept(tmp_path: Path) -> None:
    """The rest is a true chain; only who kept the newest checkpoint sees that it was longer."""
    lines, checkpoints = signed_chain()
    kept = tmp_path / "kept.jsonl"
    kept.write_text(json.dumps(checkpoints[-1]) + "\n", encoding="utf-8")
    records = records_of(10)[:6]
    file = write(tmp_path, lines_of(records, signed(records, (4,))))
    assert run(file, "--public-key", PUBLIC_KEY).exit_code == 0
    result = run(file, "--public-key", PUBLIC_KEY, "--checkpoint", kept)
    assert (result.exit_code, "you noted down record 9: records were cut off" in result.stderr) == (1, True)
    assert run(write(tmp_path, lines), "--checkpoint", kept).exit_code == 0
    kept.write_text("{}\n", encoding="utf-8")
    result = run(file, "--checkpoint", kept)
    assert (result.exit_code, "line 1 is no checkpoint" in result.stderr) == (1, True)
    assert run(file, "--checkpoint", tmp_path / "none").exit_code == 2


def test_an_older_head_is_one_the_chain_goes_through(tmp_path: Path) -> None:
    lines, _ = signed_chain()
    file = write(tmp_path, lines)
    assert run(file, "--head", f"3:{lines[2]['hash']}").exit_code == 0
    result = run(file, "--head", f"3:{'1' * 64}")
    assert (result.exit_code, "record 3 is another one than you noted down" in result.stderr) == (1, True)


def test_what_is_served_is_exported_signed_and_proven(
    roony: Callable[..., Result], roony_json: Callable[..., Any], tmp_path: Path
) -> None:
    """From the commands of the owner to the files an auditor checks."""
    asked = roony(
        "purchase", "ask", "20", "--merchant", "Figma", "--category", "computer_software_stores", "--country", "US",
        "--allow-duplicate", "--json",
    )  # fmt: skip
    purchase = json.loads(asked.stdout)["id"]
    kept = tmp_path / "kept.jsonl"
    kept.write_text(roony("audit", "checkpoint", "--sign").stdout, encoding="utf-8")
    [key] = [row["public_key"] for row in roony_json("audit", "key")["data"] if row["signs"]]
    file, evidence = tmp_path / "audit.jsonl", tmp_path / "evidence.json"
    assert roony_json("audit", "export", "-o", str(file))["records"] > 3
    result = run(file, "--public-key", key, "--checkpoint", kept, "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["signed"] > 3

    written = roony_json("purchase", "evidence", purchase, "-o", str(evidence), "--sign")
    assert (written["unsigned"], written["records"] > 1) == (0, True)
    proven = run(evidence, "--public-key", key)
    assert (proven.exit_code, proven.stderr) == (0, "")
    assert f"{purchase} of org_" in proven.stdout
    assert "all signed and as they were written" in proven.stdout
    text = evidence.read_text(encoding="utf-8")
    evidence.write_text(text.replace('"amount": 2000', '"amount": 2001', 1), encoding="utf-8")
    forged = run(evidence, "--public-key", key, "--json")
    assert (forged.exit_code, "NOT PROVEN: no record tells of the amount 2001" in forged.stderr) == (1, True)
    assert json.loads(forged.stdout)["problems"]
    assert run(evidence, "--head", "1:ab").exit_code == 2


def test_a_large_file_is_checked_in_little_memory(tmp_path: Path) -> None:
    """40,000 records take no more than 4,000 did: nothing of what was read is kept."""
    most = [_most_of(tmp_path, count) for count in (4_000, 40_000)]
    assert most[1] < most[0] + 300_000, most


def _most_of(folder: Path, count: int) -> int:
    records = records_of(count)
    file = write(folder, lines_of(records, signed(records, range(1_000, count + 1, 1_000))))
    del records
    tracemalloc.start()
    try:
        verdict = verify_file(file, [PUBLIC_KEY])
        assert (verdict.problem, verdict.checkpoints) == (None, count // 1_000)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
