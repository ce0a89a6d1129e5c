"""Whoever waits is told: nothing is lost between reading and waiting, whichever process commits."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from queue import Queue
from typing import Any

import psycopg
import pytest

from roony.core.audit import AuditRecord
from roony.core.notice import notices_of
from roony.core.purchase import Purchase
from roony.flows import change_feed
from roony.flows.change_feed import ChangeFeed, Stream, Told, UnknownId
from roony.flows.ending import CancelPurchase
from roony.flows.places import TooMany
from roony.store import commit_word
from roony.store.commit_word import CommitWord
from roony.store.till import Till
from tests.support.books import AGENT, ORG, Books, open_books, writing_on
from tests.support.postgres import swept_database
from tests.support.served import until
from tests.support.tills import PATIENCE

ROUNDS = 20


@pytest.fixture
def feed(books: Books) -> ChangeFeed:
    """The feed of this process, told by its till."""
    made = ChangeFeed(books.database)
    books.till.listen(made.committed)
    return made


def waiting(books: Books, amount: int) -> Purchase:
    """A purchase that waits for a person."""
    purchase: Purchase = books.ask(amount, f"Shop {amount}").purchase
    assert purchase.status == "awaiting_approval"
    return purchase


def cancel(purchase: Purchase) -> CancelPurchase:
    return CancelPurchase(ORG, purchase.id, AGENT, f"out_{purchase.id}")


def run(work: Coroutine[Any, Any, Any]) -> Any:
    """Runs it, and fails where it hangs."""

    async def bounded() -> Any:
        async with asyncio.timeout(PATIENCE):
            return await work

    return asyncio.run(bounded())


async def status_after_waiting(feed: ChangeFeed, books: Books, purchase: Purchase) -> str:
    """As a waiting GET does it: watch, read, wait, read."""
    async with feed.watch(ORG, purchase.id, "key_1") as watch:
        while True:
            [row] = await asyncio.to_thread(books.rows, Purchase, id=purchase.id)
            if row.status != "awaiting_approval":
                return str(row.status)
            assert await watch.changed(PATIENCE)


def race(books: Books, feed: ChangeFeed, till: Till) -> None:
    """A commit at the moment somebody begins to wait, again and again: it is seen by the reading or by the waiting."""
    books.controls(AGENT, "agent", approval_threshold=1)
    asks = [books.ask_command(number, f"Shop {number}") for number in range(2, ROUNDS + 2)]
    purchases = [till.submit_and_wait(ask).purchase for ask in asks]
    barrier = threading.Barrier(2)

    def decide() -> None:
        for purchase in purchases:
            barrier.wait(PATIENCE)
            till.submit_and_wait(cancel(purchase))

    async def all_of_them() -> list[str]:
        found = []
        for purchase in purchases:
            await asyncio.to_thread(barrier.wait, PATIENCE)
            found.append(await status_after_waiting(feed, books, purchase))
        return found

    decider = threading.Thread(target=decide)
    decider.start()
    try:
        assert run(all_of_them()) == ["canceled"] * ROUNDS
    finally:
        barrier.abort()
        decider.join(PATIENCE)
    assert feed.waiting == 0


def test_no_wake_up_is_lost_in_this_process(books: Books, feed: ChangeFeed, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the till's word alone: nobody looks at the heads here."""
    monkeypatch.setattr(change_feed, "LOOK_SECONDS", PATIENCE * 2)
    race(books, feed, books.till)


def test_no_wake_up_is_lost_from_another_process(books: Books, feed: ChangeFeed) -> None:
    other = Till(writing_on(books.database), books.clock, lambda: uuid.uuid4().hex)
    if books.database.is_sqlite:
        # One file has one writer: the other process takes over from this one.
        books.till.stop()
        books.till = other
    other.start()
    try:
        race(books, feed, other)
    finally:
        other.stop()


@pytest.fixture
def postgres_books(tmp_path: Path) -> Iterator[Books]:
    """Books on PostgreSQL, where there is a word."""
    with swept_database() as url, open_books(tmp_path, url) as opened:
        yield opened


@pytest.fixture
def told(postgres_books: Books) -> Iterator[tuple[ChangeFeed, Till]]:
    """The feed of this process, and the till of another one, with a word between them."""
    books = postgres_books
    ours, theirs = (CommitWord(books.database.dsn) for _ in range(2))
    feed = ChangeFeed(books.database, ours)
    other = Till(writing_on(books.database), books.clock, lambda: uuid.uuid4().hex)
    other.listen(theirs.committed)
    ours.start(feed.heard)
    theirs.start(lambda _ids: None)
    other.start()
    until(lambda: (ours.hears, theirs.hears), (True, True))
    yield feed, other
    other.stop()
    theirs.stop()
    ours.stop()


