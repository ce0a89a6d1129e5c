"""Holding a till still, and small commands for it: for tests of the till itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from roony.store.book import Book
from roony.store.command import Command, Ticket
from roony.store.facts import Needs
from roony.store.rows import KnownMerchant
from roony.store.till import Till
from roony.store.writer import Writer
from tests.support.books import NOW, ORG

PATIENCE = 60.0  # seconds after which a test that waits has failed
NOTHING = Needs()
# The databases Roony runs on, for parametrized tests; those for PostgreSQL are skipped where there is no server.
DATABASES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]


@dataclass(frozen=True)
class Do(Command[Any]):
    """A command made of one function."""

    action: Callable[[Book, int], Any]
    facts: Needs = NOTHING
    urgent: bool = False
    organization_id: str = ORG
    undo: Command[Any] | None = None

    def needs(self, now: int) -> Needs:
        return self.facts

    def apply(self, book: Book, now: int) -> Any:
        return self.action(book, now)

    def compensation(self, answer: Any) -> Command[Any] | None:
        return self.undo


def merchant(key: str, organization_id: str = ORG, **fields: Any) -> KnownMerchant:
    """A row that is no configuration and has no rules of its own."""
    return KnownMerchant(organization_id, key, key, "[]", "[]", 1, NOW)._replace(**fields)


def note(name: str, **more: Any) -> Do:
    """Writes one row and its audit record, and answers with its name."""

    def action(book: Book, now: int) -> str:
        organization_id = more.get("organization_id", ORG)
        book.put(merchant(name, organization_id))
        book.record(organization_id, "tester", "noted", name, {}, now)
        return name

    return Do(action, **more)


def poison(name: str = "poison", **more: Any) -> Do:
    """Applies well, but its row is one that no database takes: a column that must not be empty is."""

    def action(book: Book, now: int) -> str:
        book.put(merchant(name, name=None))
        return name

    return Do(action, **more)


def stay(writer: Writer, over: Callable[[], bool]) -> None:
    """Keeps a write where it is until it is over: PostgreSQL ends a transaction that does nothing for two seconds."""
    deadline = time.monotonic() + PATIENCE
    while not over():
        assert time.monotonic() < deadline, "it is never over"
        writer.run("SELECT 1")
        threading.Event().wait(0.005)


@contextmanager
def held(till: Till) -> Iterator[None]:
    """Keeps the writer thread busy with a write of its own: what is submitted inside waits for the next batch."""
    entered, release = threading.Event(), threading.Event()
    failed: list[BaseException] = []

    def work(writer: Writer) -> None:
        entered.set()
        stay(writer, release.is_set)

    def write() -> None:
        try:
            till.write_and_wait(work)
        except BaseException as error:
            failed.append(error)
            entered.set()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        assert entered.wait(PATIENCE)
        assert not failed, failed
        yield
    finally:
        release.set()
        thread.join(PATIENCE)
    assert not failed, failed


def together(till: Till, commands: Sequence[Command[Any]]) -> list[Ticket]:
    """Submits all of them so that they wait at the same time; returns their tickets without waiting for them."""
    with held(till):
        return [till.enqueue(command, None, None) for command in commands]


def answers(tickets: Sequence[Ticket]) -> list[Any]:
    """The answer of every ticket, exceptions too."""
    return [ticket.future.exception(PATIENCE) or ticket.future.result(PATIENCE) for ticket in tickets]


def at_once(jobs: Sequence[Callable[[], Any]]) -> list[Any]:
    """Runs every job in a thread of its own, all let go at the same moment; returns results or exceptions."""
    barrier = threading.Barrier(len(jobs))
    results: list[Any] = [None] * len(jobs)

    def run(place: int) -> None:
        barrier.wait(PATIENCE)
        try:
            results[place] = jobs[place]()
        except BaseException as error:
            results[place] = error

    threads = [threading.Thread(target=run, args=(place,)) for place in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE * 2)
        assert not thread.is_alive()
    return results
