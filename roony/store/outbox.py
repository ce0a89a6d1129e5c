"""Work promised inside a commit and done after it; claims with a lease and a fencing generation."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import bindparam, select, update

from roony.store.tables import OutboxPromise, outbox
from roony.store.writer import Writer

# A claimed promise is ours for this long, in microseconds.
LEASE = 30_000_000
CLAIM_LIMIT = 32

_DUE = (
    select(outbox)
    .where(outbox.c.status == "promised", outbox.c.due_at <= bindparam("now"), outbox.c.lease_until <= bindparam("now"))
    .order_by(outbox.c.due_at)
    .limit(CLAIM_LIMIT)
)
_CLAIM = (
    update(outbox)
    .where(
        outbox.c.organization_id == bindparam("org"),
        outbox.c.id == bindparam("promise_id"),
        outbox.c.generation == bindparam("seen"),
        outbox.c.status == "promised",
    )
    .values(lease_until=bindparam("until"), generation=bindparam("next"))
)


def claim(now: int) -> Callable[[Writer], list[OutboxPromise]]:
    """A write that takes up to `CLAIM_LIMIT` promises that are due, under a fresh lease each; `now` in microseconds."""

    def work(writer: Writer) -> list[OutboxPromise]:
        claimed = []
        for row in writer.execute(_DUE, now=now).fetchall():
            promise = OutboxPromise(*row)
            taken = promise._replace(lease_until=now + LEASE, generation=promise.generation + 1)
            cursor = writer.execute(
                _CLAIM,
                org=promise.organization_id,
                promise_id=promise.id,
                seen=promise.generation,
                until=taken.lease_until,
                next=taken.generation,
            )
            # Exactly one process changes the row from the generation it saw.
            if cursor.rowcount == 1:
                claimed.append(taken)
        return claimed

    return work