@pytest.mark.postgres
def test_another_process_says_what_it_committed(
    postgres_books: Books, told: tuple[ChangeFeed, Till], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its word alone: nobody looks at the heads here."""
    monkeypatch.setattr(change_feed, "LOOK_SECONDS", PATIENCE * 2)
    monkeypatch.setattr(change_feed, "HEARING_LOOK_SECONDS", PATIENCE * 2)
    race(postgres_books, *told)


@pytest.mark.postgres
def test_where_no_word_comes_through_the_heads_are_looked_at(
    postgres_books: Books, told: tuple[ChangeFeed, Till], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection breaks while somebody waits and hears: from then on the feed looks, as if there were none."""
    monkeypatch.setattr(change_feed, "HEARING_LOOK_SECONDS", PATIENCE * 2)
    monkeypatch.setattr(commit_word, "RETRY_SECONDS", PATIENCE * 2)
    books, (feed, other) = postgres_books, told
    books.controls(AGENT, "agent", approval_threshold=1)
    purchase = waiting(books, 500)

    async def late() -> bool:
        async with feed.watch(ORG, purchase.id, "key_1") as watch:
            await asyncio.to_thread(end_words, books)
            await asyncio.to_thread(other.submit_and_wait, cancel(purchase))
            return await watch.changed(PATIENCE)

    assert run(late()) is True


@pytest.mark.postgres
def test_a_word_too_long_names_nobody(postgres_books: Books) -> None:
    """A NOTIFY holds so much: beyond that, who hears it looks at all."""
    heard: Queue[list[str] | None] = Queue()
    ours, theirs = (CommitWord(postgres_books.database.dsn) for _ in range(2))
    ours.start(lambda ids: heard.put(None if ids is None else sorted(ids)))
    theirs.start(lambda _ids: None)
    try:
        # It has just begun to listen: what was committed before was not heard.
        assert heard.get(timeout=PATIENCE) is None
        theirs.committed(["org_2", "org_1"])
        assert heard.get(timeout=PATIENCE) == ["org_1", "org_2"]
        theirs.committed(f"org_{number}" for number in range(commit_word.MAX_NAMED + 1))
        assert heard.get(timeout=PATIENCE) is None
        assert ours.hears
    finally:
        theirs.stop()
        ours.stop()


def end_words(books: Books) -> None:
    """The server hangs up on everybody who listens."""
    ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s AND datname = %s"
    with psycopg.connect(books.database.dsn, autocommit=True) as connection:
        rows = connection.execute(ended, (commit_word.NAME, books.database.url.database)).fetchall()
    assert rows == [(True,)] * 2


def test_a_commit_between_reading_and_waiting_is_seen(books: Books, feed: ChangeFeed) -> None:
    books.controls(AGENT, "agent", approval_threshold=1)
    purchase = waiting(books, 500)

    async def late() -> bool:
        async with feed.watch(ORG, purchase.id, "key_1") as watch:
            assert books.row(Purchase, id=purchase.id).status == "awaiting_approval"
            await asyncio.to_thread(books.run, cancel(purchase))
            assert books.row(Purchase, id=purchase.id).status == "canceled"
            return await watch.changed(PATIENCE)

    assert run(late()) is True


def test_others_purchases_wake_nobody(books: Books, feed: ChangeFeed) -> None:
    books.controls(AGENT, "agent", approval_threshold=1)
    mine, other = waiting(books, 500), waiting(books, 600)

    async def both() -> None:
        async with feed.watch(ORG, mine.id, "key_1") as watch, feed.watch(ORG, other.id, "key_1") as beside:
            await asyncio.to_thread(books.run, cancel(other))
            assert await beside.changed(PATIENCE)
            assert not watch._happened.is_set()

    run(both())


async def read(stream: Stream, last: int) -> list[Told]:
    """Everything a stream gives up to a record."""
    found = [told async for told in stream.missed() if told.notices]
    while stream.position < last:
        told = await stream.next(PATIENCE)
        if told is None:
            break
        found.append(told)
    return found


def expected(books: Books, after: int = 0) -> list[tuple[int, list[str]]]:
    """What the chain tells behind a record."""
    records = [row for row in books.rows(AuditRecord, organization_id=ORG) if row.sequence > after]
    told = [(row.sequence, [notice.type for notice in notices_of(row)]) for row in records]
    return [line for line in told if line[1]]


def types(told: list[Told]) -> list[tuple[int, list[str]]]:
    return [(one.sequence, [notice.type for notice in one.notices]) for one in told]


def test_a_stream_goes_on_where_it_was_left(books: Books, feed: ChangeFeed, monkeypatch: pytest.MonkeyPatch) -> None:
    """From every record of the chain, over pages of two, with more happening meanwhile: each once and in order."""
    monkeypatch.setattr(change_feed, "PAGE", 2)
    for amount in range(1, 6):
        books.ready(amount, f"Shop {amount}")
    before = len(books.rows(AuditRecord, organization_id=ORG))

    async def from_each() -> None:
        for after in range(before + 1):
            stream = await feed.stream(ORG, None, "key_1", after)
            await asyncio.to_thread(books.ask, 700 + after, f"New {after}")
            head = len(books.rows(AuditRecord, organization_id=ORG))
            assert types(await read(stream, head)) == expected(books, after)
            stream.close()

    run(from_each())
    assert feed.waiting == 0


def test_a_stream_without_an_id_begins_with_now(books: Books, feed: ChangeFeed) -> None:
    books.ask(500)
    head = len(books.rows(AuditRecord, organization_id=ORG))

    async def now() -> list[Told]:
        stream = await feed.stream(ORG, AGENT, AGENT, None)
        await asyncio.to_thread(books.ask, 600, "Linear")
        return await read(stream, head + 1)

    assert types(run(now())) == [(head + 1, ["purchase.issuing"])]


def test_an_agent_hears_of_itself_alone(books: Books, feed: ChangeFeed) -> None:
    """P7: also behind an id, where the chain is full of others."""
    books.ask(500)
    head = len(books.rows(AuditRecord, organization_id=ORG))

    async def other() -> None:
        stream = await feed.stream(ORG, "agt_other", "agt_other", 0)
        await asyncio.to_thread(books.ask, 600, "Linear")
        assert [told async for told in stream.missed() if told.notices] == []
        while stream.position <= head:
            told = await stream.next(0.01)
            assert told is not None
            assert told.notices == ()

    run(other())


def test_a_slow_reader_is_ended_and_comes_back(books: Books, feed: ChangeFeed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is kept for it without bound; with the id it has it misses nothing."""
    monkeypatch.setattr(change_feed, "MAX_QUEUED", 3)
    begin = len(books.rows(AuditRecord, organization_id=ORG))

    async def slow() -> list[Told]:
        stream = await feed.stream(ORG, None, "key_1", None)
        for amount in range(1, 9):
            await asyncio.to_thread(books.ask, amount, f"Shop {amount}")
        head = len(books.rows(AuditRecord, organization_id=ORG))
        while not stream.over:  # noqa: ASYNC110 - nothing tells of its end but reading, which would make room
            await asyncio.sleep(0)
        first = await read(stream, head)
        assert len(first) == 3
        stream.close()
        again = await feed.stream(ORG, None, "key_1", stream.position)
        return first + await read(again, head)

    assert types(run(slow())) == expected(books, begin)


@pytest.mark.parametrize("shutdown", [False, True])
def test_a_reader_that_is_ended_while_it_catches_up_misses_nothing(
    books: Books, feed: ChangeFeed, monkeypatch: pytest.MonkeyPatch, shutdown: bool
) -> None:
    """It is given nothing of what lies there for it: its id would be beyond what it has not read yet."""
    monkeypatch.setattr(change_feed, "PAGE", 2)
    monkeypatch.setattr(change_feed, "MAX_QUEUED", 1_000 if shutdown else 1)
    for amount in range(1, 9):
        books.ask(amount, f"Shop {amount}")
    begin = len(books.rows(AuditRecord, organization_id=ORG)) - 8

    async def catch_up() -> list[Told]:
        stream = await feed.stream(ORG, None, "key_1", begin)
        missed = stream.missed()
        first = [await anext(missed)]
        for amount in (701, 702):
            await asyncio.to_thread(books.ask, amount, f"Shop {amount}")
        head = len(books.rows(AuditRecord, organization_id=ORG))
        while stream.tail.position < head:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0)
        if shutdown:
            feed.close()
        first += [told async for told in missed if told.notices]
        assert await stream.next(PATIENCE) is None
        stream.close()
        again = ChangeFeed(books.database)
        return first + await read(await again.stream(ORG, None, "key_1", stream.position), head)

    assert types(run(catch_up())) == expected(books, begin)


def test_streams_that_catch_up_do_not_take_every_thread(
    books: Books, feed: ChangeFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a restart all of them come back at once; the worker reads in the same threads."""
    books.ask(500)
    audit_from, lock, reading, most = change_feed.audit_from, threading.Lock(), [], []

    def counted(*about: Any) -> Any:
        with lock:
            reading.append(1)
            most.append(len(reading))
        found = audit_from(*about)
        with lock:
            reading.pop()
        return found

    async def many() -> None:
        streams = [await feed.stream(ORG, None, f"key_{number}", 0) for number in range(20)]
        monkeypatch.setattr(change_feed, "audit_from", counted)

        async def catch_up(stream: Stream) -> int:
            return len([told async for told in stream.missed()])

        assert all(await asyncio.gather(*map(catch_up, streams)))

    run(many())
    assert len(most) == 20
    assert max(most) <= change_feed.MAX_CATCHING_UP


def test_limits_are_kept(books: Books, feed: ChangeFeed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(change_feed, "MAX_STREAMS", 3)
    monkeypatch.setattr(change_feed, "MAX_STREAMS_EACH", 2)
    monkeypatch.setattr(change_feed, "MAX_WATCHES", 1)

    async def many() -> None:
        streams = [await feed.stream(ORG, None, who, None) for who in ("key_1", "key_1", "key_2")]
        for who in ("key_1", "key_3"):
            with pytest.raises(TooMany):
                await feed.stream(ORG, None, who, None)
        for stream in streams:
            stream.close()
            stream.close()
        with pytest.raises(UnknownId) as unknown:
            await feed.stream(ORG, None, "key_1", 10_000)
        assert unknown.value.head == len(books.rows(AuditRecord, organization_id=ORG))
        async with feed.watch(ORG, "pur_1", "key_1"):
            with pytest.raises(TooMany):
                async with feed.watch(ORG, "pur_2", "key_1"):
                    raise AssertionError
        assert feed.waiting == 0

    run(many())


def test_one_organization_never_has_all_the_places(feed: ChangeFeed, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many keys it makes: the last tenth is for others."""
    monkeypatch.setattr(change_feed, "MAX_STREAMS", 10)
    monkeypatch.setattr(change_feed, "MAX_WATCHES", 10)

    async def many() -> None:
        streams = [await feed.stream(ORG, None, f"key_{number}", None) for number in range(9)]
        with pytest.raises(TooMany):
            await feed.stream(ORG, None, "key_more", None)
        streams.append(await feed.stream("org_2", None, "key_other", None))
        for stream in streams:
            stream.close()
        async with AsyncExitStack() as waits:
            for number in range(9):
                await waits.enter_async_context(feed.watch(ORG, "pur_1", f"key_{number}"))
            with pytest.raises(TooMany):
                await waits.enter_async_context(feed.watch(ORG, "pur_1", "key_more"))
            await waits.enter_async_context(feed.watch("org_2", "pur_1", "key_other"))
        assert feed.waiting == 0

    run(many())


def test_everybody_is_let_go_at_the_end(books: Books, feed: ChangeFeed) -> None:
    async def end() -> None:
        async with feed.watch(ORG, "pur_1", "key_1") as watch:
            stream = await feed.stream(ORG, None, "key_1", None)
            waits = asyncio.gather(watch.changed(PATIENCE), stream.next(PATIENCE))
            await asyncio.sleep(0)
            feed.close()
            assert await waits == [False, None]
        async with feed.watch(ORG, "pur_1", "key_1") as late:
            assert not await late.changed(PATIENCE)
        assert await (await feed.stream(ORG, None, "key_2", None)).next(PATIENCE) is None

    run(end())


def test_a_database_that_is_away_ends_no_wait(books: Books, feed: ChangeFeed, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next look reads what was not read."""
    books.controls(AGENT, "agent", approval_threshold=1)
    purchase, reads = waiting(books, 500), []
    audit_from = change_feed.audit_from

    def failing(*about: Any) -> Any:
        reads.append(about)
        if len(reads) == 1:
            raise OSError("away")
        return audit_from(*about)

    monkeypatch.setattr(change_feed, "audit_from", failing)

    async def wait() -> str:
        asked = asyncio.create_task(status_after_waiting(feed, books, purchase))
        await asyncio.to_thread(books.run, cancel(purchase))
        return await asked

    assert run(wait()) == "canceled"
