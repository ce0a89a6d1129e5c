"""`/readyz`: each thing that can be wrong has its word, and is or is not a reason to send requests elsewhere."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import psycopg
import pytest
import sqlalchemy

from roony.store import lease
from roony.store.command import TillClosed
from roony.store.migrations import revisions
from roony.store.writer import ConnectionLost
from roony.web import health
from roony.web.health import SILENT_SECONDS
from tests.support.postgres import books_database
from tests.support.served import until
from tests.support.serving import ServedRoony, serve


@pytest.fixture
def own(
    tmp_path_factory: pytest.TempPathFactory, backend: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ServedRoony]:
    """A Roony that a test may break; it looks anew for everybody who asks after a look has ended."""
    monkeypatch.setattr(health, "PROBE_SECONDS", 0.0)
    with books_database(backend) as url, serve(tmp_path_factory.mktemp("own"), database_url=url) as served:
        yield served


def ready(roony: ServedRoony) -> tuple[int, dict[str, Any]]:
    """What a proxy hears."""
    answer = roony.caller().call("GET", "/readyz")
    return answer.status_code, answer.json()


def test_the_database_that_does_not_answer(own: ServedRoony, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: Any) -> Any:
        raise OSError("away")

    monkeypatch.setattr(type(own.context.database), "read", gone)
    assert ready(own) == (503, {"status": "unavailable", "database": "unavailable", "till": "ok"})
    monkeypatch.undo()
    monkeypatch.setattr(health, "PROBE_SECONDS", 0.0)
    assert ready(own)[0] == 200


def test_an_older_database_in_its_place(own: ServedRoony, monkeypatch: pytest.MonkeyPatch) -> None:
    """And a newer one, as there is during an upgrade."""
    monkeypatch.setattr(health, "SCHEMA_SECONDS", 0.0)
    newest = revisions()[-1]
    engine = sqlalchemy.create_engine(own.context.database.url)
    try:
        with engine.begin() as there:
            there.exec_driver_sql("CREATE TABLE IF NOT EXISTS alembic_version (version_num VARCHAR(32) NOT NULL)")
            there.exec_driver_sql("DELETE FROM alembic_version")
            there.execute(sqlalchemy.text("INSERT INTO alembic_version VALUES (:one)"), {"one": revisions()[-2]})
        lacking = {"status": "unavailable", "database": "ok", "till": "ok", "schema": f"lacks {newest}"}
        assert ready(own) == (503, lacking)
        for revision in ("9999", newest):
            with engine.begin() as there:
                there.execute(sqlalchemy.text("UPDATE alembic_version SET version_num = :one"), {"one": revision})
            assert ready(own) == (200, {"status": "ok", "database": "ok", "till": "ok"})
    finally:
        engine.dispose()


def test_a_worker_that_hangs_is_told_and_requests_still_come(own: ServedRoony) -> None:
    measures = own.context.measures
    measures.heard_at = time.monotonic() - SILENT_SECONDS - 5
    status, said = ready(own)
    assert (status, said["status"]) == (200, "degraded")
    assert said["worker"].startswith("silent for 6")
    text = own.caller().call("GET", "/metrics").text
    [silent] = [line for line in text.splitlines() if line.startswith("roony_worker_silent_seconds ")]
    assert float(silent.split()[1]) > SILENT_SECONDS
    measures.heard_at = time.monotonic()
    assert ready(own)[1]["status"] == "ok"


def test_a_disk_that_takes_nothing_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite commits a transaction without a write all the same."""
    monkeypatch.setattr(health, "PROBE_SECONDS", 0.0)
    with serve(tmp_path) as own:
        raises = "CREATE TRIGGER full BEFORE INSERT ON leases BEGIN SELECT RAISE(FAIL, 'disk is full'); END"
        own.context.till.write_and_wait(lambda writer: writer.run(raises))
        assert ready(own) == (503, {"status": "unavailable", "database": "ok", "till": "unavailable"})
        own.context.till.write_and_wait(lambda writer: writer.run("DROP TRIGGER full"))
        assert ready(own)[0] == 200


def breaks_off(roony: ServedRoony) -> None:
    """A write meets a full disk: SQLite's file may not grow, PostgreSQL raises what it does where a table cannot."""
    till = roony.context.till
    if roony.context.database.is_sqlite:
        till.write_and_wait(lambda writer: writer.run("PRAGMA max_page_count = 1").fetchone())
    else:
        till.write_and_wait(
            lambda writer: writer.run(
                "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS"
                " $$ BEGIN RAISE 'Auf dem Gerät ist kein Speicherplatz mehr' USING ERRCODE = '53100'; END $$;"
                "CREATE TRIGGER full_disk BEFORE INSERT ON leases EXECUTE FUNCTION full_disk()"
            )
        )
    with pytest.raises((sqlite3.OperationalError, psycopg.errors.DiskFull)):
        till.write_and_wait(lease.take("x" * 1_000_000, "me", 1, roony.context.clock))


