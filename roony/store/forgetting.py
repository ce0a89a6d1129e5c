"""What is over for long and of no more use: deleted in pieces, so that no table grows by it for ever."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import (
    BindParameter,
    Column,
    ColumnElement,
    Delete,
    Select,
    Table,
    and_,
    bindparam,
    delete,
    select,
    tuple_,
)
from sqlalchemy.sql.elements import ClauseElement

from roony.core.duration import DAY, HOUR, SECOND
from roony.core.sign_in import BROWSER_SECONDS, CHALLENGE, SESSION_SECONDS
from roony.store.tables import (
    access_keys,
    oauth_states,
    one_time_links,
    outbox,
    passkeys,
    reveal_links,
    sign_in_tries,
    start_tickets,
    velocities,
)
from roony.store.writer import Writer

# Rows of each kind that one write deletes.
FORGET_ROWS = 200
# Kept for so long after they can be of no more use, in microseconds: the audit chain keeps that they were.
KEPT = 30 * DAY
# Promises that were kept or given up: a person may still ask what became of one.
KEPT_PROMISE = 180 * DAY


_AT: BindParameter[int] = bindparam("at")
# By kind: how long after the moment in its condition, in microseconds, the unit that is in, and the condition.
_RULES: dict[str, tuple[Table, int, int, ColumnElement[bool]]] = {
    "sessions": (
        access_keys, KEPT + SESSION_SECONDS * SECOND, 1,
        and_(access_keys.c.kind == "session", access_keys.c.created_at < _AT),
    ),
    "one_time_links": (one_time_links, KEPT, 1, one_time_links.c.expires_at < _AT),
    # What a passkey was to sign is found again by nobody, and anybody may ask for one.
    "challenges": (one_time_links, 0, 1, and_(one_time_links.c.kind == CHALLENGE, one_time_links.c.expires_at < _AT)),
    "passkeys": (passkeys, KEPT, 1, and_(passkeys.c.removed_at.is_not(None), passkeys.c.removed_at < _AT)),
    "reveal_links": (reveal_links, KEPT, 1, reveal_links.c.expires_at < _AT),
    "sign_in_tries": (sign_in_tries, BROWSER_SECONDS * SECOND, 1, sign_in_tries.c.last_at < _AT),
    "start_tickets": (start_tickets, KEPT, 1, start_tickets.c.expires_at < _AT),
    "oauth_states": (oauth_states, KEPT, 1, oauth_states.c.expires_at < _AT),
    "velocities": (velocities, KEPT, HOUR, velocities.c.hour < _AT),
    "promises": (outbox, KEPT_PROMISE, 1, and_(outbox.c.status != "promised", outbox.c.finished_at < _AT)),
}  # fmt: skip
KINDS = tuple(_RULES)


def _key(table: Table) -> list[Column[Any]]:
    return [table.c[name] for name in table.info["key"]]


def _look(table: Table, is_old: ColumnElement[bool]) -> Select[Any]:
    return select(*_key(table)).where(is_old).limit(FORGET_ROWS)


def _at_once(table: Table, is_old: ColumnElement[bool]) -> ClauseElement:
    some = _look(table, is_old).with_for_update(skip_locked=True).cte("some")
    return delete(table).where(tuple_(*_key(table)).in_(select(some))).returning(_key(table)[0])


def _of_one(table: Table, is_old: ColumnElement[bool]) -> Delete:
    _, *more = _key(table)
    mine = table.c.organization_id == bindparam("org")
    return delete(table).where(mine, tuple_(*more).in_(bindparam("keys", expanding=True)), is_old)


# One statement, since money waits behind it.
_FORGET = {kind: _at_once(table, is_old) for kind, (table, _, _, is_old) in _RULES.items()}
# On a database spread over machines, rows of organizations are looked for without a lock, then deleted by organization.
_OLD = {
    kind: _look(table, is_old)
    for kind, (table, _, _, is_old) in _RULES.items() if "organization_id" in table.info["key"]
}  # fmt: skip
_FORGET_OF = {kind: _of_one(_RULES[kind][0], _RULES[kind][3]) for kind in _OLD}


def forget(kind: str, now: int) -> Callable[[Writer], int]:
    """A write that deletes up to FORGET_ROWS rows of one of `KINDS`; returns how many. `now` in microseconds."""
    _, age, unit, _ = _RULES[kind]
    at = (now - age) // unit

    def delete_old(writer: Writer) -> int:
        if kind not in _OLD or not writer.spread:
            return len(writer.execute(_FORGET[kind], at=at).fetchall())
        keys: dict[str, list[Any]] = {}
        for organization_id, *key in writer.execute(_OLD[kind], at=at).fetchall():
            keys.setdefault(organization_id, []).append(tuple(key))
        return sum(writer.execute(_FORGET_OF[kind], org=org, keys=some, at=at).rowcount for org, some in keys.items())

    return delete_old
