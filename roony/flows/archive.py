"""Old entries and Stripe events are moved into the archive tables, in pieces between which anything may happen.

1. Entries of purchases that are over, organization by organization, a page of purchases at a time.
2. Events that were handled, those of each organization and those of nobody's account, in the order they came.
Each piece is a commit of its own: after a kill the same call goes on where the last commit left it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from sqlalchemy import select

from roony.core.duration import DAY
from roony.flows.unknown_card import REPLAY_CARD_EVENTS
from roony.store import archive
from roony.store.database import Database
from roony.store.tables import organizations
from roony.store.till import Till

# Nothing younger is moved: Stripe lists events for 30 days, and takes captures of an authorization for 31.
MIN_DAYS = 45
# Before a card that is not known yet: clocks of two machines differ, by less than this.
_MARGIN = DAY


class Archived(NamedTuple):
    """How many entries, of how many purchases, and how many events."""

    entries: int = 0
    purchases: int = 0
    events: int = 0

    def plus(self, other: Archived) -> Archived:
        """Both together."""
        return Archived(*(one + two for one, two in zip(self, other, strict=True)))


def archivable(database: Database, before: int) -> Archived:
    """What `archive` would move now. Blocks: cold reads, a page at a time."""
    found = Archived()
    for org in _organizations(database):
        for page in _old_purchases(database, org, before):
            found = found.plus(Archived(sum(old.entries for old in page), len(page)))
    for keys in _old_events(database, before):
        found = found.plus(Archived(events=len(keys)))
    return found


def move_to_archive(till: Till, database: Database, before: int, tell: Callable[[Archived], None]) -> Archived:
    """Moves what is older than `before`, microseconds UTC; `tell` is called after each piece with what is done so far.

    Safe beside servers, workers and another archiver on PostgreSQL. Blocks; raises what the till's write raises.
    """
    done = Archived()
    for org in _organizations(database):
        for page in _old_purchases(database, org, before):
            for piece in _pieces(page):
                ids, moved = [old.id for old in piece], archive.PIECE
                while moved == archive.PIECE:
                    moved = till.write_and_wait(archive.move_entries(org, ids, before))
                    done = done.plus(Archived(entries=moved))
                    tell(done)
                done = done.plus(Archived(purchases=len(piece)))
    for keys in _old_events(database, before):
        for start in range(0, len(keys), archive.PIECE):
            ids = [id for _, id in keys[start : start + archive.PIECE]]
            done = done.plus(Archived(events=till.write_and_wait(archive.move_events(ids, before))))
            tell(done)
    return done


def _pieces(page: Sequence[archive.OldPurchase]) -> Iterator[list[archive.OldPurchase]]:
    """Purchases whose entries are few enough for one write; one with more has several writes of its own."""
    piece: list[archive.OldPurchase] = []
    for old in page:
        if piece and sum(one.entries for one in piece) + old.entries > archive.PIECE:
            yield piece
            piece = []
        piece.append(old)
    if piece:
        yield piece


def _organizations(database: Database) -> list[str]:
    return [str(row[0]) for row in database.read(select(organizations.c.id).order_by(organizations.c.id))]


def _old_purchases(database: Database, organization_id: str, before: int) -> Iterator[list[archive.OldPurchase]]:
    after: str | None = ""
    while after is not None:
        page, after = archive.entry_page(database, organization_id, before, after)
        if page:
            yield page


def _old_events(database: Database, before: int) -> Iterator[list[archive.EventKey]]:
    for org in (*_organizations(database), None):
        card = archive.oldest_card_to_be_known(database, org, REPLAY_CARD_EVENTS) if org is not None else None
        until = before if card is None else min(before, card - _MARGIN)
        after: archive.EventKey = (0, "")
        while page := archive.event_page(database, org, until, after):
            yield page
            after = page[-1]
