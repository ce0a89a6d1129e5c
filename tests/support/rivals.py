"""Tills in processes of their own on one PostgreSQL database: let go together, or one held at its commit."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

import psycopg

from roony import stop_points
from roony.store.command import Command
from roony.store.database import Database
from roony.store.till import Till
from tests.support.books import NOW, Clock, writing_on
from tests.support.forking import FORKS, PATIENCE

# A command, or a function that makes a write with its arguments, such as (outbox.claim, now).
Job = Command[Any] | tuple[Any, ...]


def compete(url: str, orders: Connection, barrier: Any, release: Any) -> None:
    """Run in a child: a till that does what it is told."""
    database, clock = Database(url, own_clock=True), Clock()
    # Who is held at its commit does nothing there, however long the other takes to come.
    till = Till(writing_on(database), clock, lambda: uuid.uuid4().hex)
    till.start()

    def stay() -> None:
        orders.send("there")
        release.wait(PATIENCE)

    # Connected before it says that it is ready.
    till.write_and_wait(lambda _writer: None)
    orders.send("ready")
    while (order := orders.recv()) is not None:
        together, clock.now, hold_at, jobs = order
        stop_points.arm(hold_at, stay)
        if together:
            barrier.wait(PATIENCE)
        tickets = [
            till.enqueue(job, None, None) if isinstance(job, Command) else till._enqueue_work(job[0](*job[1:]), None)
            for job in jobs
        ]
        orders.send([ticket.future.exception(PATIENCE) or ticket.future.result(PATIENCE) for ticket in tickets])
    till.stop()
    database.close()


class Rivals:
    """Some processes, each with a till."""

    def __init__(self, url: str, count: int) -> None:
        self._url = url
        self._release = FORKS.Event()
        # Kept: a barrier that is collected is gone before a slow child has opened it.
        self._barrier = FORKS.Barrier(count)
        self._orders: list[Connection] = []
        self._processes = []
        for _ in range(count):
            ours, theirs = FORKS.Pipe()
            process = FORKS.Process(target=compete, args=(url, theirs, self._barrier, self._release), daemon=True)
            process.start()
            theirs.close()
            self._orders.append(ours)
            self._processes.append(process)
        for orders in self._orders:
            assert self._answer(orders) == "ready"

    def race(self, jobs: Sequence[Sequence[Job]], now: int = NOW) -> list[list[Any]]:
        """Every process does its jobs, all let go by one barrier; what each was answered."""
        assert len(jobs) == len(self._orders)
        for orders, own in zip(self._orders, jobs, strict=True):
            orders.send((True, now, None, own))
        return [self._answer(orders) for orders in self._orders]

    def one_before_the_other(
        self, first: Job, second: Job, nows: tuple[int, int] = (NOW, NOW), name: str = ""
    ) -> tuple[Any, Any]:
        """The first is held at its commit, with its lock, until the second waits for that lock; their answers."""
        self._release.clear()
        point = f"before_commit:{name or type(first).__name__}"
        self._orders[0].send((False, nows[0], point, [first]))
        assert self._answer(self._orders[0]) == "there"
        self._orders[1].send((False, nows[1], None, [second]))
        self._until_one_waits()
        self._release.set()
        return self._answer(self._orders[0])[0], self._answer(self._orders[1])[0]

    def _until_one_waits(self) -> None:
        """A till waits for a lock only a moment, again and again: until it was seen doing so."""
        waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        with psycopg.connect(self._url, autocommit=True) as watcher:
            deadline = time.monotonic() + PATIENCE
            while watcher.execute(waiting).fetchone() is None:
                assert time.monotonic() < deadline, "nobody waits"

    @staticmethod
    def _answer(orders: Connection) -> Any:
        assert orders.poll(PATIENCE), "no answer"
        return orders.recv()

    def close(self) -> None:
        """Ends them."""
        for orders, process in zip(self._orders, self._processes, strict=True):
            orders.send(None)
            process.join(PATIENCE)
            process.close()
            orders.close()


@contextmanager
def rivals(url: str, count: int) -> Iterator[Rivals]:
    """So many of them, ended afterwards."""
    made = Rivals(url, count)
    try:
        yield made
    finally:
        made.close()
