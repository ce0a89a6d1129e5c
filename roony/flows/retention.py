"""A timed duty: payloads of Stripe's events, and contents of receipts, go after the days that the settings say.

1. Of the inbox, then of the archive, the next events that were handled long ago; then the next receipts.
2. What a purchase that is not over needs, an open discrepancy or dispute, or a card that may still become known, stays.
3. The rest goes in commands of few rows each, with a record of how much it was; a row says itself that it was done, so
   two processes that did it at once would remove and count nothing twice.
After the last row it begins again with the first one, after `PACE`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from roony.core.audit import INSTALLATION
from roony.core.duration import DAY, SECOND
from roony.core.receipt import MAX_RECEIPT
from roony.core.retention import before as days_before
from roony.flows.context import FlowContext
from roony.flows.unknown_card import REPLAY_CARD_EVENTS, UNKNOWN_CARD
from roony.store.archive import oldest_card_to_be_known
from roony.store.book import Book
from roony.store.command import Command
from roony.store.facts import Needs
from roony.store.queries import retention as look
from roony.store.retention import EVENTS_AT_ONCE, RECEIPTS_AT_ONCE, OldEvent, Removal

# How often everything is gone through, in seconds.
PACE = 600
RECEIPTS = "receipts"
# What is looked through, one after the other.
SOURCES = (*look.OLD_EVENTS, RECEIPTS)
# Before a card that is not known yet: clocks of two machines differ, by less than this, in microseconds.
_MARGIN = DAY
_UNKNOWN_CARD_FINDING = "unknown_card"


@dataclass(frozen=True, slots=True)
class RemoveContents(Command[None]):
    """A few payloads of events or contents of receipts go, as far as they are still old and over when it is written."""

    organization_id: str
    removal: Removal

    def needs(self, now: int) -> Needs:
        """Nothing but the organization: the rows are looked at where they are written."""
        return Needs(holds=False)

    def apply(self, book: Book, now: int) -> None:
        """With a record of how much it was."""
        book.remove(self.removal)


class RetentionDuty:
    """One for each worker; who holds the lease of the duties removes."""

    def __init__(self, context: FlowContext) -> None:
        """The first look comes at once, where a setting says after how many days."""
        self._context = context
        days = context.retention
        self._days = {source: days.receipt_days if source == RECEIPTS else days.event_days for source in SOURCES}
        self._places = dict.fromkeys(SOURCES, look.BEGINNING)
        self._looked: dict[str, int] = {}

    async def due(self, now: int) -> Sequence[Command[Any]]:
        """Removes of the next page of one source what nobody needs. Facts are read in a thread."""
        source = next((source for source in SOURCES if self._is_due(source, now)), None)
        if source is None:
            return ()
        before = days_before(self._days[source], now)
        find = self._receipts if source == RECEIPTS else self._events
        return await asyncio.to_thread(find, source, before, now)

    def _is_due(self, source: str, now: int) -> bool:
        looked = self._looked.get(source)
        is_on_the_way = self._places[source] != look.BEGINNING
        return self._days[source] > 0 and (is_on_the_way or looked is None or abs(now - looked) >= PACE * SECOND)

    def _go_on(self, source: str, last: look.Place | None, now: int) -> None:
        """The next look begins behind `last`; after the last row of all with the first one again."""
        self._places[source] = last or look.BEGINNING
        if last is None:
            self._looked[source] = now

    def _events(self, source: str, before: int, now: int) -> list[Command[Any]]:
        rows = look.events_there(self._context.database, source, before, self._places[source])
        commands: list[Command[Any]] = []
        for org, mine in _by_organization(rows).items():
            old = [OldEvent(row.id, row.sha256) for row in self._not_needed(org, mine, before)]
            for start in range(0, len(old), EVENTS_AT_ONCE):
                some = tuple(old[start : start + EVENTS_AT_ONCE])
                commands.append(RemoveContents(org, Removal(org, before, events=some)))
        self._go_on(source, rows[-1][:2] if len(rows) == look.PAGE else None, now)
        return commands

    def _not_needed(self, org: str, events: list[look.EventThere], before: int) -> Iterator[look.EventThere]:
        if org == INSTALLATION:
            yield from events
            return
        database = self._context.database
        objects = sorted({event.object_id for event in events if event.object_id is not None})
        needed = look.needed_objects(database, org, objects, before)
        # Events that were left out because nobody knew their card come back when it is known.
        card = oldest_card_to_be_known(database, org, REPLAY_CARD_EVENTS)
        left_out = any(event.reason == UNKNOWN_CARD for event in events)
        may_come_back = left_out and look.is_finding_open(database, org, _UNKNOWN_CARD_FINDING)
        for event in events:
            waits = (event.reason == UNKNOWN_CARD and may_come_back) or (
                card is not None and event.received_at >= card - _MARGIN
            )
            if event.object_id not in needed and not waits:
                yield event

    def _receipts(self, source: str, before: int, now: int) -> list[Command[Any]]:
        database = self._context.database
        rows = look.receipts_there(database, before, self._places[source])
        some = _few(rows)
        commands: list[Command[Any]] = []
        for org, mine in _by_organization(some).items():
            needed = look.purchases_needed(database, org, {row.purchase_id for row in mine}, before)
            old = tuple(row.id for row in mine if row.over and row.purchase_id not in needed)
            if old:
                commands.append(RemoveContents(org, Removal(org, before, receipts=old)))
        is_last = len(some) == len(rows) < look.PAGE
        self._go_on(source, None if is_last else some[-1][:2], now)
        return commands


def _few(rows: Sequence[look.ReceiptThere]) -> list[look.ReceiptThere]:
    """The first of them, together with no more bytes than one receipt may have; at least one."""
    some: list[look.ReceiptThere] = []
    size = 0
    for row in rows[:RECEIPTS_AT_ONCE]:
        size += row.size
        if some and size > MAX_RECEIPT:
            break
        some.append(row)
    return some


def _by_organization(rows: Sequence[Any]) -> dict[str, list[Any]]:
    """The installation stands for accounts that nobody has connected."""
    found: dict[str, list[Any]] = {}
    for row in rows:
        found.setdefault(row.organization_id or INSTALLATION, []).append(row)
    return found
