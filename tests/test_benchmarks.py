"""What the benchmarks seed and send is still what Roony takes."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from benchmarks.events import write_requests
from benchmarks.forgeries import forged
from benchmarks.isolation import authorization
from benchmarks.pacer import Pacer, read_requests, spoiled
from benchmarks.seed import seed
from benchmarks.targets import latency_chart
from roony.flows.authorization import Answered
from roony.store.database import Database
from roony.store.till import Till
from tests.support.books import build_tables
from tests.support.serving import serve


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


def test_a_sender_counts_every_answer(tmp_path: Path) -> None:
    """As fast as it is answered, and at a rate; the requests are bad ones, each time other ones."""
    requests = forged(b"whsec_test", 40, 1)
    write_requests(requests, tmp_path / "forged.bin")
    assert read_requests(tmp_path / "forged.bin") == requests
    made = spoiled(requests)
    twice = [next(made) for _ in range(80)]
    assert len(set(twice)) > 70
    assert [len(one) for one in twice] == [len(one) for one in requests] * 2
    with serve(tmp_path) as served:
        port = int(served.url.rpartition(":")[2])
        for rate in (0, 2_000):
            pacer = Pacer(requests, rate, 500)
            asyncio.run(pacer.drive(port, 3))
            assert (pacer.sent, dict(pacer.statuses), pacer.lost) == (500, {"400": 500}, 0)
