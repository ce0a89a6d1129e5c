"""Events that come at the same time are written together, and each is answered for itself."""

from __future__ import annotations

import asyncio

import pytest

from roony.store import event_keeper, inbox
from roony.store.command import TillClosed
from roony.store.event_keeper import MOST_TOGETHER, EventKeeper
from roony.store.lanes import MAX_WAITING
from roony.store.rows import InboxEvent
from tests.support.books import NOW, Books


def event(number: int, created: int = 1) -> InboxEvent:
    return inbox.new_event(f"evt_{number}", None, False, "x", None, created, b"{}", NOW)


async def kept(books: Books, events: list[InboxEvent]) -> list[bool | BaseException]:
    keeper = EventKeeper(books.till)
    return await asyncio.gather(*(keeper.keep(one) for one in events), return_exceptions=True)


def test_those_that_come_together_share_few_commits_and_each_id_is_new_once(books: Books) -> None:
    before = books.till.counters().commits
    events = [event(number % 50) for number in range(2 * MOST_TOGETHER)]
    found = asyncio.run(kept(books, events))
    assert found == [True] * 50 + [False] * (len(events) - 50)
    assert len(books.rows(InboxEvent)) == 50
    assert books.till.counters().commits == before + 2


def test_those_who_were_answered_and_those_who_came_meanwhile_make_one_crowd(books: Books) -> None:
    """Else two halves would take turns for as long as many events come, with twice the commits."""

    async def crowds() -> list[bool]:
        keeper = EventKeeper(books.till)

        async def twice(number: int) -> bool:
            return await keeper.keep(event(number)) and await keeper.keep(event(number + 100))

        first = [asyncio.create_task(twice(number)) for number in range(20)]
        await asyncio.sleep(0)
        while keeper.waiting:  # noqa: ASYNC110 - a list tells nobody
            await asyncio.sleep(0)
        second = [asyncio.create_task(keeper.keep(event(number))) for number in range(20, 40)]
        return await asyncio.gather(*first, *second)

    before = books.till.counters().commits
    assert asyncio.run(crowds()) == [True] * 40
    assert len(books.rows(InboxEvent)) == 60
    assert books.till.counters().commits == before + 2


def test_as_many_as_were_answered_are_not_waited_for_any_longer(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who sends the next event as soon as the last one is answered pays for no time in which nobody comes."""
    monkeypatch.setattr(event_keeper, "LINGER", 60.0)
    monkeypatch.setattr(event_keeper, "MAX_LINGER", 60.0)

    async def in_turn() -> list[list[bool]]:
        keeper = EventKeeper(books.till)

        async def three(number: int) -> list[bool]:
            return [await keeper.keep(event(number + 100 * turn)) for turn in range(3)]

        return await asyncio.wait_for(asyncio.gather(*(three(number) for number in range(20))), 20)

    before = books.till.counters().commits
    assert asyncio.run(in_turn()) == [[True] * 3] * 20
    assert books.till.counters().commits == before + 3


def test_one_that_cannot_be_written_spoils_nothing_for_the_others(books: Books) -> None:
    events = [event(0), event(1, created=2**70), event(2)]
    first, spoilt, last = asyncio.run(kept(books, events))
    assert (first, last) == (True, True)
    assert isinstance(spoilt, Exception)
    assert {row.id for row in books.rows(InboxEvent)} == {"evt_0", "evt_2"}


def test_no_more_wait_than_have_a_place(books: Books) -> None:
    found = asyncio.run(kept(books, [event(number) for number in range(MAX_WAITING + 3)]))
    assert found[:MAX_WAITING] == [True] * MAX_WAITING
    assert all(isinstance(refused, TillClosed) for refused in found[MAX_WAITING:])
