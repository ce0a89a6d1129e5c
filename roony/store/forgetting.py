"""What is over for long and of no more use: deleted in pieces, so that no table grows by it for ever."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import BindParameter, ColumnElement, Delete, Table, bindparam, delete, select, tuple_

from roony.core.purchase import HOUR
from roony.core.sign_in import SECOND, SESSION_SECONDS
from roony.store.tables import (
    access_keys,
    oauth_states,
    one_time_links,
    outbox,
    reveal_links,
    start_tickets,
    velocities,
)
from roony.store.writer import Writer

# Rows of each kind that one write deletes.
FORGET_ROWS = 200
DAY = 24 * 3600 * SECOND
# Kept for so long after they can be of no more use, in microseconds: the audit chain keeps that they were.
KEPT = 30 * DAY
# Promises that were kept or given up: a person may still ask what became of one.
KEPT_PROMISE = 180 * DAY


def _old(table: Table, *where: ColumnElement[bool]) -> Delete:
    """Deletes some rows of which this is true; one that another process holds is left to it."""
    key = [table.c[name] for name in table.info["key"]]
    some = select(*key).where(*where).limit(FORGET_ROWS).with_for_update(skip_locked=True)
    return delete(table).where((tuple_(*key) if len(key) > 1 else key[0]).in_(some))


_AT: BindParameter[int] = bindparam("at")
# By kind: how long after a moment, in microseconds, and the rows that are deleted then.
KINDS = {
    "sessions": (
        KEPT + SESSION_SECONDS * SECOND, 1,
        _old(access_keys, access_keys.c.kind == "session", access_keys.c.created_at < _AT),
    ),
    "one_time_links": (KEPT, 1, _old(one_time_links, one_time_links.c.expires_at < _AT)),
    "reveal_links": (KEPT, 1, _old(reveal_links, reveal_links.c.expires_at < _AT)),
    "start_tickets": (KEPT, 1, _old(start_tickets, start_tickets.c.expires_at < _AT)),
    "oauth_states": (KEPT, 1, _old(oauth_states, oauth_states.c.expires_at < _AT)),
    "velocities": (KEPT, HOUR, _old(velocities, velocities.c.hour < _AT)),
    "promises": (KEPT_PROMISE, 1, _old(outbox, outbox.c.status != "promised", outbox.c.finished_at < _AT)),
}  # fmt: skip


def forget(kind: str, now: int) -> Callable[[Writer], int]:
    """A write that deletes up to FORGET_ROWS rows of one of `KINDS`; returns how many. `now` in microseconds."""
    age, unit, statement = KINDS[kind]

    def delete_old(writer: Writer) -> int:
        return int(writer.execute(statement, at=(now - age) // unit).rowcount)

    return delete_old
