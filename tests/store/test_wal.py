"""SQLite's write-ahead log is folded into the file beside the commits, so that no answer waits for all of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from roony.store import tables, writer
from roony.store.database import Database
from roony.store.inbox import new_event
from roony.store.migrations import migrate
from tests.support.served import until

EVENTS, TOGETHER, PAGE = 256, 32, 4096


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path}/roony.db")
    made.acquire()
    migrate(made)
    yield made
    made.close()


def test_what_was_committed_comes_into_the_file_long_before_the_log_is_full(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "FOLD_ROWS", EVENTS // 2)
    assert database.path is not None
    file, writing = database.path, database.open_writer()
    before = file.stat().st_size
    for first in range(0, EVENTS, TOGETHER):
        numbers = range(first, first + TOGETHER)
        events = [new_event(f"evt_{n}", None, False, "x", None, 1, bytes(PAGE), n) for n in numbers]
        writing.begin([])
        writing.write_rows(tables.inbox, events)
        writing.commit()
    until(lambda: file.stat().st_size >= before + EVENTS // 2 * PAGE, True)
    assert database.read(select(func.count()).select_from(tables.inbox))[0][0] == EVENTS
    writing.close()