def mend(roony: ServedRoony) -> None:
    """There is room again."""
    is_sqlite = roony.context.database.is_sqlite
    sql = "PRAGMA max_page_count = 1000000" if is_sqlite else "DROP TRIGGER full_disk ON leases"
    roony.context.till.write_and_wait(lambda writer: writer.run(sql) and None)


def test_a_write_that_found_the_disk_full(own: ServedRoony, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told though a commit of nothing goes through, and until a look finds room: nobody else writes meanwhile."""
    monkeypatch.setattr(health, "ROOM_SECONDS", 3600.0)
    full = (503, {"status": "unavailable", "database": "ok", "till": "the disk is full"})
    breaks_off(own)
    assert ready(own) == full
    mend(own)
    assert ready(own) == full
    monkeypatch.setattr(health, "ROOM_SECONDS", 0.0)
    assert ready(own) == (200, {"status": "ok", "database": "ok", "till": "ok"})
    # And it counts no more.
    monkeypatch.setattr(health, "ROOM_SECONDS", 3600.0)
    assert ready(own)[0] == 200


class HeldTill:
    """Holds the till's one writer with a write of its own, until it is let go."""

    def __init__(self, roony: ServedRoony) -> None:
        self._till = roony.context.till
        self._held, self._go = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._hold)

    def _hold(self) -> None:
        # PostgreSQL ends a transaction that does nothing for so long, and then the write is refused.
        with suppress(TillClosed, ConnectionLost):
            self._till.write_and_wait(self._wait)

    def _wait(self, _writer: Any) -> None:
        self._held.set()
        assert self._go.wait(60)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._held.wait(60)
        return self

    def __exit__(self, *error: object) -> None:
        self._go.set()
        self._thread.join(60)


def test_many_strangers_make_one_commit(own: ServedRoony, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those who ask together share a look, and until its time is over nobody begins another."""
    monkeypatch.setattr(health, "PROBE_SECONDS", 3600.0)
    monkeypatch.setattr(health, "READY_SECONDS", 60.0)
    asked, go = threading.Semaphore(0), threading.Event()
    looks: list[str] = []
    write, found = own.context.till.write, health.Probe.found

    async def held(work: Any) -> Any:
        if work.__module__ == health.__name__:
            looks.append(work.__qualname__)
            assert await asyncio.to_thread(go.wait, 60)
        return await write(work)

    async def announced(probe: health.Probe) -> Any:
        asked.release()
        return await found(probe)

    monkeypatch.setattr(own.context.till, "write", held)
    monkeypatch.setattr(health.Probe, "found", announced)
    with ThreadPoolExecutor(20) as strangers:
        answers = [strangers.submit(ready, own) for _ in range(20)]
        assert all(asked.acquire(timeout=60) for _ in answers)
        assert not any(answer.done() for answer in answers)
        go.set()
        assert {answer.result()[0] for answer in answers} == {200}
    assert [ready(own)[0] for _ in range(5)] == [200] * 5
    assert len(looks) == 1


def test_a_till_that_hangs_is_told_once_the_last_look_is_old(own: ServedRoony, monkeypatch: pytest.MonkeyPatch) -> None:
    """And so is one that writes again."""
    monkeypatch.setattr(health, "PROBE_SECONDS", 3600.0)
    monkeypatch.setattr(health, "READY_SECONDS", 60.0)
    clock = [1000.0]
    monkeypatch.setattr(health, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    hanging = (503, {"status": "unavailable", "database": "ok", "till": "unavailable"})
    assert ready(own)[0] == 200
    with HeldTill(own):
        clock[0] += 3599.0
        assert ready(own)[0] == 200
        clock[0] += 1.0
        # The database has to answer within it, on a busy machine too; the till does not.
        monkeypatch.setattr(health, "READY_SECONDS", 3.0)
        assert ready(own) == hanging
    monkeypatch.setattr(health, "READY_SECONDS", 60.0)
    assert ready(own) == hanging

    def again() -> int:
        clock[0] += 3600.0
        return ready(own)[0]

    # Where PostgreSQL ended the transaction, the till connects again by itself.
    until(again, 200)
