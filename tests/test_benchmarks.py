"""What the benchmarks seed and send is still what Roony takes."""

from __future__ import annotations

import time
from pathlib import Path

from benchmarks.isolation import authorization
from benchmarks.seed import seed
from benchmarks.targets import latency_chart
from roony.flows.authorization import Answered
from roony.store.database import Database
from roony.store.till import Till
from tests.support.books import build_tables


def test_a_seeded_purchase_is_approved_once(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/roony.db")
    build_tables(database)
    purchases = seed(database, 4, organizations=2, first=7)
    assert [each.organization for each in purchases] == [7, 8, 7, 8]
    till = Till(database.open_writer, lambda: time.time_ns() // 1000, lambda: "v")
    till.start()
    try:
        for purchase in purchases:
            for approved in (True, False):
                answer = till.submit_and_wait(authorization(purchase))
                assert isinstance(answer, Answered)
                assert answer.approved is approved
    finally:
        till.stop()
        database.close()


def test_the_chart_names_each_load() -> None:
    drawn = latency_chart([(1, 2.0, 4.0), (64, 20.0, 50.0)])
    assert ">64</text>" in drawn
    assert "p99 50.0" in drawn
