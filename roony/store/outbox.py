"""Work promised inside a commit and done after it; claims with a lease and a fencing generation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import bindparam, select, update

from roony.core.duration import SECOND
from roony.core.json_text import to_text
from roony.store.other_writes import by_organization
from roony.store.rows import OutboxPromise
from roony.store.tables import outbox
from roony.store.writer import Writer

# Whoever claims a promise, or has just committed it and keeps it at once, holds it for this long, in microseconds.
LEASE = 30 * SECOND
CLAIM_LIMIT = 32

# One statement however many rows, since money waits behind it; a row another process holds is left to it.
_WAITING = (
    select(outbox.c.organization_id, outbox.c.id)
    .where(outbox.c.status == "promised", outbox.c.due_at <= bindparam("now"), outbox.c.lease_until <= bindparam("now"))
    .order_by(outbox.c.due_at)
    .limit(CLAIM_LIMIT)
)
_DUE = _WAITING.with_for_update(skip_locked=True).cte("due")
_CLAIM = (
    update(outbox)
    .where(outbox.c.organization_id == _DUE.c.organization_id, outbox.c.id == _DUE.c.id)
    .values(lease_until=bindparam("until"), generation=outbox.c.generation + 1)
    .returning(*outbox.c)
)
# On a database spread over machines, a statement locks rows of one organization: first whose promises are due, then
# those of each. What another process took meanwhile, or took and put off, is left out.
_STILL_DUE = (
    select(outbox.c.id)
    .where(
        outbox.c.organization_id == bindparam("org"),
        outbox.c.id.in_(bindparam("ids", expanding=True)),
        outbox.c.status == "promised",
        outbox.c.due_at <= bindparam("now"),
        outbox.c.lease_until <= bindparam("now"),
    )
    .with_for_update(skip_locked=True)
    .cte("still_due")
)
_CLAIM_OF = (
    update(outbox)
    .where(outbox.c.organization_id == bindparam("org"), outbox.c.id.in_(select(_STILL_DUE.c.id)))
    .values(lease_until=bindparam("until"), generation=outbox.c.generation + 1)
    .returning(*outbox.c)
)

# Long work goes on under its lease only while nobody else has claimed the row.
_RENEW = (
    update(outbox)
    .where(
        outbox.c.organization_id == bindparam("org"),
        outbox.c.id == bindparam("promise_id"),
        outbox.c.generation == bindparam("seen"),
        outbox.c.status == "promised",
    )
    .values(lease_until=bindparam("until"))
)


def claim(now: int) -> Callable[[Writer], list[OutboxPromise]]:
    """A write that takes up to `CLAIM_LIMIT` promises that are due, under a fresh lease each; `now` in microseconds."""

    def work(writer: Writer) -> list[OutboxPromise]:
        if writer.spread:
            rows = _claim_one_by_one(writer, now)
        else:
            rows = writer.execute(_CLAIM, now=now, until=now + LEASE).fetchall()
        return sorted((OutboxPromise(*row) for row in rows), key=lambda promise: promise.due_at)

    return work


def _claim_one_by_one(writer: Writer, now: int) -> list[Any]:
    due = by_organization(writer.execute(_WAITING, now=now).fetchall())
    rows: list[Any] = []
    for organization_id, ids in due.items():
        rows += writer.execute(_CLAIM_OF, org=organization_id, ids=ids, now=now, until=now + LEASE).fetchall()
    return rows


def renew(promise: OutboxPromise, now: int) -> Callable[[Writer], bool]:
    """A write that gives the holder of a promise a fresh lease; False when it is not the holder any more."""

    def renew_lease(writer: Writer) -> bool:
        cursor = writer.execute(
            _RENEW,
            org=promise.organization_id,
            promise_id=promise.id,
            seen=promise.generation,
            until=now + LEASE,
        )
        return bool(cursor.rowcount == 1)

    return renew_lease


def new_promise(
    organization_id: str, id: str, kind: str, subject: str, params: Mapping[str, Any], now: int, *,
    key: str | None = None, lease: int = 0,
) -> OutboxPromise:  # fmt: skip
    """A promise that is due at once; `key` is derived from its id unless given.

    With a `lease` in microseconds the process that commits it holds it first. "At once" is written as 0 and not as
    `now`: an organization's time may have run ahead of the worker's clock, and work must not wait for that.
    """
    return OutboxPromise(
        organization_id, id, kind, subject, to_text(params), key or f"{id}:1", 1, "promised", 0, 0,
        now + lease if lease else 0, 1 if lease else 0, None, now, None,
    )  # fmt: skip
