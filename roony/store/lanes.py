"""What waits for the till's thread: authorizations, other commands, and other writes; safe for all threads."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping
from types import MappingProxyType

from roony.core.errors import Refusal
from roony.store.command import AWAY, BUSY, CLOSING, Ticket
from roony.store.filling import let_it_fill

# What may wait in each lane.
MAX_WAITING = 4_096
# After so long with commands of one organization only, nobody else is expected at this process.
ALONE_SECONDS = 1.0


class Lanes:
    """Two lanes of commands and one of other writes."""

    def __init__(self) -> None:
        self._urgent: deque[Ticket] = deque()
        self._ordinary: deque[Ticket] = deque()
        self._work: deque[Ticket] = deque()
        self._wake = threading.Condition()
        self._closed = False
        # Whose command came last, and since when no other's did.
        self._newest, self._since = "", 0.0
        # While the database is away nothing is let in: nobody waits for what cannot be answered in time.
        self.away = False

    def add(self, ticket: Ticket) -> Refusal | None:
        """Puts a ticket at the end of its lane; returns why not, if it is not let in."""
        lane = self._lane(ticket)
        with self._wake:
            if self._closed:
                return CLOSING
            if self.away:
                return AWAY
            if len(lane) >= MAX_WAITING:
                return BUSY
            lane.append(ticket)
            if ticket.command is not None and ticket.command.organization_id != self._newest:
                self._newest, self._since = ticket.command.organization_id, time.monotonic()
            self._wake.notify()
            return None

    def add_first(self, ticket: Ticket) -> None:
        """Puts a ticket before all others of its lane; always let in. For what the till owes to nobody who waits."""
        with self._wake:
            self._lane(ticket).appendleft(ticket)
            self._wake.notify()

    def put_back(self, tickets: list[Ticket]) -> None:
        """Gives tickets that were not applied their places at the head of their lanes again."""
        with self._wake:
            for ticket in reversed(tickets):
                self._lane(ticket).appendleft(ticket)

    @property
    def alone(self) -> str:
        """The organization of all commands that came for a while; empty: of several. Waiting for it delays no other.

        Among several processes of one company, one that looked only now and then would find it held each time.
        """
        return self._newest if time.monotonic() - self._since > ALONE_SECONDS else ""

    def take(
        self, last_batch: int, room: int, most: int, held: Mapping[str, float] = MappingProxyType({})
    ) -> tuple[list[Ticket], list[Ticket]]:
        """Waits for something, then takes up to `room` commands, urgent ones first, and up to `most` other writes.

        Both empty: the lanes are closed and nothing is left. `last_batch` is the number of commands taken before.
        Commands of organizations that are `held` by a stranger keep their places; at the time that is said there, the
        first one of them is taken, however many wait, to see whether it is free again. Of one that is `alone` all are.
        """
        alone = self.alone
        held = {id: at for id, at in held.items() if id != alone}
        with self._wake:
            while not (self._urgent or self._ordinary or self._work or self._closed):
                self._wake.wait()
            self._wait_for_free(held)
        let_it_fill(lambda: len(self._urgent) + len(self._ordinary), last_batch, most)
        with self._wake:
            commands: list[Ticket] = []
            now = time.monotonic()
            passed_by = {id for id, at in held.items() if now < at and not self._closed}
            for lane in (self._urgent, self._ordinary):
                passed: list[Ticket] = []
                while lane and len(commands) < room:
                    ticket = lane.popleft()
                    if (id := ticket.asked.organization_id) in passed_by:
                        passed.append(ticket)
                        continue
                    commands.append(ticket)
                    if id in held:
                        passed_by.add(id)
                lane.extendleft(reversed(passed))
            return commands, [self._work.popleft() for _ in range(min(len(self._work), most))]

    def _wait_for_free(self, held: Mapping[str, float]) -> None:
        """While all that waits is of organizations that are held: until something else comes, or it is time to look."""
        while held and not self._work and not self._closed:
            waiting = {ticket.asked.organization_id for lane in (self._urgent, self._ordinary) for ticket in lane}
            pause = min((held.get(id, 0.0) for id in waiting), default=0.0) - time.monotonic()
            if pause <= 0:
                return
            self._wake.wait(pause)

    def shut_out(self) -> list[Ticket]:
        """From now on nothing is let in; returns what waited. Compensations keep their places: they are owed."""
        with self._wake:
            self.away = True
            waiting = [ticket for lane in (self._urgent, self._ordinary, self._work) for ticket in lane]
            kept = [ticket for ticket in waiting if ticket.tries]
            for lane in (self._urgent, self._ordinary, self._work):
                lane.clear()
            for ticket in kept:
                self._lane(ticket).append(ticket)
        return [ticket for ticket in waiting if not ticket.tries]

    def pause(self, seconds: float) -> bool:
        """Waits; returns True, at once, when the lanes are closed."""
        with self._wake:
            return self._wake.wait_for(lambda: self._closed, seconds)

    def depths(self) -> dict[str, int]:
        """How many wait in each lane. For any thread; no more exact than it has to be."""
        return {"authorizations": len(self._urgent), "commands": len(self._ordinary), "writes": len(self._work)}

    def close(self) -> None:
        """Nothing more is let in; what waits is still taken."""
        with self._wake:
            self._closed = True
            self._wake.notify_all()

    def _lane(self, ticket: Ticket) -> deque[Ticket]:
        if ticket.command is None:
            return self._work
        return self._urgent if ticket.command.urgent else self._ordinary
