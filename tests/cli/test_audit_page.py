"""What docs/audit.md gives to an auditor, run as it stands there: it passes what is true and nothing else."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from roony.core.checkpoint import AGE_SECONDS, RECORDS, Checkpoint
from roony.core.evidence import _FIELDS as BUNDLE
from roony.core.evidence import MOST_PARTS, MOST_RECORDS
from roony.core.merkle import path_of
from tests.support.chains import PUBLIC_KEY, Line, lines_of, records_of, signed, text_of

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "audit.md").read_text(encoding="utf-8")
RECORDS_THERE = records_of(23)
CHECKPOINTS = signed(RECORDS_THERE, (1, 8, 21))


def program(name: str) -> str:
    """Of the two on the page, the one that verifies an export, or the records of a bundle."""
    found: list[str] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(found) == 2
    return found[0 if name == "verify" else 1]


def run(text: str, file: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", text, str(file), PUBLIC_KEY], capture_output=True, text=True, timeout=60, check=False
    )


def verify(folder: Path, lines: list[Line]) -> subprocess.CompletedProcess[str]:
    file = folder / "audit.jsonl"
    file.write_text("\n".join(text_of(lines)) + "\n", encoding="utf-8")
    return run(program("verify"), file)


def test_an_export_is_verified_by_the_lines_of_the_page(tmp_path: Path) -> None:
    done = verify(tmp_path, lines_of(RECORDS_THERE, CHECKPOINTS))
    assert (done.returncode, done.stdout, done.stderr) == (0, "23 records, signed up to 21\n", "")


@pytest.mark.parametrize("place", [0, 1, 5, 9, 20, 25, 26])
def test_and_a_changed_one_is_not(tmp_path: Path, place: int) -> None:
    lines = lines_of(RECORDS_THERE, CHECKPOINTS)
    lines[place] = json.loads(json.dumps(lines[place]).replace('"hash": "', '"hash": "0'))
    assert verify(tmp_path, lines).returncode == 1


def test_a_chain_written_anew_is_not(tmp_path: Path) -> None:
    done = verify(tmp_path, lines_of(records_of(23, start=7), CHECKPOINTS))
    assert (done.returncode, "AssertionError" in done.stderr) == (1, True)


def bundle() -> dict[str, Any]:
    """The records of some purchase out of the middle."""
    some = []
    for place in (1, 4, 7, 8, 13, 20):
        record = RECORDS_THERE[place]
        [point] = [one for one in CHECKPOINTS if one.first_sequence <= record.sequence <= one.sequence]
        hashes = [one.hash for one in RECORDS_THERE[point.first_sequence - 1 : point.sequence]]
        path = path_of(hashes, record.sequence - point.first_sequence)
        some.append({"record": record._asdict(), "proof": {"checkpoint": point.number, "path": path}})
    return {
        "purchase": {"id": "pur_1"}, "records": some, "checkpoints": [point._asdict() for point in CHECKPOINTS],
    }  # fmt: skip


def test_the_records_of_a_bundle_too(tmp_path: Path) -> None:
    start = program("verify").partition("file, key")[0]
    file = tmp_path / "evidence.json"
    true = bundle()
    file.write_text(json.dumps(true), encoding="utf-8")
    done = run(start + program("evidence"), file)
    assert (done.returncode, done.stdout, done.stderr) == (0, "6 records of pur_1\n", "")
    for place in range(6):
        forged = bundle()
        forged["records"][place]["proof"]["path"][0] = "1" * 64
        file.write_text(json.dumps(forged), encoding="utf-8")
        assert run(start + program("evidence"), file).returncode == 1


def test_the_page_names_every_field_and_limit() -> None:
    for name in (*Checkpoint._fields, *RECORDS_THERE[0]._fields, *BUNDLE):
        assert re.search(rf'[`"]{name}[`"]', PAGE), name
    assert (RECORDS, AGE_SECONDS, MOST_PARTS, MOST_RECORDS) == (1_000, 3_600, 200, 2_000)
    assert "1,000 records" in PAGE
    assert "older than an hour" in PAGE
    assert "more than 200 of a kind or 2,000 records" in PAGE
