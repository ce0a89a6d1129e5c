"""The change feed of one process: who waits for something to happen is told, without a thread or a query of its own.

It reads the audit chain of each organization somebody waits for, behind one cursor for all of them: at once after a
commit of this process's till, at the word of another process, and after a look at the chains' heads for what nobody
said. Everything but `committed` and `heard` is called on the event loop.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

import structlog

from roony.core.notice import Notice, notices_of
from roony.flows.places import Places
from roony.store.database import Database
from roony.store.queries.history import audit_from, audit_heads

if TYPE_CHECKING:
    from roony.store.commit_word import CommitWord

log = structlog.get_logger("roony.feed")

# How often the heads of the chains are looked at, in seconds: how late another process's commit is noticed at most. The
# second while the words of other processes are heard: one may be lost with the process that had it to say.
LOOK_SECONDS = 0.25
HEARING_LOOK_SECONDS = 2.0
# Records read at once.
PAGE = 500
# What a slow reader of a stream may leave lying before its stream is ended; it goes on with the id it has.
MAX_QUEUED = 1_000
# Pages of what streams missed that are read at the same time: the worker reads in the same threads.
MAX_CATCHING_UP = 2
# Streams of one process, and of one key; waiting requests of one process, and of one key.
MAX_STREAMS, MAX_STREAMS_EACH = 1_000, 10
MAX_WATCHES, MAX_WATCHES_EACH = 10_000, 200


class UnknownId(Exception):
    """A stream was to go on behind a record that does not exist; `head` is the number of the last one."""

    def __init__(self, head: int) -> None:
        super().__init__(head)
        self.head = head


class Told(NamedTuple):
    """One record, and what it tells to one reader; without notices it only says how far the reader has come."""

    sequence: int
    notices: tuple[Notice, ...]


class Watch:
    """Waits for one purchase to change its status."""

    def __init__(self) -> None:
        self._happened = asyncio.Event()
        self._over = False

    async def changed(self, seconds: float) -> bool:
        """True once something happened since the watch began, or since the last time; False when time is over."""
        if seconds <= 0 or self._over:
            return False
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._happened.wait()
        happened = self._happened.is_set() and not self._over
        self._happened.clear()
        return happened

    def wake(self, over: bool = False) -> None:
        """Something happened; with `over` nothing will any more."""
        self._over = self._over or over
        self._happened.set()


class Stream:
    """What happens in an organization, or to one agent in it, in the order of the chain; every record once."""

    def __init__(self, feed: ChangeFeed, tail: _Tail, agent_id: str | None, who: str, after: int | None) -> None:
        self.agent_id = agent_id
        self.who = who
        # Everything up to here was given to the reader.
        self.position = tail.position if after is None else after
        self.over = False
        self._feed = feed
        self.tail = tail
        self._live_from = max(tail.position, self.position)
        self._queue: deque[Told] = deque()
        self._came = asyncio.Event()

    def offer(self, told: Told) -> None:
        """One more record for the reader; one that is too slow for them is at its end."""
        if told.sequence <= self._live_from or self.over:
            return
        if len(self._queue) >= MAX_QUEUED:
            self.end()
            return
        self._queue.append(told)
        self._came.set()

    def end(self) -> None:
        """Nothing more is taken; what lies there is still given."""
        self.over = True
        self._came.set()

    async def missed(self) -> AsyncIterator[Told]:
        """What happened between the id the reader had and now; to be read to its end before `next`."""
        while self.position < self._live_from and not self.over:
            page = await self._feed.missed_page(self.tail.organization_id, self.position)
            for told in page:
                if told.sequence > self._live_from:
                    break
                own = self._given(*told)
                if own.notices:
                    yield own
            if len(page) < PAGE:
                self.position = self._live_from
            yield Told(self.position, ())

    async def next(self, seconds: float) -> Told | None:
        """The next record with something for this reader; None at the end. Without notices: none in that time."""
        if not self._queue and not self.over:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._came.wait()
        if self.over and self.position < self._live_from:
            # It was ended before all it had missed was read: what lies there comes after that, and so after a gap.
            return None
        if self._queue:
            told = self._queue.popleft()
            if not self._queue and not self.over:
                self._came.clear()
            return self._given(*told)
        if self.over:
            return None
        return self._given(max(self.position, self.tail.position), ())

    def close(self) -> None:
        """The reader has gone."""
        self.end()
        self._feed.leave(self)

    def _given(self, sequence: int, notices: tuple[Notice, ...]) -> Told:
        self.position = sequence
        if self.agent_id is not None:
            notices = tuple(notice for notice in notices if notice.agent_id == self.agent_id)
        return Told(sequence, notices)


class _Tail:
    """How far one organization's chain was read for those who wait for it; `position` -1 until its head is known."""

    def __init__(self, organization_id: str) -> None:
        self.organization_id = organization_id
        self.position = -1
        self.users = 0
        self.dirty = False
        self.reading: asyncio.Task[None] | None = None
        self.watches: dict[str, set[Watch]] = {}
        self.streams: set[Stream] = set()


