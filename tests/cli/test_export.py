"""`roony export`: a folder that is whole or has no manifest."""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Callable
from pathlib import Path

from typer.testing import Result

from roony.store.queries.export import LEFT_OUT, exported_tables
from tests.cli.serving import ServedSimulation


def test_everything_is_a_folder_of_lines(
    served: ServedSimulation, roony: Callable[..., Result], tmp_path: Path
) -> None:
    folder = tmp_path / "taken"
    done = roony("export", str(folder), "--json")
    assert done.exit_code == 0, done.stderr
    manifest = json.loads((folder / "manifest.json").read_text())
    assert json.loads(done.stdout) == {"folder": str(folder), **manifest}
    assert set(manifest["tables"]) == {table.name for table in exported_tables()}
    assert manifest["left_out"] == LEFT_OUT
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        ["manifest.json", *(f"{table}.jsonl" for table in manifest["tables"])]
    )
    for table, said in manifest["tables"].items():
        content = (folder / f"{table}.jsonl").read_bytes()
        assert hashlib.sha256(content).hexdigest() == said["sha256"]
        rows = [json.loads(line) for line in content.splitlines()]
        assert len(rows) == said["rows"]
    [row] = [json.loads(line) for line in (folder / "organizations.jsonl").read_text().splitlines()]
    assert row["id"] == served.ready["organization_id"] == manifest["organization_id"]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_nothing_is_written_over(roony: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    refused = roony("export", str(tmp_path / "mine"))
    assert (refused.exit_code, "is there already" in refused.stderr) == (2, True)
    assert list((tmp_path / "mine").iterdir()) == []


def test_without_the_last_answer_it_has_no_manifest(
    roony: Callable[..., Result], tmp_path: Path, served: ServedSimulation
) -> None:
    """A key that may not leaves a folder that says that it is not whole."""
    refused = roony("export", str(tmp_path / "taken"), ROONY_ADMIN_KEY=served.ready["agent_key"])
    assert refused.exit_code == 1
    assert not (tmp_path / "taken" / "manifest.json").exists()
