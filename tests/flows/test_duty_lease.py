"""One of many processes does the timed duties; another takes over when it is gone, and then it writes no more."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import update

from roony.core.agent import Agent
from roony.core.lease import Lease
from roony.flows import duty_lease
from roony.flows.context import FlowContext
from roony.flows.duty_lease import DutyLease
from roony.store.forgetting import KINDS
from roony.store.inbox import keep, new_event
from roony.store.lease import LeaseLost
from roony.store.rows import InboxEvent
from roony.store.tables import agents, leases
from roony.store.writer import Writer
from roony.worker import Worker
from tests.support.books import Books
from tests.support.offline import offline_context


def run_out(writer: Writer) -> None:
    """Its holder has not renewed it in time."""
    writer.execute(update(leases).values(until=0))


def rename_all(writer: Writer) -> int:
    """A write that would be seen."""
    return int(writer.execute(update(agents).values(name="changed")).rowcount)


def test_one_holds_it_and_the_next_one_when_its_time_is_over(books: Books) -> None:
    async def play(context: FlowContext) -> None:
        first, second, third = (DutyLease(context, name) for name in ("first", "second", "third"))
        assert [await one.held() for one in (first, second)] == [True, False]
        assert [(row.holder, row.generation) for row in books.rows(Lease)] == [("first", 1)]
        await context.till.write(run_out)
        assert await third.held() is True
        assert [(row.holder, row.generation) for row in books.rows(Lease)] == [("third", 2)]

    with offline_context(books) as context:
        asyncio.run(play(context))


def test_who_lost_it_writes_nothing(books: Books) -> None:
    """Also before it knows: the generation is looked at in the commit of the write."""

    async def play(context: FlowContext) -> None:
        first, second = (DutyLease(context, name) for name in ("first", "second"))
        with pytest.raises(LeaseLost):
            second.fenced(rename_all)
        assert await first.held()
        write = first.fenced(rename_all)
        await context.till.write(run_out)
        assert await second.held()
        assert await first.held()  # as far as it knows
        for late in (write, first.fenced(rename_all)):
            with pytest.raises(LeaseLost):
                await context.till.write(late)
        assert "changed" not in {row.name for row in books.rows(Agent)}
        assert await context.till.write(second.fenced(rename_all)) == len(books.rows(Agent)) > 0

    with offline_context(books) as context:
        asyncio.run(play(context))


def test_it_is_renewed_by_its_holder(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duty_lease, "TRY_SECONDS", 0.0)

    async def play(context: FlowContext) -> None:
        lease = DutyLease(context, "first")
        assert await lease.held()
        await context.till.write(run_out)
        assert await lease.held()
        [row] = books.rows(Lease)
        assert (row.generation, row.until > 0) == (1, True)

    with offline_context(books) as context:
        asyncio.run(play(context))


def test_a_worker_without_it_looks_at_no_duty(books: Books) -> None:
    """Each duty's first look comes at once, so its not having looked shows."""

    async def play(context: FlowContext) -> list[bool]:
        assert await DutyLease(context, "somebody else").held()
        worker = Worker(context)
        await worker.round()
        looked = [bool(worker._forgetting._looked)]
        await context.till.write(run_out)
        after = Worker(context)
        await after.round()
        return [*looked, bool(after._forgetting._looked)]

    with offline_context(books) as context:
        assert asyncio.run(play(context)) == [False, True]


def test_a_duty_that_fails_holds_up_neither_events_nor_the_others(books: Books) -> None:
    """Nor does what cannot be forgotten hold up what can: it has its turn again with the next pace."""
    books.till.write_and_wait(lambda writer: writer.run("ALTER TABLE oauth_states RENAME TO out_of_reach"))
    event = new_event("evt_1", None, False, "issuing_card.created", "ic_1", 9, b"{}", books.clock())
    books.till.write_and_wait(keep(event))

    async def play(context: FlowContext) -> set[str]:
        worker = Worker(context)
        await worker.round()
        return set(worker._forgetting._looked)

    with offline_context(books) as context:
        looked = asyncio.run(play(context))
    books.till.write_and_wait(lambda writer: writer.run("ALTER TABLE out_of_reach RENAME TO oauth_states"))
    assert looked == set(KINDS)
    assert books.row(InboxEvent, id="evt_1").reason == "unknown account"
