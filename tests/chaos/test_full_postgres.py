"""A PostgreSQL whose tables lie on a disk that is really full, while its log has room: reads work and writes fail.

Needs root, which alone may mount the small disk; it is taken off again.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

from roony.store.database import NO_ROOM
from roony.web import health
from tests.support.postgres import own_server
from tests.support.served import unique, until
from tests.support.serving import ServedRoony, serve
from tests.test_deploy import program

pytestmark = pytest.mark.chaos
MEGA = 1_000_000
FULL = {"status": "unavailable", "database": "ok", "till": NO_ROOM}


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """64 MB that belong to whoever owns the folder. Skips where nothing may be mounted."""
    place = folder / "small"
    place.mkdir()
    mount, umount = program("mount"), program("umount")
    made = subprocess.run([mount, "-t", "tmpfs", "-o", "size=64m", "tmpfs", place], check=False, capture_output=True)
    if made.returncode:
        pytest.skip("only root may mount a disk, and not in every container")
    try:
        os.chown(place, folder.stat().st_uid, folder.stat().st_gid)
        yield place
    finally:
        subprocess.run([umount, "--lazy", place], check=True)


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[ServedRoony, Path]]:
    """A Roony with all of its tables on such a disk, and the disk."""
    monkeypatch.setattr(health, "PROBE_SECONDS", 0.0)
    monkeypatch.setattr(health, "ROOM_SECONDS", 0.5)
    with own_server() as server, small_disk(server.folder) as disk:
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute(f"CREATE TABLESPACE small LOCATION '{disk}'".encode())
            connection.execute("CREATE DATABASE small TABLESPACE small")
        with serve(tmp_path, database_url=server.url.replace("/postgres?", "/small?")) as served:
            yield served, disk


def fill(file: Path) -> None:
    """Until the last byte."""
    with suppress(OSError), file.open("ab", buffering=0) as filler:
        while True:
            filler.write(b"\x00" * 4_096)


def ready(roony: ServedRoony) -> tuple[int, dict[str, Any]]:
    """What a proxy hears."""
    answer = roony.caller().call("GET", "/readyz")
    return answer.status_code, answer.json()


def test_it_is_not_ready_until_its_disk_takes_something_again(own: tuple[ServedRoony, Path]) -> None:
    """Also where nobody asks for anything meanwhile but whether it is ready; with the disk free, a write works."""
    roony, disk = own
    company = roony.company()
    filler = disk / "filler"

    def written() -> int:
        said = company.owner.call("POST", "/api/v1/admin/projects", {"name": unique("project")})
        return int(said.status_code)

    assert written() == 201
    fill(filler)
    # What room the tables still have within them is used up first.
    until(written, 503, seconds=120)
    assert ready(roony) == (503, FULL)
    # It looks anew, and finds none.
    before = roony.context.till.tally.full_at
    until(lambda: ready(roony) == (503, FULL) and roony.context.till.tally.full_at != before, True)
    assert company.owner.call("GET", "/api/v1/admin/projects").status_code == 200
    filler.unlink()
    until(lambda: ready(roony), (200, {"status": "ok", "database": "ok", "till": "ok"}))
    assert written() == 201
    assert ready(roony)[0] == 200
