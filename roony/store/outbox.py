"""Work promised inside a commit and done after it; claims with a lease and a fencing generation."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

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


def new_promise(
    organization_id: str, id: str, kind: str, subject: str, params: Mapping[str, Any], now: int, *,
    key: str | None = None, lease: int = 0,
) -> OutboxPromise:  # fmt: skip
    """A promise that is due at once; `key` is derived from its id unless given.

    With a `lease` in microseconds the process that commits it holds it first. "At once" is written as 0 and not as
    `now`: an organization's time may have run ahead of the worker's clock, and work must not wait for that.
    """
    return OutboxPromise(
        organization_id, id, kind, subject, json.dumps(params), key or f"{id}:1", 1, "promised", 0, 0,
        now + lease if lease else 0, 1 if lease else 0, None, now, None,
    )  # fmt: skip