class ChangeFeed:
    """One for each process; it costs nothing while nobody waits."""

    def __init__(self, database: Database, word: CommitWord | None = None) -> None:
        """`database` is read in threads of the event loop's pool, one page at a time for each organization.

        `word` goes to the other processes, where there may be any.
        """
        self._database = database
        self._word = word
        self._look_now = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tails: dict[str, _Tail] = {}
        self._streams = Places()
        self._watches = Places()
        self._looking: asyncio.Task[None] | None = None
        self._closed = False
        self._catching_up = asyncio.Semaphore(MAX_CATCHING_UP)

    def committed(self, organization_ids: Iterable[str]) -> None:
        """The till committed something of these organizations. For any thread; cheap where nobody waits."""
        if self._word is not None:
            self._word.committed(organization_ids)
        self.heard(organization_ids)

    def heard(self, organization_ids: Iterable[str] | None) -> None:
        """Somebody committed something of these organizations; None: who knows of which. For any thread."""
        loop = self._loop
        if loop is None:
            return
        if organization_ids is None:
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(self._look_now.set)
            return
        for id in organization_ids:
            if id in self._tails:
                # The loop is closed when the process ends: then nobody waits either.
                with suppress(RuntimeError):
                    loop.call_soon_threadsafe(self._stir, id)

    @asynccontextmanager
    async def watch(self, organization_id: str, purchase_id: str, who: str) -> AsyncIterator[Watch]:
        """Waits for a purchase. Read it inside: what happens after that is not missed. Raises TooMany.

        `who` waits, for the limit on how many requests of one may.
        """
        self._watches.take(organization_id, who, MAX_WATCHES, MAX_WATCHES_EACH)
        watch = Watch()
        tail = self._tail(organization_id)
        tail.watches.setdefault(purchase_id, set()).add(watch)
        try:
            await self._find_head(tail)
            if self._closed:
                watch.wake(over=True)
            yield watch
        finally:
            self._watches.give_back(organization_id, who)
            tail.watches[purchase_id].discard(watch)
            if not tail.watches[purchase_id]:
                del tail.watches[purchase_id]
            self._release(tail)

    async def stream(self, organization_id: str, agent_id: str | None, who: str, after: int | None) -> Stream:
        """All that happens from now on, or after record `after`; with `agent_id` to that agent alone. Close it.

        `who` is whose stream it is, for the limit on how many one may have. Raises TooMany, UnknownId.
        """
        self._streams.take(organization_id, who, MAX_STREAMS, MAX_STREAMS_EACH)
        tail = self._tail(organization_id)
        try:
            await self._find_head(tail)
            await self._check_id(tail, after)
        except BaseException:
            self._leave(tail, who)
            raise
        stream = Stream(self, tail, agent_id, who, after)
        tail.streams.add(stream)
        if self._closed:
            stream.end()
        return stream

    def leave(self, stream: Stream) -> None:
        """A stream is closed; a second time changes nothing."""
        if stream in stream.tail.streams:
            stream.tail.streams.discard(stream)
            self._leave(stream.tail, stream.who)

    @property
    def waiting(self) -> int:
        """How many requests and streams wait now."""
        return self._watches.taken + self._streams.taken

    def close(self) -> None:
        """Everybody is let go: the process ends."""
        self._closed = True
        for tail in self._tails.values():
            for watch in [watch for some in tail.watches.values() for watch in some]:
                watch.wake(over=True)
            for stream in tail.streams:
                stream.end()
        if self._looking is not None:
            self._looking.cancel()

    async def page(self, organization_id: str, after: int) -> list[Told]:
        """The next records of a chain and what they tell."""
        return await asyncio.to_thread(self._read_page, organization_id, after)

    async def missed_page(self, organization_id: str, after: int) -> list[Told]:
        """The same for a stream that catches up, in its turn."""
        async with self._catching_up:
            return await self.page(organization_id, after)

    def _read_page(self, organization_id: str, after: int) -> list[Told]:
        records = audit_from(self._database, organization_id, after, PAGE)
        return [Told(record.sequence, notices_of(record)) for record in records]

    def _tail(self, organization_id: str) -> _Tail:
        """The tail of an organization, known from here on to `committed`."""
        self._loop = asyncio.get_running_loop()
        tail = self._tails.get(organization_id)
        if tail is None:
            tail = self._tails[organization_id] = _Tail(organization_id)
        tail.users += 1
        if self._looking is None and not self._closed:
            self._looking = asyncio.create_task(self._look(), name="change feed")
        return tail

    async def _find_head(self, tail: _Tail) -> None:
        """Where a chain ends now, unless somebody found out before: what is behind it is told."""
        if tail.position >= 0:
            return
        heads = await asyncio.to_thread(audit_heads, self._database, [tail.organization_id])
        if tail.position < 0:
            tail.position = heads.get(tail.organization_id, 0)
            if tail.dirty:
                self._stir(tail.organization_id)

    async def _check_id(self, tail: _Tail, after: int | None) -> None:
        """Raises UnknownId for the number of a record that does not exist."""
        if after is None or after <= tail.position:
            return
        # Perhaps of a record that another process has just written, and told.
        head = (await asyncio.to_thread(audit_heads, self._database, [tail.organization_id])).get(
            tail.organization_id, 0
        )
        if after > head:
            raise UnknownId(head)

    def _leave(self, tail: _Tail, who: str) -> None:
        self._streams.give_back(tail.organization_id, who)
        self._release(tail)

    def _release(self, tail: _Tail) -> None:
        tail.users -= 1
        if not tail.users and self._tails.get(tail.organization_id) is tail:
            del self._tails[tail.organization_id]

    def _stir(self, organization_id: str) -> None:
        """There is something new in a chain."""
        tail = self._tails.get(organization_id)
        if tail is None:
            return
        tail.dirty = True
        if tail.reading is None and tail.position >= 0:
            tail.reading = asyncio.create_task(self._catch_up(tail), name="change feed")

    async def _catch_up(self, tail: _Tail) -> None:
        """Reads a chain to its end; where that fails the next look tries again."""
        try:
            while tail.dirty:
                tail.dirty = False
                page = await self.page(tail.organization_id, tail.position)
                tail.dirty = tail.dirty or len(page) == PAGE
                for told in page:
                    self._tell(tail, told)
        except Exception as error:  # A database that is away; whoever waits goes on waiting.
            log.warning("feed.unreadable", organization=tail.organization_id, error=type(error).__name__)
        finally:
            tail.reading = None

    @staticmethod
    def _tell(tail: _Tail, told: Told) -> None:
        tail.position = told.sequence
        for notice in told.notices:
            if notice.type.startswith("purchase."):
                for watch in tail.watches.get(notice.subject, ()):
                    watch.wake()
        agents = {notice.agent_id for notice in told.notices}
        for stream in tail.streams if agents else ():
            if stream.agent_id is None or stream.agent_id in agents:
                stream.offer(told)

    async def _look(self) -> None:
        """While somebody waits: which chains are longer than what was read of them, whoever wrote them."""
        try:
            while self._tails:
                hears = self._word is not None and self._word.hears
                with suppress(TimeoutError):
                    async with asyncio.timeout(HEARING_LOOK_SECONDS if hears else LOOK_SECONDS):
                        await self._look_now.wait()
                self._look_now.clear()
                try:
                    heads = await asyncio.to_thread(audit_heads, self._database, list(self._tails))
                except Exception as error:  # As in `_catch_up`.
                    log.warning("feed.unreadable", error=type(error).__name__)
                    continue
                for id, head in heads.items():
                    tail = self._tails.get(id)
                    if tail is not None and 0 <= tail.position < head:
                        self._stir(id)
        finally:
            self._looking = None
