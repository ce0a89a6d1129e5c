"""A command, the ticket it waits on, and the till's own answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Generic, NamedTuple, TypeVar

from roony.core.errors import BrokenCaller, Refusal
from roony.log_ids import ids_now
from roony.store.authority import AgentAuthority, Authority
from roony.store.book import Book
from roony.store.facts import Needs
from roony.store.second_person import applied_for
from roony.store.writer import Writer

Answer = TypeVar("Answer")

# Answers of the till itself; a caller turns them into a decline or a 503.
BUSY = Refusal("busy", "Too much is waiting. Try again in a moment.", 503)
LATE = Refusal("late", "The answer would have come too late; nothing was changed. Try again.", 503)
UNKNOWN_OUTCOME = Refusal(
    "unknown_outcome", "The database broke off during the commit. Ask again with the same key.", 503
)
FAILED = Refusal("not_written", "The change could not be written; nothing was changed. Try again.", 503)
AWAY = Refusal("database_away", "The database does not answer now; nothing was changed. Try again.", 503)
CLOSING = Refusal("closing", "Roony is stopping. Try again in a moment.", 503)


class Command(Generic[Answer]):
    """One step of an organization's money: names its facts, then changes them in memory. Subclasses are frozen data.

    `urgent` puts it in the lane of authorizations.
    """

    organization_id: str
    urgent: bool = False
    # It can be kept as text and done later, should it wait for a second person (`second_person.py`).
    can_wait: bool = False
    # A second person has agreed to it.
    is_agreed: bool = False

    def needs(self, now: int) -> Needs:
        """The facts `apply` will read, with the same `now`."""
        raise NotImplementedError

    def apply(self, book: Book, now: int) -> Answer:
        """Reads and changes the book; no input or output. `now` is microseconds UTC and never goes back."""
        raise NotImplementedError

    def compensation(self, answer: Answer) -> Command[Any] | None:  # noqa: ARG002
        """What takes `answer` back if its caller could not use it any more; None when nothing needs to be."""
        return None


class Counters(NamedTuple):
    """What the till did since it started."""

    commits: int
    commands: int
    authorizations: int
    refused_busy: int
    refused_late: int
    withdrawn: int
    failed_batches: int


class Ticket:
    """One waiting command or write, and the place its answer goes to."""

    __slots__ = (
        "about",
        "answer",
        "by",
        "command",
        "deadline",
        "future",
        "given_up",
        "loop",
        "taken_back",
        "tries",
        "work",
    )

    def __init__(
        self,
        command: Command[Any] | None,
        work: Callable[[Writer], Any] | None,
        deadline: float | None,
        loop: asyncio.AbstractEventLoop | None,
        tries: int = 0,
        by: Authority | AgentAuthority | None = None,
    ) -> None:
        """`tries`: how often the till tries again by itself; only for a compensation, for which nobody waits.

        `by`: who asked for the command, where that is looked at again under the lock.
        """
        self.command = command
        self.work = work
        # The till logs on a thread of its own.
        self.about = ids_now()
        self.deadline = deadline
        self.loop = loop
        self.future: Any = loop.create_future() if loop else Future()
        self.tries = tries
        self.by = by
        self.given_up = False
        self.taken_back = False
        self.answer: Any = None

    @property
    def asked(self) -> Command[Any]:
        """The command of a ticket in a lane. Raises BrokenCaller for one that carries a write."""
        if self.command is None:
            raise BrokenCaller("this ticket carries a write, not a command")
        return self.command

    def needs(self, now: int) -> tuple[Needs, ...]:
        """The facts its command names, and those of who asked for it."""
        return (self.asked.needs(now), *((self.by.needs(),) if self.by is not None else ()))

    def applied(self, book: Book, now: int) -> Any:
        """The answer of its command, which is not applied where who asked for it may do so no more."""
        wrong = self.by.problem(book, now) if self.by is not None else None
        if wrong is not None:
            return wrong
        if isinstance(self.by, Authority):
            return applied_for(self.by, self.asked, book, now)
        return self.asked.apply(book, now)

    @property
    def name(self) -> str:
        """What stop points call it: the command, or the function that made the write, as in `inbox.keep`."""
        if self.command is not None or self.work is None:
            return type(self.command).__name__
        module, function = self.work.__module__, self.work.__qualname__
        return f"{module.rpartition('.')[2]}.{function.partition('.')[0]}"

    @property
    def is_abandoned(self) -> bool:
        """True when the caller left without its answer; a cancelled one comes to say so only later."""
        return self.given_up or bool(self.future.cancelled())

    def resolve(self) -> None:
        """Hands the answer over; runs on the waiting loop, or on the till's thread for waiting threads."""
        if self.future.done():
            return
        if isinstance(self.answer, StopIteration):
            # No future carries one: it would end the generator that waits for it.
            self.answer = RuntimeError("the command raised StopIteration")
        if isinstance(self.answer, BaseException):
            self.future.set_exception(self.answer)
        else:
            self.future.set_result(self.answer)


class TillClosed(Exception):
    """The till does not take this write now: it is full or stopping, or another process has what it needs."""
