"""Sealing stored tokens again with the first key of the ring, a piece at a time, while Roony serves.

1. Read the next values behind the cursor. What the first key sealed stays; so does what no key of the ring opens.
2. Open and seal each again, outside of any commit.
3. Put it in its place only if nothing else was written there meanwhile; else look at what is there now.

It keeps no state: started again, or begun twice, it finds what is left.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import structlog

from roony.core.errors import Refusal
from roony.flows.context import FlowContext
from roony.store import sealed
from roony.store.authority import Authority
from roony.store.book import Book
from roony.store.command import Command
from roony.store.facts import Needs
from roony.store.queries.paging import InvalidCursor, decode_cursor, encode_cursor
from roony.store.sealed import SEALED, SealedValue
from roony.store.vault import VaultError, VaultKeyMissing, row_name

log = structlog.get_logger("roony.vault")

# Values looked at in one call, and put in their place in one write.
BATCH = 200
AT_ONCE = 50
# How often a value that changes under our hands is taken up again; whoever wrote it last has sealed it with a key of
# the ring.
TRIES = 3


@dataclass
class Rotated:
    """What one call did. `unreadable` counts values by the id of the key that is missing, `damaged` those that no key
    opens because they were changed. `next_cursor` is None at the end."""

    key_id: str
    resealed: int = 0
    already_current: int = 0
    unreadable: dict[str, int] = field(default_factory=dict)
    damaged: int = 0
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True)
class RecordRotation(Command[None]):
    """Stored values were sealed again: told in the chain of the organization whose owner asked for it.

    None yet: whether who asks may do so is looked at, and nothing is told.
    """

    organization_id: str
    actor: str
    key_id: str
    resealed: int

    def needs(self, now: int) -> Needs:
        """Nothing but the organization."""
        return Needs()

    def apply(self, book: Book, now: int) -> None:
        """Records it."""
        if self.resealed:
            body = {"key_id": self.key_id, "resealed": self.resealed}
            book.record(self.organization_id, self.actor, "keys.rotated", self.organization_id, body, now)


async def rotate_keys(
    context: FlowContext, organization_id: str, cursor: str | None, actor: str, by: Authority | None = None
) -> Rotated | Refusal:
    """Seals the next values again, at most `BATCH`. Values of all organizations: the ring is the installation's.

    `by` is who asks: refused before anything is sealed where they may no more. What was sealed is recorded in any case.
    """
    bound = row_name("cursors", organization_id, "keys", "rotate")
    after = _place_of(_opened(context, cursor, bound))
    values = await asyncio.to_thread(sealed.some_after, context.database, after, BATCH)
    done = Rotated(context.vault.primary_key_id)
    refused = await context.till.submit(RecordRotation(organization_id, actor, done.key_id, 0), by=by)
    if isinstance(refused, Refusal):
        return refused
    for start in range(0, len(values), AT_ONCE):
        await _reseal(context, values[start : start + AT_ONCE], done)
    if len(values) == BATCH:
        # Sealed, as it names a row that may be another organization's.
        done.next_cursor = context.vault.seal(encode_cursor([values[-1].place, *values[-1].key]), bound)
    if done.resealed:
        answer = await context.till.submit(RecordRotation(organization_id, actor, done.key_id, done.resealed))
        if isinstance(answer, Refusal):
            return answer
    return done


async def _reseal(context: FlowContext, values: list[SealedValue], done: Rotated) -> None:
    for _ in range(TRIES):
        changes = []
        for value in values:
            fresh = _sealed_again(context, value, done)
            if fresh is not None:
                changes.append((value, fresh))
        if not changes:
            return
        left = await context.till.write(sealed.exchange(changes))
        done.resealed += len(changes) - len(left)
        found = [await asyncio.to_thread(sealed.read_again, context.database, value) for value in left]
        values = [value for value in found if value is not None]


def _sealed_again(context: FlowContext, value: SealedValue, done: Rotated) -> str | None:
    """The value sealed with the first key; None where there is nothing to do, or nothing that can be done."""
    try:
        if not context.vault.needs_resealing(value.sealed):
            done.already_current += 1
            return None
        return context.vault.seal(context.vault.open(value.sealed, value.name), value.name)
    except VaultKeyMissing as missing:
        done.unreadable[missing.key_id] = done.unreadable.get(missing.key_id, 0) + 1
    except VaultError:
        done.damaged += 1
    return None


def _opened(context: FlowContext, cursor: str | None, bound: bytes) -> str | None:
    """A cursor as it was before it was sealed. Raises InvalidCursor for one that this organization was not given."""
    try:
        return None if cursor is None else context.vault.open(cursor, bound)
    except VaultError:
        raise InvalidCursor(cursor) from None


def _place_of(cursor: str | None) -> tuple[int, list[str]] | None:
    """The place a cursor names. Raises InvalidCursor for one that no call of ours has given."""
    if cursor is None:
        return None
    for place, column in enumerate(SEALED):
        kinds: tuple[type, ...] = (int, *(str for _ in column.table.info["key"]))
        try:
            position: list[Any] = decode_cursor(cursor, kinds)
        except InvalidCursor:
            continue
        if position[0] == place:
            return place, position[1:]
    raise InvalidCursor(cursor)


async def missing_keys(context: FlowContext) -> dict[str, int]:
    """Keys that sealed what is stored and are not in the ring: how many values of each wait for it, by its id."""
    counts = await asyncio.to_thread(sealed.key_ids, context.database)
    return {key_id: count for key_id, count in sorted(counts.items()) if key_id not in context.vault.key_ids}


async def warn_of_missing_keys(context: FlowContext) -> None:
    """Says at the start, loudly, which keys are missing; what they sealed fails only when it is used."""
    for key_id, count in (await missing_keys(context)).items():
        log.error("vault.key_missing", key_id=key_id, values=count, next="put the key back into ROONY_SECRET_KEYS")
