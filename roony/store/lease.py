"""Leases of processes: taken, renewed and taken over by one write; and writes that count for their holder only."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TypeVar

from sqlalchemy import bindparam, select, text

from roony.core.duration import SECOND
from roony.core.lease import Lease
from roony.store.tables import leases
from roony.store.writer import Writer

Answer = TypeVar("Answer")


_TAKE = text(
    "INSERT INTO leases (name, holder, until, generation, since) VALUES (:name, :holder, :until, 1, :now)"
    " ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until,"
    " generation = leases.generation + CASE WHEN leases.holder = excluded.holder THEN 0 ELSE 1 END,"
    " since = CASE WHEN leases.until > :now THEN leases.since ELSE excluded.since END"
    " WHERE leases.holder = excluded.holder OR leases.until <= :now"
    " RETURNING generation, since"
)
# Kept as it is until the write that asks is committed: nobody takes over between the two.
_HELD = (
    select(leases.c.generation)
    .where(
        leases.c.name == bindparam("name"),
        leases.c.holder == bindparam("holder"),
        leases.c.generation == bindparam("generation"),
    )
    .with_for_update(read=True)
)


class LeaseLost(Exception):
    """Somebody else does it by now; nothing was written."""


def take(name: str, holder: str, seconds: int, clock: Callable[[], int]) -> Callable[[Writer], Lease | None]:
    """A write that takes a lease for so long, or renews it; it answers None while somebody else holds it.

    `clock` counts where the database has none of its own for all processes.
    """

    def take_or_renew(writer: Writer) -> Lease | None:
        now = writer.database_now()
        now = clock() if now is None else now
        until = now + seconds * SECOND
        rows = writer.execute(_TAKE, name=name, holder=holder, until=until, now=now).fetchall()
        return Lease(name, holder, until, *rows[0]) if rows else None

    return take_or_renew


def fenced(lease: Lease, work: Callable[[Writer], Answer]) -> Callable[[Writer], Answer]:
    """The same write, which raises LeaseLost instead where the lease has gone to somebody else since it was taken."""

    @wraps(work)
    def if_held(writer: Writer) -> Answer:
        held = writer.execute(_HELD, name=lease.name, holder=lease.holder, generation=lease.generation).fetchall()
        if not held:
            raise LeaseLost(lease.name)
        return work(writer)

    return if_held
